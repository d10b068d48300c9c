//! Series of what a computer is.

use super::{Kind, Metric, Sink, label, metrics_of, read_all, readings};
use crate::family::Host;

pub(super) static NODE: Metric = Metric::new(
    "chasar_node_info",
    Kind::Info,
    "The stable identity of the node, which outlives a change of its host name",
    &["node_id"],
);
static UNAME: Metric = Metric::new(
    "node_uname_info",
    Kind::Info,
    "What uname(2) says",
    &["machine", "nodename", "release", "sysname", "version"],
);
static OS: Metric = Metric::new(
    "node_os_info",
    Kind::Info,
    "Operating system, from os-release(5) where there is one",
    &["id", "pretty_name", "version_id"],
);
static DMI: Metric = Metric::new("node_dmi_info", Kind::Info, "Model of the machine", &["product_name"]);
static HOST: Metric = Metric::new(
    "chasar_host_info",
    Kind::Info,
    "Operating system family, processor model, and the container or virtual machine this system runs in",
    &["cpu_model", "os", "virtualization"],
);

readings! {
    ALL of Host, labels &[];
    "node_boot_time_seconds" Gauge "When the computer booted, Unix time" => |h| h.boot_time_seconds;
    "node_time_zone_offset_seconds" Gauge "Local time less UTC" => |h| h.time_zone_offset_seconds;
    "chasar_uptime_seconds" Gauge "Time since boot" => |h| h.uptime_seconds;
    "chasar_cpu_cores" Gauge "Processors online" => |h| h.cores;
}

/// The kernel's own name for its family, as `uname -s` prints it.
fn sysname(os: &str) -> &str {
    match os {
        "linux" => "Linux",
        "macos" => "Darwin",
        "freebsd" => "FreeBSD",
        "windows" => "Windows_NT",
        other => other,
    }
}

pub(super) fn walk(host: &Host, hostname: &str, sink: &mut impl Sink) {
    let os = label(&host.os);
    if host.kernel.is_some() {
        let (machine, release) = (label(&host.architecture), label(&host.kernel));
        sink.sample(&UNAME, &[machine, hostname, release, sysname(os), label(&host.kernel_version)], 1.0);
    }
    if host.os_name.is_some() || host.os_id.is_some() {
        sink.sample(&OS, &[label(&host.os_id), label(&host.os_name), label(&host.os_version)], 1.0);
    }
    if let Some(machine) = &host.machine {
        sink.sample(&DMI, &[machine], 1.0);
    }
    sink.sample(&HOST, &[label(&host.cpu_model), os, label(&host.virtualization)], 1.0);
    read_all(ALL, host, &[], sink);
}

pub(super) fn metrics(all: &mut Vec<&'static Metric>) {
    all.extend([&NODE, &UNAME, &OS, &DMI, &HOST]);
    all.extend(metrics_of(ALL));
}
