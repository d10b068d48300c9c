//! Which folder history lies in, and opening it.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chasar_masternode::HistoryConfig;
use chasar_tsdb::storage::{Disk, Storage};
use chasar_tsdb::{Error, Opening, Options, Store};

use crate::args::{HistoryFolder, HistoryPlace};
use crate::exit::Failure;
use crate::run::masternode;
use crate::settings::layers::{Layers, REAL};

/// What is said wherever a folder turns out to be another.
const NAME_IT: &str = "name the folder of history, or a copy of it";

impl HistoryPlace {
    /// The folder that is meant.
    pub(super) fn path(&self) -> Result<PathBuf, Failure> {
        match &self.place {
            Some(place) => Ok(place.clone()),
            None => self.named.path(),
        }
    }
}

impl HistoryFolder {
    /// The folder that is meant: that of the masternode where none is named.
    pub(in crate::run) fn path(&self) -> Result<PathBuf, Failure> {
        match &self.folder {
            Some(folder) => Ok(folder.clone()),
            None => Ok(self.config()?.folder),
        }
    }

    /// The history that the masternode is configured with; with the folder that was named, if any.
    pub(super) fn config(&self) -> Result<HistoryConfig, Failure> {
        let mut layers = Layers::new(BTreeMap::new(), self.config.as_deref(), REAL);
        let state_dir = masternode::state_dir(&mut layers);
        let config = state_dir.as_deref().and_then(|folder| masternode::history(&mut layers, folder));
        let (Some(state_dir), Some(config), true) = (state_dir, config, layers.problems.is_empty()) else {
            return Err(Failure::configuration(&layers.problems));
        };
        match (config, &self.folder) {
            (Some(config), None) => Ok(config),
            (config, Some(folder)) => {
                let config = config.unwrap_or_else(|| HistoryConfig::below(&state_dir));
                Ok(HistoryConfig { folder: folder.clone(), ..config })
            }
            (None, None) => Err(Failure::new(
                "history is off in the configuration (masternode.history); name a folder with --folder",
            )),
        }
    }
}

/// Files of a folder that is history.
pub(super) fn files(folder: &Path) -> Result<Vec<(String, u64)>, Failure> {
    let shown = folder.display();
    let files = Disk::read_only(folder).list().map_err(|e| match e.kind() {
        ErrorKind::NotFound => Failure::new(format_args!(
            "there is no history in {shown}: the folder does not exist; {NAME_IT} with --folder"
        )),
        ErrorKind::PermissionDenied => Failure::new(format_args!(
            "cannot read {shown}: {e}; run this as the user that the masternode runs as"
        )),
        _ => Failure::new(format_args!("cannot read {shown}: {e}; {NAME_IT}")),
    })?;
    let is_history = |name: &str| {
        (name.starts_with("s-") && name.ends_with(".seg"))
            || (name.starts_with("w-") && name.ends_with(".wal"))
    };
    // A masternode that has just started has locked its folder and written nothing yet.
    if !files.iter().any(|(name, _)| is_history(name)) && !folder.join("lock").exists() {
        return Err(Failure::new(format_args!(
            "{shown} is no folder of history: it has no s-….seg and no w-….wal; {NAME_IT}"
        )));
    }
    Ok(files)
}

/// Makes room for the files of a store: each segment is an open one, and years have more than the thousand
/// that is usual.
pub(super) fn make_room() {
    // Where the limit stays as it is, what cannot be opened is said.
    let _ = chasar_link::raise_open_file_limit();
}

/// History to read, while a masternode may write to it.
pub(in crate::run) fn open(folder: &Path) -> Result<(Store, Opening), Failure> {
    files(folder)?;
    make_room();
    let disk = Arc::new(Disk::read_only(folder));
    let (store, opening) = Store::open_read_only(disk, Options::default())
        .map_err(|e| Failure::new(format_args!("{}: {e}", folder.display())))?;
    if let Some(newer) = opening.damaged.iter().find(|e| matches!(e, Error::Version { .. })) {
        return Err(Failure::new(format_args!("{}: {newer}", folder.display())));
    }
    Ok((store, opening))
}
