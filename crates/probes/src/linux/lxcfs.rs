//! LXCFS: files of `/proc` that a container manager has laid its own over.

use super::text::{lines, words};
use crate::Host;

/// Whether a file under `/proc`, given with its whole path, is not the kernel's but LXCFS's, and so
/// speaks of the container.
pub(crate) fn covers(host: &Host, path: &[u8]) -> bool {
    let mut buffer = Vec::new();
    let Ok(mounts) = host.proc.read(c"self/mountinfo", &mut buffer) else { return false };
    // Fields as in proc_pid_mountinfo(5): the fifth is the mount point, the one after "-" the type.
    lines(mounts).any(|line| {
        words(line).nth(4) == Some(path)
            && words(line).skip_while(|word| *word != b"-").nth(1) == Some(b"fuse.lxcfs")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_laid_over_is_covered() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("proc/self")).unwrap();
        let mounts = "20 1 0:4 / /proc rw - proc proc rw\n\
            30 20 0:50 /proc/meminfo /proc/meminfo rw,nosuid master:7 - fuse.lxcfs lxcfs rw\n\
            31 20 0:51 / /proc/stat rw - tmpfs fuse.lxcfs rw\n";
        std::fs::write(folder.path().join("proc/self/mountinfo"), mounts).unwrap();
        let host = Host::recorded(folder.path());
        assert!(covers(&host, b"/proc/meminfo"));
        assert!(!covers(&host, b"/proc/stat"), "of another file system");
        assert!(!covers(&host, b"/proc/loadavg"));
    }
}
