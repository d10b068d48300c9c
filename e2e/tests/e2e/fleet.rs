//! Hundreds of nodes at once.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chasar_bench::recording::Recording;
use chasar_e2e::swarm::Swarm;
use chasar_e2e::{Clientnode, Masternode, Site, Subscriber, until};

const SOON: Duration = Duration::from_secs(60);
const NODES: u64 = 500;

/// Some reports of this computer.
fn recording() -> Recording {
    let site = Site::new();
    let masternode = Masternode::start(&site);
    let subscriber = Subscriber::python(&site, masternode.stream(), &["Chasar-Client"]);
    let _clientnode = Clientnode::start(&site, &["--interval", "0.2"]);
    let reports: Vec<_> = subscriber.at_least(5, SOON).iter().map(|m| m.body().to_owned()).collect();
    Recording::new(&reports).expect("reports")
}

/// What came of the reports that were streamed: sessions of nodes, and reports that came twice.
fn streamed(subscriber: &Subscriber) -> (usize, Vec<(String, u64)>) {
    let mut times: HashMap<(String, String, u64), u64> = HashMap::new();
    let ledger = subscriber.ledger();
    for e in ledger.entries {
        *times.entry((e.node_id, e.session, e.sequence)).or_default() += 1;
    }
    let nodes: HashSet<&String> = times.keys().map(|(node, ..)| node).collect();
    let twice = times.iter().filter(|(_, n)| **n > 1).map(|((node, _, s), _)| (node.clone(), *s)).collect();
    (nodes.len(), twice)
}

#[test]
fn five_hundred_nodes_come_stay_and_go() {
    let recording = recording();
    let site = Site::new();
    let mut masternode = Masternode::start(&site);
    let subscriber = Subscriber::python(&site, masternode.stream(), &["Chasar-Client", "chasar/node/"]);
    // A real one among them; when its reports come, the subscriber will not miss those of the others.
    let _clientnode = Clientnode::start(&site, &[]);
    subscriber.at_least(1, SOON);
    let swarm = Swarm::start(masternode.reports(), NODES, recording);
    masternode.count("live", NODES + 1, SOON);
    until(SOON, "reports of all nodes", || {
        let (nodes, _) = streamed(&subscriber);
        if nodes as u64 == NODES + 1 { Ok(()) } else { Err(format!("{nodes} nodes")) }
    });

    masternode.kill_and_restart();
    until(SOON, "all nodes to be connected again", || {
        let connected = swarm.connected();
        if connected == NODES { Ok(()) } else { Err(format!("{connected} are")) }
    });
    let back = subscriber.ledger().entries.len();
    until(SOON, "reports of all nodes again", || {
        let nodes: HashSet<String> = subscriber.ledger().entries.drain(back..).map(|e| e.node_id).collect();
        if nodes.len() as u64 == NODES + 1 { Ok(()) } else { Err(format!("{} nodes", nodes.len())) }
    });
    masternode.count("live", NODES + 1, SOON);

    swarm.leave();
    // Simulated nodes hang up without a good-bye.
    masternode.count("down", NODES, SOON);
    masternode.count("live", 1, SOON);
    let (_, twice) = streamed(&subscriber);
    assert!(twice.is_empty(), "{} reports came twice: {:?}", twice.len(), &twice[..twice.len().min(5)]);
    let events = subscriber.events();
    let count =
        |state: &str| events.iter().filter(|e| e["state"] == state && e["repeated"] != true).count() as u64;
    assert_eq!((count("joined"), count("down"), count("cloned")), (NODES + 1, NODES, 0));
}
