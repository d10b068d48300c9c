//! The real system, or one below a folder: files, programs, the service control manager.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::carry_out::Hands;
use super::plan::{Call, Scm};

/// A system whose files are below `root`, or this one.
#[derive(Debug)]
pub(crate) struct Machine {
    root: Option<PathBuf>,
}

impl Machine {
    /// The system below this folder; without one, this system.
    pub(crate) fn new(root: Option<&Path>) -> Machine {
        Machine { root: root.map(Path::to_owned) }
    }

    /// Where a path of that system is on this one.
    pub(crate) fn place(&self, path: &str) -> PathBuf {
        match &self.root {
            Some(root) => root.join(path.trim_start_matches('/')),
            None => PathBuf::from(path),
        }
    }
}

impl Hands for Machine {
    fn read(&mut self, path: &str) -> io::Result<Option<(Vec<u8>, u32)>> {
        let path = self.place(path);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some((bytes, mode(&fs::metadata(&path)?)))),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn exists(&mut self, path: &str) -> bool {
        fs::symlink_metadata(self.place(path)).is_ok()
    }

    fn write(&mut self, path: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
        let mut path = self.place(path);
        // Somebody may keep the real file elsewhere; below another root a link leads out of it.
        if self.root.is_none()
            && let Ok(real) = fs::canonicalize(&path)
        {
            path = real;
        }
        let folder = path.parent().unwrap_or(Path::new("/"));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        set_mode(file.path(), mode)?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|e| e.error)?;
        Ok(())
    }

    fn make_folder(&mut self, path: &str, mode: u32) -> io::Result<Vec<String>> {
        let mut missing = Vec::new();
        let mut folder = Some(Path::new(path));
        while let Some(there) = folder.filter(|f| !self.place(&f.to_string_lossy()).is_dir()) {
            missing.insert(0, there.to_string_lossy().into_owned());
            folder = there.parent();
        }
        for folder in &missing {
            let place = self.place(folder);
            fs::create_dir(&place)?;
            set_mode(&place, if folder == path { mode } else { 0o755 })?;
        }
        Ok(missing)
    }

    fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        #[cfg(unix)]
        return std::os::unix::fs::symlink(target, self.place(path));
        #[cfg(not(unix))]
        {
            let _ = (path, target);
            Err(io::Error::from(ErrorKind::Unsupported))
        }
    }

    fn remove(&mut self, path: &str) -> io::Result<()> {
        fs::remove_file(self.place(path))
    }

    fn remove_empty(&mut self, path: &str) -> io::Result<bool> {
        match fs::remove_dir(self.place(path)) {
            Ok(()) => Ok(true),
            Err(e) if matches!(e.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::NotFound) => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn remove_tree(&mut self, path: &str) -> io::Result<()> {
        fs::remove_dir_all(self.place(path))
    }

    fn call(&mut self, call: &Call) -> Result<String, String> {
        let mut command = Command::new(call.program);
        command.args(&call.arguments).stdin(Stdio::null());
        // What is read from the output is English then.
        command.env("LC_ALL", "C").env("SYSTEMD_COLORS", "0").env("SYSTEMD_PAGER", "");
        let output = command.output().map_err(|e| match e.kind() {
            ErrorKind::NotFound => format!("there is no program {}", call.program),
            _ => e.to_string(),
        })?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        let words = [text(&output.stderr), text(&output.stdout)];
        match words.iter().find(|w| !w.is_empty()) {
            Some(words) => Err(words.clone()),
            None => Err(output.status.to_string()),
        }
    }

    fn scm(&mut self, order: &Scm) -> Result<(), String> {
        #[cfg(windows)]
        return super::scm::obey(order);
        #[cfg(not(windows))]
        Err(format!("this is no Windows ({order})"))
    }
}

#[cfg(unix)]
fn mode(metadata: &fs::Metadata) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
}

/// Windows has no such number; every file is as it should be.
#[cfg(not(unix))]
fn mode(_: &fs::Metadata) -> u32 {
    0o644
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}
