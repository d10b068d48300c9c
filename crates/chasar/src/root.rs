//! Whether this process is root's.

/// Whether it is. Nobody is root on Windows, whose calls say themselves what may not be done.
pub(crate) fn is_root() -> bool {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt;
        // The owner of a process's folder is its effective user (proc_pid(5)).
        std::fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
    }
    #[cfg(all(unix, not(target_os = "linux")))]
    {
        rustix::process::geteuid().is_root()
    }
    #[cfg(not(unix))]
    {
        false
    }
}
