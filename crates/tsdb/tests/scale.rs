//! Many nodes, many short-lived series, nodes that come late and clocks that jump: bounded memory
//! and right answers.

use std::sync::Arc;

use chasar_tsdb::storage::Sim;
use chasar_tsdb::{Kind, Labels, LayoutHandle, Matcher, NAME, Options, SourceHandle, Store, Tier, Writer};

const START_MS: i64 = 1_699_999_200_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::new(pairs.iter().copied()).unwrap()
}

fn open(options: Options) -> (Store, Writer) {
    let (store, _) = Store::open(Arc::new(Sim::new(1)), options).unwrap();
    let writer = store.writer().unwrap();
    (store, writer)
}

fn source(writer: &Writer, node: usize) -> SourceHandle {
    writer.source(&labels(&[("instance", &format!("node-{node:05}"))]))
}

fn layout(writer: &Writer, metrics: usize) -> LayoutHandle {
    let metrics: Vec<Labels> = (0..metrics).map(|m| labels(&[(NAME, &format!("metric_{m}"))])).collect();
    writer.layout(metrics.iter().map(|m| (m, Kind::Counter)))
}

fn counts(store: &Store, matchers: &[Matcher]) -> Vec<usize> {
    let answer = store.snapshot().select(matchers, i64::MIN, i64::MAX).unwrap();
    assert!(answer.damage.is_empty());
    answer.series.iter().map(|s| s.values.len()).collect()
}

#[test]
fn twenty_thousand_nodes_report() {
    let (store, mut writer) = open(Options::default());
    let layout = layout(&writer, 10);
    let nodes: Vec<SourceHandle> = (0..20_000).map(|n| source(&writer, n)).collect();
    for second in 0..6 {
        let now = START_MS + second * 40_000;
        for (n, node) in nodes.iter().enumerate() {
            let values: [f64; 10] = std::array::from_fn(|m| (n * m) as f64 + second as f64);
            writer.row(node, &layout, now, &values).unwrap();
        }
        assert_eq!(writer.commit(now).unwrap().accepted, 200_000);
        store.maintain(now).unwrap();
    }
    let stats = store.stats();
    assert_eq!((stats.sources, stats.metrics), (20_000, 10));
    assert_eq!(stats.raw.values + stats.head_samples, 1_200_000);
    assert_eq!(counts(&store, &[Matcher::equal(NAME, "metric_3")]), vec![6; 20_000]);
    let one = [Matcher::equal(NAME, "metric_3"), Matcher::equal("instance", "node-12345")];
    let answer = store.snapshot().select(&one, i64::MIN, i64::MAX).unwrap();
    let expected: Vec<f64> = (0..6).map(|s| f64::from(12_345 * 3 + s)).collect();
    assert_eq!(answer.series[0].values, expected);
}

#[test]
fn the_head_takes_less_than_a_third_of_plain_floats() {
    let (store, mut writer) = open(Options::default());
    let (nodes, width) = (64, 100);
    let layout = layout(&writer, width);
    let nodes: Vec<SourceHandle> = (0..nodes).map(|n| source(&writer, n)).collect();
    for second in 0..120 {
        let now = START_MS + second * 1000;
        for (n, node) in nodes.iter().enumerate() {
            // A third never changes, a third counts, a third is noise of two decimals.
            let values: Vec<f64> = (0..width as i64)
                .map(|m| match m % 3 {
                    0 => m as f64,
                    1 => (second * (100 + m) + second * second % 17) as f64,
                    _ => ((second * 7919 + m * 104_729 + n as i64) % 10_000) as f64 / 100.0,
                })
                .collect();
            writer.row(node, &layout, now, &values).unwrap();
        }
        writer.commit(now).unwrap();
    }
    let stats = store.stats();
    assert_eq!(stats.head_samples, 64 * 100 * 120);
    let bytes_a_series = stats.head_bytes / (64 * 100);
    assert!(bytes_a_series < 300, "{bytes_a_series}");
}

#[test]
fn a_hundred_thousand_short_lived_series_come_and_go() {
    let options = Options { raw_ms: HOUR, minute_ms: HOUR, hour_ms: HOUR, ..Options::default() };
    let (store, mut writer) = open(options);
    let mut most = 0;
    for hour in 0..10i64 {
        let now = START_MS + hour * HOUR;
        for i in 0..10_000 {
            let id = (hour * 10_000 + i).to_string();
            let name = [(NAME, "job_seconds"), ("id", &id), ("instance", &format!("pod-{}", i % 500))];
            let series = writer.series(&labels(&name), Kind::Gauge);
            writer.sample(&series, now, i as f64);
        }
        assert_eq!(writer.commit(now).unwrap().accepted, 10_000);
        most = most.max(store.stats().head_bytes);
        while store.maintain(now + 20 * MINUTE).unwrap().more {}
    }
    let stats = store.stats();
    assert_eq!(stats.accepted_total, 100_000);
    assert!(most < 10_000 * 300, "{most}");
    // What is kept is known, the rest forgotten.
    assert!(stats.metrics <= 30_000, "{stats:?}");
    assert_eq!(counts(&store, &[Matcher::equal("id", "99999")]), [1]);
    assert!(counts(&store, &[Matcher::equal("id", "5")]).is_empty());
}

#[test]
fn nodes_an_hour_behind_are_told_in_full_and_at_once() {
    let (store, mut writer) = open(Options::default());
    let layout = layout(&writer, 3);
    let (live, behind) = (source(&writer, 0), source(&writer, 1));
    let mut late = 0;
    for second in 0..2 * 3600i64 {
        let now = START_MS + second * 1000;
        let value = second as f64;
        writer.row(&live, &layout, now, &[value, 1.0, 2.0]).unwrap();
        // From the second hour on the other node sends what it had, twenty times as fast.
        for _ in 0..if second >= 3600 { 20 } else { 0 } {
            if late < second {
                writer.row(&behind, &layout, START_MS + late * 1000, &[late as f64, 1.0, 2.0]).unwrap();
                late += 1;
            }
        }
        let done = writer.commit(now).unwrap();
        assert_eq!((done.duplicates, done.too_old, done.refused), (0, 0, 0));
        store.maintain(now).unwrap();
        if second % 600 == 599 && second > 3600 {
            let minutes =
                store.snapshot().rollups(&[Matcher::equal(NAME, "metric_0")], Tier::Minute, 0, i64::MAX);
            let counts: Vec<u64> =
                minutes.unwrap().series.iter().map(|s| s.rollups.iter().map(|r| r.count).sum()).collect();
            assert_eq!(counts, [second as u64 + 1, late as u64], "rollups at {second}");
        }
    }
    assert_eq!(late, 7199);
    let answer = store.snapshot().select(&[Matcher::equal(NAME, "metric_0")], 0, i64::MAX).unwrap();
    for series in &answer.series {
        let expected = if series.labels.get("instance") == Some("node-00000") { 7200 } else { 7199 };
        assert_eq!(series.values, (0..expected).map(f64::from).collect::<Vec<_>>());
    }
}

#[test]
fn clocks_that_jump_lose_nothing() {
    let (store, mut writer) = open(Options::default());
    let layout = layout(&writer, 2);
    let node = source(&writer, 0);
    let mut expected = std::collections::BTreeMap::new();
    // Forward by a day, back by two, by an hour, and on again over what was.
    for jump in [0, 24 * HOUR, -24 * HOUR, -HOUR, 0, 30 * MINUTE] {
        for second in 0..300 {
            let now = START_MS + 3 * 24 * HOUR + jump + second * 1000;
            let value = (jump + second) as f64;
            writer.row(&node, &layout, now, &[value, 1.0]).unwrap();
            writer.commit(now).unwrap();
            store.maintain(now).unwrap();
            expected.entry(now).or_insert(value);
        }
    }
    let check = || {
        let answer = store.snapshot().select(&[Matcher::equal(NAME, "metric_0")], 0, i64::MAX).unwrap();
        let found = answer.series[0].times_ms.iter().copied().zip(answer.series[0].values.iter().copied());
        assert!(found.eq(expected.iter().map(|(t, v)| (*t, *v))));
    };
    check();
    let stats = store.stats();
    assert_eq!((stats.refused_total, stats.too_new_total, stats.too_old_total), (0, 0, 0));
    while store.maintain(START_MS + 30 * 24 * HOUR).unwrap().more {}
    check();
}
