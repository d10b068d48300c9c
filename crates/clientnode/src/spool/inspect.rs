//! A look into a spool folder from outside: nothing is changed, locked or taken.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::record::{self, SegmentHeader};

/// Longest segment that is read; ours are a mebibyte and one report.
const MOST_BYTES: u64 = 64 << 20;

/// What is in a spool folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpoolContent {
    /// Whole reports that wait.
    pub reports: u64,
    /// Bytes of all segments on disk.
    pub bytes: u64,
    /// Segments that end in something other than a whole report, by file name in order, with the bytes that are lost.
    pub damaged: Vec<(String, u64)>,
    /// Segments that no clientnode of ours wrote, or one of a later version.
    pub foreign: Vec<String>,
    /// Segments of another node: the folder was copied.
    pub of_other_nodes: Vec<String>,
    /// The name of the last segment, to which a running clientnode may be writing.
    pub last: Option<String>,
}

/// Looks into the spool `folder` of the node `node_id`; without an id every segment counts as the node's own.
///
/// # Errors
/// When the folder or a segment cannot be read.
pub fn inspect_spool(folder: &Path, node_id: Option<&str>) -> io::Result<SpoolContent> {
    let mut names: Vec<String> = fs::read_dir(folder)?
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.ends_with(".spool"))
        .collect();
    names.sort();
    let mut content = SpoolContent { last: names.last().cloned(), ..SpoolContent::default() };
    for name in names {
        let mut bytes = Vec::new();
        match File::open(folder.join(&name)) {
            Ok(file) => file.take(MOST_BYTES).read_to_end(&mut bytes)?,
            // A running clientnode removes what was sent.
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e),
        };
        content.bytes += bytes.len() as u64;
        content.add(name, &bytes, node_id);
    }
    Ok(content)
}

/// All folders of a spool: itself, and those inside it in which further masternodes have what waits for them.
pub fn spool_folders(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let is_one = |folder: &PathBuf| folder.join("lock").is_file();
    let mut inside: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_one).collect();
    inside.sort();
    std::iter::once(root.to_owned()).chain(inside).collect()
}

impl SpoolContent {
    fn add(&mut self, name: String, bytes: &[u8], node_id: Option<&str>) {
        let own = bytes.get(8..40).and_then(|id| std::str::from_utf8(id).ok());
        let node_id = node_id.or(own).unwrap_or_default().trim_end();
        let (records, end) = match record::read_segment_header(bytes, node_id) {
            SegmentHeader::Ours => record::count(bytes),
            SegmentHeader::Torn => (0, 0),
            SegmentHeader::OtherNode => return self.of_other_nodes.push(name),
            SegmentHeader::Unknown => return self.foreign.push(name),
        };
        self.reports += records;
        if end < bytes.len() {
            self.damaged.push((name, (bytes.len() - end) as u64));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn segment(node_id: &str, bodies: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        record::write_segment_header(node_id, &mut bytes);
        for (sequence, body) in bodies.iter().enumerate() {
            record::write(sequence as u64, 0, false, body, &mut bytes);
        }
        bytes
    }

    #[test]
    fn every_kind_of_segment_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        let whole = segment(ID, &[b"one", b"two"]);
        let torn = &segment(ID, &[b"three", b"four"])[..whole.len()];
        write("1.spool", &whole);
        write("2.spool", torn);
        write("3.spool", &segment(&"f".repeat(32), &[b"x"]));
        write("4.spool", b"something else, long enough to have a header of its own");
        write("lock", b"");
        let content = inspect_spool(folder.path(), Some(ID)).unwrap();
        assert_eq!((content.reports, content.damaged.len()), (3, 1));
        assert_eq!(content.damaged[0].0, "2.spool");
        assert_eq!(content.of_other_nodes, ["3.spool"]);
        assert_eq!(content.foreign, ["4.spool"]);
        assert_eq!(content.last.as_deref(), Some("4.spool"));
        let any = inspect_spool(folder.path(), None).unwrap();
        assert_eq!((any.reports, any.of_other_nodes.len()), (4, 0));
        assert!(inspect_spool(&folder.path().join("nowhere"), None).is_err());
        for (further, file) in [("b_5555", "lock"), ("other", "file")] {
            fs::create_dir(folder.path().join(further)).unwrap();
            fs::write(folder.path().join(further).join(file), b"").unwrap();
        }
        assert_eq!(spool_folders(folder.path()), [folder.path().to_owned(), folder.path().join("b_5555")]);
    }
}
