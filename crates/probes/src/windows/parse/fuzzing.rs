//! Every parser of this system's answers by name, for fuzz targets and for nothing else.

use chasar_wire::Text;
use chasar_wire::family::{CpuTimes, TcpStates};

use super::bytes::{Bytes, set_wide};
use super::processor::Cores;
use super::system::PerformanceCounters;
use super::{adapters, page_file, process, processor, system, tcp};

/// A parser under test; it must take any bytes without a panic.
pub type Parser = fn(Bytes<'_>);

/// Name of the answer, and its parser.
pub static PARSERS: &[(&str, Parser)] = &[
    ("adapters", |bytes| {
        let _ = adapters::default_interface(bytes);
        adapters::parse(bytes).for_each(|adapter| _ = adapter.addresses().count());
    }),
    ("page files", |bytes| _ = page_file::parse(bytes)),
    ("performance", |bytes| _ = PerformanceCounters::default().advance(bytes)),
    ("processes", |bytes| {
        let mut processes = Vec::new();
        let _ = process::parse(bytes, &mut processes);
        let mut name = Text::default();
        for process in processes {
            let (at, len) = process.name;
            set_wide(&mut name, bytes.slice(at, len).expect("a name lies in the buffer"), 255);
        }
    }),
    ("processors", |bytes| {
        let mut cores = Cores::default();
        processor::parse(bytes).for_each(|times| cores.push(times));
        cores.write_times(&mut CpuTimes::default());
    }),
    ("tcp", |bytes| tcp::count(bytes, tcp::IPV4_ROW_BYTES, &mut TcpStates::default())),
    ("tcp6", |bytes| tcp::count(bytes, tcp::IPV6_ROW_BYTES, &mut TcpStates::default())),
    ("time of day", |bytes| _ = system::offset_seconds(bytes)),
    ("wide text", |bytes| _ = bytes.unicode_string(0).or_else(|| bytes.wide_text(0, 99))),
];
