//! Which number of a report is which series of node_exporter, written out one by one.

use serde_json::Value;

/// How two readings of one thing, taken at different moments, must agree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Never falls: ours lies between a reading before and one after, give or take this.
    Counter(f64),
    /// Moves both ways: ours lies in the range of the two readings, widened by this much in all and this share.
    Gauge(f64, f64),
    /// Does not change while a test runs, give or take this.
    Fixed(f64),
}

/// One number of a report and the series it has to agree with.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    /// Path in the report.
    pub(crate) path: String,
    /// Ours.
    pub(crate) value: f64,
    /// Name of the series.
    pub(crate) series: String,
    /// Labels of the series.
    pub(crate) labels: Vec<(&'static str, String)>,
    /// The series' unit in ours: KiB and sectors are bytes with us.
    pub(crate) factor: f64,
    pub(crate) kind: Kind,
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

/// Modes of a processor: ours, theirs.
const MODES: [(&str, &str, Kind); 8] = [
    ("user_seconds", "user", SECONDS),
    ("nice_seconds", "nice", SECONDS),
    ("system_seconds", "system", SECONDS),
    ("idle_seconds", "idle", UNSTEADY_SECONDS),
    ("iowait_seconds", "iowait", UNSTEADY_SECONDS),
    ("irq_seconds", "irq", SECONDS),
    ("softirq_seconds", "softirq", SECONDS),
    ("steal_seconds", "steal", SECONDS),
];

/// Single numbers: path in the report, series, factor, how they agree.
#[rustfmt::skip]
const SINGLE: &[(&str, &str, f64, Kind)] = &[
    ("cpu/load1", "node_load1", 1.0, LOAD),
    ("cpu/load5", "node_load5", 1.0, LOAD),
    ("cpu/load15", "node_load15", 1.0, LOAD),
    ("cpu/context_switches_total", "node_context_switches_total", 1.0, EXACT),
    ("cpu/interrupts_total", "node_intr_total", 1.0, EXACT),
    ("cpu/forks_total", "node_forks_total", 1.0, EXACT),
    ("processes/tasks_running", "node_procs_running", 1.0, FEW),
    ("processes/tasks_blocked", "node_procs_blocked", 1.0, FEW),
    ("host/boot_time_seconds", "node_boot_time_seconds", 1.0, Kind::Fixed(1.0)),
    ("host/time_zone_offset_seconds", "node_time_zone_offset_seconds", 1.0, SAME),

    ("memory/mem_total_bytes", "node_memory_MemTotal_bytes", 1.0, SAME),
    ("memory/mem_available_bytes", "node_memory_MemAvailable_bytes", 1.0, MEMORY),
    ("memory/free_bytes", "node_memory_MemFree_bytes", 1.0, MEMORY),
    ("memory/buffers_bytes", "node_memory_Buffers_bytes", 1.0, MEMORY),
    ("memory/cached_bytes", "node_memory_Cached_bytes", 1.0, MEMORY),
    ("memory/active_bytes", "node_memory_Active_bytes", 1.0, MEMORY),
    ("memory/inactive_bytes", "node_memory_Inactive_bytes", 1.0, MEMORY),
    ("memory/active_anon_bytes", "node_memory_Active_anon_bytes", 1.0, MEMORY),
    ("memory/inactive_anon_bytes", "node_memory_Inactive_anon_bytes", 1.0, MEMORY),
    ("memory/active_file_bytes", "node_memory_Active_file_bytes", 1.0, MEMORY),
    ("memory/inactive_file_bytes", "node_memory_Inactive_file_bytes", 1.0, MEMORY),
    ("memory/unevictable_bytes", "node_memory_Unevictable_bytes", 1.0, MEMORY),
    ("memory/mlocked_bytes", "node_memory_Mlocked_bytes", 1.0, MEMORY),
    ("memory/dirty_bytes", "node_memory_Dirty_bytes", 1.0, MEMORY),
    ("memory/writeback_bytes", "node_memory_Writeback_bytes", 1.0, MEMORY),
    ("memory/anon_pages_bytes", "node_memory_AnonPages_bytes", 1.0, MEMORY),
    ("memory/mapped_bytes", "node_memory_Mapped_bytes", 1.0, MEMORY),
    ("memory/shmem_bytes", "node_memory_Shmem_bytes", 1.0, MEMORY),
    ("memory/slab_bytes", "node_memory_Slab_bytes", 1.0, MEMORY),
    ("memory/slab_reclaimable_bytes", "node_memory_SReclaimable_bytes", 1.0, MEMORY),
    ("memory/slab_unreclaimable_bytes", "node_memory_SUnreclaim_bytes", 1.0, MEMORY),
    ("memory/kernel_stack_bytes", "node_memory_KernelStack_bytes", 1.0, MEMORY),
    ("memory/page_tables_bytes", "node_memory_PageTables_bytes", 1.0, MEMORY),
    ("memory/commit_limit_bytes", "node_memory_CommitLimit_bytes", 1.0, SAME),
    ("memory/committed_as_bytes", "node_memory_Committed_AS_bytes", 1.0, Kind::Gauge((1u64 << 28) as f64, 0.05)),
    ("memory/vmalloc_used_bytes", "node_memory_VmallocUsed_bytes", 1.0, MEMORY),
    ("memory/percpu_bytes", "node_memory_Percpu_bytes", 1.0, MEMORY),
    ("memory/hardware_corrupted_bytes", "node_memory_HardwareCorrupted_bytes", 1.0, SAME),
    ("memory/anon_huge_pages_bytes", "node_memory_AnonHugePages_bytes", 1.0, MEMORY),
    ("memory/hugetlb_bytes", "node_memory_Hugetlb_bytes", 1.0, SAME),
    ("memory/hugepage_size_bytes", "node_memory_Hugepagesize_bytes", 1.0, SAME),
    ("memory/huge_pages", "node_memory_HugePages_Total", 1.0, SAME),
    ("memory/huge_pages_free", "node_memory_HugePages_Free", 1.0, SAME),
    ("memory/huge_pages_reserved", "node_memory_HugePages_Rsvd", 1.0, SAME),
    ("memory/huge_pages_surplus", "node_memory_HugePages_Surp", 1.0, SAME),
    ("swap/total_bytes", "node_memory_SwapTotal_bytes", 1.0, SAME),
    ("swap/free_bytes", "node_memory_SwapFree_bytes", 1.0, MEMORY),
    ("swap/cached_bytes", "node_memory_SwapCached_bytes", 1.0, MEMORY),
    ("swap/zswap_bytes", "node_memory_Zswap_bytes", 1.0, MEMORY),
    ("swap/zswapped_bytes", "node_memory_Zswapped_bytes", 1.0, MEMORY),

    // The kernel counts these two in KiB.
    ("paging/in_bytes_total", "node_vmstat_pgpgin", 1024.0, EXACT),
    ("paging/out_bytes_total", "node_vmstat_pgpgout", 1024.0, EXACT),
    ("paging/swap_in_pages_total", "node_vmstat_pswpin", 1.0, EXACT),
    ("paging/swap_out_pages_total", "node_vmstat_pswpout", 1.0, EXACT),
    ("paging/faults_total", "node_vmstat_pgfault", 1.0, EXACT),
    ("paging/major_faults_total", "node_vmstat_pgmajfault", 1.0, EXACT),
    ("paging/oom_kills_total", "node_vmstat_oom_kill", 1.0, EXACT),

    ("pressure/cpu/some/seconds_total", "node_pressure_cpu_waiting_seconds_total", 1.0, SECONDS),
    ("pressure/io/some/seconds_total", "node_pressure_io_waiting_seconds_total", 1.0, SECONDS),
    ("pressure/io/full/seconds_total", "node_pressure_io_stalled_seconds_total", 1.0, SECONDS),
    ("pressure/memory/some/seconds_total", "node_pressure_memory_waiting_seconds_total", 1.0, SECONDS),
    ("pressure/memory/full/seconds_total", "node_pressure_memory_stalled_seconds_total", 1.0, SECONDS),

    ("sockets/used", "node_sockstat_sockets_used", 1.0, FEW),
    ("sockets/tcp_inuse", "node_sockstat_TCP_inuse", 1.0, FEW),
    ("sockets/tcp6_inuse", "node_sockstat_TCP6_inuse", 1.0, FEW),
    ("sockets/tcp_orphan", "node_sockstat_TCP_orphan", 1.0, FEW),
    ("sockets/tcp_tw", "node_sockstat_TCP_tw", 1.0, Kind::Gauge(5_000.0, 0.5)),
    ("sockets/tcp_alloc", "node_sockstat_TCP_alloc", 1.0, FEW),
    ("sockets/tcp_mem_bytes", "node_sockstat_TCP_mem_bytes", 1.0, MEMORY),
    ("sockets/udp_inuse", "node_sockstat_UDP_inuse", 1.0, FEW),
    ("sockets/udp6_inuse", "node_sockstat_UDP6_inuse", 1.0, FEW),
    ("sockets/udp_mem_bytes", "node_sockstat_UDP_mem_bytes", 1.0, MEMORY),
    ("sockets/protocols/tcp_active_opens_total", "node_netstat_Tcp_ActiveOpens", 1.0, EXACT),
    ("sockets/protocols/tcp_passive_opens_total", "node_netstat_Tcp_PassiveOpens", 1.0, EXACT),
    ("sockets/protocols/tcp_curr_estab", "node_netstat_Tcp_CurrEstab", 1.0, FEW),
    ("sockets/protocols/tcp_in_segs_total", "node_netstat_Tcp_InSegs", 1.0, EXACT),
    ("sockets/protocols/tcp_out_segs_total", "node_netstat_Tcp_OutSegs", 1.0, EXACT),
    ("sockets/protocols/tcp_retrans_segs_total", "node_netstat_Tcp_RetransSegs", 1.0, EXACT),
    ("sockets/protocols/tcp_in_errs_total", "node_netstat_Tcp_InErrs", 1.0, EXACT),
    ("sockets/protocols/tcp_out_rsts_total", "node_netstat_Tcp_OutRsts", 1.0, EXACT),
    ("sockets/protocols/tcp_listen_overflows_total", "node_netstat_TcpExt_ListenOverflows", 1.0, EXACT),
    ("sockets/protocols/tcp_listen_drops_total", "node_netstat_TcpExt_ListenDrops", 1.0, EXACT),
    ("sockets/protocols/tcp_syn_retrans_total", "node_netstat_TcpExt_TCPSynRetrans", 1.0, EXACT),
    ("sockets/protocols/tcp_timeouts_total", "node_netstat_TcpExt_TCPTimeouts", 1.0, EXACT),
    ("sockets/protocols/tcp_syncookies_sent_total", "node_netstat_TcpExt_SyncookiesSent", 1.0, EXACT),
    ("sockets/protocols/udp_in_datagrams_total", "node_netstat_Udp_InDatagrams", 1.0, EXACT),
    ("sockets/protocols/udp_out_datagrams_total", "node_netstat_Udp_OutDatagrams", 1.0, EXACT),
    ("sockets/protocols/udp_no_ports_total", "node_netstat_Udp_NoPorts", 1.0, EXACT),
    ("sockets/protocols/udp_in_errors_total", "node_netstat_Udp_InErrors", 1.0, EXACT),
    ("sockets/protocols/udp_rcvbuf_errors_total", "node_netstat_Udp_RcvbufErrors", 1.0, EXACT),
    ("sockets/protocols/udp_sndbuf_errors_total", "node_netstat_Udp_SndbufErrors", 1.0, EXACT),
    ("sockets/protocols/udp6_in_datagrams_total", "node_netstat_Udp6_InDatagrams", 1.0, EXACT),
    ("sockets/protocols/udp6_out_datagrams_total", "node_netstat_Udp6_OutDatagrams", 1.0, EXACT),
    ("sockets/protocols/udp6_no_ports_total", "node_netstat_Udp6_NoPorts", 1.0, EXACT),
    ("sockets/protocols/udp6_in_errors_total", "node_netstat_Udp6_InErrors", 1.0, EXACT),
    ("sockets/protocols/ip_forwarding", "node_netstat_Ip_Forwarding", 1.0, SAME),
    ("sockets/protocols/icmp_in_msgs_total", "node_netstat_Icmp_InMsgs", 1.0, EXACT),
    ("sockets/protocols/icmp_out_msgs_total", "node_netstat_Icmp_OutMsgs", 1.0, EXACT),
    ("sockets/protocols/icmp_in_errors_total", "node_netstat_Icmp_InErrors", 1.0, EXACT),
    ("sockets/protocols/ip_in_octets_total", "node_netstat_IpExt_InOctets", 1.0, EXACT),
    ("sockets/protocols/ip_out_octets_total", "node_netstat_IpExt_OutOctets", 1.0, EXACT),
    ("sockets/protocols/ip6_in_octets_total", "node_netstat_Ip6_InOctets", 1.0, EXACT),
    ("sockets/protocols/ip6_out_octets_total", "node_netstat_Ip6_OutOctets", 1.0, EXACT),
];

/// Numbers of each item of a list: key in ours, series, how they agree.
const BLOCK_DEVICE: &[(&str, &str, Kind)] = &[
    ("reads_completed_total", "node_disk_reads_completed_total", EXACT),
    ("reads_merged_total", "node_disk_reads_merged_total", EXACT),
    ("read_bytes_total", "node_disk_read_bytes_total", EXACT),
    ("read_time_seconds_total", "node_disk_read_time_seconds_total", SECONDS),
    ("writes_completed_total", "node_disk_writes_completed_total", EXACT),
    ("writes_merged_total", "node_disk_writes_merged_total", EXACT),
    ("written_bytes_total", "node_disk_written_bytes_total", EXACT),
    ("write_time_seconds_total", "node_disk_write_time_seconds_total", SECONDS),
    ("io_now", "node_disk_io_now", FEW),
    ("io_time_seconds_total", "node_disk_io_time_seconds_total", SECONDS),
    ("io_time_weighted_seconds_total", "node_disk_io_time_weighted_seconds_total", SECONDS),
    ("discards_completed_total", "node_disk_discards_completed_total", EXACT),
    ("discards_merged_total", "node_disk_discards_merged_total", EXACT),
    ("discard_time_seconds_total", "node_disk_discard_time_seconds_total", SECONDS),
    ("flush_requests_total", "node_disk_flush_requests_total", EXACT),
    ("flush_requests_time_seconds_total", "node_disk_flush_requests_time_seconds_total", SECONDS),
];

const INTERFACE: &[(&str, &str, Kind)] = &[
    ("speed_bytes", "node_network_speed_bytes", SAME),
    ("mtu_bytes", "node_network_mtu_bytes", SAME),
    ("receive_bytes_total", "node_network_receive_bytes_total", EXACT),
    ("receive_packets_total", "node_network_receive_packets_total", EXACT),
    ("receive_errs_total", "node_network_receive_errs_total", EXACT),
    ("receive_drop_total", "node_network_receive_drop_total", EXACT),
    ("receive_multicast_total", "node_network_receive_multicast_total", EXACT),
    ("transmit_bytes_total", "node_network_transmit_bytes_total", EXACT),
    ("transmit_packets_total", "node_network_transmit_packets_total", EXACT),
    ("transmit_errs_total", "node_network_transmit_errs_total", EXACT),
    ("transmit_drop_total", "node_network_transmit_drop_total", EXACT),
    ("transmit_colls_total", "node_network_transmit_colls_total", EXACT),
];

const FILESYSTEM: &[(&str, &str, Kind)] = &[
    ("size_bytes", "node_filesystem_size_bytes", SAME),
    ("free_bytes", "node_filesystem_free_bytes", SPACE),
    ("avail_bytes", "node_filesystem_avail_bytes", SPACE),
    ("files", "node_filesystem_files", SAME),
    ("files_free", "node_filesystem_files_free", Kind::Gauge(2_000.0, 0.01)),
];

/// Every number of `report` that node_exporter may have too.
pub(crate) fn pairs(report: &Value) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let mut add = |path: String, value: Option<f64>, series: &str, labels, factor, kind| {
        if let Some(value) = value {
            pairs.push(Pair { path, value, series: series.to_owned(), labels, factor, kind });
        }
    };
    for (path, series, factor, kind) in SINGLE {
        let value = report.pointer(&format!("/{path}")).and_then(Value::as_f64);
        add((*path).to_owned(), value, series, vec![], *factor, *kind);
    }
    let none = vec![];
    let list = |pointer: &str| report.pointer(pointer).and_then(Value::as_array).unwrap_or(&none);
    for (i, core) in list("/cpu/core").iter().enumerate() {
        for (ours, mode, kind) in MODES {
            let path = format!("/cpu/times/{ours}/{i}");
            let value = report.pointer(&path).and_then(Value::as_f64);
            let labels = vec![("cpu", core.to_string()), ("mode", mode.to_owned())];
            add(path, value, "node_cpu_seconds_total", labels, 1.0, kind);
        }
        for (ours, mode) in [("guest_seconds", "user"), ("guest_nice_seconds", "nice")] {
            let path = format!("/cpu/times/{ours}/{i}");
            let value = report.pointer(&path).and_then(Value::as_f64);
            let labels = vec![("cpu", core.to_string()), ("mode", mode.to_owned())];
            add(path, value, "node_cpu_guest_seconds_total", labels, 1.0, SECONDS);
        }
    }
    let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
    for (pointer, keys) in [("/block_devices", BLOCK_DEVICE), ("/network/interfaces", INTERFACE)] {
        for item in list(pointer) {
            let device = text(item, "device");
            for (key, series, kind) in keys {
                let labels = vec![("device", device.clone())];
                add(format!("{pointer}/{device}/{key}"), item[*key].as_f64(), series, labels, 1.0, *kind);
            }
        }
    }
    for device in list("/block_devices") {
        // node_exporter counts discards in sectors, which are always of 512 bytes here.
        let name = text(device, "device");
        let (path, value) =
            (format!("/block_devices/{name}/discarded"), device["discarded_bytes_total"].as_f64());
        add(path, value, "node_disk_discarded_sectors_total", vec![("device", name)], 512.0, EXACT);
    }
    for mount in list("/filesystems") {
        let labels: Vec<_> = ["device", "fstype", "mountpoint"].map(|key| (key, text(mount, key))).into();
        for (key, series, kind) in FILESYSTEM {
            let path = format!("/filesystems/{}/{key}", text(mount, "mountpoint"));
            add(path, mount[*key].as_f64(), series, labels.clone(), 1.0, *kind);
        }
        let read_only = mount["read_only"].as_bool().map(|yes| f64::from(u8::from(yes)));
        let path = format!("/filesystems/{}/read_only", text(mount, "mountpoint"));
        add(path, read_only, "node_filesystem_readonly", labels, 1.0, SAME);
    }
    pairs
}
