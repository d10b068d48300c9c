//! Windows under Wine: what its clientnode reports is held against what Linux says of the same computer,
//! both roles live through the death of the other, end on Ctrl-C, and run as a service.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use chasar_e2e::program::Signal;
use chasar_e2e::report::assert_2016;
use chasar_e2e::{Clientnode, Executable, Masternode, Program, Site, Subscriber, clientnode, until};
use serde_json::Value;

/// Emulated programs take their time to start.
const SOON: Duration = Duration::from_secs(60);
/// How long a clean end may take.
const STOP: Duration = Duration::from_secs(10);
/// Reports watched at the interval that everybody uses.
const WATCHED: usize = 8;
/// What the service is registered under; no other prefix of Wine sees it.
const SERVICE: &str = "chasar-clientnode";

/// Ends a program as Ctrl-C in its console does: Wine makes that event of the signal.
#[track_caller]
fn control_c(program: &mut Program) {
    program.signal(Signal::Interrupt);
    let status = program.ended(STOP);
    assert!(status.success(), "{} ended with {status}; it said:\n{}", program.name(), program.output());
}

/// The reports of a node, oldest first.
fn reports(subscriber: &Subscriber, of_windows: bool) -> Vec<Value> {
    let all = subscriber.messages();
    let reports = all.iter().map(|message| message.json());
    reports.filter(|report| (report["host"]["os"] == "windows") == of_windows).collect()
}

#[track_caller]
fn number(value: &Value, what: &str) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{what} is {value}"))
}

/// The member of a list whose `key` is `name`.
#[track_caller]
fn named<'v>(list: &'v Value, key: &str, name: &str) -> &'v Value {
    let members = list.as_array().expect("a list");
    members.iter().find(|m| m[key] == name).unwrap_or_else(|| panic!("no {name} in {list}"))
}

#[test]
fn windows_reports_are_those_of_the_same_computer_under_linux() {
    let site = Site::new();
    let masternode = Masternode::start(&site);
    let subscriber = Subscriber::python(&site, masternode.stream(), &["Chasar-Client"]);
    let mut linux = Clientnode::named(&site, "linux", &["--processes", "all"]);
    let far = site.running(&Executable::of("windows"));
    let mut windows = Clientnode::named(&far, "windows", &[]);
    until(SOON, "reports of both, and one of Linux after the last of Windows", || {
        windows.program.running()?;
        let (ours, theirs) = (reports(&subscriber, true), reports(&subscriber, false));
        let later = theirs
            .last()
            .zip(ours.get(WATCHED))
            .is_some_and(|(theirs, ours)| theirs["sampled_at_ms"].as_i64() > ours["sampled_at_ms"].as_i64());
        if later { Ok(()) } else { Err(format!("{} and {}", ours.len(), theirs.len())) }
    });
    let (ours, theirs) = (reports(&subscriber, true), reports(&subscriber, false));
    let report = &ours[WATCHED];
    assert_2016(report);

    let at = |report: &Value| report["sampled_at_ms"].as_i64().expect("sampled_at_ms");
    // A computer too busy to sample in time says how often; what it does sample keeps to the second.
    let missed = |r: &Value| number(&r["agent"]["missed_ticks_total"], "missed ticks");
    let ticks = WATCHED as f64 + missed(report) - missed(&ours[0]);
    let average = (at(report) - at(&ours[0])) as f64 / 1e3 / ticks;
    eprintln!("a tick every {average:.3} s, {} missed", ticks - WATCHED as f64);
    assert!((0.9..1.1).contains(&average), "1 Hz");

    let outcomes = report["probes"].as_object().expect("probes");
    let told: BTreeSet<&str> = outcomes.keys().map(String::as_str).collect();
    let documented = documented_probes();
    assert_eq!(told, documented.iter().map(String::as_str).collect(), "the table of docs/platforms.md");
    for probe in ["cpu", "memory", "host", "filesystems", "network", "sockets", "tcp_states", "processes"] {
        assert_eq!(outcomes[probe]["outcome"], "fresh", "{probe}: {}", outcomes[probe]);
    }
    // Wine keeps neither; on Windows both are fresh.
    assert_eq!(outcomes["paging"]["outcome"], "nothing here: this system counts no page faults");
    assert_eq!(outcomes["block_devices"]["outcome"], "nothing here: the drives keep no counters");

    let before = theirs.iter().rev().find(|r| at(r) < at(&ours[0])).unwrap_or(&theirs[0]);
    let after = theirs.iter().find(|r| at(r) > at(report)).expect("waited for");
    same_computer(report, before, after);
    processes(&ours[0], report);
    control_c(&mut windows.program);
    linux.program.stop(STOP);
    until(SOON, "a good-bye", || {
        let ours = reports(&subscriber, true);
        let last = ours.last().expect("there were some");
        if last["leaving"] == true { Ok(()) } else { Err(last["sequence"].to_string()) }
    });
}

/// The probes of Windows in the table of docs/platforms.md.
fn documented_probes() -> BTreeSet<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/platforms.md");
    let text = fs::read_to_string(path).expect("docs/platforms.md");
    let cells =
        |line: &str| line.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect::<Vec<_>>();
    let mut lines = text.lines().skip_while(|line| !line.starts_with("| probe |"));
    assert_eq!(cells(lines.next().expect("the table"))[2], "Windows");
    let rows = lines.skip(1).take_while(|line| line.starts_with('|')).map(cells);
    rows.filter(|row| row[2] != "–").map(|row| row[0].trim_matches('`').to_owned()).collect()
}

/// What does not depend on the moment is equal, and counters lie between those of Linux before and after.
fn same_computer(report: &Value, before: &Value, after: &Value) {
    let total = &after["memory"]["mem_total_bytes"];
    let ours = number(&report["memory"]["total_bytes"], "total memory");
    // Wine takes a page off.
    assert!((ours - number(total, "MemTotal")).abs() <= 65_536.0, "{ours} and {total}");
    let available = number(&report["memory"]["available_bytes"], "available memory");
    let close = number(&after["memory"]["mem_available_bytes"], "MemAvailable");
    assert!((available - close).abs() < 0.25 * number(total, "MemTotal"), "{available} and {close}");
    assert_eq!(report["cpu"]["core"], after["cpu"]["core"]);
    for share in report["cpu"]["percent_used"].as_array().expect("shares") {
        assert!((0.0..=100.0).contains(&number(share, "a share of a core")), "{share}");
    }
    for key in ["hostname", "mac_address", "ipv4_interfaces"] {
        assert_eq!(report[key], after[key], "{key}");
    }
    let uptime = |r: &Value| number(&r["host"]["uptime_seconds"], "uptime");
    assert!((uptime(before) - 1.0..=uptime(after) + 1.0).contains(&uptime(report)), "uptime");
    let boot = |r: &Value| number(&r["host"]["boot_time_seconds"], "boot time");
    assert!((boot(report) - boot(after)).abs() < 5.0, "{} and {}", boot(report), boot(after));
    assert_eq!(report["host"]["virtualization"], "wine");
    assert_eq!(report["host"]["architecture"], after["host"]["architecture"]);

    // Wine shows the whole tree as Z:, and a folder of the same or another file system as C:.
    let root = named(&after["filesystems"], "mountpoint", "/");
    let drive = named(&report["filesystems"], "mountpoint", "Z:\\");
    let (size, ours) = (number(&root["size_bytes"], "a size"), number(&drive["size_bytes"], "a size"));
    assert!((size - ours).abs() <= 0.06 * size, "{ours} and {size}; some reserve is counted or not");
    assert!(number(&report["disk"]["total_bytes"], "C:") > 0.0);

    let interface = &report["network"]["default_interface"];
    assert_eq!(interface, &after["network"]["default_interface"]);
    for name in ["lo", interface.as_str().expect("a default interface")] {
        let of = |r: &Value| named(&r["network"]["interfaces"], "device", name).clone();
        let (before, ours, after) = (of(before), of(report), of(after));
        for counter in ["receive_bytes_total", "receive_packets_total", "transmit_bytes_total"] {
            let value = |interface: &Value| number(&interface[counter], counter);
            let between = (value(&before)..=value(&after)).contains(&value(&ours));
            assert!(between, "{name} {counter}: {before} {ours} {after}");
        }
        for key in ["mtu_bytes", "ipv4"] {
            assert_eq!(ours[key], after[key], "{name} {key}");
        }
        let sorted = |interface: &Value| {
            let mut list: Vec<String> = serde_json::from_value(interface["ipv6"].clone()).unwrap_or_default();
            list.sort();
            list
        };
        assert_eq!(sorted(&ours), sorted(&after), "{name} ipv6");
    }
    let opens = |r: &Value| number(&r["sockets"]["protocols"]["tcp_active_opens_total"], "ActiveOpens");
    assert!((opens(before)..=opens(after)).contains(&opens(report)), "ActiveOpens");
}

/// The agent itself is among the processes, with its own numbers.
fn processes(first: &Value, report: &Value) {
    let agent = &report["agent"];
    // Others of the name may run, and the bare name is the busiest one's.
    let listed = report["process"].as_object().expect("processes");
    let (name, own) = listed.iter().find(|(_, p)| p["pid"] == agent["pid"]).expect("the agent is listed");
    assert!(name.starts_with("chasar.exe"), "{name}");
    assert_eq!(
        own["status"], "unknown",
        "Wine does not tell what threads do, and that is no state of psutil's"
    );
    assert_eq!(report["processes"]["total"], report["processes"]["other"], "nor do they count as anything");
    let (listed, told) = (number(&own["resident_bytes"], "listed"), number(&agent["resident_bytes"], "told"));
    assert!((listed - told).abs() < 0.5 * told, "{listed} and {told}");
    assert!(told < 100e6, "the agent has {told} bytes");
    assert!(number(&own["threads"], "threads") >= 2.0);
    let started = number(&own["start_time_seconds"], "start");
    let session = number(&agent["started_at_ms"], "session") / 1e3;
    assert!((started - session).abs() < 30.0, "{started} and {session}");
    let total = number(&report["processes"]["total"], "processes");
    assert!(total >= 2.0, "Wine has services of its own");
    let cpu = |r: &Value| number(&r["agent"]["cpu_seconds_total"], "processor time");
    let spent = (cpu(report) - cpu(first)) / WATCHED as f64;
    let bytes = number(&report["agent"]["sent_bytes_total"], "sent") / (WATCHED as f64 + 1.0);
    eprintln!("under Wine: {:.1} ms of processor a report, some {bytes:.0} bytes each", 1e3 * spent);
    assert!(spent < 0.2, "{spent} s of processor a report");
}

#[test]
fn windows_clientnode_outlives_its_masternode_without_a_gap() {
    let site = Site::new();
    let far = site.running(&Executable::of("windows"));
    outage(&site, &far);
}

#[test]
fn windows_masternode_serves_linux_nodes_and_subscribers() {
    let site = Site::new();
    let far = site.running(&Executable::of("windows"));
    outage(&far, &site);
}

/// Kills and restarts the masternode under a clientnode; every report comes once, and both end on Ctrl-C.
fn outage(masternodes: &Site, clientnodes: &Site) {
    let mut masternode = Masternode::start(masternodes);
    let subscriber = Subscriber::python(masternodes, masternode.stream(), &["Chasar-Client"]);
    let mut clientnode = Clientnode::named(clientnodes, "node", &[]);
    let count = |wanted: usize| {
        until(SOON, &format!("{wanted} reports"), || {
            let count = subscriber.messages().len();
            if count >= wanted { Ok(()) } else { Err(format!("{count} reports")) }
        });
    };
    count(3);
    masternode.program.kill();
    masternode.restart();
    count(subscriber.messages().len() + 4);
    let session = subscriber.ledger().sessions()[0].clone();
    until(SOON, "the replay", || {
        let ledger = subscriber.ledger();
        let missing = ledger.missing(&session);
        if missing.is_empty() && ledger.settled(&session) {
            Ok(())
        } else {
            Err(format!("missing {missing:?}"))
        }
    });
    assert_eq!(subscriber.ledger().sessions().len(), 1, "the clientnode ran on");
    control_c(&mut clientnode.program);
    until(SOON, "a good-bye", || {
        let leaving = subscriber.ledger().entries.last().is_some_and(|last| last.leaving);
        if leaving { Ok(()) } else { Err("none".to_owned()) }
    });
    control_c(&mut masternode.program);
}

/// `wine PROGRAM` with the words of the runner that starts the program under test.
fn wine(site: &Site, program: &str, arguments: &[&str]) -> Command {
    let runner = std::env::var("CHASAR_TEST_WINDOWS_RUNNER").expect("how programs of Windows are started");
    let mut words = runner.split_whitespace();
    let mut command = Command::new(words.next().expect("a runner"));
    command.args(words).arg(program).args(arguments);
    clientnode::clean(&mut command, site);
    command
}

/// Runs a command of Windows to its end.
#[track_caller]
fn tell(site: &Site, program: &str, arguments: &[&str]) -> String {
    let output = wine(site, program, arguments).output().expect("wine starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {}: {said}", output.status);
    said
}

/// Files of this name below a folder.
fn find(folder: &Path, name: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => find(&entry.path(), name, found),
            Ok(kind) if kind.is_file() && entry.file_name() == name => found.push(entry.path()),
            _ => {}
        }
    }
}

#[test]
fn windows_service_starts_reports_and_stops() {
    let site = Site::new();
    let executable = Executable::of("windows");
    let far = site.running(&executable);
    let masternode = Masternode::start(&site);
    let subscriber = Subscriber::python(&site, masternode.stream(), &["Chasar-Client"]);
    // Wine ends its services with the last ordinary program, so one is kept open.
    let mut keep = far.command();
    let stream = masternode.stream().to_string();
    keep.args(["watch", &stream, "--json", "--states"]);
    clientnode::clean(&mut keep, &far);
    let mut keep = Program::start("watch", keep, &site.folder().join("watch.log"), None);

    // Where its data lies is a matter of the prefix, which other tests share: files of its own.
    let own = |name: &str| {
        let path = site.folder().join(name);
        tell(&site, "winepath", &["-w", path.to_str().expect("UTF-8")]).trim().to_owned()
    };
    let (state, settings) = (own("service"), own("chasar.toml"));
    let chasar = |arguments: &[&str]| {
        let mut command = far.command();
        clientnode::clean(command.arg("service").args(arguments), &far);
        let output = command.output().expect("wine starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        (output.status.code(), format!("{said}{errors}"))
    };
    let address = site.address().to_string();
    let install = ["install", "clientnode", &address, "--state-dir", &state, "--config", &settings];
    let (code, said) = chasar(&install);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("is running, and starts with the system"), "{said}");
    let query = || tell(&site, "sc", &["query", SERVICE]);
    let reached = |state: &str| {
        until(SOON, &format!("a service that is {state}"), || {
            let said = query();
            if said.contains(state) { Ok(said) } else { Err(said) }
        })
    };
    reached("RUNNING");
    let (code, said) = chasar(&["status", "clientnode"]);
    assert_eq!(code, Some(0), "{said}");
    until(SOON, "reports of the service", || {
        keep.running()?;
        let count = reports(&subscriber, true).len();
        if count >= 3 { Ok(()) } else { Err(format!("{count}: {}", query())) }
    });
    // Over it one that cannot run, since its spool is taken: what was there is registered again, and runs.
    let spool = own("spool");
    let mut other = Clientnode::named(&far, "other", &["--spool-dir", &spool]);
    until(SOON, "reports of another", || {
        other.program.running()?;
        let nodes: BTreeSet<_> =
            reports(&subscriber, true).iter().map(|r| r["node_id"].to_string()).collect();
        if nodes.len() == 2 { Ok(()) } else { Err(format!("{nodes:?}")) }
    });
    let again = ["install", "clientnode", &address, "--spool-dir", &spool, "--config", &own("other.toml")];
    let (code, said) = chasar(&again);
    control_c(&mut other.program);
    assert_eq!(code, Some(1), "{said}");
    // Wine's services see another ProgramData than its programs, so the last words are not found there.
    assert!(said.contains("it ended: ") && said.contains("everything before it was undone"), "{said}");
    assert!(!site.folder().join("other.toml").exists());
    let registered = tell(
        &site,
        "reg",
        &["query", &format!(r"HKLM\SYSTEM\CurrentControlSet\Services\{SERVICE}"), "/v", "ImagePath"],
    );
    assert!(registered.contains(&settings), "{registered}");
    reached("RUNNING");
    tell(&site, "sc", &["stop", SERVICE]);
    let stopped = reached("STOPPED");
    assert!(stopped.contains("WIN32_EXIT_CODE    : 0"), "{stopped}");
    assert_eq!(chasar(&["status", "clientnode"]).0, Some(3));
    let (code, said) = chasar(&["uninstall", "clientnode"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(chasar(&["status", "clientnode"]).0, Some(4));
    until(SOON, "a good-bye", || {
        let last = reports(&subscriber, true).pop().expect("there were some");
        if last["leaving"] == true { Ok(()) } else { Err(last["sequence"].to_string()) }
    });
    let mut logs = Vec::new();
    find(&site.folder().join("service"), "chasar.log", &mut logs);
    let log = fs::read_to_string(logs.first().expect("the service keeps a log")).expect("text");
    assert!(log.contains("clientnode started") && log.contains("clientnode ended"), "{log}");
    control_c(&mut keep);
}
