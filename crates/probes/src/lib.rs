//! How one computer is read, as cheaply as it can be: one file for each family of numbers.
//!
//! A [`Sampler`] owns the probes of this system and fills a [`chasar_wire::Report`]. It never reads
//! the clock (the caller hands in [`Now`]), never starts a program, needs no privilege, and reads
//! everything through a [`Host`], so the ordinary code also runs on a folder of recorded files.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`probe`] | the contract of one probe: [`Probe`], [`Outcome`], [`ProbeError`], [`Now`] |
//! | [`sampler`] | all probes in a row, timed, each on its own feet |
//! | [`slot`] | sources too slow for the tick: a thread leaves the newest value |
//! | [`text`] | numbers and words out of bytes, and into texts |
//! | [`linux`] | Linux: [`Host`], the registry, one file for each family |
//! | [`windows`] | Windows: the same, over a few calls that answer for the whole system |
//! | `sysinfo` | macOS and FreeBSD, the same; compiled for tests on Linux too |
//!
//! Another system is a module beside [`linux`] with a `Host` and a `REGISTRY` of its own.

#[cfg(not(any(target_os = "linux", target_os = "macos", target_os = "freebsd", windows)))]
compile_error!(
    "Chasar has no probes for this system: they are a module with a Host and a REGISTRY, as `linux` is"
);

mod address;
mod clock;
#[cfg(target_os = "linux")]
pub mod linux;
mod mounts;
pub mod probe;
mod rank;
pub mod sampler;
pub mod slot;
mod statfs;
#[cfg(any(target_os = "macos", target_os = "freebsd", all(test, target_os = "linux")))]
mod sysinfo;
pub mod text;
pub mod windows;

#[cfg(target_os = "linux")]
pub use linux::Host;
#[cfg(target_os = "linux")]
use linux::REGISTRY;
pub use probe::{Now, Outcome, Probe, ProbeError, Setup};
pub use sampler::{Config, Monotonic, ProcessList, Sampler};
pub use slot::{Background, Reading, Slot};
#[cfg(any(target_os = "macos", target_os = "freebsd"))]
pub use sysinfo::Host;
#[cfg(any(target_os = "macos", target_os = "freebsd"))]
use sysinfo::REGISTRY;
#[cfg(windows)]
pub use windows::Host;
#[cfg(windows)]
use windows::REGISTRY;
