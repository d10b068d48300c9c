//! Simulated nodes: connections, pace, and what was sent when.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::recording::{Moment, Recording};
use crate::zmtp::{Publisher, Sent};

/// Moments of sending are kept for this many last reports of a node.
const REMEMBERED: u64 = 16;

/// A fleet of simulated nodes that report once an interval, evenly spread over it.
pub struct Fleet {
    nodes: Vec<Publisher>,
    session: String,
    shared: Arc<Shared>,
}

/// What the generator tells while it runs.
pub struct Shared {
    started: Instant,
    /// Reports handed to the kernel.
    pub sent: AtomicU64,
    /// Reports that a slow masternode made us drop.
    pub dropped: AtomicU64,
    /// Bytes of reports sent.
    pub bytes: AtomicU64,
    /// Set to end the run.
    pub stop: AtomicBool,
    sent_at: Vec<AtomicU64>,
}

impl Shared {
    /// Nanoseconds between the sending of a report and now; `None` when it was sent too long ago.
    pub fn since_sent(&self, node: u64, sequence: u64) -> Option<u64> {
        let slot = self.sent_at.get((node * REMEMBERED + sequence % REMEMBERED) as usize)?;
        let packed = slot.load(Ordering::Acquire);
        let now = self.started.elapsed().as_nanos() as u64;
        // The low bits tell which report the slot is of.
        (packed & 0xFF == sequence & 0xFF).then(|| now.saturating_sub(packed >> 8 << 8))
    }
}

impl Fleet {
    /// Connects `count` nodes to a masternode.
    ///
    /// # Errors
    /// When a connection cannot be made.
    pub fn connect(address: SocketAddr, count: u64) -> io::Result<Fleet> {
        let nodes = (0..count).map(|_| Publisher::connect(address)).collect::<io::Result<Vec<_>>>()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
        Ok(Fleet {
            nodes,
            session: format!("{:016x}", now.as_nanos() as u64),
            shared: Arc::new(Shared {
                started: Instant::now(),
                sent: AtomicU64::new(0),
                dropped: AtomicU64::new(0),
                bytes: AtomicU64::new(0),
                stop: AtomicBool::new(false),
                sent_at: (0..count * REMEMBERED).map(|_| AtomicU64::new(u64::MAX)).collect(),
            }),
        })
    }

    /// What the run tells; keep it before [`Fleet::run`].
    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Reports until told to stop.
    ///
    /// # Errors
    /// When a connection breaks.
    pub fn run(mut self, recording: &Recording, interval: Duration) -> io::Result<()> {
        let count = self.nodes.len() as u64;
        let started = Instant::now();
        let mut report = Vec::with_capacity(64 << 10);
        for round in 0.. {
            for node in 0..count {
                let due = interval.mul_f64(round as f64 + node as f64 / count as f64);
                while let Some(early) = due.checked_sub(started.elapsed()) {
                    if self.shared.stop.load(Ordering::Relaxed) {
                        return Ok(());
                    }
                    thread::sleep(early.min(Duration::from_millis(100)));
                }
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
                let moment =
                    Moment { node, session: &self.session, sequence: round, now_ms: now.as_millis() as i64 };
                recording.play(&moment, &mut report);
                let at = self.shared.started.elapsed().as_nanos() as u64;
                let slot = &self.shared.sent_at[(node * REMEMBERED + round % REMEMBERED) as usize];
                slot.store((at & !0xFF) | (round & 0xFF), Ordering::Release);
                match self.nodes[node as usize].send(b"status", &report)? {
                    Sent::Taken => self.shared.sent.fetch_add(1, Ordering::Relaxed),
                    Sent::Dropped => self.shared.dropped.fetch_add(1, Ordering::Relaxed),
                };
                self.shared.bytes.fetch_add(report.len() as u64, Ordering::Relaxed);
            }
            for node in &mut self.nodes {
                node.flush()?;
            }
            if self.shared.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
        }
        Ok(())
    }
}
