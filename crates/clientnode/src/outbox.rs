//! The reports that may have to be sent again, or have not been sent yet, to one masternode or several.
//!
//! For each masternode a report is in one of two states. It is *sent* when the link took it and it may
//! still be on the way; it is done with once the link has been good for [`crate::route::OVERLAP`] after
//! that. It *waits* when it could not be sent, or when the link broke before it was surely delivered.
//! Waiting reports are replayed in the order of their sequence numbers.
//!
//! Reports are in memory ([`Ring`]) once for all masternodes, up to a size and an age, the oldest let go
//! first; each masternode has an [`Agenda`] of its own over them. A report leaves memory when no
//! masternode needs it any more. With a spool folder what waits for a masternode moves to disk while the
//! link to that one is down, and also instead of being let go; each masternode has a folder of its own.
//! What is on disk for a masternode is always older than what waits for it in memory.
//!
//! **What [`Outbox::claim`] promises** (the `replay` key of a report, see [`chasar_wire::report::Replay`]):
//! once a report with the claim has *arrived* at that masternode, no sequence number below the claim's
//! floor that is missing there will come any more. This holds because
//! 1. a waiting report is never below the floor, which is the lowest sequence number that waits;
//! 2. a report that does not wait was handed to the present connection earlier, so it arrives
//!    earlier than the claim, or the connection breaks and the claim does not arrive either;
//! 3. a connection replays in ascending order, so a replayed report has everything below itself sent
//!    before it, and its floor holds: the one of the time it was sampled, or, with several masternodes,
//!    its own number, since it is kept once for all and carries no claim;
//! 4. nothing that was let go waits, so a gap is final with the first report after that.
//!
//! Reports of earlier sessions count in `pending` but not in the floor. Their gaps are final when a
//! report of the present session comes without the key. They are replayed first, so (3) holds for them.

use std::time::Duration;

use chasar_wire::report::Replay;

use crate::Moment;
use crate::agenda::Agenda;
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

/// What is known of a report in memory.
pub(crate) struct Tag {
    pub(crate) sequence: u64,
    sampled_at: Moment,
    pub(crate) sampled_at_ms: i64,
    pub(crate) packed: bool,
}

/// Most records moved to disk in one step, so that a slow disk does not hold up the tick.
const SPILL_AT_ONCE: usize = 64;

/// The outbox.
pub(crate) struct Outbox {
    /// `None` when it is switched off.
    limits: Option<Limits>,
    ring: Ring<Tag>,
    /// One for each masternode, by its number.
    agendas: Vec<Agenda>,
}

impl Outbox {
    /// An outbox for as many masternodes as there are `spools`.
    pub(crate) fn new(limits: Option<Limits>, spools: Vec<Option<Spool>>) -> Outbox {
        Outbox { limits, ring: Ring::new(), agendas: spools.into_iter().map(Agenda::new).collect() }
    }

    /// Whether reports that wait for this masternode outlive this process.
    pub(crate) fn has_spool(&self, to: usize) -> bool {
        self.agendas[to].spool.is_some()
    }

    /// Reports kept, waiting or not.
    pub(crate) fn reports(&self) -> u64 {
        self.ring.len() as u64 + self.spools().map(Spool::pending).sum::<u64>()
    }

    /// Bytes of the reports kept, in memory and on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.ring.record_bytes() as u64 + self.spools().map(Spool::bytes).sum::<u64>()
    }

    fn spools(&self) -> impl Iterator<Item = &Spool> {
        self.agendas.iter().filter_map(|agenda| agenda.spool.as_ref())
    }

    /// Reports that wait for a masternode.
    pub(crate) fn pending(&self, to: usize) -> u64 {
        self.agendas[to].pending()
    }

    /// Reports in memory that wait for a masternode: they end with the process.
    pub(crate) fn pending_in_memory(&self, to: usize) -> u64 {
        self.agendas[to].waiting_in_memory()
    }

    /// Reports that a masternode will not get, let go while they waited, since the last call.
    pub(crate) fn take_dropped(&mut self, to: usize) -> u64 {
        self.agendas[to].take_dropped()
    }

    /// What the spool of a masternode has to say, since the last call.
    pub(crate) fn take_notices(&mut self, to: usize) -> impl Iterator<Item = Notice> + '_ {
        self.agendas[to].spool.iter_mut().flat_map(|s| s.take_notices())
    }

    /// What report `sequence` says to a masternode about reports still to come.
    pub(crate) fn claim(&mut self, to: usize, sequence: u64) -> Option<Replay> {
        let agenda = &mut self.agendas[to];
        if agenda.pending() == 0 {
            return None;
        }
        let on_disk = agenda.spool.as_mut().and_then(Spool::lowest_of_session);
        let in_memory = || agenda.first_waiting().and_then(|at| self.ring.tag(at)).map(|t| t.sequence);
        let from_sequence = on_disk.or_else(in_memory).unwrap_or(sequence);
        // Reading the spool may have found that nothing can be read.
        let pending = agenda.pending();
        (pending > 0).then_some(Replay { pending, from_sequence })
    }

    /// Takes a report in, letting the oldest go where room is short. `sent_at` says for each masternode
    /// when its link took the report, on that link's clock; `None` when it waits for it.
    pub(crate) fn push(
        &mut self,
        now: Moment,
        entry: Entry<'_>,
        sent_at: impl Iterator<Item = Option<Duration>>,
    ) {
        let fits = self.limits.is_some_and(|limits| self.make_room(now, entry.bytes.len(), limits.bytes));
        let end = self.ring.end();
        for (agenda, sent_at) in self.agendas.iter_mut().zip(sent_at) {
            if fits {
                agenda.push(end, sent_at);
            } else {
                agenda.count_dropped(u64::from(sent_at.is_none()));
            }
        }
        if fits {
            let Entry { sequence, sampled_at, sampled_at_ms, packed, bytes } = entry;
            self.ring.push(bytes, Tag { sequence, sampled_at, sampled_at_ms, packed });
        }
    }

    /// Lets the oldest go until there is room for one more record of `len` bytes; whether there is.
    fn make_room(&mut self, now: Moment, len: usize, limit_bytes: usize) -> bool {
        loop {
            let agendas: usize = self.agendas.iter().map(|a| a.held_bytes() + a.growth_bytes()).sum();
            if self.ring.held_bytes_after(len) + agendas <= limit_bytes {
                return true;
            }
            if self.ring.len() == 0 {
                return false;
            }
            self.evict(now);
        }
    }

    /// Lets the oldest in memory go; for those masternodes that wait for it, to disk if there is one.
    fn evict(&mut self, now: Moment) {
        let oldest = self.ring.first();
        for agenda in &mut self.agendas {
            agenda.evict(now, oldest, &self.ring);
        }
        self.release();
    }

    /// Gives up what no masternode needs any more.
    fn release(&mut self) {
        let end = self.ring.end();
        // An agenda without a record needs nothing.
        let needed = self.agendas.iter().filter(|a| !a.is_empty()).map(Agenda::first).min().unwrap_or(end);
        while self.ring.first() < needed {
            self.ring.pop();
        }
    }

    /// The daily round: lets old reports go, and looks after the disk. `is_down` tells which links are down.
    pub(crate) fn maintain(&mut self, now: Moment, is_down: impl Fn(usize) -> bool) {
        for (to, agenda) in self.agendas.iter_mut().enumerate() {
            if is_down(to) {
                agenda.spill(now, SPILL_AT_ONCE, &self.ring);
            }
        }
        self.release();
        if let Some(limits) = self.limits {
            while let Some(tag) = self.ring.tag(self.ring.first())
                && now.saturating_sub(tag.sampled_at) > limits.age
            {
                self.evict(now);
            }
        }
        for agenda in &mut self.agendas {
            agenda.sync_if_due(now);
        }
    }

    /// What the link took until `link_time` has surely arrived.
    pub(crate) fn settle(&mut self, to: usize, link_time: Duration) {
        self.agendas[to].settle(link_time);
        self.release();
    }

    /// The link broke: what it took after `link_time` waits again.
    pub(crate) fn lose(&mut self, to: usize, link_time: Duration) {
        self.agendas[to].lose(link_time);
        self.release();
    }

    /// The next report to send again to a masternode; its bytes are put into `bytes`.
    pub(crate) fn next(&mut self, to: usize, bytes: &mut Vec<u8>) -> Option<Next> {
        let agenda = &mut self.agendas[to];
        if let Some(spool) = &mut agenda.spool
            && let Some(header) = spool.peek(bytes)
        {
            return Some(Next { packed: header.packed, source: Source::Spool });
        }
        let at = agenda.first_waiting()?;
        let (record, tag) = self.ring.get(at)?;
        bytes.clear();
        bytes.extend_from_slice(record);
        Some(Next { packed: tag.packed, source: Source::Memory(at) })
    }

    /// The link to a masternode took `next`.
    pub(crate) fn sent(&mut self, to: usize, next: Next, link_time: Duration) {
        let agenda = &mut self.agendas[to];
        match (next.source, &mut agenda.spool) {
            (Source::Spool, Some(spool)) => spool.sent(link_time),
            (Source::Spool, None) => {}
            (Source::Memory(record), _) => agenda.sent(record, link_time),
        }
    }

    /// `next` cannot be sent in any way: lets it go.
    pub(crate) fn discard(&mut self, to: usize, next: Next) {
        self.sent(to, next, Duration::ZERO);
        self.agendas[to].count_dropped(1);
    }

    /// The end: what waits goes to disk where there is one, and is safe there.
    pub(crate) fn close(&mut self, now: Moment) {
        for agenda in &mut self.agendas {
            agenda.close(now, &self.ring);
        }
        self.release();
    }
}

#[cfg(test)]
mod tests;
