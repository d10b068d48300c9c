//! The writer: rows and samples in, commits out.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLock};

use crate::error::{Error, Result};
use crate::head::Pane;
use crate::index::Layout;
use crate::labels::{Kind, Labels};
use crate::options::Sync;
use crate::store::{Health, Shared, health_of, lock, log_name, read, write};
use crate::wal::{HEADER_BYTES, WalHeader, WalWriter, is_absent};

/// A source: the labels that say where samples come from. Kept known while held.
#[derive(Clone, Debug)]
pub struct SourceHandle(pub(crate) Arc<u32>);

/// A layout: the metrics that the values of a row are of, in order. Kept known while held.
#[derive(Clone, Debug)]
pub struct LayoutHandle(pub(crate) Arc<Layout>);

/// One series. Kept known while held.
#[derive(Clone, Debug)]
pub struct SeriesHandle {
    source: SourceHandle,
    /// A layout of the one metric.
    layout: LayoutHandle,
}

impl SeriesHandle {
    pub(crate) fn new(shared: &Shared, labels: &Labels, kind: Kind) -> SeriesHandle {
        let (source, metric) = labels.split(&shared.options.source_labels);
        let mut names = write(&shared.names);
        let source = SourceHandle(names.source(&source));
        let metric = names.metrics.number(&metric, kind);
        SeriesHandle { source, layout: LayoutHandle(names.layout(vec![metric])) }
    }

    /// None when a part of its name is not known.
    pub(crate) fn known(shared: &Shared, labels: &Labels) -> Option<SeriesHandle> {
        let (source, metric) = labels.split(&shared.options.source_labels);
        let mut names = write(&shared.names);
        names.sources.find(&source)?;
        let metric = names.metrics.find(&metric)?;
        let source = SourceHandle(names.source(&source));
        Some(SeriesHandle { source, layout: LayoutHandle(names.layout(vec![metric])) })
    }
}

/// What became of the samples of a commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Written.
    pub accepted: u64,
    /// Dropped: there is a sample of that series and time.
    pub duplicates: u64,
    /// Dropped: older than raw samples are kept.
    pub too_old: u64,
    /// Dropped: too far ahead of the clock.
    pub too_new: u64,
    /// Dropped: the head is full, since segments cannot be written.
    pub refused: u64,
}

enum Pending {
    Row { source: SourceHandle, layout: LayoutHandle, time: i64, from: usize },
    Single { series: SeriesHandle, time: i64, value: f64 },
}

impl Pending {
    fn time(&self) -> i64 {
        match self {
            Pending::Row { time, .. } | Pending::Single { time, .. } => *time,
        }
    }
}

/// A pane that takes samples, and its log.
struct OpenPane {
    window: Option<(i64, i64)>,
    pane: Arc<RwLock<Pane>>,
    /// `None` after it failed; the next commit begins a new one.
    log: Option<WalWriter>,
}

/// Appends to a store. Samples become visible, and durable, with [`Writer::commit`].
pub struct Writer {
    shared: Arc<Shared>,
    pending: Vec<Pending>,
    values: Vec<f64>,
    open: Vec<OpenPane>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.has_writer.store(false, Ordering::Release);
    }
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>) -> Writer {
        Writer { shared, pending: Vec::new(), values: Vec::new(), open: Vec::new() }
    }

    /// Memory that the names of all metrics and sources take, about. Names are forgotten when no file has
    /// samples of theirs any more; who takes them from strangers has to see that there are not too many.
    pub fn name_bytes(&self) -> usize {
        self.shared.name_bytes()
    }

    /// The source with these labels.
    pub fn source(&self, labels: &Labels) -> SourceHandle {
        SourceHandle(write(&self.shared.names).source(labels))
    }

    /// The layout of these metrics. Ask once, when a source says what it has, not for each row.
    pub fn layout<'a>(&self, metrics: impl IntoIterator<Item = (&'a Labels, Kind)>) -> LayoutHandle {
        let mut names = write(&self.shared.names);
        let metrics = metrics.into_iter().map(|(l, k)| names.metrics.number(l, k)).collect();
        LayoutHandle(names.layout(metrics))
    }

    /// The series with these labels, of whatever metric and source.
    pub fn series(&self, labels: &Labels, kind: Kind) -> SeriesHandle {
        SeriesHandle::new(&self.shared, labels, kind)
    }

    /// Takes a row: one value for each metric of the layout, [`ABSENT`](crate::ABSENT) for none.
    ///
    /// # Errors
    /// When the number of values is not that of the layout.
    pub fn row(
        &mut self,
        source: &SourceHandle,
        layout: &LayoutHandle,
        time_ms: i64,
        values: &[f64],
    ) -> Result<()> {
        let metrics = layout.0.metrics.len();
        if values.len() != metrics {
            return Err(Error::RowLength { values: values.len(), metrics });
        }
        let from = self.values.len();
        self.values.extend_from_slice(values);
        let (source, layout) = (source.clone(), layout.clone());
        self.pending.push(Pending::Row { source, layout, time: time_ms, from });
        Ok(())
    }

    /// Takes a single sample. [`ABSENT`](crate::ABSENT) is no value and ignored.
    pub fn sample(&mut self, series: &SeriesHandle, time_ms: i64, value: f64) {
        if !is_absent(value) {
            self.pending.push(Pending::Single { series: series.clone(), time: time_ms, value });
        }
    }

    fn samples_in(&self, pending: &Pending) -> u64 {
        match pending {
            Pending::Single { .. } => 1,
            Pending::Row { layout, from, .. } => {
                let values = &self.values[*from..from + layout.0.metrics.len()];
                values.iter().filter(|v| !is_absent(**v)).count() as u64
            }
        }
    }

    /// Writes all that was taken to the log and makes it visible; `now_ms` is the time of day.
    ///
    /// # Errors
    /// When a log cannot be written. The samples concerned are lost, and counted as such in
    /// [`Stats`](crate::Stats); what could be written is visible. The next commit tries anew.
    pub fn commit(&mut self, now_ms: i64) -> Result<Committed> {
        let shared = self.shared.clone();
        let _gate = lock(&shared.gate);
        self.open.retain(|o| read(&o.pane).frozen.is_none());
        let result = self.write_pending(&shared, now_ms);
        self.pending.clear();
        self.values.clear();
        *lock(&shared.commit_health) = match &result {
            Ok(done) if done.refused > 0 => match &*lock(&shared.maintain_health) {
                Health::Good => Health::Failing("the head is full; maintenance does not keep up".into()),
                bad => bad.clone(),
            },
            Ok(_) => Health::Good,
            Err(error) => health_of(error),
        };
        result
    }

    fn write_pending(&mut self, shared: &Shared, now_ms: i64) -> Result<Committed> {
        let view = shared.view();
        let number = view.committed + 1;
        let mut done = Committed::default();
        let in_head: usize = view.panes.iter().map(|p| read(p).bytes).sum();
        let full = in_head >= shared.options.head_bytes;
        let options = &shared.options;
        let takes = shared.takes(now_ms);

        let mut groups: HashMap<Option<(i64, i64)>, Vec<usize>> = HashMap::new();
        for (at, pending) in self.pending.iter().enumerate() {
            let time = pending.time();
            let counter = if time < *takes.start() {
                &mut done.too_old
            } else if time > *takes.end() {
                &mut done.too_new
            } else if full {
                &mut done.refused
            } else {
                let from = time.div_euclid(options.window_ms) * options.window_ms;
                let window = (from, from + options.window_ms);
                let open = window.1.saturating_add(options.grace_ms) > now_ms;
                groups.entry(open.then_some(window)).or_default().push(at);
                continue;
            };
            *counter += self.samples_in(pending);
        }
        let mut failed = None;
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by_key(|(window, _)| window.unwrap_or((i64::MAX, i64::MAX)));
        for (window, entries) in groups {
            if let Err(error) = self.write_group(shared, window, &entries, number, now_ms, &mut done) {
                let lost: u64 = entries.iter().map(|at| self.samples_in(&self.pending[*at])).sum();
                shared.counters.lost.fetch_add(lost, Ordering::Relaxed);
                failed.get_or_insert(error);
            }
        }
        shared.change_view(|view| view.committed = number);
        let counters = &shared.counters;
        for (counter, n) in [
            (&counters.accepted, done.accepted),
            (&counters.duplicates, done.duplicates),
            (&counters.too_old, done.too_old),
            (&counters.too_new, done.too_new),
            (&counters.refused, done.refused),
        ] {
            counter.fetch_add(n, Ordering::Relaxed);
        }
        failed.map_or(Ok(done), Err)
    }

    /// Writes what belongs to one window to its log, then adds it to its pane.
    fn write_group(
        &mut self,
        shared: &Shared,
        window: Option<(i64, i64)>,
        entries: &[usize],
        number: u64,
        now_ms: i64,
        done: &mut Committed,
    ) -> Result<()> {
        let at = match self.open.iter().position(|o| o.window == window) {
            Some(at) => at,
            None => {
                let pane = Arc::new(RwLock::new(Pane::new(window, now_ms)));
                self.open.push(OpenPane { window, pane, log: None });
                self.open.len() - 1
            }
        };
        let open = &mut self.open[at];
        if open.log.is_none() {
            let id = shared.number();
            let (name, header) = (log_name(id), WalHeader { id, window });
            let log = WalWriter::create(&*shared.storage, &name, &header).inspect_err(|_| {
                // Nothing is in it.
                shared.discard(name.clone());
            });
            open.log = Some(log?);
            write(&open.pane).logs.push(id);
            if !shared.view().panes.iter().any(|pane| Arc::ptr_eq(pane, &open.pane)) {
                let pane = open.pane.clone();
                shared.change_view(|view| view.panes.push(pane));
            }
        }
        let Some(log) = open.log.as_mut() else { return Ok(()) };
        let before = log.size_bytes;
        {
            let names = read(&shared.names);
            for at in entries {
                match &self.pending[*at] {
                    Pending::Row { source, layout, time, from } => {
                        let values = &self.values[*from..from + layout.0.metrics.len()];
                        log.row(*source.0, &layout.0, *time, values, &*names);
                    }
                    Pending::Single { series, time, value } => {
                        let (source, metric) = (*series.source.0, series.layout.0.metrics[0]);
                        log.sample(source, metric, *time, *value, &*names);
                    }
                }
            }
        }
        if let Err(error) = log.commit(shared.options.sync == Sync::EveryCommit) {
            // The end of this log is unknown. What was acknowledged is before it.
            open.log = None;
            if before == HEADER_BYTES as u64 {
                // Nothing in it was acknowledged: a disk that is full for long is not filled with these.
                let id = write(&open.pane).logs.pop();
                id.into_iter().for_each(|id| shared.discard(log_name(id)));
            }
            return Err(error);
        }
        let written = log.size_bytes - before;
        let mut pane = write(&open.pane);
        pane.log_bytes += written;
        for at in entries {
            let applied = match &self.pending[*at] {
                Pending::Row { source, layout, time, from } => {
                    let values = &self.values[*from..from + layout.0.metrics.len()];
                    pane.row(*source.0, &layout.0, *time, values, number)
                }
                Pending::Single { series, time, value } => {
                    let (source, metric) = (*series.source.0, series.layout.0.metrics[0]);
                    pane.sample(source, metric, *time, *value, number)
                }
            };
            done.accepted += applied.samples;
            done.duplicates += applied.duplicates;
            shared.newest_ms.fetch_max(self.pending[*at].time(), Ordering::Relaxed);
        }
        Ok(())
    }
}
