//! What takes the room in a store: by metric and by source.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::error::{Error, Result};
use crate::labels::{Kind, Labels};
use crate::query::Snapshot;
use crate::segment::Tier;
use crate::store::{OpenSegment, read};

/// What the segments have of one metric with its own labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricUsage {
    /// Its name and own labels, without those of its sources.
    pub labels: Labels,
    /// What kind of number it is.
    pub kind: Kind,
    /// Series with raw samples.
    pub series: u64,
    /// Raw samples.
    pub samples: u64,
    /// Bytes of raw samples.
    pub raw_bytes: u64,
    /// Bytes of rollups.
    pub rollup_bytes: u64,
}

/// What the segments have of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceUsage {
    /// Its labels.
    pub labels: Labels,
    /// Series with raw samples.
    pub series: u64,
    /// Raw samples.
    pub samples: u64,
    /// Bytes of raw samples; what sources share in a chunk counts in equal parts.
    pub raw_bytes: u64,
}

/// What takes the room in the segments of a store.
#[derive(Debug, Default)]
pub struct Usage {
    /// Sorted by labels.
    pub metrics: Vec<MetricUsage>,
    /// Sorted by labels.
    pub sources: Vec<SourceUsage>,
    /// Bytes that are of no metric: names, clocks and the index of each file.
    pub index_bytes: u64,
    /// What could not be read; its bytes count, its samples do not.
    pub damage: Vec<Error>,
}

#[derive(Default)]
struct OfMetric {
    sources: HashSet<u32>,
    samples: u64,
    raw_bytes: u64,
    rollup_bytes: u64,
}

#[derive(Default)]
struct OfSource {
    series: u64,
    samples: u64,
    raw_bytes: u64,
}

#[derive(Default)]
struct Count {
    metrics: HashMap<u32, OfMetric>,
    sources: HashMap<u32, OfSource>,
    index_bytes: u64,
}

impl Snapshot {
    /// Counts what the segments have of each metric and source. All raw chunks are read for that, as
    /// only they know; `progress` hears how many of how many bytes of files are done.
    ///
    /// # Errors
    /// When a file cannot be read at all. Damage is no error; it is named in the [`Usage`].
    pub fn usage(&self, mut progress: impl FnMut(u64, u64)) -> Result<Usage> {
        let (shared, view) = self.parts();
        let mut usage = Usage::default();
        let mut count = Count::default();
        let all = view.segments.iter().map(|s| s.segment.size_bytes).sum();
        let mut before = 0;
        for open in &view.segments {
            count.segment(open, &mut usage.damage, |done| progress(before + done, all))?;
            before += open.segment.size_bytes;
            progress(before, all);
        }
        let names = read(&shared.names);
        let metrics = count.metrics.into_iter().filter_map(|(number, of)| {
            let (labels, kind) = names.metrics.get(number)?.clone();
            let (samples, raw_bytes, rollup_bytes) = (of.samples, of.raw_bytes, of.rollup_bytes);
            let series = of.sources.len() as u64;
            Some((labels.clone(), MetricUsage { labels, kind, series, samples, raw_bytes, rollup_bytes }))
        });
        usage.metrics = metrics.collect::<BTreeMap<_, _>>().into_values().collect();
        let sources = count.sources.into_iter().filter_map(|(number, of)| {
            let labels = names.sources.get(number)?.0.clone();
            let (series, samples, raw_bytes) = (of.series, of.samples, of.raw_bytes);
            Some((labels.clone(), SourceUsage { labels, series, samples, raw_bytes }))
        });
        usage.sources = sources.collect::<BTreeMap<_, _>>().into_values().collect();
        usage.index_bytes = count.index_bytes;
        Ok(usage)
    }
}

impl Count {
    fn segment(
        &mut self,
        open: &OpenSegment,
        damage: &mut Vec<Error>,
        mut progress: impl FnMut(u64),
    ) -> Result<()> {
        let segment = &open.segment;
        let mut in_chunks = 0;
        for entry in &segment.chunks {
            let bytes = u64::from(entry.place.len);
            in_chunks += bytes;
            let number = open.metrics[entry.metric as usize];
            let metric = self.metrics.entry(number).or_default();
            if segment.header.tier != Tier::Raw {
                metric.rollup_bytes += bytes;
                continue;
            }
            metric.raw_bytes += bytes;
            let content = segment.bytes(&entry.place);
            let pages = match content.and_then(|c| Ok(segment.chunk(entry, &c)?.pages)) {
                Ok(pages) => pages,
                Err(error @ Error::Damaged { .. }) => {
                    damage.push(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let bodies: u64 = pages.iter().map(|p| p.len as u64).sum();
            let shared = bytes.saturating_sub(bodies);
            let parts = pages.len().max(1) as u64;
            for (at, page) in (0..).zip(&pages) {
                let number = open.sources[page.source as usize];
                let source = self.sources.entry(number).or_default();
                source.series += u64::from(metric.sources.insert(number));
                source.samples += page.values as u64;
                // Divided so that all parts add up.
                source.raw_bytes += page.len as u64 + shared / parts + u64::from(at < shared % parts);
                metric.samples += page.values as u64;
            }
            progress(in_chunks);
        }
        self.index_bytes += segment.size_bytes.saturating_sub(in_chunks);
        Ok(())
    }
}
