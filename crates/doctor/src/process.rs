//! Programs that run here: found in `/proc` on Linux, nowhere else.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// A running `chasar masternode start` or `chasar clientnode start`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its process id.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// Its command line.
    pub arguments: Vec<String>,
    /// Its environment, where we may read it.
    pub environment: Option<BTreeMap<OsString, OsString>>,
    /// Its working folder, where we may see it.
    pub folder: Option<PathBuf>,
    /// Its state as proc(5) names it: `T` is stopped, `D` waits for a disk.
    pub state: char,
    /// Whether its program file was replaced or removed since it started.
    pub replaced: bool,
    /// Whether it sees the same network as we do; `None` when that cannot be told.
    pub same_network: Option<bool>,
}

/// All running daemons of ours except this process, by process id.
#[must_use]
pub fn running() -> Vec<Process> {
    let Ok(folders) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = folders.flatten().filter_map(|f| f.file_name().to_str()?.parse::<u32>().ok());
    let mut found: Vec<Process> = pids.filter(|pid| *pid != std::process::id()).filter_map(read).collect();
    found.sort_by_key(|process| process.pid);
    found
}

fn read(pid: u32) -> Option<Process> {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let arguments = arguments(&fs::read(folder.join("cmdline")).ok()?);
    let program = fs::read_link(folder.join("exe")).ok();
    if !is_daemon(&arguments, program.as_deref()) {
        return None;
    }
    let status = fs::read_to_string(folder.join("status")).ok()?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let network = |folder: &Path| fs::read_link(folder.join("ns/net")).ok();
    let (theirs, ours) = (network(&folder), network(Path::new("/proc/self")));
    Some(Process {
        pid,
        // Real, effective, saved, file system.
        uid: field("Uid:")?.split_ascii_whitespace().nth(1)?.parse().ok()?,
        arguments,
        environment: fs::read(folder.join("environ")).ok().map(|bytes| environment(&bytes)),
        folder: fs::read_link(folder.join("cwd")).ok(),
        state: field("State:")?.chars().next()?,
        // proc(5): the kernel adds this to the name.
        replaced: program.is_some_and(|p| p.to_string_lossy().ends_with(" (deleted)")),
        same_network: theirs.zip(ours).map(|(theirs, ours)| theirs == ours),
    })
}

/// Whether a command line is that of a daemon of ours.
fn is_daemon(arguments: &[String], program: Option<&Path>) -> bool {
    let name = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
    let named = arguments.first().is_some_and(|a| name(a) == "chasar")
        || program.is_some_and(|p| name(&p.to_string_lossy()).trim_end_matches(" (deleted)") == "chasar");
    let role = matches!(arguments.get(1).map(String::as_str), Some("masternode" | "clientnode"));
    named && role && arguments.get(2).is_some_and(|a| a == "start")
}

fn arguments(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    bytes.split(|b| *b == 0).map(|a| String::from_utf8_lossy(a).into_owned()).collect()
}

#[cfg(unix)]
fn environment(bytes: &[u8]) -> BTreeMap<OsString, OsString> {
    use std::os::unix::ffi::OsStringExt;
    let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let split = |entry: &[u8]| {
        let at = entry.iter().position(|b| *b == b'=')?;
        Some((text(&entry[..at]), text(&entry[at + 1..])))
    };
    bytes.split(|b| *b == 0).filter_map(split).collect()
}

#[cfg(not(unix))]
fn environment(_bytes: &[u8]) -> BTreeMap<OsString, OsString> {
    BTreeMap::new()
}

/// The name of a user, as the local file has it, else the number.
pub(crate) fn user_name(uid: u32) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_in(&users, uid).unwrap_or_else(|| uid.to_string())
}

fn name_in(users: &str, uid: u32) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemons_are_known_by_their_command_line() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (line, program, is) in [
            ("chasar masternode start 0.0.0.0", None, true),
            ("/usr/bin/chasar clientnode start", None, true),
            ("agent clientnode start", Some("/opt/chasar (deleted)"), true),
            ("chasar watch", None, false),
            ("chasar masternode --help", None, false),
            ("vi chasar masternode start", None, false),
            ("", None, false),
        ] {
            assert_eq!(is_daemon(&words(line), program.map(Path::new)), is, "{line}");
        }
        assert_eq!(arguments(b"a\0b c\0\0"), ["a", "b c", ""]);
    }

    #[test]
    fn users_have_names() {
        let users = "root:x:0:0:root:/root:/bin/sh\nchasar:x:998:998::/:/usr/sbin/nologin\nbroken\n";
        assert_eq!(name_in(users, 998).as_deref(), Some("chasar"));
        assert_eq!(name_in(users, 7), None);
    }

    #[cfg(unix)]
    #[test]
    fn environments_are_read() {
        let read = environment(b"A=1\0B=x=y\0odd\0");
        assert_eq!(read.get(&OsString::from("B")), Some(&OsString::from("x=y")));
        assert_eq!(read.len(), 2);
    }
}
