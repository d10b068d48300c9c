//! zig as a C compiler and linker for platforms Debian has no compiler for, from PyPI.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::cache::Cache;
use crate::peers::once;
use crate::{Result, run};

/// zig, and what makes cargo use it.
const REQUIREMENTS: &str = "ziglang==0.17.1\ncargo-zigbuild==0.24.0\n";

/// Where zig is.
pub(crate) struct Zig {
    venv: PathBuf,
    cache: PathBuf,
}

impl Zig {
    /// Prepares it; quick when it is there already.
    pub(crate) fn prepare(cache: &Cache) -> Result<Zig> {
        let venv = cache.path("zig");
        once(&cache.path("zig.stamp"), REQUIREMENTS, || {
            eprintln!("platforms: preparing zig in {}", venv.display());
            run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))
                .map_err(|e| format!("{e}\nneeded: Python 3 with venv (Debian: python3-venv)"))?;
            let requirements = cache.path("zig.txt");
            fs::write(&requirements, REQUIREMENTS).map_err(|e| format!("{}: {e}", requirements.display()))?;
            run(Command::new(venv.join("bin/python"))
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
                .arg(&requirements))
        })?;
        Ok(Zig { venv, cache: cache.folder("zig-cache")? })
    }

    /// `cargo zigbuild`.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(self.venv.join("bin/cargo-zigbuild"));
        command
            .arg("zigbuild")
            .env("CARGO", env!("CARGO"))
            .env("CARGO_ZIGBUILD_PYTHON_PATH", self.venv.join("bin/python"))
            .env("CARGO_ZIGBUILD_CACHE_DIR", self.cache.join("zigbuild"))
            .env("ZIG_GLOBAL_CACHE_DIR", self.cache.join("global"))
            .env("ZIG_LOCAL_CACHE_DIR", self.cache.join("local"));
        command
    }
}
