//! File systems in the report: asked for their numbers again and again, and told as `df` tells them.
//!
//! Which mounts count is each system's business; how they are asked is said in [`crate::statfs`].
//! Used is the size less what is free for root, and the share in `disk` is rounded as psutil does.

use std::ffi::{CStr, CString};
use std::io;
use std::sync::Arc;

use chasar_wire::family::{Disk, Filesystem};
#[cfg(not(windows))]
use chasar_wire::limits::MAX_TEXT_BYTES;
use chasar_wire::{Report, Text};

use crate::statfs::{Answer, Ask, Asker, FileSystemStatus, Target};
use crate::text::{copy_text, set_some};
use crate::{Now, ProbeError};

/// So many and the other families still fit a report of 1 MiB. Windows has no more than its letters.
#[cfg(not(windows))]
pub(crate) const MAX_FILESYSTEMS: usize = 512;
/// A byte becomes up to six in JSON, and the text may then not be longer than the wire allows.
#[cfg(not(windows))]
pub(crate) const MAX_PATH_BYTES: usize = MAX_TEXT_BYTES / 6;

/// A file system to be reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Where it is, byte for byte.
    pub(crate) path: Vec<u8>,
    /// Where it is, for the report.
    pub(crate) mountpoint: Text,
    /// What is mounted.
    pub(crate) device: Text,
    /// Its type.
    pub(crate) fstype: Text,
    /// Whether the mount table calls it read-only.
    pub(crate) read_only: bool,
    /// Whether another computer or a program answers for it, so that asking it costs them something
    /// and may never end.
    pub(crate) remote: bool,
    /// Major and minor number.
    pub(crate) number: (u64, u64),
}

/// The file systems that count, and what they said last.
pub(crate) struct Mounts {
    /// Path of the one that `disk` is about.
    root: Vec<u8>,
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

impl Mounts {
    /// None yet; the root is `/`. `aside`: asked in threads of its own; otherwise on the spot, for recorded hosts.
    #[cfg(not(windows))]
    pub(crate) fn new(
        ask: impl Fn(&CStr) -> io::Result<FileSystemStatus> + Send + Sync + 'static,
        aside: bool,
    ) -> Mounts {
        Mounts::with_root(b"/", ask, aside)
    }

    /// The same where the root has another name.
    pub(crate) fn with_root(
        root: &[u8],
        ask: impl Fn(&CStr) -> io::Result<FileSystemStatus> + Send + Sync + 'static,
        aside: bool,
    ) -> Mounts {
        let ask: Ask = Arc::new(ask);
        Mounts { root: root.to_vec(), rows: Vec::new(), asker: Asker::new(ask, aside) }
    }

    /// Replaces the file systems that count; those that were there before keep what they said.
    pub(crate) fn set(&mut self, mut counted: Vec<Counted>) {
        // No path has a zero byte, so a table that says otherwise is not a kernel's.
        counted.retain(|c| !c.path.contains(&0));
        let is_root = |c: &Counted| c.path == self.root;
        let has_root = counted.iter().any(is_root);
        let path = |c: &Counted| CString::new(c.path.clone()).unwrap_or_default();
        let targets = counted.iter().map(|c| Target { path: path(c), number: c.number, remote: c.remote });
        let lone_root = || Target {
            path: CString::new(self.root.clone()).unwrap_or_default(),
            number: (0, 0),
            remote: false,
        };
        self.asker.set(targets.chain((!has_root).then(lone_root)));
        let row = |counted: Option<Counted>| {
            let root = counted.as_ref().is_none_or(is_root);
            Row { counted, root, error: None }
        };
        self.rows = counted.into_iter().map(Some).chain((!has_root).then_some(None)).map(row).collect();
    }

    /// Asks those whose turn it is, and writes the newest answers over `filesystems` and `disk`.
    ///
    /// # Errors
    /// If no thread can be had to ask in.
    pub(crate) fn read(&mut self, now: &Now, report: &mut Report) -> Result<(), ProbeError> {
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
        Ok(())
    }
}

/// Takes `filesystems` and `disk` out of the report.
pub(crate) fn clear(report: &mut Report) {
    report.filesystems = None;
    report.disk = Disk::default();
}

/// The root file system as psutil's `disk_usage` gives it.
fn disk(status: &FileSystemStatus) -> Disk {
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
