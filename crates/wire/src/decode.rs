//! Bytes to report, with the bounds enforced.

use crate::limits::{self, LimitError, MAX_INTERVAL_SECONDS, MAX_NAME_BYTES, MIN_INTERVAL_SECONDS};
use crate::{Report, Text};

/// Why bytes are not a report.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A bound of [`limits`] is broken.
    #[error("{0}")]
    Limit(#[from] LimitError),
    /// Not JSON, or a key has the wrong type; the message has line and column.
    #[error("not a report: {0}")]
    Json(#[from] serde_json::Error),
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
    limits::scan(json)?;
    let report: Report = serde_json::from_slice(json)?;
    check(&report)?;
    Ok(report)
}

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
            ("", "EOF"),
            ("[]", "not a report"),
            ("{}", "hostname"),
            (r#"{"hostname":""}"#, "empty"),
            (r#"{"hostname":7}"#, "invalid type"),
            (r#"{"hostname":"h","cpu":{"percent_used":"x"}}"#, "line 1 column"),
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

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn a_cut_report_is_an_error(cut in 0usize..400) {
            prop_assert!(decode(&REPORT_OF_2016.as_bytes()[..cut.min(REPORT_OF_2016.len() - 1)]).is_err());
        }
    }
}
