//! Debian's Prometheus and VictoriaMetrics, and a masternode, each holding the same samples.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use chasar_masternode::{Config, Masternode, ReceiveConfig, Running};
use chasar_remote_write::{Message, Sample, Version};
use chasar_tsdb::storage::Disk;
use chasar_tsdb::{Labels, NAME, Store};
use serde_json::Value;

use super::fleet::{BEGIN_MS, One, SECONDS};
use crate::site::{ask, config, post, until};

/// Samples of a message of remote write: several of each series, as a queue that fell behind sends them.
const SAMPLES_OF_A_SERIES: usize = 250;

/// Another store of time series, fed by remote write.
pub(super) struct Engine {
    pub(super) address: SocketAddr,
    child: Child,
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Engine {
    pub(super) fn prometheus(folder: &Path, fleet: &[One]) -> Engine {
        let folder = folder.join("prometheus");
        std::fs::create_dir(&folder).unwrap();
        let empty = folder.join("empty.yml");
        std::fs::write(&empty, "{}").unwrap();
        let mut child = program("CHASAR_TEST_PROMETHEUS", "prometheus")
            .arg(format!("--config.file={}", empty.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .args(["--web.listen-address=127.0.0.1:0", "--storage.tsdb.retention.time=100y"])
            .arg("--web.enable-remote-write-receiver")
            .arg(format!("--web.console.templates={}", folder.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Prometheus runs; cargo xtask test prepares it");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut before = Vec::new();
        let address = lines.by_ref().find_map(|line| {
            let address =
                line.split_once("\"Listening on\" address=").and_then(|(_, rest)| rest.trim().parse().ok());
            before.push(line);
            address
        });
        let address = address.unwrap_or_else(|| panic!("Prometheus did not come up: {before:#?}"));
        // It must not wait for somebody who reads what it says.
        std::thread::spawn(move || lines.for_each(drop));
        let engine = Engine { address, child };
        engine.is_ready("/-/ready");
        send(engine.address, fleet, Version::V1);
        engine
    }

    pub(super) fn victoria_metrics(folder: &Path, fleet: &[One]) -> Engine {
        let child = program("CHASAR_TEST_VICTORIA_METRICS", "victoria-metrics")
            .arg(format!("-storageDataPath={}", folder.join("victoria-metrics").display()))
            .args(["-httpListenAddr=127.0.0.1:0", "-retentionPeriod=100y", "-loggerLevel=ERROR"])
            // By itself it looks back as far as the distance of samples suggests; Prometheus five minutes.
            .args(["-search.minStalenessInterval=5m", "-search.maxStalenessInterval=5m"])
            // Its caches would move the begin and end of ranges to multiples of the step.
            .arg("-search.disableCache")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("VictoriaMetrics runs; cargo xtask test prepares it");
        let port = until("VictoriaMetrics to listen", || listening(child.id()));
        let engine = Engine { address: (Ipv4Addr::LOCALHOST, port).into(), child };
        engine.is_ready("/health");
        send(engine.address, fleet, Version::V1);
        let loaded = fleet.iter().map(|one| one.samples.len()).sum::<usize>();
        // What was taken in can be asked for after it has been told to show it.
        until("all samples in VictoriaMetrics", || {
            get(engine.address, "/internal/force_flush");
            let (_, page) = get(engine.address, "/api/v1/export?match[]=%7B__name__!=%22%22%7D");
            let there: usize = page.lines().map(times).sum();
            if there == loaded { Ok(()) } else { Err(format!("{there} of {loaded}")) }
        });
        engine
    }

    fn is_ready(&self, path: &str) {
        until("an engine to be ready", || match get(self.address, path) {
            (200, _) => Ok(()),
            (status, body) => Err(format!("{status} {body}")),
        });
    }
}

/// Samples of a series in a line of VictoriaMetrics' export.
fn times(line: &str) -> usize {
    let series: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    series["timestamps"].as_array().map_or(0, Vec::len)
}

pub(crate) fn program(variable: &str, name: &str) -> Command {
    Command::new(std::env::var_os(variable).unwrap_or(name.into()))
}

/// The port on which a process listens: it chose one itself, and does not say which.
pub(crate) fn listening(process: u32) -> Result<u16, String> {
    let read = |path: String| std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"));
    let folder = format!("/proc/{process}/fd");
    let files = std::fs::read_dir(&folder).map_err(|e| format!("{folder}: {e}"))?;
    let targets = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    let sockets: HashSet<String> = targets
        .filter_map(|target| Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    // proc_pid_net(5): local address, remote address, state (0A is listening), …, inode.
    let table = read(format!("/proc/{process}/net/tcp"))?;
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .find_map(|fields| {
            let ours = *fields.get(3)? == "0A" && sockets.contains(*fields.get(9)?);
            let port = fields.get(1)?.rsplit(':').next()?;
            ours.then(|| u16::from_str_radix(port, 16).ok())?
        })
        .ok_or_else(|| format!("process {process} listens nowhere"))
}

/// Posts samples by remote write, in messages of several samples of each series.
fn send(address: SocketAddr, fleet: &[One], version: Version) {
    let longest = fleet.iter().map(|one| one.samples.len()).max().unwrap_or_default();
    let (mut message, mut body) = (Message::new(version), Vec::new());
    for from in (0..longest).step_by(SAMPLES_OF_A_SERIES) {
        message.clear();
        for one in fleet {
            let samples = one.samples.iter().skip(from).take(SAMPLES_OF_A_SERIES);
            let samples = samples.map(|(time_ms, value)| Sample { time_ms: *time_ms, value: *value });
            let labels = one.labels.iter().map(|(name, value)| (*name, value.as_str()));
            let mut labels: Vec<_> = labels.chain([(NAME, one.name)]).collect();
            labels.sort_unstable();
            message.series(labels, samples, None);
        }
        body.clear();
        message.pack(&mut body);
        let headers = format!(
            "Content-Type: {}\r\nContent-Encoding: snappy\r\nX-Prometheus-Remote-Write-Version: {}\r\n",
            version.content_type(),
            version.header()
        );
        let answer = post(address, "/api/v1/write", &headers, &body);
        assert!((200..300).contains(&answer.status), "remote write was refused: {answer:?}");
    }
}

/// A masternode's settings, that keeps samples for ever.
fn keeping(folder: &Path) -> Config {
    let mut config = config(folder);
    let history = config.history.as_mut().unwrap();
    let ever = Duration::from_secs(100 * 365 * 86_400);
    (history.raw, history.minutes, history.hours) = (ever, ever, ever);
    config
}

/// A masternode that received the samples by remote write.
pub(super) fn receiver(folder: &Path, fleet: &[One]) -> Running {
    let config = Config { receive: Some(ReceiveConfig::default()), ..keeping(folder) };
    let running = Masternode::start(config).unwrap();
    send(running.addresses().http.unwrap(), fleet, Version::V2);
    running
}

/// A masternode that finds most of the samples in files, the newest in the log.
pub(super) fn masternode(folder: &Path, fleet: &[One]) -> Running {
    let config = keeping(folder);
    let history = config.history.as_ref().unwrap();
    std::fs::create_dir_all(&history.folder).unwrap();
    let (store, _) = Store::open(Arc::new(Disk::open(&history.folder).unwrap()), history.options()).unwrap();
    let mut writer = store.writer().unwrap();
    let mut handles = Vec::new();
    for one in fleet {
        let labels = one.labels.iter().map(|(n, v)| (*n, v.as_str())).chain([(NAME, one.name)]);
        handles.push((writer.series(&Labels::new(labels).unwrap(), one.kind), one.samples.iter().peekable()));
    }
    for second in 0..SECONDS {
        let now_ms = BEGIN_MS + second * 1000;
        for (series, samples) in &mut handles {
            if let Some((time, value)) = samples.next_if(|(time, _)| *time == now_ms) {
                writer.sample(series, *time, *value);
            }
        }
        // Most of it is in files then, the newest in the log.
        if second % 60 == 59 {
            writer.commit(now_ms).unwrap();
            store.maintain(now_ms).unwrap();
        }
    }
    writer.commit(BEGIN_MS + SECONDS * 1000).unwrap();
    drop(writer);
    drop(store);
    Masternode::start(config).unwrap()
}

pub(super) fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let answer = ask(address, &format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n"));
    (answer.status, answer.body)
}
