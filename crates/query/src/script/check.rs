//! One case of a script: evaluates it and compares.

use super::{Expected, Memory, Outcome, Said, When};
use crate::error::Result;
use crate::labels::Labels;
use crate::limits::Options;
use crate::query::{Answered, Output, Query, Series};

/// How far numbers may differ, as a share of their sum.
const TOLERANCE: f64 = 1e-6;

/// How much earlier and later instants are evaluated again as part of a range.
const AROUND_MS: i64 = 60_000;

pub(super) fn case(memory: &Memory, when: When, expression: &str, expected: &Expected) -> Outcome {
    if expected.native {
        return Outcome::Unsupported("native histograms");
    }
    memory.take_touched();
    let options = Options::default();
    let query = Query::parse(expression);
    let result = query.as_ref().map_err(Clone::clone).and_then(|query| match when {
        When::Instant { at_ms } => query.instant(memory, at_ms, &options),
        When::Range { start_ms, end_ms, step_ms } => query.range(memory, start_ms, end_ms, step_ms, &options),
    });
    let mut outcome = compare(&result, when, expected);
    if let (Ok(()), Ok(query), When::Instant { at_ms }) = (&outcome, &query, when) {
        outcome = as_range(memory, query, at_ms, expected).map_err(|e| format!("as a part of a range: {e}"));
    }
    // What there is of native histograms was not seen, so no result means anything.
    if memory.take_touched() {
        return Outcome::Unsupported("native histograms");
    }
    match outcome {
        Ok(()) => Outcome::Passed,
        Err(problem) => Outcome::Failed(problem),
    }
}

/// An instant has to give the same in the middle of a range.
fn as_range(
    memory: &Memory,
    query: &Query,
    at_ms: i64,
    expected: &Expected,
) -> std::result::Result<(), String> {
    use crate::ast::ValueType;
    if expected.ordered || !matches!(query.value_type(), ValueType::Scalar | ValueType::Vector) {
        return Ok(());
    }
    let result = query.range(memory, at_ms - AROUND_MS, at_ms + AROUND_MS, AROUND_MS, &Options::default());
    // At the other steps it may fail where it does not here, and the other way round.
    let Ok(Output { value: Answered::Matrix(series), .. }) = &result else { return Ok(()) };
    if expected.fail.is_some() {
        return Err("it did not fail".into());
    }
    let wanted = match expected.scalar {
        Some(scalar) => vec![(Labels::default(), vec![Some(scalar)])],
        None => expected.series.clone(),
    };
    // start(), end(), range() and step() know that it is a range.
    if ["start", "end", "range", "step"].iter().any(|f| query.text().contains(&format!("{f}("))) {
        return Ok(());
    }
    matrix(series, &wanted, (at_ms, at_ms, AROUND_MS))
}

fn fits(said: &Said, text: &str) -> bool {
    match said {
        Said::Anything => true,
        Said::Exactly(wanted) => wanted == text,
        Said::Pattern(pattern) => pattern.is_match(text),
    }
}

fn notes(kind: &str, got: &[String], wanted: &[Said], none: bool) -> std::result::Result<(), String> {
    if none && !got.is_empty() {
        return Err(format!("unexpected {kind}: {got:?}"));
    }
    match wanted.iter().find(|w| !got.iter().any(|text| fits(w, text))) {
        Some(missing) => Err(format!("no {kind} like {missing:?} in {got:?}")),
        None => Ok(()),
    }
}

fn compare(result: &Result<Output>, when: When, expected: &Expected) -> std::result::Result<(), String> {
    let output = match (result, &expected.fail) {
        (Ok(_), Some(_)) => return Err("it did not fail".into()),
        (Err(error), None) => return Err(error.to_string()),
        (Err(error), Some(said)) if fits(said, &error.message) || fits(said, &error.to_string()) => {
            return Ok(());
        }
        (Err(error), Some(said)) => return Err(format!("it failed with {error:?}, not {said:?}")),
        (Ok(output), None) => output,
    };
    notes("warning", &output.warnings, &expected.warnings, expected.no_warnings)?;
    notes("info", &output.infos, &expected.infos, expected.no_infos)?;
    match &output.value {
        Answered::Scalar { value, .. } => match expected.scalar {
            Some(wanted) if almost_equal(*value, wanted) => Ok(()),
            wanted => Err(format!("got the scalar {value}, not {wanted:?}")),
        },
        Answered::Text { value, .. } => match &expected.text {
            Some(wanted) if wanted == value => Ok(()),
            wanted => Err(format!("got the string {value:?}, not {wanted:?}")),
        },
        Answered::Vector(samples) => {
            if expected.ordered {
                let order: Vec<&Labels> = samples.iter().map(|s| &s.labels).collect();
                let wanted: Vec<&Labels> = expected.series.iter().map(|(l, _)| l).collect();
                if order != wanted {
                    return Err(format!("got the order {order:?}, not {wanted:?}"));
                }
            }
            let series: Vec<Series> = samples
                .iter()
                .map(|s| Series { labels: s.labels.clone(), samples: vec![(s.time_ms, s.value)] })
                .collect();
            let When::Instant { at_ms } = when else { return Err("got an instant vector".into()) };
            matrix_exact(&series, &expected.series, (at_ms, at_ms, 1))
        }
        Answered::Matrix(series) => match (when, expected.vector_range) {
            (When::Range { start_ms, end_ms, step_ms }, _) => {
                matrix_exact(series, &expected.series, (start_ms, end_ms, step_ms))
            }
            (_, Some(times)) => matrix_exact(series, &expected.series, times),
            (_, None) => Err("got a range vector".into()),
        },
    }
}

/// Compares all samples.
fn matrix_exact(
    got: &[Series],
    wanted: &[(Labels, Vec<Option<f64>>)],
    times: (i64, i64, i64),
) -> std::result::Result<(), String> {
    let inside = |t: i64| t >= times.0 && t <= times.1 && (t - times.0) % times.2 == 0;
    if let Some(stray) = got.iter().find(|s| s.samples.iter().any(|(t, _)| !inside(*t))) {
        return Err(format!("samples at unexpected times: {stray:?}"));
    }
    matrix(got, wanted, times)
}

/// Compares the samples at some times.
fn matrix(
    got: &[Series],
    wanted: &[(Labels, Vec<Option<f64>>)],
    (start, end, step): (i64, i64, i64),
) -> std::result::Result<(), String> {
    let steps = ((end - start) / step + 1) as usize;
    let at = |series: &Series, i: usize| {
        let time = start + i as i64 * step;
        series.samples.iter().find(|(t, _)| *t == time).map(|(_, v)| *v)
    };
    for series in got {
        let there = (0..steps).any(|i| at(series, i).is_some());
        if there && !wanted.iter().any(|(labels, _)| *labels == series.labels) {
            let values: Vec<_> = (0..steps).map(|i| at(series, i)).collect();
            return Err(format!("unexpected series {} with {values:?}", series.labels));
        }
    }
    for (labels, values) in wanted {
        if values.len() > steps {
            return Err(format!("{labels}: {} values expected at {steps} steps", values.len()));
        }
        let series = got.iter().find(|s| s.labels == *labels);
        for i in 0..steps {
            let wanted = values.get(i).copied().flatten();
            let got = series.and_then(|s| at(s, i));
            let same = match (got, wanted) {
                (Some(got), Some(wanted)) => almost_equal(got, wanted),
                (None, None) => true,
                _ => false,
            };
            if !same {
                let time = start + i as i64 * step;
                return Err(format!("{labels} at {time} ms: got {got:?}, not {wanted:?}"));
            }
        }
    }
    Ok(())
}

fn almost_equal(a: f64, b: f64) -> bool {
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}
