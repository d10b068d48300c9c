//! `chasar watch` against a stream that a test publishes.

mod support;

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use chasar_link::{Broadcaster, BroadcasterConfig, Endpoint};
use support::{Running, chasar, folder};

/// A masternode's stream: publishes the same messages over and over until dropped.
struct Stream {
    address: String,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Stream {
    fn of(messages: Vec<(&'static str, String)>) -> Stream {
        let endpoint = Endpoint::new("127.0.0.1", 0).unwrap();
        let mut broadcaster = Broadcaster::bind(&BroadcasterConfig::new(endpoint)).unwrap();
        let address = broadcaster.bound().to_string().replace("tcp://", "");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                for (topic, body) in &messages {
                    broadcaster.publish(topic.as_bytes(), body.as_bytes()).unwrap();
                }
                broadcaster.wait(Duration::from_millis(20)).unwrap();
            }
        });
        Stream { address, stop, thread: Some(thread) }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

const TOPIC: &str = "Chasar-Client";

fn report(hostname: &str, more: &str) -> String {
    format!(
        r#"{{"hostname": {}, "cpu": {{"percent_used": [12.5]}}{more}}}"#,
        serde_json::to_string(hostname).unwrap()
    )
}

/// A stream as ours: each report on both topics, and a state.
fn ours() -> Vec<(&'static str, String)> {
    let identity = r#", "schema": 2, "node_id": "n1", "session": "s", "sequence": 1, "sampled_at_ms": 1"#;
    let web = report("web-1", identity);
    let state = r#"{"node_id":"n2","hostname":"database","state":"down","at_ms":1}"#.to_owned();
    vec![(TOPIC, web.clone()), ("chasar/node/n1/report", web), ("chasar/node/n2/state", state)]
}

fn watch(stream: &Stream, args: &[&str]) -> (Option<i32>, Vec<String>, String) {
    let home = folder();
    let mut command = chasar(home.path());
    command.args(["watch", &stream.address]).args(args);
    let (code, stdout, stderr) = Running::start(&mut command).end(Duration::from_secs(30));
    (code, stdout.lines().map(str::to_owned).collect(), stderr)
}

#[test]
fn reports_as_lines_of_json() {
    let hostile = "evil\u{1b}[2J\u{9b}1m\u{202e}\u{200b}\nname";
    let stream = Stream::of(vec![
        (TOPIC, report("web-1", ",\n \"ours\": [1,\n2]")),
        (TOPIC, report(hostile, "")),
        (TOPIC, "{\"hostname\": ".to_owned()),
    ]);
    let (code, lines, stderr) = watch(&stream, &["--json", "--count", "6", "--for", "20"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(lines.len(), 6);
    let mut names: Vec<String> = Vec::new();
    for line in &lines {
        assert!(line.chars().all(chasar_top::text::is_harmless), "{line:?}");
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        names.push(value["hostname"].as_str().unwrap().to_owned());
        assert!(names.last().unwrap() != "web-1" || value["ours"][1] == 2, "unknown keys are kept");
    }
    assert!(names.iter().any(|n| n == hostile) && names.iter().any(|n| n == "web-1"), "{names:?}");
    assert!(stderr.contains("cannot be read"), "what is no report is told: {stderr}");
}

#[test]
fn only_the_nodes_asked_for() {
    let stream = Stream::of(vec![
        (TOPIC, report("web-1", "")),
        (TOPIC, report("db-1", "")),
        (TOPIC, report("mail", r#", "node_id": "x7", "session": "s", "sequence": 1, "sampled_at_ms": 1"#)),
    ]);
    let (code, lines, stderr) =
        watch(&stream, &["--json", "--count", "8", "--for", "20", "--node", "WEB-?", "--node", "x*"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(lines.iter().all(|l| l.contains("web-1") || l.contains("mail")), "{lines:?}");
    assert!(lines.iter().any(|l| l.contains("mail")));
}

#[test]
fn states_instead_of_reports() {
    let (code, lines, stderr) =
        watch(&Stream::of(ours()), &["--json", "--states", "--count", "2", "--for", "20"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(lines, [r#"{"node_id":"n2","hostname":"database","state":"down","at_ms":1}"#; 2]);
}

#[test]
fn a_count_that_is_not_reached_is_a_failure() {
    let (code, lines, stderr) = watch(&Stream::of(Vec::new()), &["--json", "--count", "1", "--for", "0.3"]);
    assert_eq!((code, lines.len()), (Some(1), 0));
    assert!(stderr.contains("0 of 1 lines"), "{stderr}");
    let (code, _, _) = watch(&Stream::of(Vec::new()), &["--json", "--for", "0.3"]);
    assert_eq!(code, Some(0), "the time was all that was asked for");
}

#[test]
fn a_plain_table_without_a_terminal() {
    let (code, lines, stderr) = watch(&Stream::of(ours()), &["--for", "1.5"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(lines[0].ends_with("up, 2 nodes, 1 down, 1 live"), "{lines:?}");
    assert!(lines[1].starts_with("NODE"), "{lines:?}");
    assert!(lines[2].starts_with("database") && lines[2].contains("down"), "{lines:?}");
    assert!(lines[3].starts_with("web-1") && lines[3].contains("12.5"), "{lines:?}");
}

#[test]
fn a_masternode_of_2016_is_recognised() {
    let stream = Stream::of(vec![(TOPIC, report("raspberry", ""))]);
    // Three seconds of silence on the topics of nodes, and one to be sure.
    let (code, lines, stderr) = watch(&stream, &["--for", "6"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let last = lines.iter().rposition(|l| l.starts_with("NODE")).expect("a table");
    assert!(lines[last + 1].starts_with("raspberry") && lines[last + 1].contains("live"), "{lines:?}");
}

#[test]
fn lines_come_at_once_and_a_closed_pipe_ends_it() {
    let stream = Stream::of(vec![(TOPIC, report("web-1", ""))]);
    let home = folder();
    let mut command = chasar(home.path());
    let mut child = command
        .args(["watch", &stream.address, "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(line.contains("web-1"), "a line is flushed as it comes");
    drop(reader);
    let (code, _, stderr) = Running { child }.end(Duration::from_secs(20));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
}

#[test]
fn signals_end_it_cleanly() {
    let stream = Stream::of(vec![(TOPIC, report("web-1", ""))]);
    for (args, signal) in [(&["--json"][..], "INT"), (&["--json"], "TERM"), (&[], "INT")] {
        let home = folder();
        let mut command = chasar(home.path());
        command.args(["watch", &stream.address]).args(args);
        let mut running = Running::start(&mut command);
        // The first line says that it is up and listens to signals.
        let mut first = [0];
        std::io::Read::read_exact(running.child.stdout.as_mut().unwrap(), &mut first).unwrap();
        running.signal(signal);
        let (code, _, stderr) = running.end(Duration::from_secs(20));
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{args:?} {signal}");
    }
}

#[test]
fn the_library_receives_reports_and_states() {
    let stream = Stream::of(ours());
    let want = chasar::Want { events: true, ..chasar::Want::default() };
    let mut subscriber = chasar::Subscriber::with(&stream.address, want).unwrap();
    let (mut report, mut event) = (false, false);
    while !(report && event) {
        match subscriber.next_within(Duration::from_secs(20)).unwrap().expect("within the time") {
            chasar::Message::Report(r) => report |= r.hostname == "web-1",
            chasar::Message::Event(e) => event |= e.change == chasar::StateChange::Down,
            _ => unreachable!("no other messages are published"),
        }
    }
    let only = chasar::Want { nodes: vec!["nobody".into()], ..chasar::Want::default() };
    let mut subscriber = chasar::Subscriber::with(&stream.address, only).unwrap();
    assert_eq!(subscriber.next_within(Duration::from_millis(500)).unwrap(), None);
    let mut all = chasar::Subscriber::connect(&stream.address).unwrap();
    assert!(matches!(all.next(), Some(Ok(chasar::Message::Report(_)))));
    assert!(chasar::Subscriber::connect("no port").is_err());
}
