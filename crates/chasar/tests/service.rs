//! `chasar service` as people and packages use it: texts, dry run, a system below a folder, exit codes.
#![cfg(unix)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::{chasar, compare, folder, run, text};

/// Runs and gives stdout.
fn printed(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn unit(role: &str) -> String {
    printed(&["service", "print", role, "--exe", "/usr/bin/chasar"])
}

#[test]
fn texts_for_every_init_system() {
    for role in ["clientnode", "masternode"] {
        for (init, ending) in [("systemd", "service"), ("openrc", "openrc"), ("launchd", "plist")] {
            let text = printed(&["service", "print", role, "--init", init]);
            compare(format!("service/{role}.{ending}"), &text);
        }
    }
    compare("service/sysusers.conf", &printed(&["service", "print", "sysusers"]));
    let config = printed(&["service", "print", "config"]);
    assert!(config.lines().all(|l| l.starts_with('#')), "{config}");
    let windows = run(&["service", "print", "clientnode", "--init", "windows"]);
    assert_eq!(windows.status.code(), Some(1));
}

/// systemd's own judgement, with a program that exists in place of ours.
#[test]
fn systemd_finds_nothing_wrong_and_little_exposed() {
    let home = folder();
    for role in ["clientnode", "masternode"] {
        let path = home.path().join(format!("chasar-{role}.service"));
        std::fs::write(&path, unit(role).replace("/usr/bin/chasar", "/bin/true")).unwrap();
        let analyze = |args: &[&str]| {
            let output = Command::new("systemd-analyze").args(args).arg(&path).env("LC_ALL", "C").output();
            output.unwrap_or_else(|e| panic!("systemd-analyze: {e}; apt-get install systemd"))
        };
        let verified = analyze(&["verify", "--man=no"]);
        assert!(verified.status.success(), "{}", text(&verified.stderr));
        // Directives of systemd 254 are unknown to an older one, which goes on without them.
        let newer = ["Unknown key 'RestartSteps'", "Unknown key 'RestartMaxDelaySec'"];
        let complaints: Vec<String> = text(&verified.stderr)
            .lines()
            .filter(|line| line.contains("chasar") && !newer.iter().any(|n| line.contains(n)))
            .map(str::to_owned)
            .collect();
        assert!(complaints.is_empty(), "{complaints:?}");

        let security = analyze(&["security", "--offline=true", "--no-pager"]);
        let shown = text(&security.stdout);
        let overall = shown.lines().find(|l| l.contains("Overall exposure level")).expect("a judgement");
        let score: f64 =
            overall.split(':').nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
        assert!(score <= 2.0, "{shown}");
    }
}

#[test]
fn shells_and_property_lists_are_well_formed() {
    let home = folder();
    for role in ["clientnode", "masternode"] {
        let script = home.path().join("script");
        // A path that wants quotes.
        let odd = "/opt/it's here/chasar $HOME";
        std::fs::write(&script, printed(&["service", "print", role, "--init", "openrc", "--exe", odd]))
            .unwrap();
        // What supervise-daemon.sh of OpenRC does with it: the words are evaluated once more.
        let read = ". \"$1\"; eval set -- $command -- $command_args; for w; do echo \"$w\"; done";
        let output = Command::new("sh").args(["-euc", read, "sh"]).arg(&script).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let words = text(&output.stdout);
        let expected = [odd, "--", role, "start", "--config", "/etc/chasar/chasar.toml"];
        assert_eq!(words.lines().collect::<Vec<_>>(), expected);

        let plist = home.path().join("plist");
        let odd = "/opt/a & <b>/chasar";
        std::fs::write(&plist, printed(&["service", "print", role, "--init", "launchd", "--exe", odd]))
            .unwrap();
        let read = "import json, plistlib, sys; print(json.dumps(plistlib.load(open(sys.argv[1], 'rb'))))";
        let output = Command::new("python3").args(["-c", read]).arg(&plist).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(list["ProgramArguments"][0], odd);
        assert_eq!(list["ProgramArguments"][1], role);
        assert_eq!(list["KeepAlive"], true);
        assert_eq!(list["Umask"], 0o77);
    }
}

/// A system below a folder, and programs that write down how they were called.
struct Scratch {
    home: tempfile::TempDir,
}

impl Scratch {
    fn new(init: &str) -> Scratch {
        let home = folder();
        let root = home.path().join("root");
        let marker = match init {
            "systemd" => "usr/lib/systemd/systemd",
            "openrc" => "sbin/openrc-run",
            _ => "Library/LaunchDaemons/other.plist",
        };
        for file in [marker, "etc/passwd"] {
            let file = root.join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        let scratch = Scratch { home };
        for program in ["systemctl", "systemd-sysusers", "rc-update", "rc-service", "launchctl", "install"] {
            scratch.program(program, "exit 0");
        }
        scratch
    }

    fn root(&self) -> PathBuf {
        self.home.path().join("root")
    }

    /// A program of this name that does so after it wrote down its call.
    fn program(&self, name: &str, body: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.home.path().join("bin").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let calls = self.home.path().join("calls");
        let text = format!("#!/bin/sh\necho \"{name} $*\" >> '{}'\n{body}\n", calls.display());
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The calls since the last time.
    fn calls(&self) -> String {
        let path = self.home.path().join("calls");
        let calls = std::fs::read_to_string(&path).unwrap_or_default();
        let _ = std::fs::remove_file(path);
        calls.replace(&self.root().display().to_string(), "ROOT")
    }

    fn service(&self, args: &[&str]) -> Output {
        let path = format!("{}:/usr/bin:/bin", self.home.path().join("bin").display());
        let mut command = chasar(self.home.path());
        command.env("PATH", path).arg("service").args(args).arg("--root").arg(self.root());
        command.output().unwrap()
    }

    fn install(&self, args: &[&str]) -> Output {
        let all: Vec<&str> =
            ["install"].iter().chain(args).chain(&["--exe", "/usr/bin/chasar"]).copied().collect();
        self.service(&all)
    }

    /// Every file and folder with its content.
    fn tree(&self) -> Vec<(PathBuf, String)> {
        fn walk(folder: &Path, root: &Path, found: &mut Vec<(PathBuf, String)>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(root).unwrap().to_owned();
                if path.is_symlink() {
                    found.push((name, format!("-> {}", std::fs::read_link(&path).unwrap().display())));
                } else if path.is_dir() {
                    found.push((name, String::new()));
                    walk(&path, root, found);
                } else {
                    found.push((name, std::fs::read_to_string(&path).unwrap()));
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.root(), &self.root(), &mut found);
        found.sort();
        found
    }

    fn file(&self, path: &str) -> String {
        std::fs::read_to_string(self.root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }
}

#[track_caller]
fn ok(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn installed_below_a_folder_again_and_removed_without_a_trace() {
    for (init, unit) in [
        ("systemd", "etc/systemd/system/chasar-clientnode.service"),
        ("openrc", "etc/init.d/chasar-clientnode"),
        ("launchd", "Library/LaunchDaemons/chasar.clientnode.plist"),
    ] {
        let scratch = Scratch::new(init);
        let before = scratch.tree();
        let dry = ok(&scratch.install(&["clientnode", "server.example", "--interval", "3", "--dry-run"]));
        assert!(dry.contains(unit) && dry.contains("masternode = \"server.example\""), "{dry}");
        assert_eq!(scratch.tree(), before, "{init}: a dry run touches nothing");
        assert_eq!(scratch.calls(), "", "{init}: and runs nothing");

        ok(&scratch.install(&["clientnode", "server.example", "--interval", "3"]));
        assert!(scratch.file(unit).contains("/usr/bin/chasar"), "{init}");
        let config = "# mine\n[clientnode]\nmasternode = \"server.example\"\ninterval = 3\n";
        for line in config.lines().skip(1) {
            assert!(scratch.file("etc/chasar/chasar.toml").contains(line), "{init}: {line}");
        }
        let calls = scratch.calls();
        if init == "systemd" {
            let expected = "systemd-sysusers --root=ROOT chasar.conf\nsystemctl --root=ROOT enable chasar-clientnode.service\n";
            assert_eq!(calls, expected);
        } else {
            assert_eq!(calls, "", "{init}: nothing of the running system is asked");
        }
        if init == "openrc" {
            let link = scratch.root().join("etc/runlevels/default/chasar-clientnode");
            assert_eq!(std::fs::read_link(link).unwrap(), Path::new("/etc/init.d/chasar-clientnode"));
        }
        let status = scratch.service(&["status", "clientnode"]);
        assert_eq!(status.status.code(), Some(3), "{init}: installed, not running");

        // The same again changes nothing; other settings change the file and keep what else is in it.
        let installed = scratch.tree();
        let again = ok(&scratch.install(&["clientnode", "server.example", "--interval", "3"]));
        assert!(again.contains("unchanged") && !again.contains("wrote"), "{init}: {again}");
        assert_eq!(scratch.tree(), installed, "{init}");
        ok(&scratch.install(&["clientnode", "--interval", "5"]));
        let changed = scratch.file("etc/chasar/chasar.toml");
        assert!(changed.contains("interval = 5") && changed.contains("server.example"), "{changed}");

        // The second role uses the same file; what one of them needs stays.
        ok(&scratch.install(&["masternode", "0.0.0.0", "--http", "off"]));
        let one = ok(&scratch.service(&["uninstall", "clientnode"]));
        assert!(one.contains("stays: /etc/chasar/chasar.toml"), "{init}: {one}");
        ok(&scratch.service(&["uninstall", "masternode"]));
        let status = scratch.service(&["status"]);
        assert_eq!(status.status.code(), Some(4), "{init}: not installed");
        let known: Vec<PathBuf> = before.iter().map(|(path, _)| path.clone()).collect();
        let left: Vec<PathBuf> = scratch
            .tree()
            .into_iter()
            .filter(|(path, content)| !known.contains(path) && !content.is_empty())
            .map(|(path, _)| path)
            .collect();
        // The account outlives the services, and so does the line that describes it.
        let account: &[&str] = if init == "systemd" { &["etc/sysusers.d/chasar.conf"] } else { &[] };
        assert_eq!(left, account.iter().map(PathBuf::from).collect::<Vec<_>>(), "{init}");
        let nothing = ok(&scratch.service(&["uninstall", "masternode"]));
        assert!(nothing.contains("is not installed"), "{nothing}");
    }
}

#[test]
fn a_failing_program_undoes_what_was_done() {
    for (program, old) in [("systemd-sysusers", None), ("systemctl", None), ("systemctl", Some("# old\n"))] {
        let scratch = Scratch::new("systemd");
        if let Some(old) = old {
            let unit = scratch.root().join("etc/systemd/system/chasar-clientnode.service");
            std::fs::create_dir_all(unit.parent().unwrap()).unwrap();
            std::fs::write(unit, old).unwrap();
        }
        scratch.program(program, "echo 'it would not' >&2; exit 7");
        let before = scratch.tree();
        let output = scratch.install(&["clientnode", "server.example"]);
        assert_eq!(output.status.code(), Some(1));
        let stderr = text(&output.stderr);
        assert!(stderr.contains(program) && stderr.contains("it would not"), "{stderr}");
        assert!(stderr.contains("everything before it was undone"), "{stderr}");
        assert_eq!(scratch.tree(), before, "after {program} failed");
    }
}

#[test]
fn an_edited_configuration_survives_and_purge_removes_it() {
    let scratch = Scratch::new("systemd");
    let config = scratch.root().join("etc/chasar/chasar.toml");
    std::fs::create_dir_all(config.parent().unwrap()).unwrap();
    std::fs::write(&config, "# mine\n[log]\nlevel = \"warn\" # quiet\n").unwrap();
    ok(&scratch.install(&["clientnode", "server.example"]));
    let text = scratch.file("etc/chasar/chasar.toml");
    assert_eq!(
        text,
        "# mine\n[log]\nlevel = \"warn\" # quiet\n\n[clientnode]\nmasternode = \"server.example\"\n"
    );
    std::fs::create_dir_all(scratch.root().join("var/lib/chasar/clientnode")).unwrap();
    let said = ok(&scratch.service(&["uninstall", "clientnode"]));
    for stays in ["/etc/chasar/chasar.toml, which somebody has edited", "/var/lib/chasar/clientnode"] {
        assert!(said.contains(stays), "{said}");
    }
    ok(&scratch.service(&["uninstall", "clientnode", "--purge"]));
    assert!(!config.exists() && !scratch.root().join("var/lib/chasar").exists());
}

#[test]
fn a_unit_of_a_package_is_not_written_twice() {
    let scratch = Scratch::new("systemd");
    let packaged = scratch.root().join("usr/lib/systemd/system/chasar-clientnode.service");
    std::fs::create_dir_all(packaged.parent().unwrap()).unwrap();
    std::fs::write(&packaged, unit("clientnode")).unwrap();
    ok(&scratch.install(&["clientnode", "server.example"]));
    assert!(!scratch.root().join("etc/systemd/system/chasar-clientnode.service").exists());
    assert!(scratch.calls().contains("enable chasar-clientnode.service"));
    // A setting that wants another unit makes one that goes over it.
    ok(&scratch.install(&["clientnode", "--spool-dir", "/data/spool"]));
    let own = scratch.file("etc/systemd/system/chasar-clientnode.service");
    assert!(own.contains("ReadWritePaths=-/data/spool"), "{own}");
    let said = ok(&scratch.service(&["uninstall", "clientnode", "--purge"]));
    assert!(said.contains("stays: the unit of the package"), "{said}");
    assert!(packaged.exists());
    // Words stay words, folders of history are written to.
    ok(&scratch.install(&["masternode", "--history", "/data/history"]));
    let own = scratch.file("etc/systemd/system/chasar-masternode.service");
    assert!(own.contains("ReadWritePaths=-/data/history"), "{own}");
    ok(&scratch.install(&["masternode", "--history", "off"]));
    assert!(scratch.file("etc/chasar/chasar.toml").contains("history = \"off\""));
}

#[test]
fn what_is_wrong_is_told_before_anything_is_done() {
    let scratch = Scratch::new("systemd");
    let before = scratch.tree();
    let cases: [(&[&str], i32, &str); 6] = [
        (&["install", "clientnode", "not a name"], 2, "host name"),
        (&["install", "clientnode", "a", "--interval", "0"], 2, "--interval"),
        (&["install", "clientnode", "a", "--spool-dir", "/s", "--spool-size", "1"], 2, "--spool-size"),
        (&["install", "masternode", "--token-file", "/nowhere"], 2, "--token-file: cannot read /nowhere"),
        (&["install", "clientnode", "a", "--exe", "/home/me/chasar"], 1, "/usr/local/bin"),
        (&["install", "clientnode", "a", "--init", "windows"], 1, "--root"),
    ];
    for (args, code, part) in cases {
        let mut all = args.to_vec();
        if !args.contains(&"--exe") {
            all.extend(["--exe", "/usr/bin/chasar"]);
        }
        let output = scratch.service(&all);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(part), "{args:?}: {stderr}");
    }
    assert_eq!(scratch.tree(), before);

    let bare = folder();
    let output = chasar(bare.path())
        .args(["service", "install", "clientnode", "a", "--exe", "/bin/true", "--root"])
        .arg(bare.path())
        .output()
        .unwrap();
    assert!(text(&output.stderr).contains("--init"), "{}", text(&output.stderr));
}

/// Settings of whoever installs are not those of the service.
#[test]
fn the_environment_of_the_caller_does_not_leak_into_the_service() {
    let scratch = Scratch::new("systemd");
    let output = chasar(scratch.home.path())
        .env("CHASAR_CLIENTNODE_INTERVAL", "wrong")
        .args(["service", "install", "clientnode", "a", "--dry-run", "--exe", "/usr/bin/chasar", "--root"])
        .arg(scratch.root())
        .output()
        .unwrap();
    ok(&output);
}
