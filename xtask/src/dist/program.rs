//! The program that is packaged: built here, or given.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::target_folder;
use crate::{Result, root};

/// Builds it for this computer, such that no path of this computer is in it.
pub(crate) fn build(profile: &str) -> Result<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--locked", "--package", "chasar", "--bin", "chasar", "--profile", profile]);
    cargo.current_dir(root());
    let places = [(root().to_owned(), "chasar"), (cargo_home()?, "cargo")];
    let (mut rust, mut c) = (Vec::new(), Vec::new());
    for (place, name) in &places {
        rust.push(format!("--remap-path-prefix={}={name}", place.display()));
        c.push(format!("-ffile-prefix-map={}={name}", place.display()));
    }
    for (variable, flags) in [("RUSTFLAGS", &rust), ("CFLAGS", &c), ("CXXFLAGS", &c)] {
        let before = std::env::var(variable).unwrap_or_default();
        cargo.env(variable, format!("{before} {}", flags.join(" ")).trim());
    }
    crate::run(&mut cargo)?;
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(target_folder()?.join(folder).join(if cfg!(windows) { "chasar.exe" } else { "chasar" }))
}

/// Its bytes.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|e| format!("cannot read the program {}: {e}", path.display()))
}

fn cargo_home() -> Result<PathBuf> {
    let set = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let usual = || std::env::home_dir().map(|home| home.join(".cargo"));
    set.or_else(usual).ok_or_else(|| "there is no home folder; set CARGO_HOME".to_owned())
}
