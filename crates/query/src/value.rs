//! Values while a query is evaluated: columns over all steps at once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use crate::error::{Error, Result, Span};
use crate::labels::Labels;
use crate::source::STALE;

/// Stands in a column where a series has no value. It is the mark of stale series, which never is
/// a result; arithmetic cannot make it, because it is a signalling NaN.
pub(crate) const ABSENT: f64 = STALE;

pub(crate) fn is_absent(value: f64) -> bool {
    value.to_bits() == ABSENT.to_bits()
}

pub(crate) fn is_there(value: f64) -> bool {
    value.to_bits() != ABSENT.to_bits()
}

/// The instants at which a query is evaluated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grid {
    pub(crate) start_ms: i64,
    pub(crate) step_ms: i64,
    pub(crate) steps: usize,
}

impl Grid {
    pub(crate) fn instant(at_ms: i64) -> Grid {
        Grid { start_ms: at_ms, step_ms: 1, steps: 1 }
    }

    pub(crate) fn at(&self, step: usize) -> i64 {
        self.start_ms + self.step_ms * step as i64
    }

    pub(crate) fn end_ms(&self) -> i64 {
        self.at(self.steps.saturating_sub(1))
    }

    pub(crate) fn times(&self) -> impl Iterator<Item = i64> + '_ {
        (0..self.steps).map(|s| self.at(s))
    }
}

/// One series of an instant vector over all steps.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) labels: Labels,
    /// The name does not belong to the result any more; it goes at the very end, so that
    /// `label_replace` can still read it.
    pub(crate) drop_name: bool,
    /// A value or [`ABSENT`] for each step.
    pub(crate) values: Vec<f64>,
}

/// What an expression gave.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Scalar(Vec<f64>),
    Text(String),
    Vector(Vec<Row>),
}

impl Value {
    /// The same value at every step, from a value of one step.
    pub(crate) fn spread(self, steps: usize) -> Value {
        let spread = |values: Vec<f64>| vec![values.first().copied().unwrap_or(ABSENT); steps];
        match self {
            Value::Scalar(values) => Value::Scalar(spread(values)),
            Value::Vector(rows) => {
                Value::Vector(rows.into_iter().map(|row| Row { values: spread(row.values), ..row }).collect())
            }
            text => text,
        }
    }
}

/// Samples of one series with their own times, as a range selector or a subquery gives them.
#[derive(Clone, Debug)]
pub(crate) struct Track {
    pub(crate) labels: Labels,
    pub(crate) drop_name: bool,
    pub(crate) times: Arc<Vec<i64>>,
    /// Without stale marks.
    pub(crate) values: Arc<Vec<f64>>,
}

/// Makes one row of rows with the same labels.
///
/// # Errors
/// When two of them have a value at the same step.
pub(crate) fn merge_same(rows: Vec<Row>, span: Span) -> Result<Vec<Row>> {
    let mut places: HashMap<(Labels, bool), usize> = HashMap::with_capacity(rows.len());
    let mut merged: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows {
        match places.entry((row.labels.clone(), row.drop_name)) {
            Entry::Vacant(vacant) => {
                vacant.insert(merged.len());
                merged.push(row);
            }
            Entry::Occupied(occupied) => {
                let into = &mut merged[*occupied.get()].values;
                for (into, value) in into.iter_mut().zip(&row.values) {
                    if is_there(*value) {
                        if is_there(*into) {
                            let message = "vector cannot contain metrics with the same labelset";
                            return Err(Error::execution(span, message));
                        }
                        *into = *value;
                    }
                }
            }
        }
    }
    Ok(merged)
}

/// Drops the names that are to be dropped, and series without any value.
pub(crate) fn settle(rows: Vec<Row>, span: Span) -> Result<Vec<Row>> {
    let dropped = rows.iter().any(|r| r.drop_name);
    let mut rows: Vec<Row> = rows
        .into_iter()
        .filter(|row| row.values.iter().any(|v| is_there(*v)))
        .map(|row| match row.drop_name {
            true => Row { labels: row.labels.nameless(), drop_name: false, values: row.values },
            false => row,
        })
        .collect();
    if dropped && rows.len() > 1 {
        rows = merge_same(rows, span)?;
    }
    Ok(rows)
}
