//! Files in a real folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{Input, Linked, Output, Storage};

const LOCK: &str = "lock";

/// A folder on a disk, held by one process at a time.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
    /// Locked for as long as this lives.
    _lock: Option<File>,
}

impl Disk {
    /// Opens a folder to write history into, makes it when it is missing, and locks it.
    ///
    /// # Errors
    /// When it cannot be made, or another process has it open
    /// ([`io::ErrorKind::ResourceBusy`]).
    pub fn open(folder: impl Into<PathBuf>) -> io::Result<Disk> {
        let folder = folder.into();
        fs::create_dir_all(&folder)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join(LOCK))?;
        lock.try_lock().map_err(|e| match e {
            fs::TryLockError::WouldBlock => io::Error::new(
                io::ErrorKind::ResourceBusy,
                format!("{} is in use by another process", folder.display()),
            ),
            fs::TryLockError::Error(e) => e,
        })?;
        Ok(Disk { folder, _lock: Some(lock) })
    }

    /// A folder to read only, such as a copy: it is not locked and nothing is created in it.
    pub fn read_only(folder: impl Into<PathBuf>) -> Disk {
        Disk { folder: folder.into(), _lock: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Storage for Disk {
    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let meta = match entry.metadata() {
                Ok(meta) => meta,
                // Removed between the listing and the question.
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            };
            if let (true, Ok(name)) = (meta.is_file(), entry.file_name().into_string())
                && name != LOCK
            {
                found.push((name, meta.len()));
            }
        }
        Ok(found)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Output>> {
        let file = OpenOptions::new().write(true).create_new(true).open(self.path(name))?;
        Ok(Box::new(DiskFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Input>> {
        Ok(Box::new(DiskFile(File::open(self.path(name))?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        // Only Unix has a folder to sync; NTFS journals names by itself.
        if cfg!(unix) { File::open(&self.folder)?.sync_all() } else { Ok(()) }
    }

    fn link(&self, name: &str, folder: &Path) -> io::Result<Linked> {
        use io::ErrorKind::{CrossesDevices, PermissionDenied, TooManyLinks, Unsupported};
        match fs::hard_link(self.path(name), folder.join(name)) {
            Ok(()) => Ok(Linked::Shared),
            // Another file system, one without hard links (link(2): EPERM too), or files of somebody
            // else, which Linux lets nobody link.
            Err(e) if matches!(e.kind(), CrossesDevices | Unsupported | PermissionDenied | TooManyLinks) => {
                self.copy(name, folder).map(|_| Linked::Copied)
            }
            Err(e) => Err(e),
        }
    }
}

struct DiskFile(File);

impl Output for DiskFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

impl Input for DiskFile {
    #[cfg(unix)]
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, buffer, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
        use std::os::windows::fs::FileExt;
        while !buffer.is_empty() {
            match self.0.seek_read(buffer, offset)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => {
                    buffer = &mut buffer[n..];
                    offset += n as u64;
                }
            }
        }
        Ok(())
    }

    fn size_bytes(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn will_need(&self, offset: u64, len: u64) {
        #[cfg(target_os = "linux")]
        if let Some(len) = std::num::NonZeroU64::new(len) {
            // Advice only: without it the reads are slower, not wrong.
            let _ = rustix::fs::fadvise(&self.0, offset, Some(len), rustix::fs::Advice::WillNeed);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (offset, len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_written_by_one_process_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = Disk::open(folder.path()).unwrap();
        let second = Disk::open(folder.path());
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        drop(first);
        Disk::open(folder.path()).unwrap();
    }

    #[test]
    fn files_are_made_once_read_anywhere_renamed_linked_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path()).unwrap();
        let mut file = disk.create("a.tmp").unwrap();
        file.append(b"hello ").unwrap();
        file.append(b"world").unwrap();
        file.sync().unwrap();
        assert!(disk.create("a.tmp").is_err());
        disk.rename("a.tmp", "a").unwrap();
        disk.sync_names().unwrap();
        assert_eq!(disk.list().unwrap(), [("a".to_string(), 11)]);
        let input = disk.open("a").unwrap();
        disk.link("a", elsewhere.path()).unwrap();
        disk.remove("a").unwrap();
        let mut buffer = [0; 5];
        input.will_need(6, 5);
        input.read_at(6, &mut buffer).unwrap();
        assert_eq!(&buffer, b"world");
        assert!(input.read_at(7, &mut buffer).is_err());
        assert_eq!(fs::read(elsewhere.path().join("a")).unwrap(), b"hello world");
        assert!(disk.list().unwrap().is_empty());
    }
}
