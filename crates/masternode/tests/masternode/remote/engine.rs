//! Debian's Prometheus and VictoriaMetrics, which can be killed and started again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::differential::engine::{listening, program};
use crate::site::{ask, until};

/// Which of the two.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Prometheus,
    VictoriaMetrics,
}

/// An engine with a folder that survives it.
pub(super) struct Engine {
    pub(super) address: SocketAddr,
    child: Child,
    kind: Kind,
    folder: PathBuf,
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Engine {
    pub(super) fn start(kind: Kind, folder: &Path) -> Engine {
        let (child, address) = match kind {
            Kind::Prometheus => prometheus(folder),
            Kind::VictoriaMetrics => victoria_metrics(folder),
        };
        let engine = Engine { address, child, kind, folder: folder.into() };
        let ready = match kind {
            Kind::Prometheus => "/-/ready",
            Kind::VictoriaMetrics => "/health",
        };
        until("an engine to be ready", || match get(address, ready) {
            (200, _) => Ok(()),
            (status, body) => Err(format!("{status} {body}")),
        });
        engine
    }

    /// Prometheus is killed; VictoriaMetrics is asked to end, since it says that it has what it has not
    /// written yet: killed, it loses samples that nobody will send again.
    pub(super) fn end(&mut self) {
        if matches!(self.kind, Kind::VictoriaMetrics) {
            let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
            assert!(asked.is_ok_and(|status| status.success()), "VictoriaMetrics runs");
            let _ = self.child.wait();
        }
        self.kill();
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(super) fn restart(&mut self) {
        *self = Engine::start(self.kind, &self.folder);
    }

    /// Times and values by series of a selector.
    pub(super) fn samples(&self, selector: &str) -> Samples {
        if matches!(self.kind, Kind::VictoriaMetrics) {
            // It shows what it took a second later, unless it is told to.
            get(self.address, "/internal/force_flush");
        }
        samples(self.address, selector)
    }
}

/// By series the times, Unix milliseconds, with the values as text.
pub(super) type Samples = BTreeMap<String, Vec<(i64, String)>>;

/// What an engine, or a masternode, has of a selector in the last hour.
pub(super) fn samples(address: SocketAddr, selector: &str) -> Samples {
    let (status, body) = get(address, &format!("/api/v1/query?query={selector}%5B1h%5D"));
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}"));
    let series = answer["data"]["result"].as_array().expect("a list of series");
    let of = |one: &Value| {
        let labels: BTreeSet<String> =
            one["metric"].as_object().unwrap().iter().map(|(n, v)| format!("{n}={v}")).collect();
        let values = one["values"].as_array().unwrap().iter().map(|pair| {
            let at_ms = (pair[0].as_f64().unwrap() * 1000.0).round() as i64;
            (at_ms, pair[1].as_str().unwrap().to_owned())
        });
        let labels: Vec<_> = labels.into_iter().collect();
        // VictoriaMetrics shows the marks that end a series; Prometheus does not.
        (labels.join(" "), values.filter(|(_, value)| value != "NaN").collect())
    };
    series.iter().map(of).collect()
}

fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let answer = ask(address, &format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n"));
    (answer.status, answer.body)
}

fn run(command: &mut Command) -> Child {
    command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}; cargo xtask test prepares it"))
}

fn prometheus(folder: &Path) -> (Child, SocketAddr) {
    std::fs::create_dir_all(folder).unwrap();
    let empty = folder.join("empty.yml");
    std::fs::write(&empty, "{}").unwrap();
    let mut child = run(program("CHASAR_TEST_PROMETHEUS", "prometheus")
        .arg(format!("--config.file={}", empty.display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .args(["--web.listen-address=127.0.0.1:0", "--web.enable-remote-write-receiver"])
        .arg(format!("--web.console.templates={}", folder.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::piped()));
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut before = Vec::new();
    let address = lines.by_ref().find_map(|line| {
        let address =
            line.split_once("\"Listening on\" address=").and_then(|(_, rest)| rest.trim().parse().ok());
        before.push(line);
        address
    });
    // It must not wait for somebody who reads what it says.
    std::thread::spawn(move || lines.for_each(drop));
    (child, address.unwrap_or_else(|| panic!("Prometheus did not come up: {before:#?}")))
}

fn victoria_metrics(folder: &Path) -> (Child, SocketAddr) {
    let child = run(program("CHASAR_TEST_VICTORIA_METRICS", "victoria-metrics")
        .arg(format!("-storageDataPath={}", folder.join("data").display()))
        .args(["-httpListenAddr=127.0.0.1:0", "-loggerLevel=ERROR", "-search.disableCache"])
        // What is sent twice is there once.
        .arg("-dedup.minScrapeInterval=1ms")
        .stdout(Stdio::null())
        .stderr(Stdio::null()));
    let port = until("VictoriaMetrics to listen", || listening(child.id()));
    (child, (Ipv4Addr::LOCALHOST, port).into())
}
