//! What this process uses.

/// Processor time and memory of this process, as far as the system says.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) open_files: Option<u64>,
}

#[cfg(target_os = "linux")]
pub(crate) fn usage() -> Usage {
    /// `/proc` counts in these; fixed for user space on every architecture Linux has today (USER_HZ).
    const TICKS_A_SECOND: f64 = 100.0;
    let read = |path| std::fs::read_to_string(path).ok();
    // proc(5): the name may hold anything, so fields are counted from its last parenthesis.
    let ticks = read("/proc/self/stat").and_then(|stat| {
        let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().skip(11);
        Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
    });
    let resident_bytes = read("/proc/self/status").and_then(|status| {
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1_024)
    });
    let open_files = std::fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64);
    Usage { cpu_seconds: ticks.map(|t| t as f64 / TICKS_A_SECOND), resident_bytes, open_files }
}

#[cfg(any(target_os = "macos", target_os = "freebsd"))]
pub(crate) fn usage() -> Usage {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let cpu_seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
    // Neither system tells a program its resident memory without unsafe calls, which have no place here.
    // FreeBSD's folder has all files only where fdescfs(5) is mounted, which it seldom is.
    let files = if cfg!(target_os = "macos") { std::fs::read_dir("/dev/fd").ok() } else { None };
    let open_files = files.map(|files| files.count() as u64);
    Usage { cpu_seconds: Some(cpu_seconds), resident_bytes: None, open_files }
}

#[cfg(not(any(target_os = "linux", target_os = "macos", target_os = "freebsd")))]
pub(crate) fn usage() -> Usage {
    Usage::default()
}
