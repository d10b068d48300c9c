//! Every step of every installation fails once: what was done before it is undone, whatever there was.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use super::carry_out::{Broken, Hands, all_or_nothing, as_far_as_possible};
use super::install::{Facts, install, uninstall};
use super::machine::Machine;
use super::plan::{Call, Scm};
use super::windows::Registration;
use super::{Init, Job, Role};

/// A system whose files are in a temporary folder and whose programs are played.
struct Played {
    folder: tempfile::TempDir,
    files: Machine,
    /// What the programs have brought about: `enabled`, `running`, the account.
    state: BTreeSet<&'static str>,
    /// The configuration that was there when the service was last started.
    started_with: String,
    /// What the service control manager knows.
    registered: Option<Registration>,
    /// Things done or tried that change something.
    done: usize,
    /// Which of them fails.
    fails: Option<usize>,
    calls: Vec<String>,
}

impl Played {
    fn new() -> Played {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir_all(folder.path().join("etc")).expect("a folder");
        let files = Machine::new(Some(folder.path()));
        Played {
            folder,
            files,
            state: BTreeSet::new(),
            started_with: String::new(),
            registered: None,
            done: 0,
            fails: None,
            calls: Vec::new(),
        }
    }

    /// Counts something that changes the system; the one that is to fail does.
    fn change(&mut self) -> Result<(), String> {
        self.done += 1;
        if self.fails == Some(self.done) { Err("made to fail".to_owned()) } else { Ok(()) }
    }

    fn change_io(&mut self) -> io::Result<()> {
        self.change().map_err(io::Error::other)
    }

    fn set(&mut self, what: &'static str, on: bool) -> Result<(), String> {
        if on {
            self.state.insert(what)
        } else {
            self.state.remove(what)
        };
        Ok(())
    }

    /// Starts the service, which reads its configuration once.
    fn start(&mut self) -> Result<(), String> {
        let of = [Init::Systemd, Init::Windows].map(Init::configuration);
        let text = of.iter().find_map(|path| self.files.read(path).ok().flatten());
        self.started_with =
            text.map(|(text, _)| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default();
        self.set("running", true)
    }

    /// All files with their content, and what the programs have brought about.
    fn everything(&self) -> (BTreeMap<String, String>, BTreeSet<&'static str>) {
        fn walk(folder: &Path, root: &Path, found: &mut BTreeMap<String, String>) {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let name = path.strip_prefix(root).expect("below it").display().to_string();
                if path.is_dir() {
                    found.insert(name, "a folder".to_owned());
                    walk(&path, root, found);
                } else {
                    found.insert(name, std::fs::read_to_string(&path).expect("text"));
                }
            }
        }
        let mut found = BTreeMap::new();
        walk(self.folder.path(), self.folder.path(), &mut found);
        if self.state.contains("running") {
            found.insert("what runs was started with".to_owned(), self.started_with.clone());
        }
        if let Some(registered) = &self.registered {
            found.insert("what is registered".to_owned(), registered.to_string());
        }
        (found, self.state.clone())
    }

    fn facts(&mut self, init: Init, role: Role, configuration: &str) -> Facts {
        Facts {
            account: self.state.contains("account"),
            installed: self.exists(&init.unit(role)) || self.registered.is_some(),
            registered: self.registered.clone(),
            enabled: self.state.contains("enabled"),
            running: self.state.contains("running"),
            start: true,
            configuration: Some((init.configuration().to_owned(), configuration.to_owned())),
            ..Facts::default()
        }
    }
}

impl Hands for Played {
    fn read(&mut self, path: &str) -> io::Result<Option<(Vec<u8>, u32)>> {
        self.files.read(path)
    }

    fn exists(&mut self, path: &str) -> bool {
        self.files.exists(path)
    }

    fn write(&mut self, path: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
        self.change_io()?;
        self.files.write(path, bytes, mode)
    }

    fn make_folder(&mut self, path: &str, mode: u32) -> io::Result<Vec<String>> {
        self.change_io()?;
        self.files.make_folder(path, mode)
    }

    fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        self.change_io()?;
        self.files.link(path, target)
    }

    fn remove(&mut self, path: &str) -> io::Result<()> {
        self.change_io()?;
        self.files.remove(path)
    }

    fn remove_empty(&mut self, path: &str) -> io::Result<bool> {
        self.change_io()?;
        self.files.remove_empty(path)
    }

    fn remove_tree(&mut self, path: &str) -> io::Result<()> {
        self.change_io()?;
        self.files.remove_tree(path)
    }

    fn call(&mut self, call: &Call) -> Result<String, String> {
        let words: Vec<&str> = call.arguments.iter().map(String::as_str).collect();
        self.calls.push(call.to_string());
        if matches!(call.program, "journalctl" | "tail") {
            return Ok("error: 10.0.0.1 is not mine".to_owned());
        }
        let starts = matches!(
            (call.program, words.as_slice()),
            ("systemctl", ["restart", _])
                | ("rc-service", [_, "restart"])
                | ("launchctl", ["bootstrap", ..])
                | ("sc.exe", ["start", _])
        );
        // A start that fails leaves nothing running.
        if starts {
            self.set("running", false)?;
        }
        self.change()?;
        if starts {
            self.start()?;
            return Ok(String::new());
        }
        match (call.program, words.as_slice()) {
            ("systemd-sysusers" | "useradd" | "adduser", _) => self.set("account", true)?,
            ("userdel" | "deluser", _) => self.set("account", false)?,
            ("systemctl", ["enable", _]) | ("rc-update", ["add", ..]) => self.set("enabled", true)?,
            ("systemctl", ["disable", _]) | ("rc-update", ["delete", ..]) => self.set("enabled", false)?,
            ("systemctl", ["disable", "--now", _]) => {
                self.set("enabled", false)?;
                self.set("running", false)?;
            }
            ("systemctl", ["stop", _]) | ("rc-service", [_, "stop"]) | ("launchctl", ["bootout", _]) => {
                self.set("running", false)?;
            }
            ("systemctl", ["daemon-reload" | "reset-failed", ..])
            | ("launchctl", ["enable", _])
            | ("chown" | "install" | "addgroup" | "delgroup" | "icacls", _) => {}
            _ => panic!("an unexpected call: {call}"),
        }
        Ok(String::new())
    }

    fn scm(&mut self, order: &Scm) -> Result<(), String> {
        self.calls.push(order.to_string());
        if matches!(order, Scm::Restart { .. }) {
            self.set("running", false)?;
        }
        self.change()?;
        match order {
            Scm::Register(registration) => {
                self.registered = Some(registration.clone());
                Ok(())
            }
            Scm::Delete { .. } => {
                self.registered = None;
                Ok(())
            }
            Scm::Restart { .. } => self.start(),
            Scm::Stop { .. } => self.set("running", false),
        }
    }
}

const INITS: [Init; 4] = [Init::Systemd, Init::Openrc, Init::Launchd, Init::Windows];

fn job(role: Role, init: Init, exe: &str) -> Job {
    Job {
        role,
        exe: exe.to_owned(),
        configuration: init.configuration().to_owned(),
        writes_to: vec!["/data/spool".to_owned()],
    }
}

fn set_up(played: &mut Played, init: Init, exe: &str, configuration: &str) -> Result<usize, Broken> {
    let job = job(Role::Clientnode, init, exe);
    let facts = played.facts(init, Role::Clientnode, configuration);
    let steps = install(init, &job, &facts);
    played.done = 0;
    all_or_nothing(&steps, played, &mut |_| {}).map(|()| played.done)
}

#[test]
fn whatever_fails_everything_before_it_is_undone() {
    for init in INITS {
        // On a system without, and over an older one that is enabled and runs.
        for older in [false, true] {
            let prepare = || {
                let mut played = Played::new();
                if older {
                    set_up(&mut played, init, "/usr/bin/old", "# old\n").expect("the older one");
                }
                played
            };
            let changes = set_up(&mut prepare(), init, "/usr/bin/new", "# new\n").expect("no fault");
            assert!(changes >= 4, "{init:?}: {changes} changes");
            for nth in 1..=changes {
                let mut played = prepare();
                let before = played.everything();
                played.calls.clear();
                played.fails = Some(nth);
                match set_up(&mut played, init, "/usr/bin/new", "# new\n") {
                    Err(broken) => {
                        assert!(broken.what.contains("made to fail"), "{broken:?}");
                        assert_eq!(broken.left, [""; 0], "{init:?}, {nth}");
                        assert_eq!(played.everything(), before, "{init:?}, {nth}, {:?}", played.calls);
                    }
                    // Nothing hangs on the calls that may fail.
                    Ok(_) => assert!(
                        older && played.calls.iter().any(|c| c.starts_with("launchctl bootout")),
                        "{init:?}, {nth}"
                    ),
                }
            }
        }
    }
}

#[test]
fn a_service_that_does_not_start_says_its_last_words() {
    for (init, order) in [
        (Init::Systemd, "systemctl restart chasar-clientnode.service"),
        (Init::Windows, "start the service chasar-clientnode"),
    ] {
        let prepare = || {
            let mut played = Played::new();
            let log = format!(r"{}\chasar.log", Init::Windows.state(Role::Clientnode));
            played
                .files
                .write(&log, b"old\n1\n2\n3\n4\n\nerror: 10.0.0.1 is not mine\n", 0o600)
                .expect("a log");
            played
        };
        let mut played = prepare();
        let changes = set_up(&mut played, init, "/usr/bin/new", "").expect("no fault");
        let mut played = prepare();
        played.fails = Some(changes);
        let broken = set_up(&mut played, init, "/usr/bin/new", "").expect_err("made to fail");
        assert!(broken.what.contains(order), "{broken:?}");
        assert!(broken.what.contains("its last words: "), "{broken:?}");
        assert!(broken.what.ends_with("error: 10.0.0.1 is not mine"), "{broken:?}");
        assert!(!broken.what.contains("old"), "{broken:?}");
    }
}

#[test]
fn what_cannot_be_undone_is_said() {
    struct NoWayBack(Played);
    impl Hands for NoWayBack {
        fn read(&mut self, path: &str) -> io::Result<Option<(Vec<u8>, u32)>> {
            self.0.read(path)
        }
        fn exists(&mut self, path: &str) -> bool {
            self.0.exists(path)
        }
        fn write(&mut self, path: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
            self.0.write(path, bytes, mode)
        }
        fn make_folder(&mut self, path: &str, mode: u32) -> io::Result<Vec<String>> {
            self.0.make_folder(path, mode)
        }
        fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
            self.0.link(path, target)
        }
        fn remove(&mut self, _: &str) -> io::Result<()> {
            Err(io::Error::other("read-only"))
        }
        fn remove_empty(&mut self, path: &str) -> io::Result<bool> {
            self.0.remove_empty(path)
        }
        fn remove_tree(&mut self, path: &str) -> io::Result<()> {
            self.0.remove_tree(path)
        }
        fn call(&mut self, call: &Call) -> Result<String, String> {
            match call.arguments.first().map(String::as_str) {
                Some("enable") => Err("no".to_owned()),
                _ => self.0.call(call),
            }
        }
        fn scm(&mut self, order: &Scm) -> Result<(), String> {
            self.0.scm(order)
        }
    }
    let mut hands = NoWayBack(Played::new());
    let facts = hands.0.facts(Init::Systemd, Role::Masternode, "");
    let steps = install(Init::Systemd, &job(Role::Masternode, Init::Systemd, "/usr/bin/chasar"), &facts);
    let broken = all_or_nothing(&steps, &mut hands, &mut |_| {}).expect_err("enable fails");
    assert_eq!(broken.left.len(), 3, "{broken:?}");
    assert!(broken.left[0].contains("remove /etc/systemd/system/chasar-masternode.service: read-only"));
    assert!(!hands.0.state.contains("account"), "the rest was undone");
}

#[test]
fn uninstalling_goes_on_after_a_failure_and_leaves_nothing_without_one() {
    for init in INITS {
        let mut played = Played::new();
        let before = played.everything();
        set_up(&mut played, init, "/usr/bin/chasar", "").expect("no fault");
        std::fs::create_dir_all(played.files.place(&init.state(Role::Clientnode))).expect("a folder");
        let plan = |played: &mut Played| {
            let facts = Facts { purge: true, ..played.facts(init, Role::Clientnode, "") };
            uninstall(init, Role::Clientnode, &facts, false, played).0
        };
        let steps = plan(&mut played);
        assert!(steps.len() >= 4, "{init:?}: {steps:?}");
        played.done = 0;
        played.fails = Some(1);
        let failed = as_far_as_possible(&steps, &mut played, &mut |_| {});
        assert_eq!(failed.len(), 1, "{init:?}: {failed:?}");
        // What failed is done by the second attempt.
        played.fails = None;
        let steps = plan(&mut played);
        assert_eq!(as_far_as_possible(&steps, &mut played, &mut |_| {}), [""; 0], "{init:?}");
        let (files, state) = played.everything();
        assert_eq!(state, before.1, "{init:?}");
        let left: Vec<_> = files.iter().filter(|(_, content)| *content != "a folder").collect();
        assert!(left.is_empty(), "{init:?}: {left:?}");
    }
}
