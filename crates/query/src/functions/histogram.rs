//! Classic histograms: series with cumulative counts up to each bound `le`.

use std::collections::HashMap;

use crate::ast::Expr;
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::labels::Labels;
use crate::value::{ABSENT, Grid, Row, is_absent, is_there, merge_same};

const BOUND: &str = "le";

/// Counts that differ by less than this share are taken as equal: rates of buckets that never
/// changed differ by rounding.
const SMALL: f64 = 1e-12;

/// One histogram: a row for each bound.
struct Histogram {
    labels: Labels,
    /// Sorted by bound.
    bounds: Vec<(f64, usize)>,
}

#[derive(Clone, Copy)]
struct Bucket {
    bound: f64,
    count: f64,
}

fn histograms(eval: &mut Evaluator<'_>, rows: &[Row], arg: &Expr) -> Vec<Histogram> {
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut found: Vec<Histogram> = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let text = row.labels.get(BOUND).unwrap_or_default();
        let Some(bound) = parse_bound(text) else {
            eval.notes.bucket_label(arg.span, text, row.labels.name());
            continue;
        };
        let labels = row.labels.keep(|n| n != BOUND);
        let place = *places.entry(labels.clone()).or_insert_with(|| {
            found.push(Histogram { labels, bounds: Vec::new() });
            found.len() - 1
        });
        found[place].bounds.push((bound, at));
    }
    for histogram in &mut found {
        histogram.bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    found
}

fn parse_bound(text: &str) -> Option<f64> {
    text.parse::<f64>().ok()
}

impl Histogram {
    /// The buckets at a step, those with the same bound put together.
    fn at(&self, rows: &[Row], step: usize, buckets: &mut Vec<Bucket>) {
        buckets.clear();
        for (bound, at) in &self.bounds {
            let count = rows[*at].values[step];
            if is_absent(count) {
                continue;
            }
            match buckets.last_mut() {
                Some(last) if last.bound == *bound => last.count += count,
                _ => buckets.push(Bucket { bound: *bound, count }),
            }
        }
    }
}

/// Applies `of` to each histogram at each step.
fn each(
    eval: &mut Evaluator<'_>,
    rows: &[Row],
    arg: &Expr,
    grid: Grid,
    mut of: impl FnMut(&mut Evaluator<'_>, usize, &mut Vec<Bucket>, &str) -> f64,
) -> Result<Vec<Row>> {
    let found = histograms(eval, rows, arg);
    eval.meter.hold(found.len(), grid.steps)?;
    let mut out = Vec::with_capacity(found.len());
    let mut buckets = Vec::new();
    for histogram in found {
        let mut values = Vec::with_capacity(grid.steps);
        for step in 0..grid.steps {
            eval.meter.work(histogram.bounds.len() as u64)?;
            histogram.at(rows, step, &mut buckets);
            let value = if buckets.is_empty() {
                ABSENT
            } else {
                of(eval, step, &mut buckets, histogram.labels.name())
            };
            values.push(value);
        }
        if values.iter().any(|v| is_there(*v)) {
            out.push(Row { labels: histogram.labels, drop_name: true, values });
        }
    }
    Ok(out)
}

/// `histogram_quantile`
pub(crate) fn quantile(eval: &mut Evaluator<'_>, q: &Expr, arg: &Expr, grid: Grid) -> Result<Vec<Row>> {
    let qs = eval.scalar(q, grid)?;
    let rows = eval.vector(arg, grid)?;
    eval.notes.quantiles(q.span, &qs, &eval.meter)?;
    quantile_rows(eval, &qs, &rows, arg, grid)
}

fn quantile_rows(
    eval: &mut Evaluator<'_>,
    qs: &[f64],
    rows: &[Row],
    arg: &Expr,
    grid: Grid,
) -> Result<Vec<Row>> {
    let mut told: Option<String> = None;
    each(eval, rows, arg, grid, |eval, step, buckets, name| {
        let (value, forced) = quantile_of(qs[step], buckets);
        if forced && told.as_deref() != Some(name) {
            told = Some(name.into());
            eval.notes.forced_monotonic(arg.span, name);
        }
        value
    })
}

/// `histogram_quantiles`: several at once, told apart by a label.
pub(crate) fn quantiles(
    eval: &mut Evaluator<'_>,
    args: &[Expr],
    expr: &Expr,
    grid: Grid,
) -> Result<Vec<Row>> {
    let rows = eval.vector(&args[0], grid)?;
    let label = eval.text(&args[1], grid)?;
    if label.is_empty() {
        return Err(Error::execution(args[1].span, "invalid label name in histogram_quantiles()"));
    }
    let label = label.as_str().into();
    let mut out = Vec::new();
    for arg in &args[2..] {
        let qs = eval.scalar(arg, grid)?;
        eval.notes.quantiles(arg.span, &qs, &eval.meter)?;
        let found = quantile_rows(eval, &qs, &rows, &args[0], grid)?;
        for row in found {
            // The label follows the quantile where that changes from step to step.
            let mut from = 0;
            while from < qs.len() {
                let same = |q: &f64| q.to_bits() == qs[from].to_bits();
                let until = from + qs[from..].iter().take_while(|q| same(q)).count();
                let mut values = vec![ABSENT; qs.len()];
                values[from..until].copy_from_slice(&row.values[from..until]);
                eval.meter.hold(1, grid.steps)?;
                let labels = row.labels.with(&label, &open_metrics(qs[from]).into());
                out.push(Row { labels, drop_name: true, values });
                from = until;
            }
        }
    }
    merge_same(out, expr.span)
}

/// A number as OpenMetrics writes it: always with a point.
fn open_metrics(value: f64) -> String {
    let text = crate::print::number(value);
    let whole = text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    if whole { text + ".0" } else { text }
}

/// `histogram_fraction`
pub(crate) fn fraction(eval: &mut Evaluator<'_>, args: &[Expr], grid: Grid) -> Result<Vec<Row>> {
    let lower = eval.scalar(&args[0], grid)?;
    let upper = eval.scalar(&args[1], grid)?;
    let rows = eval.vector(&args[2], grid)?;
    each(eval, &rows, &args[2], grid, |_, step, buckets, _| fraction_of(lower[step], upper[step], buckets))
}

/// The quantile, and whether counts had to be forced to grow.
fn quantile_of(q: f64, buckets: &mut [Bucket]) -> (f64, bool) {
    if q.is_nan() {
        return (f64::NAN, false);
    }
    if q < 0.0 {
        return (f64::NEG_INFINITY, false);
    }
    if q > 1.0 {
        return (f64::INFINITY, false);
    }
    let Some((last, finite)) = buckets.split_last() else { return (f64::NAN, false) };
    if last.bound != f64::INFINITY || finite.is_empty() {
        return (f64::NAN, false);
    }
    let forced = force_growing(buckets);
    let highest = buckets.len() - 1;
    let observations = buckets[highest].count;
    if observations == 0.0 || observations.is_nan() {
        return (f64::NAN, forced);
    }
    let mut rank = q * observations;
    let at = buckets[..highest].partition_point(|b| b.count < rank || b.count.is_nan());
    if at == highest {
        return (buckets[highest - 1].bound, forced);
    }
    if at == 0 && buckets[0].bound <= 0.0 {
        return (buckets[0].bound, forced);
    }
    let (mut start, mut count) = (0.0, buckets[at].count);
    if at > 0 {
        start = buckets[at - 1].bound;
        count -= buckets[at - 1].count;
        rank -= buckets[at - 1].count;
    }
    (start + (buckets[at].bound - start) * (rank / count), forced)
}

/// Counts are cumulative: where one is smaller than the one before, it takes that one's place.
/// Differences from rounding are levelled without a word.
fn force_growing(buckets: &mut [Bucket]) -> bool {
    let mut forced = false;
    let mut before = buckets[0].count;
    for bucket in &mut buckets[1..] {
        if bucket.count == before {
            continue;
        }
        if almost_equal(before, bucket.count) {
            bucket.count = before;
        } else if bucket.count < before {
            bucket.count = before;
            forced = true;
        } else {
            before = bucket.count;
        }
    }
    forced
}

fn almost_equal(a: f64, b: f64) -> bool {
    if a.is_nan() && b.is_nan() || a == b {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < SMALL * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < SMALL
}

/// The share of observations between two bounds.
fn fraction_of(lower: f64, upper: f64, buckets: &[Bucket]) -> f64 {
    let Some(last) = buckets.last() else { return f64::NAN };
    let count = last.count;
    if last.bound != f64::INFINITY || count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    (rank_of(upper, buckets).min(count) - rank_of(lower, buckets).min(count)) / count
}

/// How many observations are below a value, interpolated within its bucket.
fn rank_of(value: f64, buckets: &[Bucket]) -> f64 {
    let mut rank = 0.0;
    let mut begin = f64::NEG_INFINITY;
    for (at, bucket) in buckets.iter().enumerate() {
        // The first bucket begins at zero, unless it ends there or below.
        if at == 0 && bucket.bound > 0.0 {
            begin = 0.0;
        }
        if begin >= value {
            return rank;
        }
        if bucket.bound > value {
            return if bucket.bound == f64::INFINITY {
                // Nobody knows where in an endless bucket observations are: taken as above.
                rank
            } else if begin == f64::NEG_INFINITY {
                if value == f64::NEG_INFINITY { rank } else { bucket.count }
            } else {
                rank + (bucket.count - rank) * (value - begin) / (bucket.bound - begin)
            };
        }
        rank = bucket.count;
        begin = bucket.bound;
    }
    rank
}
