//! Folders and files kept open, and read into buffers that are used again.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::sys::{self, Fd};
use crate::ProbeError;

/// A folder that files are opened in; it need not exist.
#[derive(Debug)]
pub struct Dir {
    path: PathBuf,
    fd: Option<Fd>,
}

impl Dir {
    /// Opens a folder. One that cannot be opened answers every call with "not found".
    pub fn open(path: &Path) -> Dir {
        let fd = CString::new(path.as_os_str().as_bytes())
            .ok()
            .and_then(|c| sys::open(None, &c, libc::O_DIRECTORY).ok());
        Dir { path: path.to_owned(), fd }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The descriptor, if the folder exists.
    pub fn fd(&self) -> Option<&Fd> {
        self.fd.as_ref()
    }

    /// Opens a file in it for reading.
    pub fn file(&self, name: &CStr) -> io::Result<Fd> {
        sys::open(Some(self.existing()?), name, 0)
    }

    /// Opens a folder in it, to list it.
    pub fn folder(&self, name: &CStr) -> io::Result<Fd> {
        sys::open(Some(self.existing()?), name, libc::O_DIRECTORY)
    }

    /// Status of a file in it.
    pub fn stat(&self, name: &CStr) -> io::Result<sys::FileStatus> {
        sys::stat(self.existing()?, name)
    }

    /// Target of a symbolic link in it.
    pub fn read_link(&self, name: &CStr) -> io::Result<Vec<u8>> {
        sys::read_link(self.existing()?, name)
    }

    /// Reads a whole file in it: open, read, close. For what is read seldom.
    ///
    /// # Errors
    /// With the path, if it cannot be opened or read.
    pub fn read<'b>(&self, name: &CStr, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], ProbeError> {
        let fd = self.file(name).map_err(|e| self.error(name, e))?;
        read_to_end(&fd, buffer, true).map_err(|e| self.error(name, e))
    }

    /// `source` with the path of the file it is about.
    pub fn error(&self, name: &CStr, source: io::Error) -> ProbeError {
        ProbeError::Io { path: self.path_of(name), source }
    }

    /// Says that a file has not the form it should have.
    pub fn form(&self, name: &CStr, problem: &'static str) -> ProbeError {
        ProbeError::Form { path: self.path_of(name), problem }
    }

    fn path_of(&self, name: &CStr) -> PathBuf {
        self.path.join(OsStr::from_bytes(name.to_bytes()))
    }

    fn existing(&self) -> io::Result<&Fd> {
        self.fd.as_ref().ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))
    }
}

/// How many readings a file that does not exist is taken for missing before it is looked for again.
const READINGS_BEFORE_ANOTHER_LOOK: u32 = 60;

/// No file that we read at each sample is larger; a fixture or a broken kernel must not fill the memory.
const MAX_BYTES: usize = 16 << 20;

/// A file that is opened once and read again and again.
///
/// The kernel formats `/proc` and `/sys` files anew at each read from the start, so a kept
/// descriptor gives current values for a third of the cost of opening the file each time.
#[derive(Debug)]
pub struct Kept {
    name: &'static CStr,
    records: bool,
    fd: Option<Fd>,
    missing_for: u32,
    buffer: Vec<u8>,
}

impl Kept {
    /// A file that the kernel gives in one piece (`single_open`: stat, meminfo, loadavg, uptime, pressure).
    pub fn whole(name: &'static CStr) -> Kept {
        Kept { name, records: false, fd: None, missing_for: 0, buffer: Vec::new() }
    }

    /// A file that the kernel gives a page of records at a time (vmstat, diskstats, net/dev, mountinfo).
    pub fn records(name: &'static CStr) -> Kept {
        Kept { records: true, ..Kept::whole(name) }
    }

    /// What the file says now. `folder` must be the same each time.
    ///
    /// A descriptor that went bad (the device behind it left, the network namespace ended) is opened again.
    ///
    /// # Errors
    /// With the path, if it cannot be opened or read.
    pub fn read(&mut self, folder: &Dir) -> Result<&[u8], ProbeError> {
        match self.bytes(folder) {
            Ok(n) => Ok(&self.buffer[..n]),
            Err(e) => Err(folder.error(self.name, e)),
        }
    }

    /// What the file says now, or `None` if it does not exist: for sources that most hosts lack.
    ///
    /// # Errors
    /// With the path, if it exists and cannot be opened or read.
    pub fn read_if_there(&mut self, folder: &Dir) -> Result<Option<&[u8]>, ProbeError> {
        match self.bytes(folder) {
            Ok(n) => Ok(Some(&self.buffer[..n])),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(folder.error(self.name, e)),
        }
    }

    fn bytes(&mut self, folder: &Dir) -> io::Result<usize> {
        if self.missing_for > 0 {
            self.missing_for -= 1;
            return Err(io::Error::from_raw_os_error(libc::ENOENT));
        }
        let kept = self.fd.is_some();
        match self.attempt(folder) {
            Err(_) if kept => {
                self.fd = None;
                self.attempt(folder)
            }
            other => other,
        }
    }

    /// Whether the kernel says that the file has changed since this was asked last (mountinfo does);
    /// true if the file is not open.
    pub fn has_signal(&self) -> bool {
        self.fd.as_ref().is_none_or(sys::poll_priority)
    }

    fn attempt(&mut self, folder: &Dir) -> io::Result<usize> {
        let fd = match &self.fd {
            Some(fd) => fd,
            None => match folder.file(self.name) {
                Ok(fd) => self.fd.insert(fd),
                Err(e) => {
                    if e.kind() == io::ErrorKind::NotFound {
                        self.missing_for = READINGS_BEFORE_ANOTHER_LOOK;
                    }
                    return Err(e);
                }
            },
        };
        read_to_end(fd, &mut self.buffer, self.records).map(<[u8]>::len)
    }

    /// Says that the file has not the form it should have.
    pub fn form(&self, folder: &Dir, problem: &'static str) -> ProbeError {
        folder.form(self.name, problem)
    }
}

/// Reads from the start into `buffer`, which grows to what is needed and stays so.
fn read_to_end<'b>(fd: &Fd, buffer: &'b mut Vec<u8>, records: bool) -> io::Result<&'b [u8]> {
    if buffer.is_empty() {
        buffer.resize(4096, 0);
    }
    let mut have = 0;
    loop {
        let n = match sys::pread(fd, &mut buffer[have..], have as u64) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        have += n;
        if have == buffer.len() {
            if have >= MAX_BYTES {
                return Err(io::Error::from_raw_os_error(libc::EFBIG));
            }
            buffer.resize(have * 2, 0);
            if !records {
                // The rest would be of a later moment; take it all at once.
                have = 0;
            }
        } else if n == 0 || !records {
            return Ok(&buffer[..have]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path());
        (temp, dir)
    }

    #[test]
    fn a_kept_file_gives_what_is_there_now() {
        let (temp, dir) = folder();
        for make in [Kept::whole as fn(&'static CStr) -> Kept, Kept::records] {
            let mut kept = make(c"f");
            for size in [0, 1, 4095, 4096, 4097, 20_000, 3] {
                let text = vec![b'x'; size];
                std::fs::write(temp.path().join("f"), &text).unwrap();
                assert_eq!(kept.read(&dir).unwrap(), text, "{size} bytes");
            }
        }
    }

    #[test]
    fn a_missing_file_is_found_when_it_comes() {
        let (temp, dir) = folder();
        let mut kept = Kept::whole(c"f");
        let error = kept.read(&dir).unwrap_err();
        assert!(error.is_missing());
        assert!(error.to_string().starts_with(temp.path().to_str().unwrap()), "{error}");
        std::fs::write(temp.path().join("f"), "here").unwrap();
        let before = sys::calls();
        for _ in 0..READINGS_BEFORE_ANOTHER_LOOK {
            assert!(kept.read(&dir).unwrap_err().is_missing());
        }
        assert_eq!(sys::calls(), before, "no system call for what is known to be missing");
        assert_eq!(kept.read(&dir).unwrap(), b"here");
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_files() {
        let dir = Dir::open(Path::new("/nonexistent/folder"));
        assert!(dir.read(c"f", &mut Vec::new()).unwrap_err().is_missing());
        assert!(Kept::whole(c"f").read(&dir).unwrap_err().is_missing());
    }

    #[test]
    fn records_longer_than_a_page_come_whole() {
        let dir = Dir::open(Path::new("/proc"));
        let whole = std::fs::read_to_string("/proc/kallsyms").map_or(0, |t| t.lines().count());
        let mut kept = Kept::records(c"kallsyms");
        if whole > 0 {
            let ours = kept.read(&dir).unwrap();
            assert_eq!(ours.iter().filter(|b| **b == b'\n').count(), whole);
        } else {
            let ours = Kept::records(c"vmstat").read(&dir).unwrap().len();
            assert!(ours > 1000);
        }
    }
}
