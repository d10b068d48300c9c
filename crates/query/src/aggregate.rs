//! Aggregations: series are grouped once, then whole columns are worked on.

use std::collections::HashMap;

use crate::annotations::Annotations;
use crate::ast::{Aggregate, AggregateOp};
use crate::error::{Error, Result, Span};
use crate::functions;
use crate::kahan::{Mean, Spread, Sum};
use crate::labels::{Labels, NAME};
use crate::limits::Meter;
use crate::rank;
use crate::value::{ABSENT, Row, Value, is_absent, is_there};

/// Series that are aggregated into one.
pub(crate) struct Members {
    pub(crate) labels: Labels,
    pub(crate) drop_name: bool,
    pub(crate) rows: Vec<usize>,
}

fn groups(node: &Aggregate, rows: &[Row]) -> Vec<Members> {
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut groups: Vec<Members> = Vec::new();
    let all = !node.without && node.labels.is_empty();
    for (at, row) in rows.iter().enumerate() {
        let labels = if all {
            Labels::default()
        } else {
            row.labels.keep(|name| {
                let listed = node.labels.iter().any(|l| l == name);
                if node.without { !listed && name != NAME } else { listed }
            })
        };
        let place = if all { 0 } else { *places.entry(labels.clone()).or_insert(groups.len()) };
        if place == groups.len() {
            let drop_name = row.drop_name && labels.get(NAME).is_some();
            groups.push(Members { labels, drop_name, rows: Vec::new() });
        }
        groups[place].rows.push(at);
    }
    groups
}

/// The value of an aggregation.
pub(crate) fn aggregate(
    node: &Aggregate,
    rows: Vec<Row>,
    param: Option<(Value, Span)>,
    steps: usize,
    notes: &mut Annotations<'_>,
    meter: &Meter<'_>,
) -> Result<Vec<Row>> {
    let groups = groups(node, &rows);
    let scalar = match &param {
        Some((Value::Scalar(values), span)) => Some((&values[..], *span)),
        _ => None,
    };
    match (node.op, scalar, &param) {
        (AggregateOp::Topk | AggregateOp::Bottomk | AggregateOp::Limitk, Some(k), _) => {
            rank::limited(node.op, rows, &groups, k, meter)
        }
        (AggregateOp::LimitRatio, Some(ratio), _) => rank::share(rows, ratio, notes, meter),
        (AggregateOp::CountValues, _, Some((Value::Text(label), place))) => {
            if label.is_empty() {
                return Err(Error::execution(*place, format!("invalid label name {label:?}")));
            }
            count_values(node, label, &rows, &groups, steps, meter)
        }
        (AggregateOp::Quantile, Some((q, place)), _) => {
            meter.hold(groups.len(), steps)?;
            notes.quantiles(place, q, meter)?;
            Ok(quantiles(q, &rows, groups, steps))
        }
        (op, ..) => {
            meter.hold(groups.len(), steps)?;
            Ok(groups
                .into_iter()
                .map(|group| Row {
                    values: reduce(op, &rows, &group.rows, steps),
                    labels: group.labels,
                    drop_name: group.drop_name,
                })
                .collect())
        }
    }
}

/// Folds the columns of a group's series, step by step; `first` of the first value, `next` of the others.
fn fold<T: Copy>(
    rows: &[Row],
    members: &[usize],
    steps: usize,
    empty: T,
    mut next: impl FnMut(&mut T, f64),
) -> Vec<(bool, T)> {
    let mut states = vec![(false, empty); steps];
    for at in members {
        for ((there, state), value) in states.iter_mut().zip(&rows[*at].values) {
            if is_there(*value) {
                next(state, *value);
                *there = true;
            }
        }
    }
    states
}

fn finish<T>(states: Vec<(bool, T)>, of: impl Fn(T) -> f64) -> Vec<f64> {
    states.into_iter().map(|(there, state)| if there { of(state) } else { ABSENT }).collect()
}

fn reduce(op: AggregateOp, rows: &[Row], members: &[usize], steps: usize) -> Vec<f64> {
    match op {
        AggregateOp::Sum => finish(fold(rows, members, steps, Sum::default(), |s, v| s.add(v)), Sum::total),
        AggregateOp::Avg => finish(fold(rows, members, steps, Mean::default(), |s, v| s.add(v)), Mean::mean),
        AggregateOp::Stdvar | AggregateOp::Stddev => {
            let states = fold(rows, members, steps, Spread::default(), |s, v| s.add(v));
            let root = op == AggregateOp::Stddev;
            finish(states, |s| if root { s.variance().sqrt() } else { s.variance() })
        }
        AggregateOp::Min => extreme(rows, members, steps, |best, v| v < best),
        AggregateOp::Max => extreme(rows, members, steps, |best, v| v > best),
        AggregateOp::Group => finish(fold(rows, members, steps, (), |_, _| {}), |()| 1.0),
        // Only counting is left.
        _ => finish(fold(rows, members, steps, 0.0, |s: &mut f64, _| *s += 1.0), |s| s),
    }
}

/// NaN only when there is nothing else.
fn extreme(rows: &[Row], members: &[usize], steps: usize, better: impl Fn(f64, f64) -> bool) -> Vec<f64> {
    let mut best = vec![ABSENT; steps];
    for at in members {
        for (best, value) in best.iter_mut().zip(&rows[*at].values) {
            // An absent best is a NaN too.
            if is_there(*value) && (better(*best, *value) || best.is_nan()) {
                *best = *value;
            }
        }
    }
    best
}

/// How many steps are gathered at once: a cache line of each series.
pub(crate) const STEPS_AT_ONCE: usize = 8;

fn quantiles(q: &[f64], rows: &[Row], groups: Vec<Members>, steps: usize) -> Vec<Row> {
    let mut gathered: [Vec<f64>; STEPS_AT_ONCE] = std::array::from_fn(|_| Vec::new());
    groups
        .into_iter()
        .map(|group| {
            let mut values = Vec::with_capacity(steps);
            for from in (0..steps).step_by(STEPS_AT_ONCE) {
                let until = (from + STEPS_AT_ONCE).min(steps);
                gathered.iter_mut().for_each(Vec::clear);
                for at in &group.rows {
                    for (into, value) in gathered.iter_mut().zip(&rows[*at].values[from..until]) {
                        if is_there(*value) {
                            into.push(*value);
                        }
                    }
                }
                for (step, found) in (from..until).zip(&mut gathered) {
                    let empty = found.is_empty();
                    values.push(if empty { ABSENT } else { functions::quantile(q[step], found) });
                }
            }
            Row { labels: group.labels, drop_name: group.drop_name, values }
        })
        .collect()
}

fn count_values(
    node: &Aggregate,
    label: &str,
    rows: &[Row],
    groups: &[Members],
    steps: usize,
    meter: &Meter<'_>,
) -> Result<Vec<Row>> {
    // The label is set before series are grouped: it can take the place of one that groups, and
    // is gone when `without` names it.
    let removed = node.without && node.labels.iter().any(|l| l == label);
    let label = label.into();
    let mut out: Vec<Row> = Vec::new();
    let mut known: HashMap<Labels, usize> = HashMap::new();
    for group in groups {
        // By bits, so that NaNs and both zeros are values like others.
        let mut places: HashMap<u64, usize> = HashMap::new();
        for at in &group.rows {
            for (step, value) in rows[*at].values.iter().enumerate().filter(|(_, v)| is_there(**v)) {
                let bits = if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
                let place = match places.get(&bits) {
                    Some(place) => *place,
                    None => {
                        let text = if removed { String::new() } else { crate::print::number(*value) };
                        let labels = group.labels.with(&label, &text.into());
                        let place = *known.entry(labels.clone()).or_insert(out.len());
                        if place == out.len() {
                            meter.hold(1, steps)?;
                            meter.hold(out.len(), 0)?;
                            out.push(Row { labels, drop_name: group.drop_name, values: vec![ABSENT; steps] });
                        }
                        places.insert(bits, place);
                        place
                    }
                };
                let count = &mut out[place].values[step];
                *count = if is_absent(*count) { 1.0 } else { *count + 1.0 };
            }
        }
    }
    Ok(out)
}
