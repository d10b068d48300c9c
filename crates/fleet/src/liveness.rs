//! From silence to state: when a node is late and when it is down.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What the fleet thinks of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Reports come.
    Live,
    /// A report is overdue.
    Late,
    /// Reports stopped coming.
    Down,
    /// The clientnode was stopped on purpose.
    Left,
}

impl State {
    /// Every state, in the order of [`crate::Totals`].
    pub const ALL: [State; 4] = [State::Live, State::Late, State::Down, State::Left];

    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            State::Live => "live",
            State::Late => "late",
            State::Down => "down",
            State::Left => "left",
        }
    }
}

/// Jitter of networks and schedulers that is nobody's lateness, on top of the interval.
const JITTER: Duration = Duration::from_millis(500);
/// A whole report may be missing before a node is late, unless its interval is longer than this.
const MOST_LATENESS: Duration = Duration::from_secs(30);
/// After the third missed report a node gets this much to be heard.
const LAST_CHANCE: Duration = Duration::from_secs(2);

/// The silence after which a node is late: one report may be lost, the next one is overdue.
pub(crate) fn late_after(interval: Duration) -> Duration {
    interval + interval.min(MOST_LATENESS) + JITTER
}

/// The silence after which a node is down: three reports are missing and the third is 2 s overdue.
pub(crate) fn down_after(interval: Duration) -> Duration {
    3 * interval + LAST_CHANCE
}

/// The interval of a node that does not say it, from the times its reports came.
#[derive(Clone, Debug, Default)]
pub(crate) struct IntervalLearner {
    last: Option<Duration>,
    deltas: [u32; 8],
    count: usize,
}

/// What nodes of 2016 do.
pub(crate) const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);
/// Reports closer together were held up on the way and came in one burst.
const BURST: Duration = Duration::from_millis(100);

impl IntervalLearner {
    /// Notes an arrival and gives the interval as far as it is known: the median of the last eight,
    /// so that neither an outage nor a burst counts.
    pub(crate) fn arrival(&mut self, now: Duration) -> Duration {
        if let Some(last) = self.last.replace(now) {
            let delta = now.saturating_sub(last);
            if delta >= BURST {
                self.deltas[self.count % 8] = u32::try_from(delta.as_millis()).unwrap_or(u32::MAX);
                self.count += 1;
            }
        }
        let known = self.count.min(8);
        if known < 2 {
            return DEFAULT_INTERVAL;
        }
        let mut sorted = self.deltas;
        sorted[..known].sort_unstable();
        let median = Duration::from_millis(u64::from(sorted[(known - 1) / 2]));
        median.clamp(DEFAULT_INTERVAL, Duration::from_secs(3_600))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_one_hertz_down_is_within_three_seconds_of_the_third_missed_report() {
        let second = Duration::from_secs(1);
        assert!(down_after(second) <= 3 * second + 3 * second);
        assert!(late_after(second) > 2 * second, "one lost report makes no node late");
        for ms in [100, 500, 1_000, 10_000, 60_000, 3_600_000] {
            let interval = Duration::from_millis(ms);
            assert!(late_after(interval) < down_after(interval), "{interval:?}");
            assert!(down_after(interval) > 3 * interval, "{interval:?}");
        }
    }

    #[test]
    fn the_interval_is_learned_and_an_outage_is_not() {
        let mut learner = IntervalLearner::default();
        let arrivals = [0u64, 10, 20, 30, 330, 330, 330, 340];
        let learned: Vec<u64> =
            arrivals.iter().map(|&s| learner.arrival(Duration::from_secs(s)).as_secs()).collect();
        assert_eq!(learned, [1, 1, 10, 10, 10, 10, 10, 10]);
    }
}
