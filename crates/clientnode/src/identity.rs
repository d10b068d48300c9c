//! Who this node is: a random id in the state folder, and the lock that keeps it with one agent.
//!
//! The file `node_id` has the id in its first line; behind it, hashed, the facts of the computer it
//! was made on (`kind hash` a line). When those facts no longer fit, the folder was copied with a
//! disk image: the copy makes an id of its own and says so, and the original keeps its own.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::platform::Fact;

/// Longest `node_id` file that is read.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// The identity of an agent.
pub(crate) struct Identity {
    /// 32 hexadecimal digits.
    pub(crate) node_id: String,
    /// 32 hexadecimal digits, new for each run.
    pub(crate) session: String,
    /// What a person should know about how it came to be.
    pub(crate) note: Option<Note>,
    _lock: Option<File>,
}

/// What a person should know about an identity.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// Made now and kept.
    New,
    /// Made now because the folder came from another computer.
    Copied { previous: String },
    /// Made now because the file had no id.
    Spoiled,
    /// Not kept: the next run is another node.
    Ephemeral { error: String },
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Another agent has this folder.
    #[error("another clientnode uses the state folder {}; stop it, or give this one a folder of its own", .0.display())]
    InUse(PathBuf),
    /// The id is there and cannot be read. A new one would make this computer a new node.
    #[error("cannot read {}: {source}; make it readable for this user, or remove it to become a new node", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

impl Identity {
    /// Reads the identity from `folder`, or makes one. `facts` are those of this computer.
    pub(crate) fn load(folder: &Path, facts: &[Fact]) -> Result<Identity, IdentityError> {
        let session = random_id()?;
        let lock = match lock(folder) {
            Ok(lock) => Some(lock),
            Err(e) if e.kind() == io::ErrorKind::ResourceBusy => {
                return Err(IdentityError::InUse(folder.to_owned()));
            }
            // A folder that cannot be written may still have an id.
            Err(_) => None,
        };
        let path = folder.join("node_id");
        let kept = match read(&path) {
            Ok(text) => Some(text),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => None,
            Err(source) => return Err(IdentityError::Unreadable { path, source }),
        };
        let found = kept.as_deref().map(parse);
        let (node_id, note) = match found {
            Some(Some(kept)) if !kept.is_copy(facts) => {
                if kept.facts.is_empty() && !facts.is_empty() {
                    // An id that was put there by hand, or is from a system without facts.
                    let _ = write(folder, &kept.node_id, facts);
                }
                return Ok(Identity { node_id: kept.node_id, session, note: None, _lock: lock });
            }
            Some(Some(kept)) => (random_id()?, Note::Copied { previous: kept.node_id }),
            Some(None) => (random_id()?, Note::Spoiled),
            None => (random_id()?, Note::New),
        };
        let note = match write(folder, &node_id, facts) {
            Ok(()) => note,
            Err(error) => Note::Ephemeral { error: error.to_string() },
        };
        Ok(Identity { node_id, session, note: Some(note), _lock: lock })
    }
}

fn lock(folder: &Path) -> io::Result<File> {
    fs::create_dir_all(folder)?;
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::ResourceBusy.into()),
        Err(TryLockError::Error(e)) => Err(e),
    }
}

fn random_id() -> Result<String, IdentityError> {
    let high = getrandom::u64().map_err(IdentityError::Random)?;
    let low = getrandom::u64().map_err(IdentityError::Random)?;
    Ok(format!("{high:016x}{low:016x}"))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(File::open(path)?, MAX_FILE_BYTES), &mut bytes)?;
    Ok(bytes)
}

struct Kept {
    node_id: String,
    /// Kind and hash.
    facts: Vec<(String, u64)>,
}

fn parse(bytes: &[u8]) -> Option<Kept> {
    let mut lines = std::str::from_utf8(bytes).ok()?.lines();
    let node_id = lines.next()?.trim();
    let is_id = node_id.len() == 32 && node_id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let facts = lines
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(kind, hash)| Some((kind.to_owned(), u64::from_str_radix(hash.trim(), 16).ok()?)))
        .collect();
    is_id.then(|| Kept { node_id: node_id.to_owned(), facts })
}

impl Kept {
    /// Whether it was made on another computer: it has another `machine-id`, or other hardware.
    ///
    /// Serial numbers decide about hardware where both sides have them; otherwise the MAC addresses, all of
    /// which must be others (a card may be added or replaced).
    fn is_copy(&self, facts: &[Fact]) -> bool {
        let compare = |kind: &str| {
            let ours: Vec<u64> = facts.iter().filter(|f| f.kind == kind).map(|f| hash(&f.value)).collect();
            let mut theirs = self.facts.iter().filter(|(k, _)| k == kind).map(|(_, h)| h).peekable();
            (!ours.is_empty() && theirs.peek().is_some()).then(|| theirs.any(|h| ours.contains(h)))
        };
        compare("machine") == Some(false) || compare("serial").or_else(|| compare("mac")) == Some(false)
    }
}

fn write(folder: &Path, node_id: &str, facts: &[Fact]) -> io::Result<()> {
    let mut text = format!(
        "{node_id}\n# This computer, hashed; elsewhere this file is a copy and its id is not used.\n"
    );
    for fact in facts {
        let _ = writeln!(text, "{} {:016x}", fact.kind, hash(&fact.value));
    }
    let new = folder.join("node_id.new");
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, folder.join("node_id"))?;
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// FNV-1a, 64 bits: the same in every version and on every system.
fn hash(value: &str) -> u64 {
    value.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(machine: &str, serial: &str, macs: &[&str]) -> Vec<Fact> {
        let fact = |kind, value: &str| Fact { kind, value: value.to_owned() };
        let mut facts = vec![fact("machine", machine), fact("serial", serial)];
        facts.extend(macs.iter().map(|m| fact("mac", m)));
        facts.retain(|f| !f.value.is_empty());
        facts
    }

    #[test]
    fn the_id_stays_and_the_session_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("deep/state");
        let first = Identity::load(&folder, &facts("m", "s", &["a"])).unwrap();
        assert_eq!(first.note, Some(Note::New));
        assert_eq!(first.node_id.len(), 32);
        let (node_id, session) = (first.node_id.clone(), first.session.clone());
        drop(first);
        let again = Identity::load(&folder, &facts("m", "s", &["a"])).unwrap();
        assert_eq!((again.node_id, again.note), (node_id, None));
        assert_ne!(again.session, session);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(folder.join("node_id")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert!(!folder.join("node_id.new").exists());
    }

    #[test]
    fn one_folder_one_agent() {
        let folder = tempfile::tempdir().unwrap();
        let first = Identity::load(folder.path(), &[]).unwrap();
        let message = Identity::load(folder.path(), &[]).err().expect("the folder is in use").to_string();
        assert!(message.contains("another clientnode") && message.contains("folder of its own"), "{message}");
        drop(first);
        Identity::load(folder.path(), &[]).unwrap();
    }

    #[test]
    fn a_copy_becomes_another_node_and_a_repair_does_not() {
        for (now, copied) in [
            (facts("m", "s", &["a", "b"]), false),
            (facts("m", "s", &["c"]), false), // another card, the same board
            (facts("m", "", &["b", "c"]), false), // run without root, one card replaced
            (facts("", "s", &[]), false),     // no machine-id any more
            (facts("m", "", &[]), false),     // nothing to tell by
            (facts("m", "t", &["a", "b"]), true), // the disk in another machine
            (facts("m", "", &["c"]), true),   // the same, seen without root
            (facts("n", "s", &["a", "b"]), true), // a container made from the same image
        ] {
            let folder = tempfile::tempdir().unwrap();
            let made = Identity::load(folder.path(), &facts("m", "s", &["a", "b"])).unwrap().node_id;
            let loaded = Identity::load(folder.path(), &now).unwrap();
            assert_eq!(loaded.node_id != made, copied, "{now:?}");
            assert_eq!(loaded.note, copied.then_some(Note::Copied { previous: made }), "{now:?}");
            let node_id = loaded.node_id.clone();
            drop(loaded);
            let again = Identity::load(folder.path(), &now).unwrap();
            assert_eq!((again.node_id, again.note), (node_id, None), "decided once: {now:?}");
        }
    }

    #[test]
    fn an_id_put_there_by_hand_is_taken_and_bound_to_this_computer() {
        let folder = tempfile::tempdir().unwrap();
        let id = "0123456789abcdef0123456789abcdef";
        fs::write(folder.path().join("node_id"), id).unwrap();
        let loaded = Identity::load(folder.path(), &facts("m", "s", &[])).unwrap();
        assert_eq!((loaded.node_id.as_str(), &loaded.note), (id, &None));
        drop(loaded);
        let elsewhere = Identity::load(folder.path(), &facts("m2", "s2", &[])).unwrap();
        assert_eq!(elsewhere.note, Some(Note::Copied { previous: id.to_owned() }));
    }

    #[test]
    fn a_spoiled_file_is_replaced_and_an_unreadable_one_is_an_error() {
        for spoiled in [&b""[..], b"xyz\n", b"\xff\xfe\n", b"0123456789ABCDEF0123456789ABCDEF\n"] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("node_id"), spoiled).unwrap();
            let loaded = Identity::load(folder.path(), &[]).unwrap();
            assert_eq!(loaded.note, Some(Note::Spoiled));
        }
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("node_id")).unwrap();
        let error = Identity::load(folder.path(), &[]).err().expect("a folder cannot be read").to_string();
        assert!(error.contains("node_id") && error.contains("remove it"), "{error}");
    }

    #[test]
    fn without_a_folder_the_id_lives_as_long_as_the_agent() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let loaded = Identity::load(&file.path().join("state"), &[]).unwrap();
        assert_eq!(loaded.node_id.len(), 32);
        assert!(matches!(loaded.note, Some(Note::Ephemeral { .. })));
    }
}
