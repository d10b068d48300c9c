//! Series of the numbers of processes.

use super::{Kind, Metric, Sink, metrics_of, read_all, readings};
use crate::family::ProcessCounts;

static STATE: Metric = Metric::new(
    "node_processes_state",
    Kind::Gauge,
    "Processes by state, in the letters of ps(1); T includes traced ones",
    &["state"],
);

readings! {
    ALL of ProcessCounts, labels &[];
    "node_processes_pids" Gauge "All processes" => |p| p.total;
    "node_processes_threads" Gauge "Threads of all processes" => |p| p.threads;
    "node_processes_max_processes" Gauge "The largest process id the system gives out" => |p| p.max_pid;
    "node_procs_running" Gauge "Tasks ready to run on all processors" => |p| p.tasks_running;
    "node_procs_blocked" Gauge "Tasks blocked on I/O" => |p| p.tasks_blocked;
}

pub(super) fn walk(counts: &ProcessCounts, sink: &mut impl Sink) {
    let states = [
        ("R", counts.running),
        ("S", counts.sleeping),
        ("D", counts.disk_sleep),
        ("I", counts.idle),
        ("T", counts.stopped),
        ("Z", counts.zombie),
        ("other", counts.other),
    ];
    for (state, number) in states {
        #[expect(clippy::cast_precision_loss, reason = "far below 2⁵³")]
        sink.sample(&STATE, &[state], number as f64);
    }
    read_all(ALL, counts, &[], sink);
}

pub(super) fn metrics(all: &mut Vec<&'static Metric>) {
    all.push(&STATE);
    all.extend(metrics_of(ALL));
}
