//! Who comes late, reads slowly or is killed: what it costs, and that nobody else pays.

use std::fs;
use std::time::{Duration, Instant, SystemTime};

use chasar_e2e::ledger::Counts;
use chasar_e2e::program::Signal;
use chasar_e2e::zmtp::Connection;
use chasar_e2e::{Clientnode, Ledger, Masternode, Site, Subscriber, until};

const SOON: Duration = Duration::from_secs(60);

/// Most that a masternode may grow by a subscriber that does not read: its queue has 10,000 messages, here of
/// 12 KiB each.
const SLOW_SUBSCRIBER_BYTES: u64 = 160 << 20;

/// Waits until a session has come whole, or says what is missing.
#[track_caller]
fn whole(subscriber: &Subscriber, session: &str, at_least: u64) -> Ledger {
    complete(subscriber, session, at_least, true)
}

/// Likewise; `settled`: the node says that nothing waits to be sent again.
#[track_caller]
fn complete(subscriber: &Subscriber, session: &str, at_least: u64, settled: bool) -> Ledger {
    until(SOON, "a whole session", || {
        let ledger = subscriber.ledger();
        let counts = ledger.counts(session);
        let done = counts.sampled >= at_least && counts.lost == 0 && (!settled || ledger.settled(session));
        if done {
            Ok(ledger)
        } else {
            Err(format!("{}\n{counts}\nmissing {:?}", Counts::HEAD, ledger.missing(session)))
        }
    })
}

#[track_caller]
fn first_session(subscriber: &Subscriber, at_least: u64) -> String {
    until(SOON, "the first reports", || {
        let ledger = subscriber.ledger();
        let session = ledger.sessions().first().cloned().ok_or("none")?;
        let counts = ledger.counts(&session);
        if counts.received >= at_least { Ok(session) } else { Err(counts.to_string()) }
    })
}

#[test]
fn who_comes_late_gets_what_comes_then() {
    let site = Site::new();
    let masternode = Masternode::start(&site);
    let early = Subscriber::python(&site, masternode.stream(), &["Chasar-Client"]);
    let _clientnode = Clientnode::start(&site, &["--interval", "0.1"]);
    let session = first_session(&early, 5);
    let late = Subscriber::node(&site, masternode.stream(), &["Chasar-Client"]);
    let got = late.at_least(20, SOON).len();
    let sequences: Vec<u64> = late.ledger().session(&session).map(|e| e.sequence).collect();
    let from = sequences[0];
    assert!(from >= 5, "it was there before it came");
    assert!(sequences.iter().copied().eq(from..from + sequences.len() as u64), "holes: {sequences:?}");
    assert!(got >= 20);
    early.ledger().assert_whole(&session, "the early subscriber");
}

#[test]
fn who_comes_late_learns_what_states_the_nodes_have() {
    let site = Site::new();
    let masternode = Masternode::start(&site);
    let _clientnode = Clientnode::start(&site, &["--interval", "0.5"]);
    masternode.count("live", 1, SOON);
    let late = Subscriber::python(&site, masternode.stream(), &["chasar/node/"]);
    let event = late.event(SOON, "the state of the node, said again", |e| e["repeated"] == true);
    assert!(["joined", "back"].iter().any(|s| event["state"] == *s), "{event}");
}

/// A report of 2016 with an identity, about as large as ours are.
fn large_report(sequence: u64) -> Vec<u8> {
    let process = |i: u64| {
        format!(
            r#""process-{i}":{{"pid":{i},"status":"sleeping","percent_cpu_used":0.5,"percent_memory_used":0.25}}"#
        )
    };
    let processes: Vec<String> = (0..120).map(|i| process(i + sequence)).collect();
    format!(
        r#"{{"hostname":"flood","node_id":"flood","session":"flood-1","sequence":{sequence},"sampled_at_ms":{},"process":{{{}}}}}"#,
        SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis(),
        processes.join(",")
    )
    .into_bytes()
}

#[test]
fn who_reads_slowly_harms_nobody() {
    let site = Site::new();
    let masternode = Masternode::start(&site);
    let fast = Subscriber::python(&site, masternode.stream(), &["Chasar-Client"]);
    let slow = Subscriber::python(&site, masternode.stream(), &["Chasar-Client"]);
    let mut node = Connection::shaken(masternode.reports(), "PUB").unwrap();
    // The masternode's subscription to everything.
    node.read_frame().unwrap();
    node.send(&[b"status", &large_report(0)]).unwrap();
    slow.at_least(1, SOON);
    let before = masternode.program.resident_bytes();
    slow.peer.program.signal(Signal::Stop);
    // No faster than a subscriber in Python reads, else it would be slow itself.
    let mut sent = 1;
    while masternode.metric("chasar_stream_lost_messages_total") == 0.0 || sent < 4_000 {
        assert!(sent < 40_000, "nothing was lost of {sent} reports");
        for _ in 0..200 {
            node.send(&[b"status", &large_report(sent)]).unwrap();
            sent += 1;
        }
        fast.at_least(sent as usize, SOON);
    }
    let grown = masternode.program.resident_bytes().saturating_sub(before);
    let lost = masternode.metric("chasar_stream_lost_messages_total");
    eprintln!("{sent} reports, the slow subscriber lost {lost}, masternode grew by {} KiB", grown >> 10);
    assert!(grown < SLOW_SUBSCRIBER_BYTES, "the masternode grew by {grown} bytes");
    fast.ledger().assert_whole("flood-1", "the fast subscriber");

    slow.peer.program.signal(Signal::Continue);
    let after = sent;
    until(SOON, "the slow subscriber to be up to date", || {
        node.send(&[b"status", &large_report(sent)]).unwrap();
        sent += 1;
        let newest = slow.ledger().session("flood-1").map(|e| e.sequence).max().unwrap_or(0);
        if newest >= after { Ok(()) } else { Err(format!("{newest} of {sent}")) }
    });
    let counts = slow.ledger().counts("flood-1");
    assert!(counts.lost > 0 && counts.duplicated == 0, "{counts}");
    let metered = masternode.metric("chasar_stream_lost_messages_total");
    assert!(counts.lost as f64 <= metered, "lost {}, counted {metered}", counts.lost);
}

/// The newest change of any file in a folder.
fn changed(folder: &std::path::Path) -> Option<SystemTime> {
    let files = fs::read_dir(folder).ok()?.filter_map(Result::ok);
    files.filter_map(|file| file.metadata().ok()?.modified().ok()).max()
}

#[test]
fn a_killed_masternode_costs_nothing() {
    let site = Site::new();
    let mut masternode = Masternode::start(&site);
    let mut subscriber = Subscriber::python(&site, masternode.stream(), &["Chasar-Client"]);
    let mut clientnode = Clientnode::start(&site, &["--interval", "0.1"]);
    let session = first_session(&subscriber, 20);
    // What was published last is remembered within 100 ms, so with the node frozen everything will be.
    clientnode.program.signal(Signal::Stop);
    until(SOON, "a memory that is newer than the last report", || {
        let newest = subscriber.messages().last().map_or(0.0, |m| m.at);
        let at = changed(&site.folder().join("masternode")).ok_or("no files")?;
        let at = at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
        if at > newest { Ok(()) } else { Err(format!("{} s older", newest - at)) }
    });
    masternode.kill_and_restart();
    until(SOON, "the subscriber to be back", || {
        let told = subscriber.peer.told();
        let times = told.iter().filter(|line| line["event"] == "connected").count();
        if times == 2 {
            Ok(())
        } else {
            subscriber.peer.program.running().and(Err(format!("{times} connections")))
        }
    });
    clientnode.program.signal(Signal::Continue);
    let sampled = subscriber.ledger().counts(&session).sampled;
    whole(&subscriber, &session, sampled + 20);
    clientnode.program.stop(Duration::from_secs(5));
    let ledger = whole(&subscriber, &session, sampled + 20);
    ledger.assert_whole(&session, "masternode killed at 10 Hz, everything remembered");
    assert_eq!(ledger.sessions().len(), 1);
}

/// How long before a kill a published report may not have been remembered yet, on a machine that is busy.
const UNREMEMBERED_MS: i64 = 1_500;

/// How long it may take from reading the clock to the last message that a killed masternode got out.
const KILL_TAKES_MS: i64 = 1_000;

#[test]
fn kills_at_any_moment_lose_nothing() {
    const KILLS: u64 = 3;
    let site = Site::new();
    let mut masternode = Masternode::start(&site);
    let subscriber = Subscriber::python(&site, masternode.stream(), &["Chasar-Client"]);
    let mut clientnode = Clientnode::start(&site, &["--interval", "0.1"]);
    let session = first_session(&subscriber, 10);
    let mut kills = Vec::new();
    for _ in 0..KILLS {
        kills.push(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64);
        masternode.kill_and_restart();
        let sampled = subscriber.ledger().counts(&session).sampled;
        whole(&subscriber, &session, sampled + 20);
    }
    clientnode.program.stop(Duration::from_secs(5));
    let ledger = subscriber.ledger();
    let counts = ledger.counts(&session);
    eprintln!("masternode killed {KILLS} times at 10 Hz\n{}\n{counts}", Counts::HEAD);
    assert_eq!(counts.lost, 0, "missing {:?}", ledger.missing(&session));
    // Published, but not yet remembered when the masternode died: first seen shortly before a kill.
    let messages = subscriber.messages();
    for sequence in ledger.repeated(&session) {
        let came = messages
            .iter()
            .find(|m| m.entry.as_ref().is_some_and(|e| e.session == session && e.sequence == sequence))
            .map(|m| (m.at * 1000.0) as i64)
            .unwrap();
        // The clock of the kill is read before the signal is sent, and what was published travels on.
        let before = kills.iter().map(|kill| kill - came).filter(|ms| *ms > -KILL_TAKES_MS).min();
        assert!(
            before.is_some_and(|ms| ms <= UNREMEMBERED_MS),
            "report {sequence} came twice, first {before:?} ms before a kill"
        );
    }
}

#[test]
fn a_clientnode_killed_in_an_outage_loses_nothing_that_is_spooled() {
    let site = Site::new();
    let mut masternode = Masternode::start(&site);
    let subscriber = Subscriber::python(&site, masternode.stream(), &["Chasar-Client"]);
    let spool = site.folder().join("spool");
    let spool = spool.to_str().unwrap();
    let mut clientnode = Clientnode::start(&site, &["--interval", "0.1", "--spool-dir", spool]);
    let first = first_session(&subscriber, 10);
    masternode.program.stop(Duration::from_secs(5));
    let began = Instant::now();
    until(SOON, "an outage of three seconds", || {
        if began.elapsed() > Duration::from_secs(3) { Ok(()) } else { Err(String::new()) }
    });
    let sampled = subscriber.ledger().counts(&first).sampled + 20;
    clientnode.restart();
    masternode.restart();
    // Its last report was made in the outage, so it cannot say that the outage is over.
    let ledger = complete(&subscriber, &first, sampled, false);
    ledger.assert_whole(&first, "clientnode killed in an outage, with a spool");
    until(SOON, "the second session", || {
        let ledger = subscriber.ledger();
        let sessions = ledger.sessions();
        let second = sessions.iter().find(|s| **s != first).ok_or("none")?;
        let counts = ledger.counts(second);
        if counts.sampled >= 10 && counts.lost == 0 { Ok(()) } else { Err(counts.to_string()) }
    });
}
