//! Every parser of this system's files by name, for fuzz targets and for nothing else.

use chasar_wire::family::{Memory, Swap};

use super::{cgroup, cpu, load, memory, process};

/// A parser under test; it must take any bytes without a panic.
pub type Parser = fn(&[u8]);

/// Name of the file, and its parser.
pub static PARSERS: &[(&str, Parser)] = &[
    ("arcstats", |bytes| _ = memory::parse_arcstats(bytes)),
    ("getdents64", |bytes| _ = process::names(bytes).count()),
    ("last_pid", |bytes| _ = process::last_pid(bytes)),
    ("loadavg", |bytes| _ = load::parse(bytes)),
    ("meminfo", |bytes| memory::parse(bytes, &mut Memory::default(), &mut Swap::default())),
    ("memory.stat", |bytes| _ = cgroup::sum(bytes, &[b"active_file"])),
    ("passwd", |bytes| process::parse_users(bytes, &mut Vec::new())),
    ("pid/stat", |bytes| _ = process::parse_stat(bytes)),
    ("stat", |bytes| cpu::Stat::default().parse(bytes)),
    ("zoneinfo", |bytes| _ = memory::low_watermark_pages(bytes)),
];
