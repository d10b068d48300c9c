//! A selection in tiles, some metrics of some sources each, that are read apart from each other: with
//! bounded memory, and by several threads.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::index::{Matched, Matcher};
use crate::labels::{Labels, NAME};
use crate::query::{Selection, SharedSeries, Snapshot};
use crate::segment::{ClockCache, Column, MAX_NUMBER, Tier};
use crate::store::{OpenSegment, read};

/// Sources that a tile has at least where it can: chunks hold pages of about as many, and each tile
/// opens the chunks that it needs anew.
const SOURCES_AT_LEAST: usize = 32;

/// A metric or source, and the conditions that it asks for or fulfils.
type Numbered = (u32, u64);

/// Tiles of a selection; see [`Snapshot::tiles`].
pub struct Tiles {
    snapshot: Snapshot,
    from_ms: i64,
    to_ms: i64,
    metrics: Vec<Numbered>,
    sources: Vec<Numbered>,
    metrics_at_once: usize,
    sources_at_once: usize,
}

/// The newest sample of a series: its time, when it came, its value.
type Newest = (i64, u64, f64);

fn newer(one: &Newest, than: &Newest) -> bool {
    // Of two samples of a time, the first that came counts.
    one.0.cmp(&than.0).then(than.1.cmp(&one.1)) == Ordering::Greater
}

impl Snapshot {
    /// Divides what [`Snapshot::select`] gives into tiles of about `series_at_once` series each. No
    /// series is in two of them. Sources ascend from tile to tile, and within the same sources metrics.
    ///
    /// # Errors
    /// When a matcher is not usable.
    pub fn tiles(
        &self,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
        series_at_once: usize,
    ) -> Result<Tiles> {
        let (shared, _) = self.parts();
        let names = read(&shared.names);
        let mut matched = names.select(matchers)?;
        let asks: HashSet<u64> = matched.metrics.values().copied().collect();
        let fulfil: HashSet<u64> = matched.sources.values().copied().collect();
        matched.sources.retain(|_, fulfils| asks.iter().any(|asks| asks & !*fulfils == 0));
        matched.metrics.retain(|_, asks| fulfil.iter().any(|fulfils| *asks & !fulfils == 0));
        let mut metrics: Vec<((&str, &Labels), Numbered)> = matched
            .metrics
            .iter()
            .filter_map(|(metric, asks)| {
                let (labels, _) = names.metrics.get(*metric)?;
                Some(((labels.get(NAME).unwrap_or_default(), labels), (*metric, *asks)))
            })
            .collect();
        metrics.sort_unstable();
        let mut sources: Vec<(&Labels, Numbered)> = matched
            .sources
            .iter()
            .filter_map(|(source, fulfils)| Some((&names.sources.get(*source)?.0, (*source, *fulfils))))
            .collect();
        sources.sort_unstable();
        let (metrics, sources): (Vec<Numbered>, Vec<Numbered>) =
            (metrics.into_iter().map(|m| m.1).collect(), sources.into_iter().map(|s| s.1).collect());
        // The same labels can be divided between metric and source in two ways only when a label is one
        // of metrics here and of sources there; such series must meet to be one.
        let of_sources: HashSet<&str> = names.sources.names().collect();
        let whole = names.metrics.names().any(|name| of_sources.contains(name));
        let (mut metrics_at_once, mut sources_at_once) = (metrics.len().max(1), sources.len().max(1));
        if !whole {
            let most = sources_at_once;
            sources_at_once = (series_at_once / metrics_at_once).clamp(most.min(SOURCES_AT_LEAST), most);
            metrics_at_once = (series_at_once / sources_at_once).clamp(1, metrics_at_once);
        }
        drop(names);
        let snapshot = self.clone();
        Ok(Tiles { snapshot, from_ms, to_ms, metrics, sources, metrics_at_once, sources_at_once })
    }
}

impl Tiles {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.columns() * self.sources.len().div_ceil(self.sources_at_once)
    }

    fn columns(&self) -> usize {
        self.metrics.len().div_ceil(self.metrics_at_once)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Series there are at most, in all of them.
    pub fn series_at_most(&self) -> usize {
        self.metrics.len().saturating_mul(self.sources.len())
    }

    fn matched(&self, number: usize) -> Matched {
        let columns = self.columns().max(1);
        let part = |all: &[Numbered], at: usize, each: usize| -> HashMap<u32, u64> {
            all.iter().skip(at * each).take(each).copied().collect()
        };
        Matched {
            metrics: part(&self.metrics, number % columns, self.metrics_at_once),
            sources: part(&self.sources, number / columns, self.sources_at_once),
        }
    }

    /// All samples of a tile.
    ///
    /// # Errors
    /// When a file cannot be read at all.
    pub fn read(&self, number: usize) -> Result<Selection<SharedSeries>> {
        self.snapshot.shared_group(&self.matched(number), self.from_ms, self.to_ms)
    }

    /// The newest sample of each series of a tile. Much less is read for it.
    ///
    /// # Errors
    /// As [`Tiles::read`].
    pub fn newest(&self, number: usize) -> Result<Selection<SharedSeries>> {
        let matched = self.matched(number);
        let mut damage = Vec::new();
        let mut found: HashMap<(u32, u32), Newest> = HashMap::new();
        self.in_panes(&matched, &mut found);
        let (_, view) = self.snapshot.parts();
        let mut segments: Vec<&OpenSegment> = view
            .segments
            .iter()
            .map(|open| &**open)
            .filter(|open| {
                let segment = &open.segment;
                segment.header.tier == Tier::Raw
                    && segment.times.0 <= self.to_ms
                    && segment.times.1 >= self.from_ms
            })
            .collect();
        segments.sort_by_key(|open| std::cmp::Reverse(open.segment.times.1));
        for open in segments {
            self.in_segment(open, &matched, &mut found, &mut damage)?;
        }
        let join = |one: &mut Newest, same: Newest| {
            if newer(&same, one) {
                *one = same;
            }
        };
        let series = self
            .snapshot
            .named(found, join)
            .map(|(labels, _, (time, _, value))| SharedSeries {
                labels,
                times_ms: Arc::new(vec![time]),
                values: vec![value],
            })
            .collect();
        Ok(Selection { series, damage })
    }

    fn in_panes(&self, matched: &Matched, found: &mut HashMap<(u32, u32), Newest>) {
        let (_, view) = self.snapshot.parts();
        let mut samples = Vec::new();
        for (at, pane) in view.panes.iter().enumerate() {
            let pane = read(pane);
            let late = u64::from(pane.window.is_none()) << 32;
            let order = pane.frozen.unwrap_or(MAX_NUMBER + late + at as u64);
            let sources: BTreeSet<u32> =
                matched.sources.keys().copied().filter(|source| pane.has_source(*source)).collect();
            for source in sources {
                for metric in matched.metrics.keys().filter(|metric| matched.fits(**metric, source)) {
                    samples.clear();
                    pane.series(source, *metric, (self.from_ms, self.to_ms), view.committed, &mut samples);
                    if let Some((time, value)) = samples.last() {
                        let one = (*time, order, *value);
                        let best = found.entry((*metric, source)).or_insert(one);
                        if newer(&one, best) {
                            *best = one;
                        }
                    }
                }
            }
        }
    }

    fn in_segment(
        &self,
        open: &OpenSegment,
        matched: &Matched,
        found: &mut HashMap<(u32, u32), Newest>,
        damage: &mut Vec<Error>,
    ) -> Result<()> {
        let segment = &open.segment;
        let order = segment.header.order;
        let wanted = self.snapshot.sources_in(open, matched);
        let mut cache = ClockCache::keeping(&self.snapshot.parts().0.clocks, open.id);
        let mut values = Vec::new();
        for number in self.snapshot.metrics_in(open, matched) {
            let metric = open.metrics[number as usize];
            for entry in segment.chunks_of(number, Column::Value) {
                if !wanted[entry.first_source as usize..=entry.last_source as usize].contains(&true) {
                    continue;
                }
                let mut read_chunk = || -> Result<()> {
                    let bytes = segment.bytes(&entry.place)?;
                    let mut chunk = segment.chunk(entry, &bytes)?;
                    for at in 0..chunk.pages.len() {
                        let page = chunk.pages[at];
                        let span = segment.clock_span(page.clock);
                        if !wanted.get(page.source as usize).copied().unwrap_or(false)
                            || span.0 > self.to_ms
                            || span.1 < self.from_ms
                        {
                            continue;
                        }
                        let source = open.sources[page.source as usize];
                        let known = found.get(&(metric, source));
                        if !matched.fits(metric, source) || known.is_some_and(|(time, ..)| *time > span.1) {
                            continue;
                        }
                        let (at, time) = if span.1 <= self.to_ms {
                            // The last of all: its time is in the index.
                            (page.values - 1, span.1)
                        } else {
                            let clock = segment.clock(page.clock, &mut cache)?;
                            let last = clock.range(self.from_ms, self.to_ms).next_back();
                            let Some(last) = last else { continue };
                            (last, clock.at(last))
                        };
                        values.clear();
                        chunk
                            .read_part(&page, at..at + 1, &mut values)
                            .map_err(Error::damaged(&segment.name, entry.place.offset))?;
                        let last = values.last().map(|value| (time, order, *value));
                        if let Some(one) = last {
                            let best = found.entry((metric, source)).or_insert(one);
                            if newer(&one, best) {
                                *best = one;
                            }
                        }
                    }
                    Ok(())
                };
                match read_chunk() {
                    Ok(()) => {}
                    Err(error @ Error::Damaged { .. }) => damage.push(error),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}
