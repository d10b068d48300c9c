//! The families of numbers in a report: one file for each, in base units.
//!
//! A field that a host cannot fill is `None` and is not written. Lists that run over cores are
//! columns: one list for each quantity, in the order of [`Cpu::core`].

mod agent;
mod block_device;
mod cpu;
mod disk;
mod filesystem;
mod host;
mod memory;
mod network;
mod paging;
mod pressure;
mod probe_status;
mod process;
mod sockets;

pub use agent::{Agent, AgentMasternode};
pub use block_device::BlockDevice;
pub use cpu::{Cpu, CpuTimes};
pub use disk::Disk;
pub use filesystem::Filesystem;
pub use host::Host;
pub use memory::Memory;
pub use network::{Interface, Ipv4Interface, Network};
pub use paging::{Paging, Swap};
pub use pressure::{Pressure, Stall, StallTimes};
pub use probe_status::{Outcome, ProbeStatus, ProbeStatuses};
pub use process::{Process, ProcessCounts, ProcessTable};
pub use sockets::{NetworkProtocols, Sockets, TcpStates};
