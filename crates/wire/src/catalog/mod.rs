//! The catalog: which series each number of a report is.
//!
//! Where node_exporter has the same number, the series has its name, labels and unit, so that
//! dashboards and rules written for it work; what it does not have is called `chasar_…`. Units are
//! the last word of a name, as Prometheus asks (<https://prometheus.io/docs/practices/naming/>).
//!
//! [`walk`] goes through a report and hands each number to a [`Sink`]. The labels that say *which*
//! computer it is (`instance`, `job`) are the caller's. The order of the numbers is that of the
//! report, so two reports of the same shape give the same series in the same order.
//!
//! The processes of a report are not walked: their names come and go, and it is for the caller to
//! bound how many become series. [`process`] has their metrics.

mod agent;
mod block_device;
mod cpu;
mod disk;
mod filesystem;
mod host;
mod memory;
mod network;
mod paging;
mod pressure;
mod probe;
pub mod process;
mod processes;
mod sockets;

use crate::{Report, Text};

/// What a metric is, as OpenMetrics has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Only grows, from 0 when the host or the device starts.
    Counter,
    /// Moves both ways.
    Gauge,
    /// Always 1; what it says is in the labels.
    Info,
}

impl Kind {
    /// The word for it in the Prometheus text format, which knows no `info`.
    pub fn prometheus(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge | Kind::Info => "gauge",
        }
    }
}

/// One metric: the name and meaning that all its series share.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// Name, with the unit last.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it means, one line without a full stop.
    pub help: &'static str,
    /// Names of the labels, in the order in which a [`Sink`] gets the values.
    pub labels: &'static [&'static str],
}

/// Units that a name can end with.
const UNITS: [&str; 4] = ["seconds", "bytes", "percent", "hertz"];

impl Metric {
    const fn new(
        name: &'static str,
        kind: Kind,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Metric {
        Metric { name, kind, help, labels }
    }

    /// The unit its name ends with, empty for plain numbers.
    pub fn unit(&self) -> &'static str {
        let name = self.name.strip_suffix("_total").unwrap_or(self.name);
        let last = name.rsplit('_').next().unwrap_or_default();
        UNITS.into_iter().find(|unit| *unit == last).unwrap_or_default()
    }
}

/// Takes the numbers of a report, one after another.
pub trait Sink {
    /// One number: the values of `metric.labels` in their order (an empty one is no label), and the value.
    fn sample(&mut self, metric: &'static Metric, labels: &[&str], value: f64);
}

/// A number of a report part `T` and its metric.
struct Reading<T> {
    metric: Metric,
    read: fn(&T) -> Option<f64>,
}

/// Hands all numbers of a table to the sink, with the labels they share.
fn read_all<T>(table: &'static [Reading<T>], of: &T, labels: &[&str], sink: &mut impl Sink) {
    for reading in table {
        if let Some(value) = (reading.read)(of) {
            sink.sample(&reading.metric, labels, value);
        }
    }
}

/// What can be the value of a sample. Counts above 2⁵³ lose their last digits, as in Prometheus.
trait Number {
    fn number(self) -> Option<f64>;
}

impl Number for f64 {
    fn number(self) -> Option<f64> {
        Some(self)
    }
}

impl Number for u64 {
    #[expect(clippy::cast_precision_loss, reason = "samples are f64")]
    fn number(self) -> Option<f64> {
        Some(self as f64)
    }
}

impl Number for u32 {
    fn number(self) -> Option<f64> {
        Some(f64::from(self))
    }
}

impl Number for i32 {
    fn number(self) -> Option<f64> {
        Some(f64::from(self))
    }
}

impl Number for bool {
    fn number(self) -> Option<f64> {
        Some(f64::from(u8::from(self)))
    }
}

impl<N: Number> Number for Option<N> {
    fn number(self) -> Option<f64> {
        self.and_then(N::number)
    }
}

/// A table of [`Reading`]s of one part of a report, all with the same labels.
macro_rules! readings {
    ($(#[$doc:meta])* $table:ident of $part:ty, labels $labels:expr;
     $($name:literal $kind:ident $help:literal => $read:expr;)+) => {
        $(#[$doc])*
        static $table: &[$crate::catalog::Reading<$part>] = &[$(
            $crate::catalog::Reading {
                metric: $crate::catalog::Metric::new($name, $crate::catalog::Kind::$kind, $help, $labels),
                read: |part| {
                    let read: fn(&$part) -> _ = $read;
                    $crate::catalog::Number::number(read(part))
                },
            },
        )+];
    };
}
use readings;

/// Metrics outside the families.
static TIME: Metric =
    Metric::new("node_time_seconds", Kind::Gauge, "When the sample was taken, Unix time", &[]);

readings! {
    /// What the report says of itself.
    REPORT of Report, labels &[];
    "chasar_report_interval_seconds" Gauge "Time between two reports of the node" => |r| r.interval_seconds;
    "chasar_replay_pending_reports" Gauge "Reports that wait to be sent again after a cut" => |r| r.replay.map(|r| r.pending);
}

/// Hands every number of `report` to `sink`, but for those of its processes.
pub fn walk(report: &Report, sink: &mut impl Sink) {
    if let Some(ms) = report.sampled_at_ms {
        #[expect(clippy::cast_precision_loss, reason = "exact until the year 287396")]
        sink.sample(&TIME, &[], ms as f64 / 1000.0);
    }
    read_all(REPORT, report, &[], sink);
    cpu::walk(&report.cpu, sink);
    memory::walk(&report.memory, sink);
    disk::walk(&report.disk, sink);
    report.swap.iter().for_each(|part| memory::walk_swap(part, sink));
    report.paging.iter().for_each(|part| paging::walk(part, sink));
    report.pressure.iter().for_each(|part| pressure::walk(part, sink));
    report.filesystems.iter().flatten().for_each(|part| filesystem::walk(part, sink));
    report.block_devices.iter().flatten().for_each(|part| block_device::walk(part, sink));
    report.network.iter().for_each(|part| network::walk(part, sink));
    report.sockets.iter().for_each(|part| sockets::walk(part, sink));
    report.processes.iter().for_each(|part| processes::walk(part, sink));
    report.host.iter().for_each(|part| host::walk(part, &report.hostname, sink));
    report.agent.iter().for_each(|part| agent::walk(part, sink));
    probe::walk(&report.probes, sink);
    if let Some(id) = &report.node_id {
        sink.sample(&host::NODE, &[id], 1.0);
    }
}

/// Every metric there is, those of processes included, sorted by name.
pub fn metrics() -> Vec<&'static Metric> {
    let mut all = vec![&TIME];
    all.extend(metrics_of(REPORT));
    cpu::metrics(&mut all);
    memory::metrics(&mut all);
    disk::metrics(&mut all);
    paging::metrics(&mut all);
    pressure::metrics(&mut all);
    filesystem::metrics(&mut all);
    block_device::metrics(&mut all);
    network::metrics(&mut all);
    sockets::metrics(&mut all);
    processes::metrics(&mut all);
    host::metrics(&mut all);
    agent::metrics(&mut all);
    probe::metrics(&mut all);
    process::metrics(&mut all);
    all.sort_by_key(|metric| metric.name);
    all
}

fn metrics_of<T>(table: &'static [Reading<T>]) -> impl Iterator<Item = &'static Metric> {
    table.iter().map(|reading| &reading.metric)
}

/// A number as the text of a label, without an allocation.
fn digits(number: impl Into<u64>) -> Text {
    use compact_str::ToCompactString;
    number.into().to_compact_string()
}

/// An absent text as a label: none.
fn label(text: &Option<Text>) -> &str {
    text.as_deref().unwrap_or_default()
}
