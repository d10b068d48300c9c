//! What others send over HTTP: stored, partly stored, refused, put off; by Debian's Prometheus too.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chasar_masternode::{Config, Masternode, ReceiveConfig, Running};
use chasar_query::STALE;
use chasar_remote_write::{Limits, Message, Metadata, MetricKind, Sample, Version, pack};
use chasar_tsdb::storage::Disk;
use chasar_tsdb::{Matcher, NAME, Options, Store};
use serde_json::{Value, json};

use crate::site::{Answer, PATIENCE, config, get, post, until};

const PATH: &str = "/api/v1/write";

pub(crate) fn receiving(folder: &Path) -> Config {
    Config { receive: Some(ReceiveConfig::default()), ..config(folder) }
}

pub(crate) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

fn headers(version: Version) -> String {
    format!("Content-Type: {}\r\nContent-Encoding: snappy\r\n", version.content_type())
}

pub(crate) fn address(running: &Running) -> SocketAddr {
    running.addresses().http.unwrap()
}

fn send(running: &Running, message: &mut Message) -> Answer {
    let mut body = Vec::new();
    message.pack(&mut body);
    post(address(running), PATH, &headers(message.version()), &body)
}

fn sample(time_ms: i64, value: f64) -> Sample {
    Sample { time_ms, value }
}

/// What a query gives at a time.
pub(crate) fn value(running: &Running, query: &str, at_ms: i64) -> Value {
    let query: String = query.bytes().map(|b| format!("%{b:02X}")).collect();
    let at = at_ms as f64 / 1000.0;
    let answer = get(running, &format!("/api/v1/query?query={query}&time={at}"), "");
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    answer.pointer("/data/result/0/value/1").cloned().unwrap_or_default()
}

/// The sum over a metric of the masternode's own.
pub(crate) fn metric(running: &Running, part: &str) -> f64 {
    let page = get(running, "/metrics?job=masternode", "").body;
    let lines = page.lines().filter(|line| !line.starts_with('#') && line.contains(part));
    lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
}

#[test]
fn what_is_sent_is_stored_when_it_is_answered() {
    for version in [Version::V1, Version::V2] {
        let folder = tempfile::tempdir().unwrap();
        let config = receiving(folder.path());
        let history = config.history.clone().unwrap();
        let running = Masternode::start(config).unwrap();
        let now_ms = now_ms();
        let mut message = Message::new(version);
        let said = Metadata { kind: MetricKind::Counter, help: "Things done.", unit: "" };
        let samples = [sample(now_ms - 2_000, 1.0), sample(now_ms - 1_000, 4.0), sample(now_ms, STALE)];
        message.series([(NAME, "done_total"), ("job", "app"), ("path", "/a b")], samples, Some(said));
        if version == Version::V1 {
            message.family("done_total", said);
        }
        let answer = send(&running, &mut message);
        assert_eq!(answer.status, 204, "{answer:?}");
        let says_how_much = answer.head.contains("x-prometheus-remote-write-samples-written: 3\r\n");
        assert_eq!(says_how_much, version == Version::V2, "{answer:?}");

        // It is in the log: whoever opens the folder, as after a power cut, finds it.
        let disk = Arc::new(Disk::read_only(&history.folder));
        let (store, _) = Store::open_read_only(disk, Options::default()).unwrap();
        let found = store.snapshot().select(&[Matcher::equal(NAME, "done_total")], 0, i64::MAX).unwrap();
        assert_eq!(found.series.len(), 1);
        assert_eq!(found.series[0].labels.to_string(), r#"done_total{job="app",path="/a b"}"#);
        assert_eq!(found.series[0].values[..2], [1.0, 4.0]);
        assert_eq!(found.series[0].values[2].to_bits(), STALE.to_bits());

        assert_eq!(value(&running, "done_total", now_ms - 500), json!("4"));
        assert_eq!(value(&running, "done_total", now_ms + 1), Value::Null, "it has ended");
        let metadata: Value =
            serde_json::from_str(&get(&running, "/api/v1/metadata?metric=done_total", "").body).unwrap();
        let expected = json!([{"type": "counter", "help": "Things done.", "unit": ""}]);
        assert_eq!(metadata["data"]["done_total"], expected);

        // A sender that was not told in time sends it again.
        assert_eq!(send(&running, &mut message).status, 204);
        assert_eq!(value(&running, "count_over_time(done_total[1m])", now_ms), json!("2"));
        assert!(metric(&running, "chasar_receive_messages_total{result=\"stored\"}") >= 2.0);
        running.stop(PATIENCE).unwrap();
    }
}

#[test]
fn of_what_cannot_be_stored_the_sender_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let running = Masternode::start(receiving(folder.path())).unwrap();
    let now_ms = now_ms();
    let year_ms = 365 * 86_400_000;
    let names: Vec<String> = (0..64).map(|i| format!("l{i}")).collect();
    let many: Vec<_> = [(NAME, "x")].into_iter().chain(names.iter().map(|name| (&**name, "1"))).collect();
    for (labels, time_ms, expected) in [
        (vec![(NAME, "old")], now_ms - year_ms, "older than raw samples are kept"),
        (vec![(NAME, "new")], now_ms + year_ms, "too far ahead"),
        (vec![(NAME, "twice"), ("a", "1"), ("a", "2")], now_ms, "the label a is there twice"),
        (vec![("job", "nameless")], now_ms, "no name"),
        (vec![("", "x"), (NAME, "x")], now_ms, "a label has no name"),
        (many, now_ms, "a series has 65 labels, more than the 64 allowed"),
    ] {
        let mut message = Message::new(Version::V2);
        message.series([(NAME, "good")], [sample(now_ms, 1.0)], None);
        message.series(labels, [sample(time_ms, 1.0)], None);
        let answer = send(&running, &mut message);
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.body.contains("1 samples are stored, 1 are not"), "{answer:?}");
        assert!(answer.body.contains(expected), "{answer:?}");
        assert!(answer.head.contains("samples-written: 1\r\n"), "{answer:?}");
        assert!(answer.head.contains("histograms-written: 0\r\n"), "{answer:?}");
    }
    assert_eq!(metric(&running, "chasar_receive_series"), 1.0, "one of which nothing is stored is none");
    assert_eq!(value(&running, "good", now_ms), json!("1"));
    assert_eq!(value(&running, "{__name__=~'old|new|twice|x|',job!='chasar'}", now_ms), Value::Null);
    assert_eq!(metric(&running, "chasar_receive_samples_refused_total{reason=\"labels\"}"), 4.0);
    assert_eq!(metric(&running, "chasar_receive_samples_refused_total{"), 6.0);

    // A series with a native histogram and an exemplar: field 3 and 4 in 2.0, whatever they say.
    let message =
        [&[0x22, 0][..], b"\x22\x08__name__\x22\x01h", &[0x2a, 8, 0x0a, 2, 1, 2, 0x1a, 0, 0x22, 0]].concat();
    let mut body = Vec::new();
    pack(&message, &mut body);
    let answer = post(address(&running), PATH, &headers(Version::V2), &body);
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.contains("native histograms are not stored"), "{answer:?}");
    assert_eq!(metric(&running, "chasar_receive_exemplars_total"), 1.0);
    running.stop(PATIENCE).unwrap();
}

#[test]
fn what_is_no_message_is_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let running = Masternode::start(receiving(folder.path())).unwrap();
    let mut good = Message::new(Version::V1);
    good.series([(NAME, "part")], [sample(now_ms(), 1.0)], None);
    let mut packed = Vec::new();
    good.pack(&mut packed);
    // A whole series, and then a field that ends too early.
    let mut cut = Vec::new();
    chasar_remote_write::unpack(&packed, &Limits::default(), &mut cut).unwrap();
    cut.extend_from_slice(&[0x0a, 0x70, 1]);
    let mut cut_packed = Vec::new();
    pack(&cut, &mut cut_packed);
    let v1 = headers(Version::V1);
    // What says that it is 4 GiB long.
    let bomb = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0];
    let large = vec![0; Limits::default().packed_bytes + 1];
    for (headers, body, status, expected) in [
        (&*v1, &b"no snappy at all"[..], 400, "snappy"),
        (&*v1, &packed[..packed.len() - 1], 400, "snappy"),
        (&*v1, &bomb[..], 400, "more than the"),
        (&*v1, &cut_packed[..], 400, "malformed at byte"),
        (&*v1, &large[..], 413, "smaller batches"),
        ("Content-Type: application/json\r\n", &packed[..], 415, "application/x-protobuf"),
        ("Content-Type: application/x-protobuf;proto=x.v9\r\n", &packed[..], 415, "write.v2.Request"),
        ("Content-Type: application/x-protobuf\r\nContent-Encoding: gzip\r\n", &packed[..], 415, "snappy"),
    ] {
        let answer = post(address(&running), PATH, headers, body);
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.body.contains(expected), "{expected}: {answer:?}");
    }
    assert_eq!(metric(&running, "chasar_receive_messages_total{result=\"malformed\"}"), 8.0);
    assert_eq!(get(&running, PATH, "").status, 405);
    assert_eq!(value(&running, "part", now_ms()), Value::Null, "a part of a message was stored");
    assert_eq!(send(&running, &mut good).status, 204);
    running.stop(PATIENCE).unwrap();
}

#[test]
fn nothing_is_received_unless_it_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let running = Masternode::start(config(folder.path())).unwrap();
    let answer = post(address(&running), PATH, &headers(Version::V1), b"");
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("--receive"), "{answer:?}");
    running.stop(PATIENCE).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let running = Masternode::start(Config { history: None, ..receiving(folder.path()) }).unwrap();
    let answer = post(address(&running), PATH, &headers(Version::V1), b"");
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("--history off"), "{answer:?}");
    running.stop(PATIENCE).unwrap();
    // A token is asked for as everywhere.
    let folder = tempfile::tempdir().unwrap();
    let mut config = receiving(folder.path());
    config.http.as_mut().unwrap().token = Some("0123456789abcdef".into());
    let running = Masternode::start(config).unwrap();
    assert_eq!(post(address(&running), PATH, &headers(Version::V1), b"").status, 401);
    running.stop(PATIENCE).unwrap();
}

#[test]
fn who_sends_too_much_is_put_off_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = receiving(folder.path());
    config.receive.as_mut().unwrap().max_series = 1_000;
    let running = Masternode::start(config).unwrap();
    let now_ms = now_ms();
    let mut message = Message::new(Version::V2);
    for i in 0..5_000 {
        message.series([(NAME, "many"), ("i", &i.to_string())], [sample(now_ms, 1.0)], None);
    }
    let answer = send(&running, &mut message);
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.contains("1000 samples are stored, 4000 are not"), "{answer:?}");
    assert!(answer.body.contains("1000 series are taken at a time"), "{answer:?}");
    assert_eq!(value(&running, "count(many)", now_ms), json!("1000"));
    assert_eq!(metric(&running, "chasar_receive_series"), 1_000.0);
    running.stop(PATIENCE).unwrap();

    // Without memory for samples all have to wait.
    let folder = tempfile::tempdir().unwrap();
    let mut config = receiving(folder.path());
    config.history.as_mut().unwrap().memory_bytes = 0;
    let running = Masternode::start(config).unwrap();
    let answer = send(&running, &mut message);
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.head.contains("retry-after: "), "{answer:?}");
    assert_eq!(metric(&running, "chasar_receive_messages_total{result=\"put_off\"}"), 1.0);
    running.stop(PATIENCE).unwrap();
}

/// From new to old, as a backfill may come, and more than is stored at once.
#[test]
fn a_large_message_is_stored_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let running = Masternode::start(receiving(folder.path())).unwrap();
    let now_ms = now_ms();
    let mut message = Message::new(Version::V2);
    for of in ["a", "b", "c"] {
        let samples = (0..40_000).map(|i| sample(now_ms - i, 1.0));
        message.series([(NAME, "many"), ("of", of)], samples, None);
    }
    let answer = send(&running, &mut message);
    assert_eq!(answer.status, 204, "{answer:?}");
    assert!(answer.head.contains("samples-written: 120000\r\n"), "{answer:?}");
    assert_eq!(value(&running, "sum(count_over_time(many[1m]))", now_ms), json!("120000"));
    assert_eq!(metric(&running, "chasar_receive_samples_total"), 120_000.0);
    running.stop(PATIENCE).unwrap();
}

struct Sender(Child);

impl Drop for Sender {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Debian's Prometheus reads the masternode's page every second and sends what it reads back to it.
#[test]
fn prometheus_can_send() {
    let folder = tempfile::tempdir().unwrap();
    let running = Masternode::start(receiving(&folder.path().join("masternode"))).unwrap();
    let address = address(&running);
    let yml = folder.path().join("prometheus.yml");
    let text = format!(
        "global: {{scrape_interval: 1s}}\n\
         scrape_configs:\n- job_name: itself\n  static_configs: [{{targets: ['{address}']}}]\n\
         remote_write:\n- url: http://{address}/api/v1/write\n  metadata_config: {{send_interval: 1s}}\n  \
         queue_config: {{batch_send_deadline: 1s}}\n"
    );
    std::fs::write(&yml, text).unwrap();
    let program = std::env::var_os("CHASAR_TEST_PROMETHEUS").unwrap_or("prometheus".into());
    let sender = Command::new(program)
        .arg(format!("--config.file={}", yml.display()))
        .arg(format!("--storage.agent.path={}", folder.path().join("agent").display()))
        .args(["--enable-feature=agent", "--web.listen-address=127.0.0.1:0"])
        .arg(format!("--web.console.templates={}", folder.path().display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("Prometheus runs; cargo xtask test prepares it");
    let sender = Sender(sender);
    let instance = format!("{{job=\"itself\",instance=\"{address}\"}}");
    for (query, expected) in [
        (format!("up{instance}"), "1"),
        (format!("chasar_build_info{instance}"), "1"),
        (format!("count_over_time(up{instance}[1m]) > bool 1"), "1"),
    ] {
        until(&query, || {
            let value = value(&running, &query, now_ms());
            if value == json!(expected) { Ok(()) } else { Err(value.to_string()) }
        });
    }
    until("what is said of its metrics", || {
        let answer = get(&running, "/api/v1/metadata?metric=chasar_http_requests_total", "");
        if answer.body.contains("\"counter\"") { Ok(()) } else { Err(answer.body) }
    });
    drop(sender);
    assert_eq!(metric(&running, "chasar_receive_samples_refused_total"), 0.0);
    assert_eq!(metric(&running, "chasar_receive_messages_total{result=\"malformed\"}"), 0.0);
    running.stop(Duration::from_secs(20)).unwrap();
}
