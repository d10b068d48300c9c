//! All functions: their names, what they take and give, and what they do.

mod absent;
mod histogram;
mod label;
pub(crate) mod math;
mod ordered;
mod over_time;
mod rate;
mod regression;
mod sliding;
mod sort;
pub(crate) mod time;
mod window;

use crate::ast::{Call, Expr, Node, ValueType};
use crate::error::Result;
use crate::eval::Evaluator;
use crate::labels::Labels;
use crate::value::{Grid, Row, is_there};
use time::Date;

pub(crate) use over_time::quantile;

/// A function of PromQL.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    args: &'static [ValueType],
    /// How many of the arguments may be left out at the end.
    optional: usize,
    /// Whether the last argument may be repeated.
    repeats: bool,
    pub(crate) returns: ValueType,
    pub(crate) op: Op,
}

impl PartialEq for Function {
    fn eq(&self, other: &Function) -> bool {
        self.name == other.name
    }
}

impl Function {
    /// Fewest arguments.
    pub(crate) fn least(&self) -> usize {
        self.args.len() - self.optional
    }

    /// Most arguments; `None` when there is no end.
    pub(crate) fn most(&self) -> Option<usize> {
        (!self.repeats).then_some(self.args.len())
    }

    /// The types of all arguments, each named once.
    pub(crate) fn args(&self) -> &'static [ValueType] {
        self.args
    }

    /// Prometheus's number for it: how many arguments may be left out, -1 when the last may be
    /// repeated.
    pub(crate) fn variadic(&self) -> i64 {
        if self.repeats { -1 } else { self.optional as i64 }
    }

    /// The type of an argument.
    pub(crate) fn arg(&self, at: usize) -> ValueType {
        self.args[at.min(self.args.len() - 1)]
    }
}

/// What a function does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// Each value by itself.
    Map(fn(f64) -> f64),
    Clamp,
    ClampMin,
    ClampMax,
    Round,
    Date(Date),
    Window(Window),
    Absent,
    AbsentOverTime,
    Scalar,
    Vector,
    Time,
    Pi,
    Start,
    End,
    Step,
    Range,
    MinOf,
    MaxOf,
    Timestamp,
    Sort,
    SortDesc,
    SortByLabel,
    SortByLabelDesc,
    LabelReplace,
    LabelJoin,
    HistogramQuantile,
    HistogramQuantiles,
    HistogramFraction,
    /// Of native histograms only: floats give nothing.
    HistogramNative,
}

/// Functions of the samples in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    Rate,
    Increase,
    Delta,
    Irate,
    Idelta,
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Present,
    Last,
    First,
    Stddev,
    Stdvar,
    Mad,
    Quantile,
    Changes,
    Resets,
    Deriv,
    PredictLinear,
    Smoothing,
    TimeOfFirst,
    TimeOfLast,
    TimeOfMin,
    TimeOfMax,
}

const S: ValueType = ValueType::Scalar;
const T: ValueType = ValueType::Text;
const V: ValueType = ValueType::Vector;
const M: ValueType = ValueType::Matrix;

const fn plain(name: &'static str, args: &'static [ValueType], returns: ValueType, op: Op) -> Function {
    Function { name, args, optional: 0, repeats: false, returns, op }
}

const fn map(name: &'static str, of: fn(f64) -> f64) -> Function {
    plain(name, &[V], V, Op::Map(of))
}

const fn date(name: &'static str, of: Date) -> Function {
    Function { name, args: &[V], optional: 1, repeats: false, returns: V, op: Op::Date(of) }
}

const fn window(name: &'static str, of: Window) -> Function {
    plain(name, &[M], V, Op::Window(of))
}

const fn repeating(name: &'static str, args: &'static [ValueType], optional: usize, op: Op) -> Function {
    Function { name, args, optional, repeats: true, returns: V, op }
}

/// Sorted by name.
static FUNCTIONS: &[Function] = &[
    map("abs", f64::abs),
    plain("absent", &[V], V, Op::Absent),
    plain("absent_over_time", &[M], V, Op::AbsentOverTime),
    map("acos", f64::acos),
    map("acosh", f64::acosh),
    map("asin", f64::asin),
    map("asinh", math::asinh),
    map("atan", f64::atan),
    map("atanh", math::atanh),
    window("avg_over_time", Window::Avg),
    map("ceil", f64::ceil),
    window("changes", Window::Changes),
    plain("clamp", &[V, S, S], V, Op::Clamp),
    plain("clamp_max", &[V, S], V, Op::ClampMax),
    plain("clamp_min", &[V, S], V, Op::ClampMin),
    map("cos", f64::cos),
    map("cosh", f64::cosh),
    window("count_over_time", Window::Count),
    date("day_of_month", Date::DayOfMonth),
    date("day_of_week", Date::DayOfWeek),
    date("day_of_year", Date::DayOfYear),
    date("days_in_month", Date::DaysInMonth),
    map("deg", f64::to_degrees),
    window("delta", Window::Delta),
    window("deriv", Window::Deriv),
    plain("double_exponential_smoothing", &[M, S, S], V, Op::Window(Window::Smoothing)),
    plain("end", &[], S, Op::End),
    map("exp", f64::exp),
    window("first_over_time", Window::First),
    map("floor", f64::floor),
    plain("histogram_avg", &[V], V, Op::HistogramNative),
    plain("histogram_count", &[V], V, Op::HistogramNative),
    plain("histogram_fraction", &[S, S, V], V, Op::HistogramFraction),
    plain("histogram_quantile", &[S, V], V, Op::HistogramQuantile),
    repeating("histogram_quantiles", &[V, T, S], 0, Op::HistogramQuantiles),
    plain("histogram_stddev", &[V], V, Op::HistogramNative),
    plain("histogram_stdvar", &[V], V, Op::HistogramNative),
    plain("histogram_sum", &[V], V, Op::HistogramNative),
    date("hour", Date::Hour),
    window("idelta", Window::Idelta),
    window("increase", Window::Increase),
    window("irate", Window::Irate),
    repeating("label_join", &[V, T, T, T], 1, Op::LabelJoin),
    plain("label_replace", &[V, T, T, T, T], V, Op::LabelReplace),
    window("last_over_time", Window::Last),
    map("ln", f64::ln),
    map("log10", f64::log10),
    map("log2", f64::log2),
    window("mad_over_time", Window::Mad),
    plain("max_of", &[S, S], S, Op::MaxOf),
    window("max_over_time", Window::Max),
    plain("min_of", &[S, S], S, Op::MinOf),
    window("min_over_time", Window::Min),
    date("minute", Date::Minute),
    date("month", Date::Month),
    plain("pi", &[], S, Op::Pi),
    plain("predict_linear", &[M, S], V, Op::Window(Window::PredictLinear)),
    window("present_over_time", Window::Present),
    plain("quantile_over_time", &[S, M], V, Op::Window(Window::Quantile)),
    map("rad", f64::to_radians),
    plain("range", &[], S, Op::Range),
    window("rate", Window::Rate),
    window("resets", Window::Resets),
    Function { name: "round", args: &[V, S], optional: 1, repeats: false, returns: V, op: Op::Round },
    plain("scalar", &[V], S, Op::Scalar),
    map("sgn", math::sign),
    map("sin", f64::sin),
    map("sinh", f64::sinh),
    plain("sort", &[V], V, Op::Sort),
    repeating("sort_by_label", &[V, T], 1, Op::SortByLabel),
    repeating("sort_by_label_desc", &[V, T], 1, Op::SortByLabelDesc),
    plain("sort_desc", &[V], V, Op::SortDesc),
    map("sqrt", f64::sqrt),
    plain("start", &[], S, Op::Start),
    window("stddev_over_time", Window::Stddev),
    window("stdvar_over_time", Window::Stdvar),
    plain("step", &[], S, Op::Step),
    window("sum_over_time", Window::Sum),
    map("tan", f64::tan),
    map("tanh", f64::tanh),
    plain("time", &[], S, Op::Time),
    plain("timestamp", &[V], V, Op::Timestamp),
    window("ts_of_first_over_time", Window::TimeOfFirst),
    window("ts_of_last_over_time", Window::TimeOfLast),
    window("ts_of_max_over_time", Window::TimeOfMax),
    window("ts_of_min_over_time", Window::TimeOfMin),
    plain("vector", &[S], V, Op::Vector),
    date("year", Date::Year),
];

/// A function by its name, which is case-sensitive.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.binary_search_by(|f| f.name.cmp(name)).ok().map(|at| &FUNCTIONS[at])
}

/// Applies a function to every value; names are dropped.
pub(crate) fn map_rows(mut rows: Vec<Row>, of: impl Fn(f64) -> f64) -> Vec<Row> {
    for row in &mut rows {
        row.drop_name = true;
        for value in row.values.iter_mut().filter(|v| is_there(**v)) {
            *value = of(*value);
        }
    }
    rows
}

/// As [`map_rows`], with the step's number.
fn map_steps(mut rows: Vec<Row>, of: impl Fn(f64, usize) -> f64) -> Vec<Row> {
    for row in &mut rows {
        row.drop_name = true;
        for (step, value) in row.values.iter_mut().enumerate().filter(|(_, v)| is_there(**v)) {
            *value = of(*value, step);
        }
    }
    rows
}

/// A call that gives a vector.
pub(crate) fn call(eval: &mut Evaluator<'_>, call: &Call, expr: &Expr, grid: Grid) -> Result<Vec<Row>> {
    let args = &call.args;
    match call.function.op {
        Op::Map(of) => Ok(map_rows(eval.vector(&args[0], grid)?, of)),
        Op::Clamp => {
            let rows = eval.vector(&args[0], grid)?;
            let (min, max) = (eval.scalar(&args[1], grid)?, eval.scalar(&args[2], grid)?);
            let mut rows = map_steps(rows, |v, s| math::clamp(v, min[s], max[s]));
            for row in &mut rows {
                for (step, value) in row.values.iter_mut().enumerate() {
                    if max[step] < min[step] {
                        *value = crate::value::ABSENT;
                    }
                }
            }
            Ok(rows)
        }
        Op::ClampMin | Op::ClampMax => {
            let rows = eval.vector(&args[0], grid)?;
            let bound = eval.scalar(&args[1], grid)?;
            let of = if matches!(call.function.op, Op::ClampMin) { math::go_max } else { math::go_min };
            Ok(map_steps(rows, |v, s| of(v, bound[s])))
        }
        Op::Round => {
            let rows = eval.vector(&args[0], grid)?;
            let to = match args.get(1) {
                Some(to) => eval.scalar(to, grid)?,
                None => {
                    eval.meter.hold(1, grid.steps)?;
                    vec![1.0; grid.steps]
                }
            };
            Ok(map_steps(rows, |v, s| math::round(v, to[s])))
        }
        Op::Date(date) => {
            let rows = match args.first() {
                Some(arg) => eval.vector(arg, grid)?,
                None => {
                    eval.meter.hold(1, grid.steps)?;
                    let values = grid.times().map(|t| t as f64 / 1000.0).collect();
                    vec![Row { labels: Labels::default(), drop_name: false, values }]
                }
            };
            Ok(map_rows(rows, |v| date.of(v)))
        }
        Op::Window(of) => window::call(eval, of, args, grid),
        Op::Absent => absent::absent(eval, &args[0], grid),
        Op::AbsentOverTime => absent::absent_over_time(eval, &args[0], grid),
        Op::Timestamp => {
            let mut rows = match &args[0].bare().node {
                Node::Selector(selector) => eval.timestamps(selector, grid)?,
                _ => map_steps(eval.vector(&args[0], grid)?, |_, s| grid.at(s) as f64 / 1000.0),
            };
            rows.iter_mut().for_each(|r| r.drop_name = true);
            Ok(rows)
        }
        Op::Sort | Op::SortDesc => {
            let rows = eval.vector(&args[0], grid)?;
            Ok(sort::by_value(rows, matches!(call.function.op, Op::SortDesc)))
        }
        Op::SortByLabel | Op::SortByLabelDesc => {
            let rows = eval.vector(&args[0], grid)?;
            let names = args[1..].iter().map(|a| eval.text(a, grid)).collect::<Result<Vec<_>>>()?;
            Ok(sort::by_labels(rows, &names, matches!(call.function.op, Op::SortByLabelDesc)))
        }
        Op::LabelReplace => label::replace(eval, call, expr, grid),
        Op::LabelJoin => label::join(eval, call, expr, grid),
        Op::HistogramQuantile => histogram::quantile(eval, &args[0], &args[1], grid),
        Op::HistogramQuantiles => histogram::quantiles(eval, args, expr, grid),
        Op::HistogramFraction => histogram::fraction(eval, args, grid),
        Op::HistogramNative => {
            eval.vector(&args[0], grid)?;
            Ok(Vec::new())
        }
        // These give scalars or are evaluated before.
        Op::Scalar
        | Op::Vector
        | Op::Time
        | Op::Pi
        | Op::Start
        | Op::End
        | Op::Step
        | Op::Range
        | Op::MinOf
        | Op::MaxOf => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_found_by_its_name() {
        for function in FUNCTIONS {
            assert_eq!(find(function.name), Some(function), "the table is not sorted at {}", function.name);
        }
        assert!(find("rates").is_none());
    }
}
