//! The same host at the same time under node_exporter and Prometheus, and under Chasar: what is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use chasar_e2e::metrics::Series;
use chasar_e2e::{Clientnode, Masternode, Place, Program, Site, http, until, workspace};
use chasar_tsdb::storage::Disk;
use chasar_tsdb::{MatchOp, Matcher, NAME, Options, Store};
use serde::Deserialize;

use crate::series_kinds::{Kind, NOT_THERE, kind};

const SOON: Duration = Duration::from_secs(30);
/// Slow families are read apart and may be so much older than their report; also, a scrape takes a while.
const BEFORE_MS: i64 = 2_500;
const AFTER_MS: i64 = 500;
/// Of the samples of a gauge, such a share may be out of range: it jumps between theirs, as memory does under a
/// compiler. A gauge that is something else is never in range.
const GAUGE_MISSES: f64 = 0.25;
/// Fewer than this mean that the test lost its sight.
const AT_LEAST_COMPARED: usize = 150;

/// For how long both watch; the figure in the documents was taken with 600.
fn seconds() -> u64 {
    std::env::var("CHASAR_E2E_AGREE_SECONDS").map_or(15, |text| text.parse().expect("seconds"))
}

/// As Prometheus answers a query.
#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<(f64, String)>,
}

/// The samples of a series, in the order of time.
type Samples = Vec<(i64, f64)>;

fn without_origin(mut labels: BTreeMap<String, String>) -> Series {
    labels.remove("instance");
    labels.remove("job");
    Series { name: labels.remove(NAME).unwrap_or_default(), labels }
}

fn query(address: SocketAddr, expression: &str) -> Result<Vec<Row>, String> {
    let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let answer = http::get(&Place::Host, address, &format!("/api/v1/query?query={encoded}"))?;
    if answer.status != 200 {
        return Err(format!("{answer:?}"));
    }
    let parsed: Answer = serde_json::from_str(&answer.body).map_err(|e| e.to_string())?;
    Ok(parsed.data.result)
}

/// node_exporter, and a Prometheus that asks it once a second.
struct Others {
    address: SocketAddr,
    _exporter: Program,
    _prometheus: Program,
}

impl Others {
    fn start(site: &Site) -> Others {
        let folder = site.folder();
        let exporter_address = SocketAddr::from((site.address(), 9100));
        let mut command = Command::new(workspace::node_exporter());
        command.arg(format!("--web.listen-address={exporter_address}"));
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
            let found = query(address, "node_load1[1m]")?;
            let samples = found.first().map_or(0, |row| row.values.len());
            if samples >= 3 { Ok(()) } else { Err(format!("{samples} samples")) }
        });
        Others { address, _exporter: exporter, _prometheus: prometheus }
    }

    fn samples(&self) -> BTreeMap<Series, Samples> {
        let rows = query(self.address, "{job=\"node\"}[1h]").unwrap();
        let samples = |row: Row| {
            let values = row.values.iter();
            let values =
                values.map(|(at, value)| ((at * 1e3).round() as i64, value.parse().unwrap())).collect();
            (without_origin(row.metric), values)
        };
        rows.into_iter().map(samples).collect()
    }
}

/// What Chasar has stored of the host.
fn stored(site: &Site) -> Vec<(Series, Samples)> {
    let disk = Arc::new(Disk::read_only(site.folder().join("masternode/history")));
    let (store, opening) = Store::open_read_only(disk, Options::default()).unwrap();
    assert!(opening.damaged.is_empty(), "{opening:?}");
    let of_host = Matcher::new(NAME, MatchOp::Regex, "node_.*").unwrap();
    let found = store.snapshot().select(&[of_host], i64::MIN, i64::MAX).unwrap();
    let series = found.series.into_iter().map(|series| {
        let labels = series.labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let samples = series.times_ms.into_iter().zip(series.values).filter(|(_, value)| !value.is_nan());
        (without_origin(labels), samples.collect())
    });
    series.collect()
}

/// Samples of ours that lie between theirs from just before to just after, and those that do not.
fn compare(kind: Kind, ours: &Samples, theirs: &Samples) -> (usize, Vec<String>) {
    let (mut agree, mut differ) = (0, Vec::new());
    for &(at_ms, value) in ours {
        let before = theirs.partition_point(|(at, _)| *at <= at_ms - BEFORE_MS);
        let after = theirs.partition_point(|(at, _)| *at < at_ms + AFTER_MS);
        // At both ends of the time only one of the two was watching.
        let (Some(before), true) = (before.checked_sub(1), after < theirs.len()) else { continue };
        let around = theirs[before..=after].iter().map(|(_, value)| *value);
        let (low, high) = around.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
        let slack = match kind {
            Kind::Counter(slack) | Kind::Fixed(slack) => slack,
            Kind::Gauge(slack, share) => slack.max(share * high),
        };
        if (low - slack..=high + slack).contains(&value) {
            agree += 1;
        } else {
            differ.push(format!("{value} at {at_ms}, there {low} to {high} ({kind:?})"));
        }
    }
    (agree, differ)
}

#[test]
fn history_agrees_with_node_exporter_and_prometheus() {
    let site = Site::new();
    let others = Others::start(&site);
    let mut masternode = Masternode::start(&site);
    let mut clientnode = Clientnode::start(&site, &[]);
    let seconds = seconds();
    until(Duration::from_secs(seconds) + SOON, "enough to compare", || {
        let reports = masternode.metric("chasar_reports_accepted_total");
        if reports >= seconds as f64 { Ok(()) } else { Err(format!("{reports} reports")) }
    });
    clientnode.program.stop(Duration::from_secs(5));
    masternode.program.stop(Duration::from_secs(10));
    let ours = stored(&site);
    let newest = ours.iter().filter_map(|(_, samples)| Some(samples.last()?.0)).max().unwrap();
    let load = Series { name: "node_load1".to_owned(), labels: BTreeMap::new() };
    let theirs = until(SOON, "their samples after our last", || {
        let theirs = others.samples();
        let last = theirs.get(&load).and_then(|samples| Some(samples.last()?.0)).ok_or("none")?;
        if last > newest + AFTER_MS { Ok(theirs) } else { Err(format!("{} ms before", newest - last)) }
    });

    let (mut series, mut samples, mut missed) = (0, 0, 0);
    let (mut strangers, mut wrong) = (BTreeSet::new(), Vec::new());
    for (name, ours) in &ours {
        let Some(theirs) = theirs.get(name) else {
            strangers.insert(name.name.clone());
            continue;
        };
        let kind = kind(name);
        let (agree, differ) = compare(kind, ours, theirs);
        let allowed = if matches!(kind, Kind::Gauge(..)) { GAUGE_MISSES * ours.len() as f64 } else { 0.0 };
        missed += differ.len();
        if differ.len() as f64 > allowed {
            wrong.push(format!("{name}: {} of {} samples, first {}", differ.len(), ours.len(), differ[0]));
        }
        series += usize::from(agree > 0);
        samples += agree;
    }
    eprintln!("{seconds} s: {samples} samples of {series} series agree, {missed} samples of gauges do not");
    assert!(wrong.is_empty(), "{wrong:#?}");
    strangers.retain(|name| !ours.iter().any(|(s, _)| s.name == *name && theirs.contains_key(s)));
    strangers.retain(|name| !NOT_THERE.iter().any(|(known, _)| known == name));
    assert!(strangers.is_empty(), "node_exporter has no series of these names: {strangers:?}");
    assert!(series >= AT_LEAST_COMPARED, "only {series} series were compared");
    assert!(samples as u64 >= series as u64 * (seconds * 3 / 5), "only {samples} samples of {series} series");
}
