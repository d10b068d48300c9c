//! Lines through windows: `deriv`, `predict_linear`, and double exponential smoothing.

use super::window::{Windows, Work};
use crate::error::Result;
use crate::kahan::Sum;

/// Slope by the second, and value at `origin_ms`, of the line with the least squares.
fn line(times: &[i64], values: &[f64], origin_ms: i64) -> (f64, f64) {
    let first = values[0];
    if values.iter().all(|v| *v == first) {
        // A constant needs no arithmetic, and must not suffer from it.
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let (mut x, mut y, mut xy, mut xx) = (Sum::default(), Sum::default(), Sum::default(), Sum::default());
    for (time, value) in times.iter().zip(values) {
        let seconds = (*time - origin_ms) as f64 / 1000.0;
        x.add(seconds);
        y.add(*value);
        xy.add(seconds * value);
        xx.add(seconds * seconds);
    }
    let n = values.len() as f64;
    let (x, y, xy, xx) = (x.total(), y.total(), xy.total(), xx.total());
    let slope = (xy - x * y / n) / (xx - x * x / n);
    (slope, y / n - slope * x / n)
}

fn with_two(
    windows: &Windows<'_>,
    work: &mut Work<'_>,
    mut of: impl FnMut(usize, &[i64], &[f64]) -> f64,
) -> Result<Vec<f64>> {
    let mut failed = Ok(());
    let out = windows.each(|step, from, to| {
        if failed.is_ok() {
            failed = work((to - from) as u64);
        }
        if to - from < 2 || failed.is_err() {
            return None;
        }
        Some(of(step, &windows.times[from..to], &windows.values[from..to]))
    });
    failed.map(|()| out)
}

/// `deriv`
pub(crate) fn slope(windows: &Windows<'_>, work: &mut Work<'_>) -> Result<Vec<f64>> {
    // The origin is the first sample, so that numbers stay small.
    with_two(windows, work, |_, times, values| line(times, values, times[0]).0)
}

/// `predict_linear`: from the step's own time on, also with `@`.
pub(crate) fn predict(windows: &Windows<'_>, seconds: &[f64], work: &mut Work<'_>) -> Result<Vec<f64>> {
    with_two(windows, work, |step, times, values| {
        let (slope, at) = line(times, values, windows.frame.grid.at(step));
        slope * seconds[step] + at
    })
}

/// `double_exponential_smoothing`
pub(crate) fn smooth(
    windows: &Windows<'_>,
    smoothing: &[f64],
    trend: &[f64],
    work: &mut Work<'_>,
) -> Result<Vec<f64>> {
    with_two(windows, work, |step, _, values| {
        let (sf, tf) = (smoothing[step], trend[step]);
        let (mut before, mut level) = (0.0, values[0]);
        let mut slope = values[1] - values[0];
        for (at, value) in values.iter().enumerate().skip(1) {
            if at > 1 {
                slope = tf * (level - before) + (1.0 - tf) * slope;
            }
            let next = sf * value + (1.0 - sf) * (level + slope);
            (before, level) = (level, next);
        }
        level
    })
}
