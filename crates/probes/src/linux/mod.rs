//! Linux: the files of `/proc` and `/sys`, and the few system calls that beat them.

mod block_device;
mod cgroup;
mod cpu;
pub mod file;
mod filesystem;
mod frequency;
#[doc(hidden)]
pub mod fuzzing;
pub mod host;
mod identity;
mod load;
mod lxcfs;
mod memory;
mod mount_table;
mod mountinfo;
mod net_dev;
mod network;
mod paging;
mod pressure;
mod process;
mod route;
mod sockets;
pub mod sys;
mod tcp_state;
mod virtualization;

pub use host::Host;

use crate::probe::Make;
use crate::text;
#[cfg(test)]
pub(crate) use route::ipv4 as route_interface;

/// All probes, in the order they run. A new probe is its file, and a line here.
#[rustfmt::skip]
pub(crate) static REGISTRY: &[Make] = &[
    cpu::make,
    load::make,
    frequency::make,
    memory::make,
    paging::make,
    pressure::make,
    identity::make,
    block_device::make,
    filesystem::make,
    network::make,
    sockets::make,
    tcp_state::make,
    process::make,
];
