//! zig as a C compiler and linker for platforms Debian has no compiler for, from PyPI.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::cache::Cache;
use crate::peers::once;
use crate::{Result, run};

/// zig, and what makes cargo use it.
const REQUIREMENTS: &str = "ziglang==0.17.1\ncargo-zigbuild==0.24.0\n";

/// libsodium's configure would link programs with each of these flags to see, and zig would build its C library anew
/// each time, a minute or more. The sources ask for such instructions themselves, function by function.
const NO_FLAGS: [&str; 11] =
    ["mmmx", "msse2", "msse3", "mssse3", "msse4_1", "mavx", "mavx2", "mavx512f", "maes", "mpclmul", "mrdrnd"];

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

    /// `cargo zigbuild` for a processor.
    pub(crate) fn cargo(&self, processor: &str) -> Command {
        let mut command = Command::new(self.venv.join("bin/cargo-zigbuild"));
        command
            .arg("zigbuild")
            .env("CARGO", env!("CARGO"))
            .env("CARGO_ZIGBUILD_PYTHON_PATH", self.venv.join("bin/python"))
            .env("CARGO_ZIGBUILD_CACHE_DIR", self.cache.join("zigbuild"))
            .env("ZIG_GLOBAL_CACHE_DIR", self.cache.join("global"))
            .env("ZIG_LOCAL_CACHE_DIR", self.cache.join("local"));
        if processor == "x86_64" {
            command.envs(NO_FLAGS.map(|flag| (format!("ax_cv_check_cflags___{flag}"), "no")));
        }
        command
    }
}
