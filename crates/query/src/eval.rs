//! The evaluator: every expression is evaluated for all steps at once.

use crate::aggregate;
use crate::annotations::Annotations;
use crate::ast::{At, Binary, Call, Expr, Node, Selector, Subquery, ValueType};
use crate::binary;
use crate::error::{Error, Result};
use crate::functions::{self, Op};
use crate::limits::{Meter, Options};
use crate::matching;
use crate::pattern::Patterns;
use crate::select::{Fetched, Frame, subquery_grid};
use crate::value::{ABSENT, Grid, Row, Track, Value, is_there};
use std::sync::Arc;

/// What the evaluation of one query shares.
pub(crate) struct Evaluator<'a> {
    pub(crate) query: Grid,
    /// As asked for: 0 for instant queries.
    pub(crate) query_step_ms: i64,
    pub(crate) options: Options<'a>,
    pub(crate) meter: Meter<'a>,
    pub(crate) fetched: Fetched<'a>,
    pub(crate) notes: Annotations<'a>,
    /// Those of functions; those of selectors were counted when they were read.
    pub(crate) patterns: Patterns,
}

/// A range vector for all steps.
pub(crate) struct Matrix {
    pub(crate) tracks: Vec<Track>,
    pub(crate) frame: Frame,
    /// Values are already counts, where the function counts.
    pub(crate) folded: bool,
}

impl Evaluator<'_> {
    /// Evaluates an expression at all steps of a grid.
    pub(crate) fn eval(&mut self, expr: &Expr, grid: Grid) -> Result<Value> {
        if grid.steps > 1 && !matches!(expr.node, Node::Number(_) | Node::Text(_)) && invariant(expr) {
            let once = Grid { steps: 1, ..grid };
            let value = self.eval(expr, once)?;
            match &value {
                Value::Vector(rows) => self.meter.hold(rows.len(), grid.steps)?,
                Value::Scalar(_) => self.meter.hold(1, grid.steps)?,
                Value::Text(_) => {}
            }
            return Ok(value.spread(grid.steps));
        }
        // A scalar is a column too; parentheses only pass one on.
        if expr.value_type() == ValueType::Scalar && !matches!(expr.node, Node::Paren(_)) {
            self.meter.hold(1, grid.steps)?;
        }
        match &expr.node {
            Node::Number(number) => Ok(Value::Scalar(vec![*number; grid.steps])),
            Node::Text(text) => Ok(Value::Text(text.clone())),
            Node::Paren(inner) => self.eval(inner, grid),
            Node::Negate(inner) => Ok(match self.eval(inner, grid)? {
                Value::Scalar(values) => Value::Scalar(values.into_iter().map(|v| -v).collect()),
                Value::Vector(rows) => Value::Vector(functions::map_rows(rows, |v| -v)),
                text => text,
            }),
            Node::Binary(binary) => self.binary(binary, expr, grid),
            Node::Aggregate(aggregate) => {
                let rows = self.vector(&aggregate.expr, grid)?;
                let param = match &aggregate.param {
                    Some(param) => Some((self.eval(param, grid)?, param.span)),
                    None => None,
                };
                self.meter.work(rows.len() as u64 * grid.steps as u64)?;
                aggregate::aggregate(aggregate, rows, param, grid.steps, &mut self.notes, &self.meter)
                    .map(Value::Vector)
            }
            Node::Call(call) => self.call(call, expr, grid),
            Node::Selector(selector) => self.instant(selector, grid).map(Value::Vector),
            Node::Subquery(_) => Err(Error::execution(expr.span, "a range vector is not a value here")),
        }
    }

    pub(crate) fn vector(&mut self, expr: &Expr, grid: Grid) -> Result<Vec<Row>> {
        match self.eval(expr, grid)? {
            Value::Vector(rows) => Ok(rows),
            _ => Err(Error::execution(expr.span, "not an instant vector")),
        }
    }

    pub(crate) fn scalar(&mut self, expr: &Expr, grid: Grid) -> Result<Vec<f64>> {
        match self.eval(expr, grid)? {
            Value::Scalar(values) => Ok(values),
            _ => Err(Error::execution(expr.span, "not a scalar")),
        }
    }

    pub(crate) fn text(&mut self, expr: &Expr, grid: Grid) -> Result<String> {
        match self.eval(expr, grid)? {
            Value::Text(text) => Ok(text),
            _ => Err(Error::execution(expr.span, "not a string")),
        }
    }

    fn instant(&mut self, selector: &Selector, grid: Grid) -> Result<Vec<Row>> {
        let frame = Frame::new(grid, self.query, &selector.when, self.options.lookback_ms);
        self.fetched.newest(selector, &frame, &self.meter, &mut self.notes, |_, value| value)
    }

    /// The times of the samples that a selector finds, in seconds.
    pub(crate) fn timestamps(&mut self, selector: &Selector, grid: Grid) -> Result<Vec<Row>> {
        let frame = Frame::new(grid, self.query, &selector.when, self.options.lookback_ms);
        let seconds = |time_ms: i64, _| time_ms as f64 / 1000.0;
        self.fetched.newest(selector, &frame, &self.meter, &mut self.notes, seconds)
    }

    /// A range selector or a subquery.
    pub(crate) fn matrix(&mut self, expr: &Expr, grid: Grid) -> Result<Matrix> {
        match &expr.bare().node {
            Node::Selector(selector) => {
                let range_ms = selector.range_ms.unwrap_or(self.options.lookback_ms);
                let frame = Frame::new(grid, self.query, &selector.when, range_ms);
                let (tracks, folded) = self.fetched.range(selector, &frame, &self.meter, &mut self.notes)?;
                Ok(Matrix { tracks, frame, folded })
            }
            Node::Subquery(subquery) => self.subquery(subquery, grid),
            _ => Err(Error::execution(expr.span, "not a range vector")),
        }
    }

    fn subquery(&mut self, subquery: &Subquery, grid: Grid) -> Result<Matrix> {
        let frame = Frame::new(grid, self.query, &subquery.when, subquery.range_ms);
        let step_ms = subquery.step_ms.unwrap_or(self.options.subquery_step_ms).max(1);
        let Some(inner) = subquery_grid(&frame, step_ms) else {
            return Ok(Matrix { tracks: Vec::new(), frame, folded: false });
        };
        // The steps themselves are held too.
        self.meter.hold(1, inner.steps)?;
        let rows = self.vector(&subquery.expr, inner)?;
        let all: Arc<Vec<i64>> = Arc::new(inner.times().collect());
        let tracks = rows
            .into_iter()
            .map(|row| {
                let (times, values) = if row.values.iter().all(|v| is_there(*v)) {
                    (all.clone(), row.values)
                } else {
                    let present = inner.times().zip(&row.values).filter(|(_, v)| is_there(**v));
                    let (times, values) = present.map(|(t, v)| (t, *v)).unzip();
                    (Arc::new(times), values)
                };
                Track { labels: row.labels, drop_name: row.drop_name, times, values: Arc::new(values) }
            })
            .collect();
        Ok(Matrix { tracks, frame, folded: false })
    }

    fn binary(&mut self, node: &Binary, expr: &Expr, grid: Grid) -> Result<Value> {
        let left = self.eval(&node.left, grid)?;
        let right = self.eval(&node.right, grid)?;
        self.meter.work(grid.steps as u64)?;
        Ok(match (left, right) {
            (Value::Scalar(a), Value::Scalar(b)) => Value::Scalar(binary::scalars(node.op, a, &b)),
            (Value::Vector(rows), Value::Scalar(scalar)) => {
                self.meter.work(rows.len() as u64 * grid.steps as u64)?;
                Value::Vector(binary::with_scalar(node, rows, &scalar, false))
            }
            (Value::Scalar(scalar), Value::Vector(rows)) => {
                self.meter.work(rows.len() as u64 * grid.steps as u64)?;
                Value::Vector(binary::with_scalar(node, rows, &scalar, true))
            }
            (Value::Vector(left), Value::Vector(right)) if node.op.is_set() => {
                self.meter.work((left.len() + right.len()) as u64 * grid.steps as u64)?;
                Value::Vector(matching::sets(node, left, right, expr.span)?)
            }
            (Value::Vector(left), Value::Vector(right)) => {
                Value::Vector(matching::vectors(node, left, right, grid.steps, expr.span, &self.meter)?)
            }
            _ => return Err(Error::execution(expr.span, "a string is no operand")),
        })
    }

    fn call(&mut self, call: &Call, expr: &Expr, grid: Grid) -> Result<Value> {
        let start = self.query.start_ms as f64 / 1000.0;
        let end = self.query.end_ms() as f64 / 1000.0;
        let same = |value: f64| Ok(Value::Scalar(vec![value; grid.steps]));
        match call.function.op {
            Op::Time => Ok(Value::Scalar(grid.times().map(|t| t as f64 / 1000.0).collect())),
            Op::Pi => same(std::f64::consts::PI),
            Op::Start => same(start),
            Op::End => same(end),
            Op::Range => same((self.query.end_ms() - self.query.start_ms) as f64 / 1000.0),
            Op::Step => same(self.query_step_ms as f64 / 1000.0),
            Op::MinOf | Op::MaxOf => {
                let (a, b) = (self.scalar(&call.args[0], grid)?, self.scalar(&call.args[1], grid)?);
                let of = if matches!(call.function.op, Op::MinOf) {
                    functions::math::go_min
                } else {
                    functions::math::go_max
                };
                Ok(Value::Scalar(a.into_iter().zip(b).map(|(a, b)| of(a, b)).collect()))
            }
            Op::Scalar => {
                let rows = self.vector(&call.args[0], grid)?;
                Ok(Value::Scalar(only_values(&rows, grid.steps)))
            }
            Op::Vector => {
                self.meter.hold(1, grid.steps)?;
                let values = self.scalar(&call.args[0], grid)?;
                let labels = crate::labels::Labels::default();
                Ok(Value::Vector(vec![Row { labels, drop_name: false, values }]))
            }
            _ => functions::call(self, call, expr, grid).map(Value::Vector),
        }
    }
}

/// At each step the value of the only series that has one, otherwise NaN.
fn only_values(rows: &[Row], steps: usize) -> Vec<f64> {
    let mut values = vec![ABSENT; steps];
    let mut several = vec![false; steps];
    for row in rows {
        for (step, value) in row.values.iter().enumerate().filter(|(_, v)| is_there(**v)) {
            several[step] |= is_there(values[step]);
            values[step] = *value;
        }
    }
    for (value, several) in values.iter_mut().zip(several) {
        if several || !is_there(*value) {
            *value = f64::NAN;
        }
    }
    values
}

/// Whether an expression gives the same at every step.
fn invariant(expr: &Expr) -> bool {
    match &expr.node {
        Node::Number(_) | Node::Text(_) => true,
        Node::Paren(inner) | Node::Negate(inner) => invariant(inner),
        Node::Binary(binary) => invariant(&binary.left) && invariant(&binary.right),
        Node::Aggregate(aggregate) => {
            aggregate.param.as_ref().is_none_or(invariant) && invariant(&aggregate.expr)
        }
        Node::Call(call) => {
            let own = match call.function.op {
                Op::Time | Op::Timestamp => false,
                Op::Date(_) => !call.args.is_empty(),
                Op::Window(window) => window != functions::Window::PredictLinear,
                _ => true,
            };
            own && call.args.iter().all(invariant)
        }
        Node::Selector(selector) => fixed(selector.when.at),
        Node::Subquery(subquery) => fixed(subquery.when.at),
    }
}

fn fixed(at: Option<At>) -> bool {
    at.is_some()
}
