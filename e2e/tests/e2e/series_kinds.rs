//! How two readings of one series, taken at different moments, must agree.

use chasar_e2e::metrics::Series;

/// How two readings of one series must agree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Never falls: ours lies between a reading before and one after, give or take this.
    Counter(f64),
    /// Moves both ways: ours lies in the range of the two readings, widened by this much in all and this share.
    Gauge(f64, f64),
    /// Does not change while a test runs, give or take this.
    Fixed(f64),
}

/// Whole events: both read the same kernel counter.
const EXACT: Kind = Kind::Counter(0.0);
/// Seconds: the kernel counts in hundredths, or both round.
const SECONDS: Kind = Kind::Counter(0.011);
/// Idle and waiting time may fall back a little in the kernel (Linux: Documentation/filesystems/proc.rst, iowait).
const UNSTEADY_SECONDS: Kind = Kind::Counter(0.1);
/// Memory moves while it is read: 1 % or 16 MiB.
const MEMORY: Kind = Kind::Gauge((16 << 20) as f64, 0.01);
/// Space on a disk: 1 % or 64 MiB, as other programs write.
const SPACE: Kind = Kind::Gauge((64 << 20) as f64, 0.01);
/// Small numbers of sockets and tasks, which other programs open and close.
const FEW: Kind = Kind::Gauge(64.0, 0.2);
const LOAD: Kind = Kind::Gauge(0.25, 0.05);
const SAME: Kind = Kind::Fixed(0.0);

/// Series that neither grow steadily nor are memory.
const GAUGES: &[(&str, Kind)] = &[
    ("node_load1", LOAD),
    ("node_load5", LOAD),
    ("node_load15", LOAD),
    ("node_procs_running", FEW),
    ("node_procs_blocked", FEW),
    ("node_boot_time_seconds", Kind::Fixed(1.0)),
    ("node_time_zone_offset_seconds", SAME),
    ("node_netstat_Tcp_CurrEstab", FEW),
    ("node_netstat_Ip_Forwarding", SAME),
    ("node_sockstat_TCP_tw", Kind::Gauge(5_000.0, 0.5)),
    ("node_sockstat_TCP_mem_bytes", MEMORY),
    ("node_sockstat_UDP_mem_bytes", MEMORY),
    ("node_disk_io_now", FEW),
    ("node_network_speed_bytes", SAME),
    ("node_network_mtu_bytes", SAME),
    ("node_network_up", SAME),
    ("node_filesystem_size_bytes", SAME),
    ("node_filesystem_free_bytes", SPACE),
    ("node_filesystem_avail_bytes", SPACE),
    ("node_filesystem_files", SAME),
    ("node_filesystem_files_free", Kind::Gauge(2_000.0, 0.01)),
    ("node_filesystem_readonly", SAME),
    ("node_memory_MemTotal_bytes", SAME),
    ("node_memory_SwapTotal_bytes", SAME),
    ("node_memory_CommitLimit_bytes", SAME),
    ("node_memory_Committed_AS_bytes", Kind::Gauge((1u64 << 28) as f64, 0.05)),
    ("node_memory_HardwareCorrupted_bytes", SAME),
    ("node_memory_Hugetlb_bytes", SAME),
    ("node_memory_Hugepagesize_bytes", SAME),
    ("node_memory_HugePages_Total", SAME),
    ("node_memory_HugePages_Free", SAME),
    ("node_memory_HugePages_Rsvd", SAME),
    ("node_memory_HugePages_Surp", SAME),
];

/// How a series of the host must agree with node_exporter's.
pub(crate) fn kind(series: &Series) -> Kind {
    let name = series.name.as_str();
    if let Some((_, kind)) = GAUGES.iter().find(|(gauge, _)| *gauge == name) {
        return *kind;
    }
    match name {
        "node_cpu_seconds_total" if ["idle", "iowait"].contains(&&*series.labels["mode"]) => UNSTEADY_SECONDS,
        _ if name.starts_with("node_memory_") => MEMORY,
        _ if name.starts_with("node_sockstat_") => FEW,
        _ if name.ends_with("_seconds_total") => SECONDS,
        _ => EXACT,
    }
}

/// Series of ours with a name of node_exporter's that its usual settings do not have, and why.
pub(crate) const NOT_THERE: &[(&str, &str)] = &[
    ("node_time_seconds", "the moment of the sample, another one each time"),
    ("node_cpu_scaling_frequency_hertz", "where cpufreq is missing ours comes from /proc/cpuinfo"),
    ("node_tcp_connection_states", "the tcpstat collector is off"),
    ("node_processes_pids", "the processes collector is off"),
    ("node_processes_threads", "the processes collector is off"),
    ("node_processes_max_processes", "the processes collector is off"),
    ("node_processes_state", "the processes collector is off"),
    ("node_uname_info", "has no domainname here; names are compared apart"),
    ("node_network_info", "has more labels there; names are compared apart"),
    ("node_os_info", "has more labels there; names are compared apart"),
    ("node_dmi_info", "has more labels there"),
    ("node_time_zone_offset_seconds", "has the zone's name as a label there"),
    ("node_filesystem_device_error", "has no such series for what is left out there"),
    ("node_netstat_Tcp_AttemptFails", "not among the fields it keeps"),
    ("node_netstat_Tcp_EstabResets", "not among the fields it keeps"),
    ("node_netstat_Udp6_RcvbufErrors", "not among the fields it keeps"),
    ("node_pressure_cpu_stalled_seconds_total", "always 0 there, and left out"),
    ("node_pressure_irq_stalled_seconds_total", "later than its release"),
    ("node_memory_Zswap_bytes", "depends on the kernel"),
];
