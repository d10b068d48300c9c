//! SHA-256 sums, and the file that lists them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::Result;

/// The name of the list.
pub(crate) const LIST: &str = "SHA256SUMS";

/// The sum of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// In hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes all");
        text
    })
}

/// Lists every file of a folder, in the format of `sha256sum`.
pub(crate) fn write(folder: &Path) -> Result<()> {
    let cannot = |e: std::io::Error| format!("cannot sum {}: {e}", folder.display());
    let mut names: Vec<String> = fs::read_dir(folder)
        .map_err(cannot)?
        .map(|entry| entry.map(|e| e.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<_>>()
        .map_err(cannot)?;
    names.retain(|name| name != LIST && folder.join(name).is_file());
    names.sort();
    let mut list = String::new();
    for name in names {
        let sum = sha256(&fs::read(folder.join(&name)).map_err(cannot)?);
        writeln!(list, "{}  {name}", hex(&sum)).expect("a String takes all");
    }
    fs::write(folder.join(LIST), list).map_err(cannot)
}
