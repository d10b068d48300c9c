//! A build of the program under test, and what starts it where this computer cannot do so itself.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Place, workspace};

/// A build of the program, with its runner: `wine`, `qemu-aarch64-static`, or nothing.
#[derive(Clone, Debug)]
pub struct Executable {
    runner: Vec<String>,
    path: PathBuf,
}

impl Executable {
    /// The one built for this computer.
    pub fn native() -> Executable {
        Executable { runner: Vec::new(), path: workspace::chasar() }
    }

    /// The one built for `platform` (`linux-arm64`), as `cargo xtask platforms` tells: its path in
    /// `CHASAR_TEST_LINUX_ARM64`, and the words that start it, if any, in `CHASAR_TEST_LINUX_ARM64_RUNNER`.
    ///
    /// # Panics
    /// When it is not there: a test that passes on nothing proves nothing.
    #[track_caller]
    pub fn of(platform: &str) -> Executable {
        let variable = format!("CHASAR_TEST_{}", platform.to_uppercase().replace('-', "_"));
        let Some(path) = env::var_os(&variable).map(PathBuf::from) else {
            panic!("{variable} is not set; `cargo xtask platforms {platform}` builds the program and sets it")
        };
        assert!(path.is_file(), "{variable}: {} is not there", path.display());
        let runner = env::var(format!("{variable}_RUNNER")).unwrap_or_default();
        Executable { runner: runner.split_whitespace().map(str::to_owned).collect(), path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A command that will run it at `place`.
    pub fn command(&self, place: &Place) -> Command {
        let Some((first, others)) = self.runner.split_first() else { return place.command(&self.path) };
        let mut command = place.command(first);
        command.args(others).arg(&self.path);
        command
    }
}
