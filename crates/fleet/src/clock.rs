//! Time as the fleet sees it, and the silence that is ours rather than a node's.

use std::time::Duration;

/// The two clocks, read by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Since any fixed moment, never backwards; silence is measured on it.
    pub monotonic: Duration,
    /// Unix milliseconds; for people and for clock skew only, may jump.
    pub unix_ms: i64,
}

/// Steps further apart than this mean that the masternode itself stood still.
const STALL: Duration = Duration::from_secs(1);
/// The wall clock running ahead of the monotonic one by this much means that the computer slept.
const SLEPT: Duration = Duration::from_secs(5);
/// After a stall, nodes get as long as it lasted to be heard again, but at most this.
const MOST_GRACE: Duration = Duration::from_secs(10);

/// A clock that runs only while the masternode can hear its nodes.
///
/// When the process was stopped, starved or the computer slept, the nodes were not silent, we were
/// deaf: that time, and some grace in which they can reconnect, does not count as their silence.
#[derive(Clone, Debug, Default)]
pub(crate) struct HearingClock {
    last: Option<Now>,
    heard: Duration,
    deaf_until: Duration,
}

impl HearingClock {
    /// Moves on; the length of the stall, if there was one.
    pub(crate) fn advance(&mut self, now: Now) -> Option<Duration> {
        let Some(last) = self.last else {
            self.last = Some(now);
            return None;
        };
        let elapsed = now.monotonic.saturating_sub(last.monotonic);
        let wall =
            Duration::from_millis(u64::try_from(now.unix_ms.saturating_sub(last.unix_ms)).unwrap_or(0));
        self.last = Some(Now { monotonic: last.monotonic.max(now.monotonic), ..now });
        let slept = wall.saturating_sub(elapsed);
        let stall = if slept > SLEPT { slept + elapsed } else { elapsed };
        if stall > STALL {
            self.deaf_until = self.deaf_until.max(now.monotonic + stall.min(MOST_GRACE));
            return Some(stall);
        }
        self.heard += now.monotonic.saturating_sub(last.monotonic.max(self.deaf_until));
        None
    }

    /// How long the masternode has been able to hear, up to the last [`HearingClock::advance`].
    pub(crate) fn heard(&self) -> Duration {
        self.heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(monotonic_ms: u64, unix_ms: i64) -> Now {
        Now { monotonic: Duration::from_millis(monotonic_ms), unix_ms }
    }

    #[test]
    fn only_time_that_was_listened_to_counts() {
        let mut clock = HearingClock::default();
        assert_eq!(clock.advance(at(1_000, 1_000)), None);
        assert_eq!(clock.advance(at(1_900, 1_900)), None);
        assert_eq!(clock.heard(), Duration::from_millis(900));
        assert_eq!(clock.advance(at(4_900, 4_900)), Some(Duration::from_secs(3)));
        assert_eq!(clock.advance(at(5_900, 5_900)), None);
        assert_eq!(clock.heard(), Duration::from_millis(900), "grace after the stall");
        for t in [6_900, 7_900, 8_500] {
            clock.advance(at(t, t as i64));
        }
        assert_eq!(clock.heard(), Duration::from_millis(900 + 600), "the grace ended at 7.9 s");
    }

    #[test]
    fn a_sleep_that_the_monotonic_clock_does_not_see_is_a_stall() {
        let mut clock = HearingClock::default();
        clock.advance(at(0, 0));
        assert_eq!(clock.advance(at(100, 60_100)), Some(Duration::from_millis(60_100)));
        assert_eq!(clock.advance(at(200, 30_000)), None, "a wall clock set back is no sleep");
    }
}
