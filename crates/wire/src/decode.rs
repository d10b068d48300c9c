//! Bytes to report, with the bounds enforced.

use crate::json::{Fault, Parser, Problem, Read};
use crate::limits::{MAX_INTERVAL_SECONDS, MAX_NAME_BYTES, MIN_INTERVAL_SECONDS};
use crate::{Report, Text};

/// Why bytes are not a report.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A bound of [`crate::limits`] is broken; the message says which, and where.
    #[error("{0}")]
    Limit(Fault),
    /// Not JSON, or a key has the wrong type; the message says which key, and where.
    #[error("not a report: {0}")]
    Json(Fault),
    /// A name is longer than [`MAX_NAME_BYTES`].
    #[error("{key} is {bytes} bytes long, the limit is {MAX_NAME_BYTES}")]
    Name {
        /// Which key.
        key: &'static str,
        /// How long it is.
        bytes: usize,
    },
    /// A value makes no sense.
    #[error("{key}: {problem}")]
    Value {
        /// Which key.
        key: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The compressed form is broken.
    #[error("not a compressed report: {0}")]
    Packed(#[from] crate::pack::PackError),
}

impl From<Fault> for DecodeError {
    fn from(fault: Fault) -> DecodeError {
        match fault.problem {
            Problem::Limit(_) => DecodeError::Limit(fault),
            _ => DecodeError::Json(fault),
        }
    }
}

impl DecodeError {
    /// A short name for the kind of fault, for counters: `limit`, `json`, `name`, `value`, `packed`.
    pub fn kind(&self) -> &'static str {
        match self {
            DecodeError::Limit(_) => "limit",
            DecodeError::Json(_) => "json",
            DecodeError::Name { .. } => "name",
            DecodeError::Value { .. } => "value",
            DecodeError::Packed(_) => "packed",
        }
    }
}

/// Reads a report, ours or one of 2016.
///
/// Keys that we do not know are skipped, so a newer clientnode can speak to an older masternode.
pub fn decode(json: &[u8]) -> Result<Report, DecodeError> {
    let mut parser = Parser::new(json)?;
    let report = Report::read(&mut parser)?;
    parser.end()?;
    check(&report)?;
    Ok(report)
}

/// Masternodes that a clientnode may tell of; ours have eight at most.
const MAX_MASTERNODES: usize = 64;
/// DNS allows 253 bytes for a name; a colon and a port follow.
const MAX_ADDRESS_BYTES: usize = 253 + 6;

fn check(report: &Report) -> Result<(), DecodeError> {
    name("hostname", &report.hostname)?;
    if report.hostname.is_empty() {
        return Err(DecodeError::Value { key: "hostname", problem: "is empty" });
    }
    for process in &report.process.0 {
        name("process name", &process.name)?;
    }
    if let Some(id) = &report.node_id {
        identity("node_id", id)?;
        if report.session.is_none() || report.sequence.is_none() || report.sampled_at_ms.is_none() {
            return Err(DecodeError::Value {
                key: "node_id",
                problem: "comes without session, sequence and sampled_at_ms",
            });
        }
    }
    if let Some(session) = &report.session {
        identity("session", session)?;
    }
    if let Some(seconds) = report.interval_seconds
        && !(MIN_INTERVAL_SECONDS..=MAX_INTERVAL_SECONDS).contains(&seconds)
    {
        return Err(DecodeError::Value { key: "interval_seconds", problem: "is not between 0.1 and 3600" });
    }
    let cpu = &report.cpu;
    if !cpu.core.is_empty() && cpu.core.len() != cpu.percent_used.len() {
        return Err(DecodeError::Value { key: "cpu", problem: "lists of different length" });
    }
    if let Some(times) = &cpu.times {
        let columns = [
            &times.user_seconds,
            &times.nice_seconds,
            &times.system_seconds,
            &times.idle_seconds,
            &times.iowait_seconds,
            &times.irq_seconds,
            &times.softirq_seconds,
            &times.steal_seconds,
            &times.guest_seconds,
            &times.guest_nice_seconds,
        ];
        if columns.iter().any(|c| !c.is_empty() && c.len() != cpu.core.len()) {
            return Err(DecodeError::Value { key: "cpu.times", problem: "lists of different length" });
        }
    }
    for fs in report.filesystems.iter().flatten() {
        name("filesystem type", &fs.fstype)?;
    }
    for device in report.block_devices.iter().flatten() {
        name("block device", &device.device)?;
    }
    for interface in report.network.iter().flat_map(|n| &n.interfaces) {
        name("network interface", &interface.device)?;
    }
    let masternodes = report.agent.iter().filter_map(|agent| agent.masternodes.as_deref()).flatten();
    for (at, masternode) in masternodes.enumerate() {
        let problem = if at >= MAX_MASTERNODES {
            "has more masternodes than a clientnode may have"
        } else if masternode.address.len() > MAX_ADDRESS_BYTES {
            "has an address that is longer than a host name and a port"
        } else {
            continue;
        };
        return Err(DecodeError::Value { key: "agent.masternodes", problem });
    }
    Ok(())
}

fn name(key: &'static str, text: &Text) -> Result<(), DecodeError> {
    if text.len() > MAX_NAME_BYTES {
        return Err(DecodeError::Name { key, bytes: text.len() });
    }
    Ok(())
}

/// Identities become parts of topics and file names, so they are held to a harmless alphabet.
fn identity(key: &'static str, text: &Text) -> Result<(), DecodeError> {
    if text.is_empty() || text.len() > 64 {
        return Err(DecodeError::Value { key, problem: "is not 1 to 64 characters long" });
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return Err(DecodeError::Value { key, problem: "has characters other than A-Z, a-z, 0-9, - and _" });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode;
    use proptest::prelude::*;

    const REPORT_OF_2016: &str = r#"{
        "computer_utc_clock": "2016-12-14 10:20:30.123456", "computer_clock": "2016-12-14 11:20:30.123456",
        "hostname": "pi", "mac_address": null,
        "ipv4_interfaces": [{"addr": "192.168.1.7", "netmask": "255.255.255.0", "broadcast": "192.168.1.255"}],
        "cpu": {"percent_used": [1.0, 0, 3.5]},
        "memory": {"total_bytes": 1000, "total_bytes_used": 400, "percent_used": 40.0},
        "disk": {"total_bytes": 10, "total_bytes_used": 5, "total_bytes_free": 4, "percent_used": 55.6},
        "process": {"python3": {"pid": 7, "status": "running", "percent_cpu_used": 0.0, "percent_memory_used": 1.25}}
    }"#;

    #[test]
    fn masternodes_of_a_clientnode_are_few_and_their_addresses_short() {
        let report =
            |masternodes: &str| format!(r#"{{"hostname":"h","agent":{{"masternodes":[{masternodes}]}}}}"#);
        let one = |address: &str| format!(r#"{{"address":"{address}"}}"#);
        let read = |masternodes: &str| decode(report(masternodes).as_bytes()).map_err(|e| e.to_string());
        assert!(read(&one(&"a".repeat(259))).is_ok());
        assert!(read(&vec![one("a:1"); 64].join(",")).is_ok());
        for wrong in [one(&"a".repeat(260)), vec![one("a:1"); 65].join(",")] {
            let told = read(&wrong).unwrap_err();
            assert!(told.contains("agent.masternodes"), "{told}");
        }
    }

    #[test]
    fn a_report_of_2016_is_read() {
        let report = decode(REPORT_OF_2016.as_bytes()).unwrap();
        assert_eq!(report.hostname, "pi");
        assert_eq!(report.cpu.percent_used, [Some(1.0), Some(0.0), Some(3.5)]);
        assert_eq!(report.memory.percent_used, Some(40.0));
        assert_eq!(report.process.0[0].name, "python3");
        assert_eq!(report.schema, None);
    }

    #[test]
    fn the_keys_of_2016_are_always_written() {
        let mut json = Vec::new();
        encode(&Report { hostname: "h".into(), ..Report::default() }, &mut json);
        let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let old: serde_json::Value = serde_json::from_str(REPORT_OF_2016).unwrap();
        for (key, of_2016) in old.as_object().unwrap() {
            let ours = value.get(key).unwrap_or_else(|| panic!("{key} is missing"));
            if let Some(object) = of_2016.as_object().filter(|_| key != "process") {
                for inner in object.keys() {
                    assert!(ours.get(inner).is_some(), "{key}.{inner} is missing");
                }
            }
        }
        assert!(value.get("schema").is_none(), "absent is a missing key");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, part) in [
            ("", "expected an object"),
            ("[]", "not a report"),
            ("{}", "hostname"),
            (r#"{"hostname":""}"#, "empty"),
            (r#"{"hostname":7}"#, "hostname: expected a text at byte 12"),
            (
                r#"{"hostname":"h","cpu":{"percent_used":"x"}}"#,
                "cpu.percent_used: expected a list at byte 38",
            ),
            (r#"{"hostname":"h","node_id":"a"}"#, "without session"),
            (r#"{"hostname":"h","session":"a b"}"#, "characters"),
            (r#"{"hostname":"h","interval_seconds":0}"#, "between 0.1 and 3600"),
            (r#"{"hostname":"h","cpu":{"percent_used":[1],"core":[0,1]}}"#, "different length"),
            (&format!(r#"{{"hostname":"{}"}}"#, "h".repeat(256)), "256 bytes"),
        ] {
            let message = decode(json.as_bytes()).unwrap_err().to_string();
            assert!(message.contains(part), "{json}: {message}");
        }
    }

    #[test]
    fn each_bound_is_found_at_its_edge() {
        use crate::limits::*;
        // The report itself is the outermost of the objects.
        let nested = |n: usize| format!(r#"{{"hostname":"h","x":{}{}}}"#, "[".repeat(n), "]".repeat(n));
        let text = |n: usize| format!(r#"{{"hostname":"h","x":"{}"}}"#, "x".repeat(n));
        let escaped = |n: usize| format!(r#"{{"hostname":"h","x":"{}"}}"#, r"\n".repeat(n));
        let values = |n: usize| format!(r#"{{"hostname":"h","x":[{}0]}}"#, "0,".repeat(n - 3));
        let size = |n: usize| format!(r#"{{"hostname":"h"{}}}"#, " ".repeat(n - 16));
        let process = |i: usize| format!(r#""p{i}":{{"pid":{i},"status":"s"}}"#);
        let processes = |n: usize| {
            let all: Vec<_> = (0..n).map(process).collect();
            format!(r#"{{"hostname":"h","process":{{{}}}}}"#, all.join(","))
        };
        for (fits, breaks) in [
            (nested(MAX_NESTING - 1), nested(MAX_NESTING)),
            (text(MAX_TEXT_BYTES), text(MAX_TEXT_BYTES + 1)),
            (escaped(MAX_TEXT_BYTES / 2), escaped(MAX_TEXT_BYTES / 2 + 1)),
            (values(MAX_VALUES), values(MAX_VALUES + 1)),
            (size(MAX_REPORT_BYTES), size(MAX_REPORT_BYTES + 1)),
            (processes(MAX_PROCESSES), processes(MAX_PROCESSES + 1)),
        ] {
            decode(fits.as_bytes()).unwrap_or_else(|e| panic!("{:.60}…: {e}", fits));
            let error = decode(breaks.as_bytes()).expect_err("a bound is passed");
            assert_eq!(error.kind(), "limit", "{:.60}…: {error}", breaks);
        }
    }

    /// JSON that looks like a report, with every kind of value under every kind of key.
    fn reports() -> impl Strategy<Value = serde_json::Value> {
        use serde_json::{Value, json};
        let number = prop_oneof![
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            (0u32..10_000).prop_map(|n| json!(f64::from(n) / 100.0)),
        ];
        let leaf = prop_oneof![4 => number, 1 => any::<String>().prop_map(Value::from), 1 => Just(Value::Null),
            1 => any::<bool>().prop_map(Value::from)];
        let keys = prop::sample::select(vec![
            "hostname",
            "cpu",
            "memory",
            "percent_used",
            "core",
            "times",
            "user_seconds",
            "total_bytes",
            "process",
            "pid",
            "status",
            "sequence",
            "session",
            "node_id",
            "sampled_at_ms",
            "replay",
            "pending",
            "network",
            "interfaces",
            "device",
            "ipv4",
            "filesystems",
            "mountpoint",
            "fstype",
            "probes",
            "outcome",
            "other",
            "duration_seconds",
            "leaving",
            "from_sequence",
            "mac_address",
            "time_zone_offset_seconds",
            "host",
        ]);
        let object = |inner: BoxedStrategy<Value>, keys: BoxedStrategy<&'static str>| {
            prop::collection::vec((keys, inner), 0..6).prop_map(|members| {
                Value::Object(members.into_iter().map(|(k, v)| (k.to_string(), v)).collect())
            })
        };
        let keys = keys.boxed();
        let top = keys.clone();
        leaf.boxed()
            .prop_recursive(4, 48, 6, move |inner| {
                prop_oneof![
                    object(inner.clone(), keys.clone()),
                    prop::collection::vec(inner, 0..4).prop_map(Value::from)
                ]
                .boxed()
            })
            .prop_flat_map(move |inner| object(Just(inner).boxed(), top.clone()))
            .prop_map(|mut report| {
                if let Some(object) = report.as_object_mut() {
                    object.entry("hostname").or_insert_with(|| "h".into());
                }
                report
            })
    }

    /// What we accept, serde accepts, with the same result.
    fn agrees_with_serde(json: &[u8]) -> Result<bool, TestCaseError> {
        let mut parser = match Parser::new(json) {
            Ok(parser) => parser,
            Err(_) => return Ok(false),
        };
        let Ok(ours) = Report::read(&mut parser).and_then(|r| parser.end().map(|()| r)) else {
            return Ok(false);
        };
        let theirs: Report = serde_json::from_slice(json).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(ours, theirs);
        Ok(true)
    }

    #[test]
    fn what_serde_refuses_we_refuse() {
        for json in [
            r#"{"hostname":"h",}"#,
            r#"{"hostname":"h"} x"#,
            r#"{"hostname":"h" "a":1}"#,
            r#"{"hostname":"h","hostname":"h"}"#,
            r#"{"hostname":"\ud800"}"#,
            r#"{"hostname":"\ud800\u0041"}"#,
            r#"{"hostname":"\x41"}"#,
            "{\"hostname\":\"a\nb\"}",
            r#"{"hostname":"h","sequence":1.0}"#,
            r#"{"hostname":"h","sequence":1e3}"#,
            r#"{"hostname":"h","sequence":-1}"#,
            r#"{"hostname":"h","sequence":18446744073709551616}"#,
            r#"{"hostname":"h","sequence":01}"#,
            r#"{"hostname":"h","interval_seconds":1.}"#,
            r#"{"hostname":"h","interval_seconds":.5}"#,
            r#"{"hostname":"h","interval_seconds":1e999}"#,
            r#"{"hostname":"h","interval_seconds":NaN}"#,
            r#"{"hostname":"h","leaving":tru}"#,
            r#"{"hostname":"h","replay":{"pending":1}}"#,
            r#"{"hostname":"h","x":{"a"}}"#,
            r#"{"hostname":"h","x":[1,,2]}"#,
        ] {
            assert!(serde_json::from_str::<Report>(json).is_err(), "serde takes {json}");
            assert!(decode(json.as_bytes()).is_err(), "we take {json}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
            agrees_with_serde(&bytes)?;
        }

        #[test]
        fn we_read_what_serde_reads(report in reports(), pretty in any::<bool>(), cut in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut json =
                if pretty { serde_json::to_vec_pretty(&report) } else { serde_json::to_vec(&report) }.unwrap();
            let read = agrees_with_serde(&json)?;
            // Lists in the place of objects are the one thing that serde takes and we do not.
            let lists = json.contains(&b'[');
            prop_assert!(read || lists || serde_json::from_slice::<Report>(&json).is_err(), "serde reads it");
            let at = cut.index(json.len());
            json[at] = byte;
            agrees_with_serde(&json)?;
            json.truncate(at);
            agrees_with_serde(&json)?;
        }

        #[test]
        fn numbers_are_those_of_the_standard_library(text in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?") {
            let json = format!(r#"{{"hostname":"h","cpu":{{"load1":{text}}}}}"#);
            let expected: f64 = text.parse().unwrap();
            match decode(json.as_bytes()) {
                Ok(report) => prop_assert_eq!(report.cpu.load1.unwrap().to_bits(), expected.to_bits()),
                Err(_) => prop_assert!(expected.is_infinite()),
            }
        }

        #[test]
        fn a_cut_report_is_an_error(cut in 0usize..REPORT_OF_2016.len()) {
            prop_assert!(decode(&REPORT_OF_2016.as_bytes()[..cut]).is_err());
        }
    }
}
