//! Series of mounted file systems.

use super::{Metric, Sink, metrics_of, read_all, readings};
use crate::family::Filesystem;

readings! {
    ALL of Filesystem, labels &["device", "fstype", "mountpoint"];
    "node_filesystem_size_bytes" Gauge "Size" => |f| f.size_bytes;
    "node_filesystem_free_bytes" Gauge "Free, for root" => |f| f.free_bytes;
    "node_filesystem_avail_bytes" Gauge "Free, for ordinary users" => |f| f.avail_bytes;
    "node_filesystem_files" Gauge "Inodes; missing where the file system has no fixed number" => |f| f.files;
    "node_filesystem_files_free" Gauge "Free inodes" => |f| f.files_free;
    "node_filesystem_readonly" Gauge "1 when mounted read-only, else 0" => |f| f.read_only;
    "node_filesystem_device_error" Gauge "1 when the file system gave no numbers, else 0" => |f| f.device_error.is_some();
}

pub(super) fn walk(mount: &Filesystem, sink: &mut impl Sink) {
    read_all(ALL, mount, &[&mount.device, &mount.fstype, &mount.mountpoint], sink);
}

pub(super) fn metrics(all: &mut Vec<&'static Metric>) {
    all.extend(metrics_of(ALL));
}
