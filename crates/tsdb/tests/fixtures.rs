//! Files of every released version stay readable: `tests/fixtures/v<version>` was written by that
//! version and has the samples below. `UPDATE_FIXTURES=1` writes those of the current version anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chasar_tsdb::storage::{Disk, Sim, Storage};
use chasar_tsdb::{ABSENT, Kind, Labels, NAME, Options, Store, Tier};

const START_MS: i64 = 1_699_999_200_000;
const HOUR: i64 = 3_600_000;
const CURRENT: u32 = 1;

type Content = BTreeMap<(String, i64), u64>;

fn folder(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/v{version}"))
}

/// Integers, decimals, constants, noise and special values; a steady clock, one with jitter, gaps
/// and late samples. Fed to a store, it ends as a merged hour with rollups, a segment from the head,
/// one of late samples, and two logs.
fn feed(mut take: impl FnMut(i64, usize, [f64; 6])) -> i64 {
    let row = |i: i64, source: usize| {
        let x = (i * 7919 + source as i64 * 31) % 1009;
        [
            (i * 100 + x) as f64,
            x as f64 / 100.0,
            if source == 0 { 4.5 } else { std::f64::consts::PI },
            (x as f64).sqrt(),
            if i % 10 == 0 { i as f64 } else { ABSENT },
            [f64::NAN, -0.0, f64::INFINITY, 9e15][(i % 4) as usize],
        ]
    };
    let begins = [0, HOUR, HOUR + 120_000, HOUR - 600_000, HOUR + 240_000];
    for (part, begin) in begins.into_iter().enumerate() {
        for i in 0..90 {
            for source in 0..2 {
                let jitter = if source == 1 { i * 37 % 5 } else { 0 };
                take(START_MS + begin + i * 1000 + jitter, source, row(i + part as i64 * 90, source));
            }
        }
    }
    START_MS + HOUR + 330_000
}

fn metrics() -> Vec<(Labels, Kind)> {
    let metric = |name: &str, kind| (Labels::new([(NAME, name), ("own", "1")]).unwrap(), kind);
    vec![
        metric("counter_total", Kind::Counter),
        metric("decimal", Kind::Gauge),
        metric("constant", Kind::Gauge),
        metric("noise", Kind::Unknown),
        metric("seldom", Kind::Gauge),
        metric("special", Kind::Unknown),
    ]
}

fn source(number: usize) -> Labels {
    Labels::new([("instance", format!("node-{number}"))]).unwrap()
}

fn expected() -> Content {
    let mut content = Content::new();
    let metrics = metrics();
    feed(|time, s, values| {
        for ((metric, _), value) in metrics.iter().zip(values) {
            let pairs = metric.iter().map(|(n, v)| (n.to_string(), v.to_string()));
            let instance = [("instance".to_string(), format!("node-{s}"))];
            let labels = Labels::new(pairs.chain(instance)).unwrap();
            if value.to_bits() != ABSENT.to_bits() {
                content.insert((labels.to_string(), time), value.to_bits());
            }
        }
    });
    content
}

fn write(sim: &Sim) {
    let (store, _) = Store::open(Arc::new(sim.clone()), Options::default()).unwrap();
    let mut writer = store.writer().unwrap();
    let metrics = metrics();
    let layout = writer.layout(metrics.iter().map(|(l, k)| (l, *k)));
    let sources = [writer.source(&source(0)), writer.source(&source(1))];
    let mut newest = 0;
    let mut rows = 0;
    feed(|time, s, values| {
        newest = newest.max(time);
        writer.row(&sources[s], &layout, time, &values).unwrap();
        rows += 1;
        if rows % 20 == 0 {
            writer.commit(newest).unwrap();
            // The last part stays in the logs.
            if rows <= 720 {
                store.maintain(newest + if rows == 720 { 135_000 } else { 0 }).unwrap();
            }
        }
    });
}

fn content(store: &Store) -> Content {
    let answer = store.snapshot().select(&[], i64::MIN, i64::MAX).unwrap();
    assert!(answer.damage.is_empty(), "{:?}", answer.damage);
    let mut content = Content::new();
    for series in &answer.series {
        for (time, value) in series.times_ms.iter().zip(&series.values) {
            content.insert((series.labels.to_string(), *time), value.to_bits());
        }
    }
    content
}

#[test]
fn files_of_every_version_are_read() {
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        let sim = Sim::new(0);
        write(&sim);
        let _ = fs::remove_dir_all(folder(CURRENT));
        fs::create_dir_all(folder(CURRENT)).unwrap();
        for (name, _) in sim.list().unwrap() {
            sim.link(&name, &folder(CURRENT)).unwrap();
        }
    }
    for version in 1..=CURRENT {
        let disk = Arc::new(Disk::read_only(folder(version)));
        let (store, opening) = Store::open_read_only(disk, Options::default()).unwrap();
        assert!(opening.damaged.is_empty() && opening.lost_tails.is_empty(), "{opening:?}");
        assert!(opening.replayed_samples > 500);
        let found = content(&store);
        let expected = expected();
        let wrong: Vec<_> = expected.iter().filter(|(k, v)| found.get(*k) != Some(v)).collect();
        assert!(wrong.is_empty(), "version {version}: {wrong:?}");
        assert_eq!(found.len(), expected.len());
        let stats = store.stats();
        assert!(stats.raw.files >= 3 && stats.minute.files == 1 && stats.hour.files == 1, "{stats:?}");
        let hours = store.snapshot().rollups(&[], Tier::Hour, START_MS, START_MS).unwrap();
        assert_eq!(hours.series.len(), 12);
        store.snapshot().verify(|_, _| {}, |e| panic!("{e}"));
    }
}
