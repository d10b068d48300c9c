//! A parsed query and what it answers.

use std::sync::Arc;

use crate::annotations::Annotations;
use crate::ast::{Expr, Node, ValueType};
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::labels::Labels;
use crate::limits::{Meter, Options};
use crate::parse;
use crate::pattern::Patterns;
use crate::print;
use crate::select::Fetched;
use crate::source::Source;
use crate::value::{Grid, Value, is_there, settle};

/// A query that was understood.
#[derive(Clone, Debug)]
pub struct Query {
    text: Arc<str>,
    pub(crate) expr: Arc<Expr>,
}

/// Its text on one line.
impl std::fmt::Display for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&print::line(&self.expr))
    }
}

/// What a query answers.
#[derive(Clone, Debug)]
pub struct Output {
    /// The answer itself.
    pub value: Answered,
    /// What is likely wrong, with places in the text.
    pub warnings: Vec<String>,
    /// What may be wrong, with places in the text.
    pub infos: Vec<String>,
    /// What it took.
    pub stats: Stats,
}

/// The answer of a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Answered {
    /// A number, at the instant.
    Scalar {
        /// Unix milliseconds.
        time_ms: i64,
        /// The number.
        value: f64,
    },
    /// A text, at the instant.
    Text {
        /// Unix milliseconds.
        time_ms: i64,
        /// The text.
        value: String,
    },
    /// A value a series, at the instant; the order counts.
    Vector(Vec<Sample>),
    /// Samples a series; by labels.
    Matrix(Vec<Series>),
}

/// A value of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// All labels.
    pub labels: Labels,
    /// Unix milliseconds.
    pub time_ms: i64,
    /// The value.
    pub value: f64,
}

/// Samples of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// All labels.
    pub labels: Labels,
    /// Times in Unix milliseconds and values, ascending.
    pub samples: Vec<(i64, f64)>,
}

/// What a query took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Series that were read.
    pub series: usize,
    /// Samples that were read.
    pub samples: u64,
    /// Most samples that were held at a time, read or computed.
    pub held: u64,
    /// Which tiers the source read.
    pub tiers: Vec<&'static str>,
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Query> {
        Ok(Query { expr: Arc::new(parse::expression(text)?), text: text.into() })
    }

    /// What it gives for an instant.
    pub fn value_type(&self) -> ValueType {
        self.expr.value_type()
    }

    /// Its text as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its text as it is usually written, on several lines when it is long.
    pub fn formatted(&self) -> String {
        print::pretty(&self.expr, 0)
    }

    /// The parts of it that give an instant vector, each once, the larger before those within it and without the
    /// whole: to see what an alert whose condition does not hold looks at. What is inside a subquery is no part.
    pub fn parts(&self) -> Vec<String> {
        let mut parts = Vec::new();
        let mut rest: Vec<&Expr> = self.expr.children().into_iter().rev().collect();
        while let Some(expr) = rest.pop() {
            // Parentheses add nothing.
            let is_part = !matches!(expr.node, Node::Paren(_)) && expr.value_type() == ValueType::Vector;
            let text = is_part.then(|| print::line(expr));
            parts.extend(text.filter(|text| !parts.contains(text)));
            rest.extend(expr.children().into_iter().rev());
        }
        parts
    }

    /// Its tree as JSON, as Prometheus's `/api/v1/parse_query` gives it.
    pub fn tree_json(&self) -> String {
        print::tree(&self.expr)
    }

    /// Answers at one instant, in Unix milliseconds.
    ///
    /// # Errors
    /// When series do not fit together, a limit is reached, or the source fails.
    pub fn instant(&self, source: &dyn Source, at_ms: i64, options: &Options<'_>) -> Result<Output> {
        let grid = Grid::instant(at_ms);
        self.run(source, grid, 0, options, |eval, expr| {
            if expr.value_type() == ValueType::Matrix {
                return raw(eval, expr, grid);
            }
            Ok(match eval.eval(expr, grid)? {
                Value::Scalar(values) => {
                    Answered::Scalar { time_ms: at_ms, value: values.first().copied().unwrap_or(f64::NAN) }
                }
                Value::Text(value) => Answered::Text { time_ms: at_ms, value },
                Value::Vector(rows) => {
                    let rows = settle(rows, expr.span)?.into_iter();
                    let sample = |row: crate::value::Row| Sample {
                        labels: row.labels,
                        time_ms: at_ms,
                        value: row.values[0],
                    };
                    Answered::Vector(rows.map(sample).collect())
                }
            })
        })
    }

    /// Answers at every step from `start_ms` up to `end_ms`.
    ///
    /// # Errors
    /// As [`Query::instant`]; also when the step is not positive, the end is before the start, or
    /// the expression gives a range vector or a string.
    pub fn range(
        &self,
        source: &dyn Source,
        start_ms: i64,
        end_ms: i64,
        step_ms: i64,
        options: &Options<'_>,
    ) -> Result<Output> {
        if !matches!(self.value_type(), ValueType::Scalar | ValueType::Vector) {
            let message = format!(
                "invalid expression type {:?} for range query, must be Scalar or instant Vector",
                self.value_type().shown()
            );
            return Err(Error::parse(self.expr.span, message).placed(&self.text));
        }
        if step_ms <= 0 {
            return Err(Error::limit("zero or negative query resolution step widths are not accepted"));
        }
        let span_ms = end_ms.checked_sub(start_ms).filter(|s| *s >= 0);
        let Some(span_ms) = span_ms else {
            return Err(Error::limit("end timestamp must not be before start time"));
        };
        let steps = usize::try_from(span_ms / step_ms).map_or(usize::MAX, |s| s.saturating_add(1));
        if steps as u64 > options.max_samples {
            return Err(Error::limit(format!("the query has {steps} steps, more than samples are allowed")));
        }
        let grid = Grid { start_ms, step_ms, steps };
        self.run(source, grid, step_ms, options, |eval, expr| {
            eval.meter.hold(1, steps)?;
            let rows = match eval.eval(expr, grid)? {
                Value::Scalar(values) => {
                    vec![crate::value::Row { labels: Labels::default(), drop_name: false, values }]
                }
                Value::Vector(rows) => settle(rows, expr.span)?,
                Value::Text(_) => Vec::new(),
            };
            let mut series: Vec<Series> = rows
                .into_iter()
                .map(|row| {
                    let present = grid.times().zip(row.values).filter(|(_, v)| is_there(*v));
                    Series { labels: row.labels, samples: present.collect() }
                })
                .collect();
            series.sort_by(|a, b| a.labels.cmp(&b.labels));
            Ok(Answered::Matrix(series))
        })
    }

    fn run(
        &self,
        source: &dyn Source,
        grid: Grid,
        step_ms: i64,
        options: &Options<'_>,
        answer: impl FnOnce(&mut Evaluator<'_>, &Expr) -> Result<Answered>,
    ) -> Result<Output> {
        let run = || {
            let meter = Meter::new(*options);
            let mut notes = Annotations::new(&self.text);
            let fetched = Fetched::read(&self.expr, grid, source, options, &meter, &mut notes)?;
            let mut eval = Evaluator {
                query: grid,
                query_step_ms: step_ms,
                options: *options,
                meter,
                fetched,
                notes,
                patterns: Patterns::default(),
            };
            let value = answer(&mut eval, &self.expr)?;
            Ok(Output {
                value,
                warnings: eval.notes.warnings.into_iter().collect(),
                infos: eval.notes.infos.into_iter().collect(),
                stats: Stats {
                    series: eval.fetched.series,
                    samples: eval.fetched.samples,
                    held: eval.meter.held(),
                    tiers: eval.fetched.tiers().to_vec(),
                },
            })
        };
        run().map_err(|e: Error| e.placed(&self.text))
    }
}

/// A range vector by itself: its samples as they are.
fn raw(eval: &mut Evaluator<'_>, expr: &Expr, grid: Grid) -> Result<Answered> {
    let matrix = eval.matrix(expr, grid)?;
    let mut series = Vec::new();
    for track in matrix.tracks {
        let mut window = (0, 0);
        matrix.frame.windows(&track.times, |_, from, to| window = (from, to));
        eval.meter.hold(1, window.1 - window.0)?;
        if window.0 < window.1 {
            let (times, values) = (&track.times[window.0..window.1], &track.values[window.0..window.1]);
            let labels = if track.drop_name { track.labels.nameless() } else { track.labels };
            series.push(Series {
                labels,
                samples: times.iter().copied().zip(values.iter().copied()).collect(),
            });
        }
    }
    // A subquery's rows come in the order of evaluation.
    if !matches!(expr.bare().node, Node::Selector(_)) {
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        return Ok(Answered::Matrix(merged(series, expr)?));
    }
    Ok(Answered::Matrix(series))
}

/// Makes one series of those with the same labels, which stand next to each other.
fn merged(series: Vec<Series>, expr: &Expr) -> Result<Vec<Series>> {
    let mut merged: Vec<Series> = Vec::with_capacity(series.len());
    for one in series {
        match merged.last_mut().filter(|last| last.labels == one.labels) {
            Some(last) => last.samples.extend(one.samples),
            None => merged.push(one),
        }
    }
    for one in &mut merged {
        one.samples.sort_by_key(|(time_ms, _)| *time_ms);
        if one.samples.windows(2).any(|w| w[0].0 == w[1].0) {
            let message = "vector cannot contain metrics with the same labelset";
            return Err(Error::execution(expr.span, message));
        }
    }
    Ok(merged)
}
