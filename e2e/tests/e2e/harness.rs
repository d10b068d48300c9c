//! The harness itself, with foreign programs alone: if these fail, the other tests mean nothing.

use std::time::Duration;

use chasar_e2e::namespace::{Cut, Wire};
use chasar_e2e::peer::Peer;
use chasar_e2e::wait::always;
use chasar_e2e::{Site, until};

const SOON: Duration = Duration::from_secs(60);

fn count(peer: &Peer) -> usize {
    peer.messages(0).len()
}

#[test]
fn peers_of_2016_talk_to_each_other() {
    let site = Site::new();
    let endpoint = format!("tcp://{}:5555", site.address());
    let mut masternode = Peer::python(&site, "masternode_2016.py", &[&endpoint]);
    masternode.event("bound", SOON);
    let clientnode = Peer::python(&site, "clientnode_2016.py", &[&endpoint, "old", "0.1"]);
    until(SOON, "reports", || if count(&masternode) >= 3 { Ok(()) } else { Err("few".to_owned()) });
    let sent: Vec<String> = clientnode.messages(0).iter().map(|m| m.body().to_owned()).collect();
    let got = masternode.messages(0);
    assert!(got.iter().all(|m| m.topic() == "status"));
    // The clientnode tells after sending, so what came last may not have been told.
    assert!(got[..2].iter().all(|m| sent.iter().any(|s| s == m.body())), "not what was sent");
    chasar_e2e::report::assert_2016(&got[0].json());
}

fn a_wire_can_be_cut(how: Cut) {
    let wire = Wire::new();
    let near = Site::at(wire.first(), Wire::FIRST);
    let far = near.elsewhere(wire.second());
    let endpoint = "tcp://10.77.0.1:5555";
    let mut masternode = Peer::python(&near, "masternode_2016.py", &[endpoint]);
    masternode.event("bound", SOON);
    let _clientnode = Peer::python(&far, "clientnode_2016.py", &[endpoint, "old", "0.05"]);
    until(SOON, "reports", || if count(&masternode) > 5 { Ok(()) } else { Err("none".to_owned()) });
    wire.cut(how);
    let mut before = count(&masternode);
    until(SOON, "silence", || {
        let now = count(&masternode);
        let quiet = std::mem::replace(&mut before, now) == now;
        if quiet { Ok(()) } else { Err(format!("{now} reports")) }
    });
    let before = count(&masternode);
    always(Duration::from_secs(1), "silence", || {
        if count(&masternode) == before { Ok(()) } else { Err("a report".to_owned()) }
    });
    wire.mend(how);
    until(
        SOON,
        "reports again",
        || if count(&masternode) > before { Ok(()) } else { Err("none".to_owned()) },
    );
}

#[test]
fn a_plug_can_be_pulled() {
    a_wire_can_be_cut(Cut::Plug);
}

#[test]
fn packets_can_vanish() {
    a_wire_can_be_cut(Cut::Silent);
}
