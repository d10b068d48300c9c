//! The answers of two servers to one query, beside each other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::expression::{Expression, Names, fill};
use crate::prometheus::{self, Row};

/// Theirs is looked at from so much before to so much after: slow families are read apart and may be so much older
/// than their report; also, a scrape takes a while.
const BEFORE_MS: i64 = 3_000;
const AFTER_MS: i64 = 1_000;
/// Their step.
const FINE_MS: i64 = 500;
/// Ours.
pub(crate) const STEP_MS: i64 = 1_000;
/// A value that moves may be beyond the range of theirs by as much as the range is wide, and at least by this share.
/// Peaks between two scrapes are seen by one alone, and a window has one event more or less at its ends.
const SHARE: f64 = 0.05;
/// A value that stands still has to be the same but for the last digits.
const EXACT: f64 = 1e-9;
/// What a line through a window gives far from it hangs on the last digits of its slope.
const SLIDING: f64 = 1e-6;
/// So many of a series' values may be out of range: it may jump between theirs. What is something else always is out.
const MISSES: f64 = 0.5;

/// A server, and what the host is called there.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) names: Names,
}

/// When queries are evaluated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    /// Longer ranges in expressions are made this long.
    pub(crate) longest_ms: i64,
}

/// What came of one expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// The same series and values.
    Same,
    /// No series here and there, as the condition of an alert does not hold; what it looks at is the same.
    Quiet,
    /// Neither has anything of it.
    Nothing,
    /// Only we have it.
    OnlyOurs,
    /// There, but not here.
    Missing(String),
    /// The values are others.
    Differs(String),
    /// It was not understood here.
    Refused(String),
    /// It was not understood there, so there is nothing to compare with.
    RefusedThere(String),
}

/// The series of an answer, by what tells them apart on one host: by time, a value each.
type Answer = BTreeMap<BTreeMap<String, String>, BTreeMap<i64, f64>>;

/// Labels of infos that node_exporter has and we have not.
const MORE_LABELS_THERE: &[&str] = &[
    "adminstate",
    "broadcast",
    "domainname",
    "duplex",
    "ifalias",
    "build_id",
    "id_like",
    "image_id",
    "image_version",
    "name",
    "variant",
    "variant_id",
    "version_codename",
];

fn answer(rows: Vec<Row>, text: &str) -> Answer {
    let info = text.contains("_info");
    let mut answer = Answer::new();
    for Row { mut metric, values } in rows {
        metric.retain(|name, _| {
            let more = info && MORE_LABELS_THERE.contains(&&**name);
            !more && !["instance", "job"].contains(&&**name)
        });
        answer.entry(metric).or_default().extend(values);
    }
    answer
}

/// Compares one expression, and where it has no series its parts.
pub(crate) fn compare(expression: &Expression, ours: &Server, theirs: &Server, span: Span) -> Verdict {
    let here = fill(&expression.text, &ours.names, span.longest_ms);
    let there = fill(&expression.text, &theirs.names, span.longest_ms);
    let whole = compare_one(&here, &there, ours, theirs, span);
    if whole != Verdict::Nothing {
        return whole;
    }
    let parts = |text: &str| chasar_query::Query::parse(text).map(|query| query.parts()).unwrap_or_default();
    let mut all = Verdict::Nothing;
    for (here, there) in parts(&here).iter().zip(parts(&there)) {
        match compare_one(here, &there, ours, theirs, span) {
            Verdict::Same if all == Verdict::Nothing => all = Verdict::Quiet,
            Verdict::Same | Verdict::Nothing | Verdict::OnlyOurs => {}
            other => return other,
        }
    }
    all
}

fn compare_one(here: &str, there: &str, ours: &Server, theirs: &Server, span: Span) -> Verdict {
    let grid = (span.start_ms, span.end_ms, STEP_MS);
    let fine = (span.start_ms - BEFORE_MS, span.end_ms + AFTER_MS, FINE_MS);
    let a = match prometheus::range(ours.address, here, grid) {
        Ok(rows) => answer(rows, here),
        Err(error) => {
            return match prometheus::range(theirs.address, there, fine) {
                Ok(_) => Verdict::Refused(error),
                Err(theirs) => Verdict::RefusedThere(theirs),
            };
        }
    };
    // An answer at one instant is the same as in a range.
    let middle = span.start_ms + (span.end_ms - span.start_ms) / STEP_MS / 2 * STEP_MS;
    match prometheus::instant_at(ours.address, here, middle) {
        Ok(rows) => {
            let once = answer(rows, here);
            let at = |answer: &Answer| -> Vec<(BTreeMap<String, String>, f64)> {
                answer.iter().filter_map(|(k, v)| Some((k.clone(), *v.get(&middle)?))).collect()
            };
            // Windows that slide add up in another order.
            let alike = |(a, b): (&(_, f64), &(_, f64))| a.0 == b.0 && same(a.1, b.1, SLIDING);
            let (once, ranged) = (at(&once), at(&a));
            if once.len() != ranged.len() || !once.iter().zip(&ranged).all(alike) {
                return Verdict::Differs(format!("at {middle}: alone {once:?}, in the range {ranged:?}"));
            }
        }
        Err(error) => return Verdict::Refused(error),
    }
    let b = match prometheus::range(theirs.address, there, fine) {
        Ok(rows) => answer(rows, there),
        Err(error) => return Verdict::RefusedThere(error),
    };
    judge(&a, &b, span)
}

/// Whether two answers agree, theirs being on a finer grid and beyond both ends.
fn judge(ours: &Answer, theirs: &Answer, span: Span) -> Verdict {
    if ours.is_empty() && theirs.is_empty() {
        return Verdict::Nothing;
    }
    let mut missing = BTreeSet::new();
    let mut found = false;
    for (labels, theirs) in theirs {
        let none = BTreeMap::new();
        let ours = ours.get(labels).unwrap_or(&none);
        let first = theirs.values().copied().next().unwrap_or_default();
        let still = theirs.values().all(|value| same(*value, first, EXACT));
        found |= !ours.is_empty();
        let (mut absent, mut wrong, mut moments) = (0, Vec::new(), 0);
        let mut at = span.start_ms;
        while at <= span.end_ms {
            let window = at - BEFORE_MS..=at + AFTER_MS;
            let around: Vec<f64> = theirs.range(window.clone()).map(|(_, value)| *value).collect();
            let always = around.len() as i64 == (BEFORE_MS + AFTER_MS) / FINE_MS + 1;
            match ours.get(&at) {
                // What comes and goes is compared while it is there.
                Some(value) if always => {
                    moments += 1;
                    if let Err(how) = within(*value, &around, still) {
                        wrong.push(format!("{how} at {at}"));
                    }
                }
                None if always => absent += 1,
                _ => {}
            }
            at += STEP_MS;
        }
        if wrong.len() as f64 > MISSES * f64::from(moments) {
            let (wrong, first) = (wrong.len(), &wrong[0]);
            return Verdict::Differs(format!("{labels:?}: {wrong} of {moments} values, first {first}"));
        }
        if f64::from(absent) > MISSES * f64::from(moments + absent) {
            missing.insert(format!("{labels:?}"));
        }
    }
    if !missing.is_empty() {
        let number = missing.len();
        let first = missing.first().cloned().unwrap_or_default();
        return Verdict::Missing(format!("{number} of {} series, as {first}", theirs.len()));
    }
    match found {
        true => Verdict::Same,
        // Theirs is no longer than a moment.
        false if ours.is_empty() => Verdict::Nothing,
        false => Verdict::OnlyOurs,
    }
}

fn same(a: f64, b: f64, share: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= share * a.abs().max(b.abs())
}

fn within(value: f64, around: &[f64], still: bool) -> Result<(), String> {
    if around.iter().any(|theirs| same(*theirs, value, EXACT)) {
        return Ok(());
    }
    let (low, high) = around.iter().fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(*v), high.max(*v)));
    let slack = if still { 0.0 } else { (high - low).max(SHARE * low.abs().max(high.abs())) };
    if value >= low - slack && value <= high + slack {
        Ok(())
    } else {
        Err(format!("{value}, there {low} to {high}"))
    }
}
