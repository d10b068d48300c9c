//! Strangers at the ports: whatever they send, the masternode serves, forgets, and says what it was.

use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use chasar_e2e::metrics::Scrape;
use chasar_e2e::zmtp::{Connection, frame, frame_head, greeting, ready};
use chasar_e2e::{Clientnode, Masternode, Site, Subscriber, until};
use serde_json::json;

const SOON: Duration = Duration::from_secs(60);

/// How much larger than before a masternode may stay after strangers have gone. The allocator keeps some.
const LEFT_OVER_BYTES: u64 = 24 << 20;

/// A masternode at work: a clientnode reports and a subscriber listens, whatever else happens.
struct Stage {
    site: Site,
    masternode: Masternode,
    subscriber: Subscriber,
    clientnode: Clientnode,
    resident_before: u64,
}

impl Stage {
    fn new() -> Stage {
        let site = Site::new();
        let masternode = Masternode::start(&site);
        let subscriber = Subscriber::python(&site, masternode.stream(), &["Chasar-Client", "chasar/node/"]);
        let clientnode = Clientnode::start(&site, &["--interval", "0.2"]);
        subscriber.at_least(5, SOON);
        let resident_before = masternode.program.resident_bytes();
        Stage { site, masternode, subscriber, clientnode, resident_before }
    }

    fn metrics(&self) -> Scrape {
        self.masternode.metrics().unwrap_or_else(|e| panic!("{e}"))
    }

    /// The node's reports come as before, all of them, once; memory is given back; the log is bounded.
    #[track_caller]
    fn unharmed(mut self, what: &str) {
        let session = self.clientnode_session();
        let before = self.subscriber.ledger().counts(&session).received;
        until(SOON, "reports as before", || {
            let counts = self.subscriber.ledger().counts(&session);
            if counts.received >= before + 10 { Ok(()) } else { Err(counts.to_string()) }
        });
        self.clientnode.program.stop(Duration::from_secs(5));
        self.subscriber.ledger().assert_whole(&session, what);
        until(SOON, "memory that is given back", || {
            let now = self.masternode.program.resident_bytes();
            let grown = now.saturating_sub(self.resident_before);
            if grown <= LEFT_OVER_BYTES {
                Ok(())
            } else {
                Err(format!("{} KiB more than before", grown >> 10))
            }
        });
        let grown = self.masternode.program.resident_bytes() as i64 - self.resident_before as i64;
        let log = self.masternode.program.output();
        let longest = log.lines().map(str::len).max().unwrap_or(0);
        eprintln!(
            "{what}: {} KiB more than before, {} log lines, the longest {longest}",
            grown >> 10,
            log.lines().count()
        );
        assert!(log.lines().count() <= 60, "{} log lines:\n{log}", log.lines().count());
        assert!(longest <= 1_000, "a log line of {longest} bytes");
        assert!(
            !log.contains('\u{1b}') && !log.contains('\u{202e}'),
            "the log passes control characters on:\n{log}"
        );
        self.masternode.program.stop(Duration::from_secs(5));
    }

    fn clientnode_session(&self) -> String {
        let ledger = self.subscriber.ledger();
        let version = |s: &String| !s.starts_with("evil");
        ledger.sessions().into_iter().find(version).expect("the session of the clientnode")
    }

    /// Does something and waits until the counter that is for it has grown by `by`. What `act` returns is held
    /// until then: a connection that is closed with something unread takes along what it sent.
    #[track_caller]
    fn counted<T>(
        &self,
        what: &str,
        counter: (&str, &[(&str, &str)]),
        by: f64,
        act: impl FnOnce(&Stage) -> T,
    ) {
        let value = || self.metrics().get(counter.0, counter.1).unwrap_or(0.0);
        let before = value();
        let _held = act(self);
        until(SOON, &format!("{what} counted by {counter:?}"), || {
            let now = value();
            if now >= before + by {
                Ok(())
            } else {
                Err(format!("{before} before, {now} after\n{:#?}", self.metrics()))
            }
        });
    }

    fn publisher(&self) -> Connection {
        Connection::shaken(self.masternode.reports(), "PUB").expect("a handshake")
    }
}

/// A small report with an identity, as a base to break.
fn report(sequence: u64) -> serde_json::Value {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    json!({"hostname": "evil", "node_id": "evil", "session": "evil-1", "sequence": sequence, "sampled_at_ms": now})
}

/// Connections that came to nothing, by port and reason.
const FAILED: &str = "chasar_connections_failed_total";

fn bad(kind: &'static str) -> (&'static str, [(&'static str, &'static str); 1]) {
    ("chasar_reports_refused_total", [("reason", kind)])
}

#[test]
fn reports_that_are_none() {
    let stage = Stage::new();
    let deep = format!(r#"{{"hostname":"evil","x":{}1{}}}"#, "[".repeat(400_000), "]".repeat(400_000));
    let with = |key: &str, value: serde_json::Value| {
        let mut report = report(1);
        report[key] = value;
        report.to_string().into_bytes()
    };
    let many_cores: Vec<f64> = vec![1.5; 100_000];
    let bomb = zstd::bulk::compress(&vec![b' '; 64 << 20], 19).unwrap();
    let many_processes: serde_json::Map<_, _> =
        (0..5_000).map(|i| (format!("p{i}"), json!({"pid": i, "status": "x"}))).collect();
    let long = "x".repeat(256);
    #[rustfmt::skip]
    let cases: Vec<(&str, &str, &[u8], Vec<u8>)> = vec![
        ("garbage", "json", b"status", (0..4_000u32).map(|i| (i * 7919 % 251) as u8).collect()),
        ("nothing", "json", b"status", vec![]),
        ("not UTF-8", "json", b"status", b"{\"hostname\":\"\xff\xfe\"}".to_vec()),
        ("a report that ends early", "json", b"status", report(1).to_string().into_bytes()[..40].to_vec()),
        ("JSON that is too deep", "limit", b"status", deep.into_bytes()),
        ("a list as a report", "json", b"status", b"[1,2,3]".to_vec()),
        ("a number as a host name", "json", b"status", with("hostname", 7.into())),
        ("a text as a sequence number", "json", b"status", with("sequence", "0".into())),
        ("a negative sequence number", "json", b"status", with("sequence", (-1).into())),
        ("cores without end", "limit", b"status", with("cpu", json!({"percent_used": many_cores}))),
        ("processes without end", "limit", b"status", with("process", many_processes.into())),
        ("a name that is too long", "name", b"status", with("hostname", long.into())),
        ("a text that is too long", "limit", b"status", with("os", "x".repeat(5_000).into())),
        ("an identity with a slash", "value", b"status", with("node_id", "../../etc/passwd".into())),
        ("an identity with a wildcard", "value", b"status", with("node_id", "*".into())),
        ("an identity that is a topic", "value", b"status", with("session", "a\u{0}b".into())),
        ("an interval of nothing", "value", b"status", with("interval_seconds", 0.into())),
        ("two host names", "json", b"status", br#"{"hostname":"a","hostname":"b"}"#.to_vec()),
        ("a zstd bomb", "packed", b"status.zst", bomb),
        ("zstd that is none", "packed", b"status.zst", vec![7; 5_000]),
        ("half a zstd frame", "packed", b"status.zst", vec![0x28, 0xb5, 0x2f, 0xfd, 0x04]),
    ];
    for (what, kind, topic, body) in &cases {
        let (name, labels) = bad(kind);
        stage.counted(what, (name, &labels), 3.0, |stage| {
            let mut connection = stage.publisher();
            for _ in 0..3 {
                connection.send(&[topic, body]).unwrap();
            }
            connection
        });
    }
    let nodes = stage.masternode.nodes().unwrap();
    assert_eq!(nodes.len(), 1, "nobody became a node: {nodes:?}");
    stage.unharmed("reports that are none");
}

#[test]
fn messages_that_are_none() {
    let stage = Stage::new();
    let good = report(1).to_string().into_bytes();
    let long_topic = vec![b's'; 300];
    let too_large = vec![b' '; (1 << 20) + 1];
    #[rustfmt::skip]
    let cases: Vec<(&str, &str, Vec<&[u8]>)> = vec![
        ("one frame", "frames", vec![b"status"]),
        ("three frames", "frames", vec![b"status", &good, b"more"]),
        ("a topic that is too long", "topic", vec![&long_topic, &good]),
        ("a report of more than a mebibyte", "limit", vec![b"status", &too_large]),
        ("a topic of nobody", "topic", vec![b"state", &good]),
        ("a topic that begins well", "topic", vec![b"status.xyz", &good]),
        ("an empty topic", "topic", vec![b"", &good]),
        ("a topic with a terminal's commands", "topic", vec![b"\x1b[2J\x1b]0;owned\x07\n", &good]),
    ];
    for (what, kind, frames) in &cases {
        let (name, labels) = bad(kind);
        stage.counted(what, (name, &labels), 2.0, |stage| {
            let mut connection = stage.publisher();
            connection.send(frames).unwrap();
            connection.send(frames).unwrap();
            connection
        });
    }
    stage.unharmed("messages that are none");
}

#[test]
fn names_that_mean_mischief() {
    let stage = Stage::new();
    let names = [
        "\u{1b}[2J\u{1b}[31mowned\u{1b}]0;title\u{7}",
        "<script>alert(1)</script><img src=x onerror=alert(1)>",
        "line one\nline two\r\nlevel=ERROR forged",
        "\u{202e}txt.exe\u{2066}\u{200b}",
        "\"} 1\nforged_metric{a=\"b",
        "../../../../etc/passwd",
        "'; DROP TABLE nodes; --",
        "\u{0}nul",
        "%s%n{}{0}${HOME}",
    ];
    let mut connection = stage.publisher();
    for (i, name) in names.iter().enumerate() {
        let mut report = report(0);
        (report["hostname"], report["node_id"]) = ((*name).into(), format!("evil-{i}").into());
        report["session"] = format!("evil-{i}").into();
        report["process"] =
            json!({ *name: {"pid": 1, "status": *name, "percent_cpu_used": 1, "percent_memory_used": 1} });
        report["network"] = json!({"interfaces": [{"device": *name}]});
        report["filesystems"] = json!([{"mountpoint": *name, "device": *name, "fstype": "x"}]);
        connection.send(&[b"status", report.to_string().as_bytes()]).unwrap();
    }
    stage.masternode.count("nodes", names.len() as u64 + 1, SOON);
    // The API carries them as they are, as JSON; the page of metrics stays what it is (Scrape refuses forged lines).
    let nodes = stage.masternode.nodes().unwrap();
    for name in names {
        assert!(nodes.iter().any(|n| n["hostname"] == name), "{name:?} is not in the fleet");
    }
    assert!(stage.metrics().of("forged_metric").next().is_none());
    let answer = stage.masternode.get("/api/fleet").unwrap();
    let head = answer.head.to_ascii_lowercase();
    assert!(head.contains("content-type: application/json"), "{head}");
    assert!(head.contains("x-content-type-options: nosniff"), "a browser may take names for HTML: {head}");
    // The terminal of whoever watches gets no commands from them.
    let mut watch = std::process::Command::new(chasar_e2e::workspace::chasar());
    watch.args(["watch", &stage.masternode.stream().to_string(), "--for", "3"]);
    chasar_e2e::clientnode::clean(&mut watch, &stage.site);
    let log = stage.site.folder().join("watch.log");
    let mut watch = chasar_e2e::Program::start("watch", watch, &log, None);
    let mut number = 1;
    until(SOON, "the end of watching", || {
        // It shows whoever reports while it watches.
        for (i, name) in names.iter().enumerate() {
            let mut report = report(number);
            (report["hostname"], report["node_id"]) = ((*name).into(), format!("evil-{i}").into());
            report["session"] = format!("evil-{i}").into();
            connection.send(&[b"status", report.to_string().as_bytes()]).unwrap();
        }
        number += 1;
        if watch.running().is_err() { Ok(()) } else { Err("it watches".to_owned()) }
    });
    let shown = watch.output();
    assert!(shown.contains("owned"), "the table has no such node:\n{shown}");
    let foul = shown.chars().find(|c| c.is_control() && *c != '\n' || ('\u{202a}'..='\u{202e}').contains(c));
    assert_eq!(foul, None, "the table passes on what hosts say:\n{shown:?}");
    assert!(!shown.contains("\nline two"), "a name broke the line:\n{shown}");
    stage.unharmed("names that mean mischief");
}

/// Opens a connection, sends raw bytes, and hands it back open.
fn raw(address: SocketAddr, bytes: &[u8]) -> Connection {
    let mut connection = Connection::open(address).expect("a connection");
    // Who is hung up on while sending has been understood.
    let _ = connection.stream.write_all(bytes);
    connection
}

#[test]
fn what_does_not_speak_our_language() {
    let stage = Stage::new();
    let garbage: Vec<u8> = (0..100_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let http = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n".repeat(50);
    let mut wrong_mechanism = greeting();
    wrong_mechanism[12..17].copy_from_slice(b"PLAIN");
    let endless_command = [&greeting()[..], &[0x06], &(1u64 << 62).to_be_bytes()].concat();
    let cases: [(&str, &[u8]); 5] = [
        ("garbage", &garbage),
        ("HTTP", &http),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        ("another mechanism", &wrong_mechanism),
        ("a command without end", &endless_command),
    ];
    for (port, address) in [("reports", stage.masternode.reports()), ("stream", stage.masternode.stream())] {
        for (what, bytes) in cases {
            let failed = || {
                let metrics = stage.metrics();
                let of = |reason| metrics.get(FAILED, &[("port", port), ("reason", reason)]).unwrap_or(0.0);
                of("handshake") + of("protocol") + of("too_large")
            };
            let before = failed();
            let mut connections: Vec<Connection> = (0..5).map(|_| raw(address, bytes)).collect();
            until(SOON, &format!("{what} at the {port} port, counted"), || {
                let now = failed();
                if now >= before + 5.0 {
                    Ok(())
                } else {
                    Err(format!("{before} before, {now} after: {:#?}", stage.metrics()))
                }
            });
            for connection in &mut connections {
                assert!(connection.is_closed(SOON), "{what} at the {port} port: the connection stays open");
            }
        }
        // Who greets well but is of no use here is accepted and never ready.
        let of = |name: &str| stage.metrics().get(name, &[("port", port)]).unwrap_or(0.0);
        let both = || (of("chasar_connections_accepted_total"), of("chasar_connections_ready_total"));
        let before = both();
        let useless = [&greeting()[..], &ready("REQ")].concat();
        for connection in &mut (0..5).map(|_| raw(address, &useless)).collect::<Vec<_>>() {
            assert!(connection.is_closed(SOON), "a requester is kept at the {port} port");
        }
        until(SOON, "requesters counted", || {
            let now = both();
            if now == (before.0 + 5.0, before.1) {
                Ok(())
            } else {
                Err(format!("{before:?} before, {now:?} after"))
            }
        });
    }
    stage.unharmed("what does not speak our language");
}

#[test]
fn half_handshakes_are_not_held_for_ever() {
    let stage = Stage::new();
    let mut held = Vec::new();
    for address in [stage.masternode.reports(), stage.masternode.stream()] {
        for part in [0, 1, 10, 11, 63, 64] {
            held.extend((0..25).map(|_| raw(address, &greeting()[..part])));
        }
    }
    for connection in &mut held {
        assert!(connection.is_closed(SOON), "half a handshake is held");
    }
    stage.unharmed("half handshakes");
}

#[test]
fn lengths_that_lie_and_frames_without_end() {
    let stage = Stage::new();
    let peak = |what: &str| {
        let now = stage.masternode.program.resident_bytes();
        let grown = now.saturating_sub(stage.resident_before);
        assert!(grown < 64 << 20, "{what}: the masternode grew by {} MiB", grown >> 20);
    };
    for length in [2 << 20, 1 << 31, 1 << 40, u64::MAX >> 1, u64::MAX] {
        let mut connections: Vec<Connection> = (0..20).map(|_| stage.publisher()).collect();
        let failed = || stage.metrics().sum(FAILED).unwrap_or(0.0);
        let before = failed();
        for connection in &mut connections {
            let _ =
                connection.stream.write_all(&[frame(true, b"status"), frame_head(false, length)].concat());
            let _ = connection.stream.write_all(&[b' '; 10_000]);
        }
        peak("a length that lies");
        for connection in &mut connections {
            assert!(connection.is_closed(SOON), "a frame of {length} bytes is waited for");
        }
        until(SOON, "each of them counted", || {
            let now = failed();
            if now >= before + 20.0 { Ok(()) } else { Err(format!("{before} before, {now} after")) }
        });
    }
    // Each of them says that more follows, and more does.
    let mut connection = stage.publisher();
    let frames = frame(true, &[b'x'; 1_000]).repeat(1_000);
    let mut sent = 0;
    let began = std::time::Instant::now();
    while began.elapsed() < SOON && connection.stream.write_all(&frames).is_ok() {
        sent += frames.len();
        peak("frames without end");
        assert!(sent < 1 << 30, "frames without end are taken for ever");
    }
    assert!(connection.is_closed(SOON), "frames without end are held, after {sent} bytes");
    stage.unharmed("lengths that lie and frames without end");
}

#[test]
fn subscribers_that_want_too_much() {
    let stage = Stage::new();
    let address = stage.masternode.stream();
    let shaken = || Connection::shaken(address, "SUB").expect("a handshake");
    let mut long = shaken();
    stage.counted(
        "a topic of 100,000 bytes",
        (FAILED, &[("port", "stream"), ("reason", "too_large")]),
        1.0,
        |_| {
            let _ = long.subscribe(&[b'x'; 100_000]);
        },
    );
    assert!(long.is_closed(SOON), "a topic of 100,000 bytes is kept");
    let mut longish = shaken();
    let refused = "chasar_stream_refused_total";
    stage.counted("a topic of 500 bytes", (refused, &[("reason", "topic_too_long")]), 1.0, |_| {
        longish.subscribe(&[b'x'; 500]).unwrap();
    });
    assert!(longish.is_closed(SOON), "a topic of 500 bytes is kept");
    let mut many = shaken();
    let began = std::time::Instant::now();
    let mut number = 0u64;
    while began.elapsed() < SOON && many.subscribe(format!("topic-{number}").as_bytes()).is_ok() {
        number += 1;
        assert!(number < 10_000_000, "topics without end are kept");
    }
    assert!(many.is_closed(SOON), "{number} topics of one subscriber are kept");
    let counted = stage.metrics().get(refused, &[("reason", "too_many_of_peer")]);
    assert_eq!(counted, Some(1.0), "after {number} topics");
    // Not for subscribers to say.
    let mut speaking = shaken();
    for _ in 0..100 {
        let _ = speaking.send(&[b"Chasar-Client", br#"{"hostname":"forged"}"#]);
    }
    for topic in [&b"\x1b[2J"[..], b"\xff\xfe", b"", b"chasar/node/../../x", b"<script>"] {
        shaken().subscribe(topic).unwrap();
    }
    let forged = stage.subscriber.messages().iter().any(|m| m.body().contains("forged"));
    assert!(!forged, "a subscriber published");
    stage.unharmed("subscribers that want too much");
}

#[test]
fn two_thousand_connections_opened_and_dropped() {
    let stage = Stage::new();
    let files = || std::fs::read_dir(format!("/proc/{}/fd", stage.masternode.program.pid())).unwrap().count();
    let before = files();
    for address in [stage.masternode.reports(), stage.masternode.stream()] {
        for batch in 0..20 {
            // Half of them at once, half one after the other; some greet before they go.
            let held: Vec<Connection> = (0..50).map(|_| raw(address, &greeting()[..batch * 3])).collect();
            drop(held);
        }
    }
    for port in ["reports", "stream"] {
        until(SOON, &format!("1,000 connections at the {port} port"), || {
            let accepted = stage.metrics().get("chasar_connections_accepted_total", &[("port", port)]);
            if accepted.is_some_and(|n| n >= 1_000.0) { Ok(()) } else { Err(format!("{accepted:?}")) }
        });
    }
    until(SOON, "all connections closed", || {
        let now = files();
        if now <= before + 4 { Ok(()) } else { Err(format!("{before} open files before, {now} after")) }
    });
    stage.unharmed("2,000 connections opened and dropped");
}
