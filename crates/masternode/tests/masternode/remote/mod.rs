//! Remote write into real engines: whatever happens between, every sample is there once.

mod engine;
mod front;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use chasar_masternode::{Config, Masternode, RemoteAuth, RemoteWriteConfig, Running};

use crate::site::{Node, config, get, report, until};
use engine::{Engine, Kind, Samples, samples};
use front::{Fault, Front};

/// What changes with every report.
const SELECTOR: &str = "{__name__=~\"node_time_seconds|chasar_root_disk_used_bytes\"}";
/// An engine is started, killed, and asked again and again; a request to one that starts slowly costs a pause
/// of half a minute.
const PATIENCE: Duration = Duration::from_secs(150);

fn encoded(selector: &str) -> String {
    selector.bytes().fold(String::new(), |text, byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' => text + &char::from(byte).to_string(),
        _ => format!("{text}%{byte:02X}"),
    })
}

fn target(name: &str, front: &Front) -> RemoteWriteConfig {
    RemoteWriteConfig { timeout: Duration::from_secs(3), ..RemoteWriteConfig::new(name, front.url()) }
}

fn sends_to(state_dir: &Path, targets: &[RemoteWriteConfig]) -> Config {
    Config { remote_write: targets.to_vec(), ..config(state_dir) }
}

/// The sum over the lines of `/metrics` with these parts.
fn metric(running: &Running, parts: &[&str]) -> f64 {
    let page = get(running, "/metrics?job=masternode", "").body;
    let fits = |line: &&str| !line.starts_with('#') && parts.iter().all(|part| line.contains(part));
    page.lines().filter(fits).map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
}

/// Waits until a number is as it is to be: a store has samples before the masternode has its answer.
#[track_caller]
fn becomes(running: &Running, parts: &[&str], is_so: impl Fn(f64) -> bool) {
    until(&format!("{parts:?}"), || match metric(running, parts) {
        value if is_so(value) => Ok(()),
        value => Err(value.to_string()),
    });
}

/// Reports of a node, a tenth of a second apart.
struct Reports {
    node: Node,
    id: String,
    sequence: u64,
    begin_ms: i64,
}

impl Reports {
    fn of(id: &str, running: &Running) -> Reports {
        let begin_ms = report(id, "s", 0).sampled_at_ms.unwrap() - 60_000;
        Reports { node: Node::connect(&running.addresses().reports), id: id.into(), sequence: 0, begin_ms }
    }

    fn connect(&mut self, running: &Running) {
        self.node = Node::connect(&running.addresses().reports);
    }

    fn send(&mut self, count: u64) {
        for _ in 0..count {
            let mut report = report(&self.id, "s", self.sequence);
            report.sampled_at_ms = Some(self.begin_ms + self.sequence as i64 * 100);
            report.disk.total_bytes = Some(1 << 40);
            report.disk.total_bytes_used = Some(self.sequence * 1_000 + 7);
            self.node.report(&report);
            self.sequence += 1;
        }
    }
}

fn ours(running: &Running) -> Samples {
    samples(running.addresses().http.unwrap(), &encoded(SELECTOR))
}

/// Waits until an engine has what the masternode has: so many samples of each series.
#[track_caller]
fn are_there(engine: &Engine, running: &Running, reports: u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (theirs, ours) = (engine.samples(&encoded(SELECTOR)), ours(running));
        let counts: Vec<_> = ours.values().map(Vec::len).collect();
        if theirs == ours && !counts.is_empty() && counts.iter().all(|count| *count as u64 == reports) {
            return;
        }
        if Instant::now() > deadline {
            let page = get(running, "/metrics?job=masternode", "").body;
            let counters: Vec<_> = page.lines().filter(|line| line.starts_with("chasar_remote")).collect();
            panic!("theirs: {theirs:?}\nours: {ours:?}\nof {reports}: {counts:?}\n{}", counters.join("\n"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// All that can happen to an engine and to the masternode, and then every sample is there once.
fn survives(kind: Kind) {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = Engine::start(kind, &folder.path().join("engine"));
    let front = Front::start(Some(engine.address));
    let state_dir = folder.path().join("state");
    let targets = [target("engine", &front)];
    let running = Masternode::start(sends_to(&state_dir, &targets)).unwrap();
    let mut reports = Reports::of("a", &running);
    reports.send(10);
    are_there(&engine, &running, 10);
    // Neither engine knows 2.0: one takes it for an empty message, the other does not look at all.
    becomes(&running, &["chasar_remote_version", "engine"], |version| version == 1.0);

    front.faults(&[
        Fault::Answer(429, "Retry-After: 1\r\n"),
        Fault::Answer(500, ""),
        Fault::Hang,
        Fault::Answer(503, ""),
        Fault::LoseAnswer,
        Fault::Slow(Duration::from_millis(300)),
        Fault::Answer(302, "Location: http://127.0.0.1:1/\r\n"),
        Fault::LoseAnswer,
    ]);
    reports.send(10);
    are_there(&engine, &running, 20);
    until("all faults to happen", || match front.faults_left() {
        // What is said of the nodes each second goes on.
        0 => Ok(()),
        left => Err(left.to_string()),
    });
    // All but the slow one are sent again; the last one may not have been noticed yet.
    becomes(&running, &["chasar_remote_retries_total"], |retries| retries >= 7.0);
    reports.send(10);
    are_there(&engine, &running, 30);

    // The engine dies, and then the masternode ends and is started again while it is away.
    engine.end();
    front.is_for(None);
    reports.send(10);
    until("samples to wait", || {
        let waiting = metric(&running, &["chasar_remote_waiting_samples"]);
        let state = metric(&running, &["chasar_remote_state", "retrying"]);
        if waiting >= 20.0 && state == 1.0 { Ok(()) } else { Err(format!("{waiting} {state}")) }
    });
    running.stop(PATIENCE).unwrap();
    let running = Masternode::start(sends_to(&state_dir, &targets)).unwrap();
    reports.connect(&running);
    reports.send(10);
    engine.restart();
    front.is_for(Some(engine.address));
    are_there(&engine, &running, 50);
    // Prometheus refuses what it has already, when it has newer samples as well: that is said for a minute.
    until("all to be well", || {
        let states = ["good", "refusing"].map(|state| metric(&running, &["chasar_remote_state", state]));
        if states.contains(&1.0) { Ok(()) } else { Err(format!("{states:?}")) }
    });
    for reason in ["queue_full", "behind", "disk", "time"] {
        assert_eq!(metric(&running, &["chasar_remote_samples_dropped_total", reason]), 0.0, "{reason}");
    }
    running.stop(PATIENCE).unwrap();
}

#[test]
fn prometheus_gets_every_sample_once_whatever_happens() {
    survives(Kind::Prometheus);
}

#[test]
fn victoria_metrics_gets_every_sample_once_whatever_happens() {
    survives(Kind::VictoriaMetrics);
}

#[test]
fn three_engines_share_the_series() {
    let folder = tempfile::tempdir().unwrap();
    let engines: Vec<_> =
        (1..=3).map(|i| Engine::start(Kind::VictoriaMetrics, &folder.path().join(i.to_string()))).collect();
    let targets: Vec<_> = (1..=3)
        .zip(&engines)
        .map(|(part, engine)| RemoteWriteConfig {
            shard: Some((part, 3)),
            ..RemoteWriteConfig::new(
                format!("part-{part}"),
                format!("http://{}/api/v1/write", engine.address),
            )
        })
        .collect();
    let running = Masternode::start(sends_to(&folder.path().join("state"), &targets)).unwrap();
    // They live on: what a node has not handed over yet goes with it.
    let mut nodes: Vec<_> = (0..8).map(|id| Reports::of(&format!("node-{id}"), &running)).collect();
    nodes.iter_mut().for_each(|node| node.send(5));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let parts: Vec<Samples> = engines.iter().map(|engine| engine.samples(&encoded(SELECTOR))).collect();
        let together: Samples = parts.iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        let ours = ours(&running);
        if ours.len() == 16 && ours.values().all(|s| s.len() == 5) && together == ours {
            assert_eq!(parts.iter().map(BTreeMap::len).sum::<usize>(), ours.len(), "a series is in one part");
            assert!(parts.iter().all(|part| !part.is_empty()), "{parts:?}");
            return;
        }
        assert!(Instant::now() < deadline, "{parts:?}\n{ours:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn what_is_refused_is_dropped_and_one_target_does_not_keep_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(Kind::VictoriaMetrics, &folder.path().join("engine"));
    let (dead, good) = (Front::start(None), Front::start(Some(engine.address)));
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, "a-secret\n").unwrap();
    let targets = [
        target("dead", &dead),
        RemoteWriteConfig {
            auth: Some(RemoteAuth::Bearer { token_file }),
            headers: vec![("X-Scope-OrgID".into(), "fleet".into())],
            keep: vec!["node_time_seconds".into(), "chasar_root_disk_used_bytes".into()],
            connections: 1,
            ..target("good", &good)
        },
    ];
    let running = Masternode::start(sends_to(&folder.path().join("state"), &targets)).unwrap();
    let mut reports = Reports::of("a", &running);
    reports.send(5);
    are_there(&engine, &running, 5);
    // A first refusal could be one of the version; here that is known.
    good.faults(&[Fault::Answer(400, "")]);
    reports.send(3);
    until("a refusal", || {
        let refused = metric(&running, &["chasar_remote_samples_dropped_total", "good", "refused"]);
        if refused >= 1.0 { Ok(()) } else { Err(format!("{refused}")) }
    });
    reports.send(2);
    let theirs = until("what comes after the refusal", || {
        let theirs = engine.samples(&encoded(SELECTOR));
        let newest = theirs.values().filter_map(|s| s.last()).map(|(at_ms, _)| *at_ms).min();
        if newest == Some(reports.begin_ms + 9 * 100) { Ok(theirs) } else { Err(format!("{theirs:?}")) }
    });
    assert_eq!(theirs.len(), 2);
    assert!(theirs.values().all(|samples| (7..10).contains(&samples.len())), "{theirs:?}");
    // Only what was chosen is there, and each request says who sends it.
    let all = engine.samples(&encoded("{__name__!=\"\"}"));
    assert_eq!(all.len(), 2, "{all:?}");
    let heads = good.heads();
    let says = |head: &String, part: &str| head.to_ascii_lowercase().contains(part);
    assert!(heads.iter().all(|head| says(head, "authorization: bearer a-secret\r\n")), "{heads:?}");
    assert!(heads.iter().all(|head| says(head, "x-scope-orgid: fleet\r\n")), "{heads:?}");
    assert!(says(&heads[0], "proto=io.prometheus.write.v2.request"), "{heads:?}");
    assert!(says(heads.last().unwrap(), "x-prometheus-remote-write-version: 0.1.0"), "{heads:?}");
    becomes(&running, &["chasar_remote_waiting_samples", "dead"], |waiting| waiting > 20.0);
    let begun = Instant::now();
    running.stop(PATIENCE).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20), "a dead target holds no stop up");
}

#[test]
fn another_masternode_gets_it_in_2_0() {
    let folder = tempfile::tempdir().unwrap();
    let mut receives = config(&folder.path().join("receives"));
    receives.receive = Some(chasar_masternode::ReceiveConfig::default());
    let receiver = Masternode::start(receives).unwrap();
    let url = format!("http://{}/api/v1/write", receiver.addresses().http.unwrap());
    let target = RemoteWriteConfig {
        rename: vec![("instance".into(), "host".into())],
        add: vec![("site".into(), "north".into())],
        drop: vec!["up".into()],
        ..RemoteWriteConfig::new("other", url)
    };
    let running = Masternode::start(sends_to(&folder.path().join("sends"), &[target])).unwrap();
    let mut reports = Reports::of("a", &running);
    reports.send(20);
    let ours = until("all reports in the history", || {
        let ours = ours(&running);
        if ours.values().all(|s| s.len() == 20) && ours.len() == 2 {
            Ok(ours)
        } else {
            Err(format!("{ours:?}"))
        }
    });
    let theirs = until("all of it in the other one", || {
        let theirs = samples(receiver.addresses().http.unwrap(), &encoded("{site=\"north\"}"));
        let wanted = theirs.iter().filter(|(name, _)| {
            name.contains("node_time_seconds") || name.contains("chasar_root_disk_used_bytes")
        });
        let wanted: Samples = wanted.map(|(name, samples)| (name.clone(), samples.clone())).collect();
        if wanted.values().all(|s| s.len() == 20) && wanted.len() == 2 {
            Ok(wanted)
        } else {
            Err(format!("{theirs:?}"))
        }
    });
    for ((name, theirs), (of, ours)) in theirs.iter().zip(&ours) {
        assert_eq!(theirs, ours);
        let renamed = of.replace("instance=", "host=");
        assert!(renamed.split(' ').all(|part| name.contains(part)) && name.contains("site="), "{name} {of}");
        assert!(!name.contains("instance="), "{name}");
    }
    becomes(&running, &["chasar_remote_version", "other"], |version| version == 2.0);
    assert_eq!(metric(&running, &["chasar_remote_samples_dropped_total"]), 0.0);
    running.stop(PATIENCE).unwrap();
}
