//! Where the book's samples go: the store, or nowhere.

use std::sync::{Arc, OnceLock};

use chasar_tsdb::{Kind, LabelError, Labels, LayoutHandle, NAME, SourceHandle, Writer};
use chasar_wire::catalog;

use super::row::{Layout, SeriesOf};

/// The value of `job` that all series of nodes have.
pub(crate) const JOB: &str = "chasar";

/// The bits of Prometheus' staleness marker (`StaleNaN`): the series ends here.
const STALE_BITS: u64 = 0x7FF0_0000_0000_0002;

/// The series ends here; of what comes later nothing is said.
pub(crate) const STALE: f64 = f64::from_bits(STALE_BITS);

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
}

impl Source {
    pub(crate) fn new(instance: Arc<str>) -> Source {
        Source { instance, handle: OnceLock::new() }
    }
}

/// Takes the samples of nodes.
pub(crate) trait Keep {
    /// The values of a layout at a time.
    fn row(&mut self, source: &Source, layout: &Layout, at_ms: i64, values: &[f64]);

    /// Whether reports of the node come; `None` when it is not a node of ours any more.
    fn up(&mut self, source: &Source, at_ms: i64, is_up: Option<bool>);
}

/// Without history there is nothing to keep them in.
impl<K: Keep> Keep for Option<K> {
    fn row(&mut self, source: &Source, layout: &Layout, at_ms: i64, values: &[f64]) {
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

/// Writes into a store.
pub(crate) struct Scribe {
    writer: Writer,
    up: LayoutHandle,
}

impl Scribe {
    pub(crate) fn new(writer: Writer) -> Result<Scribe, LabelError> {
        let up = writer.layout([(&Labels::new([(NAME, "up")])?, Kind::Gauge)]);
        Ok(Scribe { writer, up })
    }

    /// Makes all that was kept durable; what is wrong with the store is in its health.
    pub(crate) fn commit(&mut self, now_ms: i64) {
        // Counted by the store, and said by the upkeep.
        let _ = self.writer.commit(now_ms);
    }

    fn source<'a>(&self, source: &'a Source) -> &'a SourceHandle {
        source.handle.get_or_init(|| {
            let labels = [("instance", &*source.instance), ("job", JOB)];
            // A host name has at most 255 bytes, so these are always labels.
            self.writer.source(&Labels::new(labels).unwrap_or_else(|_| Labels::empty()))
        })
    }

    fn layout<'a>(&self, layout: &'a Layout) -> &'a LayoutHandle {
        layout.handle.get_or_init(|| {
            let metrics: Vec<_> = layout.series().map(|series| (labels(series), kind(series))).collect();
            self.writer.layout(metrics.iter().map(|(labels, kind)| (labels, *kind)))
        })
    }
}

impl Keep for Scribe {
    fn row(&mut self, source: &Source, layout: &Layout, at_ms: i64, values: &[f64]) {
        let (source, layout) = (self.source(source).clone(), self.layout(layout).clone());
        let taken = self.writer.row(&source, &layout, at_ms, values);
        debug_assert!(taken.is_ok(), "{taken:?}");
    }

    fn up(&mut self, source: &Source, at_ms: i64, is_up: Option<bool>) {
        let source = self.source(source).clone();
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
