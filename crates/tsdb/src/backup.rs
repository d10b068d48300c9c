//! A copy of a store that somebody may be writing to.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use crate::error::{Error, Result};
use crate::storage::{Linked, Storage};
use crate::store::{gone, log_number, segment_number, stable_list};

/// How often files may vanish between listing and copying before that is an error. A writer removes
/// files a few times a minute, so the second attempt mostly has them all.
const ATTEMPTS: usize = 100;

/// What a backup has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backup {
    /// Segments in it.
    pub segments: u64,
    /// Their size.
    pub segment_bytes: u64,
    /// Segments that were copied since a hard link was not possible; they take room of their own.
    pub copied_segments: u64,
    /// Logs in it, always copied since they grow.
    pub logs: u64,
    /// Their size.
    pub log_bytes: u64,
}

/// Puts a store into another folder: segments as hard links where possible, logs as copies.
///
/// Nothing is locked and nothing is changed, so this works beside a writer in another process. The
/// copy has every sample that was committed before the call, and perhaps some of later ones; the
/// record that is being written may be cut short in it, as after a power cut.
///
/// # Errors
/// When a file cannot be read, linked or written, or so many vanish that no attempt has them all.
/// What was put into `folder` by then is left there.
pub fn backup(storage: &dyn Storage, folder: &Path) -> Result<Backup> {
    let mut done = Backup::default();
    let mut have: HashSet<String> = HashSet::new();
    // A file that vanished is in a merged one by now, or its log in a segment, whose index says so.
    // What was linked of others meanwhile is worthless beside those, not wrong.
    for _ in 0..ATTEMPTS {
        if attempt(storage, folder, &mut have, &mut done)? {
            #[cfg(unix)]
            std::fs::File::open(folder)
                .and_then(|f| f.sync_all())
                .map_err(Error::io("sync", &folder.display().to_string()))?;
            return Ok(done);
        }
    }
    Err(Error::io("list", "the folder")(io::Error::other("its files vanish faster than they are copied")))
}

/// Whether all files of one listing are there now.
fn attempt(
    storage: &dyn Storage,
    folder: &Path,
    have: &mut HashSet<String>,
    done: &mut Backup,
) -> Result<bool> {
    // Logs of an attempt before are older than the logs that began since: what came between would be
    // missing. All are copied anew.
    for name in have.extract_if(|name| log_number(name).is_some()) {
        std::fs::remove_file(folder.join(&name)).map_err(Error::io("remove", &name))?;
    }
    (done.logs, done.log_bytes) = (0, 0);
    let files = stable_list(storage)?;
    let mut all = true;
    // Logs first: what is removed while they are copied is in segments, which the next attempt lists.
    for (name, _) in files.iter().filter(|(name, _)| log_number(name).is_some()) {
        match storage.copy(name, folder).map_err(Error::io("copy", name)) {
            Ok(bytes) => {
                done.logs += 1;
                done.log_bytes += bytes;
                have.insert(name.clone());
            }
            Err(error) if gone(&error) => all = false,
            Err(error) => return Err(error),
        }
    }
    for (name, bytes) in files.iter().filter(|(name, _)| segment_number(name).is_some()) {
        if have.contains(name) {
            continue;
        }
        match storage.link(name, folder).map_err(Error::io("link", name)) {
            Ok(linked) => {
                done.segments += 1;
                done.segment_bytes += bytes;
                done.copied_segments += u64::from(linked == Linked::Copied);
                have.insert(name.clone());
            }
            Err(error) if gone(&error) => all = false,
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}
