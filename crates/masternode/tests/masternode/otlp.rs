//! OpenTelemetry's metrics: of its own SDK, packed and not, and of those who get it wrong.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use chasar_masternode::Masternode;
use serde_json::json;

use crate::receive::{address, metric, now_ms, receiving, value};
use crate::site::{PATIENCE, get, post};

const PATH: &str = "/api/v1/otlp/v1/metrics";
const PROTOBUF: &str = "Content-Type: application/x-protobuf\r\n";

#[test]
fn what_opentelemetry_sends_is_named_as_prometheus_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let running = Masternode::start(receiving(folder.path())).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/masternode/otlp_sender.py");
    let python = std::env::var_os("CHASAR_TEST_PYTHON")
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache/venv/bin/python").into());
    let sent = Command::new(python)
        .arg(script)
        .arg(format!("http://{}{PATH}", address(&running)))
        .env_remove("http_proxy")
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .expect("Python runs; cargo xtask peers prepares it");
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    let now_ms = now_ms() + 1;
    let of_it = r#"job="eu/shop",instance="i-1""#;
    for (query, expected) in [
        (format!("requests_total{{{of_it},http_method='GET'}}"), "3"),
        (format!("queue_length{{{of_it}}}"), "-2"),
        (format!("disk_used_ratio{{{of_it}}}"), "0.25"),
        (format!("request_duration_seconds_count{{{of_it}}}"), "3"),
        (format!("request_duration_seconds_sum{{{of_it}}}"), "5.55"),
        (format!("request_duration_seconds_bucket{{{of_it},le='0.1'}}"), "1"),
        (format!("request_duration_seconds_bucket{{{of_it},le='1'}}"), "2"),
        (format!("request_duration_seconds_bucket{{{of_it},le='+Inf'}}"), "3"),
        (format!("target_info{{{of_it},deployment_environment='test'}}"), "1"),
    ] {
        assert_eq!(value(&running, &query, now_ms), json!(expected), "{query}");
    }
    let said = get(&running, "/api/v1/metadata?metric=requests_total", "").body;
    assert!(said.contains("Requests served.") && said.contains("counter"), "{said}");
    // The SDK sends again what was not answered in time.
    assert!(metric(&running, "chasar_receive_messages_total{result=\"stored\"}") >= 2.0);
    assert!(metric(&running, "chasar_receive_messages_total{result=\"partly_stored\"}") >= 2.0);
    // The SDK's last turn has nothing new since the one before.
    assert!(metric(&running, "chasar_receive_samples_refused_total{reason=\"delta\"}") >= 1.0);
    assert!(metric(&running, "chasar_receive_samples_refused_total{reason=\"native_histogram\"}") >= 1.0);
    running.stop(PATIENCE).unwrap();
}

fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let len = u8::try_from(value.len()).unwrap();
    assert!(len < 0x80, "a length of one byte");
    [&[number << 3 | 2, len][..], value].concat()
}

/// A gauge of one point at a time.
fn gauge(name: &str, time_ms: i64) -> Vec<u8> {
    let nanos = u64::try_from(time_ms).unwrap() * 1_000_000;
    let point = [&[0x19][..], &nanos.to_le_bytes(), &[0x21], &1.5f64.to_le_bytes()].concat();
    let metric = [field(1, name.as_bytes()), field(5, &field(1, &point))].concat();
    field(1, &field(2, &field(2, &metric)))
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

#[test]
fn of_what_is_wrong_the_sender_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let running = Masternode::start(receiving(folder.path())).unwrap();
    let now_ms = now_ms();
    let send =
        |headers: &str, body: &[u8]| post(address(&running), PATH, &format!("{PROTOBUF}{headers}"), body);
    let both = [gauge("good", now_ms), gauge("new", now_ms + 86_400_000)].concat();
    let answer = send("", &both);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains("content-type: application/x-protobuf"), "{answer:?}");
    // partial_success { rejected_data_points: 1, error_message: … }
    assert!(answer.body.starts_with('\n') && answer.body.contains("\u{8}\u{1}\u{12}"), "{answer:?}");
    assert!(answer.body.contains("too far ahead"), "{answer:?}");
    assert_eq!(value(&running, "good", now_ms), json!("1.5"));
    let answer = send("Content-Encoding: gzip\r\n", &zipped(&gauge("zipped", now_ms)));
    assert_eq!((answer.status, &*answer.body), (200, ""), "{answer:?}");
    assert_eq!(value(&running, "zipped", now_ms), json!("1.5"));

    // A hundred MiB of zeros in a hundred KiB.
    let bomb = zipped(&vec![0; 100 << 20]);
    let mut cut = gauge("cut", now_ms);
    cut.extend_from_slice(&[0x0a, 0x70, 1]);
    for (headers, body, status, expected) in [
        ("Content-Encoding: gzip\r\n", &bomb[..], 400, "smaller batches"),
        ("Content-Encoding: gzip\r\n", &b"no gzip"[..], 400, "not gzip"),
        ("", &cut[..], 400, "malformed at byte"),
        ("Content-Encoding: br\r\n", &both[..], 415, "gzip"),
    ] {
        let answer = send(headers, body);
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.body.contains(expected), "{expected}: {answer:?}");
        assert!(answer.head.contains("content-type: application/x-protobuf"), "{answer:?}");
    }
    let answer = post(address(&running), PATH, "Content-Type: application/json\r\n", b"{}");
    assert_eq!(answer.status, 415, "{answer:?}");
    assert_eq!(value(&running, "cut", now_ms), json!(null), "a part of a message was stored");
    running.stop(PATIENCE).unwrap();
}
