//! Keeps the paths of the computer that builds out of what it builds: they tell whose it is, and differ from one to
//! the next, so that nobody else could build the same bytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, root};

/// Places of this computer, each with the name that a program has for it.
pub(crate) struct Remap(Vec<(PathBuf, &'static str)>);

impl Remap {
    /// The workspace, cargo's folder, and some more places. Of two that contain each other the inner one comes later.
    pub(crate) fn new(more: impl IntoIterator<Item = (PathBuf, &'static str)>) -> Result<Remap> {
        let set = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let usual = || std::env::home_dir().map(|home| home.join(".cargo"));
        let cargo = set.or_else(usual).ok_or_else(|| "there is no home folder; set CARGO_HOME".to_owned())?;
        let places = [(root().to_owned(), "chasar"), (cargo, "cargo")];
        Ok(Remap(places.into_iter().chain(more).collect()))
    }

    /// What rustc takes.
    pub(crate) fn rust_flags(&self) -> String {
        self.flags("--remap-path-prefix")
    }

    /// What gcc and clang take.
    pub(crate) fn c_flags(&self) -> String {
        self.flags("-ffile-prefix-map")
    }

    fn flags(&self, option: &str) -> String {
        let one = |(place, name): &(PathBuf, &str)| format!("{option}={}={name}", place.display());
        self.0.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    /// Sees that none of the places is in a program.
    pub(crate) fn assert_gone(&self, program: &Path) -> Result<()> {
        let bytes = fs::read(program).map_err(|e| format!("cannot read {}: {e}", program.display()))?;
        for (place, _) in &self.0 {
            if let Some(path) = path_in(&bytes, place) {
                return Err(format!("{} has a path of this computer in it: {path}", program.display()));
            }
        }
        Ok(())
    }
}

/// Adds flags to a variable of a command that is about to run, behind those that are there or in our environment.
pub(crate) fn add(command: &mut Command, variable: &str, flags: &str) {
    let set = command.get_envs().find(|(name, _)| *name == variable).and_then(|(_, value)| value);
    let before = set.map(ToOwned::to_owned).or_else(|| std::env::var_os(variable)).unwrap_or_default();
    command.env(variable, format!("{} {flags}", before.to_string_lossy()).trim());
}

/// The first path in `bytes` that begins with `place`. One of a single part, such as `/src`, is also a part of
/// others' paths, so nothing of a name may stand before it; before a longer one anything may, since texts follow
/// each other in a program without an end between them.
fn path_in(bytes: &[u8], place: &Path) -> Option<String> {
    let deep = place.components().count() > 2;
    let place = place.to_str()?.as_bytes();
    let first = *place.first()?;
    let mut from = 0;
    while let Some(found) = bytes[from..].iter().position(|b| *b == first) {
        let at = from + found;
        let before = at.checked_sub(1).map(|before| bytes[before]);
        let after = bytes.get(at + place.len()).copied();
        let begins = deep || !before.is_some_and(is_of_name);
        if begins && bytes[at..].starts_with(place) && !after.is_some_and(is_of_name) {
            let path = bytes[at..].iter().take(200).take_while(|b| b.is_ascii_graphic());
            return Some(path.map(|b| char::from(*b)).collect());
        }
        from = at + 1;
    }
    None
}

/// Whether a byte is usual in the name of a file.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_found_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        let remap = Remap::new([(PathBuf::from("/place/of/mine"), "mine")]).unwrap();
        fs::write(&program, b"\x7fELF//place/of/others\0mine/src/a.rs").unwrap();
        assert_eq!(remap.assert_gone(&program), Ok(()));
        fs::write(&program, b"\x7fELF//place/of/mine/src/a.rs\0").unwrap();
        let said = remap.assert_gone(&program).unwrap_err();
        assert!(said.ends_with("in it: /place/of/mine/src/a.rs"), "{said}");
    }

    #[test]
    fn a_path_is_whole() {
        let found = |bytes: &[u8], place: &str| path_in(bytes, Path::new(place));
        assert_eq!(found(b"\0/place/mine2/a\0/place/mine-b/a", "/place/mine"), None);
        assert_eq!(found(b"/rustc/0123/src/a.rs", "/src"), None);
        for bytes in [&b"/src/a"[..], b"\0/src/a\0", b"/my/src/a (/src/a"] {
            assert_eq!(found(bytes, "/src").as_deref(), Some("/src/a"));
        }
        assert_eq!(found(b"a.rs/place/mine\0", "/place/mine").as_deref(), Some("/place/mine"));
    }

    #[test]
    fn flags_are_put_behind_those_that_are_there() {
        let mut command = Command::new("cargo");
        command.env("RUSTFLAGS", "-C a");
        add(&mut command, "RUSTFLAGS", "-C b");
        add(&mut command, "CHASAR_NOBODY_SETS_THIS", "-C b");
        let set: Vec<_> = command.get_envs().filter_map(|(_, value)| value).collect();
        assert_eq!(set, ["-C b", "-C a -C b"]);
    }
}
