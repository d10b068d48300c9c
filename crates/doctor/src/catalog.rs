//! The names of all findings, for programs that read them and for the documentation.

/// Every code and what it says, in the order of the documentation.
pub const CODES: &[(&str, &str)] = &[
    (
        "configuration-wrong",
        "The configuration file, an argument or a variable cannot be understood; place and remedy are named.",
    ),
    ("configuration-overridden", "A variable of the environment goes over what the file says."),
    ("configuration-understood", "The settings are understood."),
    ("variable-unknown", "A variable begins with `CHASAR_` and means nothing."),
    ("no-daemon", "No daemon runs here or is configured here."),
    ("running", "The daemon runs."),
    ("not-running", "No daemon with these settings runs here; wrong where it is meant to run."),
    ("running-twice", "Several daemons run with the same settings."),
    ("stopped", "The process is halted (SIGSTOP) or has ended unnoticed."),
    ("replaced", "The process still runs a program file that was replaced since."),
    ("service-not-running", "The system is to start the service at boot, and it does not run."),
    ("port-free", "The port can be had."),
    ("port-bound", "The masternode listens."),
    ("port-in-use", "Another program has the port; which one is named where the system tells."),
    ("port-not-bound", "The masternode runs and does not listen there."),
    ("port-privileged", "The user may not listen below 1024."),
    ("port-not-usable", "The system refuses the port for another reason."),
    ("port-of-chance", "Port 0: the system chooses a free one at each start."),
    ("address-not-here", "The address to listen on is none of this computer's."),
    ("loopback-only", "The port is bound to loopback: other computers are refused."),
    ("another-network", "The masternode runs in a network namespace of its own."),
    ("name-not-found", "The name of the host has no address."),
    ("connection-refused", "The computer answers, and nothing listens on the port."),
    ("connection-timeout", "No answer: a firewall, or the computer is off."),
    ("connection-reset", "The connection is reset: a firewall or proxy refuses it."),
    ("connection-failed", "No connection for another reason."),
    ("connection-closed", "Something listens and closes every connection at once."),
    ("no-route", "There is no way to the computer."),
    ("silent-peer", "Something takes connections and says nothing: a frozen masternode, or another program."),
    ("wrong-protocol", "Another protocol answers (HTTP, TLS, SSH, an old ZMTP, ...); it is named."),
    ("wrong-socket-type", "A ZeroMQ socket answers that no masternode has."),
    (
        "ports-swapped",
        "It is the masternode's other port: 5555 is for reports, 6666 for the stream, 7777 for HTTP.",
    ),
    ("keys-wanted", "A ZeroMQ socket answers that wants keys."),
    ("refused", "A ZeroMQ socket answers and refuses, with its words."),
    ("handshake-broken", "A ZeroMQ socket answers and breaks off the handshake."),
    ("not-subscribed", "A ZeroMQ subscriber answers and asks for nothing."),
    ("masternode-answers", "A masternode answers."),
    ("healthy", "The masternode says over HTTP that it is well."),
    ("unhealthy", "The masternode says over HTTP that it is stuck or stopping."),
    ("http-unreachable", "The masternode's HTTP port does not answer."),
    ("http-not-a-masternode", "Another web server has the masternode's HTTP port."),
    ("http-token", "HTTP wants a token to show the fleet."),
    ("fleet-unread", "The list of nodes cannot be read."),
    ("stream-delivers", "Reports come on the stream."),
    ("stream-silent", "The stream's link is up and no report comes; wrong where nodes are live."),
    ("stream-unreachable", "A subscriber gets no link."),
    ("own-reports", "Reports of this computer come back on the stream."),
    ("own-reports-missing", "The clientnode runs, and no report of it comes on the stream."),
    ("fleet", "How many nodes are live, late, down and left."),
    ("no-nodes", "The masternode knows of no node."),
    ("unknown-there", "The masternode does not know this computer's node."),
    ("node-live", "The masternode receives this computer's reports."),
    ("node-late", "A report is overdue."),
    ("node-down", "Reports stopped coming."),
    ("node-left", "The clientnode was stopped on purpose."),
    ("node-cloned", "Two running clientnodes have one identity."),
    ("node-clock-skew", "A node's clock is off by more than 2 s."),
    ("node-gap", "Reports of a node are lost for good."),
    ("node-missing", "Reports of a node are missing and may still come."),
    ("node-conflict", "Different reports came under one number."),
    ("same-name", "Several nodes have one host name and address."),
    ("versions-agree", "This program and the masternode are of one version."),
    ("versions-differ", "Nodes and masternode are of different versions."),
    ("counters", "The masternode refused, dropped and lost nothing."),
    ("reports-refused", "The masternode refused messages; wrong while it goes on."),
    ("connections-failed", "Connections to the masternode failed their handshake; wrong while it goes on."),
    ("stream-dropped", "The masternode had no time to publish; wrong while it goes on."),
    ("subscriber-slow", "A subscriber lost messages because it reads too slowly; wrong while it goes on."),
    ("subscribers-refused", "Subscribers were disconnected for their subscriptions; wrong while it goes on."),
    ("memory-unwritten", "The masternode could not record its fleet; wrong while it goes on."),
    ("open-files-enough", "The limit of open files has room for the fleet."),
    ("open-files-scarce", "The limit of open files will be reached soon."),
    ("open-files-too-few", "The limit of open files is too low for the fleet."),
    ("folder-usable", "The folder can be written, or made."),
    ("folder-is-a-file", "There is a file where a folder is needed."),
    ("folder-not-writable", "The folder cannot be written: permission, or a read-only file system."),
    ("folder-unseen", "The folder is another user's; whether that one can write it was not tried."),
    (
        "folder-wrong-owner",
        "What is in the folder belongs to another user, mostly root after a start by hand.",
    ),
    ("disk-full", "The file system of the folder is full, of bytes or of files."),
    ("disk-scarce", "The file system of the folder is nearly full."),
    ("token-readable", "Other users may read the HTTP token."),
    ("spool-sound", "What waits in the spool is sound."),
    ("spool-full", "The spool is full: the oldest reports are thrown away."),
    ("spool-damaged", "A segment of the spool is cut short."),
    ("spool-foreign", "A file in the spool is no segment."),
    ("spool-copied", "Segments in the spool are of another node."),
    ("spool-unread", "The spool cannot be looked into."),
    ("clock-skew", "The clocks of this computer and of the masternode differ by more than 2 s."),
    ("clocks-agree", "The clocks agree."),
    ("clock-kept", "A time service keeps the clock right."),
    ("clock-not-kept", "No time service keeps the clock right."),
    ("probes-read", "How many probes read this computer, and the slowest."),
    ("probe-failed", "A probe fails, and why."),
    ("probe-slow", "A probe takes more than 0.1 s."),
    ("nothing-here", "What this computer does not have."),
    ("mount-silent", "A mounted file system does not answer."),
    (
        "another-user",
        "The daemon is another user's: its environment is hidden, and probes ran as somebody else.",
    ),
    ("fault-of-ours", "A check broke off."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn every_code_is_told_by_a_check_and_once() {
        let mut sources = String::new();
        for file in std::fs::read_dir(root().join("src")).unwrap() {
            let path = file.unwrap().path();
            if !path.ends_with("catalog.rs") {
                let text = std::fs::read_to_string(path).unwrap();
                sources.push_str(text.split("#[cfg(test)]").next().unwrap());
            }
        }
        for (code, meaning) in CODES {
            assert!(sources.contains(&format!("\"{code}\"")), "{code} is told by no check");
            assert!(meaning.ends_with('.'), "{code}: {meaning}");
        }
        assert_eq!(CODES.iter().map(|(code, _)| code).collect::<BTreeSet<_>>().len(), CODES.len());
    }

    #[test]
    fn the_documentation_lists_them() {
        let text = std::fs::read_to_string(root().join("../../docs/doctor.md")).unwrap();
        let listed: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
        let expected =
            CODES.iter().map(|(code, meaning)| format!("| `{code}` | {} |", meaning.trim_end_matches('.')));
        for (i, expected) in expected.enumerate() {
            assert_eq!(
                listed.get(i),
                Some(&expected.as_str()),
                "docs/doctor.md, line {} of the table",
                i + 1
            );
        }
        assert_eq!(listed.len(), CODES.len());
    }
}
