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
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use chasar_remote_write::Version;
use chasar_tsdb::Store;
use crossbeam_channel::{SendTimeoutError, Sender};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::config::ReceiveConfig;
use crate::message::Counts;
use crate::running::Clock;

pub(crate) use batch::{Batch, Load, Reason, Verdict};
pub(crate) use families::Families;
use intern::Intern;

/// Bodies that wait for the thread.
pub(crate) const DELIVERIES: usize = 16;
/// Batches between this thread and that of the history.
pub(crate) const BATCHES: usize = 2;
/// What a sample takes of the history's memory, and a series beside its samples, bytes; about as the
/// store counts it.
const SAMPLE_BYTES: usize = 24;
const SERIES_BYTES: usize = 96;
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
        let under_way = Arc::<AtomicUsize>::default();
        // The last third of the memory for samples that are in no file yet is for reports alone.
        let most_bytes = self.memory_bytes / 3 * 2;
        let is_too_much = "the history has too much in memory that is in no file yet; try again later";
        while let Some(Delivery { format, body, answer, _room }) = self.deliveries.blocking_recv() {
            // Who sent it has gone, and sends it again.
            if answer.is_closed() {
                continue;
            }
            let now = self.clock.now();
            let taken_bytes = || self.store.head_bytes() + under_way.load(Ordering::Relaxed);
            if taken_bytes() >= most_bytes {
                let _ = answer.send(Verdict::busy(is_too_much));
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
                Ok((samples, verdict)) => {
                    let bytes = samples.len() * SAMPLE_BYTES + intern.asked() * SERIES_BYTES;
                    if bytes > most_bytes {
                        drop(answer.send(Verdict::Malformed(format!(
                            "its samples take about {bytes} bytes of memory, more than the {most_bytes} there are \
                             for them (--history-memory); send smaller batches"
                        ))));
                    } else if taken_bytes() + bytes > most_bytes {
                        drop(answer.send(Verdict::busy(is_too_much)));
                    } else {
                        let _load = Load::new(bytes, &under_way);
                        self.hand_on(Batch { samples, verdict, answer, _load });
                    }
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::running::Clock;
    use chasar_remote_write::{Message, Sample};
    use chasar_tsdb::NAME;
    use crossbeam_channel::bounded;
    use tokio::sync::Semaphore;

    /// What becomes of messages of so many samples, of which the senders of some have gone, while nothing
    /// is stored; and how many batches are handed on.
    fn answers(memory_bytes: usize, messages: &[(usize, bool)]) -> (Vec<Option<Verdict>>, usize) {
        let folder = tempfile::tempdir().unwrap();
        let disk = chasar_tsdb::storage::Disk::open(folder.path()).unwrap();
        let (store, _) = Store::open(Arc::new(disk), chasar_tsdb::Options::default()).unwrap();
        let (sender, deliveries) = mpsc::channel(DELIVERIES);
        let (batches, handed_on) = bounded(8);
        let (families, config) = (Arc::default(), ReceiveConfig::default());
        let (clock, counts) = (Clock::new(), Arc::default());
        let receive = Receive { deliveries, batches, store, families, config, memory_bytes, clock, counts };
        let room = Arc::new(Semaphore::new(messages.len()));
        let mut replies = Vec::new();
        for (samples, is_gone) in messages {
            let mut message = Message::new(Version::V1);
            let now_ms = clock.now().unix_ms;
            let samples = (0..*samples).map(|i| Sample { time_ms: now_ms - i as i64, value: 1.0 });
            message.series([(NAME, "x")], samples, None);
            let mut body = Vec::new();
            message.pack(&mut body);
            let (answer, reply) = oneshot::channel();
            let room = room.clone().try_acquire_owned().unwrap();
            let format = Format::Write(Version::V1);
            sender.try_send(Delivery { format, body, answer, _room: room }).ok().unwrap();
            replies.push((!is_gone).then_some(reply));
        }
        drop(sender);
        receive.run().unwrap();
        let mut reply = |reply: Option<oneshot::Receiver<Verdict>>| reply?.try_recv().ok();
        let batches = handed_on.len();
        (replies.into_iter().map(&mut reply).collect(), batches)
    }

    #[test]
    fn who_does_not_wait_is_not_served() {
        let (said, batches) = answers(1 << 30, &[(10, true), (10, false), (10, true)]);
        assert_eq!((said.iter().flatten().count(), batches), (0, 1));
    }

    #[test]
    fn memory_is_counted_before_it_is_taken() {
        // 1,000 samples take 24 kB and a little.
        let (said, batches) =
            answers(90_000, &[(1_000, false), (1_000, false), (1_000, false), (3_000, false)]);
        assert_eq!(batches, 2, "what waits to be stored counts");
        let [None, None, Some(Verdict::Busy(_)), Some(Verdict::Malformed(why))] = &said[..] else {
            panic!("{said:?}");
        };
        assert!(why.contains("smaller batches"), "{why}");
    }
}
