//! What one masternode has yet to get of the reports that are kept: its own look at the shared memory,
//! and its own folder on disk.
//!
//! The reports themselves lie in one [`Ring`] for all masternodes. An agenda is the
//! stretch from the first record that its masternode may still need to the newest, with what became of
//! each: *sent* when the link took it and it may still be on the way, or it *waits*. What is before the
//! stretch has surely arrived, lies on disk, or was let go.

use std::collections::VecDeque;
use std::time::Duration;

use crate::Moment;
use crate::outbox::Tag;
use crate::ring::Ring;
use crate::spool::Spool;

/// From this capacity on room is given back when three quarters of it are unused.
const SMALL: usize = 256;

/// The agenda of one masternode.
pub(crate) struct Agenda {
    /// The first record of the stretch, as the ring counts.
    first: u64,
    /// For each record of the stretch when the link took it, on the link's clock; `None` when it waits.
    sent_at: VecDeque<Option<Duration>>,
    /// Records of the stretch that wait, and the lowest of their numbers.
    waiting: u64,
    first_waiting: u64,
    pub(crate) spool: Option<Spool>,
    dropped: u64,
}

impl Agenda {
    pub(crate) fn new(spool: Option<Spool>) -> Agenda {
        Agenda { first: 0, sent_at: VecDeque::new(), waiting: 0, first_waiting: 0, spool, dropped: 0 }
    }

    /// The first record that is still needed, where any is.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// Whether nothing in memory is needed.
    pub(crate) fn is_empty(&self) -> bool {
        self.sent_at.is_empty()
    }

    /// Bytes taken from the allocator.
    pub(crate) fn held_bytes(&self) -> usize {
        self.sent_at.capacity() * size_of::<Option<Duration>>()
    }

    /// What one more record may add to [`held_bytes`](Self::held_bytes).
    pub(crate) fn growth_bytes(&self) -> usize {
        let is_full = self.sent_at.len() == self.sent_at.capacity();
        if is_full { self.sent_at.capacity().max(4) * size_of::<Option<Duration>>() } else { 0 }
    }

    /// Reports that wait, those on disk not counted.
    pub(crate) fn waiting_in_memory(&self) -> u64 {
        self.waiting
    }

    /// The lowest record that waits in memory.
    pub(crate) fn first_waiting(&self) -> Option<u64> {
        (self.waiting > 0).then_some(self.first_waiting)
    }

    /// Reports that wait, on disk and in memory.
    pub(crate) fn pending(&self) -> u64 {
        self.waiting + self.spool.as_ref().map_or(0, Spool::pending)
    }

    /// Counts reports that were let go without having been sent.
    pub(crate) fn count_dropped(&mut self, reports: u64) {
        self.dropped += reports;
    }

    /// Reports that were let go while they waited, since the last call.
    pub(crate) fn take_dropped(&mut self) -> u64 {
        let on_disk = self.spool.as_mut().map_or(0, Spool::take_dropped);
        std::mem::take(&mut self.dropped) + on_disk
    }

    /// The next record is there; `end` is its number.
    pub(crate) fn push(&mut self, end: u64, sent_at: Option<Duration>) {
        if self.sent_at.is_empty() {
            self.first = end;
        }
        if sent_at.is_none() {
            if self.waiting == 0 {
                self.first_waiting = end;
            }
            self.waiting += 1;
        }
        self.sent_at.push_back(sent_at);
    }

    fn at(&self, record: u64) -> Option<Option<Duration>> {
        self.sent_at.get(usize::try_from(record.checked_sub(self.first)?).ok()?).copied()
    }

    /// Whether the first of the stretch is sent.
    fn begins_sent(&self) -> bool {
        self.sent_at.front().is_some_and(Option::is_some)
    }

    /// Takes the first record out of the stretch; whether it waited.
    fn pop(&mut self) -> bool {
        let Some(sent_at) = self.sent_at.pop_front() else { return false };
        self.first += 1;
        self.waiting -= u64::from(sent_at.is_none());
        self.find_first_waiting();
        if self.sent_at.capacity() > SMALL && self.sent_at.len() < self.sent_at.capacity() / 4 {
            self.sent_at.shrink_to(self.sent_at.len() * 2);
        }
        sent_at.is_none()
    }

    fn find_first_waiting(&mut self) {
        self.first_waiting = self.first_waiting.max(self.first);
        while self.waiting > 0 && self.at(self.first_waiting).is_some_and(|sent_at| sent_at.is_some()) {
            self.first_waiting += 1;
        }
    }

    /// `record` is about to leave memory: moves it to disk if it waits and there is one, else lets it go.
    pub(crate) fn evict(&mut self, now: Moment, record: u64, ring: &Ring<Tag>) {
        if !self.is_empty() && self.first == record && !self.spill_first(now, ring) {
            let waited = self.pop();
            self.dropped += u64::from(waited);
        }
    }

    /// Moves the first of the stretch to disk if it waits; whether it is out of the stretch now.
    fn spill_first(&mut self, now: Moment, ring: &Ring<Tag>) -> bool {
        if self.is_empty() || self.begins_sent() {
            return false;
        }
        let (Some(spool), Some((bytes, tag))) = (&mut self.spool, ring.get(self.first)) else { return false };
        if !spool.append(now, tag.sequence, tag.sampled_at_ms, tag.packed, bytes) {
            return false;
        }
        self.pop();
        true
    }

    /// While the link is down, and before the end: moves what waits to disk, at most `most` reports.
    pub(crate) fn spill(&mut self, now: Moment, most: usize, ring: &Ring<Tag>) {
        if self.spool.as_ref().is_none_or(|s| !s.writable(now)) {
            return;
        }
        for _ in 0..most.min(self.sent_at.len()) {
            if self.waiting == 0 {
                return;
            }
            // In front of what waits are only reports that have surely arrived.
            if self.begins_sent() {
                self.pop();
            } else if !self.spill_first(now, ring) {
                return;
            }
        }
    }

    /// What the link took until `link_time` has surely arrived.
    pub(crate) fn settle(&mut self, link_time: Duration) {
        while self.sent_at.front().is_some_and(|sent| sent.is_some_and(|at| at <= link_time)) {
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
        for sent_at in &mut self.sent_at {
            if sent_at.is_some_and(|at| at > link_time) {
                *sent_at = None;
                self.waiting += 1;
            }
        }
        self.first_waiting = self.first;
        self.find_first_waiting();
    }

    /// The link took a record that waited in memory.
    pub(crate) fn sent(&mut self, record: u64, link_time: Duration) {
        let at = record.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        if let Some(sent_at @ None) = at.and_then(|at| self.sent_at.get_mut(at)) {
            *sent_at = Some(link_time);
            self.waiting -= 1;
            self.find_first_waiting();
        }
    }

    /// Looks after the disk.
    pub(crate) fn sync_if_due(&mut self, now: Moment) {
        if let Some(spool) = &mut self.spool
            && spool.sync_at().is_some_and(|at| at <= now)
        {
            spool.sync(now);
        }
    }

    /// The end: what waits goes to disk if there is one, and is safe there.
    pub(crate) fn close(&mut self, now: Moment, ring: &Ring<Tag>) {
        self.spill(now, usize::MAX, ring);
        if let Some(spool) = &mut self.spool {
            spool.sync(now);
        }
    }
}
