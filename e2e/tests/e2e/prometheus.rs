//! Prometheus with a node_exporter, and the API that Prometheus and Chasar have in common.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use chasar_e2e::{Place, Program, Site, http, until, workspace};
use serde::Deserialize;

const SOON: Duration = Duration::from_secs(60);

/// As Prometheus answers a query.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status: String,
    #[serde(default)]
    error: String,
    data: Option<Data>,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Vector(Vec<Told>),
    Matrix(Vec<Told>),
    Scalar((f64, String)),
    String(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct Told {
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<(f64, String)>,
    value: Option<(f64, String)>,
}

/// A series of an answer.
#[derive(Debug)]
pub(crate) struct Row {
    /// All its labels.
    pub(crate) metric: BTreeMap<String, String>,
    /// Unix milliseconds and values, in the order of time; one for an instant.
    pub(crate) values: Vec<(i64, f64)>,
}

fn ask(address: SocketAddr, path: &str, parameters: &[(&str, &str)]) -> Result<Vec<Row>, String> {
    let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let parameters: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let answer = http::get(&Place::Host, address, &format!("{path}?{}", parameters.join("&")))?;
    let parsed: Answer = serde_json::from_str(&answer.body).map_err(|e| format!("{e}: {answer:?}"))?;
    let (Some(data), "success") = (parsed.data, &*parsed.status) else {
        return Err(format!("{}: {}", answer.status, parsed.error));
    };
    let sample = |(at, value): (f64, String)| ((at * 1e3).round() as i64, value.parse().unwrap());
    Ok(match data {
        Data::Vector(rows) | Data::Matrix(rows) => rows
            .into_iter()
            .map(|told| Row {
                metric: told.metric,
                values: told.values.into_iter().chain(told.value).map(sample).collect(),
            })
            .collect(),
        Data::Scalar(told) => vec![Row { metric: BTreeMap::new(), values: vec![sample(told)] }],
        Data::String(_) => Vec::new(),
    })
}

/// What a query gives now.
pub(crate) fn instant(address: SocketAddr, query: &str) -> Result<Vec<Row>, String> {
    ask(address, "/api/v1/query", &[("query", query)])
}

/// What a query gives at a time.
pub(crate) fn instant_at(address: SocketAddr, query: &str, at_ms: i64) -> Result<Vec<Row>, String> {
    ask(address, "/api/v1/query", &[("query", query), ("time", &seconds(at_ms))])
}

/// What a query gives at times with a step between them.
pub(crate) fn range(
    address: SocketAddr,
    query: &str,
    (start_ms, end_ms, step_ms): (i64, i64, i64),
) -> Result<Vec<Row>, String> {
    let (start, end, step) = (seconds(start_ms), seconds(end_ms), seconds(step_ms));
    let parameters = [("query", query), ("start", &start), ("end", &end), ("step", &step)];
    ask(address, "/api/v1/query_range", &parameters)
}

fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// node_exporter, and a Prometheus that asks it once a second.
pub(crate) struct Others {
    /// Prometheus.
    pub(crate) address: SocketAddr,
    /// node_exporter, and so the value of `instance`.
    pub(crate) exporter: SocketAddr,
    _exporter: Program,
    _prometheus: Program,
}

impl Others {
    /// Starts both, node_exporter with these options, and waits for the first samples.
    pub(crate) fn start(site: &Site, options: &[&str]) -> Others {
        let folder = site.folder();
        let exporter_address = SocketAddr::from((site.address(), 9100));
        let mut command = Command::new(workspace::node_exporter());
        command.arg(format!("--web.listen-address={exporter_address}")).args(options);
        let exporter = Program::start("node_exporter", command, &folder.join("node_exporter.log"), None);

        let address = SocketAddr::from((site.address(), 9090));
        let configuration = folder.join("prometheus.yml");
        let text = format!(
            "scrape_configs:\n  - job_name: node\n    scrape_interval: 1s\n    scrape_timeout: 1s\n    \
             static_configs: [{{targets: [\"{exporter_address}\"]}}]\n"
        );
        std::fs::write(&configuration, text).unwrap();
        let mut command = Command::new(workspace::prometheus());
        command
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()))
            .arg(format!("--web.listen-address={address}"))
            // Ours has the whole of the consoles that Debian's would look for elsewhere.
            .arg(format!("--web.console.templates={}", folder.display()));
        let mut prometheus = Program::start("prometheus", command, &folder.join("prometheus.log"), None);
        until(SOON, "Prometheus to scrape", || {
            prometheus.running()?;
            let found = instant(address, "node_load1[1m]")?;
            let samples = found.first().map_or(0, |row| row.values.len());
            if samples >= 3 { Ok(()) } else { Err(format!("{samples} samples")) }
        });
        Others { address, exporter: exporter_address, _exporter: exporter, _prometheus: prometheus }
    }
}
