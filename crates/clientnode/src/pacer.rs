//! How fast waiting reports are sent again: late enough, slowly enough, and not all nodes together.
//!
//! After a masternode's restart ten thousand clientnodes come back in the same second. Each begins
//! its replay after a random delay and sends small batches at random distances, slower than its
//! link could, so that live reports come through. A long queue is sent faster: it is done within
//! [`CATCH_UP_WITHIN`] however long the outage was.

use std::time::Duration;

use crate::Moment;
use crate::random::Random;

/// A replay takes at most about this long.
pub(crate) const CATCH_UP_WITHIN: Duration = Duration::from_secs(180);
/// Shortest time between two batches: each one wakes the clientnode.
const BATCH_EVERY: Duration = Duration::from_millis(50);
/// Pause when the link takes no more, and before a first try of reports that it did not take.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Pace of a replay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pace {
    /// Reports a second, at least.
    pub(crate) per_second: f64,
    /// The first one is sent at a random moment within this time after the link came up.
    pub(crate) start_within: Duration,
}

/// The state of one replay.
#[derive(Debug)]
pub(crate) struct Pacer {
    pace: Pace,
    per_second: f64,
    next_batch: Option<Moment>,
    left_in_batch: u32,
}

impl Pacer {
    pub(crate) fn new(pace: Pace) -> Pacer {
        Pacer { pace, per_second: pace.per_second, next_batch: None, left_in_batch: 0 }
    }

    /// Whether a replay is going on.
    pub(crate) fn is_running(&self) -> bool {
        self.next_batch.is_some()
    }

    /// Reports a second, on average.
    pub(crate) fn per_second(&self) -> f64 {
        self.per_second
    }

    /// When the next batch is due.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.next_batch
    }

    /// Begins to send `waiting` reports again, after the random delay.
    pub(crate) fn start(&mut self, now: Moment, waiting: u64, random: &mut Random) {
        self.begin(now + random.below(self.pace.start_within), waiting);
    }

    /// Begins after a short pause: the link is up, and did not take a report.
    pub(crate) fn start_after_refusal(&mut self, now: Moment, waiting: u64) {
        self.begin(now + RETRY_AFTER, waiting);
    }

    fn begin(&mut self, at: Moment, waiting: u64) {
        self.per_second = self.pace.per_second.max(waiting as f64 / CATCH_UP_WITHIN.as_secs_f64());
        self.next_batch = Some(at);
        self.left_in_batch = 0;
    }

    /// Ends the replay.
    pub(crate) fn stop(&mut self) {
        self.next_batch = None;
        self.left_in_batch = 0;
    }

    /// Whether a batch is due; if so, sets the time of the one after it.
    pub(crate) fn poll(&mut self, now: Moment, random: &mut Random) -> bool {
        let Some(at) = self.next_batch.filter(|at| *at <= now) else { return false };
        let size = (self.per_second * BATCH_EVERY.as_secs_f64()).ceil().max(1.0);
        // 0.5 to 1.5 times the distance that keeps the pace.
        let gap = Duration::from_secs_f64(size / self.per_second / 2.0);
        let next = at + gap + random.below(gap * 2);
        // A late wake-up is not made up for: that would be a burst.
        self.next_batch = Some(next.max(now + gap));
        self.left_in_batch = size as u32;
        true
    }

    /// Whether the batch in progress has one more; takes it.
    pub(crate) fn take(&mut self) -> bool {
        let more = self.left_in_batch > 0;
        self.left_in_batch = self.left_in_batch.saturating_sub(1);
        more
    }

    /// The link took no more: the rest of the batch is off.
    pub(crate) fn refused(&mut self, now: Moment) {
        self.left_in_batch = 0;
        self.next_batch = Some(now + RETRY_AFTER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(per_second: f64, waiting: u64, seed: u64) -> (Duration, Duration, u32) {
        let mut random = Random::new(seed);
        let pace = Pace { per_second, start_within: Duration::from_secs(3) };
        let mut pacer = Pacer::new(pace);
        pacer.start(Duration::ZERO, waiting, &mut random);
        let first = pacer.next().unwrap();
        let (mut left, mut now, mut wakes) = (waiting, first, 0);
        while left > 0 {
            now = pacer.next().unwrap();
            assert!(pacer.poll(now, &mut random));
            assert!(!pacer.poll(now, &mut random), "a batch comes once");
            wakes += 1;
            while left > 0 && pacer.take() {
                left -= 1;
            }
        }
        (first, now, wakes)
    }

    #[test]
    fn an_hour_takes_three_minutes_and_few_wake_ups() {
        let (_, end, wakes) = run(20.0, 3600, 1);
        assert!((170..200).contains(&end.as_secs()), "{end:?}");
        assert!(wakes <= 3600);
        let (_, end, wakes) = run(20.0, 36_000, 1);
        assert!((160..200).contains(&end.as_secs()), "{end:?}");
        assert!(wakes <= 3800, "{wakes} wake-ups for 36,000 reports");
    }

    #[test]
    fn ten_thousand_nodes_begin_spread_out() {
        let mut thirds = [0; 3];
        for seed in 0..10_000 {
            thirds[run(20.0, 1, seed).0.as_secs() as usize] += 1;
        }
        assert!(thirds.iter().all(|n| (3000..3700).contains(n)), "{thirds:?}");
    }

    proptest! {
        #[test]
        fn a_stall_makes_no_burst(seed: u64, stalls in prop::collection::vec(0u64..5_000, 1..50)) {
            let mut random = Random::new(seed);
            let mut pacer = Pacer::new(Pace { per_second: 20.0, start_within: Duration::ZERO });
            pacer.start(Duration::ZERO, 1000, &mut random);
            let mut now = Duration::ZERO;
            for stall in stalls {
                now = now.max(pacer.next().unwrap()) + Duration::from_millis(stall);
                prop_assert!(pacer.poll(now, &mut random));
                prop_assert!(pacer.take() && !pacer.take(), "a batch of one");
                prop_assert!(pacer.next().unwrap() >= now + Duration::from_millis(25), "half the distance");
            }
        }
    }
}
