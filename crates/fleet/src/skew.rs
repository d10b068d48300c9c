//! How far a node's clock is from ours, told from how late its live reports seem to come.

use std::time::Duration;

/// A clock that is off by more than this many milliseconds is reported.
pub const SKEW_REPORTED_MS: i64 = 2_000;
/// And is gone below this, so that it does not flap around the bound.
const SKEW_GONE_MS: i64 = 1_500;
/// A window has to be this long and hold this many reports to be believed.
const SHORTEST_WINDOW: Duration = Duration::from_secs(10);
const FEWEST_REPORTS: u32 = 4;

/// What changed about a node's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SkewChange {
    /// It is off by so many milliseconds; positive: the node's clock is behind ours.
    Off(i64),
    /// It is right again.
    Right,
}

/// The least delay seen in a window. Delay on the way only adds, so the least of several is the
/// closest to the difference of the clocks; a report that waited does not look like skew.
#[derive(Clone, Debug, Default)]
pub(crate) struct SkewWindow {
    since: Option<Duration>,
    least_ms: i64,
    reports: u32,
    skew_ms: Option<i64>,
    reported: bool,
}

impl SkewWindow {
    /// Notes a live report and says when the verdict changes.
    pub(crate) fn note(
        &mut self,
        now: Duration,
        interval: Duration,
        arrived_ms: i64,
        sampled_ms: i64,
    ) -> Option<SkewChange> {
        let delay_ms = arrived_ms.saturating_sub(sampled_ms);
        let Some(since) = self.since else {
            self.restart(now, delay_ms);
            return None;
        };
        self.least_ms = self.least_ms.min(delay_ms);
        self.reports += 1;
        if now.saturating_sub(since) < SHORTEST_WINDOW.max(3 * interval) || self.reports < FEWEST_REPORTS {
            return None;
        }
        let skew_ms = self.least_ms;
        self.since = None;
        self.skew_ms = Some(skew_ms);
        let off = skew_ms.unsigned_abs();
        if off > SKEW_REPORTED_MS.unsigned_abs() && !self.reported {
            self.reported = true;
            return Some(SkewChange::Off(skew_ms));
        }
        if off < SKEW_GONE_MS.unsigned_abs() && self.reported {
            self.reported = false;
            return Some(SkewChange::Right);
        }
        None
    }

    fn restart(&mut self, now: Duration, delay_ms: i64) {
        self.since = Some(now);
        self.least_ms = delay_ms;
        self.reports = 1;
    }

    /// The skew of the last whole window.
    pub(crate) fn skew_ms(&self) -> Option<i64> {
        self.skew_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report a second with these delays; what was said at which second.
    fn said(delays: impl IntoIterator<Item = i64>) -> Vec<(i64, SkewChange)> {
        let mut window = SkewWindow::default();
        let mut all = Vec::new();
        for (second, delay) in (0i64..).zip(delays) {
            let now = Duration::from_secs(second as u64);
            if let Some(change) =
                window.note(now, Duration::from_secs(1), second * 1_000, second * 1_000 - delay)
            {
                all.push((second, change));
            }
        }
        all
    }

    #[test]
    fn skew_is_said_once_and_its_end_once() {
        let delays = (0..40).map(|s| if s < 22 { 3_000 } else { 20 });
        assert_eq!(said(delays), [(10, SkewChange::Off(3_000)), (32, SkewChange::Right)]);
        assert_eq!(said(vec![-5_000; 12]), [(10, SkewChange::Off(-5_000))]);
    }

    #[test]
    fn slow_reports_are_not_skew() {
        assert_eq!(said((0..60).map(|s| if s % 5 == 0 { 30 } else { 9_000 })), []);
    }

    #[test]
    fn absurd_times_do_not_overflow() {
        let mut window = SkewWindow::default();
        for s in 0..12 {
            window.note(Duration::from_secs(s), Duration::from_secs(1), i64::MAX, i64::MIN);
        }
        assert_eq!(window.skew_ms(), Some(i64::MAX));
    }
}
