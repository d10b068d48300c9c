//! The files of a package, before any archive holds them.

use std::io::Write;

use flate2::{Compression, GzBuilder};

/// A file in a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// Where it goes, with `/` and without one in front.
    pub(crate) path: String,
    /// What it holds.
    pub(crate) bytes: Vec<u8>,
    /// Its permissions.
    pub(crate) mode: u32,
    /// Whether the administrator changes it, and an update must leave it be.
    pub(crate) config: bool,
}

impl Item {
    /// A file that all may read.
    pub(crate) fn new(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Item {
        Item { path: path.into(), bytes: bytes.into(), mode: 0o644, config: false }
    }

    /// A file that all may run.
    pub(crate) fn program(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Item {
        Item { mode: 0o755, ..Item::new(path, bytes) }
    }

    /// A file that the administrator changes.
    pub(crate) fn config(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Item {
        Item { config: true, ..Item::new(path, bytes) }
    }

    /// The folders above a set of files, each once and before what lies in it.
    pub(crate) fn folders(items: &[Item]) -> Vec<String> {
        let mut folders: Vec<String> = items
            .iter()
            .flat_map(|item| item.path.match_indices('/').map(|(at, _)| item.path[..at].to_owned()))
            .collect();
        folders.sort();
        folders.dedup();
        folders
    }
}

/// Compressed with gzip, without a name or a time in it.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
    writer.write_all(bytes).and_then(|()| writer.finish()).expect("memory takes all")
}

/// A tar archive of files and the folders above them, all of root and of one time.
pub(crate) fn tar(prefix: &str, items: &[Item], epoch: u64) -> Vec<u8> {
    tar_with_folders(prefix, items, &[], epoch)
}

/// The same, with further folders: path with `/` behind, owner, permissions.
pub(crate) fn tar_with_folders(
    prefix: &str,
    items: &[Item],
    further: &[(&str, u64, u32)],
    epoch: u64,
) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut append = |kind, path: &str, owner, mode, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(bytes.len() as u64);
        header.set_mtime(epoch);
        header.set_uid(owner);
        header.set_gid(owner);
        if owner == 0 {
            header.set_username("root").and_then(|()| header.set_groupname("root")).expect("a short name");
        }
        archive.append_data(&mut header, format!("{prefix}{path}"), bytes).expect("memory takes all");
    };
    for folder in Item::folders(items) {
        append(tar::EntryType::Directory, &format!("{folder}/"), 0, 0o755, b"");
    }
    for (folder, owner, mode) in further {
        append(tar::EntryType::Directory, folder, *owner, *mode, b"");
    }
    for item in items {
        append(tar::EntryType::Regular, &item.path, 0, item.mode, &item.bytes);
    }
    archive.into_inner().expect("memory takes all")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_once_and_in_order() {
        let items = [Item::new("a/b/c", ""), Item::new("a/d", ""), Item::new("e", "")];
        assert_eq!(Item::folders(&items), ["a", "a/b"]);
    }
}
