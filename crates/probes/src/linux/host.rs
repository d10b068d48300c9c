//! One Linux computer: where its files are, and the few sources that are not files.
//!
//! A recorded host is a folder with `proc`, `sys`, `etc` and `facts`; the files under `facts` answer
//! for what is no file on a live host:
//!
//! | file | stands for | form, a line each |
//! | --- | --- | --- |
//! | `uname` | `uname(2)` | four lines: node name, release, version, machine |
//! | `cpu_clocks` | processor clocks | `pid nanoseconds`; without the file the kernel has no such clocks |
//! | `owners` | owner of `/proc/<pid>` | `pid uid`; 0 for a pid that is not named |
//! | `units` | `sysconf(3)` | `page_bytes ticks_per_second`; without the file 4096 and 100 |
//! | `addresses` | `getifaddrs(3)` | `interface address/prefix_length [broadcast]` |
//! | `statfs` | `statvfs(3)` | `mountpoint block_bytes blocks free available files files_free`, or `mountpoint errno N`; octal as in mountinfo |

use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::file::Dir;
use super::mountinfo::Escaped;
use super::sys::{self, Uname};
use super::text::{lines, number, words};
use crate::statfs::FileSystemStatus;

/// One Linux computer, live or recorded.
#[derive(Debug)]
pub struct Host {
    /// `/proc`.
    pub proc: Dir,
    /// `/sys`.
    pub sys: Dir,
    /// `/etc`.
    pub etc: Dir,
    /// What mount points are relative to; `/`, unless we watch a host from inside a container.
    pub root: PathBuf,
    /// Bytes of a memory page.
    pub page_bytes: u64,
    /// Clock ticks a second in `/proc`.
    pub ticks_per_second: u64,
    facts: Option<Dir>,
    cpu_clocks: bool,
}

impl Host {
    /// This computer.
    pub fn live() -> Host {
        Host::at(Path::new("/"))
    }

    /// The computer whose root file system is at `root`, seen live: `/host` in a container that has
    /// the host's `/` mounted there.
    pub fn at(root: &Path) -> Host {
        let proc = Dir::open(&root.join("proc"));
        // Clocks go by the pids of our own namespace, so they are of use only if that /proc shows the same;
        // and a kernel may answer for ourselves but for no other process (gVisor).
        let own = std::process::id();
        let cpu_clocks = proc.read_link(c"self").is_ok_and(|pid| number(&pid) == Some(u64::from(own)))
            && [own, 1].iter().all(|pid| sys::process_cpu_nanos(*pid).is_ok());
        Host {
            proc,
            sys: Dir::open(&root.join("sys")),
            etc: Dir::open(&root.join("etc")),
            root: root.to_owned(),
            page_bytes: sys::page_bytes(),
            ticks_per_second: sys::ticks_per_second(),
            facts: None,
            cpu_clocks,
        }
    }

    /// A computer recorded in a folder.
    pub fn recorded(folder: &Path) -> Host {
        let facts = Dir::open(&folder.join("facts"));
        let mut buffer = Vec::new();
        let units = facts.read(c"units", &mut buffer).ok().and_then(|text| {
            let mut values = words(text.trim_ascii()).map(number);
            Some((values.next()??, values.next()??))
        });
        let (page_bytes, ticks_per_second) = units.unwrap_or((4096, 100));
        Host {
            proc: Dir::open(&folder.join("proc")),
            sys: Dir::open(&folder.join("sys")),
            etc: Dir::open(&folder.join("etc")),
            root: folder.to_owned(),
            page_bytes,
            ticks_per_second,
            cpu_clocks: facts.stat(c"cpu_clocks").is_ok(),
            facts: Some(facts),
        }
    }

    /// Whether this is a folder of recorded files.
    pub fn is_recorded(&self) -> bool {
        self.facts.is_some()
    }

    /// A file under `facts` of a recorded host; `None` on a live one.
    pub fn fact(&self, name: &CStr) -> Option<io::Result<Vec<u8>>> {
        let facts = self.facts.as_ref()?;
        let mut buffer = Vec::new();
        let result = facts.read(name, &mut buffer).map(<[u8]>::len);
        Some(match result {
            Ok(n) => {
                buffer.truncate(n);
                Ok(buffer)
            }
            Err(crate::ProbeError::Io { source, .. }) => Err(source),
            Err(e) => Err(io::Error::other(e.to_string())),
        })
    }

    /// Whether processor clocks of other processes can be read here.
    pub fn has_cpu_clocks(&self) -> bool {
        self.cpu_clocks
    }

    /// Processor time of a process, nanoseconds.
    ///
    /// # Errors
    /// `EINVAL` for a process that is gone or a thread that is not the first of its process.
    pub fn cpu_nanos(&self, pid: u32) -> io::Result<u64> {
        match self.fact(c"cpu_clocks") {
            None => sys::process_cpu_nanos(pid),
            Some(text) => {
                pair(&text?, u64::from(pid)).ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))
            }
        }
    }

    /// Who a process runs as (effective user).
    ///
    /// # Errors
    /// `ENOENT` for a process that is gone.
    pub fn owner(&self, pid: u32, folder: &CStr) -> io::Result<u32> {
        match self.fact(c"owners") {
            None => self.proc.stat(folder).map(|s| s.uid),
            Some(text) => {
                self.proc.stat(folder)?;
                let uid = text.ok().and_then(|text| pair(&text, u64::from(pid)));
                Ok(uid.and_then(|uid| u32::try_from(uid).ok()).unwrap_or(0))
            }
        }
    }

    /// `uname(2)`.
    ///
    /// # Errors
    /// If a recorded host has no such file.
    pub fn uname(&self) -> io::Result<Uname> {
        let Some(text) = self.fact(c"uname") else { return sys::uname() };
        Ok(Uname::new(lines(&text?)))
    }

    /// `statvfs(3)` of a mount point, given as the host itself sees it. Can hang for ever on a network mount.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn statfs(&self, mountpoint: &CStr) -> io::Result<FileSystemStatus> {
        let Some(text) = self.fact(c"statfs") else {
            if self.root == Path::new("/") {
                return sys::statfs(mountpoint);
            }
            let mountpoint = mountpoint.to_bytes();
            let relative = mountpoint.strip_prefix(b"/").unwrap_or(mountpoint);
            let path = self.root.join(std::ffi::OsStr::from_bytes(relative));
            return sys::statfs(&CString::new(path.as_os_str().as_bytes())?);
        };
        let text = text?;
        let missing = || io::Error::from_raw_os_error(libc::ENOENT);
        let is_it = |word: &[u8]| Escaped(word).bytes().eq(mountpoint.to_bytes().iter().copied());
        let line = lines(&text).find(|l| words(l).next().is_some_and(is_it)).ok_or_else(missing)?;
        let mut values = words(line).skip(1);
        let first = values.next().ok_or_else(missing)?;
        let mut next = || values.next().and_then(number).unwrap_or(0);
        if first == b"errno" {
            return Err(io::Error::from_raw_os_error(i32::try_from(next()).unwrap_or(libc::EIO)));
        }
        Ok(FileSystemStatus {
            block_bytes: number(first).unwrap_or(0),
            blocks: next(),
            blocks_free: next(),
            blocks_available: next(),
            files: next(),
            files_free: next(),
            read_only: false,
        })
    }
}

/// The second number of the line that begins with `key`.
fn pair(text: &[u8], key: u64) -> Option<u64> {
    lines(text).find_map(|line| {
        let mut values = words(line).map(number);
        (values.next()? == Some(key)).then(|| values.next()?)?
    })
}
