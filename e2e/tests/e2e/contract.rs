//! What goes over the wire is what the published schemas say; an independent validator judges.

use std::fs;
use std::time::Duration;

use chasar_e2e::report::assert_2016;
use chasar_e2e::{Clientnode, Masternode, Site, Subscriber, until, workspace};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);

/// Set, the recorded example is written anew from this computer.
const RECORD: &str = "CHASAR_RECORD_EXAMPLE";
const EXAMPLE: &str = "example/data recieve/data.json";

fn schema(name: &str) -> jsonschema::Validator {
    let path = workspace::root().join("docs").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).expect("a JSON Schema")
}

#[track_caller]
fn assert_valid(schema: &jsonschema::Validator, instance: &Value) {
    let errors: Vec<String> =
        schema.iter_errors(instance).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?} in {instance}");
}

#[test]
fn live_reports_and_events_are_valid() {
    let (reports, events) = (schema("report.schema.json"), schema("event.schema.json"));
    let site = Site::new();
    let masternode = Masternode::start(&site);
    let subscriber = Subscriber::python(&site, masternode.stream(), &["Chasar-Client", "chasar/node/"]);
    let mut clientnode = Clientnode::start(&site, &["--interval", "0.2", "--processes", "all"]);
    subscriber.at_least(20, SOON);
    clientnode.program.kill();
    subscriber.event(SOON, "a down event", |e| e["state"] == "down");
    clientnode.restart();
    subscriber.event(SOON, "a back event", |e| e["state"] == "back");
    clientnode.program.stop(Duration::from_secs(5));
    subscriber.event(SOON, "a left event", |e| e["state"] == "left");
    let (mut checked, mut seen) = (0, Vec::new());
    for message in subscriber.messages() {
        let json = message.json();
        match message.topic() {
            topic if topic.ends_with("/state") => {
                assert_valid(&events, &json);
                seen.push(json["state"].as_str().unwrap().to_owned());
            }
            _ => {
                assert_valid(&reports, &json);
                checked += 1;
            }
        }
    }
    assert!(checked >= 20, "{checked} reports");
    for state in ["joined", "late", "down", "back", "left"] {
        assert!(seen.iter().any(|s| s == state), "no {state} event among {seen:?}");
    }
}

#[test]
fn packed_reports_are_republished_plain() {
    let reports = schema("report.schema.json");
    let site = Site::new();
    let masternode = Masternode::start(&site);
    let subscriber = Subscriber::python(&site, masternode.stream(), &["Chasar-Client"]);
    let _clientnode = Clientnode::start(&site, &["--interval", "0.2", "--compress"]);
    for message in subscriber.at_least(5, SOON) {
        assert_valid(&reports, &message.json());
        assert_2016(&message.json());
    }
    let newest = subscriber.messages().last().unwrap().json();
    let agent = &newest["agent"];
    let sent = agent["sent_bytes_total"].as_f64().unwrap() / agent["sent_reports_total"].as_f64().unwrap();
    let plain = newest.to_string().len() as f64;
    assert!(sent < plain / 3.0, "{sent} bytes a report were sent, {plain} is plain");
}

#[test]
fn the_recorded_example_is_a_report() {
    let path = workspace::root().join(EXAMPLE);
    if std::env::var_os(RECORD).is_some() {
        let site = Site::new();
        let masternode = Masternode::start(&site);
        let subscriber = Subscriber::python(&site, masternode.stream(), &["Chasar-Client"]);
        let _clientnode = Clientnode::start(&site, &[]);
        let report = until(SOON, "a report with everything in it", || {
            let messages = subscriber.messages();
            messages.get(5).map(|m| m.body().to_owned()).ok_or_else(|| format!("{} messages", messages.len()))
        });
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // As in 2016: indented, for people.
        let report: chasar_wire::Report = serde_json::from_str(&report).unwrap();
        fs::write(&path, serde_json::to_string_pretty(&report).unwrap() + "\n").unwrap();
    }
    let text = fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; {RECORD}=1 cargo xtask test writes it", path.display()));
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_valid(&schema("report.schema.json"), &report);
    assert_2016(&report);
    assert!(report["agent"]["version"].is_string(), "a real one");
    chasar_wire::decode(text.as_bytes()).expect("what a masternode takes");
}

#[test]
fn the_validator_is_awake() {
    let schema = schema("report.schema.json");
    let text = fs::read_to_string(workspace::root().join(EXAMPLE)).unwrap();
    let example: Value = serde_json::from_str(&text).unwrap();
    for (pointer, wrong) in
        [("/hostname", Value::from(7)), ("/sequence", "x".into()), ("/cpu/percent_used", 3.into())]
    {
        let mut broken = example.clone();
        *broken.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = wrong;
        assert!(!schema.is_valid(&broken), "{pointer} is wrong and nobody minds");
    }
}
