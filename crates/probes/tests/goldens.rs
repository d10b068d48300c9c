//! Recorded hosts and what we say of them: the reports of each tree under `fixtures` are compared
//! with the golden files in it. `UPDATE_GOLDENS=1` writes them anew; then look at the difference.
//!
//! A host is a folder with `proc`, `sys`, `etc` and `facts` (see [`chasar_probes::linux::host`]). What
//! is under `later` lies over it one second later; what is named in `later/gone` is gone by then, and
//! so are the processes whose clocks are. The first report is `report.json`, the second `later.json`.
#![cfg(target_os = "linux")]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chasar_probes::{Config, Host, Now, ProcessList, Sampler};
use chasar_wire::Report;
use chasar_wire::family::Outcome;
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Copies the files of `from` over those of `to`, whose descriptors stay good, as in a real `/proc`.
fn lay_over(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            lay_over(&entry.path(), &to);
        } else {
            fs::write(to, fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

/// The reports of a host at its moments, one second apart; the clock stands still within a sample.
fn reports(name: &str) -> Vec<Report> {
    let recorded = fixtures().join(name);
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    lay_over(&recorded, folder);
    let clock = Arc::new(AtomicU64::new(1_000));
    let seconds = clock.clone();
    let config = Config {
        host: Arc::new(Host::recorded(folder)),
        monotonic: Arc::new(move || Duration::from_secs(seconds.load(Ordering::Relaxed))),
        processes: ProcessList::default(),
    };
    let now = |seconds: u64| {
        clock.store(seconds, Ordering::Relaxed);
        Now {
            unix_micros: seconds as i64 * 1_000_000 + 1_700_000_000_123_456,
            monotonic: Duration::from_secs(seconds),
        }
    };
    let mut sampler = Sampler::new(config, &now(1_000));
    let mut report = Report::default();
    sampler.sample(&now(1_001), &mut report);
    let mut reports = vec![without_folder(&report, folder)];
    let later = recorded.join("later");
    if later.is_dir() {
        lay_over(&later, folder);
        let gone = fs::read_to_string(later.join("gone")).unwrap_or_default();
        for path in gone.lines() {
            fs::remove_dir_all(folder.join(path)).unwrap_or_else(|e| panic!("{name}: {path}: {e}"));
        }
        sampler.sample(&now(1_002), &mut report);
        reports.push(without_folder(&report, folder));
    }
    reports
}

/// The folder is another one each time; what went wrong names files in it.
fn without_folder(report: &Report, folder: &Path) -> Report {
    let mut report = report.clone();
    for (_, status) in &mut report.probes.0 {
        if let Outcome::Failed(why) = &mut status.outcome {
            *why = why.replace(folder.to_str().unwrap(), "").into();
        }
    }
    report
}

/// JSON with a line for each key; a list of plain values is one line.
fn pretty(value: &Value, indent: usize, out: &mut String) {
    let plain = |v: &Value| !v.is_object() && !v.is_array();
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push_str("{\n");
            for (i, (key, value)) in map.iter().enumerate() {
                write!(out, "{:1$}{2}: ", "", indent + 2, Value::from(key.as_str())).unwrap();
                pretty(value, indent + 2, out);
                out.push_str(if i + 1 < map.len() { ",\n" } else { "\n" });
            }
            write!(out, "{:indent$}}}", "").unwrap();
        }
        Value::Array(list) if !list.iter().all(plain) => {
            out.push_str("[\n");
            for (i, value) in list.iter().enumerate() {
                write!(out, "{:1$}", "", indent + 2).unwrap();
                pretty(value, indent + 2, out);
                out.push_str(if i + 1 < list.len() { ",\n" } else { "\n" });
            }
            write!(out, "{:indent$}]", "").unwrap();
        }
        other => write!(out, "{other}").unwrap(),
    }
}

fn text(report: &Report) -> String {
    let mut out = String::new();
    pretty(&serde_json::to_value(report).unwrap(), 0, &mut out);
    out.push('\n');
    out
}

fn check(name: &str) {
    let reports = reports(name);
    for (report, file) in reports.iter().zip(["report.json", "later.json"]) {
        // What a host says of itself must be a report that a masternode takes.
        let mut json = Vec::new();
        chasar_wire::encode(report, &mut json);
        let decoded = chasar_wire::decode(&json).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(text(&decoded), text(report), "{name}: something is lost on the way");

        let path = fixtures().join(name).join(file);
        let ours = text(report);
        if std::env::var_os("UPDATE_GOLDENS").is_some() {
            fs::write(&path, ours).unwrap();
            continue;
        }
        let golden = fs::read_to_string(&path)
            .unwrap_or_else(|e| panic!("{}: {e}; UPDATE_GOLDENS=1 makes it", path.display()));
        if ours != golden {
            let (line, (is, was)) = ours
                .lines()
                .chain(std::iter::repeat(""))
                .zip(golden.lines().chain(std::iter::repeat("")))
                .enumerate()
                .find(|(_, (a, b))| a != b)
                .expect("texts that differ have a line that differs");
            panic!(
                "{} line {}: is {is:?}, was {was:?}; UPDATE_GOLDENS=1 takes the new",
                path.display(),
                line + 1
            );
        }
    }
}

macro_rules! hosts {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            check(stringify!($name));
        })*
        const HOSTS: &[&str] = &[$(stringify!($name)),*];
    };
}

hosts! { container hostile hot_unplug many_cores old_kernel raspberry_pi zfs_storage }

#[test]
fn no_recorded_host_is_forgotten() {
    let mut names: Vec<_> =
        fs::read_dir(fixtures()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, HOSTS);
}

fn one<'r, T>(list: &'r [T], what: &str, is: impl Fn(&T) -> bool) -> &'r T {
    let mut all = list.iter().filter(|t| is(t));
    let one = all.next().unwrap_or_else(|| panic!("{what} is missing"));
    assert!(all.next().is_none(), "{what} is there twice");
    one
}

/// The golden files hold what we say; this holds why it is right.
#[test]
fn what_is_unplugged_is_gone_and_makes_no_spike() {
    let [before, after] = &reports("hot_unplug")[..] else { panic!("two moments") };
    let devices =
        |r: &Report| r.block_devices.iter().flatten().map(|d| d.device.to_string()).collect::<Vec<_>>();
    assert_eq!(devices(before), ["nvme0n1", "sda", "sdb", "dm-0"]);
    assert_eq!(devices(after), ["nvme0n1", "sda", "dm-0"]);
    assert_eq!((before.cpu.core.len(), &after.cpu.core[..]), (8, &[0, 1, 2, 3, 4, 6, 7][..]));
    for percent in after.cpu.percent_used.iter().map(|p| p.expect("every core was there before")) {
        assert!((0.0..=100.0).contains(&percent), "{percent}");
    }
    let (old, new) = (before.network.as_ref().unwrap(), after.network.as_ref().unwrap());
    assert!(old.interfaces.iter().any(|i| i.device.starts_with("enx")));
    assert!(!new.interfaces.iter().any(|i| i.device.starts_with("enx")));
    let eth0 = one(&new.interfaces, "eth0", |i| i.device == "eth0");
    assert_eq!(eth0.mac_address.as_deref(), Some("a4:4c:c8:99:99:99"), "made anew, so it is read at once");
    assert_eq!(eth0.receive_bytes_total, Some(1500), "as the kernel says; who reads sees that it went back");
    assert!(eth0.ipv4.is_empty());
    assert_eq!(
        (old.default_interface.as_deref(), new.default_interface.as_deref()),
        (Some("eth0"), Some("wlan0"))
    );
    assert_eq!(after.mac_address.as_deref(), Some("38:de:ad:01:02:03"));
    assert_eq!(after.ipv4_interfaces[0].addr, "192.168.1.41");
    let mounted =
        |r: &Report| r.filesystems.iter().flatten().any(|f| f.mountpoint == "/run/media/bob/USB STICK");
    assert!(mounted(before) && !mounted(after));
    let process = |name: &str| after.process.0.iter().find(|p| p.name == name);
    assert!(process("rsync").is_none(), "its number belongs to another process now");
    let percent = process("bash").expect("the new one").percent_cpu_used;
    assert!(percent.is_none_or(|p| p <= 100.0), "{percent:?}");
}

#[test]
fn file_systems_count_once_on_every_host() {
    let points = |name: &str| {
        let report = reports(name).remove(0);
        report.filesystems.unwrap_or_default().iter().map(|f| f.mountpoint.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(points("container"), ["/", "/data"]);
    assert_eq!(points("old_kernel"), ["/run", "/", "/boot", "/srv/exports"]);
    assert_eq!(points("hot_unplug"), ["/", "/boot/efi", "/run", "/run/media/bob/USB STICK"]);
    assert_eq!(points("zfs_storage"), ["/", "/run", "/tank", "/tank/media", "/tank/back ups"]);
    let many = points("many_cores");
    assert!(
        !many.iter().any(|p| p.contains("docker/") || p.starts_with("/snap") || p.contains("gvfs")),
        "{many:?}"
    );
    assert!(many.iter().any(|p| p == "/mnt/broken"), "a mount that fails is listed");
    assert!(!many.iter().any(|p| p == "/srv/exports"), "a bind mount");
}

#[test]
fn nothing_hostile_becomes_a_number() {
    let report = reports("hostile").pop().unwrap();
    let interfaces = &report.network.as_ref().unwrap().interfaces;
    for interface in interfaces {
        assert!(interface.device.len() <= 255);
        assert_eq!(interface.speed_bytes, None);
        assert_eq!(interface.mtu_bytes, None);
    }
    for fs in report.filesystems.iter().flatten() {
        assert!(fs.mountpoint.len() < 700 && fs.device.len() < 700);
        assert!(fs.mountpoint.starts_with('/') && !fs.mountpoint.contains('\0'));
    }
    let absurd = report.filesystems.iter().flatten().find(|f| f.mountpoint == "/mnt/absurd").unwrap();
    assert_eq!((absurd.size_bytes, absurd.avail_bytes), (None, None));
    for percent in report.cpu.percent_used.iter().flatten() {
        assert!((0.0..=100.0).contains(percent), "{percent}");
    }
    for process in &report.process.0 {
        assert!(process.percent_cpu_used.is_none_or(|p| (0.0..=100_000.0).contains(&p)), "{process:?}");
        assert!(process.percent_memory_used.is_none_or(|p| (0.0..=100.0).contains(&p)), "{process:?}");
    }
}
