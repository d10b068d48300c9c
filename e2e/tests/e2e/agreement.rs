//! The same host at the same time under node_exporter and Prometheus, and under Chasar: what is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chasar_e2e::metrics::Series;
use chasar_e2e::{Clientnode, Masternode, Site, until};
use chasar_tsdb::storage::Disk;
use chasar_tsdb::{MatchOp, Matcher, NAME, Options, Store};

use crate::prometheus::{self, Others};
use crate::series_kinds::{Kind, NOT_THERE, kind};

const SOON: Duration = Duration::from_secs(60);
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

/// The samples of a series, in the order of time.
type Samples = Vec<(i64, f64)>;

fn without_origin(mut labels: BTreeMap<String, String>) -> Series {
    labels.remove("instance");
    labels.remove("job");
    Series { name: labels.remove(NAME).unwrap_or_default(), labels }
}

fn samples(others: &Others) -> BTreeMap<Series, Samples> {
    let rows = prometheus::instant(others.address, "{job=\"node\"}[1h]").unwrap();
    rows.into_iter().map(|row| (without_origin(row.metric), row.values)).collect()
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
    let others = Others::start(&site, &[]);
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
        let theirs = samples(&others);
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
