//! When to sample: absolute deadlines, so that neither the work nor a late wake-up adds up to a drift.
//!
//! Deadlines stand on a grid `first + k × interval`. A deadline that was slept through (a suspended
//! host, a stopped process, a machine too busy) is counted as missed and not caught up: after a
//! stall one sample is taken at once and the next at the first grid point at least half an interval
//! away. The grid begins at a random moment, so ten thousand clientnodes started by one power
//! switch do not report in the same millisecond.

use std::time::Duration;

use crate::Moment;
use crate::random::Random;

/// First samples are spread over this time, or over one interval where that is shorter.
const FIRST_WITHIN: Duration = Duration::from_secs(1);

/// Least time between the start (where probes take their first reading) and the first sample, so that
/// shares and rates are taken over something; one interval where that is shorter.
const FIRST_AFTER: Duration = Duration::from_millis(100);

/// The deadlines of one session.
#[derive(Clone, Debug)]
pub(crate) struct Ticker {
    next: Moment,
    interval: Duration,
    /// Taken off the second deadline, so that long intervals spread over more than [`FIRST_WITHIN`].
    early: Duration,
}

/// A deadline has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// Grid points that went by without a sample since the deadline before.
    pub(crate) missed: u64,
}

impl Ticker {
    /// The interval must not be zero.
    pub(crate) fn new(now: Moment, interval: Duration, random: &mut Random) -> Ticker {
        let next = now + interval.min(FIRST_AFTER) + random.below(interval.min(FIRST_WITHIN));
        let early = if interval > FIRST_WITHIN { random.below(interval / 2) } else { Duration::ZERO };
        Ticker { next, interval, early }
    }

    /// The next deadline.
    pub(crate) fn next(&self) -> Moment {
        self.next
    }

    /// Whether a sample is due; if so, moves on to the next deadline.
    pub(crate) fn poll(&mut self, now: Moment) -> Option<Due> {
        let late = now.checked_sub(self.next)?;
        let interval = self.interval.as_nanos();
        // The smallest k ≥ 1 with next + k × interval ≥ now + interval / 2.
        let k = (late.as_nanos() + interval / 2).div_ceil(interval).max(1);
        let k = u32::try_from(k).unwrap_or(u32::MAX);
        self.next += self.interval.saturating_mul(k) - std::mem::take(&mut self.early);
        Some(Due { missed: u64::from(k - 1) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_day_of_late_wake_ups_does_not_drift() {
        let mut random = Random::new(1);
        let mut ticker = Ticker::new(Duration::ZERO, 1000 * MS, &mut random);
        let first = ticker.next();
        for k in 0..86_400u32 {
            let wake = ticker.next() + random.below(400 * MS);
            assert_eq!(ticker.poll(wake), Some(Due { missed: 0 }));
            assert_eq!(ticker.next(), first + 1000 * MS * (k + 1));
        }
    }

    #[test]
    fn a_suspended_hour_is_one_sample_and_3600_missed() {
        let mut ticker = Ticker::new(Duration::ZERO, 1000 * MS, &mut Random::new(2));
        let first = ticker.next();
        assert_eq!(ticker.poll(first), Some(Due { missed: 0 }));
        let woken = first + 3_601_200 * MS;
        assert_eq!(ticker.poll(woken), Some(Due { missed: 3600 }));
        assert_eq!(ticker.poll(woken), None, "no burst");
        assert_eq!(ticker.next(), first + 3_602_000 * MS, "back on the grid");
    }

    #[test]
    fn sessions_spread_over_the_interval() {
        for (interval, spread) in [(100 * MS, 100 * MS), (1000 * MS, 1000 * MS), (60_000 * MS, 30_000 * MS)] {
            let mut buckets = [0u32; 10];
            for seed in 0..10_000 {
                let mut ticker = Ticker::new(Duration::ZERO, interval, &mut Random::new(seed));
                let first = ticker.next();
                assert!(first < FIRST_WITHIN + FIRST_AFTER, "the first report comes soon");
                ticker.poll(first);
                let second = ticker.next() - (interval - spread);
                buckets[((second - FIRST_AFTER).as_nanos() * 10 / spread.as_nanos()) as usize % 10] += 1;
            }
            assert!(buckets.iter().all(|n| (800..1200).contains(n)), "{interval:?}: {buckets:?}");
        }
    }

    proptest! {
        /// Whatever the wake-ups: each grid point is either sampled or counted, and samples keep
        /// half an interval between them.
        #[test]
        fn every_grid_point_is_sampled_or_counted(
            seed: u64,
            interval_ms in 100u64..3_600_000,
            waits in prop::collection::vec((0u32..20, 0u64..10_000), 1..200),
        ) {
            let interval = Duration::from_millis(interval_ms);
            let mut ticker = Ticker::new(Duration::from_secs(5), interval, &mut Random::new(seed));
            let mut now = ticker.next();
            ticker.poll(now);
            let grid = ticker.next();
            let (mut samples, mut missed, mut last) = (0u64, 0u64, now);
            for (kind, size) in waits {
                // Mostly on time or a little late, now and then very late.
                now = match kind {
                    0 => now + interval * (size as u32),
                    1..4 => now.max(ticker.next()) + interval.mul_f64(size as f64 / 10_000.0),
                    4..6 => now + interval.mul_f64(size as f64 / 30_000.0),
                    _ => now.max(ticker.next()) + Duration::from_micros(size),
                };
                if let Some(due) = ticker.poll(now) {
                    prop_assert!(now - last >= interval / 2, "a burst");
                    (samples, missed, last) = (samples + 1, missed + due.missed, now);
                }
                prop_assert!(ticker.next() > now);
                prop_assert_eq!(ticker.next(), grid + interval * ((samples + missed) as u32));
            }
        }
    }
}
