//! The same samples in Debian's Prometheus, in Debian's VictoriaMetrics and in a masternode's history:
//! hundreds of queries over the HTTP APIs give the same.
//!
//! Prometheus 2 includes the beginning of a window, Prometheus 3 (and so we) not; no sample here lies on
//! the edge of a window, so that it makes no difference. Names that only one of them knows are left out.

mod compare;
pub(crate) mod engine;
mod fleet;

use std::collections::BTreeSet;

use compare::{Answer, as_metrics_ql, difference, points};
use engine::{Engine, masternode, receiver};
use fleet::{fleet, queries};

use crate::site::PATIENCE;

/// What Prometheus 3 does otherwise than 2.42, and why; everything else has to be the same.
const KNOWN: &[(&str, &str)] = &[
    ("rate(requests_total[5m])", NEAR_ZERO),
    ("rate(requests_total[437s])", NEAR_ZERO),
    ("increase(requests_total[5m])", NEAR_ZERO),
    ("increase(requests_total[437s])", NEAR_ZERO),
    ("rate(temperature[437s])", NEAR_ZERO),
    ("increase(temperature[437s])", NEAR_ZERO),
    ("temperature atan2 40", ATAN2),
    ("3 atan2 temperature", ATAN2),
    ("requests_total atan2 on (instance) group_left (version) build", ATAN2),
    ("label_replace(temperature, \"a b\", \"\", \"x\", \"\")", "names of labels may be any text"),
    ("requests_total == ignoring (code) requests_total{code=\"200\"}", CARDINALITY),
    ("requests_total > ignoring (code) requests_total{code=\"200\"}", CARDINALITY),
];
const CARDINALITY: &str = "several on one side are an error before it is looked at which compare true";
const NEAR_ZERO: &str = "a counter that begins within the window is extrapolated back by half a step at most";
const ATAN2: &str = "the result of atan2 has no name";

/// What MetricsQL means otherwise, and why; everything else that is asked has to be the same.
const KNOWN_OF_METRICS_QL: &[(&str, &str)] = &[
    ("deriv(requests_total[10s])", SHORT),
    ("deriv(requests_total[1m])", SHORT),
    ("deriv(temperature[10s])", SHORT),
    ("deriv(temperature[1m])", SHORT),
    ("deriv(requests_total{instance=\"b\"}[10s] offset 2m)", SHORT),
    ("deriv(requests_total{instance=\"b\"}[1m] offset 2m)", SHORT),
    ("histogram_quantile(-1, avg_over_time(latency_bucket[2m]))", BOUND),
    ("histogram_quantile(2, avg_over_time(latency_bucket[2m]))", BOUND),
    ("temperature or on (instance) build{version=\"2\"}", "fills holes of a series on the left"),
    ("avg_over_time((temperature * 2)[2m:])", "the step of the query is that of a subquery without one"),
    ("sum(temperature[1m])", "a range is taken for its last sample"),
    (
        "sgn(temperature{zone=\"cpu\",instance=\"b\"})",
        "the sign of nothing, after a mark of staleness, is zero",
    ),
    ("timestamp(temperature{zone=\"cpu\",instance=\"b\"})", "marks of staleness are passed over"),
    ("\"text\"", "a text over a range is nothing"),
];
const SHORT: &str = "a window shorter than the time to look back is widened to it";
const BOUND: &str = "beyond 0 and 1 it is infinite even where there are no buckets";

/// What is not asked of VictoriaMetrics: it takes the last sample before a window into account, never
/// extrapolates, and lets a counter go back a little.
const OTHERWISE: &[&str] = &["rate(", "increase(", "delta(", "resets("];

/// Functions that keep a metric's name there.
const KEEPS_NAME: &[&str] = &[
    "avg_over_time(",
    "ceil(",
    "clamp(",
    "clamp_min(",
    "floor(",
    "last_over_time(",
    "max_over_time(",
    "min_over_time(",
    "predict_linear(",
    "quantile_over_time(",
    "round(",
];

/// A query, and what means the same in MetricsQL; `None` when nothing does.
fn metrics_ql(query: &str) -> Option<(String, String)> {
    // Where a rate is but the input of something else, a mean does as well.
    let query = match query.split_once("rate(") {
        Some((before, _)) if !before.is_empty() && !before.ends_with('i') => {
            query.replace("rate(", "avg_over_time(")
        }
        _ => query.to_owned(),
    };
    if OTHERWISE.iter().any(|name| query.contains(name)) {
        return None;
    }
    let theirs = query.replace("changes(", "changes_prometheus(");
    Some((query, theirs))
}

/// Compares answers, and what differs with what is known to.
struct Comparison {
    known: &'static [(&'static str, &'static str)],
    seen: BTreeSet<&'static str>,
    compared: usize,
    numbers: usize,
    wrong: Vec<String>,
}

impl Comparison {
    fn new(known: &'static [(&'static str, &'static str)]) -> Comparison {
        Comparison { known, seen: BTreeSet::new(), compared: 0, numbers: 0, wrong: Vec::new() }
    }

    fn add(&mut self, kind: &str, query: &str, ours: &Answer, theirs: &Answer) {
        self.compared += 1;
        self.numbers += theirs.as_ref().map_or(0, |points| points.values().map(Vec::len).sum());
        let Some(difference) = difference(ours, theirs) else { return };
        match self.known.iter().find(|(known, _)| *known == query) {
            Some((known, _)) => drop(self.seen.insert(known)),
            None => self.wrong.push(format!("{kind} {query}: {difference}")),
        }
    }

    #[track_caller]
    fn judge(self) {
        let Comparison { known, seen, compared, numbers, wrong } = self;
        assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
        let gone: Vec<_> = known.iter().filter(|(known, _)| !seen.contains(known)).collect();
        assert!(gone.is_empty(), "these do not differ any more: {gone:#?}");
        assert!(compared > 600 && numbers > 20_000, "only {numbers} numbers of {compared} queries");
    }
}

/// A query at one instant, and over a range.
fn paths(query: &str) -> [(&'static str, String); 2] {
    let text: String = query.bytes().map(|b| format!("%{b:02X}")).collect();
    // Off the grid of subqueries' steps, so that none of their points lies on an edge.
    let instant = format!("/api/v1/query?query={text}&time=1700000961.5");
    let range = format!("/api/v1/query_range?query={text}&start=1700000150.5&end=1700001790.5&step=77");
    [("instant", instant), ("range", range)]
}

#[test]
fn answers_are_those_of_prometheus() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = fleet();
    let prometheus = Engine::prometheus(folder.path(), &fleet);
    let running = receiver(&folder.path().join("masternode"), &fleet);
    let address = running.addresses().http.unwrap();
    let mut comparison = Comparison::new(KNOWN);
    for query in queries() {
        for (kind, path) in paths(&query) {
            let (ours, theirs) = (points(address, &path), points(prometheus.address, &path));
            comparison.add(kind, &query, &ours, &theirs);
        }
    }
    comparison.judge();
    running.stop(PATIENCE).unwrap();
}

#[test]
fn answers_are_those_of_victoria_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = fleet();
    let victoria = Engine::victoria_metrics(folder.path(), &fleet);
    let running = masternode(&folder.path().join("masternode"), &fleet);
    let address = running.addresses().http.unwrap();
    let mut comparison = Comparison::new(KNOWN_OF_METRICS_QL);
    for (query, in_theirs) in queries().iter().filter_map(|query| metrics_ql(query)) {
        let keeps_name = KEEPS_NAME.iter().any(|name| query.contains(name));
        for ((kind, path), (_, of_theirs)) in paths(&query).iter().zip(paths(&in_theirs)) {
            let answers = [points(address, path), points(victoria.address, &of_theirs)];
            let [ours, theirs] = answers.map(|answer| as_metrics_ql(answer, keeps_name));
            comparison.add(kind, &query, &ours, &theirs);
        }
    }
    comparison.judge();
    running.stop(PATIENCE).unwrap();
}
