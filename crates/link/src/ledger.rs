//! Counting what slow subscribers lose, which libzmq does not tell.
//!
//! With `XPUB_NODROP` a send is refused when a subscriber's queue is full, but only the first time: once a
//! message was sent without the option, libzmq skips that subscriber silently until it has read half its
//! queue. So we follow the messages themselves. Each carries a ticket that comes back when its last
//! subscriber's queue has let go of it. A subscriber that is skipped holds its whole queue, so its oldest
//! ticket stays out; it is served again once half of that queue has come back.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Which numbered messages are still in some queue.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    out: Mutex<BTreeSet<u64>>,
}

impl Ledger {
    fn issue(self: &Arc<Self>, number: u64) -> Ticket {
        self.lock().insert(number);
        Ticket { ledger: Arc::clone(self), number }
    }

    fn oldest(&self) -> Option<u64> {
        self.lock().first().copied()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<u64>> {
        // The set is whole after every operation, so a panic elsewhere does not spoil it.
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One message's place in the ledger, given back when dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    ledger: Arc<Ledger>,
    number: u64,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.ledger.lock().remove(&self.number);
    }
}

/// A body with its ticket.
#[derive(Debug)]
pub(crate) struct Tracked<T> {
    body: T,
    _ticket: Ticket,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Tracked<T> {
    fn as_ref(&self) -> &[u8] {
        self.body.as_ref()
    }
}

/// Says for each message whether some subscriber is being skipped.
#[derive(Debug)]
pub(crate) struct LossMeter {
    ledger: Arc<Ledger>,
    next: u64,
    /// Half a queue: how many messages a subscriber must take before libzmq serves it again.
    half_queue: u64,
    queue: u64,
    /// Numbers of the messages at which a queue was found full, oldest first.
    overflows: Vec<u64>,
}

/// More subscribers than this that are slow at different moments are followed as one.
const MAX_OVERFLOWS: usize = 64;

impl LossMeter {
    /// For queues of `queue` messages.
    pub(crate) fn new(queue: u32) -> Self {
        let queue = u64::from(queue);
        Self { ledger: Arc::default(), next: 0, half_queue: queue.div_ceil(2), queue, overflows: Vec::new() }
    }

    /// Numbers the next message.
    pub(crate) fn track<T>(&mut self, body: T) -> Tracked<T> {
        let ticket = self.ledger.issue(self.next);
        self.next += 1;
        Tracked { body, _ticket: ticket }
    }

    /// A queue was found full when sending the message tracked last.
    pub(crate) fn overflowed(&mut self) {
        if self.overflows.len() == MAX_OVERFLOWS {
            self.overflows.remove(0);
        }
        self.overflows.push(self.next.saturating_sub(1));
    }

    /// Whether [`skipping`](Self::skipping) was true when last asked, or a queue was found full since.
    pub(crate) fn follows_somebody(&self) -> bool {
        !self.overflows.is_empty()
    }

    /// Whether a subscriber found full before is still being skipped.
    pub(crate) fn skipping(&mut self) -> bool {
        if self.overflows.is_empty() {
            return false;
        }
        let Some(oldest) = self.ledger.oldest() else {
            self.overflows.clear();
            return false;
        };
        let (queue, half) = (self.queue, self.half_queue);
        // Full at message n, its queue began at n - queue or before; half of it gone, it begins half later.
        self.overflows.retain(|&full_at| oldest + queue < full_at + half);
        !self.overflows.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_counts_until_half_of_it_is_taken() {
        let mut meter = LossMeter::new(10);
        let mut queue: Vec<_> = (0..10).map(|n| meter.track([n])).collect();
        assert!(!meter.skipping(), "nothing overflowed yet");
        drop(meter.track([10]));
        meter.overflowed();
        for taken in 1..=5 {
            assert!(meter.skipping(), "served again only after half, not after {taken}");
            queue.remove(0);
        }
        assert!(!meter.skipping());
    }

    #[test]
    fn a_subscriber_that_leaves_ends_its_loss() {
        let mut meter = LossMeter::new(4);
        let queue: Vec<_> = (0..4).map(|n| meter.track([n])).collect();
        drop(meter.track([4]));
        meter.overflowed();
        assert!(meter.skipping());
        drop(queue);
        assert!(!meter.skipping());
    }
}
