//! macOS and FreeBSD: the `sysinfo` crate, and the system's own calls where they tell more or cost less.
//!
//! Every probe reads plain values from [`source`], the only part that differs between systems, and
//! writes them into the report. The same probes are compiled for tests on Linux, where they read
//! `sysinfo` alone and are held against the probes of Linux.
//!
//! | family | macOS | FreeBSD |
//! | --- | --- | --- |
//! | cores | `host_processor_info` | `kern.cp_times` |
//! | memory, swap, load, boot time, identity | `sysinfo` | `sysinfo` |
//! | file systems | `getfsstat(2)`, `statfs(2)` | the same |
//! | interfaces | `NET_RT_IFLIST2`, `getifaddrs(3)` | `sysinfo`, `getifaddrs(3)` |
//! | default route | `NET_RT_DUMP` | the same |
//! | processes | `KERN_PROC_ALL`, `proc_pidinfo`; `sysinfo` if the table has another form | `sysinfo` |

mod cpu;
mod filesystem;
#[cfg(not(target_os = "linux"))]
mod host;
mod identity;
mod iflist;
mod kinfo;
mod load;
mod memory;
mod mount_choice;
mod network;
mod process;
mod route;
mod source;
#[cfg(test)]
mod tests;
mod users;

#[cfg(not(target_os = "linux"))]
pub use host::Host;

use crate::probe::Make;

/// All probes, in the order they run.
#[rustfmt::skip]
pub(crate) static REGISTRY: &[Make] = &[
    cpu::make,
    load::make,
    memory::make,
    identity::make,
    filesystem::make,
    network::make,
    process::make,
];

/// An error of the crate, in our words.
fn trouble(what: &'static str) -> impl Fn(::sysinfo::Error) -> crate::ProbeError {
    move |e| crate::ProbeError::Reported(format!("{what}: {e}"))
}
