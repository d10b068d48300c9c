//! What a masternode has stored beside the reports that it published.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use chasar_tsdb::storage::Disk;
use chasar_tsdb::{Labels, Matcher, NAME, Options, Store};
use chasar_wire::catalog::{self, Metric, Sink};
use chasar_wire::report::Report;

use crate::peer::Message;

/// Ends a series (Prometheus' StaleNaN).
const STALE_BITS: u64 = 0x7FF0_0000_0000_0002;

type Samples = BTreeMap<i64, f64>;

/// What a node sampled, as series.
struct Sampled<'a> {
    instance: &'a str,
    at_ms: i64,
    series: HashMap<Labels, Samples>,
}

impl Sink for Sampled<'_> {
    fn sample(&mut self, metric: &'static Metric, labels: &[&str], value: f64) {
        let own = metric.labels.iter().copied().zip(labels.iter().copied());
        let of_node = [(NAME, metric.name), ("instance", self.instance), ("job", "chasar")];
        let labels = Labels::new(of_node.into_iter().chain(own)).expect("labels that can be stored");
        // What a report says twice counts once.
        self.series.entry(labels).or_default().entry(self.at_ms).or_insert(value);
    }
}

/// Asserts that a folder of history has of an instance what its reports say, sample by sample and nothing else; how many
/// samples that is.
#[track_caller]
pub fn assert_stored(folder: &Path, instance: &str, reports: &BTreeMap<i64, Report>) -> usize {
    let mut sampled = Sampled { instance, at_ms: 0, series: HashMap::new() };
    for (at_ms, report) in reports {
        sampled.at_ms = *at_ms;
        catalog::walk(report, &mut sampled);
    }
    let disk = Arc::new(Disk::read_only(folder));
    let (store, opening) = Store::open_read_only(disk, Options::default()).expect("readable");
    assert!(opening.damaged.is_empty() && opening.lost_tails.is_empty(), "{opening:?}");
    let found = store
        .snapshot()
        .select(&[Matcher::equal("instance", instance)], i64::MIN, i64::MAX)
        .expect("readable");
    assert!(found.damage.is_empty(), "{:?}", found.damage);
    let (mut samples, mut ends) = (0, 0);
    for stored in found.series {
        let name = stored.labels.get(NAME).expect("a name");
        let mut there: Vec<(i64, f64)> = stored.times_ms.into_iter().zip(stored.values).collect();
        ends += there.iter().filter(|(_, value)| value.to_bits() == STALE_BITS).count();
        there.retain(|(_, value)| value.to_bits() != STALE_BITS);
        if name == "up" {
            continue;
        }
        if name.starts_with("chasar_process_") {
            check_processes(name, &stored.labels, &there, reports);
            continue;
        }
        samples += there.len();
        let expected = sampled.series.remove(&stored.labels).unwrap_or_default();
        let expected: Vec<(i64, f64)> = expected.into_iter().collect();
        let wrong = there.iter().zip(&expected).find(|(a, b)| a.0 != b.0 || a.1.to_bits() != b.1.to_bits());
        assert!(
            wrong.is_none() && there.len() == expected.len(),
            "{}: {} stored, {} sampled; first difference {wrong:?}",
            stored.labels,
            there.len(),
            expected.len()
        );
    }
    assert!(sampled.series.is_empty(), "not stored: {:?}", sampled.series.keys().collect::<Vec<_>>());
    eprintln!("{samples} samples of {} reports, {ends} ends of series", reports.len());
    samples
}

/// The names that have a place come and go, so a process need not be stored; what is stored is true.
fn check_processes(name: &str, labels: &Labels, there: &[(i64, f64)], reports: &BTreeMap<i64, Report>) {
    let of = labels.get("name").expect("the name of a process");
    if of == "(other)" || name != catalog::process::COUNT.name {
        return;
    }
    for (at_ms, value) in there {
        let report = reports.get(at_ms).unwrap_or_else(|| panic!("{labels} at {at_ms}: there is no report"));
        let count = report.process.0.iter().filter(|process| *process.name == *of).count();
        assert_eq!(*value, count as f64, "{labels} at {at_ms}");
    }
}

/// The reports among messages, by the time of their sample.
pub fn sampled(messages: &[Arc<Message>]) -> BTreeMap<i64, Report> {
    messages
        .iter()
        .map(|message| chasar_wire::decode(message.body().as_bytes()).expect("a report"))
        .map(|report: Report| (report.sampled_at_ms.expect("the time of its sample"), report))
        .collect()
}
