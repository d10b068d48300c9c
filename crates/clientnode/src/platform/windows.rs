//! Windows: the performance counter, `GetProcessTimes`, `GetProcessMemoryInfo`, the registry's machine id.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use chasar_probes::windows::sys;
use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::System::ProcessStatus::{K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessTimes};

use super::Fact;

/// Most interfaces that are looked at for hardware addresses.
const MAX_INTERFACES: usize = 8_192;

/// The clocks of this computer.
///
/// The performance counter goes on while the computer sleeps, so both clocks are the same one; rates over a
/// sleep come out low, and missed samples are counted.
#[derive(Clone)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn new() -> Clock {
        Clock(Instant::now())
    }

    pub(crate) fn since_boot(&self) -> Duration {
        self.0.elapsed()
    }

    pub(crate) fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// What this process uses.
pub(crate) struct Usage;

impl Usage {
    pub(crate) fn new() -> Usage {
        Usage
    }

    /// Processor time of all threads, user and kernel.
    pub(crate) fn cpu_seconds(&self) -> Option<f64> {
        let zero = FILETIME::default();
        let (mut made, mut ended, mut kernel, mut user) = (zero, zero, zero, zero);
        let times = (&raw mut made, &raw mut ended, &raw mut kernel, &raw mut user);
        // SAFETY: the handle stands for this process and needs no closing; four times can be written.
        let ok = unsafe { GetProcessTimes(GetCurrentProcess(), times.0, times.1, times.2, times.3) };
        let ticks = |t: FILETIME| (u64::from(t.dwHighDateTime) << 32) | u64::from(t.dwLowDateTime);
        (ok != 0).then(|| (ticks(kernel).saturating_add(ticks(user))) as f64 / 1e7)
    }

    /// The working set.
    pub(crate) fn resident_bytes(&mut self) -> Option<u64> {
        let mut counters = PROCESS_MEMORY_COUNTERS::default();
        let size = size_of::<PROCESS_MEMORY_COUNTERS>() as u32;
        // SAFETY: the handle stands for this process, and `counters` has `size` bytes.
        let ok = unsafe { K32GetProcessMemoryInfo(GetCurrentProcess(), &raw mut counters, size) };
        (ok != 0).then_some(counters.WorkingSetSize as u64)
    }
}

/// What tells this computer from another: the id that setup gave it, and the addresses burnt into its
/// network cards.
pub(crate) fn hardware_facts(_: &Path) -> Vec<Fact> {
    const HARDWARE: u8 = 1;
    let mut facts = Vec::new();
    if let Some(id) = sys::registry_text(r"SOFTWARE\Microsoft\Cryptography", "MachineGuid") {
        facts.push(Fact { kind: "machine", value: id.to_lowercase() });
    }
    // Interfaces that cannot be listed tell nothing; the machine's id does alone.
    let _ = sys::interfaces(MAX_INTERFACES, |row| {
        let address = &row.PermanentPhysicalAddress[..(row.PhysicalAddressLength as usize).min(32)];
        if row.InterfaceAndOperStatusFlags._bitfield & HARDWARE != 0 && address.iter().any(|byte| *byte != 0)
        {
            let mut value = String::new();
            for byte in address {
                // Writing into a text cannot fail.
                let _ = write!(value, "{byte:02x}:");
            }
            let value = value.trim_end_matches(':').to_owned();
            if !facts.iter().any(|fact| fact.value == value) {
                facts.push(Fact { kind: "mac", value });
            }
        }
    });
    facts
}

/// The system's allocator needs no settings.
pub(crate) fn keep_memory_small() {}

/// The system's allocator gives memory back by itself.
pub(crate) fn release_memory() {}
