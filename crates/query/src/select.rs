//! Selectors: what has to be read, reading it once, and the newest sample at each step.

use std::sync::Arc;

use crate::annotations::Annotations;
use crate::ast::{At, Expr, Node, Selector, When};
use crate::error::{Error, Result};
use crate::functions::{Op, Window};
use crate::limits::{Meter, Options};
use crate::matcher::Matcher;
use crate::source::{Answer, Fold, Hints, Request, Samples, Source, is_stale};
use crate::value::{ABSENT, Grid, Row, Track};

/// Where a selector or subquery looks at each step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) grid: Grid,
    /// Instead of the step's own time.
    at_ms: Option<i64>,
    offset_ms: i64,
    /// Samples later than this before the instant count.
    pub(crate) range_ms: i64,
}

impl Frame {
    pub(crate) fn new(grid: Grid, query: Grid, when: &When, range_ms: i64) -> Frame {
        let at_ms = when.at.map(|at| match at {
            At::Time(ms) => ms,
            At::Start => query.start_ms,
            At::End => query.end_ms(),
        });
        Frame { grid, at_ms, offset_ms: when.offset_ms, range_ms }
    }

    /// The instant that counts for a step: end of the window, which is inside.
    pub(crate) fn instant(&self, step: usize) -> i64 {
        self.at_ms.unwrap_or_else(|| self.grid.at(step)).saturating_sub(self.offset_ms)
    }

    /// First and last millisecond that any step looks at.
    pub(crate) fn bounds(&self) -> (i64, i64) {
        let first = self.instant(0).saturating_sub(self.range_ms).saturating_add(1);
        (first, self.instant(self.grid.steps.saturating_sub(1)))
    }

    /// Calls `each` with every step and its window of indices, in time linear in samples and steps.
    pub(crate) fn windows(&self, times: &[i64], mut each: impl FnMut(usize, usize, usize)) {
        let (mut from, mut to) = (0, 0);
        for step in 0..self.grid.steps {
            let end = self.instant(step);
            let begin = end.saturating_sub(self.range_ms);
            if step == 0 {
                to = times.partition_point(|t| *t <= end);
                from = times[..to].partition_point(|t| *t <= begin);
            } else {
                while times.get(to).is_some_and(|t| *t <= end) {
                    to += 1;
                }
                while from < to && times[from] <= begin {
                    from += 1;
                }
            }
            each(step, from, to);
        }
    }
}

/// Something that has to be read for a query.
struct Need<'a> {
    matchers: &'a [Matcher],
    from_ms: i64,
    to_ms: i64,
    hints: Hints,
    uses: usize,
}

/// Everything that was read for a query.
pub(crate) struct Fetched<'a> {
    found: Vec<(Need<'a>, Answer)>,
    pub(crate) samples: u64,
    pub(crate) series: usize,
}

impl<'a> Fetched<'a> {
    /// Reads all that an expression needs, each selector once.
    pub(crate) fn read(
        expr: &'a Expr,
        query: Grid,
        source: &dyn Source,
        options: &Options<'_>,
        meter: &Meter<'_>,
        notes: &mut Annotations<'_>,
    ) -> Result<Fetched<'a>> {
        let mut needs = Vec::new();
        collect(expr, query, query, options, None, &mut needs);
        let mut fetched = Fetched { found: Vec::new(), samples: 0, series: 0 };
        for need in needs {
            let request = Request {
                matchers: need.matchers,
                from_ms: need.from_ms,
                to_ms: need.to_ms,
                hints: need.hints,
                max_samples: meter.left(),
            };
            let mut answer = source.select(&request)?;
            let samples: usize = answer.series.iter().map(|s| s.times_ms.len()).sum();
            meter.hold(answer.series.len(), 0)?;
            meter.hold(1, samples)?;
            fetched.samples += samples as u64;
            fetched.series += answer.series.len();
            for warning in answer.warnings.drain(..) {
                notes.pass_on(warning);
            }
            if let Some(bad) = answer.series.iter().find(|s| s.times_ms.len() != s.values.len()) {
                return Err(Error::source(format!("{} has not a value for each time", bad.labels)));
            }
            fetched.found.push((need, answer));
        }
        Ok(fetched)
    }

    /// Which tiers were read.
    pub(crate) fn tiers(&self) -> Vec<&'static str> {
        let mut tiers: Vec<_> = self.found.iter().map(|(_, a)| a.tier).filter(|t| !t.is_empty()).collect();
        tiers.sort_unstable();
        tiers.dedup();
        tiers
    }

    fn get(&self, selector: &Selector, frame: &Frame) -> Option<&Answer> {
        let (from, to) = frame.bounds();
        self.found
            .iter()
            .find(|(n, _)| n.from_ms <= from && n.to_ms >= to && n.matchers == selector.matchers)
            .map(|(_, answer)| answer)
    }

    /// The newest sample at each step that is not too old.
    pub(crate) fn instant(&self, selector: &Selector, frame: &Frame, meter: &Meter<'_>) -> Result<Vec<Row>> {
        self.newest(selector, frame, meter, |_, value| value)
    }

    /// The time of the newest sample at each step, in seconds.
    pub(crate) fn timestamps(
        &self,
        selector: &Selector,
        frame: &Frame,
        meter: &Meter<'_>,
    ) -> Result<Vec<Row>> {
        self.newest(selector, frame, meter, |time, _| time as f64 / 1000.0)
    }

    fn newest(
        &self,
        selector: &Selector,
        frame: &Frame,
        meter: &Meter<'_>,
        of: impl Fn(i64, f64) -> f64,
    ) -> Result<Vec<Row>> {
        let Some(answer) = self.get(selector, frame) else { return Ok(Vec::new()) };
        meter.hold(answer.series.len(), frame.grid.steps)?;
        let mut rows = Vec::with_capacity(answer.series.len());
        for series in &answer.series {
            let mut values = Vec::with_capacity(frame.grid.steps);
            let (times, samples) = (&series.times_ms[..], &series.values[..]);
            let mut any = false;
            frame.windows(times, |_, from, to| {
                let newest = to.checked_sub(1).filter(|at| *at >= from && !is_stale(samples[*at]));
                any |= newest.is_some();
                values.push(newest.map_or(ABSENT, |at| of(times[at], samples[at])));
            });
            if any {
                rows.push(Row { labels: series.labels.clone(), drop_name: false, values });
            }
        }
        Ok(rows)
    }

    /// All samples of a range selector, and whether they are folded.
    pub(crate) fn range(&self, selector: &Selector, frame: &Frame) -> (Vec<Track>, bool) {
        let Some(answer) = self.get(selector, frame) else { return (Vec::new(), false) };
        (answer.series.iter().map(track).collect(), answer.folded)
    }
}

fn track(series: &Samples) -> Track {
    let (mut times, mut values) = (series.times_ms.clone(), series.values.clone());
    if values.iter().any(|v| is_stale(*v)) {
        let kept = |at: &usize| !is_stale(series.values[*at]);
        times = Arc::new((0..times.len()).filter(kept).map(|at| series.times_ms[at]).collect());
        values = Arc::new((0..series.values.len()).filter(kept).map(|at| series.values[at]).collect());
    }
    Track { labels: series.labels.clone(), drop_name: false, times, values }
}

/// Walks an expression and notes what each selector needs, joined where matchers are the same and
/// times overlap.
fn collect<'a>(
    expr: &'a Expr,
    grid: Grid,
    query: Grid,
    options: &Options<'_>,
    call: Option<(&'static str, Op)>,
    needs: &mut Vec<Need<'a>>,
) {
    match &expr.node {
        Node::Number(_) | Node::Text(_) => {}
        Node::Paren(inner) => collect(inner, grid, query, options, call, needs),
        Node::Negate(inner) => collect(inner, grid, query, options, None, needs),
        Node::Binary(binary) => {
            collect(&binary.left, grid, query, options, None, needs);
            collect(&binary.right, grid, query, options, None, needs);
        }
        Node::Aggregate(aggregate) => {
            if let Some(param) = &aggregate.param {
                collect(param, grid, query, options, None, needs);
            }
            collect(&aggregate.expr, grid, query, options, Some((aggregate.op.name(), Op::Time)), needs);
        }
        Node::Call(called) => {
            let call = (called.function.name, called.function.op);
            for arg in &called.args {
                collect(arg, grid, query, options, Some(call), needs);
            }
        }
        Node::Subquery(subquery) => {
            let frame = Frame::new(grid, query, &subquery.when, subquery.range_ms);
            let step_ms = subquery.step_ms.unwrap_or(options.subquery_step_ms).max(1);
            if let Some(inner) = subquery_grid(&frame, step_ms) {
                collect(&subquery.expr, inner, query, options, None, needs);
            }
        }
        Node::Selector(selector) => {
            let range_ms = selector.range_ms.unwrap_or(options.lookback_ms);
            let frame = Frame::new(grid, query, &selector.when, range_ms);
            let (from_ms, to_ms) = frame.bounds();
            let hints = Hints {
                function: call.map(|(name, _)| name),
                range_ms: selector.range_ms.unwrap_or(0),
                step_ms: if grid.steps > 1 { grid.step_ms } else { 0 },
                first_ms: frame.instant(0),
                fold: call.and_then(|(_, op)| fold(op)),
            };
            let same = |n: &&mut Need<'_>| {
                n.matchers == selector.matchers && n.from_ms <= to_ms && from_ms <= n.to_ms
            };
            match needs.iter_mut().find(same) {
                Some(need) => {
                    need.from_ms = need.from_ms.min(from_ms);
                    need.to_ms = need.to_ms.max(to_ms);
                    need.uses += 1;
                    if need.hints != hints {
                        need.hints = Hints { step_ms: hints.step_ms, ..Hints::default() };
                    }
                }
                None => needs.push(Need { matchers: &selector.matchers, from_ms, to_ms, hints, uses: 1 }),
            }
        }
    }
}

fn fold(op: Op) -> Option<Fold> {
    match op {
        Op::Window(Window::Min) => Some(Fold::Min),
        Op::Window(Window::Max) => Some(Fold::Max),
        Op::Window(Window::Sum) => Some(Fold::Sum),
        Op::Window(Window::Count) => Some(Fold::Count),
        _ => None,
    }
}

/// The steps of a subquery's inner expression: multiples of its own step in all windows. `None`
/// when there are none.
pub(crate) fn subquery_grid(frame: &Frame, step_ms: i64) -> Option<Grid> {
    let (first, last) = frame.bounds();
    // The first multiple that is not before the first millisecond.
    let start_ms = first.div_euclid(step_ms).checked_add(i64::from(first.rem_euclid(step_ms) != 0))?;
    let start_ms = start_ms.checked_mul(step_ms)?;
    if start_ms > last {
        return None;
    }
    Some(Grid { start_ms, step_ms, steps: usize::try_from((last - start_ms) / step_ms).ok()? + 1 })
}
