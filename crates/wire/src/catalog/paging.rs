//! Series of paging.

use super::{Metric, Sink, metrics_of, read_all, readings};
use crate::family::Paging;

readings! {
    /// The kernel counts what goes in and out in KiB, and node_exporter passes that on.
    ALL of Paging, labels &[];
    "node_vmstat_pgpgin" Counter "KiB read from block devices (pgpgin of /proc/vmstat)" => |p| p.in_bytes_total.map(|b| b / 1024);
    "node_vmstat_pgpgout" Counter "KiB written to block devices (pgpgout of /proc/vmstat)" => |p| p.out_bytes_total.map(|b| b / 1024);
    "node_vmstat_pswpin" Counter "Pages swapped in (pswpin)" => |p| p.swap_in_pages_total;
    "node_vmstat_pswpout" Counter "Pages swapped out (pswpout)" => |p| p.swap_out_pages_total;
    "node_vmstat_pgfault" Counter "Page faults (pgfault)" => |p| p.faults_total;
    "node_vmstat_pgmajfault" Counter "Page faults that needed I/O (pgmajfault)" => |p| p.major_faults_total;
    "node_vmstat_oom_kill" Counter "Processes killed for want of memory (oom_kill)" => |p| p.oom_kills_total;
}

pub(super) fn walk(paging: &Paging, sink: &mut impl Sink) {
    read_all(ALL, paging, &[], sink);
}

pub(super) fn metrics(all: &mut Vec<&'static Metric>) {
    all.extend(metrics_of(ALL));
}
