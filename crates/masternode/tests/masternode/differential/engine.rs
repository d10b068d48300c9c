//! Debian's Prometheus and VictoriaMetrics, and a masternode, each holding the same samples.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use chasar_masternode::{Masternode, Running};
use chasar_tsdb::storage::Disk;
use chasar_tsdb::{Labels, NAME, Store};
use serde_json::Value;

use super::fleet::{BEGIN_MS, One, SECONDS};
use crate::site::{PATIENCE, ask, config, until};

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
        engine.load(fleet);
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
        engine.load(fleet);
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

    fn load(&self, fleet: &[One]) {
        let longest = fleet.iter().map(|one| one.samples.len()).max().unwrap_or_default();
        for from in (0..longest).step_by(SAMPLES_OF_A_SERIES) {
            let mut message = Vec::new();
            for one in fleet {
                let samples = one.samples.iter().skip(from).take(SAMPLES_OF_A_SERIES);
                series(&mut message, one, samples);
            }
            let (status, answer) = post(self.address, &message);
            assert!((200..300).contains(&status), "remote write was refused: {status} {answer}");
        }
    }
}

/// Samples of a series in a line of VictoriaMetrics' export.
fn times(line: &str) -> usize {
    let series: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    series["timestamps"].as_array().map_or(0, Vec::len)
}

fn program(variable: &str, name: &str) -> Command {
    Command::new(std::env::var_os(variable).unwrap_or(name.into()))
}

/// The port on which a process listens: it chose one itself, and does not say which.
fn listening(process: u32) -> Result<u16, String> {
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

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn field(out: &mut Vec<u8>, number: u8, value: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// A series of a message of remote write 1.0.
fn series<'a>(message: &mut Vec<u8>, one: &One, samples: impl Iterator<Item = &'a (i64, f64)>) {
    let name = [(NAME, one.name.to_owned())];
    let mut labels: Vec<_> = one.labels.iter().cloned().chain(name).collect();
    labels.sort();
    let mut series = Vec::new();
    for (name, value) in labels {
        let mut label = Vec::new();
        field(&mut label, 1, name.as_bytes());
        field(&mut label, 2, value.as_bytes());
        field(&mut series, 1, &label);
    }
    for (time_ms, value) in samples {
        let mut sample = vec![1 << 3 | 1];
        sample.extend_from_slice(&value.to_le_bytes());
        sample.push(2 << 3);
        varint(&mut sample, *time_ms as u64);
        field(&mut series, 2, &sample);
    }
    field(message, 1, &series);
}

/// Posts a message of remote write 1.0, packed as literals of snappy.
fn post(address: SocketAddr, message: &[u8]) -> (u16, String) {
    let mut body = Vec::new();
    varint(&mut body, message.len() as u64);
    for literal in message.chunks(1 << 16) {
        body.push(61 << 2);
        body.extend_from_slice(&((literal.len() - 1) as u16).to_le_bytes());
        body.extend_from_slice(literal);
    }
    let head = format!(
        "POST /api/v1/write HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/x-protobuf\r\n\
         Content-Encoding: snappy\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

pub(super) fn masternode(folder: &Path, fleet: &[One]) -> Running {
    let mut config = config(folder);
    let history = config.history.as_mut().unwrap();
    let ever = Duration::from_secs(100 * 365 * 86_400);
    (history.raw, history.minutes, history.hours) = (ever, ever, ever);
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
