//! What the tests of this crate share: ends on a free port, and waiting for a condition with a deadline.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a program of its own and uses a part of this"
)]

use chasar_link::{
    Broadcaster, BroadcasterConfig, Collector, CollectorConfig, Endpoint, LinkEvent, Received, Reporter,
    ReporterConfig, Subscriber, SubscriberConfig, SubscriberEvent,
};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine; only a failing test waits for it.
pub const LONG: Duration = Duration::from_secs(60);

pub fn free() -> Endpoint {
    "127.0.0.1:0".parse().expect("an endpoint")
}

pub fn collector() -> Collector {
    Collector::bind(&CollectorConfig::new(free())).expect("a free port")
}

pub fn broadcaster() -> Broadcaster {
    Broadcaster::bind(&BroadcasterConfig::new(free())).expect("a free port")
}

pub fn reporter(to: &Endpoint) -> Reporter {
    Reporter::connect(&ReporterConfig::new(to.clone())).expect("an address")
}

pub fn subscriber(to: &Endpoint, topics: &[&str]) -> Subscriber {
    let topics = topics.iter().map(|t| t.as_bytes());
    Subscriber::connect(&SubscriberConfig::new(to.clone(), topics)).expect("an address")
}

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

/// The next event of the link that is not trouble.
pub fn link_event(reporter: &mut Reporter) -> LinkEvent {
    let end = Instant::now() + LONG;
    loop {
        match reporter.wait(end.saturating_duration_since(Instant::now())).expect("no failure") {
            Some(LinkEvent::Trouble(_)) => {}
            Some(event) => return event,
            None => panic!("no event of the link in {LONG:?}"),
        }
    }
}

pub fn wait_up(reporter: &mut Reporter) {
    let event = link_event(reporter);
    assert!(matches!(event, LinkEvent::Up { .. }), "{event:?}");
}

/// Waits for the link while the collector of the same thread is served: libzmq gives a new peer its
/// subscription only while somebody receives.
pub fn wait_up_serving(reporter: &mut Reporter, collector: &Collector) {
    until("the link to come up", || {
        let received = collector.try_recv().expect("no failure");
        assert!(received.is_none(), "{received:?}");
        match reporter.wait(Duration::ZERO).expect("no failure") {
            Some(LinkEvent::Up { .. }) => Some(()),
            Some(LinkEvent::Trouble(_)) | None => None,
            Some(event) => panic!("{event:?}"),
        }
    });
}

pub fn wait_down(reporter: &mut Reporter) -> chasar_link::DownReason {
    match link_event(reporter) {
        LinkEvent::Down { reason } => reason,
        event => panic!("{event:?}"),
    }
}

/// The next report as text.
pub fn report(collector: &Collector) -> (String, String) {
    match collector.recv(LONG).expect("no failure") {
        Some(Received::Report { topic, body, .. }) => (text(&topic), text(&body)),
        other => panic!("{other:?}"),
    }
}

/// The next message as text, skipping events.
pub fn message(subscriber: &mut Subscriber) -> (String, String) {
    let end = Instant::now() + LONG;
    loop {
        match subscriber.recv(end.saturating_duration_since(Instant::now())).expect("no failure") {
            Some(SubscriberEvent::Message { topic, body }) => return (text(&topic), text(&body)),
            Some(SubscriberEvent::Link(_)) => {}
            None => panic!("no message in {LONG:?}"),
        }
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// Polls the broadcaster until somebody wants `topic`.
pub fn wait_wanted(broadcaster: &mut Broadcaster, topic: &str) {
    until("a subscription", || {
        while broadcaster.poll().expect("no failure").is_some() {}
        broadcaster.wants(topic.as_bytes()).then_some(())
    });
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

    /// A masternode as of 2016, and where it listens.
    pub fn masternode(port: u16) -> (Self, Endpoint) {
        let peer = Self::start("masternode.py", &[&port.to_string()]);
        let endpoint = peer.line().parse().expect("its endpoint");
        (peer, endpoint)
    }

    /// The next line it prints.
    pub fn line(&self) -> String {
        self.output.recv_timeout(LONG).expect("a line from the peer")
    }

    /// Gives it a line.
    pub fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("the peer reads");
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        // SAFETY: takes no memory; the child is ours and not waited for yet.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    /// kill -9, and waits for its end.
    pub fn kill(mut self) {
        self.child.kill().expect("ours");
        self.child.wait().expect("ours");
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

/// Resident memory of this process, in bytes.
pub fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("procfs");
    let pages: u64 = text.split_whitespace().nth(1).and_then(|t| t.parse().ok()).expect("a number");
    pages * 4_096
}

/// A plain TCP connection that speaks just enough ZMTP 3.0 to misbehave after the handshake.
pub struct Raw(pub TcpStream);

impl Raw {
    pub fn connect(to: &Endpoint) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", to.port())).expect("the kernel accepts");
        stream.set_nodelay(true).expect("an option");
        Self(stream)
    }

    /// Greeting and READY of RFC 23, as a peer of the socket type given; waits for the other's READY.
    pub fn shake_hands(to: &Endpoint, socket_type: &str) -> Self {
        let mut raw = Self::connect(to);
        let mut greeting = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0];
        greeting.extend_from_slice(b"NULL");
        greeting.resize(64, 0);
        raw.0.write_all(&greeting).expect("taken");
        let mut ready = b"\x05READY\x0bSocket-Type".to_vec();
        ready.extend_from_slice(&u32::try_from(socket_type.len()).expect("short").to_be_bytes());
        ready.extend_from_slice(socket_type.as_bytes());
        let mut command = vec![4, u8::try_from(ready.len()).expect("short")];
        command.extend(ready);
        raw.0.write_all(&command).expect("taken");
        let mut theirs = [0; 64];
        raw.0.read_exact(&mut theirs).expect("their greeting");
        let mut head = [0; 2];
        raw.0.read_exact(&mut head).expect("their READY");
        let mut body = vec![0; usize::from(head[1])];
        raw.0.read_exact(&mut body).expect("their READY");
        raw
    }

    /// One short frame.
    pub fn frame(&mut self, bytes: &[u8], more: bool) -> std::io::Result<()> {
        let mut frame = vec![u8::from(more), u8::try_from(bytes.len()).expect("short")];
        frame.extend_from_slice(bytes);
        self.0.write_all(&frame)
    }

    /// Whether the other end has closed within [`LONG`].
    pub fn is_closed(&mut self) -> bool {
        self.0.set_read_timeout(Some(LONG)).expect("an option");
        let mut buffer = [0; 4_096];
        loop {
            match self.0.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(e) => return e.kind() == std::io::ErrorKind::ConnectionReset,
            }
        }
    }
}
