//! What the tests of this crate share: waiting for a condition, and peers in Python.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a program of its own and uses a part of this"
)]

use chasar_libzmq::{Context, Kind, Message, Result, Socket};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine; only a failing test waits for it.
pub const LONG: Duration = Duration::from_secs(60);

/// Calls `look` until it gives something, or fails saying what was waited for.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LONG;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited {LONG:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether `look` stays true for `time`.
pub fn stays(time: Duration, mut look: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if !look() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// A socket bound to a free loopback port, and its endpoint.
pub fn bound(context: &Context, kind: Kind, prepare: impl FnOnce(&Socket) -> Result<()>) -> (Socket, String) {
    let socket = context.socket(kind).expect("a socket");
    prepare(&socket).expect("options");
    socket.bind("tcp://127.0.0.1:*").expect("a free port");
    let endpoint = socket.last_endpoint().expect("an endpoint");
    (socket, endpoint)
}

/// The next message, all its frames.
pub fn next(socket: &Socket) -> Vec<Message> {
    let first = until("a message", || socket.recv().ok());
    let mut frames = vec![first];
    while frames.last().is_some_and(Message::more) {
        frames.push(socket.recv().expect("frames of one message come together"));
    }
    frames
}

/// A Python process that speaks with the test in lines.
pub struct Peer {
    child: Child,
    input: ChildStdin,
    output: Receiver<String>,
}

impl Peer {
    /// Starts `tests/peers/<script>`.
    pub fn start(script: &str, arguments: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(script);
        let mut child = Command::new(python())
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let input = child.stdin.take().expect("piped");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (lines, output) = channel();
        // A thread, so that a peer that says nothing fails the test instead of holding it up.
        std::thread::spawn(move || {
            stdout.lines().map_while(std::result::Result::ok).try_for_each(|line| lines.send(line))
        });
        Self { child, input, output }
    }

    /// The next line it prints.
    pub fn line(&self) -> String {
        self.output.recv_timeout(LONG).expect("a line from the peer")
    }

    /// Gives it a line.
    pub fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("the peer reads");
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The Python with pyzmq that `cargo xtask test` prepares.
fn python() -> PathBuf {
    if let Some(given) = std::env::var_os("CHASAR_TEST_PYTHON") {
        return given.into();
    }
    let prepared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache/venv/bin/python");
    assert!(prepared.exists(), "run cargo xtask test, which prepares the Python peers");
    prepared
}
