//! The folder that keeps tools, std and objects between runs.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Result, root};

/// Names another folder than `target/platforms`.
const VARIABLE: &str = "CHASAR_PLATFORMS_CACHE";

/// The folder.
pub(crate) struct Cache(PathBuf);

impl Cache {
    /// Opens it, empty if need be.
    pub(crate) fn open() -> Result<Cache> {
        let folder =
            std::env::var_os(VARIABLE).map_or_else(|| root().join("target/platforms"), PathBuf::from);
        fs::create_dir_all(&folder).map_err(|e| format!("cannot create {}: {e}", folder.display()))?;
        // Compilers run in other folders.
        let folder = folder.canonicalize().map_err(|e| format!("{}: {e}", folder.display()))?;
        Ok(Cache(folder))
    }

    /// Where it is.
    pub(crate) fn place(&self) -> &Path {
        &self.0
    }

    /// A place in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A folder in it, which is made if it is not there.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.path(name);
        fs::create_dir_all(&folder).map_err(|e| format!("cannot create {}: {e}", folder.display()))?;
        Ok(folder)
    }

    /// Where cargo builds.
    pub(crate) fn target(&self) -> PathBuf {
        self.path("build")
    }
}

/// The whole text of a file, or why not.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))
}

/// Writes a file unless it has that text already, so that nothing is built again for it.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    if fs::read(path).is_ok_and(|was| was == text.as_bytes()) {
        return Ok(());
    }
    fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
}
