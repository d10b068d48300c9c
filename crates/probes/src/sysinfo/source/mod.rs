//! Where the plain values come from: the one part of these probes that differs between systems.
//!
//! | file | what it is |
//! | --- | --- |
//! | `apple` | macOS: Mach, libproc, sysctl |
//! | `bsd` | what macOS and FreeBSD share: `getfsstat(2)`, sysctl, the routing table |
//! | `freebsd` | FreeBSD: sysctl |
//! | `unix` | what every Unix has: `getifaddrs(3)`, `getpwuid_r(3)`, `uname(3)` |
//! | `crate_processes`, `crate_links` | what `sysinfo` tells without us |
//! | `linux` | Linux, in tests |

#[cfg(target_os = "macos")]
mod apple;
#[cfg(any(target_os = "macos", target_os = "freebsd"))]
mod bsd;
#[cfg(not(target_os = "macos"))]
mod crate_links;
mod crate_processes;
#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(target_os = "linux")]
mod linux;
mod unix;

use chasar_wire::Text;
use chasar_wire::family::Interface;

#[cfg(target_os = "macos")]
pub(super) use apple::{Links, Processes, cores};
#[cfg(any(target_os = "macos", target_os = "freebsd"))]
pub(super) use bsd::{default_interface, mounts, statfs};
#[cfg(not(target_os = "macos"))]
pub(super) use crate_links::Links;
#[cfg(not(target_os = "macos"))]
pub(super) use crate_processes::Processes;
#[cfg(target_os = "freebsd")]
pub(super) use freebsd::cores;
#[cfg(target_os = "linux")]
pub(super) use linux::{cores, default_interface, mounts, statfs};
pub(super) use unix::{Names, addresses, names, user_name};

/// Modes of a core's time, the order of [`CoreTicks`].
pub(super) const MODES: usize = 5;
/// Ordinary programs.
pub(super) const USER: usize = 0;
/// Programs of low priority.
pub(super) const NICE: usize = 1;
/// Kernel.
pub(super) const SYSTEM: usize = 2;
/// Interrupts; macOS does not tell them apart.
pub(super) const IRQ: usize = 3;
/// Nothing to do.
pub(super) const IDLE: usize = 4;

/// Ticks of one core by mode; `None` for a mode that the system does not know.
pub(super) type CoreTicks = [Option<u64>; MODES];

/// All cores.
#[derive(Debug, Default)]
pub(super) struct Cores {
    /// Of each core.
    pub(super) ticks: Vec<CoreTicks>,
    /// How many make a second.
    pub(super) ticks_per_second: u64,
    /// Width of the system's counters.
    pub(super) counter_bits: u32,
}

/// A mounted file system, as the system names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mount {
    /// Where, byte for byte.
    pub(super) path: Vec<u8>,
    /// What is mounted.
    pub(super) device: Vec<u8>,
    /// Its type.
    pub(super) fstype: Vec<u8>,
    /// Whether it is mounted read-only.
    pub(super) read_only: bool,
    /// Whether another computer or a program in user space answers for it.
    pub(super) remote: bool,
    /// Whether the system hides it from people (macOS: `MNT_DONTBROWSE`).
    pub(super) hidden: bool,
    /// Its number.
    pub(super) number: (u64, u64),
}

/// A network interface with its counters, without addresses.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Link {
    /// Its number; routes name interfaces by it.
    pub(super) index: u32,
    /// What the report says of it.
    pub(super) interface: Interface,
}

/// State of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Runs, or could.
    Running,
    /// Waits.
    Sleeping,
    /// Waits and cannot be interrupted.
    DiskSleep,
    /// Being made (BSD), or a kernel thread without work (Linux).
    Idle,
    /// Stopped.
    Stopped,
    /// Ended and not yet waited for.
    Zombie,
    /// Another state, or one that we may not see.
    #[default]
    Other,
}

/// A process, as the system tells of it. What it does not tell, or not to us, is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Row {
    /// Its number.
    pub(super) pid: u32,
    /// Its name.
    pub(super) name: Text,
    /// Its state.
    pub(super) state: State,
    /// Effective user.
    pub(super) uid: Option<u32>,
    /// When it started, Unix seconds.
    pub(super) start_seconds: Option<f64>,
    /// Processor time, user and system.
    pub(super) cpu_nanos: Option<u64>,
    /// Resident memory.
    pub(super) resident_bytes: Option<u64>,
    /// Threads.
    pub(super) threads: Option<u32>,
}

/// A hardware address as text.
pub(super) fn mac_text(bytes: &[u8; 6]) -> Text {
    let [a, b, c, d, e, f] = bytes;
    Text::from(format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"))
}
