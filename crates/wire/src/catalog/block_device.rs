//! Series of block devices.

use super::{Metric, Sink, metrics_of, read_all, readings};
use crate::family::BlockDevice;

readings! {
    ALL of BlockDevice, labels &["device"];
    "node_disk_reads_completed_total" Counter "Reads completed" => |d| d.reads_completed_total;
    "node_disk_reads_merged_total" Counter "Reads merged" => |d| d.reads_merged_total;
    "node_disk_read_bytes_total" Counter "Bytes read" => |d| d.read_bytes_total;
    "node_disk_read_time_seconds_total" Counter "Time spent reading, summed over requests" => |d| d.read_time_seconds_total;
    "node_disk_writes_completed_total" Counter "Writes completed" => |d| d.writes_completed_total;
    "node_disk_writes_merged_total" Counter "Writes merged" => |d| d.writes_merged_total;
    "node_disk_written_bytes_total" Counter "Bytes written" => |d| d.written_bytes_total;
    "node_disk_write_time_seconds_total" Counter "Time spent writing, summed over requests" => |d| d.write_time_seconds_total;
    "node_disk_io_now" Gauge "Requests in flight" => |d| d.io_now;
    "node_disk_io_time_seconds_total" Counter "Time with at least one request in flight" => |d| d.io_time_seconds_total;
    "node_disk_io_time_weighted_seconds_total" Counter "Time of all requests, weighted by their number" => |d| d.io_time_weighted_seconds_total;
    "node_disk_discards_completed_total" Counter "Discards completed (kernel 4.18 and later)" => |d| d.discards_completed_total;
    "node_disk_discards_merged_total" Counter "Discards merged" => |d| d.discards_merged_total;
    "node_disk_discarded_sectors_total" Counter "Sectors discarded, of 512 bytes each" => |d| d.discarded_bytes_total.map(|b| b / 512);
    "node_disk_discard_time_seconds_total" Counter "Time spent discarding" => |d| d.discard_time_seconds_total;
    "node_disk_flush_requests_total" Counter "Flushes completed (kernel 5.5 and later)" => |d| d.flush_requests_total;
    "node_disk_flush_requests_time_seconds_total" Counter "Time spent flushing" => |d| d.flush_requests_time_seconds_total;
}

pub(super) fn walk(device: &BlockDevice, sink: &mut impl Sink) {
    read_all(ALL, device, &[&device.device], sink);
}

pub(super) fn metrics(all: &mut Vec<&'static Metric>) {
    all.extend(metrics_of(ALL));
}
