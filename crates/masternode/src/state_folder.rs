//! The state folder: locked for one masternode, with the memory of the fleet and the HTTP token.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::StartError;

/// A file larger than this was not written by us: 20,000 nodes need some ten mebibytes.
const MAX_FILE_BYTES: u64 = 1 << 30;
/// Tokens we make: 256 bits as hexadecimal digits.
const TOKEN_BYTES: usize = 32;

/// A state folder that is ours until dropped.
#[derive(Debug)]
pub(crate) struct StateFolder {
    path: PathBuf,
    /// The lock lives as long as the descriptor; a killed process leaves none behind.
    _lock: File,
}

impl StateFolder {
    pub(crate) fn open(path: &Path) -> Result<StateFolder, StartError> {
        let failed = |action, at: &Path| {
            let path = at.to_owned();
            move |cause| StartError::State { action, path, cause }
        };
        create_private_folder(path).map_err(failed("create", path))?;
        let lock_path = path.join("masternode.lock");
        let lock = private(OpenOptions::new().create(true).truncate(false).write(true))
            .open(&lock_path)
            .map_err(failed("write", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(StateFolder { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StartError::StateInUse { path: path.to_owned() }),
            Err(TryLockError::Error(cause)) => Err(failed("lock", &lock_path)(cause)),
        }
    }

    pub(crate) fn memory_path(&self) -> PathBuf {
        self.path.join("fleet.memory")
    }

    pub(crate) fn token_path(&self) -> PathBuf {
        self.path.join("http_token")
    }

    /// Which node has which `instance` in its series.
    pub(crate) fn instances_path(&self) -> PathBuf {
        self.path.join("instances.json")
    }

    /// A file of ours; empty where there is none yet.
    pub(crate) fn read(&self, path: &Path) -> Result<Vec<u8>, StartError> {
        let failed = |cause| StartError::State { action: "read", path: path.to_owned(), cause };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(failed(e)),
        };
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }

    /// Puts a file that is not ours aside, rather than write over it.
    pub(crate) fn put_aside(&self, path: &Path) -> Result<PathBuf, StartError> {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".foreign");
        let aside = PathBuf::from(aside);
        let failed = |cause| StartError::State { action: "rename", path: path.to_owned(), cause };
        fs::rename(path, &aside).map_err(failed)?;
        Ok(aside)
    }

    /// The token in the folder, made if there is none.
    pub(crate) fn token(&self) -> Result<String, StartError> {
        let path = self.token_path();
        let failed = |action| {
            let path = path.clone();
            move |cause| StartError::State { action, path, cause }
        };
        match fs::read_to_string(&path) {
            Ok(text) => return checked_token(text.trim()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(failed("read")(e)),
        }
        let mut random = [0u8; TOKEN_BYTES];
        getrandom::fill(&mut random).map_err(|e| StartError::System {
            what: "random source",
            cause: io::Error::other(e.to_string()),
        })?;
        let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        private(OpenOptions::new().create_new(true).write(true))
            .open(&path)
            .and_then(|mut file| writeln!(file, "{token}"))
            .map_err(failed("write"))?;
        Ok(token)
    }
}

/// A token must fit in a header and be hard to guess.
pub(crate) fn checked_token(token: &str) -> Result<String, StartError> {
    if token.len() < 16 || token.len() > 256 {
        return Err(StartError::Token { problem: "is not 16 to 256 characters long" });
    }
    if !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(StartError::Token { problem: "has characters that cannot stand in a header" });
    }
    Ok(token.to_owned())
}

/// Only for this user.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

/// Writes a whole file beside the old one and puts it in its place: after a crash, one of them is there.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let mut file = private(OpenOptions::new().create(true).truncate(true).write(true)).open(&new)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&new, path)?;
    Ok(file)
}

/// Only for this user too, with all folders above it that are not there.
pub(crate) fn create_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_masternode_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let first = StateFolder::open(&path).unwrap();
        let error = StateFolder::open(&path).unwrap_err().to_string();
        assert!(error.contains("in use by another masternode") && error.contains("--state-dir"), "{error}");
        drop(first);
        StateFolder::open(&path).unwrap();
    }

    #[test]
    fn the_token_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::open(folder.path()).unwrap();
        let token = state.token().unwrap();
        assert_eq!((token.len(), state.token().unwrap()), (64, token));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(state.token_path()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::write(state.token_path(), "short\n").unwrap();
        assert!(matches!(state.token(), Err(StartError::Token { .. })));
    }

    #[test]
    fn a_folder_that_cannot_be_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = StateFolder::open(&file.join("state")).unwrap_err().to_string();
        assert!(error.contains("file/state") && error.contains("--state-dir"), "{error}");
    }
}
