//! From the head to the first segments.

use std::collections::{BTreeSet, HashMap};

use crate::chunk::MAX_PAGE_VALUES;
use crate::error::{Error, Result};
use crate::head::{Block, Pane, SourceRows};
use crate::labels::{Kind, Labels};
use crate::segment::{Column, Header, Replaces, Segment, SegmentWriter, Tier};
use crate::store::{OpenSegment, Shared, read, segment_name};
use crate::time::HOUR_MS;
use crate::wal::is_absent;

/// A segment that is written and synced, but still has its temporary name.
pub(crate) struct Written {
    pub(crate) id: u64,
    tmp: String,
}

impl Written {
    pub(crate) fn new(id: u64) -> Written {
        Written { id, tmp: tmp_name(id) }
    }

    /// Gives it its name, which makes it count at the next start.
    pub(crate) fn publish(&self, shared: &Shared) -> Result<()> {
        let name = segment_name(self.id);
        shared.storage.rename(&self.tmp, &name).map_err(Error::io("rename", &self.tmp))?;
        shared.storage.sync_names().map_err(Error::io("sync the folder of", &name))
    }

    pub(crate) fn open(&self, shared: &Shared) -> Result<OpenSegment> {
        Ok(shared.intern(Segment::open(&*shared.storage, &segment_name(self.id))?, self.id))
    }

    pub(crate) fn remove(&self, shared: &Shared) {
        shared.discard(self.tmp.clone());
    }
}

pub(crate) fn tmp_name(id: u64) -> String {
    format!("s-{id:016x}.tmp")
}

/// Runs the writing of a segment and removes its beginning when it fails.
pub(crate) fn attempt<T>(shared: &Shared, id: u64, write: impl FnOnce() -> Result<T>) -> Result<T> {
    write().inspect_err(|_| Written::new(id).remove(shared))
}

/// Writes a frozen pane to one segment for each window that it has samples of.
pub(crate) fn flush(shared: &Shared, pane: &Pane, now_ms: i64) -> Result<Vec<OpenSegment>> {
    let windows: Vec<(i64, i64)> = match pane.window {
        _ if pane.samples == 0 => Vec::new(),
        Some(window) => vec![window],
        None => {
            let hours: BTreeSet<i64> = pane.all_times().map(|t| t.div_euclid(HOUR_MS) * HOUR_MS).collect();
            hours.into_iter().map(|from| (from, from + HOUR_MS)).collect()
        }
    };
    let mut written: Vec<Written> = Vec::new();
    let order = pane.frozen.unwrap_or_default();
    let mut run = || -> Result<Vec<OpenSegment>> {
        for (at, (from_ms, to_ms)) in windows.iter().copied().enumerate() {
            // With the last, all samples of the logs are in segments.
            let logs = if at + 1 == windows.len() { pane.logs.clone() } else { Vec::new() };
            let replaces = Replaces { segments: Vec::new(), logs };
            let header = Header { tier: Tier::Raw, level: 0, from_ms, to_ms, order, created_ms: now_ms };
            let id = shared.number();
            attempt(shared, id, || write_window(shared, pane, &header, &replaces, id))?;
            written.push(Written::new(id));
        }
        written.iter().try_for_each(|w| w.publish(shared))?;
        written.iter().map(|w| w.open(shared)).collect()
    };
    let result = run();
    if result.is_err() {
        written.iter().for_each(|written| written.remove(shared));
        // Those that have their names already come again with the next attempt, under others. The last
        // says that the logs are done with: while it may be there, the others must be.
        let mut last_first = written.iter().rev();
        let last_is_gone = last_first
            .next()
            .is_none_or(|last| shared.remove(segment_name(last.id)) && shared.storage.sync_names().is_ok());
        if last_is_gone {
            last_first.for_each(|written| shared.discard(segment_name(written.id)));
        }
    }
    result
}

/// Clocks that were written, by their timestamps: pages of a long one follow each other.
#[derive(Default)]
struct Clocks(HashMap<Vec<i64>, Vec<u32>>);

impl Clocks {
    fn of(&mut self, writer: &mut SegmentWriter, times: &[i64]) -> Result<&[u32]> {
        if !self.0.contains_key(times) {
            let numbers =
                times.chunks(MAX_PAGE_VALUES).map(|t| writer.clock(t)).collect::<Result<Vec<_>>>()?;
            self.0.insert(times.to_vec(), numbers);
        }
        Ok(self.0.get(times).map_or(&[][..], Vec::as_slice))
    }
}

fn write_window(shared: &Shared, pane: &Pane, header: &Header, replaces: &Replaces, id: u64) -> Result<()> {
    let Named { sources, metrics } = names_of(shared, pane);
    let sources_of = sources_by_metric(pane, &sources, &metrics);
    let mut writer = SegmentWriter::create(&*shared.storage, &tmp_name(id), header)?;
    let rows: Vec<Option<&SourceRows>> = sources.iter().map(|(_, s)| pane.rows.get(s)).collect();
    let mut clocks = Clocks::default();
    // Nearly all series of a block have its times. Those of the widest are what pages of the source
    // have without saying so; the others are written when they are first needed.
    let mut block_clocks: Vec<Vec<Option<Vec<u32>>>> = Vec::with_capacity(rows.len());
    for (number, rows) in (0u32..).zip(&rows) {
        let blocks = rows.map_or(&[][..], |rows| &rows.blocks);
        let mut of_blocks = vec![None; blocks.len()];
        let wide = (0..blocks.len()).filter(|b| is_whole(pane, &blocks[*b]));
        if let Some(widest) = wide.max_by_key(|b| blocks[*b].layout.metrics.len()) {
            let numbers = clocks.of(&mut writer, &blocks[widest].times)?.to_vec();
            if let Some(first) = numbers.first() {
                writer.default_clock(number, *first);
            }
            of_blocks[widest] = Some(numbers);
        }
        block_clocks.push(of_blocks);
    }
    let mut column: Vec<f64> = Vec::new();
    let mut samples: Vec<(i64, f64)> = Vec::new();
    let mut times: Vec<i64> = Vec::new();
    for (m, (_, _, metric)) in metrics.iter().enumerate() {
        writer.begin(m as u32, Column::Value)?;
        for &s_number in &sources_of[m] {
            let s = s_number as usize;
            let source = &sources[s].1;
            if let Some((b, slot)) = whole_block(pane, rows[s], *source, *metric) {
                let block = &rows[s].map_or(&[][..], |rows| &rows.blocks)[b];
                column.clear();
                block.column(slot, 0..block.times.len(), &mut column);
                if !column.iter().any(|v| is_absent(*v)) {
                    let known = &mut block_clocks[s][b];
                    let numbers = match known {
                        Some(numbers) => numbers,
                        None => known.insert(clocks.of(&mut writer, &block.times)?.to_vec()),
                    };
                    for (page, clock) in column.chunks(MAX_PAGE_VALUES).zip(numbers) {
                        writer.page(s_number, *clock, page.iter().copied())?;
                    }
                    continue;
                }
            }
            samples.clear();
            pane.series(*source, *metric, (header.from_ms, header.to_ms - 1), u64::MAX, &mut samples);
            if samples.is_empty() {
                continue;
            }
            times.clear();
            times.extend(samples.iter().map(|p| p.0));
            let numbers = clocks.of(&mut writer, &times)?.to_vec();
            for (page, clock) in samples.chunks(MAX_PAGE_VALUES).zip(numbers) {
                writer.page(s_number, clock, page.iter().map(|p| p.1))?;
            }
        }
    }
    let metrics: Vec<(Labels, Kind)> = metrics.into_iter().map(|(l, k, _)| (l, k)).collect();
    let sources: Vec<Labels> = sources.into_iter().map(|(l, _)| l).collect();
    writer.finish(&metrics, &sources, replaces)?;
    Ok(())
}

/// For each metric the places of the sources that have it, ascending. Many metrics are of few
/// sources: asking each source for each metric would take hours.
fn sources_by_metric(
    pane: &Pane,
    sources: &[(Labels, u32)],
    metrics: &[(Labels, Kind, u32)],
) -> Vec<Vec<u32>> {
    let places: HashMap<u32, usize> = metrics.iter().enumerate().map(|(at, m)| (m.2, at)).collect();
    let mut sources_of: Vec<Vec<u32>> = vec![Vec::new(); metrics.len()];
    for (s, (_, source)) in (0u32..).zip(sources) {
        for metric in pane.metrics_of(*source) {
            if let Some(list) = places.get(&metric).map(|at| &mut sources_of[*at])
                && list.last() != Some(&s)
            {
                list.push(s);
            }
        }
    }
    sources_of
}

/// Whether the rows of a block are in order and all within the pane's window.
fn is_whole(pane: &Pane, block: &Block) -> bool {
    block.sorted && pane.window.is_some() && !block.times.is_empty()
}

/// The block that has all samples of a series, and where in its rows they stand; none when they are
/// spread, or out of order.
fn whole_block(pane: &Pane, rows: Option<&SourceRows>, source: u32, metric: u32) -> Option<(usize, usize)> {
    let blocks = rows?.blocks.iter().enumerate();
    let mut having = blocks.filter_map(|(b, block)| Some((b, block, block.layout.slot(metric)?)));
    let (b, block, slot) = having.next()?;
    let alone = having.next().is_none() && !pane.has_singles(source, metric);
    (alone && is_whole(pane, block)).then_some((b, slot))
}

/// Sources and metrics with their numbers, sorted by labels.
struct Named {
    sources: Vec<(Labels, u32)>,
    metrics: Vec<(Labels, Kind, u32)>,
}

fn names_of(shared: &Shared, pane: &Pane) -> Named {
    let names = read(&shared.names);
    let sources: BTreeSet<u32> = pane.sources().collect();
    let metrics: BTreeSet<u32> = sources.iter().flat_map(|s| pane.metrics_of(*s)).collect();
    let mut sources: Vec<(Labels, u32)> =
        sources.iter().filter_map(|s| Some((names.sources.get(*s)?.0.clone(), *s))).collect();
    sources.sort();
    let mut metrics: Vec<(Labels, Kind, u32)> = metrics
        .iter()
        .filter_map(|m| names.metrics.get(*m).map(|(labels, kind)| (labels.clone(), *kind, *m)))
        .collect();
    metrics.sort_by(|a, b| a.0.cmp(&b.0));
    Named { sources, metrics }
}
