//! Reports recorded from clientnodes of every release are read, and nothing of them is lost.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use chasar_wire::pack::Unpacker;
use chasar_wire::{Report, decode, encode};
use serde_json::Value;

/// A recorded report: its file below `recorded/`, and its JSON.
struct Recorded {
    name: String,
    json: Vec<u8>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("recorded")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

/// All of them; what cannot be unpacked fails.
fn recorded() -> Vec<Recorded> {
    let mut all = Vec::new();
    for path in entries(&folder()).iter().filter(|path| path.is_dir()).flat_map(|path| entries(path)) {
        let name = path.strip_prefix(folder()).expect("below").display().to_string();
        let bytes = fs::read(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        let json = match path.extension().and_then(|e| e.to_str()) {
            Some("json") => bytes,
            Some("zst") => {
                let mut json = Vec::new();
                Unpacker::new().unpack(&bytes, &mut json).unwrap_or_else(|e| panic!("{name}: {e}"));
                json
            }
            _ => panic!("{name}: neither a report nor a packed one"),
        };
        all.push(Recorded { name, json });
    }
    all
}

fn read(recorded: &Recorded) -> Report {
    decode(&recorded.json).unwrap_or_else(|e| panic!("{}: {e}", recorded.name))
}

/// Every key and value of `old` that `new` does not have, as JSON pointers.
fn lost(at: &str, old: &Value, new: &Value, into: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in old {
                let at = format!("{at}/{key}");
                match new.get(key) {
                    Some(other) => lost(&at, value, other, into),
                    None => into.push(at),
                }
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (i, (old, new)) in old.iter().zip(new).enumerate() {
                lost(&format!("{at}/{i}"), old, new, into);
            }
        }
        // 7 and 7.0 are one number.
        (Value::Number(old), Value::Number(new)) if old.as_f64() == new.as_f64() => {}
        (old, new) if old == new => {}
        (old, new) => into.push(format!("{at}: {old} became {new}")),
    }
}

#[test]
fn every_release_has_its_folder() {
    let all = recorded();
    let releases: BTreeSet<&str> = all.iter().filter_map(|r| r.name.split('/').next()).collect();
    for release in ["2016", env!("CARGO_PKG_VERSION")] {
        assert!(
            releases.contains(release),
            "none of {release} among {releases:?}; recorded/README.md says how"
        );
    }
    assert!(all.iter().any(|r| r.name.ends_with(".zst")), "a packed one");
}

#[test]
fn each_is_read_and_nothing_is_lost() {
    for recorded in recorded() {
        let report = read(&recorded);
        assert!(!report.hostname.is_empty() && !report.process.0.is_empty(), "{}", recorded.name);
        let of_2016 = recorded.name.starts_with("2016/");
        assert_eq!(report.node_id.is_none(), of_2016, "{}: identity", recorded.name);
        assert_eq!(report.probes.0.is_empty(), of_2016, "{}: probes", recorded.name);
        let mut json = Vec::new();
        encode(&report, &mut json);
        let old = serde_json::from_slice(&recorded.json).expect("JSON");
        let new = serde_json::from_slice(&json).expect("JSON");
        let mut differences = Vec::new();
        lost("", &old, &new, &mut differences);
        assert!(differences.is_empty(), "{}: {differences:#?}", recorded.name);
    }
}

#[test]
fn a_good_bye_is_one() {
    let last: Vec<_> = recorded().into_iter().filter(|r| r.name.contains("-last.")).collect();
    assert!(last.len() >= 2, "{}", last.len());
    for recorded in last {
        assert_eq!(read(&recorded).leaving, Some(true), "{}", recorded.name);
    }
}
