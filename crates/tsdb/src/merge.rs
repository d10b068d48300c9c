//! Compaction: several segments of a window become one, and rollups of it.
//!
//! It goes metric by metric and source by source, since segments are sorted so; in memory are one
//! chunk of each input and the page under construction.

use std::collections::HashMap;
use std::sync::Arc;

use crate::chunk::MAX_PAGE_VALUES;
use crate::error::{Error, Result};
use crate::flush::{Written, attempt, tmp_name};
use crate::labels::{Kind, Labels};
use crate::rollup::{Fold, RollupWriter, coarser, columns, fold};
use crate::segment::{ChunkEntry, ClockCache, Column, Header, Replaces, SegmentWriter, Tier};
use crate::store::{OpenSegment, Shared};

/// Clocks kept unpacked while merging; each is mostly asked for once.
const CACHED_CLOCKS: usize = 4096;

/// What is to become one.
pub(crate) struct Job {
    /// Sorted by order of arrival.
    pub(crate) inputs: Vec<Arc<OpenSegment>>,
    pub(crate) header: Header,
    /// Rollups of the window that are made anew, and those they replace.
    pub(crate) rollups: Vec<(Tier, Vec<u64>)>,
}

/// New segments with temporary names, the merged one last; and what could not be read.
pub(crate) struct Merged {
    pub(crate) written: Vec<Written>,
    pub(crate) damage: Vec<Error>,
}

/// A segment being read from front to back.
struct Cursor<'a> {
    input: &'a OpenSegment,
    /// The output's number for each of the segment's sources.
    sources: Vec<u32>,
    /// Chunks of the current metric and column that are to come.
    chunks: &'a [ChunkEntry],
    pages: Vec<LoadedPage>,
    at: usize,
    values: Vec<f64>,
}

#[derive(Clone, Copy)]
struct LoadedPage {
    source: u32,
    clock: u32,
    from: usize,
    to: usize,
}

impl Cursor<'_> {
    /// The page under the cursor; loads the next chunk where one ends. Damaged chunks are left out.
    fn page(&mut self, damage: &mut Vec<Error>) -> Result<Option<LoadedPage>> {
        while self.at == self.pages.len() {
            let Some((entry, rest)) = self.chunks.split_first() else { return Ok(None) };
            self.chunks = rest;
            self.pages.clear();
            self.values.clear();
            self.at = 0;
            match self.load(entry) {
                Ok(()) => {}
                Err(error @ Error::Damaged { .. }) => {
                    self.pages.clear();
                    damage.push(error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.pages.get(self.at).copied())
    }

    fn load(&mut self, entry: &ChunkEntry) -> Result<()> {
        let segment = &self.input.segment;
        let bytes = segment.bytes(&entry.place)?;
        let mut chunk = segment.chunk(entry, &bytes)?;
        for page in chunk.pages.clone() {
            let from = self.values.len();
            chunk.read(&page, &mut self.values).map_err(Error::damaged(&segment.name, entry.place.offset))?;
            // The chunk's sources are among the segment's.
            let source = self.sources[page.source as usize];
            self.pages.push(LoadedPage { source, clock: page.clock, from, to: self.values.len() });
        }
        Ok(())
    }
}

/// How pieces with certain clocks become pages. Nearly all series of a source have the same clocks,
/// so this is worked out once for them all.
struct Plan {
    /// Clock and length of each page.
    pages: Vec<(u32, usize)>,
    /// Where the values come from, when they are not simply in order.
    order: Option<Vec<u32>>,
    /// Begin of each minute and number of values in it; for rollups.
    minutes: Vec<(i64, usize)>,
}

/// A sorted list of labels, and where each input's labels are in it.
fn union<'a>(lists: impl Iterator<Item = impl Iterator<Item = &'a Labels>>) -> (Vec<Labels>, Vec<Vec<u32>>) {
    let lists: Vec<Vec<&Labels>> = lists.map(Iterator::collect).collect();
    let mut all: Vec<Labels> = lists.iter().flatten().map(|l| (*l).clone()).collect();
    all.sort();
    all.dedup();
    // Both are sorted, and every label of the list is in the union.
    let place = |list: &Vec<&Labels>| {
        let mut at = 0;
        list.iter()
            .map(|labels| {
                while all[at] != **labels {
                    at += 1;
                }
                at as u32
            })
            .collect()
    };
    let places = lists.iter().map(place).collect();
    (all, places)
}

/// Carries a job out; nothing counts until the results are published.
pub(crate) fn merge(shared: &Shared, job: &Job) -> Result<Merged> {
    let id = shared.number();
    let rollup_ids: Vec<u64> = job.rollups.iter().map(|_| shared.number()).collect();
    let mut damage = Vec::new();
    attempt(shared, id, || run(shared, job, id, &rollup_ids, &mut damage))
        .inspect_err(|_| rollup_ids.iter().for_each(|id| Written::new(*id).remove(shared)))?;
    let written = rollup_ids.iter().chain([&id]).map(|id| Written::new(*id)).collect();
    Ok(Merged { written, damage })
}

fn run(shared: &Shared, job: &Job, id: u64, rollup_ids: &[u64], damage: &mut Vec<Error>) -> Result<()> {
    let inputs = &job.inputs;
    let (metrics, metric_places) =
        union(inputs.iter().map(|i| i.segment.metrics.iter().map(|(labels, _)| labels)));
    let (sources, source_places) = union(inputs.iter().map(|i| i.segment.sources.iter()));
    let mut kinds = vec![Kind::Unknown; metrics.len()];
    for (input, places) in inputs.iter().zip(&metric_places) {
        for ((_, kind), place) in input.segment.metrics.iter().zip(places) {
            if kinds[*place as usize] == Kind::Unknown {
                kinds[*place as usize] = *kind;
            }
        }
    }
    let mut writer = SegmentWriter::create(&*shared.storage, &tmp_name(id), &job.header)?;
    let mut rollups = job
        .rollups
        .iter()
        .zip(rollup_ids)
        .map(|((tier, _), id)| {
            let header = Header { tier: *tier, ..job.header };
            let segment = SegmentWriter::create(&*shared.storage, &tmp_name(*id), &header)?;
            Ok(RollupWriter::new(*tier, segment))
        })
        .collect::<Result<Vec<_>>>()?;
    let mut cursors: Vec<Cursor<'_>> = inputs
        .iter()
        .zip(source_places)
        .map(|(input, sources)| Cursor {
            input,
            sources,
            chunks: &[],
            pages: Vec::new(),
            at: 0,
            values: Vec::new(),
        })
        .collect();
    // In each input: which of its metrics comes next.
    let mut next_metric = vec![0usize; inputs.len()];
    let mut merger = Merger {
        plans: HashMap::new(),
        caches: inputs.iter().map(|_| ClockCache::default()).collect(),
        cached: 0,
        with_minutes: !rollups.is_empty(),
    };
    for (m, kind) in kinds.iter().enumerate() {
        let m = m as u32;
        let numbers: Vec<Option<u32>> = metric_places
            .iter()
            .zip(&mut next_metric)
            .map(|(places, next)| {
                (places.get(*next) == Some(&m)).then(|| {
                    *next += 1;
                    *next as u32 - 1
                })
            })
            .collect();
        for rollup in &mut rollups {
            rollup.begin(m, *kind)?;
        }
        let value = [Column::Value];
        let all = if job.header.tier == Tier::Raw { &value } else { columns(Kind::Unknown) };
        for column in all {
            for (cursor, number) in cursors.iter_mut().zip(&numbers) {
                cursor.chunks = number.map_or(&[][..], |n| cursor.input.segment.chunks_of(n, *column));
                cursor.pages.clear();
                cursor.at = 0;
            }
            writer.begin(m, *column)?;
            merger.column(&mut cursors, &mut writer, &mut rollups, damage)?;
        }
    }
    let named: Vec<(Labels, Kind)> = metrics.into_iter().zip(kinds).collect();
    for (mut rollup, (_, old)) in rollups.into_iter().zip(&job.rollups) {
        rollup.flush()?;
        let replaces = Replaces { segments: old.clone(), logs: Vec::new() };
        rollup.segment.finish(&named, &sources, &replaces)?;
    }
    let segments =
        inputs.iter().flat_map(|i| std::iter::once(i.id).chain(i.segment.replaces.segments.iter().copied()));
    let logs = inputs.iter().flat_map(|i| i.segment.replaces.logs.iter().copied());
    let replaces = Replaces { segments: segments.collect(), logs: logs.collect() };
    writer.finish(&named, &sources, &replaces)?;
    Ok(())
}

struct Merger {
    plans: HashMap<Vec<(u32, u32)>, Plan>,
    caches: Vec<ClockCache<'static>>,
    cached: usize,
    with_minutes: bool,
}

impl Merger {
    /// Merges all sources of one metric and column.
    fn column(
        &mut self,
        cursors: &mut [Cursor<'_>],
        writer: &mut SegmentWriter,
        rollups: &mut [RollupWriter],
        damage: &mut Vec<Error>,
    ) -> Result<()> {
        let mut gathered: Vec<f64> = Vec::new();
        let mut ordered: Vec<f64> = Vec::new();
        let mut pieces: Vec<((u32, u32), usize, usize)> = Vec::new();
        loop {
            let mut source = None;
            for cursor in &mut *cursors {
                if let Some(page) = cursor.page(damage)? {
                    source = Some(source.map_or(page.source, |s: u32| s.min(page.source)));
                }
            }
            let Some(source) = source else { return Ok(()) };
            gathered.clear();
            pieces.clear();
            for (i, cursor) in cursors.iter_mut().enumerate() {
                while let Some(page) = cursor.page(damage)?.filter(|p| p.source == source) {
                    let from = gathered.len();
                    gathered.extend_from_slice(&cursor.values[page.from..page.to]);
                    pieces.push(((i as u32, page.clock), from, gathered.len()));
                    cursor.at += 1;
                }
            }
            let key: Vec<(u32, u32)> = pieces.iter().map(|p| p.0).collect();
            if !self.plans.contains_key(&key) {
                match self.plan(cursors, &pieces, writer) {
                    Ok(plan) => {
                        self.plans.insert(key.clone(), plan);
                    }
                    Err(error @ Error::Damaged { .. }) => {
                        damage.push(error);
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            let plan = &self.plans[&key];
            let values = match &plan.order {
                None => &gathered,
                Some(order) => {
                    ordered.clear();
                    ordered.extend(order.iter().map(|at| gathered[*at as usize]));
                    &ordered
                }
            };
            let mut rest = &values[..];
            for (clock, n) in &plan.pages {
                let (page, later) = rest.split_at(*n);
                rest = later;
                writer.page(source, *clock, page.iter().copied())?;
            }
            roll_up(plan, values, source, rollups)?;
        }
    }

    fn plan(
        &mut self,
        cursors: &[Cursor<'_>],
        pieces: &[((u32, u32), usize, usize)],
        writer: &mut SegmentWriter,
    ) -> Result<Plan> {
        let mut entries: Vec<(i64, u32)> = Vec::new();
        for ((input, clock), from, to) in pieces {
            let segment = &cursors[*input as usize].input.segment;
            let cache = &mut self.caches[*input as usize];
            let times = segment.clock(*clock, cache)?;
            self.cached += 1;
            entries.extend(times.iter().zip(*from as u32..*to as u32));
        }
        if self.cached >= CACHED_CLOCKS {
            self.cached = 0;
            self.caches.iter_mut().for_each(ClockCache::clear);
        }
        let in_order = entries.is_sorted_by(|a, b| a.0 < b.0);
        if !in_order {
            // Inputs come in the order of arrival, so of equal times the first stays first.
            entries.sort_by_key(|e| e.0);
            entries.dedup_by_key(|e| e.0);
        }
        let times: Vec<i64> = entries.iter().map(|e| e.0).collect();
        let mut pages = Vec::new();
        for page in times.chunks(MAX_PAGE_VALUES) {
            pages.push((writer.clock(page)?, page.len()));
        }
        let mut minutes: Vec<(i64, usize)> = Vec::new();
        if self.with_minutes {
            let step = Tier::Minute.step_ms();
            for time in &times {
                let start = time.div_euclid(step) * step;
                match minutes.last_mut() {
                    Some((last, n)) if *last == start => *n += 1,
                    _ => minutes.push((start, 1)),
                }
            }
        }
        let order = (!in_order).then(|| entries.iter().map(|e| e.1).collect());
        Ok(Plan { pages, order, minutes })
    }
}

fn roll_up(plan: &Plan, values: &[f64], source: u32, rollups: &mut [RollupWriter]) -> Result<()> {
    if rollups.is_empty() {
        return Ok(());
    }
    let mut folds: Vec<Fold> = Vec::with_capacity(plan.minutes.len());
    let mut rest = values;
    for (start, n) in &plan.minutes {
        let (minute, later) = rest.split_at(*n);
        rest = later;
        minute.iter().for_each(|v| fold(&mut folds, *start, *v));
    }
    for rollup in rollups {
        let folds = match rollup.tier {
            Tier::Hour => coarser(&folds, Tier::Hour.step_ms()),
            _ => folds.clone(),
        };
        rollup.series(source, folds)?;
    }
    Ok(())
}
