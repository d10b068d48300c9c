//! The receive thread: samples that others send, by remote write or OpenTelemetry, for the history.
//!
//! HTTP hands over whole bodies. They are unpacked, read and checked here, one after the other, and the
//! names of their series become handles of the store; the samples then go to the history thread, which
//! alone writes. That one answers when they are in the store's log, so what a sender is told to be
//! stored is. Reports of nodes come first there: what is received has a queue of its own, and waits.

mod batch;
mod families;
mod intern;
mod otlp;
mod write;

use std::sync::Arc;

use arc_swap::ArcSwap;
use chasar_remote_write::Version;
use chasar_tsdb::Store;
use crossbeam_channel::{SendTimeoutError, Sender};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::config::ReceiveConfig;
use crate::message::Counts;
use crate::running::Clock;

pub(crate) use batch::{Batch, Reason, Verdict};
pub(crate) use families::Families;
use intern::Intern;

/// Bodies that wait for the thread.
pub(crate) const DELIVERIES: usize = 16;
/// Batches between this thread and that of the history.
pub(crate) const BATCHES: usize = 2;
/// The history thread does not wait for a disk for longer when all is well.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Remote write, packed with snappy.
    Write(Version),
    /// OpenTelemetry's metrics.
    Otlp { gzip: bool },
}

/// A body, and who waits for what becomes of it.
pub(crate) struct Delivery {
    pub(crate) format: Format,
    pub(crate) body: Vec<u8>,
    pub(crate) answer: oneshot::Sender<Verdict>,
    /// Held while the body takes memory.
    pub(crate) _room: OwnedSemaphorePermit,
}

/// HTTP's end.
#[derive(Clone, Debug)]
pub(crate) struct Receiving {
    pub(crate) deliveries: mpsc::Sender<Delivery>,
    pub(crate) families: Arc<ArcSwap<Families>>,
}

/// The thread.
pub(crate) struct Receive {
    pub(crate) deliveries: mpsc::Receiver<Delivery>,
    pub(crate) batches: Sender<Batch>,
    pub(crate) store: Store,
    pub(crate) families: Arc<ArcSwap<Families>>,
    pub(crate) config: ReceiveConfig,
    /// The head's size.
    pub(crate) memory_bytes: usize,
    pub(crate) clock: Clock,
    pub(crate) counts: Arc<Counts>,
}

impl Receive {
    pub(crate) fn run(mut self) -> Result<(), String> {
        let mut intern = Intern::new(self.store.clone(), self.config.max_series);
        let mut families = Families::default();
        let mut message = Vec::new();
        while let Some(Delivery { format, body, answer, _room }) = self.deliveries.blocking_recv() {
            // Who sent it has gone, and sends it again.
            if answer.is_closed() {
                continue;
            }
            let now = self.clock.now();
            // The last third of the memory for samples that are in no file yet is for reports alone.
            if self.store.head_bytes() >= self.memory_bytes / 3 * 2 {
                let busy = "the history has too much in memory that is in no file yet; try again later";
                let _ = answer.send(Verdict::busy(busy));
                continue;
            }
            let takes = self.store.takes(now.unix_ms);
            intern.begin(now.monotonic);
            let read = match format {
                Format::Write(version) => {
                    write::read(version, &body, &mut message, takes, &mut intern, &mut families)
                }
                Format::Otlp { gzip } => {
                    otlp::read(gzip, &body, &mut message, takes, &mut intern, &mut families)
                }
            };
            drop(body);
            self.counts.receive_series.set(intern.len() as u64);
            if families.has_changed() {
                self.families.store(Arc::new(families.clone()));
            }
            // What one large message took is not kept for ever.
            message.shrink_to(1 << 20);
            match read {
                Err(verdict) => drop(answer.send(verdict)),
                Ok((samples, verdict)) if samples.is_empty() => drop(answer.send(verdict)),
                Ok(_) if answer.is_closed() => {}
                Ok((samples, verdict)) => self.hand_on(Batch { samples, verdict, answer }),
            }
        }
        Ok(())
    }

    fn hand_on(&self, batch: Batch) {
        if let Err(SendTimeoutError::Timeout(batch) | SendTimeoutError::Disconnected(batch)) =
            self.batches.send_timeout(batch, PATIENCE)
        {
            let busy = "the history is busy, or ends; try again later";
            let _ = batch.answer.send(Verdict::busy(busy));
        }
    }
}
