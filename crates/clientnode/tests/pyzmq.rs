//! The agent with a masternode as it was in 2016: a pyzmq SUB socket that binds.

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use support::*;

/// Subscribes to everything, prints topic and JSON in a line each, as the program of 2016 stored them.
const MASTERNODE: &str = r"
import sys, zmq
socket = zmq.Context().socket(zmq.SUB)
socket.bind('tcp://127.0.0.1:' + sys.argv[1])
socket.setsockopt(zmq.SUBSCRIBE, b'')
print('bound', flush=True)
while True:
    topic, body = socket.recv_multipart()
    print(topic.decode(), body.decode(), flush=True)
";

struct Masternode {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Masternode {
    fn start(port: u16) -> Masternode {
        let mut child = Command::new(python())
            .args(["-c", MASTERNODE, &port.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        assert_eq!(lines.next().expect("a line").expect("text"), "bound");
        Masternode { child, lines }
    }

    fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        // SAFETY: signals a child that has not been waited for.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    fn receive(&mut self, ledger: &mut Ledger, what: &str, mut enough: impl FnMut(&Ledger) -> bool) {
        let end = Instant::now() + LONG;
        while !enough(ledger) {
            assert!(Instant::now() < end, "waited {LONG:?} in vain for {what}");
            let line = self.lines.next().expect("the masternode runs").expect("text");
            let (topic, body) = line.split_once(' ').expect("topic and body");
            ledger.take(topic.as_bytes(), body.as_bytes());
        }
    }
}

impl Drop for Masternode {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Stopped (silent, the connection stays), killed, and started again.
#[test]
fn a_masternode_of_2016_stopped_and_killed_gets_every_sample() {
    let state = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut masternode = Masternode::start(port);
    let agent = Running::start(config(port, state.path()));
    let mut ledger = Ledger::default();
    masternode.receive(&mut ledger, "the first reports", |l| l.arrived.len() >= 5);
    assert_eq!(ledger.topics.iter().collect::<Vec<_>>(), ["status"]);
    let session = ledger.session();

    masternode.signal(libc::SIGSTOP);
    // A silent peer is found within 5 s.
    an_outage_of(Duration::from_secs(6));
    masternode.signal(libc::SIGCONT);
    masternode.receive(&mut ledger, "the end of the first replay", |l| {
        let latest = l.latest.as_ref().unwrap();
        latest.replay.is_none() && latest.agent.as_ref().unwrap().reconnects_total == Some(1)
    });
    assert_eq!(ledger.missing(&session), [0; 0]);

    masternode.signal(libc::SIGKILL);
    drop(masternode);
    let mut masternode = Masternode::start(port);
    masternode.receive(&mut ledger, "the end of the second replay", |l| {
        let latest = l.latest.as_ref().unwrap();
        latest.replay.is_none() && latest.agent.as_ref().unwrap().reconnects_total == Some(2)
    });
    assert_eq!(ledger.missing(&session), [0; 0]);
    assert_eq!(ledger.declared_lost(), 0);

    agent.stop.trigger();
    masternode.receive(&mut ledger, "the goodbye", |l| l.latest.as_ref().unwrap().leaving == Some(true));
    agent.end().0.unwrap();
}
