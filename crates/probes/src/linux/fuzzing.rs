//! Every parser of this system's files by name, for fuzz targets and for nothing else.

use chasar_wire::family::{Memory, Swap, TcpStates};

use super::{
    block_device, cgroup, cpu, frequency, identity, load, memory, mount_table, net_dev, network, paging,
    pressure, process, route, sockets, tcp_state,
};

/// A parser under test; it must take any bytes without a panic.
pub type Parser = fn(&[u8]);

/// Name of the file, and its parser.
pub static PARSERS: &[(&str, Parser)] = &[
    ("arcstats", |bytes| _ = memory::parse_arcstats(bytes)),
    ("diskstats", |bytes| block_device::parse(bytes).for_each(|line| _ = block_device::left_out(line.name))),
    ("cpuinfo", |bytes| {
        frequency::parse_cpuinfo(bytes, &mut Vec::new());
        identity::parse_cpu_model(bytes);
    }),
    ("getdents64", |bytes| _ = process::names(bytes).count()),
    ("inet_diag", |bytes| _ = tcp_state::messages(bytes, &mut TcpStates::default())),
    ("ipv6_route", |bytes| _ = route::ipv6(bytes)),
    ("last_pid", |bytes| _ = process::last_pid(bytes)),
    ("loadavg", |bytes| _ = load::parse(bytes)),
    ("meminfo", |bytes| memory::parse(bytes, &mut Memory::default(), &mut Swap::default())),
    ("memory.stat", |bytes| _ = cgroup::sum(bytes, &[b"active_file"])),
    ("mountinfo", |bytes| _ = mount_table::select(bytes)),
    ("net/dev", |bytes| net_dev::parse(bytes).for_each(drop)),
    ("passwd", |bytes| process::parse_users(bytes, &mut Vec::new())),
    ("pid/stat", |bytes| _ = process::parse_stat(bytes)),
    ("recorded address", |bytes| _ = network::recorded_address(bytes)),
    ("route", |bytes| _ = route::ipv4(bytes)),
    ("snmp", |bytes| sockets::pairs(bytes, |_, _, _| ())),
    ("snmp6", |bytes| sockets::snmp6(bytes, |_, _| ())),
    ("sockstat", |bytes| sockets::sockstat(bytes, |_, _, _| ())),
    ("stat", |bytes| cpu::Stat::default().parse(bytes)),
    ("tcp", |bytes| tcp_state::table(bytes, &mut TcpStates::default())),
    ("os-release", |bytes| _ = identity::parse_os_release(bytes)),
    ("pressure", |bytes| _ = pressure::parse(bytes)),
    ("vmstat", |bytes| _ = paging::parse(bytes)),
    ("zoneinfo", |bytes| _ = memory::low_watermark_pages(bytes)),
];
