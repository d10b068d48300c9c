//! `chasar history snapshot`: a backup beside a masternode that writes.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use chasar_tsdb::backup;
use chasar_tsdb::storage::Disk;

use super::folder;
use super::show::{harmless, size, things};
use crate::args::HistorySnapshot;
use crate::exit::Failure;
use crate::output::to_stdout;

pub(crate) fn snapshot(args: &HistorySnapshot) -> Result<(), Failure> {
    let from = args.folder.path()?;
    folder::files(&from)?;
    let into = &args.dir;
    let made = make(into)?;
    let done = backup(&Disk::read_only(&from), into).map_err(|e| {
        clear(into, made);
        Failure::new(format_args!("{}: {e}; nothing is left in {}", from.display(), into.display()))
    })?;
    if done.segments + done.logs == 0 {
        clear(into, made);
        return Err(Failure::new(format_args!(
            "there is nothing in {} yet to make a snapshot of",
            from.display()
        )));
    }
    let links = match done.copied_segments {
        0 => String::new(),
        _ => " (copied: a hard link is not possible there)".to_owned(),
    };
    let text = harmless(format_args!(
        "{}: {} of {}{links}, {} of {}.",
        into.display(),
        size(done.segment_bytes),
        things(done.segments, "segment", "segments"),
        size(done.log_bytes),
        things(done.logs, "log", "logs"),
    ));
    let _ = to_stdout(|out| writeln!(out, "{text}"))?;
    Ok(())
}

/// Makes the folder, or finds it empty; whether it was made.
fn make(folder: &Path) -> Result<bool, Failure> {
    let shown = folder.display();
    let mut new = fs::DirBuilder::new();
    new.recursive(false);
    // Whom history is kept from, its copies are.
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut new, 0o700);
    match new.create(folder) {
        Ok(()) => return Ok(true),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
        Err(e) => {
            return Err(Failure::new(format_args!(
                "cannot make {shown}: {e}; name a folder that can be made"
            )));
        }
    }
    let first = fs::read_dir(folder).and_then(|mut entries| entries.next().transpose());
    match first {
        Ok(None) => Ok(false),
        Ok(Some(_)) => {
            Err(Failure::new(format_args!("{shown} is not empty; name a new folder for the snapshot")))
        }
        Err(e) => Err(Failure::new(format_args!("cannot use {shown}: {e}; name a new folder"))),
    }
}

/// Takes back what was begun. The folder was empty before, so all in it is ours.
fn clear(folder: &Path, made: bool) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        // What cannot be removed is less of a harm than to fail twice.
        let _ = fs::remove_file(entry.path());
    }
    if made {
        let _ = fs::remove_dir(folder);
    }
}
