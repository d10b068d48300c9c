//! What the tests of this crate share: agents on threads, a masternode that only receives and checks.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a program of its own and uses a part of this"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chasar_clientnode::{Config, RunError, Stop, run};
use chasar_link::{Collector, CollectorConfig, Endpoint, Received};
use chasar_wire::pack::Unpacker;
use chasar_wire::{Report, topic};

/// Longer than anything takes on a busy machine; only a failing test waits for it.
pub const LONG: Duration = Duration::from_secs(40);

/// A free port of the loopback, to be bound a moment later.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound").port()
}

pub fn config(port: u16, state: &Path) -> Config {
    Config {
        interval: Duration::from_millis(100),
        replay_per_second: 200.0,
        replay_start_within: Duration::from_millis(200),
        ..Config::new("127.0.0.1", port, state)
    }
}

/// An agent on a thread of its own; ended and waited for when dropped.
pub struct Running {
    pub stop: Stop,
    thread: Option<JoinHandle<Result<(), RunError>>>,
}

impl Running {
    pub fn start(config: Config) -> Running {
        let stop = Stop::new().expect("a socket pair");
        let theirs = stop.clone();
        let thread = std::thread::Builder::new().name("agent".to_owned());
        let thread = thread.spawn(move || run(&config, &theirs)).expect("a thread");
        Running { stop, thread: Some(thread) }
    }

    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Ends it and gives what it says, and how long that took.
    pub fn end(mut self) -> (Result<(), RunError>, Duration) {
        let begin = Instant::now();
        self.stop.trigger();
        let result = self.thread.take().expect("not yet ended").join().expect("no panic");
        (result, begin.elapsed())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.trigger();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Everything one node sent, over all lives of the masternode; checks what it says about gaps.
#[derive(Default)]
pub struct Ledger {
    /// Copies by session and sequence number.
    pub arrived: BTreeMap<(String, u64), u32>,
    pub sampled_at_ms: BTreeMap<(String, u64), i64>,
    declared_lost: BTreeSet<(String, u64)>,
    pub latest: Option<Report>,
    pub topics: BTreeSet<String>,
    unpacked: Vec<u8>,
}

impl Ledger {
    pub fn take(&mut self, topic: &[u8], body: &[u8]) -> &Report {
        let topic = std::str::from_utf8(topic).expect("a topic of ours");
        self.topics.insert(topic.to_owned());
        let json = if topic == topic::STATUS_ZSTD {
            Unpacker::new().unpack(body, &mut self.unpacked).expect("packed by us");
            &self.unpacked[..]
        } else {
            body
        };
        let report = chasar_wire::decode(json).expect("a report within the limits");
        let session = report.session.clone().expect("a session").to_string();
        let sequence = report.sequence.expect("a sequence number");
        let key = (session.clone(), sequence);
        assert!(!self.declared_lost.contains(&key), "{key:?} came after it was declared lost");
        let at = report.sampled_at_ms.expect("a time");
        let before = self.sampled_at_ms.insert(key.clone(), at);
        assert!(before.is_none_or(|b| b == at), "a copy has the time of the original");
        *self.arrived.entry(key).or_default() += 1;
        let floor = report.replay.map_or(sequence, |r| r.from_sequence.min(sequence));
        for missing in (0..floor).filter(|n| !self.arrived.contains_key(&(session.clone(), *n))) {
            self.declared_lost.insert((session.clone(), missing));
        }
        self.latest.insert(report)
    }

    /// Sequence numbers of a session that have not come, below the highest that has.
    pub fn missing(&self, session: &str) -> Vec<u64> {
        let highest = self.highest(session).unwrap_or(0);
        (0..highest).filter(|n| !self.arrived.contains_key(&(session.to_owned(), *n))).collect()
    }

    pub fn highest(&self, session: &str) -> Option<u64> {
        self.arrived.keys().filter(|(s, _)| s == session).map(|(_, n)| *n).max()
    }

    pub fn sessions(&self) -> BTreeSet<String> {
        self.arrived.keys().map(|(s, _)| s.clone()).collect()
    }

    pub fn session(&self) -> String {
        let sessions = self.sessions();
        assert_eq!(sessions.len(), 1, "{sessions:?}");
        sessions.into_iter().next().expect("one")
    }

    pub fn declared_lost(&self) -> usize {
        self.declared_lost.len()
    }
}

pub fn bind(port: u16) -> Collector {
    let end = Instant::now() + LONG;
    loop {
        let endpoint: Endpoint = format!("127.0.0.1:{port}").parse().expect("an endpoint");
        match Collector::bind(&CollectorConfig::new(endpoint)) {
            Ok(collector) => return collector,
            // The port of one just closed may be busy for a moment.
            Err(e) => assert!(Instant::now() < end, "cannot bind {port}: {e}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Lets time pass in which nobody receives: the length of the outage is what is tested, not a wait for
/// something to happen.
pub fn an_outage_of(length: Duration) {
    std::thread::sleep(length);
}

/// Receives until `enough` says so.
pub fn receive(
    collector: &Collector,
    ledger: &mut Ledger,
    what: &str,
    mut enough: impl FnMut(&Ledger) -> bool,
) {
    let end = Instant::now() + LONG;
    while !enough(ledger) {
        assert!(Instant::now() < end, "waited {LONG:?} in vain for {what}");
        match collector.try_recv().expect("no failure") {
            Some(Received::Report { topic, body, .. }) => {
                ledger.take(&topic, &body);
            }
            Some(other) => panic!("{other:?}"),
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// The Python with pyzmq of this project's tests.
pub fn python() -> PathBuf {
    let python = std::env::var_os("CHASAR_TEST_PYTHON").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache/venv/bin/python"),
        PathBuf::from,
    );
    assert!(
        python.exists(),
        "{} is missing: run cargo xtask test, which prepares the Python peers",
        python.display()
    );
    python
}
