//! The recorder thread: owns the memory file.
//!
//! What was published is in the file milliseconds later, written with plain `write`: the page cache
//! survives the end of the process, however it ends. Only a whole new memory is synced, so that a
//! power cut finds a file that is sound, if a little old.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::message::{Counts, Flags, Memory};
use crate::state_folder::{StateFolder, replace};

/// Appends are gathered for so long into one write.
const GATHER: Duration = Duration::from_millis(5);
/// A file that cannot be written is complained about this often.
const QUIET: Duration = Duration::from_secs(60);

pub(crate) struct Recorder {
    pub(crate) queue: Receiver<Memory>,
    /// Held until the end, and with it its lock.
    pub(crate) folder: StateFolder,
    pub(crate) flags: Arc<Flags>,
    pub(crate) counts: Arc<Counts>,
}

impl Recorder {
    pub(crate) fn run(self) -> Result<(), String> {
        let path = self.folder.memory_path();
        let mut file = None;
        let mut complained: Option<Instant> = None;
        let mut gathered = Vec::new();
        let mut open = true;
        while open {
            let mut next = self.queue.recv().map_err(|_| RecvTimeoutError::Disconnected);
            let until = Instant::now() + GATHER;
            let mut whole = None;
            gathered.clear();
            loop {
                match next {
                    Ok(Memory::More(bytes)) => gathered.extend_from_slice(&bytes),
                    Ok(Memory::Whole(bytes)) => {
                        gathered.clear();
                        whole = Some(bytes);
                    }
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => {
                        open = false;
                        break;
                    }
                }
                next = self.queue.recv_deadline(until);
            }
            let result = match whole {
                Some(bytes) => replace(&path, &bytes).map(|new| {
                    file = Some(new);
                    self.counts.memory_written_bytes.add(bytes.len() as u64);
                }),
                None => Ok(()),
            };
            let result = result.and_then(|()| match (&mut file, gathered.is_empty()) {
                (_, true) => Ok(()),
                (Some(file), false) => file.write_all(&gathered),
                // The file lacks something already; a whole one was asked for.
                (None, false) => Ok(()),
            });
            match result {
                Ok(()) => self.counts.memory_written_bytes.add(gathered.len() as u64),
                Err(cause) => {
                    // What was half written makes no sense to append to.
                    file = None;
                    self.counts.memory_errors.add(1);
                    self.flags.rewrite_memory.store(true, Ordering::Relaxed);
                    if complained.is_none_or(|at| at.elapsed() >= QUIET) {
                        complained = Some(Instant::now());
                        tracing::warn!(
                            "cannot write {}: {cause}; after a crash, replayed reports could be published twice",
                            path.display()
                        );
                    }
                }
            }
        }
        if let Some(file) = file {
            file.sync_data().map_err(|e| format!("cannot sync {}: {e}", path.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn record(folder: &Path, messages: Vec<Memory>) -> (Arc<Flags>, Arc<Counts>) {
        let (sender, queue) = crossbeam_channel::unbounded();
        let (flags, counts) = (Arc::<Flags>::default(), Arc::<Counts>::default());
        for message in messages {
            sender.send(message).unwrap();
        }
        drop(sender);
        let folder = StateFolder::open(folder).unwrap();
        Recorder { queue, folder, flags: flags.clone(), counts: counts.clone() }.run().unwrap();
        (flags, counts)
    }

    #[test]
    fn a_whole_memory_replaces_and_more_is_appended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fleet.memory");
        fs::write(&path, "old").unwrap();
        let more = |text: &str| Memory::More(text.into());
        let messages = vec![more("lost"), Memory::Whole(b"whole,".to_vec()), more("a"), more("b")];
        let (flags, counts) = record(folder.path(), messages);
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole,ab");
        assert_eq!(counts.memory_written_bytes.get(), 8);
        assert!(!flags.rewrite_memory.load(Ordering::Relaxed));
    }

    #[test]
    fn a_file_that_cannot_be_written_asks_for_a_whole_one() {
        let folder = tempfile::tempdir().unwrap();
        // A folder cannot be opened as a file, not even by root.
        fs::create_dir(folder.path().join("fleet.memory.new")).unwrap();
        let (flags, counts) = record(folder.path(), vec![Memory::Whole(b"x".to_vec())]);
        assert!(flags.rewrite_memory.load(Ordering::Relaxed));
        assert_eq!(counts.memory_errors.get(), 1);
    }
}
