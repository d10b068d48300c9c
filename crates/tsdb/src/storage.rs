//! What the engine asks of the place its files lie in: a flat folder, few operations.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

mod disk;
mod sim;

pub use disk::Disk;
pub use sim::Sim;

/// A flat folder of files. The engine touches the outside world through this alone, so a test can
/// put a disk underneath that tears writes, forgets what was not synced, or is full.
///
/// Names consist of lower-case letters, digits, `-` and `.`.
pub trait Storage: Send + Sync + fmt::Debug {
    /// Names and sizes (bytes) of all files.
    ///
    /// # Errors
    /// What the operating system says.
    fn list(&self) -> io::Result<Vec<(String, u64)>>;

    /// A new, empty file to append to.
    ///
    /// # Errors
    /// When the name exists, and what the operating system says.
    fn create(&self, name: &str) -> io::Result<Box<dyn Output>>;

    /// An existing file to read.
    ///
    /// # Errors
    /// What the operating system says.
    fn open(&self, name: &str) -> io::Result<Box<dyn Input>>;

    /// Gives a file another name, replacing what bore it, in one step that a crash cannot split.
    ///
    /// # Errors
    /// What the operating system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a name. Readers that have the file open keep it.
    ///
    /// # Errors
    /// What the operating system says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Returns when all names created, changed and removed so far survive a power cut.
    ///
    /// # Errors
    /// What the operating system says.
    fn sync_names(&self) -> io::Result<()>;

    /// Puts the same file, without copying where possible, under the same name into another folder.
    ///
    /// # Errors
    /// What the operating system says.
    fn link(&self, name: &str, folder: &Path) -> io::Result<Linked>;

    /// Copies what a file has now under the same, new name into another folder, durably, and says
    /// how many bytes that were. The file may grow meanwhile.
    ///
    /// # Errors
    /// What the operating system says.
    fn copy(&self, name: &str, folder: &Path) -> io::Result<u64> {
        let input = self.open(name)?;
        let size = input.size_bytes()?;
        let mut output = std::fs::OpenOptions::new().write(true).create_new(true).open(folder.join(name))?;
        let mut buffer = vec![0; COPIED_AT_ONCE];
        let mut offset = 0;
        while offset < size {
            let part =
                &mut buffer[..COPIED_AT_ONCE.min(usize::try_from(size - offset).unwrap_or(usize::MAX))];
            input.read_at(offset, part)?;
            output.write_all(part)?;
            offset += part.len() as u64;
        }
        output.sync_all()?;
        Ok(size)
    }
}

/// Bytes that a copy holds in memory.
const COPIED_AT_ONCE: usize = 1 << 20;

/// How a file came into another folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linked {
    /// By a hard link: it takes no room of its own.
    Shared,
    /// As a copy: it is on another file system, or on one without links.
    Copied,
}

/// A file that grows at its end.
pub trait Output: Send {
    /// Appends all bytes, or fails; after a failure any part of them may be in the file.
    ///
    /// # Errors
    /// What the operating system says.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns when all bytes appended so far survive a power cut. After a failure nothing is known
    /// about the bytes since the last success, and the file must not be appended to again.
    ///
    /// # Errors
    /// What the operating system says.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file to read at any position, from several threads.
pub trait Input: Send + Sync {
    /// Fills the buffer from `offset` on.
    ///
    /// # Errors
    /// When the file ends before the buffer is full, and what the operating system says.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Size in bytes.
    ///
    /// # Errors
    /// What the operating system says.
    fn size_bytes(&self) -> io::Result<u64>;

    /// Says that a stretch will be read soon, so that the disk can begin with it.
    fn will_need(&self, offset: u64, len: u64);
}
