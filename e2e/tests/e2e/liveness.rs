//! Killed is not stopped, and late is not down.

use std::time::{Duration, SystemTime};

use chasar_e2e::program::Signal;
use chasar_e2e::wait::always;
use chasar_e2e::{Clientnode, Masternode, Site, Subscriber, until};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);

fn stage(interval: &str) -> (Site, Masternode, Subscriber, Clientnode) {
    let site = Site::new();
    let masternode = Masternode::start(&site);
    let subscriber = Subscriber::python(&site, masternode.stream(), &["Chasar-Client", "chasar/node/"]);
    let clientnode = Clientnode::start(&site, &["--interval", interval]);
    (site, masternode, subscriber, clientnode)
}

fn newest_report(subscriber: &Subscriber) -> (f64, Value) {
    until(SOON, "a report", || {
        let messages = subscriber.messages();
        let newest = messages.iter().rfind(|m| m.topic() == "Chasar-Client").ok_or("none")?;
        Ok((newest.at, newest.json()))
    })
}

fn states(subscriber: &Subscriber) -> Vec<String> {
    let fresh = subscriber.events().into_iter().filter(|e| e["repeated"] != true);
    fresh.map(|e| e["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_killed_clientnode_is_down_in_time_and_comes_back_as_itself() {
    let (_site, masternode, subscriber, mut clientnode) = stage("1");
    until(SOON, "three reports", || {
        if subscriber.ledger().entries.len() >= 3 { Ok(()) } else { Err("few".into()) }
    });
    clientnode.program.kill();
    let (last, report) = newest_report(&subscriber);
    let down = subscriber.event(SOON, "a down event", |e| e["state"] == "down");
    let (last, _) =
        if newest_report(&subscriber).0 > last { newest_report(&subscriber) } else { (last, report.clone()) };
    let after = down["at_ms"].as_f64().unwrap() / 1e3 - last;
    eprintln!("down {after:.2} s after the last report");
    // The third missed report was due 3 s after the last one that came.
    assert!((2.9..=6.0).contains(&after), "down {after} s after the last report");
    assert_eq!(states(&subscriber), ["joined", "late", "down"]);

    clientnode.restart();
    subscriber.event(SOON, "a back event", |e| e["state"] == "back");
    masternode.count("live", 1, SOON);
    let sessions = until(SOON, "a second session", || {
        let sessions = subscriber.ledger().sessions();
        if sessions.len() == 2 { Ok(sessions) } else { Err(format!("{sessions:?}")) }
    });
    assert_ne!(sessions[0], sessions[1]);
    assert_eq!(newest_report(&subscriber).1["node_id"], report["node_id"], "the identity survives");
    let nodes = masternode.nodes().unwrap();
    assert_eq!(nodes.len(), 1, "{nodes:?}");
    // A copy would show while both run.
    always(Duration::from_secs(2), "no alarm", || {
        let states = states(&subscriber);
        if states == ["joined", "late", "down", "back"] { Ok(()) } else { Err(format!("{states:?}")) }
    });
    subscriber.ledger().assert_whole(&sessions[1], "the second session");
}

#[test]
fn a_stopped_clientnode_has_left() {
    let (_site, masternode, subscriber, mut clientnode) = stage("0.5");
    until(SOON, "three reports", || {
        if subscriber.ledger().entries.len() >= 3 { Ok(()) } else { Err("few".into()) }
    });
    clientnode.program.stop(Duration::from_secs(5));
    subscriber.event(SOON, "a left event", |e| e["state"] == "left");
    masternode.count("left", 1, SOON);
    assert_eq!(newest_report(&subscriber).1["leaving"], true);
    // Long enough for six missed reports.
    always(Duration::from_secs(4), "left and no more", || {
        let states = states(&subscriber);
        if states == ["joined", "left"] { Ok(()) } else { Err(format!("{states:?}")) }
    });
    let ledger = subscriber.ledger();
    ledger.assert_whole(&ledger.sessions()[0], "a session from beginning to end");
}

#[test]
fn a_clientnode_that_stalls_is_late_not_down() {
    let (_site, _masternode, subscriber, clientnode) = stage("1");
    until(SOON, "three reports", || {
        if subscriber.ledger().entries.len() >= 3 { Ok(()) } else { Err("few".into()) }
    });
    clientnode.program.signal(Signal::Stop);
    subscriber.event(SOON, "a late event", |e| e["state"] == "late");
    clientnode.program.signal(Signal::Continue);
    subscriber.event(SOON, "a back event", |e| e["state"] == "back");
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
    assert_eq!(states(&subscriber), ["joined", "late", "back"], "at {now}");
}
