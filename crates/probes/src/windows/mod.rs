//! Windows: a few calls that answer for the whole system at once, and a few for each volume and disk.
//!
//! What the calls answer is read in [`parse`], which every system compiles and tests; the rest is for
//! Windows alone. Numbers that Windows does not have (load, waiting for I/O, inodes, …) are absent.

pub mod parse;

#[cfg(windows)]
mod block_device;
#[cfg(windows)]
mod cpu;
#[cfg(windows)]
mod filesystem;
#[cfg(windows)]
pub mod host;
#[cfg(windows)]
mod identity;
#[cfg(windows)]
mod memory;
#[cfg(windows)]
mod network;
#[cfg(windows)]
mod paging;
#[cfg(windows)]
mod process;
#[cfg(windows)]
mod sockets;
#[cfg(windows)]
pub mod sys;
#[cfg(windows)]
mod tcp_state;

#[cfg(windows)]
pub use host::Host;

/// All probes, in the order they run. A new probe is its file, and a line here.
#[cfg(windows)]
#[rustfmt::skip]
pub(crate) static REGISTRY: &[crate::probe::Make] = &[
    cpu::make,
    memory::make,
    paging::make,
    identity::make,
    block_device::make,
    filesystem::make,
    network::make,
    sockets::make,
    tcp_state::make,
    process::make,
];
