//! Operators between two vectors: which series belong together, and what comes of them.

use std::collections::HashMap;
use std::collections::HashSet;

use crate::ast::{Binary, Group, Matching, Operator};
use crate::binary::{arithmetic, compare};
use crate::error::{Error, Result, Span};
use crate::labels::{Labels, NAME};
use crate::limits::Meter;
use crate::value::{ABSENT, Row, is_absent, is_there, merge_same};

/// The labels by which series find each other.
fn signature(labels: &Labels, matching: &Matching) -> Labels {
    labels.keep(|name| {
        let listed = matching.labels.iter().any(|l| l == name);
        if matching.on { listed } else { !listed && name != NAME }
    })
}

/// Which series of a side have a signature.
fn by_signature(rows: &[Row], matching: &Matching) -> HashMap<Labels, Vec<usize>> {
    let mut found: HashMap<Labels, Vec<usize>> = HashMap::with_capacity(rows.len());
    for (at, row) in rows.iter().enumerate() {
        found.entry(signature(&row.labels, matching)).or_default().push(at);
    }
    found
}

/// At which steps any series of a signature has a value.
fn presence(rows: &[Row], matching: &Matching) -> HashMap<Labels, Vec<bool>> {
    let mut found: HashMap<Labels, Vec<bool>> = HashMap::with_capacity(rows.len());
    for row in rows {
        let steps = row.values.len();
        let present = found.entry(signature(&row.labels, matching)).or_insert_with(|| vec![false; steps]);
        present.iter_mut().zip(&row.values).for_each(|(p, v)| *p |= is_there(*v));
    }
    found
}

/// `and`, `or`, `unless`.
pub(crate) fn sets(node: &Binary, mut left: Vec<Row>, mut right: Vec<Row>, span: Span) -> Result<Vec<Row>> {
    let matching = &node.matching;
    // Empties the steps at which the other side has (or has not) a value; `false` when none is left.
    let cut = |row: &mut Row, others: &HashMap<Labels, Vec<bool>>, keep_if: bool| match others
        .get(&signature(&row.labels, matching))
    {
        Some(present) => {
            for (value, present) in row.values.iter_mut().zip(present) {
                if *present != keep_if {
                    *value = ABSENT;
                }
            }
            row.values.iter().any(|v| is_there(*v))
        }
        None => !keep_if,
    };
    match node.op {
        Operator::Or => {
            let lefts = presence(&left, matching);
            right.retain_mut(|row| cut(row, &lefts, false));
            left.append(&mut right);
            merge_same(left, span)
        }
        op => {
            let rights = presence(&right, matching);
            left.retain_mut(|row| cut(row, &rights, op == Operator::And));
            Ok(left)
        }
    }
}

/// Arithmetic and comparisons.
pub(crate) fn vectors(
    node: &Binary,
    left: Vec<Row>,
    right: Vec<Row>,
    steps: usize,
    span: Span,
    meter: &Meter<'_>,
) -> Result<Vec<Row>> {
    let swapped = node.matching.group == Group::OneToMany;
    // From here on, left is the side that may have many.
    let (many, one) = if swapped { (right, left) } else { (left, right) };
    let fill = node.matching.fill;
    let (fill_many, fill_one) = if swapped { (fill.1, fill.0) } else { fill };
    let pairing = Pairing { node, swapped, fill_many, fill_one, span };
    let ones = by_signature(&one, &node.matching);
    let manies = by_signature(&many, &node.matching);
    let busy = |rows: &[Row]| {
        let mut any = vec![false; steps];
        for row in rows {
            any.iter_mut().zip(&row.values).for_each(|(any, v)| *any |= is_there(*v));
        }
        any
    };
    // With nothing on the other side at a step, duplicates do not matter.
    let any_many = if ones.values().any(|m| m.len() > 1) { busy(&many) } else { Vec::new() };
    let side = if swapped { "left" } else { "right" };
    let mut duplicates: Vec<_> = ones.iter().filter(|(_, members)| members.len() > 1).collect();
    // In the order of series, so that the message is always the same.
    duplicates.sort_by_key(|(_, members)| members[0]);
    for (labels, members) in duplicates {
        unique(&one, members, &any_many, labels, side, span)?;
    }
    let mut out = Vec::new();
    // In the order of the many side; signatures that only the other side has come last.
    let mut done: HashSet<&Labels> = HashSet::new();
    let signatures: Vec<Labels> = many.iter().map(|r| signature(&r.labels, &node.matching)).collect();
    let empty = Vec::new();
    for key in &signatures {
        if !done.insert(key) {
            continue;
        }
        let members = manies.get(key).unwrap_or(&empty);
        let others = ones.get(key).unwrap_or(&empty);
        if others.is_empty() && fill_one.is_none() {
            continue;
        }
        meter.hold(members.len().max(1), steps)?;
        meter.work(members.len() as u64 * others.len() as u64 * steps as u64)?;
        pairing.group(&many, members, &one, others, key, steps, &mut out)?;
    }
    if fill_many.is_some() {
        for row in &one {
            let key = signature(&row.labels, &node.matching);
            if !manies.contains_key(&key) && !signatures.contains(&key) {
                meter.hold(1, steps)?;
                let others = ones.get(&key).unwrap_or(&empty);
                pairing.group(&many, &empty, &one, others, &key, steps, &mut out)?;
            }
        }
    }
    let message = match node.matching.group {
        Group::OneToOne => {
            "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
        }
        _ => "multiple matches for labels: grouping labels must ensure unique matches",
    };
    merge_same(out, span).map_err(|_| Error::execution(span, message))
}

/// On the one side no signature may be there twice at a step.
fn unique(
    rows: &[Row],
    members: &[usize],
    any_other: &[bool],
    labels: &Labels,
    side: &str,
    span: Span,
) -> Result<()> {
    for (step, _) in any_other.iter().enumerate().filter(|(_, any)| **any) {
        let mut there = members.iter().filter(|at| is_there(rows[**at].values[step]));
        if let (Some(first), Some(second)) = (there.next(), there.next()) {
            let (first, second) = (&rows[*first].labels, &rows[*second].labels);
            let (first, second) = (first.min(second), first.max(second));
            let message = format!(
                "found duplicate series for the match group {labels} on the {side} hand-side of the operation: \
                 [{first}, {second}];many-to-many matching not allowed: matching labels must be unique on one \
                 side"
            );
            return Err(Error::execution(span, message));
        }
    }
    Ok(())
}

struct Pairing<'a> {
    node: &'a Binary,
    swapped: bool,
    fill_many: Option<f64>,
    fill_one: Option<f64>,
    span: Span,
}

impl Pairing<'_> {
    /// All series of one signature.
    #[allow(clippy::too_many_arguments, reason = "both sides with their members, and where results go")]
    fn group(
        &self,
        many: &[Row],
        members: &[usize],
        one: &[Row],
        others: &[usize],
        key: &Labels,
        steps: usize,
        out: &mut Vec<Row>,
    ) -> Result<()> {
        let one_to_one = self.node.matching.group == Group::OneToOne;
        // Whether a result of this signature is there already, for one-to-one.
        let mut taken = vec![false; if one_to_one && members.len() > 1 { steps } else { 0 }];
        for at in members {
            let row = &many[*at];
            if let (&[other], None) = (others, self.fill_one) {
                let other = &one[other];
                let values = self.columns(&row.values, &other.values);
                self.taken(&values, &mut taken)?;
                self.push(&row.labels, row.drop_name, Some(&other.labels), values, out);
                continue;
            }
            // Several on the one side, each at its own steps: each gives results with its labels.
            let mut covered = vec![false; steps];
            for other in others {
                let other = &one[*other];
                covered.iter_mut().zip(&other.values).for_each(|(c, v)| *c |= is_there(*v));
                let values: Vec<f64> = (0..steps)
                    .map(|s| {
                        let (a, b) = (row.values[s], other.values[s]);
                        if is_there(a) && is_there(b) { self.value(a, b) } else { ABSENT }
                    })
                    .collect();
                self.taken(&values, &mut taken)?;
                self.push(&row.labels, row.drop_name, Some(&other.labels), values, out);
            }
            if let Some(fill) = self.fill_one {
                let values: Vec<f64> = (0..steps)
                    .map(|s| {
                        let a = row.values[s];
                        if is_there(a) && !covered[s] { self.value(a, fill) } else { ABSENT }
                    })
                    .collect();
                self.taken(&values, &mut taken)?;
                self.push(&row.labels, row.drop_name, None, values, out);
            }
        }
        if let Some(fill) = self.fill_many {
            for other in others {
                let other = &one[*other];
                let lonely = |s: usize| members.iter().all(|at| is_absent(many[*at].values[s]));
                let values: Vec<f64> = (0..steps)
                    .map(|s| {
                        let b = other.values[s];
                        if is_there(b) && lonely(s) { self.value(fill, b) } else { ABSENT }
                    })
                    .collect();
                self.push(key, false, Some(&other.labels), values, out);
            }
        }
        Ok(())
    }

    fn columns(&self, many: &[f64], one: &[f64]) -> Vec<f64> {
        many.iter()
            .zip(one)
            .map(|(a, b)| if is_absent(*a) || is_absent(*b) { ABSENT } else { self.value(*a, *b) })
            .collect()
    }

    /// One result; `many` and `one` are swapped back to left and right.
    #[inline]
    fn value(&self, many: f64, one: f64) -> f64 {
        let (left, right) = if self.swapped { (one, many) } else { (many, one) };
        if self.node.op.compares() && !self.node.bool {
            if compare(self.node.op, left, right) { left } else { ABSENT }
        } else {
            arithmetic(self.node.op, left, right)
        }
    }

    fn taken(&self, values: &[f64], taken: &mut [bool]) -> Result<()> {
        for (taken, _) in taken.iter_mut().zip(values).filter(|(_, v)| is_there(**v)) {
            if *taken {
                let message = "multiple matches for labels: many-to-one matching must be explicit \
                               (group_left/group_right)";
                return Err(Error::execution(self.span, message));
            }
            *taken = true;
        }
        Ok(())
    }

    fn push(
        &self,
        many: &Labels,
        drop_name: bool,
        one: Option<&Labels>,
        values: Vec<f64>,
        out: &mut Vec<Row>,
    ) {
        if values.iter().all(|v| is_absent(*v)) {
            return;
        }
        let matching = &self.node.matching;
        let compares = self.node.op.compares();
        let mut labels = many.clone();
        if !compares {
            labels = labels.nameless();
        }
        if matching.group == Group::OneToOne {
            labels = labels.keep(|name| matching.labels.iter().any(|l| l == name) == matching.on);
        }
        for name in &matching.include {
            let value = one.and_then(|one| one.shared(name)).cloned().unwrap_or_else(|| "".into());
            labels = labels.with(&name.as_str().into(), &value);
        }
        out.push(Row { labels, drop_name: drop_name || self.node.bool, values });
    }
}
