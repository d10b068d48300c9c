//! File systems, and the root in the shape of 2016: `/proc/self/mountinfo` and `statfs(2)`.
//!
//! Which mounts count is said in [`super::mount_table`], how they are asked and told in [`crate::mounts`].
//! The table is read when the kernel says that it changed (a `poll(2)` of the kept file), and once a
//! minute all the same.

use std::ffi::CStr;
use std::hash::{DefaultHasher, Hasher};
use std::path::Path;

use chasar_wire::Report;

use super::file::Kept;
use super::mount_table::select;
use super::mountinfo::mounts;
use crate::mounts::{self as family, Mounts};
use crate::statfs::FileSystemStatus;
use crate::{Host, Now, Outcome, Probe, ProbeError, Setup};

/// A kernel that does not tell of changes (gVisor) is not missed for longer than this.
const READ_TABLE_EVERY: u32 = 60;

pub(crate) fn make(setup: &Setup<'_>) -> Box<dyn Probe> {
    let host = setup.config.host.clone();
    // Seen from inside a container, our own table is the container's; the first process has the host's.
    let of_init = !host.is_recorded() && (host.root != Path::new("/") || is_boxed_in(&host));
    let aside = !host.is_recorded();
    Box::new(Filesystems {
        mountinfo: Kept::records(if of_init { c"1/mountinfo" } else { c"self/mountinfo" }),
        samples: 0,
        seen: None,
        // Where the table is not of this process, whether it may write says nothing of the file system.
        mounts: Mounts::new(
            move |path: &CStr| {
                let status = host.statfs(path)?;
                Ok(FileSystemStatus { read_only: status.read_only && !of_init, ..status })
            },
            aside,
        ),
    })
}

/// Whether this process sees the file systems of the host through a mount namespace of its own, as a service
/// does that systemd keeps from writing (`ProtectSystem=`, systemd.exec(5)): all of them look read-only
/// then, and the table of the first process tells how they are.
fn is_boxed_in(host: &Host) -> bool {
    let (mut init, mut own) = (Vec::new(), Vec::new());
    match (host.proc.read(c"1/mountinfo", &mut init), host.proc.read(c"self/mountinfo", &mut own)) {
        (Ok(init), Ok(own)) => is_view_of(own, init),
        _ => false,
    }
}

/// Whether both tables have the same file system at `/`, and only for this process it is read-only. A
/// container has another one there, and who has mounts of its own otherwise is to see them.
fn is_view_of(own: &[u8], init: &[u8]) -> bool {
    let root = |table| mounts(table).filter(|m| m.mountpoint.0 == b"/").last();
    match (root(own), root(init)) {
        (Some(own), Some(init)) => {
            let same = (own.device, own.root.0) == (init.device, init.root.0);
            same && own.read_only() && !init.read_only()
        }
        _ => false,
    }
}

struct Filesystems {
    mountinfo: Kept,
    /// Samples since the table was read.
    samples: u32,
    /// What stands for the table's text.
    seen: Option<u64>,
    mounts: Mounts,
}

impl Filesystems {
    fn read_table(&mut self, host: &Host) -> Result<(), ProbeError> {
        let unchanged = self.samples < READ_TABLE_EVERY && !host.is_recorded();
        self.samples += 1;
        if self.seen.is_some() && unchanged && !self.mountinfo.has_signal() {
            return Ok(());
        }
        self.samples = 0;
        let content = self.mountinfo.read(&host.proc)?;
        let mut hasher = DefaultHasher::new();
        hasher.write(content);
        let seen = Some(hasher.finish());
        if self.seen == seen {
            return Ok(());
        }
        self.seen = seen;
        self.mounts.set(select(content));
        Ok(())
    }
}

impl Probe for Filesystems {
    fn name(&self) -> &'static str {
        "filesystems"
    }

    fn read(&mut self, host: &Host, now: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        self.read_table(host)?;
        self.mounts.read(now, report)?;
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        family::clear(report);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_may_not_write_sees_the_hosts_file_systems() {
        let host = b"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / /d rw - ext4 /dev/sda2 rw\n";
        let boxed = b"7 6 8:1 / / ro - ext4 /dev/sda1 rw\n8 7 8:2 / /d ro - ext4 /dev/sda2 rw\n";
        let container = b"7 6 0:9 / / rw - overlay overlay rw\n";
        let chroot = b"2 1 8:2 / /d rw - ext4 /dev/sda2 rw\n";
        assert!(is_view_of(boxed, host));
        assert!(!is_view_of(boxed, boxed), "a host whose root is read-only for all");
        let more = b"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:7 / /mine rw - tmpfs mine rw\n";
        for other in [&host[..], container, chroot, more, b""] {
            assert!(!is_view_of(other, host), "{}", String::from_utf8_lossy(other));
        }
    }
}
