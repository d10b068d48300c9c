//! The log of a service of Windows, which has no console: a file of bounded size, and the one before it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file that has reached this size is put aside.
const MAX_BYTES: u64 = 1 << 20;

/// An open log.
#[derive(Debug)]
pub(crate) struct LogFile {
    folder: PathBuf,
    file: File,
    bytes: u64,
}

impl LogFile {
    /// Opens `chasar.log` in this folder, which is made if it is missing.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn open(folder: &Path) -> io::Result<LogFile> {
        fs::create_dir_all(folder)?;
        let file = OpenOptions::new().create(true).append(true).open(path(folder))?;
        let bytes = file.metadata()?.len();
        Ok(LogFile { folder: folder.to_owned(), file, bytes })
    }

    /// Puts the file aside, over the one that was there, and begins a new one.
    fn turn(&mut self) -> io::Result<()> {
        fs::rename(path(&self.folder), self.folder.join("chasar.log.old"))?;
        self.file = OpenOptions::new().create(true).append(true).open(path(&self.folder))?;
        self.bytes = 0;
        Ok(())
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("chasar.log")
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes > 0 && self.bytes + bytes.len() as u64 > MAX_BYTES {
            // Where it cannot be put aside it is cut: the newest lines are worth most.
            if self.turn().is_err() {
                self.file.set_len(0)?;
                self.bytes = 0;
            }
        }
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_stays_bounded_and_keeps_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("made");
        let line = [b'x'; 1000];
        let mut log = LogFile::open(&folder).unwrap();
        for _ in 0..1500 {
            log.write_all(&line).unwrap();
        }
        drop(log);
        let mut log = LogFile::open(&folder).unwrap();
        for _ in 0..1500 {
            log.write_all(&line).unwrap();
        }
        log.write_all(b"the last").unwrap();
        let now = fs::read(folder.join("chasar.log")).unwrap();
        assert!(now.ends_with(b"the last"));
        let old = fs::metadata(folder.join("chasar.log.old")).unwrap().len();
        assert!(now.len() as u64 <= MAX_BYTES && old <= MAX_BYTES && old > MAX_BYTES - 1000, "{old}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    }
}
