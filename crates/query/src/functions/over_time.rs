//! Statistics of the samples in windows.

use super::ordered::Ordered;
use super::sliding::Sliding;
use super::window::{Windows, Work};
use crate::error::Result;
use crate::kahan::{Mean, Spread, Sum};

fn direct_sum(values: &[f64]) -> Sum {
    let mut sum = Sum::default();
    values.iter().for_each(|v| sum.add(*v));
    sum
}

/// `sum_over_time`
pub(crate) fn sum(windows: &Windows<'_>) -> Vec<f64> {
    let values = windows.values;
    if !windows.slides {
        return windows.filled(|from, to| direct_sum(&values[from..to]).total());
    }
    let mut sliding = Sliding::new(|at: usize| Sum::of(values[at]), Sum::join);
    windows.filled(|from, to| sliding.fold(from, to).total())
}

/// `avg_over_time`
pub(crate) fn average(windows: &Windows<'_>, work: &mut Work<'_>) -> Result<Vec<f64>> {
    let values = windows.values;
    let direct = |from: usize, to: usize| {
        let mut mean = Mean::default();
        values[from..to].iter().for_each(|v| mean.add(*v));
        mean.mean()
    };
    if !windows.slides {
        return Ok(windows.filled(direct));
    }
    // Sums of such values can overflow where the mean does not.
    let huge = values.iter().any(|v| v.abs() > 1e300);
    let mut stopped = Ok(());
    let mut sliding = Sliding::new(|at: usize| Sum::of(values[at]), Sum::join);
    let out = windows.filled(|from, to| {
        let (sum, count) = (sliding.fold(from, to), (to - from) as f64);
        let mean = sum.sum / count + sum.lost / count;
        if !huge || mean.is_finite() || stopped.is_err() {
            return mean;
        }
        stopped = work((to - from) as u64);
        direct(from, to)
    });
    stopped.map(|()| out)
}

/// `min_over_time`, `max_over_time`: NaN only when there is nothing else.
pub(crate) fn extreme(windows: &Windows<'_>, better: impl Fn(f64, f64) -> bool) -> Vec<f64> {
    let values = windows.values;
    let join = |best: f64, value: f64| if better(best, value) || best.is_nan() { value } else { best };
    if !windows.slides {
        return windows.filled(|from, to| {
            let mut best = values[from];
            values[from + 1..to].iter().for_each(|v| best = join(best, *v));
            best
        });
    }
    let mut sliding = Sliding::new(|at: usize| values[at], join);
    windows.filled(|from, to| sliding.fold(from, to))
}

/// The index of the extreme of each window; `better` also says whether the later of equals counts.
pub(crate) fn place_of_extreme(
    windows: &Windows<'_>,
    better: impl Fn(f64, f64) -> bool,
) -> Vec<Option<usize>> {
    let values = windows.values;
    let join = |best: usize, at: usize| {
        if better(values[best], values[at]) || values[best].is_nan() { at } else { best }
    };
    let mut sliding = Sliding::new(|at: usize| at, join);
    windows.spans.iter().map(|(from, to)| (from < to).then(|| sliding.fold(*from, *to))).collect()
}

/// `stdvar_over_time`
pub(crate) fn variance(windows: &Windows<'_>) -> Vec<f64> {
    let values = windows.values;
    if !windows.slides {
        return windows.filled(|from, to| {
            let mut spread = Spread::default();
            values[from..to].iter().for_each(|v| spread.add(*v));
            spread.variance()
        });
    }
    let one = |at: usize| {
        let mut spread = Spread::default();
        spread.add(values[at]);
        spread
    };
    let mut sliding = Sliding::new(one, Spread::join);
    windows.filled(|from, to| sliding.fold(from, to).variance())
}

/// NaN is the smallest value; zeros are equal.
fn order(a: &f64, b: &f64) -> std::cmp::Ordering {
    a.partial_cmp(b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// The `q`-quantile of values in order, interpolated between neighbours.
fn quantile_of_sorted(q: f64, len: usize, sorted: impl Fn(usize) -> f64) -> f64 {
    if len == 0 || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let rank = q * (len - 1) as f64;
    let lower = rank.floor() as usize;
    let upper = (lower + 1).min(len - 1);
    let weight = rank - rank.floor();
    sorted(lower) * (1.0 - weight) + sorted(upper) * weight
}

/// The `q`-quantile of values in any order, which are reordered.
pub(crate) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.len() > 8 && (0.0..=1.0).contains(&q) {
        // Selecting is linear where sorting is not.
        let rank = q * (values.len() - 1) as f64;
        let lower = rank.floor() as usize;
        let weight = rank - rank.floor();
        let (_, low, above) = values.select_nth_unstable_by(lower, order);
        let low = *low;
        let high = above.iter().copied().min_by(order).unwrap_or(low);
        return low * (1.0 - weight) + high * weight;
    }
    values.sort_unstable_by(order);
    quantile_of_sorted(q, values.len(), |at| values[at])
}

/// `quantile_over_time`
pub(crate) fn quantiles(windows: &Windows<'_>, q: &[f64], work: &mut Work<'_>) -> Result<Vec<f64>> {
    let values = windows.values;
    let mut failed = Ok(());
    if !windows.slides {
        let mut scratch = Vec::new();
        let out = windows.each(|step, from, to| {
            scratch.clear();
            scratch.extend_from_slice(&values[from..to]);
            if failed.is_ok() {
                failed = work((to - from) as u64);
            }
            (from < to && failed.is_ok()).then(|| quantile(q[step], &mut scratch))
        });
        return failed.map(|()| out);
    }
    let mut ordered = Ordered::default();
    let (mut begin, mut end) = (0, 0);
    let out = windows.each(|step, from, to| {
        if failed.is_err() {
            return None;
        }
        if from >= end {
            ordered.clear();
            (begin, end) = (from, from);
        }
        failed = work(((from - begin) + (to - end)) as u64 * (1 + ordered.len() as u64 / 64));
        ordered.slide(&values[begin..from], &values[end..to]);
        (begin, end) = (from, to);
        (from < to).then(|| quantile_of_sorted(q[step], ordered.len(), |at| ordered.get(at)))
    });
    failed.map(|()| out)
}

/// `mad_over_time`: the median of the distances from the median.
pub(crate) fn median_deviation(windows: &Windows<'_>, work: &mut Work<'_>) -> Result<Vec<f64>> {
    let mut scratch = Vec::new();
    let mut failed = Ok(());
    let out = windows.each(|_, from, to| {
        if failed.is_ok() {
            failed = work((to - from) as u64);
        }
        if from >= to || failed.is_err() {
            return None;
        }
        scratch.clear();
        scratch.extend_from_slice(&windows.values[from..to]);
        let median = quantile(0.5, &mut scratch);
        scratch.iter_mut().for_each(|v| *v = (*v - median).abs());
        Some(quantile(0.5, &mut scratch))
    });
    failed.map(|()| out)
}
