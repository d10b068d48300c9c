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
use crate::mounts::{self, Mounts};
use crate::{Host, Now, Outcome, Probe, ProbeError, Setup};

/// A kernel that does not tell of changes (gVisor) is not missed for longer than this.
const READ_TABLE_EVERY: u32 = 60;

pub(crate) fn make(setup: &Setup<'_>) -> Box<dyn Probe> {
    let host = setup.config.host.clone();
    // Seen from inside a container, our own table is the container's; the first process has the host's.
    let of_init = !host.is_recorded() && host.root != Path::new("/");
    let aside = !host.is_recorded();
    Box::new(Filesystems {
        mountinfo: Kept::records(if of_init { c"1/mountinfo" } else { c"self/mountinfo" }),
        samples: 0,
        seen: None,
        mounts: Mounts::new(move |path: &CStr| host.statfs(path), aside),
    })
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
        mounts::clear(report);
    }
}
