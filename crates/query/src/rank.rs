//! Aggregations that choose series instead of combining them.

use std::cmp::Ordering;

use crate::aggregate::{Members, STEPS_AT_ONCE};
use crate::annotations::Annotations;
use crate::ast::AggregateOp;
use crate::error::{Error, Result, Span};
use crate::labels::Labels;
use crate::limits::Meter;
use crate::value::{ABSENT, Row, is_there};

/// Where whole numbers of 64 bits end.
const I64_END: f64 = 9_223_372_036_854_775_808.0;

/// So many best ones are kept sorted while all are looked at.
const FEW: usize = 16;

/// Best first: the largest for `topk`, the smallest for `bottomk`; NaN is always worst.
fn better(op: AggregateOp, a: f64, b: f64) -> Ordering {
    let order = if op == AggregateOp::Topk { b.partial_cmp(&a) } else { a.partial_cmp(&b) };
    order.unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// Keeps the best `k`; of equal ones, those that come first.
fn best(op: AggregateOp, candidates: &mut Vec<(f64, usize)>, k: usize, sorted: bool) {
    let order = |a: &(f64, usize), b: &(f64, usize)| better(op, a.0, b.0).then(a.1.cmp(&b.1));
    if k <= FEW {
        // Most candidates are worse than the worst of the best so far, and cost one comparison.
        let mut found: [(f64, usize); FEW] = [(0.0, 0); FEW];
        let mut len = 0;
        for candidate in candidates.iter() {
            if len == k && (k == 0 || better(op, candidate.0, found[k - 1].0).is_ge()) {
                continue;
            }
            let at = found[..len].partition_point(|f| better(op, f.0, candidate.0).is_le());
            len = (len + 1).min(k);
            found.copy_within(at..len - 1, at + 1);
            found[at] = *candidate;
        }
        candidates.clear();
        candidates.extend_from_slice(&found[..len]);
        return;
    }
    if k > 0 && k < candidates.len() {
        candidates.select_nth_unstable_by(k - 1, order);
    }
    candidates.truncate(k);
    if sorted {
        // The order counts for instant queries only.
        candidates.sort_unstable_by(order);
    }
}

/// `topk`, `bottomk`, `limitk`: at most `k` series of each group at each step.
pub(crate) fn limited(
    op: AggregateOp,
    rows: Vec<Row>,
    groups: &[Members],
    (k, span): (&[f64], Span),
    meter: &Meter<'_>,
) -> Result<Vec<Row>> {
    if k.iter().any(|k| k.is_nan()) {
        return Err(Error::execution(span, "Parameter value is NaN"));
    }
    if let Some(k) = k.iter().find(|k| k.abs() >= I64_END) {
        return Err(Error::execution(span, format!("Scalar value {k} overflows int64")));
    }
    let mut out: Vec<Row> = Vec::new();
    for group in groups {
        let mut chosen = vec![false; group.rows.len()];
        let mut kept: Vec<Vec<f64>> = Vec::new();
        kept.resize_with(group.rows.len(), Vec::new);
        let mut first: Vec<usize> = Vec::new();
        let mut gathered: [Vec<(f64, usize)>; STEPS_AT_ONCE] = std::array::from_fn(|_| Vec::new());
        for from in (0..k.len()).step_by(STEPS_AT_ONCE) {
            let until = (from + STEPS_AT_ONCE).min(k.len());
            meter.work((group.rows.len() * (until - from)) as u64)?;
            gathered.iter_mut().for_each(Vec::clear);
            for (member, at) in group.rows.iter().enumerate() {
                for (into, value) in gathered.iter_mut().zip(&rows[*at].values[from..until]) {
                    if is_there(*value) {
                        into.push((*value, member));
                    }
                }
            }
            for (step, candidates) in (from..until).zip(&mut gathered) {
                let k = if k[step] < 1.0 { 0 } else { k[step] as usize };
                if op == AggregateOp::Limitk {
                    candidates.truncate(k);
                } else {
                    best(op, candidates, k, step == 0);
                }
                for (value, member) in candidates {
                    if !chosen[*member] {
                        chosen[*member] = true;
                        first.push(*member);
                        kept[*member] = vec![ABSENT; rows[group.rows[*member]].values.len()];
                    }
                    kept[*member][step] = *value;
                }
            }
        }
        for member in first {
            let row = &rows[group.rows[member]];
            out.push(Row {
                labels: row.labels.clone(),
                drop_name: row.drop_name,
                values: std::mem::take(&mut kept[member]),
            });
        }
    }
    Ok(out)
}

/// `limit_ratio`: a share of all series that is always the same ones; a negative ratio takes what
/// the positive one would leave.
pub(crate) fn share(
    mut rows: Vec<Row>,
    (ratios, span): (&[f64], Span),
    notes: &mut Annotations<'_>,
    meter: &Meter<'_>,
) -> Result<Vec<Row>> {
    if ratios.iter().any(|ratio| ratio.is_nan()) {
        return Err(Error::execution(span, "Ratio value is NaN"));
    }
    notes.steps(ratios, meter, |notes, ratio| {
        let limit = ratio.clamp(-1.0, 1.0);
        if limit != ratio {
            let ratio = crate::print::number(ratio);
            let message = format!("ratio value should be between -1 and 1, got {ratio}, capping to {limit}");
            notes.warn(span, &message);
        }
    })?;
    meter.hold(1, ratios.len())?;
    let limits: Vec<f64> = ratios.iter().map(|ratio| ratio.clamp(-1.0, 1.0)).collect();
    rows.retain_mut(|row| {
        let place = place_of(&row.labels);
        for (value, limit) in row.values.iter_mut().zip(&limits) {
            let in_share = if *limit >= 0.0 { place < *limit } else { place >= 1.0 + *limit };
            if !in_share {
                *value = ABSENT;
            }
        }
        row.values.iter().any(|v| is_there(*v))
    });
    Ok(rows)
}

/// A series' place between 0 and 1, spread evenly: FNV-1a of its labels with MurmurHash's finish.
fn place_of(labels: &Labels) -> f64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    for (name, value) in labels.iter() {
        name.bytes().for_each(&mut add);
        add(0xff);
        value.bytes().for_each(&mut add);
        add(0xff);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^= hash >> 33;
    hash as f64 / u64::MAX as f64
}
