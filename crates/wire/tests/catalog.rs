//! Every number that a report can have is in the catalog.

use std::collections::{BTreeMap, BTreeSet};

use chasar_wire::catalog::{self, Kind, Metric, Sink};
use chasar_wire::{Report, decode};
use serde_json::{Map, Value, json};

const SCHEMA: &str = include_str!("../../../docs/report.schema.json");

/// Numbers of a report that are no series, and why.
const NO_SERIES: [(&str, &str); 11] = [
    ("/schema", "says how to read the report"),
    ("/sequence", "identity of the report"),
    ("/replay/from_sequence", "identity of a report"),
    ("/agent/pid", "identity of the process"),
    ("/cpu/core/*", "label of the series of a core"),
    ("/process/name/pid", "processes are bounded by the caller"),
    ("/process/name/percent_cpu_used", "processes are bounded by the caller"),
    ("/process/name/percent_memory_used", "processes are bounded by the caller"),
    ("/process/name/resident_bytes", "processes are bounded by the caller"),
    ("/process/name/start_time_seconds", "processes are bounded by the caller"),
    ("/process/name/threads", "processes are bounded by the caller"),
];

/// A report with everything that the schema knows. Numbers are whole multiples of all factors in
/// the catalog, so that a step of the same size always shows.
fn full(schema: &Value, root: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return full(root.pointer(&reference[1..]).unwrap(), root);
    }
    if let Some(first) = schema["anyOf"].as_array().and_then(|any| any.first()) {
        return full(first, root);
    }
    let word = schema["type"].as_array().map_or(&schema["type"], |words| &words[0]);
    match word.as_str().unwrap() {
        "object" => {
            let properties = schema["properties"].as_object();
            let mut object: Map<_, _> =
                properties.into_iter().flatten().map(|(key, of)| (key.clone(), full(of, root))).collect();
            if schema["additionalProperties"].is_object() {
                object.insert("name".into(), full(&schema["additionalProperties"], root));
            }
            Value::Object(object)
        }
        "array" => json!([full(&schema["items"], root)]),
        "number" => json!(1024.0),
        "integer" => json!(1024),
        "boolean" => json!(true),
        "string" if schema["pattern"].is_string() => json!("fresh"),
        "string" => json!("text"),
        other => panic!("the schema has a type that is not known here: {other}"),
    }
}

/// Paths of all numbers, with `*` for the items of a list.
fn numbers(value: &Value, path: String, found: &mut Vec<String>) {
    match value {
        Value::Number(_) => found.push(path),
        Value::Array(items) => items.iter().for_each(|item| numbers(item, format!("{path}/*"), found)),
        Value::Object(object) => object.iter().for_each(|(k, v)| numbers(v, format!("{path}/{k}"), found)),
        _ => {}
    }
}

/// The series of a report and their values.
#[derive(Debug, Default, PartialEq)]
struct Series(BTreeMap<(&'static str, Vec<String>), f64>);

impl Sink for Series {
    fn sample(&mut self, metric: &'static Metric, labels: &[&str], value: f64) {
        assert_eq!(labels.len(), metric.labels.len(), "{}", metric.name);
        let labels: Vec<_> = labels.iter().map(|&label| label.to_owned()).collect();
        let before = self.0.insert((metric.name, labels.clone()), value);
        assert!(before.is_none(), "twice in one report: {} {labels:?}", metric.name);
    }
}

fn series(report: &Value) -> Series {
    let report: Report = decode(report.to_string().as_bytes()).unwrap();
    let mut series = Series::default();
    catalog::walk(&report, &mut series);
    series
}

fn full_report() -> Value {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    full(&schema, &schema)
}

#[test]
fn every_number_of_a_report_is_a_series() {
    let mut report = full_report();
    let mut paths = Vec::new();
    numbers(&report, String::new(), &mut paths);
    assert!(paths.len() > 200, "{}", paths.len());
    let before = series(&report);
    let mut without = BTreeSet::new();
    for path in paths {
        let place = report.pointer_mut(&path.replace('*', "0")).unwrap();
        let old = place.clone();
        *place = if old.is_f64() { json!(3072.0) } else { json!(3072) };
        let after = series(&report);
        *report.pointer_mut(&path.replace('*', "0")).unwrap() = old;
        // Where the label changes, as with the number of a core, no value does.
        if before.0.keys().ne(after.0.keys()) || before == after {
            without.insert(path);
        }
    }
    let known: BTreeSet<_> = NO_SERIES.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(without, known);
}

#[test]
fn all_metrics_of_the_catalog_come_out_of_a_full_report() {
    let mut report = full_report();
    let mut seen: BTreeSet<_> = series(&report).0.into_keys().map(|(name, _)| name).collect();
    report["filesystems"][0]["device_error"] = json!("it hangs");
    seen.extend(series(&report).0.into_keys().map(|(name, _)| name));
    let of_processes = |name: &str| name.starts_with("chasar_process_");
    let known: BTreeSet<_> =
        catalog::metrics().iter().map(|m| m.name).filter(|name| !of_processes(name)).collect();
    assert_eq!(seen, known);
}

#[test]
fn names_and_texts_keep_the_rules() {
    let metrics = catalog::metrics();
    let names: BTreeSet<_> = metrics.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), metrics.len(), "a name is there twice");
    for metric in metrics {
        let name = metric.name;
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{name}");
        assert!(!metric.help.is_empty() && !metric.help.ends_with('.'), "{name}: {}", metric.help);
        assert!(!metric.help.contains(['\n', '\\']), "{name}: the help would need escaping");
        assert_eq!(name.ends_with("_info"), metric.kind == Kind::Info, "{name}");
        assert!(!metric.labels.iter().any(|label| ["instance", "job"].contains(label)), "{name}");
        if name.starts_with("chasar_") {
            assert_eq!(name.ends_with("_total"), metric.kind == Kind::Counter, "{name}");
        }
    }
}

#[test]
fn a_report_of_2016_is_stored_with_what_it_has() {
    let report = json!({
        "computer_utc_clock": "2016-08-01 10:00:00.000000",
        "computer_clock": "2016-08-01 12:00:00.000000",
        "hostname": "old",
        "mac_address": "00:11:22:33:44:55",
        "ipv4_interfaces": [],
        "cpu": {"percent_used": [12.5, 50.0]},
        "memory": {"total_bytes": 1000, "total_bytes_used": 400, "percent_used": 40.0},
        "disk": {"total_bytes": 5000, "total_bytes_used": 3000, "total_bytes_free": 1500, "percent_used": 66.7},
        "process": {"python": {"pid": 7, "status": "running", "percent_cpu_used": 0.0, "percent_memory_used": 1.5}},
    });
    let found: Vec<_> = series(&report)
        .0
        .into_iter()
        .map(|((name, labels), value)| format!("{name}{labels:?} {value}"))
        .collect();
    assert_eq!(
        found,
        [
            r#"chasar_cpu_used_percent["0"] 12.5"#,
            r#"chasar_cpu_used_percent["1"] 50"#,
            "chasar_memory_total_bytes[] 1000",
            "chasar_memory_used_bytes[] 400",
            "chasar_memory_used_percent[] 40",
            "chasar_root_disk_free_bytes[] 1500",
            "chasar_root_disk_size_bytes[] 5000",
            "chasar_root_disk_used_bytes[] 3000",
            "chasar_root_disk_used_percent[] 66.7",
            "node_memory_MemAvailable_bytes[] 600",
            "node_memory_MemTotal_bytes[] 1000",
        ]
    );
}

#[test]
fn absent_is_no_series() {
    let report = json!({"hostname": "bare"});
    assert_eq!(series(&report), Series::default());
}
