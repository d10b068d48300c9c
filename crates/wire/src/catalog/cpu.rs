//! Series of the processor.

use super::{Kind, Metric, Sink, digits, metrics_of, read_all, readings};
use crate::family::{Cpu, CpuTimes};

static SECONDS: Metric = Metric::new(
    "node_cpu_seconds_total",
    Kind::Counter,
    "Time each core spent in each mode since boot",
    &["cpu", "mode"],
);
static GUEST: Metric = Metric::new(
    "node_cpu_guest_seconds_total",
    Kind::Counter,
    "Time each core ran guests; part of user and nice",
    &["cpu", "mode"],
);
static USED: Metric = Metric::new(
    "chasar_cpu_used_percent",
    Kind::Gauge,
    "Share of each core used since the report before, 0 to 100",
    &["cpu"],
);
static FREQUENCY: Metric =
    Metric::new("node_cpu_scaling_frequency_hertz", Kind::Gauge, "Frequency of each core now", &["cpu"]);

readings! {
    ALL of Cpu, labels &[];
    "node_load1" Gauge "Load average over 1 minute" => |c| c.load1;
    "node_load5" Gauge "Load average over 5 minutes" => |c| c.load5;
    "node_load15" Gauge "Load average over 15 minutes" => |c| c.load15;
    "node_context_switches_total" Counter "Context switches since boot" => |c| c.context_switches_total;
    "node_intr_total" Counter "Interrupts since boot" => |c| c.interrupts_total;
    "chasar_softirqs_total" Counter "Soft interrupts since boot, all kinds" => |c| c.softirqs_total;
    "node_forks_total" Counter "Processes and threads created since boot" => |c| c.forks_total;
}

/// Which column of [`CpuTimes`] is which mode of which metric.
type Column = (&'static Metric, &'static str, fn(&CpuTimes) -> &[f64]);

/// node_exporter's order: by core, then these.
static COLUMNS: [Column; 10] = [
    (&SECONDS, "user", |t| &t.user_seconds),
    (&SECONDS, "nice", |t| &t.nice_seconds),
    (&SECONDS, "system", |t| &t.system_seconds),
    (&SECONDS, "idle", |t| &t.idle_seconds),
    (&SECONDS, "iowait", |t| &t.iowait_seconds),
    (&SECONDS, "irq", |t| &t.irq_seconds),
    (&SECONDS, "softirq", |t| &t.softirq_seconds),
    (&SECONDS, "steal", |t| &t.steal_seconds),
    (&GUEST, "user", |t| &t.guest_seconds),
    (&GUEST, "nice", |t| &t.guest_nice_seconds),
];

pub(super) fn walk(cpu: &Cpu, sink: &mut impl Sink) {
    let columns = cpu.times.as_ref().map(|times| COLUMNS.map(|(.., column)| column(times)));
    let longest = columns.iter().flatten().map(|column| column.len()).max().unwrap_or_default();
    let cores = longest.max(cpu.percent_used.len()).max(cpu.frequency_hertz.len());
    for i in 0..cores {
        // Reports of 2016 do not say which cores are online: they are numbered.
        let core = digits(cpu.core.get(i).map_or(i as u64, |core| u64::from(*core)));
        for (column, (metric, mode, _)) in columns.iter().flatten().zip(&COLUMNS) {
            if let Some(seconds) = column.get(i) {
                sink.sample(metric, &[&core, mode], *seconds);
            }
        }
        if let Some(Some(percent)) = cpu.percent_used.get(i) {
            sink.sample(&USED, &[&core], *percent);
        }
        if let Some(Some(hertz)) = cpu.frequency_hertz.get(i) {
            #[expect(clippy::cast_precision_loss, reason = "far below 2⁵³")]
            sink.sample(&FREQUENCY, &[&core], *hertz as f64);
        }
    }
    read_all(ALL, cpu, &[], sink);
}

pub(super) fn metrics(all: &mut Vec<&'static Metric>) {
    all.extend([&SECONDS, &GUEST, &USED, &FREQUENCY]);
    all.extend(metrics_of(ALL));
}
