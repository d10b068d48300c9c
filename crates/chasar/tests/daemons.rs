//! The daemons as people start them: masternode, clientnode, watch and demo together; what stops them.

mod support;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use support::{Running, chasar, folder, text};

const SOON: Duration = Duration::from_secs(60);

/// A masternode on ports of the system's choice.
struct Masternode {
    running: Running,
    reports: String,
    stream: String,
    http: String,
}

impl Masternode {
    fn start(home: &Path) -> Masternode {
        let mut command = chasar(home);
        command.args(["masternode", "start", "127.0.0.1", "0", "--stream", "0", "--http", "0"]);
        let mut running = Running::start(&mut command);
        let mut log = BufReader::new(running.child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("masternode started") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "it says where it listens");
        }
        running.child.stderr = Some(log.into_inner());
        let value = |name: &str| {
            let rest = line.split(name).nth(1).expect("named in the log");
            rest.split("://").nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
        };
        Masternode { reports: value("reports="), stream: value("stream="), http: value("http="), running }
    }

    fn clientnode(&self, home: &Path) -> Running {
        let (host, port) = self.reports.split_once(':').unwrap();
        let mut command = chasar(home);
        command.args(["clientnode", "start", host, port, "--interval", "0.2", "--processes", "3"]);
        Running::start(&mut command)
    }

    fn watch(&self, home: &Path, args: &[&str]) -> (Option<i32>, Vec<serde_json::Value>, String) {
        let mut command = chasar(home);
        command.args(["watch", &self.stream, "--json"]).args(args);
        let (code, stdout, stderr) = Running::start(&mut command).end(SOON);
        (code, stdout.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect(), stderr)
    }
}

#[test]
fn from_the_clientnode_through_the_masternode_to_watch() {
    let home = folder();
    let masternode = Masternode::start(home.path());
    let node = masternode.clientnode(home.path());
    let (code, reports, stderr) = masternode.watch(home.path(), &["--count", "3", "--for", "20"]);
    assert_eq!(code, Some(0), "{stderr}");
    let sequences: Vec<u64> = reports.iter().map(|r| r["sequence"].as_u64().unwrap()).collect();
    assert!(sequences.windows(2).all(|w| w[1] == w[0] + 1), "{sequences:?}");
    assert!(reports[2]["process"].as_object().unwrap().len() <= 3, "the option arrives");
    assert_eq!(reports[2]["interval_seconds"], 0.2);

    // The states: the goodbye of the clientnode is seen as such.
    let mut states = chasar(home.path());
    states.args(["watch", &masternode.stream, "--json", "--states", "--for", "25"]);
    let mut states = Running::start(&mut states);
    let mut lines = BufReader::new(states.child.stdout.take().unwrap()).lines();
    let first = lines.next().expect("a state within the time").unwrap();
    assert!(first.contains(r#""state":""#), "{first}");
    node.signal("TERM");
    let (code, _, stderr) = node.end(SOON);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(lines.any(|l| l.unwrap().contains(r#""state":"left""#)), "the node left");
    drop(states);

    masternode.running.signal("INT");
    let (code, _, stderr) = masternode.running.end(SOON);
    assert_eq!(code, Some(0), "{stderr}");
}

#[test]
fn history_is_looked_into_and_copied_while_it_is_written() {
    let home = folder();
    let masternode = Masternode::start(home.path());
    let node = masternode.clientnode(home.path());
    let history = |args: &[&str]| {
        let output = chasar(home.path()).arg("history").args(args).output().unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    // Once a second what came is written.
    let deadline = Instant::now() + SOON;
    let stats = loop {
        let (code, stdout, stderr) = history(&["stats", "--json", "--top", "0"]);
        assert_eq!(code, Some(0), "{stderr}");
        let stats: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
        if stats["log"]["samples"].as_u64().unwrap() > 500 {
            break stats;
        }
        assert!(Instant::now() < deadline, "nothing is written: {stats}");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(stats["instances_total"], 1, "{stats}");
    let copy = home.path().join("copy");
    let (code, _, stderr) = history(&["snapshot", copy.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{stderr}");
    for args in [&["verify"][..], &["verify", "copy"]] {
        let (code, stdout, stderr) = history(args);
        assert_eq!(code, Some(0), "{stdout}{stderr}");
        assert!(stdout.contains(": whole; "), "{stdout}");
    }
    let (code, exported, stderr) = history(&["export", "copy", "--match", "node_load1"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(exported.contains("\nnode_load1{instance=\"") && exported.ends_with("# EOF\n"), "{exported}");
    // Who writes is alone.
    std::fs::write(home.path().join("text"), &exported).unwrap();
    let (code, _, stderr) = history(&["import", "text"]);
    assert!(code == Some(1) && stderr.contains("is being written by a masternode"), "{stderr}");
    node.signal("TERM");
    node.end(SOON);
    masternode.running.signal("TERM");
    let (code, _, stderr) = masternode.running.end(SOON);
    assert_eq!(code, Some(0), "{stderr}");
    // Now it can be, and all of it is there already.
    let (code, stdout, stderr) = history(&["import", "text"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains(": 0 samples imported; ") && stdout.contains("there already"), "{stdout}");
}

#[test]
fn what_a_computer_reports_is_asked_in_promql() {
    let home = folder();
    let masternode = Masternode::start(home.path());
    let _clientnode = masternode.clientnode(home.path());
    let url = format!("http://{}", masternode.http);
    let query = |args: &[&str]| {
        let output = chasar(home.path()).arg("query").args(args).output().unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let deadline = Instant::now() + SOON;
    let until = |args: &[&str], found: &dyn Fn(&str) -> bool| loop {
        let (code, stdout, stderr) = query(args);
        assert_eq!(code, Some(0), "{args:?}: {stderr}");
        if found(&stdout) {
            return stdout;
        }
        assert!(Instant::now() < deadline, "{args:?} finds nothing: {stderr}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let table = until(&["up", "--url", &url], &|stdout| stdout.contains("instance"));
    assert!(table.starts_with("value  metric  instance") && table.contains("\n    1  up      "), "{table}");
    // Beside the masternode, from its folder of history, the same second has the same value.
    let of_folder =
        until(&["node_memory_MemTotal_bytes", "--folder", "--format", "csv"], &|s| s.lines().count() == 2);
    let at: f64 = of_folder.lines().nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
    let at = (at / 1000.0).to_string();
    let (_, of_http, _) =
        query(&["node_memory_MemTotal_bytes", "--url", &url, "--at", &at, "--format", "csv"]);
    assert_eq!(of_http, of_folder);
    let range = ["count_over_time(up[5s])", "--url", &url, "--range", "10s", "--step", "1s"];
    until(&range, &|stdout| stdout.lines().count() > 2);
    let (code, plot, _) = query(&[&range[..], &["--format", "plot"]].concat());
    assert!(code == Some(0) && plot.contains('└') && plot.contains("a value every 1s"), "{plot}");
    // What the masternode refuses is told with its words.
    let (code, _, stderr) = query(&["up", "--url", &url, "--range", "1d", "--step", "1s"]);
    assert!(code == Some(2) && stderr.contains("11,000 points"), "{code:?} {stderr}");
    let (code, _, stderr) = query(&["up * on(job) group_left up + on() {job=~\".+\"}", "--url", &url]);
    assert!(code == Some(1) && stderr.starts_with("error: execution: "), "{code:?} {stderr}");
}

#[test]
fn a_port_in_use_is_one_clear_line() {
    let home = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (args, hint) in [
        (["0", "--stream", &port, "--http", "off"], "--stream"),
        (["0", "--stream", "off", "--http", &port], "--http"),
        ([&port, "--stream", "off", "--http", "off"], "port"),
    ] {
        let output =
            chasar(home.path()).args(["masternode", "start", "127.0.0.1"]).args(args).output().unwrap();
        let stderr = text(&output.stderr);
        let errors: Vec<&str> = stderr.lines().filter(|l| l.starts_with("error: ")).collect();
        assert_eq!((output.status.code(), errors.len()), (Some(1), 1), "{stderr}");
        assert!(errors[0].contains(&port) && errors[0].contains(hint), "{stderr}");
    }
}

#[test]
fn what_the_system_refuses_is_one_clear_line() {
    let home = folder();
    std::fs::write(home.path().join("file"), "").unwrap();
    let cases: [(&[&str], &[&str]); 5] = [
        (&["masternode", "start", "192.0.2.1", "0"], &["192.0.2.1", "no such address"]),
        (&["masternode", "start", "does-not-exist.invalid"], &["does-not-exist.invalid", "check the name"]),
        (&["masternode", "start", "127.0.0.1", "0", "--state-dir", "file/x"], &["file/x", "--state-dir"]),
        (&["clientnode", "start", "not a name"], &["not a name", "host name"]),
        (&["clientnode", "start", "--state-dir", "spool", "--spool-dir", "spool"], &["--spool-dir"]),
    ];
    for (args, parts) in cases {
        let output = chasar(home.path()).args(args).output().unwrap();
        let stderr = text(&output.stderr);
        let errors: Vec<&str> = stderr.lines().filter(|l| l.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{args:?}: {stderr}");
        assert!(matches!(output.status.code(), Some(1 | 2)), "{args:?}: {stderr}");
        for part in parts {
            assert!(errors[0].contains(part), "{args:?} does not say {part}: {stderr}");
        }
    }
}

/// At boot the name service may not be up yet, so a name without address is no reason to end.
#[test]
fn a_masternode_whose_name_is_not_known_is_looked_for_until_the_end() {
    let home = folder();
    let mut command = chasar(home.path());
    command.args(["clientnode", "start", "does-not-exist.invalid"]);
    let mut node = Running::start(&mut command);
    let mut log = BufReader::new(node.child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("no link") {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "it says what is wrong");
    }
    for part in ["cannot find the host 'does-not-exist.invalid'", "check the name", "trying again"] {
        assert!(line.contains(part), "{line}");
    }
    node.child.stderr = Some(log.into_inner());
    node.signal("TERM");
    let (code, _, stderr) = node.end(SOON);
    assert_eq!(code, Some(0), "{stderr}");
}

/// The system's own name service, with files of ours in place of `/etc/hosts` and `/etc/nsswitch.conf`.
#[test]
#[cfg(target_os = "linux")]
fn a_name_that_becomes_known_is_followed() {
    let home = folder();
    let masternode = Masternode::start(home.path());
    let (_, port) = masternode.reports.split_once(':').unwrap();
    let (hosts, switch) = (home.path().join("hosts"), home.path().join("nsswitch.conf"));
    std::fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
    std::fs::write(&switch, "hosts: files\n").unwrap();
    let plain = chasar(home.path());
    let script =
        "mount --bind \"$1\" /etc/hosts && mount --bind \"$2\" /etc/nsswitch.conf && shift 2 && exec \"$@\"";
    let mut command = std::process::Command::new("unshare");
    // A user namespace lets anybody mount; root needs none.
    command.args(if is_root() { &["-m"][..] } else { &["-r", "-m"] });
    command.args(["sh", "-c", script, "sh"]).args([&hosts, &switch]).arg(plain.get_program());
    command.args(["clientnode", "start", "masternode.test", port]);
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut node = Running::start(command.current_dir(home.path()));
    let mut log = BufReader::new(node.child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let trouble = log.find(|line| line.contains("no link")).expect("it says that there is no such name");
    assert!(trouble.contains("cannot find the host 'masternode.test'"), "{trouble}");
    std::fs::write(&hosts, "127.0.0.1 localhost masternode.test\n").unwrap();
    assert!(log.any(|line| line.contains(" connected")), "it looks again");
    node.signal("TERM");
    assert_eq!(node.child.wait().unwrap().code(), Some(0));
}

#[cfg(target_os = "linux")]
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
}

#[test]
fn one_masternode_and_one_clientnode_for_a_state_folder() {
    let home = folder();
    let masternode = Masternode::start(home.path());
    let args = ["masternode", "start", "127.0.0.1", "0", "--stream", "off", "--http", "off"];
    let output = chasar(home.path()).args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("in use by another masternode"), "{}", text(&output.stderr));

    let mut node = masternode.clientnode(home.path());
    let mut line = String::new();
    let mut log = BufReader::new(node.child.stderr.take().unwrap());
    while !line.contains("connected") {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "it connects");
    }
    let (code, _, stderr) = masternode.clientnode(home.path()).end(SOON);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("another clientnode uses the state folder"), "{stderr}");
    assert!(stderr.contains("--state-dir"), "{stderr}");
}

#[test]
fn the_log_can_be_json_and_quiet() {
    let home = folder();
    let start = |args: &[&str]| {
        let mut command = chasar(home.path());
        command.args(["clientnode", "start", "127.0.0.1", "1"]).args(args);
        let mut running = Running::start(&mut command);
        // It has no other way to say that it runs than its log, which one of the cases switches off:
        // the identity is written when it does.
        let identity = home.path().join("state/clientnode/node_id");
        let deadline = std::time::Instant::now() + SOON;
        while !identity.exists() {
            assert!(running.child.try_wait().unwrap().is_none() && std::time::Instant::now() < deadline);
            std::thread::yield_now();
        }
        running.signal("TERM");
        let (code, _, stderr) = running.end(SOON);
        std::fs::remove_dir_all(home.path().join("state")).unwrap();
        assert_eq!(code, Some(0), "{stderr}");
        stderr
    };
    let json = start(&["--log-format", "json"]);
    assert!(json.lines().count() > 0);
    for line in json.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        assert!(value["level"].is_string() && value["message"].is_string(), "{line}");
    }
    assert_eq!(start(&["--log-level", "off"]), "");
    assert!(!start(&[]).contains('\u{1b}'), "no colours without a terminal");
}

/// Sockets that listen, and temporary folders: what a demo could leave behind.
fn leftovers(temporary: &Path) -> usize {
    std::fs::read_dir(temporary).unwrap().count()
}

#[test]
fn a_demo_shows_this_computer_and_leaves_nothing_behind() {
    let (home, temporary) = (folder(), folder());
    let mut command = chasar(home.path());
    command.arg("demo").env("TMPDIR", temporary.path());
    let mut running = Running::start(&mut command);
    let mut lines = BufReader::new(running.child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let first = lines.next().expect("where to subscribe");
    assert!(first.contains("tcp://127.0.0.1:") && first.contains("http://127.0.0.1:"), "{first}");
    // This computer is in the table.
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert!(lines.any(|l| l.starts_with(&hostname.trim()[..hostname.trim().len().min(8)])), "a row");
    assert_eq!(leftovers(temporary.path()), 1, "its state is in the temporary folder");
    let http = first.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    assert!(std::net::TcpStream::connect(&http).is_ok());
    running.signal("INT");
    let (code, _, stderr) = running.end(SOON);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(leftovers(temporary.path()), 0);
    assert!(std::net::TcpStream::connect(&http).is_err(), "nothing listens any more");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "nothing in the home folder");
}

#[test]
fn a_demo_finds_other_ports_and_ends_by_itself() {
    let home = folder();
    // At least one of the usual ports is taken, by us or by whoever else tests here.
    let taken: Vec<_> =
        [5555, 6666, 7777].iter().filter_map(|p| TcpListener::bind(("127.0.0.1", *p)).ok()).collect();
    let mut command = chasar(home.path());
    command.args(["demo", "--for", "3"]);
    let (code, stdout, stderr) = Running::start(&mut command).end(SOON);
    drop(taken);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(
        !stdout.contains("tcp://127.0.0.1:6666") && !stdout.contains("http://127.0.0.1:7777"),
        "{stdout}"
    );
    assert!(stdout.contains("1 live"), "{stdout}");
}

#[test]
fn a_second_signal_ends_at_once() {
    let home = folder();
    let masternode = Masternode::start(home.path());
    assert!(std::net::TcpStream::connect(&masternode.http).is_ok());
    // Frozen, it gets both at once, however quick its clean end is.
    masternode.running.signal("STOP");
    masternode.running.signal("INT");
    masternode.running.signal("TERM");
    masternode.running.signal("CONT");
    let (code, _, stderr) = masternode.running.end(SOON);
    assert!(matches!(code, Some(130 | 143)), "{code:?} {stderr}");
}
