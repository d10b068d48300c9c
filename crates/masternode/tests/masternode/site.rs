//! A masternode on ports of its own, a clientnode's link to it, a subscriber, a browser.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chasar_link::{Reporter, ReporterConfig, Sent, Subscriber, SubscriberConfig, SubscriberEvent};
use chasar_masternode::{Config, Endpoint, HttpConfig, Masternode, Running};
use chasar_wire::{Report, encode};
use serde_json::Value;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer; says what was there instead when time is over.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(instead) if Instant::now() > deadline => panic!("{what} did not happen: {instead}"),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

pub(crate) fn config(state_dir: &Path) -> Config {
    let anywhere = Endpoint::new("127.0.0.1", 0).unwrap();
    Config {
        reports: anywhere.clone(),
        stream: Some(anywhere.clone()),
        http: Some(HttpConfig::new(anywhere)),
        settle: Duration::ZERO,
        ..Config::new("127.0.0.1", state_dir).unwrap()
    }
}

pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) running: Running,
}

impl Site {
    pub(crate) fn start() -> Site {
        let folder = tempfile::tempdir().unwrap();
        Site { running: Masternode::start(config(folder.path())).unwrap(), folder }
    }

    pub(crate) fn memory_file(&self) -> PathBuf {
        self.folder.path().join("fleet.memory")
    }

    pub(crate) fn node(&self) -> Node {
        Node::connect(&self.running.addresses().reports)
    }

    /// A subscriber that has been seen to receive.
    pub(crate) fn subscriber(&self, topics: &[&str]) -> Stream {
        Stream::connect(self.running.addresses().stream.as_ref().unwrap(), topics)
    }

    pub(crate) fn get(&self, path: &str, headers: &str) -> Answer {
        get(&self.running, path, headers)
    }

    pub(crate) fn fleet(&self) -> Value {
        serde_json::from_str(&self.get("/api/fleet", "").body).unwrap()
    }

    /// The sum over the series of a metric whose line contains `part`.
    pub(crate) fn metric(&self, part: &str) -> f64 {
        let page = self.get("/metrics?job=masternode", "").body;
        page.lines()
            .filter(|line| !line.starts_with('#') && line.contains(part))
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
            .sum()
    }
}

pub(crate) struct Node(Reporter);

impl Node {
    pub(crate) fn connect(endpoint: &Endpoint) -> Node {
        let mut reporter = Reporter::connect(&ReporterConfig::new(endpoint.clone())).unwrap();
        until("the link of a node", || {
            reporter.wait(Duration::from_millis(50)).map_err(|e| e.to_string())?;
            if reporter.is_up() { Ok(()) } else { Err("down".into()) }
        });
        Node(reporter)
    }

    pub(crate) fn send(&mut self, topic: &str, body: &[u8]) {
        until("a report to be sent", || match self.0.send(topic.as_bytes(), body) {
            Ok(Sent::Queued) => Ok(()),
            other => Err(format!("{other:?}")),
        });
    }

    pub(crate) fn report(&mut self, report: &Report) -> Vec<u8> {
        let mut json = Vec::new();
        encode(report, &mut json);
        self.send("status", &json);
        json
    }
}

pub(crate) fn report(id: &str, session: &str, sequence: u64) -> Report {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Report {
        hostname: format!("host-{id}").into(),
        node_id: Some(id.into()),
        session: Some(session.into()),
        sequence: Some(sequence),
        sampled_at_ms: Some(now.as_millis() as i64),
        interval_seconds: Some(1.0),
        ..Report::default()
    }
}

pub(crate) struct Stream(Subscriber);

impl Stream {
    fn connect(endpoint: &Endpoint, topics: &[&str]) -> Stream {
        let config = SubscriberConfig::new(endpoint.clone(), topics.iter().map(|t| t.as_bytes().to_vec()));
        let mut subscriber = Subscriber::connect(&config).unwrap();
        until("the link of a subscriber", || {
            subscriber.recv(Duration::from_millis(20)).map_err(|e| e.to_string())?;
            if subscriber.is_up() { Ok(()) } else { Err("down".into()) }
        });
        Stream(subscriber)
    }

    /// The next message, waiting at most so long.
    pub(crate) fn within(&mut self, at_most: Duration) -> Option<(String, Vec<u8>)> {
        let deadline = Instant::now() + at_most;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.0.recv(left).unwrap() {
                Some(SubscriberEvent::Message { topic, body }) => {
                    return Some((String::from_utf8(topic.to_vec()).unwrap(), body.to_vec()));
                }
                Some(_) => {}
                None if left.is_zero() => return None,
                None => {}
            }
        }
    }

    #[track_caller]
    pub(crate) fn next(&mut self) -> (String, Vec<u8>) {
        self.within(PATIENCE).expect("a message")
    }

    /// The next message that `wanted` takes.
    #[track_caller]
    pub(crate) fn find(&mut self, wanted: impl Fn(&str, &Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let mut others = Vec::new();
        while Instant::now() < deadline {
            let Some((topic, body)) = self.within(Duration::from_millis(200)) else { continue };
            let value: Value = serde_json::from_slice(&body).unwrap();
            if wanted(&topic, &value) {
                return value;
            }
            others.push((topic, value));
        }
        panic!("it did not come; these did: {others:?}");
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) fn get(running: &Running, path: &str, headers: &str) -> Answer {
    let address = running.addresses().http.unwrap();
    let host = if headers.to_ascii_lowercase().contains("host:") {
        String::new()
    } else {
        format!("Host: {address}\r\n")
    };
    // By HTTP/1.0 a body comes in one piece.
    ask(address, &format!("GET {path} HTTP/1.0\r\n{host}{headers}\r\n"))
}

pub(crate) fn ask(address: std::net::SocketAddr, request: &str) -> Answer {
    exchange(address, request.as_bytes())
}

/// Posts a body.
pub(crate) fn post(address: std::net::SocketAddr, path: &str, headers: &str, body: &[u8]) -> Answer {
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {length}\r\n{headers}\r\n");
    exchange(address, &[head.as_bytes(), body].concat())
}

fn exchange(address: std::net::SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE * 2)).unwrap();
    // Who refuses a body need not read it.
    let _ = stream.write_all(request);
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("a whole answer");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}
