//! Where the spool keeps its segments: a trait of few methods, so that tests can make each of them
//! fail, and the folder on disk behind it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// A place for numbered segments.
pub(crate) trait Storage: Send {
    /// Numbers of the segments that exist, in any order.
    fn list(&mut self) -> io::Result<Vec<u64>>;
    /// A new, empty segment.
    fn create(&mut self, number: u64) -> io::Result<Box<dyn Segment>>;
    /// An existing segment.
    fn open(&mut self, number: u64) -> io::Result<Box<dyn Segment>>;
    /// Takes a segment away.
    fn remove(&mut self, number: u64) -> io::Result<()>;
}

/// One open segment.
pub(crate) trait Segment: Send {
    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Fills `buffer` from `offset`, or fails with `UnexpectedEof`.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`; after an error any part of them may have been written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts off everything from `len` on.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
    /// Makes sure that what was written survives a power cut.
    fn sync(&mut self) -> io::Result<()>;
}

/// A folder on disk. One process at a time: the folder's `lock` file is held.
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Opens the folder, making it when it is missing.
    ///
    /// # Errors
    /// `ResourceBusy` when another process holds it, else what the file system says.
    pub(crate) fn open(path: &Path) -> io::Result<Folder> {
        fs::create_dir_all(path)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Folder { path: path.to_owned(), _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(io::ErrorKind::ResourceBusy.into()),
            Err(fs::TryLockError::Error(e)) => Err(e),
        }
    }

    fn segment(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:016x}.spool"))
    }
}

impl Storage for Folder {
    fn list(&mut self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|n| n.strip_suffix(".spool")).filter(|n| n.len() == 16);
            numbers.extend(number.and_then(|n| u64::from_str_radix(n, 16).ok()));
        }
        Ok(numbers)
    }

    fn create(&mut self, number: u64) -> io::Result<Box<dyn Segment>> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(true).write(true).read(true);
        // Reports name processes and users: for the owner's eyes.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(self.segment(number))?;
        // The name must survive a power cut too.
        #[cfg(unix)]
        File::open(&self.path)?.sync_all()?;
        Ok(Box::new(file))
    }

    fn open(&mut self, number: u64) -> io::Result<Box<dyn Segment>> {
        Ok(Box::new(OpenOptions::new().write(true).read(true).open(self.segment(number))?))
    }

    fn remove(&mut self, number: u64) -> io::Result<()> {
        fs::remove_file(self.segment(number))
    }
}

impl Segment for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    #[cfg(unix)]
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, offset)
    }

    #[cfg(unix)]
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(self, bytes, offset)
    }

    #[cfg(not(unix))]
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        use std::io::{Read, Seek};
        let mut file = self;
        file.seek(io::SeekFrom::Start(offset))?;
        file.read_exact(buffer)
    }

    #[cfg(not(unix))]
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        use std::io::{Seek, Write};
        self.seek(io::SeekFrom::Start(offset))?;
        self.write_all(bytes)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}
