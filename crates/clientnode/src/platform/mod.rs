//! What each operating system does in its own way: clocks, what this process uses, and the facts that
//! tell one computer from another.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::{Clock, Usage, hardware_facts, keep_memory_small, release_memory};

#[cfg(any(target_os = "macos", target_os = "freebsd"))]
mod bsd;
#[cfg(any(target_os = "macos", target_os = "freebsd"))]
pub(crate) use bsd::{Clock, Usage, hardware_facts, keep_memory_small, release_memory};

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::{Clock, Usage, hardware_facts, keep_memory_small, release_memory};

/// One thing that tells this computer from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    /// What it is: `machine`, `serial` or `mac`.
    pub(crate) kind: &'static str,
    /// Its value.
    pub(crate) value: String,
}
