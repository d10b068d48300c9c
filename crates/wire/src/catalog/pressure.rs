//! Series of pressure stall information.

use super::{Kind, Metric, Sink};
use crate::family::{Pressure, Stall, StallTimes};

const fn stalled(name: &'static str, help: &'static str) -> Metric {
    Metric::new(name, Kind::Counter, help, &[])
}

static CPU_SOME: Metric = stalled(
    "node_pressure_cpu_waiting_seconds_total",
    "Time at least one task waited for a processor, since boot",
);
static CPU_FULL: Metric = stalled(
    "node_pressure_cpu_stalled_seconds_total",
    "Time all tasks of a control group waited for a processor, since boot",
);
static MEMORY_SOME: Metric = stalled(
    "node_pressure_memory_waiting_seconds_total",
    "Time at least one task waited for memory, since boot",
);
static MEMORY_FULL: Metric =
    stalled("node_pressure_memory_stalled_seconds_total", "Time all tasks waited for memory, since boot");
static IO_SOME: Metric =
    stalled("node_pressure_io_waiting_seconds_total", "Time at least one task waited for I/O, since boot");
static IO_FULL: Metric =
    stalled("node_pressure_io_stalled_seconds_total", "Time all tasks waited for I/O, since boot");
static IRQ_SOME: Metric = stalled(
    "node_pressure_irq_waiting_seconds_total",
    "Time at least one task waited for interrupt handling, since boot",
);
static IRQ_FULL: Metric = stalled(
    "node_pressure_irq_stalled_seconds_total",
    "Time all tasks waited for interrupt handling, since boot",
);
static SHARE: Metric = Metric::new(
    "chasar_pressure_percent",
    Kind::Gauge,
    "Share of the window in which at least one task (stall=\"some\") or all (stall=\"full\") waited, 0 to 100",
    &["resource", "stall", "window"],
);

fn walk_stall(
    resource: &str,
    stall: Option<&Stall>,
    some: &'static Metric,
    full: &'static Metric,
    sink: &mut impl Sink,
) {
    let Some(stall) = stall else { return };
    let mut times = |word: &str, times: Option<&StallTimes>, total: &'static Metric| {
        let Some(times) = times else { return };
        sink.sample(total, &[], times.seconds_total);
        let windows =
            [("10s", times.avg10_percent), ("60s", times.avg60_percent), ("300s", times.avg300_percent)];
        for (window, percent) in windows {
            sink.sample(&SHARE, &[resource, word, window], percent);
        }
    };
    times("some", stall.some.as_ref(), some);
    times("full", stall.full.as_ref(), full);
}

pub(super) fn walk(pressure: &Pressure, sink: &mut impl Sink) {
    walk_stall("cpu", pressure.cpu.as_ref(), &CPU_SOME, &CPU_FULL, sink);
    walk_stall("memory", pressure.memory.as_ref(), &MEMORY_SOME, &MEMORY_FULL, sink);
    walk_stall("io", pressure.io.as_ref(), &IO_SOME, &IO_FULL, sink);
    walk_stall("irq", pressure.irq.as_ref(), &IRQ_SOME, &IRQ_FULL, sink);
}

pub(super) fn metrics(all: &mut Vec<&'static Metric>) {
    all.extend([
        &CPU_SOME,
        &CPU_FULL,
        &MEMORY_SOME,
        &MEMORY_FULL,
        &IO_SOME,
        &IO_FULL,
        &IRQ_SOME,
        &IRQ_FULL,
        &SHARE,
    ]);
}
