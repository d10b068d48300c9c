//! `status/…`: what the server says about itself.

use chasar_tsdb::Store;
use serde_json::{Value, json};

use super::gate::Stop;
use super::gate::{CONCURRENT, TIMEOUT};
use super::params::Params;
use super::reply::{Failure, Reply};
use super::series::counts;
use crate::history::time::rfc3339;

/// The Prometheus whose API and PromQL this is; clients choose by it what they may ask for.
const LIKE_PROMETHEUS: &str = "3.5.0";
/// Metrics with the most series, when nothing is said.
const TOP: usize = 10;
/// What is called the head: series with samples that are so new.
const HEAD_MS: i64 = 120_000;

pub(crate) fn build() -> Reply {
    let revision = concat!("chasar ", env!("CARGO_PKG_VERSION"));
    // Without `application` and `features`, which other engines add, clients take it for Prometheus.
    Reply::of(&json!({
        "version": LIKE_PROMETHEUS,
        "revision": revision,
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    }))
}

pub(crate) fn runtime(store: Option<&Store>, started_ms: i64) -> Reply {
    let damaged = store.map_or(0, |store| store.stats().damaged_total);
    Reply::of(&json!({
        "startTime": rfc3339(started_ms),
        "CWD": "",
        "reloadConfigSuccess": true,
        "lastConfigTime": rfc3339(started_ms),
        "corruptionCount": damaged,
        "goroutineCount": 0,
        "GOMAXPROCS": std::thread::available_parallelism().map_or(1, usize::from),
        "GOGC": "",
        "GODEBUG": "",
        "storageRetention": "",
    }))
}

pub(crate) fn tsdb(store: &Store, params: &Params, now_ms: i64, stop: &Stop<'_>) -> Result<Reply, Failure> {
    let limit = match params.limit("limit")? {
        usize::MAX => TOP,
        limit => limit,
    };
    let stats = store.stats();
    let counts = counts(store, now_ms - HEAD_MS, i64::MAX, stop)?;
    let series: u64 = counts.iter().map(|(_, count)| count).sum();
    let snapshot = store.snapshot();
    let mut labels: Vec<(String, usize)> = snapshot
        .label_names()
        .into_iter()
        .map(|name| {
            let values = snapshot.label_values(&name).len();
            (name, values)
        })
        .collect();
    labels.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let pairs: usize = labels.iter().map(|(_, values)| values).sum();
    let named = |name: &str, value: Value| json!({"name": name, "value": value});
    let top = counts.iter().take(limit).map(|(name, count)| named(name, (*count).into()));
    let values = labels.iter().take(limit).map(|(name, values)| named(name, (*values).into()));
    Ok(Reply::of(&json!({
        "headStats": {
            "numSeries": series,
            "numLabelPairs": pairs,
            "chunkCount": stats.raw.files,
            "minTime": stats.raw.times_ms.map_or(now_ms - HEAD_MS, |t| t.0),
            "maxTime": now_ms,
        },
        "seriesCountByMetricName": top.collect::<Vec<_>>(),
        "labelValueCountByLabelName": values.collect::<Vec<_>>(),
        "memoryInBytesByLabelName": [],
        "seriesCountByLabelValuePair": [],
    })))
}

pub(crate) fn flags() -> Reply {
    let options = chasar_query::Options::default();
    Reply::of(&json!({
        "query.lookback-delta": format!("{}s", options.lookback_ms / 1000),
        "query.max-concurrency": CONCURRENT.to_string(),
        "query.max-samples": options.max_samples.to_string(),
        "query.timeout": format!("{}s", TIMEOUT.as_secs()),
    }))
}

/// There is no file of Prometheus' kind; this says what one would.
pub(crate) fn config() -> Reply {
    Reply::of(&json!({"yaml": "global:\n  scrape_interval: 1s\nscrape_configs:\n- job_name: chasar\n"}))
}
