//! Where the book's samples go: the store, or nowhere.

use std::cell::Cell;
use std::sync::{Arc, OnceLock};

use chasar_tsdb::{Kind, LabelError, Labels, LayoutHandle, NAME, SeriesHandle, SourceHandle, Writer};
use chasar_wire::catalog;

use super::row::{Layout, SeriesOf};

/// The value of `job` that all series of nodes have.
pub(crate) const JOB: &str = "chasar";

/// The series ends here; of what comes later nothing is said.
pub(crate) use chasar_query::STALE;

/// Whether a value of a row says something about the host.
pub(crate) fn is_there(value: f64) -> bool {
    // No number of a report is a NaN: JSON has none.
    !value.is_nan()
}

/// A node as the store knows it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) instance: Arc<str>,
    handle: OnceLock<SourceHandle>,
    /// Time of the newest row that other stores were told of, Unix milliseconds.
    told_ms: Cell<i64>,
}

impl Source {
    pub(crate) fn new(instance: Arc<str>) -> Source {
        Source { instance, handle: OnceLock::new(), told_ms: Cell::new(i64::MIN) }
    }

    /// Whether newer rows of it were told of before this one.
    pub(crate) fn is_late(&self, at_ms: i64) -> bool {
        let newest = self.told_ms.get().max(at_ms);
        self.told_ms.set(newest);
        at_ms < newest
    }
}

/// Takes the samples of nodes.
pub(crate) trait Keep {
    /// The values of a layout at a time.
    fn row(&mut self, source: &Source, layout: &Arc<Layout>, at_ms: i64, values: &[f64]);

    /// Whether reports of the node come; `None` when it is not a node of ours any more.
    fn up(&mut self, source: &Source, at_ms: i64, is_up: Option<bool>);
}

/// Without history there is nothing to keep them in.
impl<K: Keep> Keep for Option<K> {
    fn row(&mut self, source: &Source, layout: &Arc<Layout>, at_ms: i64, values: &[f64]) {
        if let Some(keep) = self {
            keep.row(source, layout, at_ms, values);
        }
    }

    fn up(&mut self, source: &Source, at_ms: i64, is_up: Option<bool>) {
        if let Some(keep) = self {
            keep.up(source, at_ms, is_up);
        }
    }
}

/// Both, one after the other.
impl<A: Keep, B: Keep> Keep for (A, B) {
    fn row(&mut self, source: &Source, layout: &Arc<Layout>, at_ms: i64, values: &[f64]) {
        self.0.row(source, layout, at_ms, values);
        self.1.row(source, layout, at_ms, values);
    }

    fn up(&mut self, source: &Source, at_ms: i64, is_up: Option<bool>) {
        self.0.up(source, at_ms, is_up);
        self.1.up(source, at_ms, is_up);
    }
}

/// Most memory for names of series, which hosts choose; what would be beyond it is not stored.
/// A fleet of 20,000 takes a tenth of that.
const MAX_NAME_BYTES: usize = 1 << 30;

/// Writes into a store.
pub(crate) struct Scribe {
    writer: Writer,
    up: LayoutHandle,
    max_name_bytes: usize,
    /// Whether the last commit was whole.
    is_good: bool,
    /// Samples that were not stored since their names would have been too many.
    pub(crate) unnamed: u64,
}

impl Scribe {
    pub(crate) fn new(writer: Writer) -> Result<Scribe, LabelError> {
        let up = writer.layout([(&Labels::new([(NAME, "up")])?, Kind::Gauge)]);
        Ok(Scribe { writer, up, max_name_bytes: MAX_NAME_BYTES, is_good: true, unnamed: 0 })
    }

    /// Makes all that was kept durable; what is wrong with the store is in its health.
    ///
    /// # Errors
    /// Why some of it was not stored; it is counted by the store, and said by the upkeep.
    pub(crate) fn commit(&mut self, now_ms: i64) -> Result<(), String> {
        let done = match self.writer.commit(now_ms) {
            Ok(done) if done.refused > 0 => Err("its memory is full".into()),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        self.is_good = done.is_ok();
        done
    }

    /// Where the last commit failed, commits what was kept: a disk that has room for reports alone gets
    /// them without what is received, whose senders have it still.
    ///
    /// # Errors
    /// As [`Scribe::commit`].
    pub(crate) fn commit_reports(&mut self, now_ms: i64) -> Result<(), String> {
        if self.is_good { Ok(()) } else { self.commit(now_ms) }
    }

    /// Takes samples that were received.
    pub(crate) fn received(&mut self, samples: &[(SeriesHandle, i64, f64)]) {
        for (series, time_ms, value) in samples {
            self.writer.sample(series, *time_ms, *value);
        }
    }

    fn is_full(&self) -> bool {
        self.writer.name_bytes() >= self.max_name_bytes
    }

    /// None when its name would be one too many.
    fn source<'a>(&self, source: &'a Source) -> Option<&'a SourceHandle> {
        if source.handle.get().is_none() && self.is_full() {
            return None;
        }
        Some(source.handle.get_or_init(|| {
            let labels = [("instance", &*source.instance), ("job", JOB)];
            // A host name has at most 255 bytes, so these are always labels.
            self.writer.source(&Labels::new(labels).unwrap_or_else(|_| Labels::empty()))
        }))
    }

    /// None when its names would be too many.
    fn layout<'a>(&self, layout: &'a Layout) -> Option<&'a LayoutHandle> {
        if layout.handle.get().is_none() && self.is_full() {
            return None;
        }
        Some(layout.handle.get_or_init(|| {
            let metrics: Vec<_> = layout.series().map(|series| (labels(series), kind(series))).collect();
            self.writer.layout(metrics.iter().map(|(labels, kind)| (labels, *kind)))
        }))
    }
}

impl Keep for Scribe {
    fn row(&mut self, source: &Source, layout: &Arc<Layout>, at_ms: i64, values: &[f64]) {
        let (Some(source), Some(layout)) = (self.source(source).cloned(), self.layout(layout).cloned())
        else {
            self.unnamed += values.iter().filter(|value| is_there(**value)).count() as u64;
            return;
        };
        let taken = self.writer.row(&source, &layout, at_ms, values);
        debug_assert!(taken.is_ok(), "{taken:?}");
    }

    fn up(&mut self, source: &Source, at_ms: i64, is_up: Option<bool>) {
        let Some(source) = self.source(source).cloned() else {
            self.unnamed += 1;
            return;
        };
        let value = is_up.map_or(STALE, |is_up| f64::from(u8::from(is_up)));
        let taken = self.writer.row(&source, &self.up, at_ms, &[value]);
        debug_assert!(taken.is_ok(), "{taken:?}");
    }
}

fn labels(series: SeriesOf<'_>) -> Labels {
    let named = [(NAME, series.metric.name)].into_iter();
    let all = Labels::new(named.clone().chain(series.labels()));
    // Labels that the store does not take have no values either, see `Layout::new`.
    all.or_else(|_| Labels::new(named)).unwrap_or_else(|_| Labels::empty())
}

fn kind(series: SeriesOf<'_>) -> Kind {
    match series.metric.kind {
        catalog::Kind::Counter => Kind::Counter,
        catalog::Kind::Gauge | catalog::Kind::Info => Kind::Gauge,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::row::{Part, Rows};

    #[test]
    fn hosts_cannot_fill_the_memory_with_names() {
        let folder = tempfile::tempdir().unwrap();
        let disk = chasar_tsdb::storage::Disk::open(folder.path()).unwrap();
        let (store, _) = chasar_tsdb::Store::open(Arc::new(disk), chasar_tsdb::Options::default()).unwrap();
        let mut scribe = Scribe::new(store.writer().unwrap()).unwrap();
        scribe.max_name_bytes = 100_000;
        let source = Source::new("h".into());
        let layout = |name: &str| {
            let mut rows = Rows::default();
            rows.push(Part::Processes, &catalog::process::CPU, &[name], 1.0);
            Arc::new(Layout::new(&rows.row(Part::Processes).shape))
        };
        let known = layout("known");
        scribe.row(&source, &known, 1_000, &[1.0]);
        for i in 0..1_000 {
            scribe.row(&source, &layout(&format!("{i:01000}")), 1_000, &[1.0]);
        }
        assert!(scribe.writer.name_bytes() < 110_000, "{}", scribe.writer.name_bytes());
        assert!(scribe.unnamed > 900, "{}", scribe.unnamed);
        // What is known goes on.
        let before = scribe.unnamed;
        scribe.row(&source, &known, 2_000, &[1.0]);
        assert_eq!(scribe.unnamed, before);
    }
}
