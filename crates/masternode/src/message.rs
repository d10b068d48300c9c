//! What goes from thread to thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use chasar_fleet::{FleetSnapshot, Now};
use chasar_link::Message;
use chasar_wire::{NodeEvent, Report, Text};

/// A report's bytes as plain JSON, shared by the topics it is published on.
#[derive(Clone, Debug)]
pub(crate) struct Body(Arc<Bytes>);

#[derive(Debug)]
enum Bytes {
    /// The clientnode's own frame, moved, never copied.
    Received(Message),
    /// Unpacked from `status.zst`.
    Unpacked(Vec<u8>),
}

impl Body {
    pub(crate) fn received(message: Message) -> Body {
        Body(Arc::new(Bytes::Received(message)))
    }

    pub(crate) fn unpacked(json: Vec<u8>) -> Body {
        Body(Arc::new(Bytes::Unpacked(json)))
    }
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        match &*self.0 {
            Bytes::Received(message) => message,
            Bytes::Unpacked(json) => json,
        }
    }
}

/// What ingest hands to the core.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// When all of it arrived.
    pub(crate) now: Now,
    pub(crate) arrivals: Vec<Arrival>,
    /// Whether everything that came until now is in this batch or an earlier one.
    pub(crate) tick: bool,
}

/// One message of a clientnode.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// A report.
    Report {
        /// As it was read.
        report: Box<Report>,
        /// As it is passed on.
        body: Body,
        /// The peer's address.
        address: Text,
        /// Whether another masternode passed it on.
        relayed: bool,
    },
    /// Something else.
    Bad {
        /// The kind of fault.
        kind: &'static str,
        /// What is wrong.
        detail: String,
        /// The peer's address.
        address: Text,
    },
}

/// What the core hands to the stream.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) publications: Vec<Publication>,
    /// To be recorded once these are published.
    pub(crate) memory: Option<Memory>,
}

/// Something for subscribers.
#[derive(Debug)]
pub(crate) enum Publication {
    /// A report of this node.
    Report(Arc<str>, Body),
    /// A change of a node's state, or its repetition.
    Event(NodeEvent),
}

/// What the recorder writes.
#[derive(Debug)]
pub(crate) enum Memory {
    /// More, to be appended.
    More(Vec<u8>),
    /// Everything, in place of what there was.
    Whole(Vec<u8>),
}

/// What the core shows to readers, swapped as a whole.
#[derive(Debug, Default)]
pub(crate) struct Published {
    pub(crate) fleet: FleetSnapshot,
    /// Reports refused, by reason.
    pub(crate) refused: std::collections::BTreeMap<&'static str, u64>,
    /// Events published, by kind.
    pub(crate) events: std::collections::BTreeMap<&'static str, u64>,
    pub(crate) missing_ranges: usize,
    /// When, on the monotonic clock of [`crate::running::Clock`].
    pub(crate) at: std::time::Duration,
}

/// A counter that one thread writes and any thread reads.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// For what goes up and down.
    pub(crate) fn set(&self, amount: u64) {
        self.0.store(amount, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What threads count by themselves.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Times the loops of ingest, core and stream came round.
    pub(crate) ingest_turns: Count,
    pub(crate) core_turns: Count,
    pub(crate) stream_turns: Count,
    /// Times ingest waited for the core.
    pub(crate) ingest_waits: Count,
    /// Reports and events the stream never got because it was too slow.
    pub(crate) stream_dropped: Count,
    /// Bytes written to the memory file.
    pub(crate) memory_written_bytes: Count,
    /// Times the memory file could not be written.
    pub(crate) memory_errors: Count,
    /// Batches the recorder never got.
    pub(crate) memory_dropped: Count,
    /// Reports the history never got because it was too slow.
    pub(crate) history_dropped: Count,
    /// Samples left out because a node has too many series.
    pub(crate) history_left_out: Count,
    /// Milliseconds that the upkeep of the history took.
    pub(crate) history_upkeep_ms: Count,
    /// Bodies that others sent: stored whole, in part, malformed, put off.
    pub(crate) receive_stored: Count,
    pub(crate) receive_partial: Count,
    pub(crate) receive_malformed: Count,
    pub(crate) receive_busy: Count,
    /// Samples in them that were stored, and that were not, by reason.
    pub(crate) receive_samples: Count,
    pub(crate) receive_refused: [Count; crate::receive::Reason::ALL.len()],
    /// Exemplars in them; none are stored.
    pub(crate) receive_exemplars: Count,
    /// Series that came lately.
    pub(crate) receive_series: Count,
    /// HTTP requests answered.
    pub(crate) http_requests: Count,
    /// Of these, refused ones.
    pub(crate) http_refused: Count,
}

/// Flags between threads.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    /// Stop taking in.
    pub(crate) stopping: AtomicBool,
    /// The memory file lacks something: write it anew.
    pub(crate) rewrite_memory: AtomicBool,
}
