//! What systemd is told (sd_notify(3)): ready, how it is going, alive only while the work goes on, stopping.
#![cfg(target_os = "linux")]

mod support;

use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use support::{Running, chasar, folder};

const SOON: Duration = Duration::from_secs(60);
/// What the daemon is told to keep; it speaks three times as often.
const WATCHDOG: Duration = Duration::from_millis(600);
/// So long without a word, and five were left out.
const SILENCE: Duration = Duration::from_millis(1_000);

/// The socket of a service manager.
struct Manager {
    socket: UnixDatagram,
    name: String,
}

impl Manager {
    fn at(home: &Path) -> Manager {
        let path = home.join("notify");
        Manager { socket: UnixDatagram::bind(&path).unwrap(), name: path.display().to_string() }
    }

    /// The program, watched.
    fn watch(&self, command: &mut Command) -> Running {
        command.env("NOTIFY_SOCKET", &self.name).env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
        Running::start(command)
    }

    /// The next message within a time.
    fn next(&self, within: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(within)).unwrap();
        let mut buffer = [0; 4096];
        match self.socket.recv(&mut buffer) {
            Ok(length) => Some(String::from_utf8(buffer[..length].to_vec()).unwrap()),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
            Err(e) => panic!("{e}"),
        }
    }

    /// The first message with this in it, and those before it.
    #[track_caller]
    fn until(&self, part: &str) -> (String, Vec<String>) {
        let deadline = Instant::now() + SOON;
        let mut before = Vec::new();
        while Instant::now() < deadline {
            match self.next(Duration::from_millis(500)) {
                Some(message) if message.contains(part) => return (message, before),
                other => before.extend(other),
            }
        }
        panic!("no {part} in {SOON:?}, only {before:?}");
    }

    /// Waits until nothing has been said of being alive for a while.
    #[track_caller]
    fn until_silence(&self) {
        let deadline = Instant::now() + SOON;
        let mut last = Instant::now();
        while last.elapsed() < SILENCE {
            assert!(Instant::now() < deadline, "it says for ever that it is alive");
            if self.next(Duration::from_millis(100)).is_some_and(|m| m.contains("WATCHDOG=1")) {
                last = Instant::now();
            }
        }
    }
}

/// One thread of a process, held by the debugger's call; all others run on.
struct Held(libc::pid_t);

impl Held {
    fn thread(process: u32, name: &str) -> Held {
        let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
        let tid: libc::pid_t = tasks
            .map(|task| task.unwrap().path())
            .find(|task| std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name))
            .unwrap_or_else(|| panic!("there is no thread {name}"))
            .file_name()
            .and_then(|tid| tid.to_str()?.parse().ok())
            .unwrap();
        let none = std::ptr::null_mut::<libc::c_void>();
        let mut status = 0;
        // SAFETY: attaches to a thread of a child of ours; neither call touches memory but `status`.
        let (attached, waited) = unsafe {
            (
                libc::ptrace(libc::PTRACE_ATTACH, tid, none, none),
                libc::waitpid(tid, &raw mut status, libc::__WALL),
            )
        };
        assert_eq!((attached, waited), (0, tid), "{}", std::io::Error::last_os_error());
        Held(tid)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let none = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: lets go of the thread that was attached to; touches no memory.
        unsafe { libc::ptrace(libc::PTRACE_DETACH, self.0, none, none) };
    }
}

fn masternode(home: &Path, port: &str) -> Command {
    let mut command = chasar(home);
    command.args(["masternode", "start", "127.0.0.1", port, "--stream", "0", "--http", "off"]);
    command
}

/// Where it takes reports, from its status.
fn reports(status: &str) -> String {
    let address = status.split("reports on tcp://").nth(1).expect("an address");
    address.split(',').next().unwrap().to_owned()
}

#[test]
fn a_masternode_is_ready_when_it_listens_and_alive_while_all_of_it_works() {
    let home = folder();
    let manager = Manager::at(home.path());
    let running = manager.watch(&mut masternode(home.path(), "0"));
    let (_, before) = manager.until("READY=1");
    let status = before.iter().find(|m| m.starts_with("STATUS=")).expect("where it listens");
    assert!(std::net::TcpStream::connect(reports(status)).is_ok(), "{status}");

    for thread in ["ingest", "core", "stream"] {
        manager.until("WATCHDOG=1");
        manager.until("WATCHDOG=1");
        let held = Held::thread(running.child.id(), thread);
        manager.until_silence();
        drop(held);
        manager.until("WATCHDOG=1");
    }

    running.signal("TERM");
    manager.until("STOPPING=1");
    let (code, _, stderr) = running.end(SOON);
    assert_eq!(code, Some(0), "{stderr}");
}

#[test]
fn a_masternode_that_cannot_listen_is_never_ready() {
    let home = folder();
    let manager = Manager::at(home.path());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, _, stderr) = manager.watch(&mut masternode(home.path(), &port)).end(SOON);
    assert_eq!(code, Some(1), "{stderr}");
    while let Some(message) = manager.next(Duration::from_millis(1)) {
        assert!(!message.contains("READY"), "{message}");
    }
}

#[test]
fn a_clientnode_is_ready_without_a_masternode_and_says_when_there_is_one() {
    let home = folder();
    let manager = Manager::at(home.path());
    // Nobody listens on its port any more.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let mut command = chasar(home.path());
    command.args(["clientnode", "start", "127.0.0.1", &port, "--interval", "3600"]);
    let node = manager.watch(&mut command);
    manager.until("READY=1");
    let (status, _) = manager.until("connection refused");
    assert!(status.starts_with("STATUS=no link to tcp://127.0.0.1:"), "{status}");
    // Although a report is due only once an hour.
    manager.until("WATCHDOG=1");
    manager.until("WATCHDOG=1");

    let server = Running::start(&mut masternode(home.path(), &port));
    manager.until("STATUS=connected to tcp://127.0.0.1:");
    drop(server);
    manager.until("STATUS=no link to");

    // The thread that samples is the one that says so.
    let held = Held::thread(node.child.id(), "chasar");
    manager.until_silence();
    drop(held);
    manager.until("WATCHDOG=1");

    node.signal("TERM");
    manager.until("STOPPING=1");
    let (code, _, stderr) = node.end(SOON);
    assert_eq!(code, Some(0), "{stderr}");
}

#[test]
fn abstract_names_are_understood_and_nonsense_is_ignored() {
    let home = folder();
    let name = format!("chasar-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let manager = Manager { socket: UnixDatagram::bind_addr(&address).unwrap(), name: format!("@{name}") };
    let running = manager.watch(&mut masternode(home.path(), "0"));
    manager.until("READY=1");
    running.signal("TERM");
    assert_eq!(running.end(SOON).0, Some(0));

    for name in ["", "relative", "@", "/does/not/exist", "vsock:2:1"] {
        let mut command = masternode(home.path(), "0");
        command.env("NOTIFY_SOCKET", name).env("WATCHDOG_USEC", "many");
        let mut running = Running::start(&mut command);
        let mut log = std::io::BufReader::new(running.child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("masternode started") {
            line.clear();
            assert!(std::io::BufRead::read_line(&mut log, &mut line).unwrap() > 0, "{name}: it starts");
        }
        running.child.stderr = Some(log.into_inner());
        running.signal("TERM");
        assert_eq!(running.end(SOON).0, Some(0), "{name}");
    }
}
