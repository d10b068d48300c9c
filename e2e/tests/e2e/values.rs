//! The numbers of a report beside those of other programs that read the same host in the same minute.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chasar_e2e::metrics::{Scrape, Series};
use chasar_e2e::peer::Peer;
use chasar_e2e::{Clientnode, Masternode, Place, Program, Site, Subscriber, http, until, workspace};
use serde_json::Value;

use crate::series_kinds::{Kind, NOT_THERE, kind};

const SOON: Duration = Duration::from_secs(60);

/// A gauge is compared in so many rounds and must agree in one: it may jump while it is read.
const ROUNDS: usize = 4;

/// Fewer comparisons than this mean that the test lost its sight.
const AT_LEAST_COMPARED: usize = 150;

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// A masternode, a clientnode of this computer and a subscriber.
struct Stage {
    site: Site,
    subscriber: Subscriber,
    masternode: Masternode,
    clientnode: Clientnode,
}

impl Stage {
    fn new(options: &[&str]) -> Stage {
        let site = Site::new();
        let masternode = Masternode::start(&site);
        let subscriber = Subscriber::python(&site, masternode.stream(), &["Chasar-Client"]);
        let clientnode = Clientnode::start(&site, options);
        // Rates and slow sources are there from the second or third report on.
        subscriber.at_least(4, SOON);
        Stage { site, subscriber, masternode, clientnode }
    }

    /// The series of the node in the masternode's `/metrics`, sampled after this moment.
    fn series_after(&self, moment_ms: i64) -> Scrape {
        until(SOON, "newer samples", || {
            let page = http::get(self.site.place(), self.masternode.http(), "/metrics?job=chasar")?.body;
            let scrape = Scrape::parse(&page)?;
            let sampled = scrape.sum("node_time_seconds").ok_or("no node yet")?;
            if sampled * 1e3 > moment_ms as f64 { Ok(scrape) } else { Err(format!("sampled at {sampled}")) }
        })
    }

    /// A report that was sampled after this moment.
    fn report_after(&self, moment_ms: i64) -> Value {
        until(SOON, "a report", || {
            let messages = self.subscriber.messages();
            let newest = messages.last().ok_or("none")?.json();
            let sampled = newest["sampled_at_ms"].as_i64().ok_or("no sampled_at_ms")?;
            if sampled > moment_ms {
                Ok(newest)
            } else {
                Err(format!("sampled {} ms before", moment_ms - sampled))
            }
        })
    }
}

/// What is wrong with one of our series between two scrapes of node_exporter; `None` when it has none like it.
fn judge(series: &Series, value: f64, before: &Scrape, after: &Scrape) -> Option<Result<(), String>> {
    let labels: Vec<_> = series.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let first = before.get(&series.name, &labels)?;
    let second = after.get(&series.name, &labels)?;
    let (low, high) = (first.min(second), first.max(second));
    let kind = kind(series);
    let slack = match kind {
        Kind::Counter(slack) | Kind::Fixed(slack) => slack,
        Kind::Gauge(slack, share) => slack.max(share * high),
    };
    Some(if value >= low - slack && value <= high + slack {
        Ok(())
    } else {
        Err(format!("{series} = {value} but there {first} before and {second} after ({kind:?})"))
    })
}

#[test]
fn series_agree_with_node_exporter() {
    let stage = Stage::new(&[]);
    let address = (stage.site.address(), 9100).into();
    let mut command = Command::new(workspace::node_exporter());
    command.arg(format!("--web.listen-address={address}"));
    let log = stage.site.folder().join("node_exporter.log");
    let mut exporter = Program::start("node_exporter", command, &log, None);
    let scrape = || Scrape::parse(&http::get(&Place::Host, address, "/metrics")?.body);
    until(SOON, "node_exporter", || {
        exporter.running()?;
        scrape().map(drop)
    });

    let mut agreed: BTreeMap<String, bool> = BTreeMap::new();
    let mut wrong = BTreeMap::new();
    let mut strangers = BTreeSet::new();
    for _ in 0..ROUNDS {
        let before = scrape().unwrap();
        let ours = stage.series_after(now_ms());
        let after = scrape().unwrap();
        let hosts = ours.all().filter(|(series, _)| series.name.starts_with("node_"));
        for (series, value) in hosts {
            let mut series = series.clone();
            assert_eq!(series.labels.remove("job").as_deref(), Some("chasar"), "{series}");
            assert!(series.labels.remove("instance").is_some(), "{series}");
            let Some(verdict) = judge(&series, value, &before, &after) else {
                strangers.insert(series.name);
                continue;
            };
            let steady = !matches!(kind(&series), Kind::Gauge(..));
            let once = agreed.entry(series.to_string()).or_insert(steady);
            *once = if steady { *once && verdict.is_ok() } else { *once || verdict.is_ok() };
            if let Err(why) = verdict {
                wrong.insert(series.to_string(), why);
            }
        }
    }
    wrong.retain(|series, _| !agreed[series]);
    eprintln!("{} series compared with node_exporter, {} differ", agreed.len(), wrong.len());
    assert!(wrong.is_empty(), "{:#?}", wrong.values().collect::<Vec<_>>());
    // A series like none of node_exporter's must not look like one: its collectors leave some devices out.
    strangers.retain(|name| !agreed.keys().any(|series| series.starts_with(&**name)));
    strangers.retain(|name| !NOT_THERE.iter().any(|(known, _)| known == name));
    assert!(strangers.is_empty(), "node_exporter has no series of these names: {strangers:?}");
    let families = ["node_cpu_seconds_total", "node_load1", "node_memory_", "node_vmstat_", "node_pressure_"];
    let more = ["node_sockstat_", "node_netstat_", "node_disk_", "node_network_", "node_filesystem_"];
    for family in families.iter().chain(&more) {
        assert!(agreed.keys().any(|series| series.starts_with(family)), "nothing of {family} was compared");
    }
    assert!(agreed.len() >= AT_LEAST_COMPARED, "only {} series compared", agreed.len());
}

#[test]
fn names_agree_with_node_exporter() {
    let stage = Stage::new(&[]);
    let address = (stage.site.address(), 9100).into();
    let mut command = Command::new(workspace::node_exporter());
    command.arg(format!("--web.listen-address={address}"));
    let log = stage.site.folder().join("node_exporter.log");
    let _exporter = Program::start("node_exporter", command, &log, None);
    let scrape =
        until(SOON, "node_exporter", || Scrape::parse(&http::get(&Place::Host, address, "/metrics")?.body));
    let report = stage.report_after(0);
    let label = |metric: &str, label: &str| {
        let (series, _) = scrape.of(metric).next().unwrap_or_else(|| panic!("no {metric}"));
        Value::from(series.labels[label].as_str())
    };
    assert_eq!(report["hostname"], label("node_uname_info", "nodename"));
    let host = &report["host"];
    assert_eq!(host["kernel"], label("node_uname_info", "release"));
    assert_eq!(host["kernel_version"], label("node_uname_info", "version"));
    assert_eq!(host["architecture"], label("node_uname_info", "machine"));
    assert_eq!(host["os_id"], label("node_os_info", "id"));
    assert_eq!(host["os_name"], label("node_os_info", "pretty_name"));
    let mut compared = 0;
    for interface in report["network"]["interfaces"].as_array().unwrap() {
        let mut infos = scrape.of("node_network_info");
        let info = infos.find(|(series, _)| interface["device"] == series.labels["device"].as_str());
        let Some((info, _)) = info else { continue };
        assert_eq!(interface["operstate"], info.labels["operstate"].as_str(), "{interface}");
        if let Some(mac) = interface["mac_address"].as_str() {
            assert_eq!(mac, info.labels["address"], "{interface}");
            compared += 1;
        }
    }
    assert!(compared > 0, "no interface has an address");
}

/// Output of a program, its numbers in the columns of one line.
fn columns(command: &mut Command, line: impl Fn(&str) -> bool) -> Vec<f64> {
    let output = command.env("LC_ALL", "C").output().expect("a program of procps or coreutils");
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|l| line(l)).unwrap_or_else(|| panic!("no such line in {text}"));
    line.split_whitespace().filter_map(|word| word.trim_end_matches('%').parse().ok()).collect()
}

#[test]
fn memory_agrees_with_free() {
    let stage = Stage::new(&[]);
    until(SOON, "agreement with free", || {
        let report = stage.report_after(now_ms());
        let free = columns(Command::new("free").arg("-b"), |l| l.starts_with("Mem:"));
        let [total, _used, _free, _shared, _cache, available] = free[..] else { panic!("{free:?}") };
        let memory = &report["memory"];
        let ours = |key: &str| memory[key].as_f64().unwrap_or_else(|| panic!("no {key} in {memory}"));
        let (total_used, near) = (total - available, 16e6_f64.max(0.005 * total));
        if memory["cgroup_limit_bytes"].is_null() && memory["zfs_arc_bytes"].is_null() {
            assert_eq!(ours("total_bytes"), total);
            if (ours("total_bytes_used") - total_used).abs() > near {
                return Err(format!("{memory} beside {free:?}"));
            }
        }
        let percent = 100.0 * ours("total_bytes_used") / ours("total_bytes");
        assert!((ours("percent_used") - percent).abs() <= 0.01, "{memory}");
        Ok(())
    });
}

#[test]
fn disks_agree_with_df() {
    let stage = Stage::new(&[]);
    until(SOON, "agreement with df", || {
        let report = stage.report_after(now_ms());
        let near = 64e6;
        let df = |mount: &str| {
            let args = ["-B1", "--output=size,used,avail,pcent,itotal,iavail", mount];
            columns(Command::new("df").args(args), |l| !l.contains("1B-blocks"))
        };
        let root = df("/");
        let disk = &report["disk"];
        let ours = |key: &str| disk[key].as_f64().unwrap_or_else(|| panic!("no {key} in {disk}"));
        let off = [(ours("total_bytes"), root[0], 0.0), (ours("total_bytes_used"), root[1], near)];
        let more = [(ours("total_bytes_free"), root[2], near), (ours("percent_used"), root[3], 1.01)];
        if off.iter().chain(&more).any(|(a, b, near)| (a - b).abs() > *near) {
            return Err(format!("{disk} beside {root:?}"));
        }
        let mounts = report["filesystems"].as_array().ok_or("no file systems")?;
        let with_numbers = mounts.iter().filter(|m| m["size_bytes"].is_u64());
        let mut compared = 0;
        for mount in with_numbers {
            let theirs = df(mount["mountpoint"].as_str().unwrap());
            let pairs = [("size_bytes", theirs[0], 0.0), ("avail_bytes", theirs[2], near)];
            for (key, theirs, near) in pairs {
                let ours = mount[key].as_f64().unwrap();
                if (ours - theirs).abs() > near {
                    return Err(format!("{key} of {mount} beside {theirs}"));
                }
            }
            compared += 1;
        }
        if compared == 0 { Err("nothing to compare".to_owned()) } else { Ok(()) }
    });
}

#[test]
fn uptime_and_processes_agree_with_proc() {
    let stage = Stage::new(&["--processes", "all"]);
    let uptime = || -> f64 {
        let text = fs::read_to_string("/proc/uptime").unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    };
    let before = uptime();
    let report = stage.report_after(now_ms());
    let ours = report["host"]["uptime_seconds"].as_f64().expect("an uptime");
    assert!((before - 0.011..=uptime() + 0.011).contains(&ours), "uptime {ours}, not {before}..{}", uptime());
    // Every process that lived all the while is there, by its right name.
    let me = std::process::id();
    let comm = |pid: u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().trim_end().to_owned();
    let listed = report["process"].as_object().unwrap();
    for pid in [me, stage.clientnode.program.pid()] {
        let (name, process) = listed
            .iter()
            .find(|(_, p)| p["pid"] == pid)
            .unwrap_or_else(|| panic!("{pid} is not in {listed:?}"));
        let wanted = comm(pid);
        assert!(*name == wanted || *name == format!("{wanted}#{pid}"), "{name}, not {wanted}");
        let resident = process["resident_bytes"].as_f64().unwrap();
        let share = process["percent_memory_used"].as_f64().unwrap();
        let total = report["memory"]["mem_total_bytes"].as_f64().unwrap();
        assert!((share - 100.0 * resident / total).abs() < 0.02, "{process}");
    }
    let counts = &report["processes"];
    assert_eq!(counts["total"].as_u64().unwrap() as usize, listed.len());
}

#[test]
fn processor_time_agrees_with_a_program_that_knows_its_own() {
    let stage = Stage::new(&["--interval", "1"]);
    let burner = Peer::python(&stage.site, "burn.py", &["0.3"]);
    let pid = burner.program.pid();
    // Its own account of its processor time at a moment, between two of its lines.
    let truth = |at: f64| -> Option<f64> {
        let lines = burner.told();
        let pairs =
            lines.windows(2).find(|w| w[0]["at"].as_f64() <= Some(at) && Some(at) <= w[1]["at"].as_f64())?;
        let number = |i: usize, key: &str| pairs[i][key].as_f64().unwrap();
        let share = (at - number(0, "at")) / (number(1, "at") - number(0, "at"));
        Some(number(0, "cpu_seconds") + share * (number(1, "cpu_seconds") - number(0, "cpu_seconds")))
    };
    let compared = until(Duration::from_secs(60), "six reports beside the truth", || {
        let reports: Vec<Value> = stage.subscriber.messages().iter().map(|m| m.json()).collect();
        let compared: Vec<(f64, f64)> = reports
            .windows(2)
            .filter_map(|pair| {
                let process = pair[1]["process"].as_object()?.values().find(|p| p["pid"] == pid)?;
                let ours = process["percent_cpu_used"].as_f64()?;
                let at = |r: &Value| r["sampled_at_ms"].as_f64().unwrap() / 1e3;
                let (from, to) = (at(&pair[0]), at(&pair[1]));
                Some((ours, 100.0 * (truth(to)? - truth(from)?) / (to - from)))
            })
            .collect();
        if compared.len() >= 6 { Ok(compared) } else { Err(format!("{compared:?}")) }
    });
    eprintln!("percent_cpu_used, ours and the program's own: {compared:.2?}");
    let mean = |pick: fn(&(f64, f64)) -> f64| compared.iter().map(pick).sum::<f64>() / compared.len() as f64;
    let (ours, own) = (mean(|c| c.0), mean(|c| c.1));
    assert!(own > 3.0, "the program burned {own} %");
    assert!((ours - own).abs() < 1.0, "on average {ours:.2} %, by its own account {own:.2} %");
    for (ours, own) in compared {
        assert!((ours - own).abs() < 5.0, "{ours:.2} %, by its own account {own:.2} %");
    }
}
