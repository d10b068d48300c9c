//! Metrics of processes by name, for whoever bounds how many names become series.
//!
//! Processes of one name are one series: their pids come and go, the name says what runs.

use super::{Kind, Metric};

/// Processor time, 100 being one core.
pub static CPU: Metric = Metric::new(
    "chasar_process_cpu_percent",
    Kind::Gauge,
    "Processor time of the processes of this name among the busiest, 100 being one core",
    &["name"],
);
/// Resident memory.
pub static RESIDENT: Metric = Metric::new(
    "chasar_process_resident_memory_bytes",
    Kind::Gauge,
    "Resident memory of the processes of this name among the busiest",
    &["name"],
);
/// Threads.
pub static THREADS: Metric = Metric::new(
    "chasar_process_threads",
    Kind::Gauge,
    "Threads of the processes of this name among the busiest",
    &["name"],
);
/// How many of a name are among the busiest.
pub static COUNT: Metric =
    Metric::new("chasar_process_count", Kind::Gauge, "Processes of this name among the busiest", &["name"]);

pub(super) fn metrics(all: &mut Vec<&'static Metric>) {
    all.extend([&CPU, &RESIDENT, &THREADS, &COUNT]);
}
