//! Selectors: what has to be read, reading it once, and the newest sample at each step.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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
        let mut moved = (0, 0);
        for step in 0..self.grid.steps {
            let end = self.instant(step);
            let begin = end.saturating_sub(self.range_ms);
            if step == 0 {
                to = times.partition_point(|t| *t <= end);
                from = times[..to].partition_point(|t| *t <= begin);
            } else {
                let before = (from, to);
                to = after(times, to, moved.1, end);
                from = after(&times[..to], from, moved.0, begin);
                moved = (from - before.0, to - before.1);
            }
            each(step, from, to);
        }
    }
}

/// Makes a row of a series, if it gives one; also told whether values are folded.
type Make<'a> = dyn Fn(&Samples, bool, &mut Spans) -> Result<Option<Row>> + Sync + 'a;

/// Each step's window of indices into the times that were looked at last; series of a node mostly share them.
#[derive(Default)]
pub(crate) struct Spans {
    of: Option<Arc<Vec<i64>>>,
    spans: Vec<(usize, usize)>,
}

impl Spans {
    /// Windows into `times`; all that one of these is asked for have the same frame.
    pub(crate) fn of(&mut self, frame: &Frame, times: &Arc<Vec<i64>>) -> &[(usize, usize)] {
        if !self.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, times)) {
            self.spans.clear();
            frame.windows(times, |_, from, to| self.spans.push((from, to)));
            self.of = Some(times.clone());
        }
        &self.spans
    }
}

/// The first index from `at` on whose time is later than `end`. Samples mostly come evenly, so it is about
/// as far away as the one before was.
#[inline]
fn after(times: &[i64], mut at: usize, moved_before: usize, end: i64) -> usize {
    let near = at + moved_before.saturating_sub(2);
    if near > at && times.get(near - 1).is_some_and(|t| *t <= end) {
        at = near;
    }
    while times.get(at).is_some_and(|t| *t <= end) {
        at += 1;
    }
    at
}

/// Something that has to be read for a query.
struct Need<'a> {
    matchers: &'a [Matcher],
    from_ms: i64,
    to_ms: i64,
    hints: Hints,
    uses: usize,
}

impl Need<'_> {
    fn request(&self, meter: &Meter<'_>) -> Request<'_> {
        Request {
            matchers: self.matchers,
            from_ms: self.from_ms,
            to_ms: self.to_ms,
            hints: self.hints,
            max_samples: meter.left(),
        }
    }
}

/// Everything that is read for a query: what several places need beforehand, all else where it is needed.
pub(crate) struct Fetched<'a> {
    source: &'a dyn Source,
    found: Vec<(Need<'a>, Option<Answer>)>,
    pub(crate) samples: u64,
    pub(crate) series: usize,
    tiers: Vec<&'static str>,
}

impl<'a> Fetched<'a> {
    /// Reads what several places of an expression need.
    pub(crate) fn read(
        expr: &'a Expr,
        query: Grid,
        source: &'a dyn Source,
        options: &Options<'_>,
        meter: &Meter<'_>,
        notes: &mut Annotations<'_>,
    ) -> Result<Fetched<'a>> {
        let mut needs = Vec::new();
        collect(expr, query, query, options, None, &mut needs);
        let found = needs.into_iter().map(|need| (need, None)).collect();
        let mut fetched = Fetched { source, found, samples: 0, series: 0, tiers: Vec::new() };
        for at in 0..fetched.found.len() {
            if fetched.found[at].0.uses > 1 {
                let answer = fetched.answer(at, meter, notes)?;
                fetched.found[at].1 = Some(answer);
            }
        }
        Ok(fetched)
    }

    /// All that a need asks for.
    fn answer(&mut self, at: usize, meter: &Meter<'_>, notes: &mut Annotations<'_>) -> Result<Answer> {
        let mut answer = self.source.select(&self.found[at].0.request(meter))?;
        let samples: usize = answer.series.iter().map(|s| s.times_ms.len()).sum();
        meter.series(answer.series.len())?;
        meter.hold(1, samples)?;
        check(&answer.series)?;
        self.note(answer.series.len(), samples as u64, answer.tier, answer.warnings.drain(..), notes);
        Ok(answer)
    }

    fn note(
        &mut self,
        series: usize,
        samples: u64,
        tier: &'static str,
        warnings: impl Iterator<Item = String>,
        notes: &mut Annotations<'_>,
    ) {
        self.samples += samples;
        self.series += series;
        if let Err(place) = self.tiers.binary_search(&tier)
            && !tier.is_empty()
        {
            self.tiers.insert(place, tier);
        }
        warnings.for_each(|warning| notes.pass_on(warning));
    }

    /// Which tiers were read.
    pub(crate) fn tiers(&self) -> &[&'static str] {
        &self.tiers
    }

    fn find(&self, selector: &Selector, frame: &Frame) -> Option<usize> {
        let (from, to) = frame.bounds();
        self.found
            .iter()
            .position(|(n, _)| n.from_ms <= from && n.to_ms >= to && n.matchers == selector.matchers)
    }

    /// Makes a row of each series that a selector finds, as it is read; `of` also hears whether values
    /// are folded, and may make none.
    pub(crate) fn each(
        &mut self,
        selector: &Selector,
        frame: &Frame,
        meter: &Meter<'_>,
        notes: &mut Annotations<'_>,
        of: &Make<'_>,
    ) -> Result<Vec<Row>> {
        let Some(at) = self.find(selector, frame) else { return Ok(Vec::new()) };
        let made = |group: &[Samples], folded: bool| -> Result<Vec<Row>> {
            meter.hold(group.len(), frame.grid.steps)?;
            let mut spans = Spans::default();
            group.iter().filter_map(|one| of(one, folded, &mut spans).transpose()).collect()
        };
        let (need, known) = &self.found[at];
        if let Some(answer) = known {
            return made(&answer.series, answer.folded);
        }
        let rows: Mutex<Vec<(usize, Vec<Row>)>> = Mutex::default();
        let (series, samples) = (AtomicUsize::new(0), AtomicU64::new(0));
        let read = self.source.stream(&need.request(meter), &|number, group, folded| {
            let found: usize = group.iter().map(|s| s.times_ms.len()).sum();
            meter.series(series.fetch_add(group.len(), Ordering::Relaxed) + group.len())?;
            meter.hold(1, found)?;
            samples.fetch_add(found as u64, Ordering::Relaxed);
            check(&group)?;
            let made = made(&group, folded)?;
            drop(group);
            meter.release(found);
            rows.lock().unwrap_or_else(PoisonError::into_inner).push((number, made));
            Ok(())
        })?;
        self.note(series.into_inner(), samples.into_inner(), read.tier, read.warnings.into_iter(), notes);
        let mut groups = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let [(_, one)] = &mut groups[..] {
            return Ok(std::mem::take(one));
        }
        groups.sort_unstable_by_key(|(number, _)| *number);
        let mut rows: Vec<Row> = groups.into_iter().flat_map(|(_, rows)| rows).collect();
        // Groups are sorted in themselves.
        rows.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(rows)
    }

    /// At each step something of the newest sample that is not too old: of its time and value.
    pub(crate) fn newest(
        &mut self,
        selector: &Selector,
        frame: &Frame,
        meter: &Meter<'_>,
        notes: &mut Annotations<'_>,
        of: impl Fn(i64, f64) -> f64 + Sync,
    ) -> Result<Vec<Row>> {
        self.each(selector, frame, meter, notes, &|series, _, spans| {
            let mut values = Vec::with_capacity(frame.grid.steps);
            let (times, samples) = (&series.times_ms[..], &series.values[..]);
            let mut any = false;
            values.extend(spans.of(frame, &series.times_ms).iter().map(|(from, to)| {
                let newest = to.checked_sub(1).filter(|at| at >= from && !is_stale(samples[*at]));
                any |= newest.is_some();
                newest.map_or(ABSENT, |at| of(times[at], samples[at]))
            }));
            Ok(any.then(|| Row { labels: series.labels.clone(), drop_name: false, values }))
        })
    }

    /// All samples of a range selector, and whether they are folded.
    pub(crate) fn range(
        &mut self,
        selector: &Selector,
        frame: &Frame,
        meter: &Meter<'_>,
        notes: &mut Annotations<'_>,
    ) -> Result<(Vec<Track>, bool)> {
        let Some(at) = self.find(selector, frame) else { return Ok((Vec::new(), false)) };
        let read;
        let answer = if self.found[at].1.is_some() {
            self.found[at].1.as_ref()
        } else {
            read = self.answer(at, meter, notes)?;
            Some(&read)
        };
        Ok(answer.map_or((Vec::new(), false), |a| (a.series.iter().map(track).collect(), a.folded)))
    }
}

/// Whether each series has a value for each time.
fn check(series: &[Samples]) -> Result<()> {
    match series.iter().find(|s| s.times_ms.len() != s.values.len()) {
        Some(bad) => Err(Error::source(format!("{} has not a value for each time", bad.labels))),
        None => Ok(()),
    }
}

/// Without the marks that end series.
pub(crate) fn track(series: &Samples) -> Track {
    let (mut times, mut values) = (series.times_ms.clone(), series.values.clone());
    // A piece at a time without a way out of it, so that several are compared at once.
    let any = |piece: &[f64]| piece.iter().fold(false, |any, v| any | is_stale(*v));
    if values.chunks(512).any(any) {
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
                newest: selector.range_ms.is_none()
                    && frame.instant(0) == frame.instant(grid.steps.saturating_sub(1)),
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
