//! Differences within windows: rates, increases, changes and resets.

use super::window::{Windows, Work};
use crate::error::Result;

/// `rate`, `increase`, `delta`: the difference between the last and the first sample, drawn out to
/// the window's edges where samples come close to them.
pub(crate) fn extrapolated(
    windows: &Windows<'_>,
    counter: bool,
    per_second: bool,
    work: &mut Work<'_>,
) -> Result<Vec<f64>> {
    let (times, values) = (windows.times, windows.values);
    let lost = if counter { Lost::new(values) } else { Lost::None };
    let range_ms = windows.frame.range_ms;
    let mut stopped = Ok(());
    let out = windows.each(|step, from, to| {
        if to - from < 2 || stopped.is_err() {
            return None;
        }
        if matches!(lost, Lost::Walk) {
            stopped = work((to - from) as u64);
        }
        let last = to - 1;
        let mut result = values[last] - values[from];
        result = lost.added(result, values, from, last);
        let end = windows.frame.instant(step);
        let begin = end.saturating_sub(range_ms);
        let mut to_start = (times[from] - begin) as f64 / 1000.0;
        let mut to_end = (end - times[last]) as f64 / 1000.0;
        let sampled = (times[last] - times[from]) as f64 / 1000.0;
        let between = sampled / (last - from) as f64;
        // A gap that is hardly longer than usual: the series goes on to the edge. Otherwise it is
        // taken to have begun, or ended, half a distance from the sample.
        let threshold = between * 1.1;
        if to_start >= threshold {
            to_start = between / 2.0;
        }
        if counter {
            // A counter cannot have been below zero.
            let mut to_zero = to_start;
            if result > 0.0 && values[from] >= 0.0 {
                to_zero = sampled * (values[from] / result);
            }
            if to_zero < to_start {
                to_start = to_zero;
            }
        }
        if to_end >= threshold {
            to_end = between / 2.0;
        }
        let mut factor = (sampled + to_start + to_end) / sampled;
        if per_second {
            factor /= range_ms as f64 / 1000.0;
        }
        Some(result * factor)
    });
    stopped.map(|()| out)
}

/// What counters lost by beginning anew.
enum Lost {
    /// Nothing in the whole series.
    None,
    /// Up to and with each sample, since the beginning.
    Totals(Vec<f64>),
    /// Totals would not be finite: look into each window.
    Walk,
}

impl Lost {
    fn new(values: &[f64]) -> Lost {
        // A piece at a time without a way out of it, so that several are compared at once.
        let fell = |(before, now): (&[f64], &[f64])| {
            before.iter().zip(now).fold(false, |any, (before, now)| any | (now < before))
        };
        let next = values.get(1..).unwrap_or_default();
        if !values.chunks(512).zip(next.chunks(512)).any(fell) {
            return Lost::None;
        }
        let mut total = 0.0;
        let mut totals = Vec::with_capacity(values.len());
        totals.push(0.0);
        for w in values.windows(2) {
            if w[1] < w[0] {
                total += w[0];
            }
            totals.push(total);
        }
        // Beyond this, differences of totals are not exact for whole numbers any more.
        if total.abs() < 9e15 { Lost::Totals(totals) } else { Lost::Walk }
    }

    /// The difference with all that was lost between two samples.
    #[inline]
    fn added(&self, mut difference: f64, values: &[f64], from: usize, last: usize) -> f64 {
        match self {
            Lost::None => difference,
            Lost::Totals(totals) => difference + (totals[last] - totals[from]),
            Lost::Walk => {
                for w in values[from..=last].windows(2) {
                    if w[1] < w[0] {
                        difference += w[0];
                    }
                }
                difference
            }
        }
    }
}

/// `irate`, `idelta`: between the last two samples.
pub(crate) fn instant(windows: &Windows<'_>, rate: bool) -> Vec<f64> {
    let (times, values) = (windows.times, windows.values);
    windows.each(|_, from, to| {
        if to - from < 2 {
            return None;
        }
        let (before, now) = (values[to - 2], values[to - 1]);
        if !rate {
            return Some(now - before);
        }
        let grown = if now < before { now } else { now - before };
        Some(grown / ((times[to - 1] - times[to - 2]) as f64 / 1000.0))
    })
}

/// How many samples of a window differ from the one before in some way.
pub(crate) fn counted(windows: &Windows<'_>, differs: impl Fn(f64, f64) -> bool) -> Vec<f64> {
    let mut total = 0_u64;
    let mut totals = Vec::with_capacity(windows.values.len());
    for (at, value) in windows.values.iter().enumerate() {
        total += u64::from(at > 0 && differs(windows.values[at - 1], *value));
        totals.push(total);
    }
    windows.filled(|from, to| (totals[to - 1] - totals[from]) as f64)
}
