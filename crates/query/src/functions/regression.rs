//! Lines through windows: `deriv`, `predict_linear`, and double exponential smoothing.

use super::sliding::Sliding;
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

/// What a line needs to know of samples: means, and sums of products of distances from them.
#[derive(Clone, Copy)]
struct Moments {
    n: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
    first: f64,
    constant: bool,
}

impl Moments {
    fn of(seconds: f64, value: f64) -> Moments {
        Moments { n: 1.0, x: seconds, y: value, xx: 0.0, xy: 0.0, first: value, constant: true }
    }

    /// Those of all samples of both.
    fn join(self, other: Moments) -> Moments {
        let n = self.n + other.n;
        let (dx, dy) = (other.x - self.x, other.y - self.y);
        let weight = self.n * other.n / n;
        Moments {
            n,
            x: self.x + dx * other.n / n,
            y: self.y + dy * other.n / n,
            xx: self.xx + other.xx + dx * dx * weight,
            xy: self.xy + other.xy + dx * dy * weight,
            first: self.first,
            constant: self.constant && other.constant && self.first == other.first,
        }
    }

    /// Slope, and value at a time.
    fn line(self, at: f64) -> (f64, f64) {
        if self.constant {
            return if self.first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, self.first) };
        }
        if !self.y.is_finite() {
            // There is no line through infinity.
            return (f64::NAN, f64::NAN);
        }
        let slope = self.xy / self.xx;
        (slope, self.y + slope * (at - self.x))
    }
}

/// A line for each window while it slides; `of` gets the step and what gives the line's slope and
/// its value at a time.
fn sliding(windows: &Windows<'_>, of: impl Fn(usize, usize, &dyn Fn(i64) -> (f64, f64)) -> f64) -> Vec<f64> {
    let (times, values) = (windows.times, windows.values);
    // Seconds since the first sample: small numbers, few rounding errors.
    let origin_ms = times.first().copied().unwrap_or_default();
    let seconds = |time: i64| time.saturating_sub(origin_ms) as f64 / 1000.0;
    let mut sliding = Sliding::new(|at: usize| Moments::of(seconds(times[at]), values[at]), Moments::join);
    windows.each(|step, from, to| {
        if from >= to {
            return None;
        }
        let moments = sliding.fold(from, to);
        (to - from >= 2).then(|| of(step, from, &|time| moments.line(seconds(time))))
    })
}

/// `deriv`
pub(crate) fn slope(windows: &Windows<'_>, work: &mut Work<'_>) -> Result<Vec<f64>> {
    if windows.slides {
        return Ok(sliding(windows, |_, from, line| line(windows.times[from]).0));
    }
    // The origin is the first sample, so that numbers stay small.
    with_two(windows, work, |_, times, values| line(times, values, times[0]).0)
}

/// `predict_linear`: from the step's own time on, also with `@`.
pub(crate) fn predict(windows: &Windows<'_>, seconds: &[f64], work: &mut Work<'_>) -> Result<Vec<f64>> {
    if windows.slides {
        return Ok(sliding(windows, |step, _, line| {
            let (slope, at) = line(windows.frame.grid.at(step));
            slope * seconds[step] + at
        }));
    }
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
