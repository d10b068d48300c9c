//! The texts that the program makes of itself: completions, manual, units, configuration.
//!
//! They are the same for every target, so a program built for this computer makes them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, output, root};

/// A program that runs here.
pub(crate) struct Texts {
    program: PathBuf,
}

impl Texts {
    /// Builds the program for this computer, not optimised.
    pub(crate) fn build() -> Result<Texts> {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "chasar", "--bin", "chasar"]).current_dir(root());
        crate::run(&mut cargo)?;
        let folder = super::target_folder()?;
        Ok(Texts { program: folder.join("debug").join(if cfg!(windows) { "chasar.exe" } else { "chasar" }) })
    }

    /// What the program prints on these words.
    pub(crate) fn print(&self, words: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.program);
        // What is set here for other purposes must not get into a package.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CHASAR_")) {
            command.env_remove(name);
        }
        output(command.args(words))
    }

    /// The pages of the manual: file name and text.
    pub(crate) fn manual(&self, scratch: &Path) -> Result<Vec<(String, Vec<u8>)>> {
        let cannot = |e: std::io::Error| format!("cannot read manual pages in {}: {e}", scratch.display());
        std::fs::create_dir_all(scratch).map_err(cannot)?;
        self.print(&["man", &scratch.to_string_lossy()])?;
        let mut pages = Vec::new();
        for entry in std::fs::read_dir(scratch).map_err(cannot)? {
            let path = entry.map_err(cannot)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            pages.push((name, std::fs::read(&path).map_err(cannot)?));
        }
        pages.sort();
        Ok(pages)
    }
}
