//! Whether a folder can be used by whoever needs it: there, writable, of the right user, with room.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::finding::{Finding, bytes, count, shell};
use crate::process::user_name;
use crate::system::{self, Room, own_uid};

/// Below this much free, writing fails any moment.
const FULL_BYTES: u64 = 4 << 20;
/// Below this much free, it is time to make room.
const SCARCE_BYTES: u64 = 64 << 20;
/// Below this many free inodes, no file can be made any moment.
const FULL_FILES: u64 = 16;
/// Most entries of a folder that are looked at; ours have a dozen, a spool some hundreds.
const MOST_ENTRIES: usize = 10_000;

/// A file or folder as the file system describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where.
    pub(crate) path: PathBuf,
    /// Its owner; `None` where owners are no numbers.
    pub(crate) uid: Option<u32>,
    /// Its permission bits.
    pub(crate) mode: u32,
}

/// What is known about a folder.
#[derive(Debug)]
pub(crate) struct Facts {
    /// What it is for, such as "state folder".
    pub(crate) purpose: &'static str,
    /// How it is moved.
    pub(crate) option: &'static str,
    /// Where it is.
    pub(crate) path: PathBuf,
    /// The user who needs it: that of the daemon that runs, else ours.
    pub(crate) user: Option<u32>,
    /// Our own user.
    pub(crate) us: Option<u32>,
    /// The folder itself; the error when it cannot be looked at.
    pub(crate) folder: Result<Entry, ErrorKind>,
    /// Whether it is a folder at all.
    pub(crate) is_folder: bool,
    /// What is in it.
    pub(crate) entries: Vec<Entry>,
    /// What came of writing a small file, as our user; `None` when there is no folder to write to.
    pub(crate) written: Option<Result<(), (ErrorKind, String)>>,
    /// Room on its file system.
    pub(crate) room: Option<Room>,
}

/// Looks at a folder that `user` needs; writes and removes a small file in it.
pub(crate) fn look(purpose: &'static str, option: &'static str, path: &Path, user: Option<u32>) -> Facts {
    let us = own_uid();
    let metadata = fs::metadata(path);
    let is_folder = metadata.as_ref().is_ok_and(fs::Metadata::is_dir);
    let entries = if is_folder { list(path) } else { Vec::new() };
    // Where there is no folder yet, what counts is the nearest one above, in which it will be made.
    let there = path.ancestors().find(|p| p.is_dir());
    let written = there.map(|folder| try_writing(folder).map_err(|e| (e.kind(), e.to_string())));
    Facts {
        purpose,
        option,
        path: path.to_owned(),
        user: user.or(us),
        us,
        folder: metadata.map(|m| entry(path, &m)).map_err(|e| e.kind()),
        is_folder,
        entries,
        written,
        room: there.and_then(|folder| system::room(folder).ok()),
    }
}

fn list(path: &Path) -> Vec<Entry> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let described =
        entries.flatten().take(MOST_ENTRIES).filter_map(|e| Some(entry(&e.path(), &e.metadata().ok()?)));
    described.collect()
}

#[cfg(unix)]
fn entry(path: &Path, metadata: &fs::Metadata) -> Entry {
    use std::os::unix::fs::MetadataExt;
    Entry { path: path.to_owned(), uid: Some(metadata.uid()), mode: metadata.mode() & 0o7777 }
}

#[cfg(not(unix))]
fn entry(path: &Path, _metadata: &fs::Metadata) -> Entry {
    Entry { path: path.to_owned(), uid: None, mode: 0o700 }
}

/// Writes what a report takes and removes it again.
fn try_writing(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".chasar-doctor-{}", std::process::id()));
    let written = fs::write(&path, vec![0; 16 << 10]);
    match (written, fs::remove_file(&path)) {
        (Err(e), _) | (Ok(()), Err(e)) => Err(e),
        (Ok(()), Ok(())) => Ok(()),
    }
}

/// What it means.
pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    let looked_at = format!("{} {}", facts.purpose, facts.path.display());
    let mut findings = Vec::new();
    match &facts.folder {
        Ok(_) if !facts.is_folder => findings.push(
            Finding::wrong("folder-is-a-file", &looked_at, "There is a file of that name, not a folder.")
                .because(why(facts))
                .advise(format!("Move the file away, or name another folder with {}.", facts.option)),
        ),
        Err(ErrorKind::PermissionDenied) => findings.push(
            Finding::wrong("folder-not-writable", &looked_at, "We may not even look into it.")
                .because(why(facts))
                .run("Ask again as the daemon's user or as root.", "sudo chasar doctor"),
        ),
        folder => {
            findings.extend(owners(facts, &looked_at));
            findings.extend(write_problem(facts, &looked_at, folder.is_err()));
        }
    }
    findings.extend(secrets(facts));
    if findings.is_empty() {
        findings.extend(scarce(facts, &looked_at));
    }
    let hidden = matches!(&facts.written, Some(Err((ErrorKind::PermissionDenied, _))));
    if findings.is_empty() && hidden {
        let name = facts.user.map_or_else(|| "the daemon's user".to_owned(), user_name);
        findings.push(
            Finding::note(
                "folder-unseen",
                &looked_at,
                format!("It is not ours; whether {name} can write it was not tried."),
            )
            .because(why(facts))
            .run("Ask again as root.", "sudo chasar doctor"),
        );
    }
    if findings.is_empty() {
        let free = facts.room.map_or(String::new(), |room| format!(", {} free", bytes(room.avail_bytes)));
        let found = match facts.folder {
            Ok(_) => format!("It can be written{free}."),
            Err(_) => format!("It is not there yet and can be made{free}."),
        };
        findings.push(Finding::fine("folder-usable", looked_at, found));
    }
    findings
}

fn why(facts: &Facts) -> &'static str {
    match facts.purpose {
        SPOOL => "Reports that wait are kept in memory only, and are lost when the clientnode ends.",
        MASTERNODE_STATE => "A masternode does not start without its state folder.",
        _ => "A clientnode that cannot keep its identity is a new node after every start.",
    }
}

/// The purpose of a spool folder.
pub(crate) const SPOOL: &str = "spool folder";
/// The purpose of a masternode's state folder.
pub(crate) const MASTERNODE_STATE: &str = "state folder of the masternode";
/// The purpose of a clientnode's state folder.
pub(crate) const CLIENTNODE_STATE: &str = "state folder of the clientnode";

/// Things that belong to somebody else than the daemon's user: mostly root, after it was once started by hand.
fn owners(facts: &Facts, looked_at: &str) -> Option<Finding> {
    let user = facts.user?;
    // Root may do everything; for others the owner of what they made is themselves.
    if user == 0 {
        return None;
    }
    let folder = facts.folder.as_ref().ok();
    let foreign: Vec<&Entry> =
        folder.into_iter().chain(&facts.entries).filter(|e| e.uid.is_some_and(|uid| uid != user)).collect();
    let harmful = foreign.iter().filter(|e| e.mode & 0o002 == 0).count();
    let first = foreign.first().filter(|_| harmful > 0)?;
    let (name, owner) = (user_name(user), user_name(first.uid?));
    let found = match foreign.len() {
        1 => format!("{} belongs to {owner}, while the daemon's user is {name}.", first.path.display()),
        n => format!(
            "{}, such as {}, belong to {owner}, while the daemon's user is {name}.",
            count(n as u64, "file"),
            first.path.display()
        ),
    };
    Some(
        Finding::wrong("folder-wrong-owner", looked_at, found)
            .because(format!(
                "It was probably once started as {owner}, and what it made then it cannot change now. {}",
                why(facts)
            ))
            .run(
                "Give everything back to the daemon's user.",
                format!("sudo chown -R {name}: {}", shell(&facts.path.to_string_lossy())),
            ),
    )
}

fn write_problem(facts: &Facts, looked_at: &str, missing: bool) -> Option<Finding> {
    let path = shell(&facts.path.to_string_lossy());
    if facts.room.is_some_and(|r| {
        r.size_bytes > 0 && (r.avail_bytes < FULL_BYTES || (r.files > 0 && r.files_avail < FULL_FILES))
    }) {
        return Some(full(facts, looked_at));
    }
    let (kind, error) = facts.written.as_ref()?.as_ref().err()?;
    let finding = |found: String| Finding::wrong("folder-not-writable", looked_at, found).because(why(facts));
    let other = format!("Or name another folder with {}.", facts.option);
    Some(match kind {
        ErrorKind::ReadOnlyFilesystem => finding("Its file system is mounted read-only.".to_owned())
            .run(
                "Mount it for writing, unless a failing disk made it read-only (see dmesg).",
                format!("mount -o remount,rw \"$(findmnt -nT {path} -o TARGET)\""),
            )
            .advise(format!(
                "Under systemd, ReadWritePaths= or StateDirectory= of the unit lets it write. {other}"
            )),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => full(facts, looked_at),
        // As root we could write, so it is our own user that may not.
        ErrorKind::PermissionDenied if facts.user == facts.us => {
            let name = facts.user.map_or_else(|| "this user".to_owned(), user_name);
            let what = if missing { "made" } else { "written" };
            finding(format!("It cannot be {what} by {name}: permission denied."))
                .run("Let the user have it.", format!("sudo install -d -o {name} -m 700 {path}"))
                .advise(other)
        }
        // Somebody else needs it; what we may not do says nothing.
        ErrorKind::PermissionDenied => return None,
        _ => finding(format!("Writing there fails: {error}.")).advise(other),
    })
}

fn full(facts: &Facts, looked_at: &str) -> Finding {
    let found = match facts.room {
        Some(room) if room.files > 0 && room.files_avail < FULL_FILES => {
            format!("Its file system has room for {} more.", count(room.files_avail, "file"))
        }
        Some(room) => format!(
            "Its file system is full: {} of {} free.",
            bytes(room.avail_bytes),
            bytes(room.size_bytes)
        ),
        None => "Its file system is full.".to_owned(),
    };
    let path = shell(&facts.path.to_string_lossy());
    Finding::wrong("disk-full", looked_at, found)
        .because(format!("Nothing can be written there. {}", why(facts)))
        .run(
            "See what takes the room, and remove what is not needed.",
            format!(
                "df -hi {path}; du -xh --max-depth=2 \"$(findmnt -nT {path} -o TARGET)\" | sort -h | tail"
            ),
        )
}

fn scarce(facts: &Facts, looked_at: &str) -> Option<Finding> {
    let room = facts.room.filter(|r| r.avail_bytes < SCARCE_BYTES)?;
    let found = format!(
        "Its file system is nearly full: {} of {} free.",
        bytes(room.avail_bytes),
        bytes(room.size_bytes)
    );
    Some(
        Finding::note("disk-scarce", looked_at, found)
            .because("When it is full, what has to be remembered cannot be written.")
            .run("See what takes the room.", format!("df -h {}", shell(&facts.path.to_string_lossy()))),
    )
}

/// The token opens the masternode's pages, so nobody else may read it.
fn secrets(facts: &Facts) -> Option<Finding> {
    let token = facts.entries.iter().find(|e| e.path.file_name().is_some_and(|n| n == "http_token"))?;
    if token.uid.is_none() || token.mode & 0o077 == 0 {
        return None;
    }
    Some(
        Finding::wrong(
            "token-readable",
            token.path.display(),
            format!("Other users may read it (mode {:o}).", token.mode),
        )
        .because("Whoever has this token may read everything about the fleet.")
        .run("Keep it to its owner.", format!("chmod 600 {}", shell(&token.path.to_string_lossy()))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Verdict;

    fn entry(path: &str, uid: u32, mode: u32) -> Entry {
        Entry { path: path.into(), uid: Some(uid), mode }
    }

    fn facts() -> Facts {
        Facts {
            purpose: CLIENTNODE_STATE,
            option: "--state-dir",
            path: "/s".into(),
            user: Some(998),
            us: Some(0),
            folder: Ok(entry("/s", 998, 0o700)),
            is_folder: true,
            entries: vec![entry("/s/node_id", 998, 0o644)],
            written: Some(Ok(())),
            room: Some(Room { size_bytes: 1 << 30, avail_bytes: 1 << 29, files: 0, files_avail: 0 }),
        }
    }

    fn room(avail_bytes: u64, files: u64, files_avail: u64) -> Option<Room> {
        Some(Room { size_bytes: 1 << 30, avail_bytes, files, files_avail })
    }

    fn code(facts: &Facts) -> (&'static str, Verdict) {
        let findings = judge(facts);
        assert_eq!(findings.len(), 1, "{findings:?}");
        (findings[0].code, findings[0].verdict)
    }

    fn refused(kind: ErrorKind) -> Option<Result<(), (ErrorKind, String)>> {
        Some(Err((kind, "words".into())))
    }

    #[test]
    fn what_is_fine() {
        assert_eq!(code(&facts()), ("folder-usable", Verdict::Fine));
        let missing =
            Facts { folder: Err(ErrorKind::NotFound), is_folder: false, entries: Vec::new(), ..facts() };
        assert_eq!(code(&missing), ("folder-usable", Verdict::Fine));
        assert!(judge(&missing)[0].found.contains("can be made"));
    }

    #[test]
    fn what_cannot_be_written() {
        let wrong = |facts: &Facts, expected| assert_eq!(code(facts), (expected, Verdict::Wrong));
        wrong(&Facts { is_folder: false, entries: Vec::new(), ..facts() }, "folder-is-a-file");
        wrong(
            &Facts { folder: Err(ErrorKind::PermissionDenied), entries: Vec::new(), ..facts() },
            "folder-not-writable",
        );
        wrong(&Facts { written: refused(ErrorKind::ReadOnlyFilesystem), ..facts() }, "folder-not-writable");
        wrong(&Facts { written: refused(ErrorKind::Other), ..facts() }, "folder-not-writable");
        wrong(&Facts { written: refused(ErrorKind::StorageFull), room: None, ..facts() }, "disk-full");
        wrong(&Facts { room: room(0, 0, 0), ..facts() }, "disk-full");
        wrong(&Facts { room: room(1 << 29, 100, 3), ..facts() }, "disk-full");
        let ours = Facts { us: Some(998), written: refused(ErrorKind::PermissionDenied), ..facts() };
        wrong(&ours, "folder-not-writable");
        // What we may not write is no trouble when another user needs it.
        assert_eq!(code(&Facts { us: Some(5), ..ours }), ("folder-unseen", Verdict::Note));
        assert_eq!(code(&Facts { room: room(20 << 20, 0, 0), ..facts() }), ("disk-scarce", Verdict::Note));
    }

    #[test]
    fn left_behind_by_root() {
        let entries = vec![entry("/s/node_id", 0, 0o644), entry("/s/lock", 0, 0o644)];
        let findings = judge(&Facts { entries, ..facts() });
        assert_eq!((findings[0].code, findings[0].verdict), ("folder-wrong-owner", Verdict::Wrong));
        assert!(
            findings[0].found.starts_with("2 files, such as /s/node_id, belong to root"),
            "{}",
            findings[0].found
        );
        assert!(findings[0].remedy[0].command.as_ref().unwrap().starts_with("sudo chown -R "));
        let as_root = Facts { user: Some(0), ..facts() };
        assert_eq!(code(&as_root).1, Verdict::Fine);
        let world = vec![entry("/s/x", 0, 0o666)];
        assert_eq!(code(&Facts { entries: world, ..facts() }).1, Verdict::Fine);
    }

    #[test]
    fn a_token_is_for_its_owner() {
        let entries = vec![entry("/s/http_token", 998, 0o640)];
        assert_eq!(code(&Facts { entries, ..facts() }), ("token-readable", Verdict::Wrong));
        let entries = vec![entry("/s/http_token", 998, 0o600)];
        assert_eq!(code(&Facts { entries, ..facts() }).1, Verdict::Fine);
    }

    #[test]
    fn real_folders() {
        let folder = tempfile::tempdir().unwrap();
        let looked = |path: &Path| code(&look(CLIENTNODE_STATE, "--state-dir", path, None)).0;
        assert_eq!(looked(folder.path()), "folder-usable");
        assert_eq!(looked(&folder.path().join("a/b")), "folder-usable");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(looked(&file), "folder-is-a-file");
    }
}
