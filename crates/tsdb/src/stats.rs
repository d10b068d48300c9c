//! Figures about a store.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use crate::labels::Labels;
use crate::query::Snapshot;
use crate::segment::Tier;
use crate::store::{Store, read};

/// Files of one tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierStats {
    /// Files.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
    /// Values in them: samples, or columns of rollups.
    pub values: u64,
    /// First and last time, Unix milliseconds; `None` without files.
    pub times_ms: Option<(i64, i64)>,
}

/// Figures about a store. Counters count from its opening.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Raw samples on disk.
    pub raw: TierStats,
    /// Rollups of a minute.
    pub minute: TierStats,
    /// Rollups of an hour.
    pub hour: TierStats,
    /// Samples in the head.
    pub head_samples: u64,
    /// Memory that the head takes, about.
    pub head_bytes: u64,
    /// Size of the logs.
    pub log_bytes: u64,
    /// Metrics (with their own labels) that are known.
    pub metrics: u64,
    /// Sources that are known.
    pub sources: u64,
    /// Memory that their names take, about.
    pub name_bytes: u64,
    /// Samples written.
    pub accepted_total: u64,
    /// Samples dropped since there was one of that series and time.
    pub duplicates_total: u64,
    /// Samples dropped since they were older than raw samples are kept.
    pub too_old_total: u64,
    /// Samples dropped since they were too far ahead of the clock.
    pub too_new_total: u64,
    /// Samples dropped since the head was full.
    pub refused_total: u64,
    /// Samples dropped since the log could not be written.
    pub lost_total: u64,
    /// Files and chunks found damaged.
    pub damaged_total: u64,
}

impl Store {
    /// Figures about the store.
    pub fn stats(&self) -> Stats {
        let shared = &self.shared;
        let view = shared.view();
        let mut stats = Stats::default();
        for open in &view.segments {
            let segment = &open.segment;
            let tier = match segment.header.tier {
                Tier::Raw => &mut stats.raw,
                Tier::Minute => &mut stats.minute,
                Tier::Hour => &mut stats.hour,
            };
            tier.files += 1;
            tier.bytes += segment.size_bytes;
            tier.values += segment.values;
            let times = tier.times_ms.unwrap_or(segment.times);
            tier.times_ms = Some((times.0.min(segment.times.0), times.1.max(segment.times.1)));
        }
        for pane in &view.panes {
            let pane = read(pane);
            stats.head_samples += pane.samples;
            stats.head_bytes += pane.bytes as u64;
            stats.log_bytes += pane.log_bytes;
        }
        let names = read(&shared.names);
        stats.metrics = names.metrics.len() as u64;
        stats.sources = names.sources.len() as u64;
        stats.name_bytes = (names.metrics.bytes() + names.sources.bytes()) as u64;
        let counters = &shared.counters;
        for (figure, counter) in [
            (&mut stats.accepted_total, &counters.accepted),
            (&mut stats.duplicates_total, &counters.duplicates),
            (&mut stats.too_old_total, &counters.too_old),
            (&mut stats.too_new_total, &counters.too_new),
            (&mut stats.refused_total, &counters.refused),
            (&mut stats.lost_total, &counters.lost),
            (&mut stats.damaged_total, &counters.damaged),
        ] {
            *figure = counter.load(Ordering::Relaxed);
        }
        stats
    }
}

impl Snapshot {
    /// Bytes in segments of each metric (with its own labels), and the share of files' indexes as
    /// the empty set of labels.
    pub fn bytes_by_metric(&self) -> BTreeMap<Labels, u64> {
        let (_, view) = self.parts();
        let mut bytes: BTreeMap<Labels, u64> = BTreeMap::new();
        for open in &view.segments {
            let segment = &open.segment;
            let mut rest = segment.size_bytes;
            for chunk in &segment.chunks {
                let len = u64::from(chunk.place.len);
                *bytes.entry(segment.metrics[chunk.metric as usize].0.clone()).or_default() += len;
                rest -= len.min(rest);
            }
            *bytes.entry(Labels::empty()).or_default() += rest;
        }
        bytes
    }
}
