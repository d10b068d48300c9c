//! The program that is packaged: built here, or given.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::target_folder;
use crate::remap::{self, Remap};
use crate::{Result, root};

/// Builds it for this computer, such that no path of this computer is in it.
pub(crate) fn build(profile: &str) -> Result<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--locked", "--package", "chasar", "--bin", "chasar", "--profile", profile]);
    cargo.current_dir(root());
    let remap = Remap::new([(target_folder()?, "build")])?;
    remap::add(&mut cargo, "RUSTFLAGS", &remap.rust_flags());
    remap::add(&mut cargo, "CFLAGS", &remap.c_flags());
    remap::add(&mut cargo, "CXXFLAGS", &remap.c_flags());
    crate::run(&mut cargo)?;
    let folder = if profile == "dev" { "debug" } else { profile };
    let program = target_folder()?.join(folder).join(if cfg!(windows) { "chasar.exe" } else { "chasar" });
    remap.assert_gone(&program)?;
    Ok(program)
}

/// Its bytes.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|e| format!("cannot read the program {}: {e}", path.display()))
}
