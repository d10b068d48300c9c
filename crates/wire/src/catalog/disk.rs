//! Series of the root file system as reports of 2016 have it.

use super::{Metric, Sink, metrics_of, read_all, readings};
use crate::family::Disk;

readings! {
    ALL of Disk, labels &[];
    "chasar_root_disk_size_bytes" Gauge "Size of the root file system" => |d| d.total_bytes;
    "chasar_root_disk_used_bytes" Gauge "Used of the root file system" => |d| d.total_bytes_used;
    "chasar_root_disk_free_bytes" Gauge "Free of the root file system, for ordinary users" => |d| d.total_bytes_free;
    "chasar_root_disk_used_percent" Gauge "Used share of the root file system, 0 to 100, as df says" => |d| d.percent_used;
}

pub(super) fn walk(disk: &Disk, sink: &mut impl Sink) {
    read_all(ALL, disk, &[], sink);
}

pub(super) fn metrics(all: &mut Vec<&'static Metric>) {
    all.extend(metrics_of(ALL));
}
