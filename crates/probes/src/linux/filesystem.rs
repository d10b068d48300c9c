//! File systems, and the root in the shape of 2016: `/proc/self/mountinfo` and `statfs(2)`.
//!
//! Which mounts count is said in [`super::mount_table`], how they are asked in [`super::statfs`].
//! The table is read when the kernel says that it changed (a `poll(2)` of the kept file), and once a
//! minute all the same. Numbers are those of `df`: used is the size less what is free for root, and
//! the share in `disk` is rounded as psutil does.

use std::ffi::{CStr, CString};
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::path::Path;

use chasar_wire::family::{Disk, Filesystem};
use chasar_wire::{Report, Text};

use super::file::Kept;
use super::mount_table::{Counted, select};
use super::statfs::{Answer, Asker, Target};
use super::sys::FileSystemStatus;
use super::text::{copy_text, set_some};
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
        rows: Vec::new(),
        asker: Asker::new(std::sync::Arc::new(move |path: &CStr| host.statfs(path)), aside),
    })
}

struct Filesystems {
    mountinfo: Kept,
    /// Samples since the table was read.
    samples: u32,
    /// What stands for the table's text.
    seen: Option<u64>,
    rows: Vec<Row>,
    asker: Asker,
}

struct Row {
    /// `None` for a root that is no mount point, as in a chroot: it is asked for `disk` alone.
    counted: Option<Counted>,
    root: bool,
    /// The words for the error it gave last, and the error's number.
    error: Option<(i32, Text)>,
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
        let mut counted = select(content);
        // No path has a zero byte, so a table that says otherwise is not a kernel's.
        counted.retain(|c| !c.path.contains(&0));
        let has_root = counted.iter().any(|c| c.path == b"/");
        let path = |c: &Counted| CString::new(c.path.clone()).unwrap_or_default();
        let targets = counted.iter().map(|c| Target { path: path(c), number: c.number, remote: c.remote });
        let lone_root = (!has_root).then(|| Target { path: c"/".into(), number: (0, 0), remote: false });
        self.asker.set(targets.chain(lone_root));
        let row = |counted: Option<Counted>| {
            let root = counted.as_ref().is_none_or(|c| c.path == b"/");
            Row { counted, root, error: None }
        };
        self.rows = counted.into_iter().map(Some).chain((!has_root).then_some(None)).map(row).collect();
        Ok(())
    }
}

/// The root file system as psutil's `disk_usage` gives it.
pub(crate) fn disk(status: &FileSystemStatus) -> Disk {
    let bytes = |blocks: u64| blocks.checked_mul(status.block_bytes);
    let total = bytes(status.blocks).filter(|b| *b > 0);
    let used = total.and(status.blocks.checked_sub(status.blocks_free)).and_then(bytes);
    let free = total.and(bytes(status.blocks_available));
    let percent = used.zip(free).and_then(|(used, free)| {
        let of = used as f64 + free as f64;
        (of > 0.0).then(|| (used as f64 / of * 1000.0).round() / 10.0)
    });
    Disk { total_bytes: total, total_bytes_used: used, total_bytes_free: free, percent_used: percent }
}

fn numbers(fs: &mut Filesystem, status: Option<&FileSystemStatus>) {
    let bytes =
        |blocks: fn(&FileSystemStatus) -> u64| status.and_then(|s| blocks(s).checked_mul(s.block_bytes));
    fs.size_bytes = bytes(|s| s.blocks);
    fs.free_bytes = bytes(|s| s.blocks_free);
    fs.avail_bytes = bytes(|s| s.blocks_available);
    // btrfs and FAT have no fixed number of inodes and say 0.
    let inodes = status.filter(|s| s.files > 0);
    fs.files = inodes.map(|s| s.files);
    fs.files_free = inodes.map(|s| s.files_free);
}

impl Row {
    /// Why there are no numbers.
    fn trouble(&mut self, answer: Answer) -> Option<&str> {
        match answer {
            Answer::Pending | Answer::Status(_) => None,
            Answer::Silent => Some("statfs does not answer"),
            Answer::NotAsked => Some("not asked, too many others do not answer"),
            Answer::Error(number) => {
                if self.error.as_ref().is_none_or(|(before, _)| *before != number) {
                    self.error = Some((number, io::Error::from_raw_os_error(number).to_string().into()));
                }
                self.error.as_ref().map(|(_, words)| words.as_str())
            }
        }
    }
}

impl Probe for Filesystems {
    fn name(&self) -> &'static str {
        "filesystems"
    }

    fn read(&mut self, host: &Host, now: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        self.read_table(host)?;
        self.asker
            .round(now.monotonic)
            .map_err(|e| ProbeError::Reported(format!("no thread to ask file systems in: {e}")))?;
        let list = report.filesystems.get_or_insert_default();
        report.disk = Disk::default();
        let mut count = 0;
        self.asker.answers(|i, answer| {
            let row = &mut self.rows[i];
            let status = match &answer {
                Answer::Status(status) => Some(status),
                _ => None,
            };
            if let (true, Some(status)) = (row.root, status) {
                report.disk = disk(status);
            }
            if row.counted.is_none() || status.is_some_and(|s| s.blocks == 0) {
                return;
            }
            if count == list.len() {
                list.push(Filesystem::default());
            }
            let fs = &mut list[count];
            count += 1;
            numbers(fs, status);
            match row.trouble(answer) {
                Some(words) => set_some(&mut fs.device_error, words.as_bytes(), usize::MAX),
                None => fs.device_error = None,
            }
            if let Some(counted) = &row.counted {
                copy_text(&mut fs.mountpoint, &counted.mountpoint);
                copy_text(&mut fs.device, &counted.device);
                copy_text(&mut fs.fstype, &counted.fstype);
                // The kernel makes a broken file system read-only without telling the mount table's readers.
                fs.read_only = Some(counted.read_only || status.is_some_and(|s| s.read_only));
            }
        });
        list.truncate(count);
        if count == 0 {
            report.filesystems = None;
        }
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        report.filesystems = None;
        report.disk = Disk::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_df_and_psutil() {
        let status = FileSystemStatus {
            block_bytes: 4096,
            blocks: 1000,
            blocks_free: 400,
            blocks_available: 350,
            files: 10,
            files_free: 4,
            read_only: false,
        };
        let disk = disk(&status);
        assert_eq!(disk.total_bytes, Some(4_096_000));
        assert_eq!(disk.total_bytes_used, Some(600 * 4096));
        assert_eq!(disk.total_bytes_free, Some(350 * 4096));
        assert_eq!(disk.percent_used, Some(63.2), "600 / 950");
        let mut fs = Filesystem::default();
        numbers(&mut fs, Some(&status));
        assert_eq!(
            (fs.size_bytes, fs.free_bytes, fs.avail_bytes),
            (Some(4_096_000), Some(1_638_400), Some(1_433_600))
        );
        assert_eq!((fs.files, fs.files_free), (Some(10), Some(4)));
        numbers(&mut fs, Some(&FileSystemStatus { files: 0, files_free: 0, ..status }));
        assert_eq!((fs.files, fs.files_free), (None, None));
        numbers(&mut fs, None);
        assert_eq!(fs, Filesystem::default());
    }

    #[test]
    fn absurd_numbers_are_absent() {
        let status = FileSystemStatus {
            block_bytes: u64::MAX,
            blocks: 2,
            blocks_free: 3,
            blocks_available: 1,
            ..FileSystemStatus::default()
        };
        let none = Disk::default();
        assert_eq!(disk(&status), none);
        let more_free_than_there = FileSystemStatus { block_bytes: 1, ..status };
        let told = disk(&more_free_than_there);
        assert_eq!((told.total_bytes, told.total_bytes_used, told.percent_used), (Some(2), None, None));
        assert_eq!(disk(&FileSystemStatus::default()), none, "a root without size");
    }
}
