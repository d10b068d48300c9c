//! The head: samples that are in the log but not yet in a segment.
//!
//! It consists of panes. A pane has the samples of one window of time, or those that came too late
//! for theirs. Rows are appended in the order they come, each with the number of its commit, so that
//! a reader sees exactly the commits that were complete when it began. The last rows of a source are
//! as they came, the others packed in frames.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::frame::{FRAME_ROWS, Frame};
use crate::index::Layout;
use crate::wal::{ABSENT, is_absent};

/// Rough cost of an entry in the maps below, bytes.
const ENTRY_BYTES: usize = 96;

/// What a row takes beside its values, about: its pointer, and what the allocator adds.
const ROW_BYTES: usize = 32;

/// Rows of one source in one layout.
pub(crate) struct Block {
    pub(crate) layout: Arc<Layout>,
    pub(crate) times: Vec<i64>,
    newest: Option<i64>,
    commits: Vec<u64>,
    frames: Vec<Frame>,
    /// The rows after the frames.
    tail: Vec<Box<[f64]>>,
    /// Rows of the tail that become a frame.
    full: usize,
    /// Whether the times ascend.
    pub(crate) sorted: bool,
}

impl Block {
    fn new(source: u32, layout: Arc<Layout>) -> Block {
        Block {
            layout,
            times: Vec::new(),
            newest: None,
            commits: Vec::new(),
            frames: Vec::new(),
            tail: Vec::new(),
            // Not all sources of a fleet at the same moment: tails are on average half full.
            full: 1 + source as usize % FRAME_ROWS,
            sorted: true,
        }
    }

    /// Adds a row and returns by how many bytes it grew.
    fn push(&mut self, time: i64, commit: u64, values: &[f64]) -> isize {
        self.sorted &= self.times.last().is_none_or(|last| *last < time);
        self.times.push(time);
        self.newest = self.newest.max(Some(time));
        self.commits.push(commit);
        self.tail.push(values.into());
        let row_bytes = (size_of_val(values) + ROW_BYTES) as isize;
        let mut grown = row_bytes + 2 * size_of::<i64>() as isize;
        if self.tail.len() >= self.full {
            let frame = Frame::pack(self.times.len() - self.tail.len(), &self.tail);
            grown += frame.bytes() as isize - row_bytes * self.tail.len() as isize;
            self.frames.push(frame);
            self.tail.clear();
            self.full = FRAME_ROWS;
        }
        grown
    }

    /// Appends the values of a metric's column to `out`: of some rows, in the order they came.
    pub(crate) fn column(&self, slot: usize, rows: Range<usize>, out: &mut Vec<f64>) {
        let before = out.len();
        let first = self.frames.partition_point(|f| f.from + f.rows <= rows.start);
        let mut from = self.frames.get(first).map_or(rows.start, |f| f.from);
        let skipped = rows.start - from;
        for frame in self.frames[first..].iter().take_while(|f| f.from < rows.end) {
            frame.column(slot, self.layout.metrics.len(), out);
            from = frame.from + frame.rows;
        }
        let in_frames = self.frames.last().map_or(0, |f| f.from + f.rows);
        if rows.end > in_frames {
            let tail = &self.tail[from.max(in_frames) - in_frames..rows.end - in_frames];
            out.extend(tail.iter().map(|row| row[slot]));
        }
        out.drain(before..before + skipped);
        out.truncate(before + rows.len());
    }

    fn has_time(&self, time: i64) -> bool {
        if self.newest.is_none_or(|newest| newest < time) {
            return false;
        }
        if self.sorted { self.times.binary_search(&time).is_ok() } else { self.times.contains(&time) }
    }

    fn value(&self, slot: usize, row: usize) -> f64 {
        let mut one = Vec::with_capacity(FRAME_ROWS);
        self.column(slot, row..row + 1, &mut one);
        one.first().copied().unwrap_or(ABSENT)
    }
}

/// All rows of one source.
#[derive(Default)]
pub(crate) struct SourceRows {
    pub(crate) blocks: Vec<Block>,
}

/// A sample that came by itself.
#[derive(Clone, Copy, Debug)]
struct Single {
    time: i64,
    value: f64,
    commit: u64,
}

/// Up to so many samples that came out of order are kept in one run.
const RUN: usize = 64;

/// The samples of a series that came by themselves. However they come, each is moved only a few times:
/// those out of order are in runs of their own, and runs of a size are merged.
#[derive(Default)]
struct Singles {
    /// By time.
    list: Vec<Single>,
    /// The others; most series have none.
    late: Option<Box<Runs>>,
}

/// Each by time, of no two is the older one less than twice as long.
#[derive(Default)]
struct Runs {
    runs: Vec<Vec<Single>>,
}

impl Singles {
    fn has(&self, time: i64) -> bool {
        has_time(&self.list, time) || self.runs().iter().any(|run| has_time(run, time))
    }

    fn runs(&self) -> &[Vec<Single>] {
        self.late.as_ref().map_or(&[], |late| &late.runs)
    }

    fn len(&self) -> usize {
        self.list.len() + self.runs().iter().map(Vec::len).sum::<usize>()
    }

    /// All samples, those of a run by time.
    fn iter(&self) -> impl Iterator<Item = &Single> {
        self.list.iter().chain(self.runs().iter().flatten())
    }

    /// Adds a sample of a time that there is none of.
    fn add(&mut self, single: Single) {
        if self.list.last().is_none_or(|last| last.time < single.time) {
            self.list.push(single);
            return;
        }
        let runs = &mut self.late.get_or_insert_default().runs;
        match runs.last_mut() {
            Some(run) if run.len() < RUN => {
                let place = run.partition_point(|p| p.time < single.time);
                run.insert(place, single);
                return;
            }
            _ => runs.push(vec![single]),
        }
        // Without the one just begun.
        while runs.len() > 2 && runs[runs.len() - 3].len() < 2 * runs[runs.len() - 2].len() {
            let newer = runs.remove(runs.len() - 2);
            let older = runs.len() - 2;
            merge(&mut runs[older], newer);
        }
        if runs[0].len() >= self.list.len().max(RUN) {
            let newer = runs.remove(0);
            merge(&mut self.list, newer);
        }
    }
}

fn has_time(run: &[Single], time: i64) -> bool {
    // Most samples come in order.
    run.last().is_some_and(|last| last.time >= time) && run.binary_search_by_key(&time, |p| p.time).is_ok()
}

/// The sort finds the two runs and merges them.
fn merge(run: &mut Vec<Single>, other: Vec<Single>) {
    run.extend(other);
    run.sort_by_key(|p| p.time);
}

/// A part of the head.
#[derive(Default)]
pub(crate) struct Pane {
    /// The window whose samples these are; `None`: those that came late.
    pub(crate) window: Option<(i64, i64)>,
    /// Numbers of the logs that the samples are in.
    pub(crate) logs: Vec<u64>,
    /// Size of those logs.
    pub(crate) log_bytes: u64,
    /// Once it is to become a segment: its place in the order of arrival.
    pub(crate) frozen: Option<u64>,
    /// When the first sample came.
    pub(crate) since_ms: i64,
    /// By source.
    pub(crate) rows: HashMap<u32, SourceRows>,
    /// By source and metric.
    singles: HashMap<u32, HashMap<u32, Singles>>,
    pub(crate) samples: u64,
    pub(crate) bytes: usize,
}

/// What became of a row or sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) samples: u64,
    pub(crate) duplicates: u64,
}

impl Pane {
    pub(crate) fn new(window: Option<(i64, i64)>, now_ms: i64) -> Pane {
        Pane { window, since_ms: now_ms, ..Pane::default() }
    }

    /// Adds a row; values for which there is a sample of that time already are dropped.
    pub(crate) fn row(
        &mut self,
        source: u32,
        layout: &Arc<Layout>,
        time: i64,
        values: &[f64],
        commit: u64,
    ) -> Applied {
        let singles = self.singles.get(&source).filter(|s| !s.is_empty());
        let rows = self.rows.entry(source).or_default();
        let mut blanked: Option<Vec<f64>> = None;
        let mut applied = Applied::default();
        // A report is several rows of the same time, so there mostly are some.
        let of_that_time: Vec<&Block> = rows.blocks.iter().filter(|b| b.has_time(time)).collect();
        if !of_that_time.is_empty() || singles.is_some() {
            let taken = |metric: u32| {
                of_that_time.iter().any(|b| has(b, metric, time))
                    || singles.and_then(|s| s.get(&metric)).is_some_and(|s| s.has(time))
            };
            for (i, metric) in layout.metrics.iter().enumerate() {
                if !is_absent(values[i]) && taken(*metric) {
                    blanked.get_or_insert_with(|| values.to_vec())[i] = ABSENT;
                    applied.duplicates += 1;
                }
            }
        }
        let values = blanked.as_deref().unwrap_or(values);
        applied.samples = values.iter().filter(|v| !is_absent(**v)).count() as u64;
        if applied.samples == 0 {
            return applied;
        }
        let at = rows.blocks.iter().rposition(|b| b.layout.number == layout.number).unwrap_or_else(|| {
            rows.blocks.push(Block::new(source, layout.clone()));
            self.bytes += ENTRY_BYTES + size_of::<Block>();
            rows.blocks.len() - 1
        });
        self.bytes = self.bytes.saturating_add_signed(rows.blocks[at].push(time, commit, values));
        self.samples += applied.samples;
        applied
    }

    /// Adds a sample, unless there is one of that series and time already.
    pub(crate) fn sample(&mut self, source: u32, metric: u32, time: i64, value: f64, commit: u64) -> Applied {
        let in_rows =
            self.rows.get(&source).is_some_and(|rows| rows.blocks.iter().any(|b| has(b, metric, time)));
        let singles = self.singles.entry(source).or_default().entry(metric).or_default();
        if in_rows || singles.has(time) {
            return Applied { samples: 0, duplicates: 1 };
        }
        self.bytes += size_of::<Single>() + if singles.list.is_empty() { ENTRY_BYTES } else { 0 };
        singles.add(Single { time, value, commit });
        self.samples += 1;
        Applied { samples: 1, duplicates: 0 }
    }

    /// All sources with samples.
    pub(crate) fn sources(&self) -> impl Iterator<Item = u32> {
        self.rows.keys().chain(self.singles.keys()).copied()
    }

    /// Whether there are samples of a source.
    pub(crate) fn has_source(&self, source: u32) -> bool {
        self.rows.contains_key(&source) || self.singles.contains_key(&source)
    }

    /// All metrics a source has samples of, possibly several times.
    pub(crate) fn metrics_of(&self, source: u32) -> impl Iterator<Item = u32> {
        let rows = self.rows.get(&source).into_iter();
        let singles = self.singles.get(&source).into_iter();
        rows.flat_map(|r| r.blocks.iter().flat_map(|b| b.layout.metrics.iter().copied()))
            .chain(singles.flat_map(|s| s.keys().copied()))
    }

    /// Whether a series has samples outside of rows.
    pub(crate) fn has_singles(&self, source: u32, metric: u32) -> bool {
        self.singles.get(&source).is_some_and(|s| s.contains_key(&metric))
    }

    /// How many samples there are of a series, with rows that have no value of it.
    pub(crate) fn samples_at_most(&self, source: u32, metric: u32) -> usize {
        let blocks = self.rows.get(&source).map_or(&[][..], |r| &r.blocks).iter();
        let in_rows: usize = blocks.filter(|b| b.layout.slot(metric).is_some()).map(|b| b.times.len()).sum();
        let singles = self.singles.get(&source).and_then(|s| s.get(&metric));
        in_rows + singles.map_or(0, Singles::len)
    }

    /// Appends the samples of a series between two times (both included) that came with a commit up
    /// to `until`, sorted by time.
    pub(crate) fn series(
        &self,
        source: u32,
        metric: u32,
        (from, to): (i64, i64),
        until: u64,
        out: &mut Vec<(i64, f64)>,
    ) {
        let begin = out.len();
        let mut values = Vec::new();
        for block in self.rows.get(&source).map_or(&[][..], |r| &r.blocks) {
            let Some(slot) = block.layout.slot(metric) else { continue };
            let rows = block.commits.partition_point(|c| *c <= until);
            let (first, last) = if block.sorted {
                (
                    block.times.partition_point(|t| *t < from),
                    block.times.partition_point(|t| *t <= to).min(rows),
                )
            } else {
                (0, rows)
            };
            if first >= last {
                continue;
            }
            values.clear();
            block.column(slot, first..last, &mut values);
            let rows = block.times[first..last].iter().copied().zip(values.iter().copied());
            out.extend(rows.filter(|(time, value)| !is_absent(*value) && (from..=to).contains(time)));
        }
        if let Some(singles) = self.singles.get(&source).and_then(|s| s.get(&metric)) {
            let within = |p: &&Single| p.commit <= until && (from..=to).contains(&p.time);
            out.extend(singles.iter().filter(within).map(|p| (p.time, p.value)));
        }
        if !out[begin..].is_sorted_by_key(|p| p.0) {
            out[begin..].sort_by_key(|p| p.0);
        }
    }

    /// The time of each row and single sample.
    pub(crate) fn all_times(&self) -> impl Iterator<Item = i64> {
        let rows = self.rows.values().flat_map(|r| r.blocks.iter().flat_map(|b| b.times.iter().copied()));
        let singles = self.singles.values().flat_map(|s| s.values().flat_map(Singles::iter).map(|p| p.time));
        rows.chain(singles)
    }

    /// First and last time of all samples.
    pub(crate) fn times(&self) -> Option<(i64, i64)> {
        let mut all = self.all_times();
        let first = all.next()?;
        Some(all.fold((first, first), |(low, high), t| (low.min(t), high.max(t))))
    }
}

fn has(block: &Block, metric: u32, time: i64) -> bool {
    let Some(slot) = block.layout.slot(metric) else { return false };
    if block.sorted {
        return block.times.binary_search(&time).is_ok_and(|row| !is_absent(block.value(slot, row)));
    }
    // A time may stand in several rows, each with other values.
    let mut rows = block.times.iter().enumerate().filter(|(_, t)| **t == time);
    rows.any(|(row, _)| !is_absent(block.value(slot, row)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::NameTables;

    fn layouts() -> (Arc<Layout>, Arc<Layout>) {
        let mut names = NameTables::default();
        (names.layout(vec![0, 1]), names.layout(vec![1, 2]))
    }

    fn series(pane: &Pane, metric: u32, until: u64) -> Vec<(i64, f64)> {
        let mut out = Vec::new();
        pane.series(5, metric, (i64::MIN, i64::MAX), until, &mut out);
        out
    }

    #[test]
    fn the_first_sample_of_a_time_wins_however_it_comes() {
        let (a, b) = &layouts();
        let mut pane = Pane::new(Some((0, 100)), 0);
        pane.row(5, a, 10, &[1.0, 2.0], 1);
        let again = pane.row(5, b, 10, &[9.0, 3.0], 2);
        assert_eq!(again, Applied { samples: 1, duplicates: 1 });
        assert_eq!(pane.sample(5, 0, 10, 9.0, 3).duplicates, 1);
        assert_eq!(pane.sample(5, 7, 10, 4.0, 3).samples, 1);
        assert_eq!(pane.sample(5, 7, 10, 9.0, 3).duplicates, 1);
        pane.sample(5, 0, 5, 8.0, 3);
        pane.sample(5, 7, 3, 4.5, 3);
        assert_eq!(pane.sample(5, 7, 10, 9.0, 3).duplicates, 1);
        assert_eq!(pane.row(5, a, 5, &[9.0, ABSENT], 4), Applied { samples: 0, duplicates: 1 });
        pane.row(5, a, 4, &[ABSENT, 7.0], 4);
        assert_eq!(pane.row(5, a, 4, &[6.0, 9.0], 5), Applied { samples: 1, duplicates: 1 });
        assert_eq!(pane.row(5, a, 4, &[9.0, 9.0], 5), Applied { samples: 0, duplicates: 2 });
        assert_eq!(series(&pane, 0, 9), [(4, 6.0), (5, 8.0), (10, 1.0)]);
        assert_eq!(series(&pane, 1, 9), [(4, 7.0), (10, 2.0)]);
        assert_eq!(series(&pane, 2, 9), [(10, 3.0)]);
        assert_eq!(series(&pane, 7, 9), [(3, 4.5), (10, 4.0)]);
        assert_eq!(pane.samples, 8);
        assert_eq!(pane.times(), Some((3, 10)));
    }

    #[test]
    fn a_reader_sees_only_the_commits_it_knows_of() {
        let (a, _) = &layouts();
        let mut pane = Pane::new(None, 0);
        pane.row(5, a, 20, &[1.0, 2.0], 1);
        pane.row(5, a, 10, &[3.0, ABSENT], 2);
        assert_eq!(series(&pane, 0, 1), [(20, 1.0)]);
        assert_eq!(series(&pane, 0, 2), [(10, 3.0), (20, 1.0)]);
        assert_eq!(series(&pane, 1, 2), [(20, 2.0)]);
        let mut out = Vec::new();
        pane.series(5, 0, (10, 19), 2, &mut out);
        assert_eq!(out, [(10, 3.0)]);
    }

    #[test]
    fn no_sample_is_moved_often_whatever_the_order() {
        const COUNT: i64 = 40_000;
        let descending = |i| COUNT - i;
        // A block of new ones, then the block before.
        let in_blocks = |i| (COUNT / 1_000 - i / 1_000) * 1_000 + i % 1_000;
        let scattered = |i| i * 7_919 % COUNT;
        let ascending = |i| i;
        for (order, most_runs) in
            [(&descending as &dyn Fn(i64) -> i64, 15), (&in_blocks, 15), (&scattered, 15), (&ascending, 0)]
        {
            let mut pane = Pane::new(None, 0);
            for i in 0..COUNT {
                assert_eq!(pane.sample(5, 1, order(i), i as f64, 1).samples, 1);
                if i % 1_000 == 999 {
                    let singles = &pane.singles[&5][&1];
                    let runs = singles.runs();
                    assert!(runs.len() <= most_runs, "{} runs", runs.len());
                    let grow =
                        |pair: &[Vec<Single>]| pair[0].len() >= 2 * pair[1].len() || pair[1].len() <= RUN;
                    assert!(runs.windows(2).all(grow), "merges are of samples of other sizes");
                    assert_eq!(singles.len() as i64, i + 1);
                }
            }
            for i in 0..COUNT {
                assert_eq!(pane.sample(5, 1, order(i), 0.5, 2).duplicates, 1);
            }
            let all = series(&pane, 1, 1);
            assert!(all.len() as i64 == COUNT && all.is_sorted_by(|a, b| a.0 < b.0));
            assert!((0..COUNT).all(|i| all[(order(i) - all[0].0) as usize] == (order(i), i as f64)));
            assert_eq!(pane.samples_at_most(5, 1), all.len());
            assert_eq!(pane.times(), Some((all[0].0, all[all.len() - 1].0)));
        }
    }
}
