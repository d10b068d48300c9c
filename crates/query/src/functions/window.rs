//! Functions of range vectors: one call for all series and steps.

use super::{Window, over_time, rate, regression};
use crate::ast::{Expr, Node, ValueType};
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::select::{Frame, Spans, track};
use crate::source::Samples;
use crate::value::{Grid, Row, Track, is_there};

/// What a kernel works on: one series, all its windows.
pub(crate) struct Windows<'a> {
    pub(crate) times: &'a [i64],
    pub(crate) values: &'a [f64],
    pub(crate) frame: &'a Frame,
    /// The window of indices of each step.
    pub(crate) spans: &'a [(usize, usize)],
    /// Whether windows overlap so much that sliding pays.
    pub(crate) slides: bool,
}

impl<'a> Windows<'a> {
    pub(crate) fn new(track: &'a Track, frame: &'a Frame, spans: &'a mut Spans) -> Windows<'a> {
        let steps = frame.grid.steps;
        // Four times over each sample is about what the bookkeeping of sliding costs.
        let slides = steps > 4 && frame.range_ms >= frame.grid.step_ms.saturating_mul(4);
        let spans = spans.of(frame, &track.times);
        Windows { times: &track.times, values: &track.values, frame, spans, slides }
    }

    /// Calls `of` with each window's indices; it gives a value, or `None` for none.
    pub(crate) fn each(&self, mut of: impl FnMut(usize, usize, usize) -> Option<f64>) -> Vec<f64> {
        let value = |(step, (from, to)): (usize, &(usize, usize))| {
            of(step, *from, *to).unwrap_or(crate::value::ABSENT)
        };
        self.spans.iter().enumerate().map(value).collect()
    }

    /// As [`Windows::each`], with only the windows that have samples.
    pub(crate) fn filled(&self, mut of: impl FnMut(usize, usize) -> f64) -> Vec<f64> {
        self.each(|_, from, to| (from < to).then(|| of(from, to)))
    }
}

/// Scalars beside the range vector, one a step.
#[derive(Default)]
pub(crate) struct Params {
    pub(crate) first: Vec<f64>,
    pub(crate) second: Vec<f64>,
}

pub(crate) fn call(eval: &mut Evaluator<'_>, of: Window, args: &[Expr], grid: Grid) -> Result<Vec<Row>> {
    let mut params = Params::default();
    let mut range = &args[0];
    let mut scalars = Vec::new();
    for arg in args {
        if arg.value_type() == ValueType::Matrix {
            range = arg;
        } else {
            scalars.push((eval.scalar(arg, grid)?, arg.span));
        }
    }
    if of == Window::Quantile {
        for (values, span) in &scalars {
            eval.notes.quantiles(*span, values, &eval.meter)?;
        }
    }
    if of == Window::Smoothing {
        for (at, name) in [(0, "smoothing"), (1, "trend")] {
            let wrong = scalars.get(at).and_then(|(values, span)| {
                values.iter().find(|v| !(**v > 0.0 && **v < 1.0)).map(|v| (*v, *span))
            });
            if let Some((wrong, span)) = wrong {
                let short = if name == "smoothing" { "sf" } else { "tf" };
                let message = format!("invalid {name} factor. Expected: 0 < {short} < 1, got: {wrong:.6}");
                return Err(Error::execution(span, message));
            }
        }
    }
    let mut scalars = scalars.into_iter().map(|(values, _)| values);
    params.first = scalars.next().unwrap_or_default();
    params.second = scalars.next().unwrap_or_default();
    let keeps_name = matches!(of, Window::Last | Window::First);
    // Evaluated before: what makes rows holds on to the meter.
    let subquery = match &range.bare().node {
        Node::Selector(_) => None,
        _ => Some(eval.matrix(range, grid)?),
    };
    let meter = &eval.meter;
    let row = |track: Track, frame: &Frame, folded: bool, spans: &mut Spans| -> Result<Option<Row>> {
        let windows = Windows::new(&track, frame, spans);
        meter.work((track.times.len() + grid.steps) as u64)?;
        let of = if folded && of == Window::Count { Window::Sum } else { of };
        let values = kernel(of, &windows, &params, &mut |work| meter.work(work))?;
        let any = values.iter().any(|v| is_there(*v));
        Ok(any.then_some(Row { labels: track.labels, drop_name: track.drop_name || !keeps_name, values }))
    };
    let rows = match (&range.bare().node, subquery) {
        (Node::Selector(selector), _) => {
            let range_ms = selector.range_ms.unwrap_or(eval.options.lookback_ms);
            let frame = Frame::new(grid, eval.query, &selector.when, range_ms);
            let row =
                |series: &Samples, folded: bool, spans: &mut Spans| row(track(series), &frame, folded, spans);
            eval.fetched.each(selector, &frame, meter, &mut eval.notes, &row)?
        }
        (_, matrix) => {
            let matrix = matrix.ok_or_else(|| Error::execution(range.span, "not a range vector"))?;
            meter.hold(matrix.tracks.len(), grid.steps)?;
            let mut spans = Spans::default();
            let row = |track| row(track, &matrix.frame, matrix.folded, &mut spans);
            let rows = matrix.tracks.into_iter().map(row);
            rows.filter_map(Result::transpose).collect::<Result<_>>()?
        }
    };
    if matches!(of, Window::Rate | Window::Increase) {
        rows.iter().for_each(|row| eval.notes.not_a_counter(range.span, row.labels.name()));
    }
    Ok(rows)
}

/// Asked as work is done; an error ends the query.
pub(crate) type Work<'a> = dyn FnMut(u64) -> Result<()> + 'a;

fn kernel(of: Window, windows: &Windows<'_>, params: &Params, work: &mut Work<'_>) -> Result<Vec<f64>> {
    let (times, values) = (windows.times, windows.values);
    let seconds = |at: usize| times[at] as f64 / 1000.0;
    Ok(match of {
        Window::Rate => rate::extrapolated(windows, true, true, work)?,
        Window::Increase => rate::extrapolated(windows, true, false, work)?,
        Window::Delta => rate::extrapolated(windows, false, false, work)?,
        Window::Irate => rate::instant(windows, true),
        Window::Idelta => rate::instant(windows, false),
        Window::Changes => {
            rate::counted(windows, |before, now| now != before && !(now.is_nan() && before.is_nan()))
        }
        Window::Resets => rate::counted(windows, |before, now| now < before),
        Window::Count => windows.filled(|from, to| (to - from) as f64),
        Window::Present => windows.filled(|_, _| 1.0),
        Window::Last => windows.filled(|_, to| values[to - 1]),
        Window::First => windows.filled(|from, _| values[from]),
        Window::TimeOfFirst => windows.filled(|from, _| seconds(from)),
        Window::TimeOfLast => windows.filled(|_, to| seconds(to - 1)),
        Window::TimeOfMin => windows_of_best(windows, |best, v| v <= best),
        Window::TimeOfMax => windows_of_best(windows, |best, v| v >= best),
        Window::Sum => over_time::sum(windows),
        Window::Avg => over_time::average(windows, work)?,
        Window::Min => over_time::extreme(windows, |best, v| v < best),
        Window::Max => over_time::extreme(windows, |best, v| v > best),
        Window::Stdvar => over_time::variance(windows),
        Window::Stddev => {
            let mut out = over_time::variance(windows);
            out.iter_mut().filter(|v| is_there(**v)).for_each(|v| *v = v.sqrt());
            out
        }
        Window::Quantile => over_time::quantiles(windows, &params.first, work)?,
        Window::Mad => over_time::median_deviation(windows, work)?,
        Window::Deriv => regression::slope(windows, work)?,
        Window::PredictLinear => regression::predict(windows, &params.first, work)?,
        Window::Smoothing => regression::smooth(windows, &params.first, &params.second, work)?,
    })
}

fn windows_of_best(windows: &Windows<'_>, better: fn(f64, f64) -> bool) -> Vec<f64> {
    let at = over_time::place_of_extreme(windows, better);
    at.into_iter().map(|at| at.map_or(crate::value::ABSENT, |at| windows.times[at] as f64 / 1000.0)).collect()
}
