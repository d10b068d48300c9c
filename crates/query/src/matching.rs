//! Operators between two vectors: which series belong together, and what comes of them.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

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
    let pairing = Pairing { node, swapped, fill_many, fill_one, steps, span, meter };
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
    let mut done: HashSet<Labels> = HashSet::new();
    let empty = Vec::new();
    for row in &many {
        let key = signature(&row.labels, &node.matching);
        let others = ones.get(&key).unwrap_or(&empty);
        if (others.is_empty() && fill_one.is_none()) || done.contains(&key) {
            continue;
        }
        let members = manies.get(&key).unwrap_or(&empty);
        pairing.group(&many, members, &one, others, &key, &mut out)?;
        done.insert(key);
    }
    if fill_many.is_some() {
        for row in &one {
            let key = signature(&row.labels, &node.matching);
            if manies.contains_key(&key) || done.contains(&key) {
                continue;
            }
            let others = ones.get(&key).unwrap_or(&empty);
            pairing.group(&many, &empty, &one, others, &key, &mut out)?;
            done.insert(key);
        }
    }
    let message = match node.matching.group {
        Group::OneToOne => NOT_EXPLICIT,
        _ => NOT_UNIQUE,
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

const NOT_EXPLICIT: &str =
    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)";
const NOT_UNIQUE: &str = "multiple matches for labels: grouping labels must ensure unique matches";

struct Pairing<'a> {
    node: &'a Binary,
    swapped: bool,
    fill_many: Option<f64>,
    fill_one: Option<f64>,
    steps: usize,
    span: Span,
    meter: &'a Meter<'a>,
}

/// Series of the one side that give a result the same labels, put together: at a step only one of
/// them has a value.
struct Partner<'a> {
    labels: &'a Labels,
    values: Cow<'a, [f64]>,
}

impl Pairing<'_> {
    fn partners<'r>(&self, one: &'r [Row], others: &[usize]) -> Result<Vec<Partner<'r>>> {
        let include = &self.node.matching.include;
        let mut places: HashMap<Vec<Option<&Arc<str>>>, usize> = HashMap::new();
        let mut partners: Vec<Partner<'r>> = Vec::new();
        for other in others {
            let Row { labels, values, .. } = &one[*other];
            let place = match others.len() {
                1 => 0,
                _ => {
                    let given = include.iter().map(|name| labels.shared(name)).collect();
                    *places.entry(given).or_insert(partners.len())
                }
            };
            let Some(partner) = partners.get_mut(place) else {
                partners.push(Partner { labels, values: Cow::Borrowed(values) });
                continue;
            };
            self.meter.work(self.steps as u64)?;
            if matches!(partner.values, Cow::Borrowed(_)) {
                self.meter.hold(1, self.steps)?;
            }
            for (into, value) in partner.values.to_mut().iter_mut().zip(values) {
                if is_absent(*into) {
                    *into = *value;
                }
            }
        }
        Ok(partners)
    }

    /// All series of one signature.
    fn group(
        &self,
        many: &[Row],
        members: &[usize],
        one: &[Row],
        others: &[usize],
        key: &Labels,
        out: &mut Vec<Row>,
    ) -> Result<()> {
        let steps = self.steps;
        let partners = self.partners(one, others)?;
        let mut taken = Taken::new(self, members.len());
        // Where the one side has nothing.
        let fill_one = match self.fill_one {
            Some(fill) => {
                let lacks = |s: usize| partners.iter().all(|p| is_absent(p.values[s]));
                let values: Vec<f64> = (0..steps).map(|s| if lacks(s) { fill } else { ABSENT }).collect();
                self.meter.work(((partners.len() + 1) * steps) as u64)?;
                Some(values)
            }
            None => None,
        };
        for at in members {
            let row = &many[*at];
            let found = partners.iter().map(|p| (Some(p.labels), &*p.values));
            for (labels, column) in found.chain(fill_one.iter().map(|column| (None, &column[..]))) {
                self.meter.work(steps as u64)?;
                taken.pair(self, row, labels, column)?;
                let values = self.columns(&row.values, column);
                self.push(&row.labels, row.drop_name, labels, values, out)?;
            }
        }
        if let Some(fill) = self.fill_many {
            let mut lonely = vec![true; steps];
            for at in members {
                self.meter.work(steps as u64)?;
                lonely.iter_mut().zip(&many[*at].values).for_each(|(l, v)| *l &= is_absent(*v));
            }
            for other in others {
                self.meter.work(steps as u64)?;
                let other = &one[*other];
                let fill = |(b, lonely): (&f64, &bool)| {
                    if is_there(*b) && *lonely { self.value(fill, *b) } else { ABSENT }
                };
                let values: Vec<f64> = other.values.iter().zip(&lonely).map(fill).collect();
                self.push(key, false, Some(&other.labels), values, out)?;
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

    fn labels(&self, many: &Labels, one: Option<&Labels>) -> Labels {
        let matching = &self.node.matching;
        let mut labels = many.clone();
        if !self.node.op.compares() {
            labels = labels.nameless();
        }
        if matching.group == Group::OneToOne {
            labels = labels.keep(|name| matching.labels.iter().any(|l| l == name) == matching.on);
        }
        for name in &matching.include {
            let value = one.and_then(|one| one.shared(name)).cloned().unwrap_or_else(|| "".into());
            labels = labels.with(&name.as_str().into(), &value);
        }
        labels
    }

    fn push(
        &self,
        many: &Labels,
        drop_name: bool,
        one: Option<&Labels>,
        values: Vec<f64>,
        out: &mut Vec<Row>,
    ) -> Result<()> {
        if values.iter().all(|v| is_absent(*v)) {
            return Ok(());
        }
        self.meter.hold(1, self.steps)?;
        let node = self.node;
        // A name that is taken from the one side, or that only arithmetic would have dropped, stays.
        let named = node.matching.include.iter().any(|name| name == NAME);
        let drop_name = node.bool || (drop_name && node.op.compares() && !named);
        out.push(Row { labels: self.labels(many, one), drop_name, values });
        Ok(())
    }
}

/// Which results of a signature are there already at which steps, also those that a comparison
/// then drops: whether series fit together must not hang on their values.
enum Taken {
    /// One member cannot get in its own way, and what is not filtered is found by its result.
    Unasked,
    /// One-to-one: at each step one pair.
    Steps(Vec<bool>),
    /// At each step one pair for the same labels.
    Labels(HashMap<Labels, Vec<bool>>),
}

impl Taken {
    fn new(pairing: &Pairing<'_>, members: usize) -> Taken {
        let node = pairing.node;
        if members < 2 {
            Taken::Unasked
        } else if node.matching.group == Group::OneToOne {
            Taken::Steps(vec![false; pairing.steps])
        } else if node.op.compares() && !node.bool && !node.matching.include.is_empty() {
            Taken::Labels(HashMap::new())
        } else {
            Taken::Unasked
        }
    }

    fn pair(&mut self, pairing: &Pairing<'_>, row: &Row, one: Option<&Labels>, column: &[f64]) -> Result<()> {
        let (taken, message) = match self {
            Taken::Unasked => return Ok(()),
            Taken::Steps(taken) => (taken, NOT_EXPLICIT),
            Taken::Labels(taken) => {
                let steps = pairing.steps;
                let taken = match taken.entry(pairing.labels(&row.labels, one)) {
                    Entry::Occupied(taken) => taken.into_mut(),
                    Entry::Vacant(place) => {
                        pairing.meter.hold(1, steps / 8 + 1)?;
                        place.insert(vec![false; steps])
                    }
                };
                (taken, NOT_UNIQUE)
            }
        };
        for (taken, (many, one)) in taken.iter_mut().zip(row.values.iter().zip(column)) {
            if is_there(*many) && is_there(*one) {
                if *taken {
                    return Err(Error::execution(pairing.span, message));
                }
                *taken = true;
            }
        }
        Ok(())
    }
}
