//! Reading: snapshots, selections of samples and of rollups.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::index::{Matched, Matcher};
use crate::labels::{Kind, Labels};
use crate::rollup::{Rollup, fold};
use crate::segment::{ChunkEntry, ClockCache, Column, MAX_NUMBER, Tier};
use crate::store::{OpenSegment, Shared, View, read};
use crate::time::HOUR_MS;

/// What a store had at one moment.
#[derive(Clone)]
pub struct Snapshot {
    shared: Arc<Shared>,
    view: Arc<View>,
}

/// Samples of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// All its labels.
    pub labels: Labels,
    /// What kind of number it is.
    pub kind: Kind,
    /// Unix milliseconds, ascending.
    pub times_ms: Vec<i64>,
    /// A value for each time.
    pub values: Vec<f64>,
}

/// Rollups of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct RollupSeries {
    /// All its labels.
    pub labels: Labels,
    /// What kind of number it is.
    pub kind: Kind,
    /// In the order of time.
    pub rollups: Vec<Rollup>,
}

/// The answer to a selection.
#[derive(Debug)]
pub struct Selection<T> {
    /// Sorted by labels.
    pub series: Vec<T>,
    /// What could not be read; everything else is in the answer.
    pub damage: Vec<Error>,
}

/// Samples of one series whose times it may share with others.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedSeries {
    /// All its labels.
    pub labels: Labels,
    /// Unix milliseconds, ascending; series that came together have the same list.
    pub times_ms: Arc<Vec<i64>>,
    /// A value for each time.
    pub values: Vec<f64>,
}

/// Samples of one series as they are collected from files.
#[derive(Default)]
pub(crate) struct Collected {
    /// Times of each part; within a part they ascend.
    times: Vec<Arc<Vec<i64>>>,
    /// Order of arrival of each part.
    orders: Vec<u64>,
    values: Vec<f64>,
    /// A part begins before the end of the one before it.
    mixed: bool,
}

/// Times of several parts as one list, for series that have the same parts one after the other.
#[derive(Default)]
pub(crate) struct JoinedTimes {
    parts: Vec<Arc<Vec<i64>>>,
    joined: Arc<Vec<i64>>,
}

impl JoinedTimes {
    fn of(&mut self, parts: Vec<Arc<Vec<i64>>>) -> Arc<Vec<i64>> {
        let same = |(one, other): (&Arc<_>, &Arc<_>)| Arc::ptr_eq(one, other);
        if parts.len() != self.parts.len() || !parts.iter().zip(&self.parts).all(same) {
            let mut joined = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
            parts.iter().for_each(|part| joined.extend_from_slice(part));
            self.joined = Arc::new(joined);
            self.parts = parts;
        }
        self.joined.clone()
    }
}

impl Collected {
    fn with_room(samples: usize) -> Collected {
        Collected { values: Vec::with_capacity(samples), ..Collected::default() }
    }

    /// Adds a part, whose samples come in the order of time. The values may be exchanged for others.
    fn part(&mut self, order: u64, times: &Arc<Vec<i64>>, values: &mut Vec<f64>) {
        if times.is_empty() {
            return;
        }
        let last = self.times.last().and_then(|before| before.last());
        self.mixed |= last.is_some_and(|last| times.first() <= Some(last));
        // Neither copied, nor much more held than is needed.
        let fits = self.values.capacity() <= values.len() && values.capacity() <= 2 * values.len();
        if self.values.is_empty() && fits {
            std::mem::swap(&mut self.values, values);
        } else {
            self.values.extend_from_slice(values);
        }
        self.times.push(times.clone());
        self.orders.push(order);
    }

    /// Adds the samples of another pair of metric and source that is the same series.
    pub(crate) fn join(&mut self, other: Collected) {
        self.mixed = true;
        self.times.extend(other.times);
        self.values.extend(other.values);
        self.orders.extend(other.orders);
    }

    /// Sorted by time; of two samples of a time, the first that came.
    pub(crate) fn sorted(mut self, joined: &mut JoinedTimes) -> (Arc<Vec<i64>>, Vec<f64>) {
        if !self.mixed {
            let times = match self.times.pop() {
                Some(only) if self.times.is_empty() => only,
                last => {
                    self.times.extend(last);
                    joined.of(self.times)
                }
            };
            debug_assert!(times.is_sorted_by(|a, b| a < b));
            return (times, self.values);
        }
        let mut entries: Vec<(i64, u64, f64)> = Vec::with_capacity(self.values.len());
        let mut from = 0;
        for (times, order) in self.times.iter().zip(self.orders) {
            let to = from + times.len();
            entries.extend(times.iter().zip(&self.values[from..to]).map(|(t, v)| (*t, order, *v)));
            from = to;
        }
        entries.sort_by_key(|e| (e.0, e.1));
        entries.dedup_by_key(|e| e.0);
        let (times, values) = entries.into_iter().map(|(t, _, v)| (t, v)).unzip();
        (Arc::new(times), values)
    }
}

pub(crate) type Found = HashMap<(u32, u32), Collected>;

impl Snapshot {
    pub(crate) fn new(shared: Arc<Shared>, view: Arc<View>) -> Snapshot {
        Snapshot { shared, view }
    }

    /// Samples of all series that fit the matchers, from `from_ms` up to and with `to_ms`. Series
    /// without samples there are left out.
    ///
    /// # Errors
    /// When a matcher is not usable, or a file cannot be read at all.
    pub fn select(&self, matchers: &[Matcher], from_ms: i64, to_ms: i64) -> Result<Selection<Series>> {
        let matched = read(&self.shared.names).select(matchers)?;
        self.group(&matched, from_ms, to_ms)
    }

    /// Sorted by labels. Two pairs of metric and source can have the same labels all in all, for
    /// instance after a change of [`Options::source_labels`](crate::Options::source_labels): they
    /// are one series, and of a time that both have, the pair with less in its source counts.
    pub(crate) fn named<T>(
        &self,
        found: HashMap<(u32, u32), T>,
        join: fn(&mut T, T),
    ) -> impl Iterator<Item = (Labels, Kind, T)> {
        let names = read(&self.shared.names);
        let mut all: Vec<(Labels, Labels, Kind, T)> = found
            .into_iter()
            .filter_map(|((metric, source), content)| {
                let (labels, kind) = names.metrics.get(metric)?;
                let (source, _) = names.sources.get(source)?;
                Some((labels.with(source), source.clone(), *kind, content))
            })
            .collect();
        all.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        let mut all = all.into_iter().map(|(labels, _, kind, content)| (labels, kind, content)).peekable();
        std::iter::from_fn(move || {
            let mut one = all.next()?;
            while let Some(same) = all.next_if(|next| next.0 == one.0) {
                join(&mut one.2, same.2);
            }
            Some(one)
        })
    }

    pub(crate) fn raw(
        &self,
        matched: &Matched,
        from: i64,
        to: i64,
        damage: &mut Vec<Error>,
    ) -> Result<Found> {
        let mut found = Found::new();
        let expected = self.expected(matched, from, to);
        self.scan(
            Tier::Raw,
            &[Column::Value],
            matched,
            from,
            to,
            damage,
            |_, pair, order, times, values| {
                let collected = found.entry(pair).or_insert_with(|| Collected::with_room(expected));
                collected.part(order, times, values);
            },
        )?;
        let (mut samples, mut values) = (Vec::new(), Vec::new());
        for (at, pane) in self.view.panes.iter().enumerate() {
            let pane = read(pane);
            // As they will be frozen: after all that are, windows before what came late.
            let late = u64::from(pane.window.is_none()) << 32;
            let order = pane.frozen.unwrap_or(MAX_NUMBER + late + at as u64);
            // The shorter list is walked.
            let sources: BTreeSet<u32> = if matched.sources.len() < 64 {
                matched.sources.keys().copied().filter(|s| pane.has_source(*s)).collect()
            } else {
                pane.sources().filter(|s| matched.sources.contains_key(s)).collect()
            };
            for source in sources {
                // Here too: a source has hundreds of metrics, a question mostly one.
                let fits = |m: &u32| matched.fits(*m, source);
                let metrics: BTreeSet<u32> = if matched.metrics.len() < 64 {
                    matched.metrics.keys().copied().filter(fits).collect()
                } else {
                    pane.metrics_of(source).filter(fits).collect()
                };
                let mut times: Arc<Vec<i64>> = Arc::default();
                for metric in metrics {
                    samples.clear();
                    pane.series(source, metric, (from, to), self.view.committed, &mut samples);
                    if !samples.is_empty() {
                        values.clear();
                        values.extend(samples.iter().map(|s| s.1));
                        // A source's metrics mostly came together.
                        if !times.iter().eq(samples.iter().map(|(time, _)| time)) {
                            times = Arc::new(samples.iter().map(|s| s.0).collect());
                        }
                        found.entry((metric, source)).or_default().part(order, &times, &mut values);
                    }
                }
            }
        }
        Ok(found)
    }

    /// Samples that files have of a series at one a second; room for as many is made beforehand where
    /// there are few series, so that lists do not move while they grow.
    fn expected(&self, matched: &Matched, from: i64, to: i64) -> usize {
        let most = match matched.metrics.len().saturating_mul(matched.sources.len()) {
            0..=64 => 1 << 17,
            65..=1024 => 1 << 12,
            _ => return 0,
        };
        let segments = self.view.segments.iter().map(|open| &open.segment);
        let times = segments.filter(|s| s.header.tier == Tier::Raw).map(|s| s.times);
        let within = times
            .filter(|t| t.0 <= to && t.1 >= from)
            .fold((i64::MAX, i64::MIN), |all, t| (all.0.min(t.0.max(from)), all.1.max(t.1.min(to))));
        let seconds = within.1.saturating_sub(within.0) / 1000 + 1;
        usize::try_from(seconds).unwrap_or(0).min(most)
    }

    /// Hands on all that the segments of a tier have of the pairs that fit.
    #[expect(clippy::too_many_arguments, reason = "an inner loop shared by two selections")]
    fn scan(
        &self,
        tier: Tier,
        columns: &[Column],
        matched: &Matched,
        from: i64,
        to: i64,
        damage: &mut Vec<Error>,
        mut found: impl FnMut(Column, (u32, u32), u64, &Arc<Vec<i64>>, &mut Vec<f64>),
    ) -> Result<()> {
        let mut segments: Vec<&Arc<OpenSegment>> = self
            .view
            .segments
            .iter()
            .filter(|s| s.segment.header.tier == tier && s.segment.times.0 <= to && s.segment.times.1 >= from)
            .collect();
        segments.sort_by_key(|s| (s.segment.times.0, s.segment.header.order));
        // First all advice, then the reads: the disk works on all of it at once.
        let mut reads: Vec<(&OpenSegment, Vec<bool>, Vec<ChunkEntry>)> = Vec::new();
        for open in segments {
            let sources = self.sources_in(open, matched);
            let mut entries = Vec::new();
            for number in self.metrics_in(open, matched) {
                for column in columns {
                    for entry in open.segment.chunks_of(number, *column) {
                        let range = entry.first_source as usize..=entry.last_source as usize;
                        if sources[range].contains(&true) {
                            open.segment.will_need(&entry.place);
                            entries.push(*entry);
                        }
                    }
                }
            }
            reads.push((open, sources, entries));
        }
        let mut values = Vec::new();
        for (open, sources, entries) in reads {
            let segment = &open.segment;
            let mut cache = ClockCache::keeping(&self.shared.clocks, open.id);
            // What of a clock is wanted: where, and the times.
            let mut wanted: HashMap<u32, (Range<usize>, Arc<Vec<i64>>)> = HashMap::new();
            let order = segment.header.order;
            for entry in entries {
                let metric = open.metrics[entry.metric as usize];
                let mut read_chunk = || -> Result<()> {
                    let bytes = segment.bytes(&entry.place)?;
                    let mut chunk = segment.chunk(&entry, &bytes)?;
                    for at in 0..chunk.pages.len() {
                        let page = chunk.pages[at];
                        let fits = sources.get(page.source as usize).copied().unwrap_or(false);
                        let span = segment.clock_span(page.clock);
                        if !fits || span.0 > to || span.1 < from {
                            continue;
                        }
                        let source = open.sources[page.source as usize];
                        if !matched.fits(metric, source) {
                            continue;
                        }
                        let (range, times) = match wanted.entry(page.clock) {
                            Entry::Occupied(known) => known.into_mut(),
                            Entry::Vacant(new) => {
                                let clock = segment.clock(page.clock, &mut cache)?;
                                let range = clock.range(from, to);
                                let times = clock.times(range.clone());
                                new.insert((range, times))
                            }
                        };
                        if times.is_empty() {
                            continue;
                        }
                        values.clear();
                        chunk
                            .read_part(&page, range.clone(), &mut values)
                            .map_err(Error::damaged(&segment.name, entry.place.offset))?;
                        found(entry.column, (metric, source), order, times, &mut values);
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

    /// The segment's numbers of the metrics that fit, ascending.
    pub(crate) fn metrics_in(&self, open: &OpenSegment, matched: &Matched) -> Vec<u32> {
        let fits = |(number, metric): (u32, &u32)| matched.metrics.contains_key(metric).then_some(number);
        if matched.metrics.len() > open.metrics.len() / 16 {
            return (0..).zip(&open.metrics).filter_map(fits).collect();
        }
        // One or few of many, as when a store is walked metric by metric.
        let names = read(&self.shared.names);
        let in_segment = |metric: &u32| {
            let (labels, _) = names.metrics.get(*metric)?;
            let at = open.segment.metrics.binary_search_by(|(l, _)| l.cmp(labels)).ok()?;
            u32::try_from(at).ok()
        };
        let mut numbers: Vec<u32> = matched.metrics.keys().filter_map(in_segment).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Which of the segment's sources fit.
    pub(crate) fn sources_in(&self, open: &OpenSegment, matched: &Matched) -> Vec<bool> {
        if matched.sources.len() > open.sources.len() / 16 {
            return open.sources.iter().map(|s| matched.sources.contains_key(s)).collect();
        }
        let names = read(&self.shared.names);
        let mut fit = vec![false; open.sources.len()];
        for source in matched.sources.keys() {
            let at = names.sources.get(*source).map(|(labels, _)| open.segment.sources.binary_search(labels));
            if let Some(Ok(at)) = at {
                fit[at] = true;
            }
        }
        fit
    }

    /// Rollups of all series that fit the matchers, of all minutes or hours that begin from
    /// `from_ms` up to and with `to_ms`. Hours of which there are no rollups yet, or to which
    /// samples came late, are rolled up from their samples.
    ///
    /// # Errors
    /// As [`Snapshot::select`]; also when asked for [`Tier::Raw`].
    pub fn rollups(
        &self,
        matchers: &[Matcher],
        tier: Tier,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Selection<RollupSeries>> {
        if tier == Tier::Raw {
            return Err(Error::Option { option: "tier", what: "raw samples are not rolled up".into() });
        }
        let matched = read(&self.shared.names).select(matchers)?;
        let mut damage = Vec::new();
        let mut found: HashMap<(u32, u32), BTreeMap<i64, Rollup>> = HashMap::new();
        let stale = self.hours_since_changed();
        let columns = [
            Column::Count,
            Column::Last,
            Column::Min,
            Column::Max,
            Column::Sum,
            Column::First,
            Column::Resets,
        ];
        self.scan(
            tier,
            &columns,
            &matched,
            from_ms,
            to_ms,
            &mut damage,
            |column, pair, _, times, values| {
                let rollups = found.entry(pair).or_default();
                let times =
                    times.iter().zip(&*values).filter(|(t, _)| !stale.contains(&t.div_euclid(HOUR_MS)));
                for (&time, value) in times {
                    let rollup = rollups.entry(time).or_insert(Rollup {
                        start_ms: time,
                        count: 0,
                        min: None,
                        max: None,
                        sum: None,
                        first: None,
                        last: f64::NAN,
                        resets: None,
                    });
                    match column {
                        Column::Count => rollup.count = *value as u64,
                        Column::Last | Column::Value => rollup.last = *value,
                        Column::Min => rollup.min = Some(*value),
                        Column::Max => rollup.max = Some(*value),
                        Column::Sum => rollup.sum = Some(*value),
                        Column::First => rollup.first = Some(*value),
                        Column::Resets => rollup.resets = Some(*value),
                    }
                }
            },
        )?;
        let step = tier.step_ms();
        for (from, to) in self.hours_without(tier, &stale, from_ms, to_ms.saturating_add(step - 1)) {
            for (pair, collected) in self.raw(&matched, from, to, &mut damage)? {
                let kind = read(&self.shared.names).metrics.get(pair.0).map_or(Kind::Unknown, |m| m.1);
                let (times, values) = collected.sorted(&mut JoinedTimes::default());
                let mut folds = Vec::new();
                for (time, value) in times.iter().zip(values) {
                    fold(&mut folds, time.div_euclid(step) * step, value);
                }
                let wanted = folds.iter().filter(|f| (from_ms..=to_ms).contains(&f.start));
                let rollups = found.entry(pair).or_default();
                rollups.extend(wanted.map(|f| (f.start, f.rollup(kind))));
            }
        }
        let join = |one: &mut BTreeMap<i64, Rollup>, same: BTreeMap<i64, Rollup>| {
            for (start, rollup) in same {
                one.entry(start).and_modify(|r| r.join(&rollup)).or_insert(rollup);
            }
        };
        let series = self
            .named(found, join)
            .filter(|(_, _, rollups)| !rollups.is_empty())
            .map(|(labels, kind, rollups)| RollupSeries {
                labels,
                kind,
                rollups: rollups.into_values().collect(),
            })
            .collect();
        Ok(Selection { series, damage })
    }

    /// Hours (counted from 1970) that have samples which are in no merged file yet, as far as the
    /// other samples of the hour are still there.
    fn hours_since_changed(&self) -> BTreeSet<i64> {
        let loose = self.view.segments.iter().filter(|s| {
            let header = &s.segment.header;
            header.tier == Tier::Raw && header.level == 0
        });
        let mut hours: BTreeSet<i64> = loose.map(|s| s.segment.header.from_ms.div_euclid(HOUR_MS)).collect();
        for pane in &self.view.panes {
            let pane = read(pane);
            match pane.window {
                Some((from, _)) => drop(hours.insert(from.div_euclid(HOUR_MS))),
                None => hours.extend(pane.all_times().map(|t| t.div_euclid(HOUR_MS))),
            }
        }
        let floor = self.shared.raw_floor_ms.load(std::sync::atomic::Ordering::Relaxed);
        hours.retain(|hour| hour * HOUR_MS >= floor);
        hours
    }

    /// Stretches (both ends included) of hours that have raw samples and no rollups that hold.
    fn hours_without(&self, tier: Tier, stale: &BTreeSet<i64>, from: i64, to: i64) -> Vec<(i64, i64)> {
        let raw = self.view.segments.iter().filter(|s| s.segment.header.tier == Tier::Raw);
        let in_segments = raw.map(|s| s.segment.times);
        let in_panes = self.view.panes.iter().filter_map(|p| read(p).times());
        let mut stretches: Vec<(i64, i64)> = Vec::new();
        for (first, last) in in_segments.chain(in_panes) {
            let (first, last) = (first.max(from), last.min(to));
            if first > last {
                continue;
            }
            let (first, last) = (first.div_euclid(HOUR_MS), last.div_euclid(HOUR_MS));
            stretches.push((first.saturating_mul(HOUR_MS), last.saturating_add(1).saturating_mul(HOUR_MS)));
        }
        stretches.sort_unstable();
        let mut merged: Vec<(i64, i64)> = Vec::new();
        for (first, end) in stretches {
            match merged.last_mut() {
                Some(last) if first <= last.1 => last.1 = last.1.max(end),
                _ => merged.push((first, end)),
            }
        }
        let mut covered: Vec<(i64, i64)> = self
            .view
            .segments
            .iter()
            .filter(|s| s.segment.header.tier == tier)
            .flat_map(|s| {
                let header = &s.segment.header;
                let hours = header.from_ms.div_euclid(HOUR_MS)..(header.to_ms - 1).div_euclid(HOUR_MS) + 1;
                hours.filter(|h| !stale.contains(h)).map(|h| (h * HOUR_MS, (h + 1) * HOUR_MS))
            })
            .collect();
        covered.sort_unstable();
        let mut without = Vec::new();
        for (begin, end) in merged {
            let mut first = begin;
            for (from, to) in covered.iter().filter(|c| c.0 < end && c.1 > begin) {
                if *from > first {
                    without.push((first, from - 1));
                }
                first = first.max(*to);
            }
            if first < end {
                without.push((first, end - 1));
            }
        }
        without
    }

    /// All label names there are, whatever the time.
    pub fn label_names(&self) -> BTreeSet<String> {
        read(&self.shared.names).label_names()
    }

    /// All values of a label there are, whatever the time.
    pub fn label_values(&self, name: &str) -> BTreeSet<String> {
        read(&self.shared.names).label_values(name)
    }

    /// Reads and decodes all of the segments and hands on each thing that is wrong; `progress` hears
    /// how many of how many bytes are done.
    pub fn verify(&self, mut progress: impl FnMut(u64, u64), mut wrong: impl FnMut(Error)) {
        let all = self.view.segments.iter().map(|open| open.segment.size_bytes).sum();
        let mut before = 0;
        for open in &self.view.segments {
            let segment = &open.segment;
            segment.verify(|at| progress(before + at.min(segment.size_bytes), all), &mut wrong);
            before += segment.size_bytes;
            progress(before, all);
        }
    }

    /// Puts all segments of this snapshot, as hard links where possible, into another folder: a
    /// copy that can be opened as a store. Samples still in the head are not in it; call
    /// [`Store::flush`](crate::Store::flush) before to have them all.
    ///
    /// # Errors
    /// When a link cannot be made.
    pub fn link(&self, folder: &std::path::Path) -> Result<()> {
        for open in &self.view.segments {
            let name = &open.segment.name;
            self.shared.storage.link(name, folder).map(drop).map_err(Error::io("link", name))?;
        }
        Ok(())
    }

    pub(crate) fn parts(&self) -> (&Shared, &View) {
        (&self.shared, &self.view)
    }
}
