//! Hundreds of simulated nodes that play a recorded report, and come back when the masternode does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chasar_bench::recording::{Moment, Recording};
use chasar_bench::zmtp::Publisher;

/// Simulated nodes at 1 Hz. They keep no outbox: what they sample while the masternode is away is never sent.
#[derive(Debug)]
pub struct Swarm {
    stop: Arc<AtomicBool>,
    connected: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

struct Node {
    number: u64,
    link: Option<Publisher>,
    sequence: u64,
    due: Instant,
}

impl Swarm {
    /// Starts `count` nodes; all connect at once.
    pub fn start(address: SocketAddr, count: u64, recording: Recording) -> Swarm {
        let (stop, connected) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, up) = (Arc::clone(&stop), Arc::clone(&connected));
        let thread = thread::spawn(move || run(address, count, &recording, &stopped, &up));
        Swarm { stop, connected, thread: Some(thread) }
    }

    /// How many nodes have a connection.
    pub fn connected(&self) -> u64 {
        self.connected.load(Ordering::Relaxed)
    }

    /// All nodes hang up at once.
    pub fn leave(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || thread::panicking(), "the swarm panicked");
        }
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        self.end();
    }
}

fn run(address: SocketAddr, count: u64, recording: &Recording, stop: &AtomicBool, connected: &AtomicU64) {
    let session = format!("swarm-{}", now().as_nanos());
    let started = Instant::now();
    let mut nodes: Vec<Node> =
        (0..count).map(|number| Node { number, link: None, sequence: 0, due: started }).collect();
    let mut report = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        for node in &mut nodes {
            if Instant::now() < node.due {
                continue;
            }
            node.due += Duration::from_secs(1);
            if node.link.is_none() {
                node.link = Publisher::connect(address).ok();
            }
            let now_ms = now().as_millis() as i64;
            let moment = Moment { node: node.number, session: &session, sequence: node.sequence, now_ms };
            node.sequence += 1;
            recording.play(&moment, &mut report);
            let sent = node.link.as_mut().map(|link| link.send(b"status", &report));
            if !matches!(sent, Some(Ok(_))) {
                node.link = None;
            }
        }
        connected.store(nodes.iter().filter(|n| n.link.is_some()).count() as u64, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(5));
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970")
}
