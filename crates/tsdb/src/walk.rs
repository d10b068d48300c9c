//! Walking through many series with bounded memory, and asking for a single one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::index::{Matched, Matcher};
use crate::labels::{Labels, NAME};
use crate::query::{Collected, JoinedTimes, Selection, Series, SharedSeries, Snapshot};
use crate::segment::{Column, Tier};
use crate::store::read;

/// Metrics that belong in one step, and the sources that have any of them.
struct Unit {
    metrics: HashMap<u32, u64>,
    /// In the order of labels: what each fulfils, and how many samples it has at most.
    sources: Vec<((u32, u64), usize)>,
}

/// Series in groups, each whole; see [`Snapshot::walk`].
pub struct Walk {
    snapshot: Snapshot,
    from_ms: i64,
    to_ms: i64,
    samples_at_once: usize,
    /// What the sources that fit fulfil, as in [`Matched`], sorted by labels.
    sources: Vec<(u32, u64)>,
    /// Metrics that belong in one step, with what they ask of sources.
    units: std::vec::IntoIter<Vec<(u32, u64)>>,
    /// The unit at hand, and how many of its sources are done.
    at: Option<(Unit, usize)>,
    /// Whether a unit goes through all its sources in one step.
    whole: bool,
    /// Units there were at the beginning.
    total: usize,
}

impl Snapshot {
    /// Goes through the samples that [`Snapshot::select`] gives, in groups of series with about
    /// `samples_at_once` samples each, so that as much is in memory; a series is never divided.
    /// Series of the same name follow each other, names ascend.
    ///
    /// # Errors
    /// When a matcher is not usable.
    pub fn walk(
        &self,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
        samples_at_once: usize,
    ) -> Result<Walk> {
        let (shared, _) = self.parts();
        let names = read(&shared.names);
        let matched = names.select(matchers)?;
        let mut metrics: BTreeMap<(&str, &Labels), (u32, u64)> = BTreeMap::new();
        for (metric, asks) in &matched.metrics {
            if let Some((labels, _)) = names.metrics.get(*metric) {
                metrics.insert((labels.get(NAME).unwrap_or_default(), labels), (*metric, *asks));
            }
        }
        let mut sources: Vec<(&Labels, (u32, u64))> = matched
            .sources
            .iter()
            .filter_map(|(source, fulfils)| Some((&names.sources.get(*source)?.0, (*source, *fulfils))))
            .collect();
        sources.sort();
        // The same labels can be divided between metric and source in two ways only when a label is
        // one of metrics here and of sources there; such series must meet to be one.
        let of_sources: HashSet<&str> = names.sources.names().collect();
        let whole = names.metrics.names().any(|name| of_sources.contains(name));
        let mut units: Vec<Vec<(u32, u64)>> = Vec::new();
        let mut before = None;
        for ((name, _), metric) in metrics {
            match units.last_mut() {
                Some(unit) if whole && before == Some(name) => unit.push(metric),
                _ => units.push(vec![metric]),
            }
            before = Some(name);
        }
        Ok(Walk {
            total: units.len(),
            from_ms,
            to_ms,
            samples_at_once,
            sources: sources.into_iter().map(|(_, source)| source).collect(),
            units: units.into_iter(),
            at: None,
            whole,
            snapshot: self.clone(),
        })
    }

    /// Samples of the series with exactly these labels, from `from_ms` up to and with `to_ms`; `None`
    /// when it has none there. Faster than a selection.
    ///
    /// # Errors
    /// When a file cannot be read at all.
    pub fn one(&self, labels: &Labels, from_ms: i64, to_ms: i64) -> Result<Option<Series>> {
        let (shared, _) = self.parts();
        let (source, metric) = labels.split(&shared.options.source_labels);
        let found = {
            let names = read(&shared.names);
            names.metrics.find(&metric).zip(names.sources.find(&source))
        };
        let Some((metric, source)) = found else { return Ok(None) };
        let matched =
            Matched { metrics: HashMap::from([(metric, 0)]), sources: HashMap::from([(source, 0)]) };
        let selection = self.group(&matched, from_ms, to_ms)?;
        Ok(selection.series.into_iter().next())
    }

    /// Sources that have samples of what fits, and how many at most. Nothing is decoded for that: pages
    /// count whole, those of chunks that cannot be understood not at all.
    fn samples_at_most(&self, matched: &Matched, from_ms: i64, to_ms: i64) -> Result<HashMap<u32, usize>> {
        let (_, view) = self.parts();
        let mut counts: HashMap<u32, usize> = HashMap::new();
        for pane in &view.panes {
            let pane = read(pane);
            let sources: HashSet<u32> = pane.sources().filter(|s| matched.sources.contains_key(s)).collect();
            for source in sources {
                let metrics = matched.metrics.keys().filter(|metric| matched.fits(**metric, source));
                let samples: usize = metrics.map(|metric| pane.samples_at_most(source, *metric)).sum();
                if samples > 0 {
                    *counts.entry(source).or_default() += samples;
                }
            }
        }
        let segments = view.segments.iter().filter(|open| {
            let segment = &open.segment;
            segment.header.tier == Tier::Raw && segment.times.0 <= to_ms && segment.times.1 >= from_ms
        });
        for open in segments {
            let segment = &open.segment;
            for number in self.metrics_in(open, matched) {
                let metric = open.metrics[number as usize];
                for entry in segment.chunks_of(number, Column::Value) {
                    let sources = &open.sources[entry.first_source as usize..=entry.last_source as usize];
                    if !sources.iter().any(|source| matched.fits(metric, *source)) {
                        continue;
                    }
                    let content = segment.bytes(&entry.place);
                    let pages = match content.and_then(|bytes| Ok(segment.chunk(entry, &bytes)?.pages)) {
                        Ok(pages) => pages,
                        Err(Error::Damaged { .. }) => {
                            // Whoever reads these is told.
                            for source in sources.iter().filter(|source| matched.fits(metric, **source)) {
                                counts.entry(*source).or_default();
                            }
                            continue;
                        }
                        Err(error) => return Err(error),
                    };
                    for page in pages {
                        let span = segment.clock_span(page.clock);
                        let Some(source) = open.sources.get(page.source as usize) else { continue };
                        if matched.fits(metric, *source) && span.0 <= to_ms && span.1 >= from_ms {
                            *counts.entry(*source).or_default() += page.values;
                        }
                    }
                }
            }
        }
        Ok(counts)
    }

    /// Samples of all pairs that fit.
    pub(crate) fn group(&self, matched: &Matched, from_ms: i64, to_ms: i64) -> Result<Selection<Series>> {
        let mut damage = Vec::new();
        let found = self.raw(matched, from_ms, to_ms, &mut damage)?;
        let mut joined = JoinedTimes::default();
        let series = self.named(found, Collected::join).map(|(labels, kind, collected)| {
            let (times, values) = collected.sorted(&mut joined);
            Series { labels, kind, times_ms: Arc::unwrap_or_clone(times), values }
        });
        Ok(Selection { series: series.collect(), damage })
    }

    /// The same with shared times.
    pub(crate) fn shared_group(
        &self,
        matched: &Matched,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Selection<SharedSeries>> {
        let mut damage = Vec::new();
        let found = self.raw(matched, from_ms, to_ms, &mut damage)?;
        let mut joined = JoinedTimes::default();
        let series = self.named(found, Collected::join).map(|(labels, _, collected)| {
            let (times_ms, values) = collected.sorted(&mut joined);
            SharedSeries { labels, times_ms, values }
        });
        Ok(Selection { series: series.collect(), damage })
    }
}

impl Walk {
    /// How much is done: 0 to 1.
    pub fn done(&self) -> f64 {
        let left = self.units.len();
        let part = self
            .at
            .as_ref()
            .map_or(0.0, |(unit, done)| 1.0 - *done as f64 / unit.sources.len().max(1) as f64);
        1.0 - (left as f64 + part) / self.total.max(1) as f64
    }

    /// Finds the sources of the next metrics. Those that have none of them are left out: there are many
    /// such where labels are names of processes, and what they lack says nothing of the rest.
    fn begin(&self, metrics: Vec<(u32, u64)>) -> Result<Unit> {
        let metrics: HashMap<u32, u64> = metrics.into_iter().collect();
        if self.whole {
            let sources = self.sources.iter().map(|source| (*source, 0)).collect();
            return Ok(Unit { metrics, sources });
        }
        let matched = Matched { metrics, sources: self.sources.iter().copied().collect() };
        let counts = self.snapshot.samples_at_most(&matched, self.from_ms, self.to_ms)?;
        let sources = self.sources.iter().filter_map(|source| Some((*source, *counts.get(&source.0)?)));
        Ok(Unit { sources: sources.collect(), metrics: matched.metrics })
    }

    /// Reads as many sources from the `first` on as fit, one at least; also where the next step begins.
    fn step(&self, unit: &Unit, first: usize) -> Result<(Selection<Series>, usize)> {
        let mut samples = 0_usize;
        let fits = |(_, of_source): &&((u32, u64), usize)| {
            samples = samples.saturating_add(*of_source);
            samples <= self.samples_at_once
        };
        let left = &unit.sources[first..];
        let fitting = left.iter().take_while(fits).count().max(1).min(left.len());
        let sources = left[..fitting].iter().map(|(source, _)| *source).collect();
        let matched = Matched { metrics: unit.metrics.clone(), sources };
        Ok((self.snapshot.group(&matched, self.from_ms, self.to_ms)?, first + fitting))
    }
}

impl Iterator for Walk {
    type Item = Result<Selection<Series>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (unit, first) = match self.at.take() {
                Some(at) => at,
                None => {
                    let metrics = self.units.next()?;
                    match self.begin(metrics) {
                        Ok(unit) => (unit, 0),
                        Err(error) => return Some(Err(error)),
                    }
                }
            };
            if first >= unit.sources.len() {
                continue;
            }
            let (group, last) = match self.step(&unit, first) {
                Ok(step) => step,
                Err(error) => return Some(Err(error)),
            };
            if last < unit.sources.len() {
                self.at = Some((unit, last));
            }
            if !group.series.is_empty() || !group.damage.is_empty() {
                return Some(Ok(group));
            }
        }
    }
}
