//! Walking through many series with bounded memory, and asking for a single one.

use std::collections::{BTreeMap, HashMap};

use crate::error::Result;
use crate::index::{Matched, Matcher};
use crate::labels::{Labels, NAME};
use crate::query::{Collected, Selection, Series, Snapshot};
use crate::store::read;

/// By how much a step may be larger than the one before, so that a guess that proves wrong is cheap.
const GROWTH: usize = 8;
/// Most sources in a step.
const MAX_SOURCES: usize = 4096;

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
    /// The unit at hand and how many sources of it are done.
    at: Option<(Vec<(u32, u64)>, usize)>,
    /// Sources in the next step.
    width: usize,
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
        let of_sources: std::collections::HashSet<&str> = names.sources.names().collect();
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
            width: 1,
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

    /// Samples of all pairs that fit.
    pub(crate) fn group(&self, matched: &Matched, from_ms: i64, to_ms: i64) -> Result<Selection<Series>> {
        let mut damage = Vec::new();
        let found = self.raw(matched, from_ms, to_ms, &mut damage)?;
        let series = self.named(found, Collected::join).map(|(labels, kind, collected)| {
            let (times_ms, values) = collected.sorted();
            Series { labels, kind, times_ms, values }
        });
        Ok(Selection { series: series.collect(), damage })
    }
}

impl Walk {
    /// How much is done: 0 to 1.
    pub fn done(&self) -> f64 {
        let left = self.units.len();
        let part =
            self.at.as_ref().map_or(0.0, |(_, done)| 1.0 - *done as f64 / self.sources.len().max(1) as f64);
        1.0 - (left as f64 + part) / self.total.max(1) as f64
    }

    fn step(&mut self, unit: &[(u32, u64)], first: usize) -> Result<(Selection<Series>, usize)> {
        let width = if self.whole { self.sources.len() } else { self.width };
        let last = self.sources.len().min(first.saturating_add(width.max(1)));
        let matched = Matched {
            metrics: unit.iter().copied().collect(),
            sources: self.sources[first..last].iter().copied().collect(),
        };
        let group = self.snapshot.group(&matched, self.from_ms, self.to_ms)?;
        let samples: usize = group.series.iter().map(|s| s.values.len()).sum();
        let fitting = (last - first).saturating_mul(self.samples_at_once) / samples.max(1);
        self.width = fitting.clamp(1, MAX_SOURCES.min(self.width.saturating_mul(GROWTH)));
        Ok((group, last))
    }
}

impl Iterator for Walk {
    type Item = Result<Selection<Series>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (unit, first) = match self.at.take() {
                Some(at) => at,
                None => (self.units.next()?, 0),
            };
            let (group, last) = match self.step(&unit, first) {
                Ok(step) => step,
                Err(error) => return Some(Err(error)),
            };
            if last < self.sources.len() {
                self.at = Some((unit, last));
            }
            if !group.series.is_empty() || !group.damage.is_empty() {
                return Some(Ok(group));
            }
        }
    }
}
