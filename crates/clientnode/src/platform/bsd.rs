//! macOS and FreeBSD: `clock_gettime(2)`, what the kernel keeps of this process, the machine's own id.

use std::path::Path;
use std::time::Duration;

use super::Fact;

/// The clocks of this computer.
#[derive(Clone)]
pub(crate) struct Clock;

/// macOS: goes on while the computer sleeps.
#[cfg(target_os = "macos")]
const SINCE_BOOT: libc::clockid_t = libc::CLOCK_MONOTONIC_RAW;
/// macOS: stands still while the computer sleeps.
#[cfg(target_os = "macos")]
const AWAKE: libc::clockid_t = libc::CLOCK_UPTIME_RAW;
/// FreeBSD has one clock for both: a sleep does not show in it.
#[cfg(target_os = "freebsd")]
const SINCE_BOOT: libc::clockid_t = libc::CLOCK_MONOTONIC;
#[cfg(target_os = "freebsd")]
const AWAKE: libc::clockid_t = libc::CLOCK_MONOTONIC;

impl Clock {
    pub(crate) fn new() -> Clock {
        Clock
    }

    /// Time since boot, sleep included where the system counts it: a suspended host shows as a jump.
    pub(crate) fn since_boot(&self) -> Duration {
        read(SINCE_BOOT)
    }

    /// Time since boot without sleep: the clock for rates, since a sleeping host does nothing.
    pub(crate) fn monotonic(&self) -> Duration {
        read(AWAKE)
    }
}

fn read(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one `timespec`. The clocks exist since macOS 10.12 and FreeBSD 9, so it cannot fail.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// What this process uses.
pub(crate) struct Usage;

impl Usage {
    pub(crate) fn new() -> Usage {
        Usage
    }

    /// Processor time of all threads, user and system.
    pub(crate) fn cpu_seconds(&self) -> Option<f64> {
        Some(read(libc::CLOCK_PROCESS_CPUTIME_ID).as_secs_f64())
    }

    /// Resident memory, `proc_pidinfo` of libproc.
    #[cfg(target_os = "macos")]
    pub(crate) fn resident_bytes(&mut self) -> Option<u64> {
        const SIZE: libc::c_int = size_of::<libc::proc_taskinfo>() as libc::c_int;
        let mut info = std::mem::MaybeUninit::<libc::proc_taskinfo>::zeroed();
        // SAFETY: `info` has room for `SIZE` bytes.
        let got = unsafe {
            libc::proc_pidinfo(libc::getpid(), libc::PROC_PIDTASKINFO, 0, info.as_mut_ptr().cast(), SIZE)
        };
        // SAFETY: the call has filled it, and zero bytes are valid in any case.
        (got == SIZE).then(|| unsafe { info.assume_init() }.pti_resident_size)
    }

    /// Resident memory, `kern.proc.pid` of sysctl(3).
    #[cfg(target_os = "freebsd")]
    pub(crate) fn resident_bytes(&mut self) -> Option<u64> {
        // SAFETY: takes nothing and gives a number.
        let own = unsafe { libc::getpid() };
        let name = [libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_PID, own];
        let mut info = std::mem::MaybeUninit::<libc::kinfo_proc>::zeroed();
        let mut length = size_of::<libc::kinfo_proc>();
        // SAFETY: `name` has four parts, and `info` has room for `length` bytes.
        let result = unsafe {
            libc::sysctl(name.as_ptr(), 4, info.as_mut_ptr().cast(), &raw mut length, std::ptr::null(), 0)
        };
        if result != 0 || length != size_of::<libc::kinfo_proc>() {
            return None;
        }
        // SAFETY: the call has filled it, and zero bytes are valid in any case.
        let pages = u64::try_from(unsafe { info.assume_init() }.ki_rssize).ok()?;
        // SAFETY: takes a number and gives one.
        let page_bytes = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
        pages.checked_mul(page_bytes)
    }
}

/// What tells this computer from another, and stays when it boots or is renamed.
///
/// macOS: the id in the machine's hardware. FreeBSD: the id that it made at installation, which is in every
/// copy of the disk.
pub(crate) fn hardware_facts(root: &Path) -> Vec<Fact> {
    let mut facts = Vec::new();
    #[cfg(target_os = "macos")]
    if root == Path::new("/")
        && let Some(id) = hardware_id()
    {
        facts.push(Fact { kind: "serial", value: id });
    }
    #[cfg(target_os = "freebsd")]
    if let Ok(id) = std::fs::read_to_string(root.join("etc/hostid")) {
        let value = id.trim().to_lowercase();
        if value.bytes().any(|b| b.is_ascii_alphanumeric() && b != b'0') {
            facts.push(Fact { kind: "machine", value });
        }
    }
    facts
}

/// `gethostuuid(2)`: `IOPlatformUUID`.
#[cfg(target_os = "macos")]
fn hardware_id() -> Option<String> {
    let mut id = [0u8; 16];
    let patience = libc::timespec { tv_sec: 1, tv_nsec: 0 };
    // SAFETY: writes sixteen bytes and reads one `timespec`.
    let result = unsafe { libc::gethostuuid(id.as_mut_ptr(), &raw const patience) };
    (result == 0 && id != [0; 16]).then(|| id.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The systems' allocators need no settings to stay small.
pub(crate) fn keep_memory_small() {}

/// The systems' allocators give unused memory back by themselves.
pub(crate) fn release_memory() {}
