//! Linux: `clock_gettime(2)`, `getrusage(2)`, `/proc/self/statm`, `/sys/class/dmi`, glibc's allocator.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use super::Fact;
#[cfg(target_env = "gnu")]
use crate::ring::CHUNK_BYTES;

/// The clocks of this computer.
#[derive(Clone)]
pub(crate) struct Clock;

impl Clock {
    pub(crate) fn new() -> Clock {
        Clock
    }

    /// Time since boot, sleep included: a suspended host shows as a jump.
    pub(crate) fn since_boot(&self) -> Duration {
        read(libc::CLOCK_BOOTTIME)
    }

    /// Time since boot without sleep: the clock for rates, since a sleeping host does nothing.
    pub(crate) fn monotonic(&self) -> Duration {
        read(libc::CLOCK_MONOTONIC)
    }
}

fn read(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one `timespec`. Both clocks exist on every kernel since 2.6.39, so it cannot fail.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// What this process uses.
pub(crate) struct Usage {
    statm: Option<File>,
    page_bytes: u64,
}

impl Usage {
    pub(crate) fn new() -> Usage {
        // SAFETY: takes a number and gives one.
        let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        Usage {
            statm: File::open("/proc/self/statm").ok(),
            page_bytes: u64::try_from(page_bytes).unwrap_or(4096),
        }
    }

    /// Processor time of all threads, user and system.
    pub(crate) fn cpu_seconds(&self) -> Option<f64> {
        // The process's own CPU clock has nanoseconds where getrusage rounds to ticks.
        Some(read(libc::CLOCK_PROCESS_CPUTIME_ID).as_secs_f64())
    }

    /// Second field of `/proc/self/statm`, proc(5).
    pub(crate) fn resident_bytes(&mut self) -> Option<u64> {
        let mut text = [0; 128];
        let len = self.statm.as_ref()?.read_at(&mut text, 0).ok()?;
        let pages: u64 = std::str::from_utf8(&text[..len]).ok()?.split(' ').nth(1)?.parse().ok()?;
        Some(pages * self.page_bytes)
    }
}

/// Files below `root` that tell this computer from another, and stay when it boots or is renamed.
///
/// `machine-id` is in every copy of a disk until somebody makes a new one. The serial numbers of
/// board and device tree are the machine's own, but DMI shows them to root only, so MAC addresses
/// of real network devices stand in.
pub(crate) fn hardware_facts(root: &Path) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut add = |kind, value: String| {
        let value = value.trim_matches(|c: char| c.is_whitespace() || c == '\0').to_lowercase();
        // Placeholders of boards whose maker filled in nothing.
        let says_something = value.bytes().any(|b| b.is_ascii_alphanumeric() && !b"0fx".contains(&b))
            && !["default string", "to be filled by o.e.m.", "not specified", "none", "system serial number"]
                .contains(&value.as_str());
        if says_something {
            facts.push(Fact { kind, value });
        }
    };
    for (kind, path) in [
        ("machine", "etc/machine-id"),
        ("serial", "sys/class/dmi/id/product_uuid"),
        ("serial", "sys/firmware/devicetree/base/serial-number"),
    ] {
        if let Ok(value) = fs::read_to_string(root.join(path)) {
            add(kind, value);
        }
    }
    let Ok(interfaces) = fs::read_dir(root.join("sys/class/net")) else { return facts };
    for interface in interfaces.flatten().map(|e| e.path()) {
        // A real device, and an address that is its own (0: permanent; kernel doc ABI/testing/sysfs-class-net).
        let permanent = fs::read_to_string(interface.join("addr_assign_type")).is_ok_and(|t| t.trim() == "0");
        if permanent
            && interface.join("device").exists()
            && let Ok(address) = fs::read_to_string(interface.join("address"))
        {
            add("mac", address);
        }
    }
    facts
}

/// Settings of glibc's allocator for a process that shall stay small; others need none.
///
/// Call before the first thread starts.
pub(crate) fn keep_memory_small() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt changes settings of the allocator and nothing else.
    unsafe {
        // One arena: each further thread that allocates would otherwise get one, 132 KiB and more.
        libc::mallopt(libc::M_ARENA_MAX, 1);
        // Large blocks, the outbox's chunks among them, come from the system and go back at once; without
        // this line the threshold rises with the first one that is freed, and they stay in the heap.
        libc::mallopt(libc::M_MMAP_THRESHOLD, CHUNK_BYTES as libc::c_int);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 128 << 10);
    }
}

/// Gives unused memory back to the system.
pub(crate) fn release_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim returns free pages and touches nothing in use.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let mut usage = Usage::new();
        let resident = usage.resident_bytes().expect("procfs is there");
        assert!((1 << 20..1 << 30).contains(&resident), "{resident}");
        let before = usage.cpu_seconds().unwrap();
        let mut sum = 0u64;
        while usage.cpu_seconds().unwrap() < before + 0.01 {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(sum > 0);
        let awake = Clock.monotonic();
        assert!(Clock.since_boot() >= awake);
    }

    #[test]
    fn facts_are_read_and_placeholders_skipped() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("etc/machine-id", "0123456789abcdef0123456789ABCDEF\n");
        write("sys/class/dmi/id/product_uuid", "00000000-0000-0000-0000-000000000000\n");
        write("sys/firmware/devicetree/base/serial-number", "10000000abcd\0");
        for (name, assigned, address) in [
            ("eth0", "0", "52:54:00:12:34:56"),
            ("eth1", "1", "aa:bb:cc:dd:ee:ff"),
            ("eth2", "0", "00:00:00:00:00:00"),
        ] {
            write(&format!("sys/class/net/{name}/addr_assign_type"), assigned);
            write(&format!("sys/class/net/{name}/address"), address);
            write(&format!("sys/class/net/{name}/device/x"), "");
        }
        write("sys/class/net/docker0/addr_assign_type", "0");
        write("sys/class/net/docker0/address", "11:22:33:44:55:66");
        let fact = |kind, value: &str| Fact { kind, value: value.to_owned() };
        assert_eq!(
            hardware_facts(root.path()),
            [
                fact("machine", "0123456789abcdef0123456789abcdef"),
                fact("serial", "10000000abcd"),
                fact("mac", "52:54:00:12:34:56"),
            ]
        );
    }
}
