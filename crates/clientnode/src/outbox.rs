//! The reports that may have to be sent again, or have not been sent yet.
//!
//! A report is in one of two states. It is *sent* when the link took it and it may still be on the
//! way; it is let go once the link has been good for [`crate::life::OVERLAP`] after that. It
//! *waits* when it could not be sent, or when the link broke before it was surely delivered. Waiting
//! reports are replayed in the order of their sequence numbers.
//!
//! Reports are in memory ([`Ring`]) up to a size and an age, the oldest let go first. With a spool
//! folder waiting reports move to disk while the link is down, and also instead of being let go.
//! What is on disk is always older than what is in memory.
//!
//! **What [`Outbox::claim`] promises** (the `replay` key of a report, see [`chasar_wire::report::Replay`]):
//! once a report with the claim has *arrived*, no sequence number below the claim's floor that is
//! missing at the receiver will come any more. This holds because
//! 1. a waiting report is never below the floor, which is the lowest sequence number that waits;
//! 2. a report that does not wait was handed to the present connection earlier, so it arrives
//!    earlier than the claim, or the connection breaks and the claim does not arrive either;
//! 3. a connection replays in ascending order, so a replayed report, which still carries the claim
//!    of the time it was sampled, has everything below itself sent before it: its floor holds too;
//! 4. nothing that was let go waits, so a gap is final with the first report after that.
//!
//! Reports of earlier sessions count in `pending` but not in the floor. Their gaps are final when a
//! report of the present session comes without the key.

use std::time::Duration;

use chasar_wire::report::Replay;

use crate::Moment;
use crate::ring::Ring;
use crate::spool::{Notice, Spool};

/// What the memory part may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes, with all that it takes to manage them.
    pub(crate) bytes: usize,
    /// Age of a report.
    pub(crate) age: Duration,
}

/// One report that goes in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) sequence: u64,
    pub(crate) sampled_at: Moment,
    pub(crate) sampled_at_ms: i64,
    /// Whether `bytes` is zstd.
    pub(crate) packed: bool,
    pub(crate) bytes: &'a [u8],
    /// When the link took it, on the link's clock; `None` when it waits.
    pub(crate) sent_at: Option<Duration>,
}

/// One report that comes out to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Next {
    /// Whether the bytes are zstd.
    pub(crate) packed: bool,
    source: Source,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Spool,
    Memory(u64),
}

struct Tag {
    sequence: u64,
    sampled_at: Moment,
    sampled_at_ms: i64,
    packed: bool,
    sent_at: Option<Duration>,
}

/// Most records moved to disk in one step, so that a slow disk does not hold up the tick.
const SPILL_AT_ONCE: usize = 64;

/// The outbox.
pub(crate) struct Outbox {
    /// `None` when it is switched off.
    limits: Option<Limits>,
    ring: Ring<Tag>,
    /// Reports in memory that wait, and the lowest of their numbers in `ring`.
    waiting: u64,
    first_waiting: u64,
    spool: Option<Spool>,
    dropped: u64,
}

impl Outbox {
    pub(crate) fn new(limits: Option<Limits>, spool: Option<Spool>) -> Outbox {
        Outbox { limits, ring: Ring::new(), waiting: 0, first_waiting: 0, spool, dropped: 0 }
    }

    /// Whether reports outlive this process.
    pub(crate) fn has_spool(&self) -> bool {
        self.spool.is_some()
    }

    /// Reports kept, waiting or not.
    pub(crate) fn reports(&self) -> u64 {
        self.ring.len() as u64 + self.spool.as_ref().map_or(0, Spool::pending)
    }

    /// Bytes of the reports kept, in memory and on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.ring.record_bytes() as u64 + self.spool.as_ref().map_or(0, Spool::bytes)
    }

    /// Reports that wait.
    pub(crate) fn pending(&self) -> u64 {
        self.waiting + self.spool.as_ref().map_or(0, Spool::pending)
    }

    /// Reports in memory that wait: they end with the process.
    pub(crate) fn pending_in_memory(&self) -> u64 {
        self.waiting
    }

    /// Reports that were let go while they waited, since the last call.
    pub(crate) fn take_dropped(&mut self) -> u64 {
        let on_disk = self.spool.as_mut().map_or(0, Spool::take_dropped);
        std::mem::take(&mut self.dropped) + on_disk
    }

    /// What the spool has to say, since the last call.
    pub(crate) fn take_notices(&mut self) -> impl Iterator<Item = Notice> + '_ {
        self.spool.iter_mut().flat_map(|s| s.take_notices())
    }

    /// What report `sequence` says about reports still to come.
    pub(crate) fn claim(&mut self, sequence: u64) -> Option<Replay> {
        let pending = self.pending();
        if pending == 0 {
            return None;
        }
        let on_disk = self.spool.as_mut().and_then(Spool::lowest_of_session);
        let in_memory =
            || self.ring.tag(self.first_waiting).filter(|t| t.sent_at.is_none()).map(|t| t.sequence);
        let from_sequence = on_disk.or_else(in_memory).unwrap_or(sequence);
        // Reading the spool may have found that nothing can be read.
        let pending = self.pending();
        (pending > 0).then_some(Replay { pending, from_sequence })
    }

    /// Takes a report in, letting the oldest go where room is short.
    pub(crate) fn push(&mut self, now: Moment, entry: Entry<'_>) {
        let Some(limits) = self.limits else {
            self.dropped += u64::from(entry.sent_at.is_none());
            return;
        };
        while self.ring.len() > 0 && self.ring.held_bytes_after(entry.bytes.len()) > limits.bytes {
            self.evict(now);
        }
        if self.ring.held_bytes_after(entry.bytes.len()) > limits.bytes {
            self.dropped += u64::from(entry.sent_at.is_none());
            return;
        }
        if entry.sent_at.is_none() {
            if self.waiting == 0 {
                self.first_waiting = self.ring.end();
            }
            self.waiting += 1;
        }
        let Entry { sequence, sampled_at, sampled_at_ms, packed, bytes, sent_at } = entry;
        self.ring.push(bytes, Tag { sequence, sampled_at, sampled_at_ms, packed, sent_at });
    }

    /// Lets the oldest in memory go; to disk, if it waits and there is one.
    fn evict(&mut self, now: Moment) {
        if !self.spill_oldest(now) {
            self.dropped += u64::from(self.pop());
        }
    }

    /// Takes the oldest in memory out; whether it waited.
    fn pop(&mut self) -> bool {
        let waited = self.ring.pop().is_some_and(|tag| tag.sent_at.is_none());
        self.waiting -= u64::from(waited);
        self.find_first_waiting();
        waited
    }

    fn find_first_waiting(&mut self) {
        self.first_waiting = self.first_waiting.max(self.ring.first());
        while self.waiting > 0 && self.ring.tag(self.first_waiting).is_some_and(|t| t.sent_at.is_some()) {
            self.first_waiting += 1;
        }
    }

    /// Moves the oldest in memory to disk if it waits; whether it is out of memory now.
    fn spill_oldest(&mut self, now: Moment) -> bool {
        let (Some(spool), Some((bytes, tag))) = (&mut self.spool, self.ring.get(self.ring.first())) else {
            return false;
        };
        if tag.sent_at.is_some() || !spool.append(now, tag.sequence, tag.sampled_at_ms, tag.packed, bytes) {
            return false;
        }
        self.pop();
        true
    }

    /// While the link is down, and before the end: moves what waits to disk, at most `most` reports.
    fn spill(&mut self, now: Moment, most: usize) {
        if self.spool.as_ref().is_none_or(|s| !s.writable(now)) {
            return;
        }
        for _ in 0..most.min(self.ring.len()) {
            if self.waiting == 0 {
                return;
            }
            // In front of what waits are only reports that have surely arrived.
            if self.ring.tag(self.ring.first()).is_some_and(|t| t.sent_at.is_some()) {
                self.pop();
            } else if !self.spill_oldest(now) {
                return;
            }
        }
    }

    /// The daily round: lets old reports go, and looks after the disk.
    pub(crate) fn maintain(&mut self, now: Moment, link_is_down: bool) {
        if link_is_down {
            self.spill(now, SPILL_AT_ONCE);
        }
        if let Some(limits) = self.limits {
            while let Some(tag) = self.ring.tag(self.ring.first())
                && now.saturating_sub(tag.sampled_at) > limits.age
            {
                self.evict(now);
            }
        }
        if let Some(spool) = &mut self.spool
            && spool.sync_at().is_some_and(|at| at <= now)
        {
            spool.sync(now);
        }
    }

    /// What the link took until `link_time` has surely arrived.
    pub(crate) fn settle(&mut self, link_time: Duration) {
        while self.ring.tag(self.ring.first()).is_some_and(|t| t.sent_at.is_some_and(|at| at <= link_time)) {
            self.pop();
        }
        if let Some(spool) = &mut self.spool {
            spool.settle(link_time);
        }
    }

    /// The link broke: what it took after `link_time` waits again.
    pub(crate) fn lose(&mut self, link_time: Duration) {
        self.settle(link_time);
        if let Some(spool) = &mut self.spool {
            spool.rewind();
        }
        // Behind a report that waits there can be some that arrived long ago.
        for record in self.ring.first()..self.ring.end() {
            if let Some(tag) = self.ring.tag_mut(record)
                && tag.sent_at.is_some_and(|at| at > link_time)
            {
                tag.sent_at = None;
                self.waiting += 1;
            }
        }
        self.first_waiting = self.ring.first();
        self.find_first_waiting();
    }

    /// The next report to send again; its bytes are put into `bytes`.
    pub(crate) fn next(&mut self, bytes: &mut Vec<u8>) -> Option<Next> {
        if let Some(spool) = &mut self.spool
            && let Some(header) = spool.peek(bytes)
        {
            return Some(Next { packed: header.packed, source: Source::Spool });
        }
        if self.waiting == 0 {
            return None;
        }
        let (record, tag) = self.ring.get(self.first_waiting)?;
        bytes.clear();
        bytes.extend_from_slice(record);
        Some(Next { packed: tag.packed, source: Source::Memory(self.first_waiting) })
    }

    /// The link took `next`.
    pub(crate) fn sent(&mut self, next: Next, link_time: Duration) {
        match (next.source, &mut self.spool) {
            (Source::Spool, Some(spool)) => spool.sent(link_time),
            (Source::Spool, None) => {}
            (Source::Memory(record), _) => {
                if let Some(tag) = self.ring.tag_mut(record)
                    && tag.sent_at.is_none()
                {
                    tag.sent_at = Some(link_time);
                    self.waiting -= 1;
                    self.find_first_waiting();
                }
            }
        }
    }

    /// `next` cannot be sent in any way: lets it go.
    pub(crate) fn discard(&mut self, next: Next) {
        self.sent(next, Duration::ZERO);
        self.dropped += 1;
    }

    /// The end: what waits goes to disk if there is one, and is safe there.
    pub(crate) fn close(&mut self, now: Moment) {
        self.spill(now, usize::MAX);
        if let Some(spool) = &mut self.spool {
            spool.sync(now);
        }
    }
}

#[cfg(test)]
mod tests;
