//! Measures processes from outside: processor time to the nanosecond, memory as the kernel accounts it.

use std::fs;
use std::io;
use std::time::Duration;

/// Processor time used by a running process, all its threads (`clock_gettime(2)` on its CPU clock).
///
/// # Errors
/// When there is no such process.
pub fn cpu_time(pid: u32) -> io::Result<Duration> {
    // The clock id of a process: its complemented pid, shifted, with CPUCLOCK_SCHED (clock_getcpuclockid(3)).
    let clock = ((!(pid as libc::clockid_t)) << 3) | 2;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result.
    if unsafe { libc::clock_gettime(clock, &mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// Memory of a process in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Resident set.
    pub rss: u64,
    /// Proportional set: shared pages divided among those who share them.
    pub pss: u64,
    /// Largest resident set so far.
    pub peak: u64,
}

/// Reads the memory of a process.
///
/// # Errors
/// When there is no such process.
pub fn memory(pid: u32) -> io::Result<Memory> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    Ok(Memory { rss: kib(&rollup, "Rss:"), pss: kib(&rollup, "Pss:"), peak: kib(&status, "VmHWM:") })
}

fn kib(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|l| l.strip_prefix(key));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// The value below which a share of the sorted `values` lies; `share` from 0 to 1.
pub fn percentile(values: &mut [u64], share: f64) -> u64 {
    values.sort_unstable();
    let index = ((values.len() as f64 * share) as usize).min(values.len().saturating_sub(1));
    values.get(index).copied().unwrap_or(0)
}

/// Bytes as mebibytes, for people.
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
