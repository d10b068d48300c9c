//! The agent against masternodes that go away and come back, over real sockets.

mod support;

use std::time::Duration;

use chasar_clientnode::config::{Outbox, Spool};
use chasar_clientnode::{Config, RunError};
use support::*;

#[test]
fn a_report_has_everything_and_the_last_one_says_goodbye() {
    let state = tempfile::tempdir().unwrap();
    let port = free_port();
    let collector = bind(port);
    let agent = Running::start(config(port, state.path()));
    let mut ledger = Ledger::default();
    receive(&collector, &mut ledger, "five reports", |l| l.arrived.len() >= 5);
    let report = ledger.latest.clone().unwrap();
    assert_eq!(report.schema, Some(2));
    assert!(!report.hostname.is_empty());
    assert_eq!(report.node_id.as_ref().unwrap().len(), 32);
    assert_eq!(report.interval_seconds, Some(0.1));
    assert_eq!(report.replay, None);
    assert_eq!(report.leaving, None);
    let about = report.agent.unwrap();
    assert_eq!(about.pid, Some(std::process::id()));
    assert!(about.cpu_seconds_total.unwrap() > 0.0);
    assert!(about.resident_bytes.unwrap() > 1 << 20);
    assert!(about.sent_reports_total.unwrap() >= 3);
    assert!(about.sent_bytes_total.unwrap() > 1000);
    assert!(about.sample_seconds.unwrap() > 0.0);
    assert_eq!(about.reconnects_total, Some(0));

    agent.stop.trigger();
    receive(&collector, &mut ledger, "the goodbye", |l| l.latest.as_ref().unwrap().leaving == Some(true));
    let (result, _) = agent.end();
    result.unwrap();
    assert_eq!(ledger.missing(&ledger.session()), [0; 0]);
}

#[test]
fn a_masternode_that_restarts_misses_nothing() {
    let state = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut collector = bind(port);
    let agent = Running::start(config(port, state.path()));
    let mut ledger = Ledger::default();
    receive(&collector, &mut ledger, "the first reports", |l| l.arrived.len() >= 10);
    let session = ledger.session();
    for life in 1..=3u64 {
        // What is in its queues is gone with it.
        drop(collector);
        an_outage_of(Duration::from_millis(700));
        collector = bind(port);
        let before = ledger.highest(&session).unwrap();
        receive(&collector, &mut ledger, "the end of the replay", |l| {
            let latest = l.latest.as_ref().unwrap();
            latest.sequence.unwrap() > before + 5
                && latest.replay.is_none()
                && latest.agent.as_ref().unwrap().reconnects_total == Some(life)
        });
        assert_eq!(ledger.missing(&session), [0; 0], "after life {life}");
    }
    assert_eq!(ledger.declared_lost(), 0);
    let about = ledger.latest.as_ref().unwrap().agent.clone().unwrap();
    assert!(about.replayed_reports_total.unwrap() >= 15);
    assert_eq!(about.dropped_reports_total, Some(0));
    agent.end().0.unwrap();
}

#[test]
fn reports_of_an_agent_that_started_first_arrive_compressed_too() {
    let state = tempfile::tempdir().unwrap();
    let port = free_port();
    let agent = Running::start(Config { compress: true, ..config(port, state.path()) });
    an_outage_of(Duration::from_millis(700));
    let collector = bind(port);
    let mut ledger = Ledger::default();
    receive(&collector, &mut ledger, "the replay from the first sample on", |l| {
        l.arrived.len() >= 10
            && l.latest.as_ref().unwrap().replay.is_none()
            && l.missing(&l.session()).is_empty()
    });
    assert_eq!(ledger.topics.iter().collect::<Vec<_>>(), ["status.zst"]);
    agent.end().0.unwrap();
}

#[test]
fn without_an_outbox_a_gap_is_final_at_once() {
    let state = tempfile::tempdir().unwrap();
    let port = free_port();
    let agent = Running::start(Config { outbox: None, ..config(port, state.path()) });
    an_outage_of(Duration::from_millis(700));
    let collector = bind(port);
    let mut ledger = Ledger::default();
    receive(&collector, &mut ledger, "a report", |l| l.arrived.len() >= 3);
    let lost = ledger.declared_lost() as u64;
    assert!(lost >= 3);
    let about = ledger.latest.as_ref().unwrap().agent.clone().unwrap();
    assert_eq!(about.dropped_reports_total, Some(lost));
    assert_eq!(about.outbox_reports, Some(0));
    agent.end().0.unwrap();
}

#[test]
fn with_a_spool_the_samples_outlive_the_agent() {
    let state = tempfile::tempdir().unwrap();
    let port = free_port();
    let spool = Spool::new(state.path().join("spool"));
    let config = Config { spool: Some(spool), outbox: Some(Outbox::default()), ..config(port, state.path()) };
    for _ in 0..2 {
        let agent = Running::start(config.clone());
        an_outage_of(Duration::from_millis(700));
        agent.end().0.unwrap();
    }
    let collector = bind(port);
    let agent = Running::start(config);
    let mut ledger = Ledger::default();
    receive(&collector, &mut ledger, "three sessions", |l| {
        l.sessions().len() == 3
            && l.latest.as_ref().unwrap().replay.is_none()
            && l.latest.as_ref().unwrap().agent.as_ref().unwrap().outbox_reports < Some(1000)
    });
    let before = ledger.arrived.len();
    receive(&collector, &mut ledger, "a report after the replay", |l| l.arrived.len() >= before + 3);
    for session in ledger.sessions() {
        assert_eq!(ledger.missing(&session), [0; 0]);
        assert!(ledger.highest(&session).unwrap() >= 3);
    }
    assert_eq!(ledger.declared_lost(), 0);
    assert!(ledger.latest.as_ref().unwrap().leaving.is_none());
    agent.end().0.unwrap();
}

#[test]
fn a_stop_is_heard_at_once_also_without_a_link() {
    let state = tempfile::tempdir().unwrap();
    let long = Config { interval: Duration::from_secs(3600), ..config(free_port(), state.path()) };
    let agent = Running::start(long);
    // Long enough for the first sample to be over.
    an_outage_of(Duration::from_millis(1500));
    let (result, took) = agent.end();
    result.unwrap();
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn wrong_settings_and_a_folder_in_use_are_errors_that_say_so() {
    let state = tempfile::tempdir().unwrap();
    let agent = Running::start(config(free_port(), state.path()));
    let lock = state.path().join("node_id");
    let end = std::time::Instant::now() + LONG;
    while !lock.exists() {
        assert!(std::time::Instant::now() < end, "no identity was made");
        std::thread::sleep(Duration::from_millis(5));
    }
    let (second, _) = Running::start(config(free_port(), state.path())).end();
    let error = second.expect_err("the folder is in use");
    assert!(matches!(error, RunError::Identity(_)) && error.to_string().contains("state folder"), "{error}");
    agent.end().0.unwrap();

    let wrong = Config { interval: Duration::ZERO, port: 0, ..config(1, state.path()) };
    let (wrong, _) = Running::start(wrong).end();
    let message = wrong.expect_err("wrong settings").to_string();
    assert!(message.contains("interval") && message.contains("port"), "{message}");
}
