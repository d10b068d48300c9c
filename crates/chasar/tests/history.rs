//! `chasar history` on folders that a store wrote: what it counts, finds damaged, and says about mistakes.

mod support;

use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use chasar_tsdb::storage::Disk;
use chasar_tsdb::{Kind, Labels, NAME, Options, Store, Writer};
use serde_json::Value;
use support::{chasar, folder, run, text};

/// 2023-11-14T22:00:00Z.
const START_MS: i64 = 1_699_999_200_000;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::new(pairs.iter().copied()).unwrap()
}

/// Samples a second of two computers; the first's name is not harmless.
fn feed(store: &Store, writer: &mut Writer, from_s: i64, seconds: i64) {
    let metrics = [
        (labels(&[(NAME, "node_load1")]), Kind::Gauge),
        (labels(&[(NAME, "node_cpu_seconds_total"), ("cpu", "0"), ("mode", "idle")]), Kind::Counter),
        (labels(&[(NAME, "node_cpu_seconds_total"), ("cpu", "0"), ("mode", "user")]), Kind::Counter),
    ];
    let layout = writer.layout(metrics.iter().map(|(l, k)| (l, *k)));
    let names = ["web\u{1b}[2J", "db"];
    let sources = names.map(|n| writer.source(&labels(&[("instance", n), ("job", "chasar")])));
    for second in from_s..from_s + seconds {
        let now = START_MS + second * 1000;
        for source in &sources {
            let s = second as f64;
            writer.row(source, &layout, now, &[(s * 7.0) % 13.0 / 100.0, s * 0.93, s * 0.07]).unwrap();
        }
        writer.commit(now).unwrap();
        store.maintain(now).unwrap();
    }
}

/// Ten minutes in segments and half a minute in a log.
fn write(folder: &Path) {
    let (store, _) = Store::open(Arc::new(Disk::open(folder).unwrap()), Options::default()).unwrap();
    let mut writer = store.writer().unwrap();
    feed(&store, &mut writer, 0, 600);
    store.flush(START_MS + 600_000).unwrap();
    feed(&store, &mut writer, 600, 30);
}

fn history(home: &Path, args: &[&str]) -> Output {
    chasar(home).arg("history").args(args).output().unwrap()
}

fn json(output: &Output) -> Value {
    assert_eq!(text(&output.stderr), "");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output.stdout)))
}

/// The largest file whose name ends so.
fn largest(folder: &Path, suffix: &str) -> std::path::PathBuf {
    let files = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap());
    let files = files.filter(|e| e.file_name().to_str().unwrap().ends_with(suffix));
    files.max_by_key(|e| e.metadata().unwrap().len()).unwrap().path()
}

fn flip(file: &Path, offset: usize) {
    let mut bytes = std::fs::read(file).unwrap();
    bytes[offset] ^= 0x40;
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn stats_say_what_takes_the_room_as_a_table() {
    let home = folder();
    // Where a masternode keeps it that is configured with nothing.
    let place = home.path().join("state").join("masternode").join("history");
    write(&place);
    let output = history(home.path(), &["stats"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    let shown = text(&output.stdout).replace(&home.path().display().to_string(), "HOME");
    assert!(shown.chars().all(|c| c == '\n' || chasar_top::text::is_harmless(c)), "{shown}");
    assert!(shown.starts_with("HOME/state/masternode/history\n\n"), "{shown}");
    // Sizes are the store's affair; everything else is known.
    let words = |shown: &str, first: &str| -> Vec<String> {
        let line =
            shown.lines().find(|l| l.starts_with(first)).unwrap_or_else(|| panic!("no {first}: {shown}"));
        line[first.len()..].split_whitespace().map(str::to_owned).collect()
    };
    let raw = words(&shown, "raw samples");
    assert_eq!((raw[0].as_str(), raw[3].as_str()), ("5", "3,600"), "{shown}");
    assert_eq!(raw[5..], ["2023-11-14T22:00:00Z", "2023-11-14T22:09:59Z"], "{shown}");
    assert_eq!(words(&shown, "log")[2], "180", "{shown}");
    assert!(shown.contains("\n2 instances, 3 metrics with their labels\n"), "{shown}");
    assert_eq!(words(&shown, "node_load1 ")[..2], ["2", "1,200"], "{shown}");
    assert_eq!(words(&shown, "node_cpu_seconds_total ")[..2], ["4", "2,400"], "{shown}");
    assert!(words(&shown, "node_load1 ").last().unwrap() == "%", "{shown}");
    let by = history(home.path(), &["stats", "--by", "instance", "--top", "1", place.to_str().unwrap()]);
    let by = text(&by.stdout);
    let lines: Vec<&str> = by.lines().filter(|l| l.starts_with("db ") || l.starts_with("web�[2J ")).collect();
    assert_eq!(lines.len(), 1, "{by}");
    assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>()[1..3], ["3", "1,800"], "{by}");
}

#[test]
fn stats_add_up_as_json() {
    let home = folder();
    let place = home.path().join("copy");
    write(&place);
    let place = place.to_str().unwrap();
    let stats = json(&history(home.path(), &["stats", "--json", "--folder", place]));
    let sum = |lines: &str, field: &str| -> u64 {
        stats[lines].as_array().unwrap().iter().map(|line| line[field].as_u64().unwrap()).sum()
    };
    assert_eq!(sum("metrics", "series"), 6);
    assert_eq!(sum("metrics", "samples"), 3600);
    assert_eq!(stats["raw"]["values"], 3600);
    assert_eq!(stats["log"]["samples"], 180);
    assert_eq!(stats["raw"]["from_ms"], START_MS);
    assert_eq!((&stats["metrics_total"], &stats["instances_total"]), (&Value::from(3), &Value::from(2)));
    assert_eq!(stats["damaged"], Value::Array(Vec::new()));
    let in_files = stats["bytes"].as_u64().unwrap() - stats["log"]["bytes"].as_u64().unwrap();
    let metrics = sum("metrics", "raw_bytes") + sum("metrics", "rollup_bytes");
    assert_eq!(metrics + stats["index_bytes"].as_u64().unwrap(), in_files);
    // The same by computer; the name is escaped, not replaced.
    let stats = json(&history(home.path(), &["stats", "--json", "--by", "instance", place]));
    let names: Vec<&str> =
        stats["instances"].as_array().unwrap().iter().map(|line| line["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"web\u{1b}[2J") && names.contains(&"db"), "{names:?}");
    // Totals only.
    let totals = json(&history(home.path(), &["stats", "--json", "--top", "0", place]));
    assert!(totals.get("metrics").is_none() && totals["raw"]["values"] == 3600, "{totals}");
}

#[test]
fn what_is_whole_is_said_to_be_whole_while_it_is_written_too() {
    let home = folder();
    let place = home.path().join("history");
    let (store, _) = Store::open(Arc::new(Disk::open(&place).unwrap()), Options::default()).unwrap();
    let mut writer = store.writer().unwrap();
    feed(&store, &mut writer, 0, 300);
    let output = history(home.path(), &["verify", place.to_str().unwrap()]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    let said = text(&output.stdout);
    assert!(said.contains(": whole; ") && said.contains(" samples in "), "{said}");
    let report = json(&history(home.path(), &["verify", "--json", place.to_str().unwrap()]));
    let values = report["values"].as_u64().unwrap() + report["log_samples"].as_u64().unwrap();
    assert_eq!((report["whole"].as_bool(), values), (Some(true), 1800), "{report}");
}

#[test]
fn each_flipped_byte_is_found_and_named() {
    let home = folder();
    for (suffix, offset, what) in [
        (".seg", 20, "the header's checksum is wrong"),
        (".seg", 60, "the checksum is wrong"),
        (".wal", 60, "a record's checksum is wrong"),
    ] {
        let place = home.path().join(format!("{}-{offset}", &suffix[1..]));
        write(&place);
        let file = largest(&place, suffix);
        flip(&file, offset);
        let name = file.file_name().unwrap().to_str().unwrap();
        let output = history(home.path(), &["verify", place.to_str().unwrap()]);
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.lines().count() == 2 && said.contains(": 1 thing is damaged; "), "{said}");
        assert!(said.starts_with(&format!("DAMAGED  {name} at byte ")) && said.contains(what), "{said}");
        assert!(said.contains("backup"), "{said}");
        let report = json(&history(home.path(), &["verify", "--json", place.to_str().unwrap()]));
        assert_eq!((&report["damaged"][0]["file"], report["whole"].as_bool()), (&name.into(), Some(false)));
        // The rest is still counted.
        assert_eq!(history(home.path(), &["stats", place.to_str().unwrap()]).status.code(), Some(0));
    }
}

#[test]
fn what_was_being_written_when_the_power_failed_is_a_note() {
    let home = folder();
    let place = home.path().join("history");
    write(&place);
    let log = largest(&place, ".wal");
    let bytes = std::fs::read(&log).unwrap();
    std::fs::write(&log, &bytes[..bytes.len() - 5]).unwrap();
    let output = history(home.path(), &["verify", place.to_str().unwrap()]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.starts_with("note  ") && said.contains("a record was cut short"), "{said}");
    let report = json(&history(home.path(), &["verify", "--json", place.to_str().unwrap()]));
    assert_eq!((report["whole"].as_bool(), report["notes"].as_array().unwrap().len()), (Some(true), 1));
    assert_eq!(report["log_samples"], 174, "{report}");
}

#[test]
fn more_files_than_a_shell_allows_are_opened() {
    let home = folder();
    let place = home.path().join("history");
    let options = Options { sync: chasar_tsdb::Sync::Never, ..Options::default() };
    let (store, _) = Store::open(Arc::new(Disk::open(&place).unwrap()), options).unwrap();
    let mut writer = store.writer().unwrap();
    let series = writer.series(&labels(&[(NAME, "n")]), Kind::Gauge);
    for hour in 0..100 {
        let now = START_MS + hour * 3_600_000;
        writer.sample(&series, now, 0.0);
        writer.commit(now).unwrap();
        store.flush(now).unwrap();
    }
    drop((series, writer, store));
    let at = START_MS / 1000 + 100 * 3600;
    for (command, expected) in [
        ("history verify history", " of 100 segments with 100 values"),
        (&format!("query 'count_over_time(n[1000h])' --at {at} --folder history"), "100"),
    ] {
        let line = format!("ulimit -S -n 40; exec {} {command}", env!("CARGO_BIN_EXE_chasar"));
        let mut bash = std::process::Command::new("bash");
        let output = bash.args(["-c", &line]).current_dir(home.path()).output().unwrap();
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{command}: {said}{}", text(&output.stderr));
        assert!(said.contains(expected), "{command}: {said}{}", text(&output.stderr));
    }
}

#[test]
fn a_wrong_end_of_a_log_that_nobody_writes_to_any_more_is_damage() {
    let home = folder();
    let place = home.path().join("history");
    let (store, _) = Store::open(Arc::new(Disk::open(&place).unwrap()), Options::default()).unwrap();
    let mut writer = store.writer().unwrap();
    let series = writer.series(&labels(&[(NAME, "n")]), Kind::Gauge);
    for second in (0..600).step_by(20) {
        writer.sample(&series, START_MS + second * 1000, second as f64);
        writer.commit(START_MS + second * 1000).unwrap();
    }
    drop((series, writer, store));
    let mut logs: Vec<_> = std::fs::read_dir(&place).unwrap().map(|e| e.unwrap().path()).collect();
    logs.retain(|path| path.extension().is_some_and(|e| e == "wal"));
    logs.sort();
    assert_eq!(logs.len(), 5);
    for (log, code, mark) in [(&logs[2], 0, "note "), (&logs[1], 1, "DAMAGED ")] {
        let end = usize::try_from(std::fs::metadata(log).unwrap().len()).unwrap() - 1;
        flip(log, end);
        let output = history(home.path(), &["verify", place.to_str().unwrap()]);
        let said = text(&output.stdout);
        assert_eq!((output.status.code(), said.starts_with(mark)), (Some(code), true), "{said}");
        assert!(said.contains("a record's checksum is wrong"), "{said}");
        flip(log, end);
    }
}

#[test]
fn mistakes_are_answered_with_what_to_do() {
    let home = folder();
    let empty = home.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let newer = home.path().join("newer");
    write(&newer);
    let file = largest(&newer, ".seg");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[8] = 9;
    std::fs::write(&file, bytes).unwrap();
    let (empty, newer) = (empty.to_str().unwrap(), newer.to_str().unwrap());
    for (args, code, parts) in [
        (&["stats"][..], 1, &["there is no history in ", "--folder"][..]),
        (&["verify", "/nowhere"], 1, &["/nowhere: the folder does not exist"]),
        (&["stats", empty], 1, &["is no folder of history", "name the folder"]),
        (&["verify", newer], 1, &["format version 9", "use a newer one"]),
        (&["stats", "--top", "many"], 2, &["'many'", "or all"]),
        (&["stats", "--by", "job"], 2, &["'job'", "instance"]),
        (&["stats", "/a", "--folder", "/b"], 2, &["cannot be used with"]),
        (&["stats", "--config", "/nowhere.toml"], 2, &["/nowhere.toml", "check the path"]),
    ] {
        let output = history(home.path(), args);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.starts_with("error: ") && stderr.lines().count() == 1, "{args:?}: {stderr}");
        for part in parts {
            assert!(stderr.contains(part), "{args:?} does not say {part:?}: {stderr}");
        }
    }
    assert_eq!(run(&["history"]).status.code(), Some(2));
}
