//! Which folder on disk is whose: what waits for a masternode stays that one's, whatever place it has in the settings.
//!
//! The spool folder itself is the first masternode's, each further one has a folder in it. A file `masternode` in
//! each says for whom the reports wait.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use chasar_link::Endpoint;

/// The file that names the masternode.
const LABEL: &str = "masternode";
/// Most bytes of it that are read: more than any host name and port take.
const MAX_LABEL_BYTES: usize = 512;
/// Longest name of a folder; file systems allow 255 bytes.
const MAX_NAME_BYTES: usize = 200;

/// A folder in which reports wait for a masternode.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    /// What its label is to say.
    label: String,
}

/// The folder of each masternode, in order, and those with reports for masternodes that are none any more: their
/// folders, and what they are called.
pub(crate) fn places(root: &Path, endpoints: &[Endpoint]) -> (Vec<Place>, Vec<(PathBuf, String)>) {
    let labels: Vec<String> = endpoints.iter().map(label).collect();
    let known = known(root);
    let holder = known.iter().find(|(folder, _)| folder == root).map(|(_, label)| label);
    let of =
        |label: &String| known.iter().find(|(_, known)| known == label).map(|(folder, _)| folder.clone());
    // Without a label an older version wrote it; one for whom nothing waits needs no place.
    let root_is_free = holder.is_none_or(|holder| !labels.contains(holder) && !has_segments(root));
    let place = |(number, label): (usize, &String)| {
        let folder = of(label).unwrap_or_else(|| match number {
            0 if root_is_free => root.to_owned(),
            _ => root.join(name(label)),
        });
        Place { folder, label: label.clone() }
    };
    let places: Vec<Place> = labels.iter().enumerate().map(place).collect();
    let is_left = |(folder, label): &(PathBuf, String)| !labels.contains(label) && has_segments(folder);
    (places, known.into_iter().filter(is_left).collect())
}

impl Place {
    /// Writes for whom reports wait here.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn mark(&self) -> io::Result<()> {
        if read_label(&self.folder).as_ref() == Some(&self.label) {
            return Ok(());
        }
        let new = self.folder.join("masternode.new");
        fs::write(&new, format!("{}\n", self.label))?;
        fs::rename(new, self.folder.join(LABEL))
    }
}

/// Folders inside `root`, and it itself, that say whose they are.
fn known(root: &Path) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut inside: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    inside.sort();
    let folders = std::iter::once(root.to_owned()).chain(inside);
    folders.filter_map(|folder| read_label(&folder).map(|label| (folder, label))).collect()
}

fn read_label(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join(LABEL)).ok().filter(|text| text.len() <= MAX_LABEL_BYTES)?;
    Some(text.trim().to_owned()).filter(|label| !label.is_empty())
}

/// Whether any reports wait there.
fn has_segments(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.path().extension().is_some_and(|extension| extension == "spool"))
}

fn label(endpoint: &Endpoint) -> String {
    endpoint.canonical().to_string().trim_start_matches("tcp://").to_owned()
}

/// A name for a folder that every file system takes.
fn name(label: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '_' };
    let mut name: String = label.chars().map(plain).collect();
    if name.len() > MAX_NAME_BYTES {
        let mut hasher = DefaultHasher::new();
        label.hash(&mut hasher);
        name.truncate(MAX_NAME_BYTES - 17);
        name = format!("{name}-{:016x}", hasher.finish());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A spool folder, and what starts with these masternodes use of it.
    struct Disk(tempfile::TempDir);

    impl Disk {
        /// The folder of each masternode, below the spool folder.
        fn start(&self, masternodes: &[&str]) -> (Vec<String>, Vec<String>) {
            let endpoints: Vec<Endpoint> = masternodes.iter().map(|m| m.parse().unwrap()).collect();
            let (places, left) = places(self.0.path(), &endpoints);
            for place in &places {
                fs::create_dir_all(&place.folder).unwrap();
                place.mark().unwrap();
            }
            let below = |folder: &Path| folder.strip_prefix(self.0.path()).unwrap().display().to_string();
            let places = places.iter().map(|place| below(&place.folder)).collect();
            (places, left.into_iter().map(|(folder, label)| format!("{}={label}", below(&folder))).collect())
        }

        fn wait_in(&self, folder: &str) {
            fs::write(self.0.path().join(folder).join("0000000000000001.spool"), "reports").unwrap();
        }
    }

    #[test]
    fn what_waits_for_a_masternode_stays_its_own_in_any_place() {
        let disk = Disk(tempfile::tempdir().unwrap());
        // As an older version left it: no label.
        disk.wait_in("");
        assert_eq!(disk.start(&["a:1"]), (vec!["".into()], vec![]));
        assert_eq!(disk.start(&["b:1", "A.:1"]), (vec!["b_1".into(), "".into()], vec![]));
        disk.wait_in("b_1");
        // A is gone for good: B keeps its own, and it is said that reports wait for A.
        assert_eq!(disk.start(&["b:1"]), (vec!["b_1".into()], vec!["=a:1".into()]));
        assert_eq!(disk.start(&["c:1"]), (vec!["c_1".into()], vec!["=a:1".into(), "b_1=b:1".into()]));
        assert_eq!(disk.start(&["c:1", "b:1", "a:1"]).0, ["c_1", "b_1", ""]);
    }

    #[test]
    fn a_place_in_which_nothing_waits_is_free() {
        let disk = Disk(tempfile::tempdir().unwrap());
        assert_eq!(disk.start(&["a:1"]), (vec!["".into()], vec![]));
        assert_eq!(disk.start(&["b:1"]), (vec!["".into()], vec![]));
        assert_eq!(disk.start(&["b:1", "[::1]:2"]), (vec!["".into(), "___1__2".into()], vec![]));
    }

    #[test]
    fn every_name_fits_a_file_system() {
        let long = vec!["x".repeat(63); 4].join(".")[..250].to_owned();
        let names = [1, 2].map(|port| name(&format!("{long}:{port}")));
        assert!(names.iter().all(|name| name.len() <= MAX_NAME_BYTES), "{names:?}");
        assert_ne!(names[0], names[1]);
    }
}
