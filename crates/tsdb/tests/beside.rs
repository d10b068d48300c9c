//! What others see who have no part in writing: readers and backups beside a writer, walks, usage.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chasar_tsdb::storage::{Disk, Input, Linked, Output, Sim, Storage};
use chasar_tsdb::{Kind, Labels, Matcher, NAME, Options, Series, Snapshot, Store, Writer, backup};
use proptest::prelude::*;

const START_MS: i64 = 1_699_999_200_000;
const HOUR: i64 = 3_600_000;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::new(pairs.iter().copied()).unwrap()
}

fn open(sim: &Sim) -> (Store, Writer) {
    let (store, _) = Store::open(Arc::new(sim.clone()), Options::default()).unwrap();
    let writer = store.writer().unwrap();
    (store, writer)
}

/// A sample a second of three metrics of two sources.
fn feed(writer: &mut Writer, from_ms: i64, seconds: i64) {
    let metrics: Vec<Labels> =
        ["a", "b", "c"].iter().map(|m| labels(&[(NAME, "metric"), ("which", m)])).collect();
    let layout = writer.layout(metrics.iter().map(|l| (l, Kind::Gauge)));
    let sources: Vec<_> = ["x", "y"].iter().map(|s| writer.source(&labels(&[("instance", s)]))).collect();
    for second in 0..seconds {
        let now = from_ms + second * 1000;
        for source in &sources {
            writer.row(source, &layout, now, &[second as f64, 0.5, (second % 7) as f64]).unwrap();
        }
        writer.commit(now).unwrap();
    }
}

fn all(snapshot: &Snapshot) -> Vec<Series> {
    let answer = snapshot.select(&[], i64::MIN, i64::MAX).unwrap();
    assert!(answer.damage.is_empty(), "{:?}", answer.damage);
    answer.series
}

/// Somebody does something between the first calls of one who reads: the n-th call runs it.
struct Meddled<F> {
    sim: Sim,
    calls: AtomicUsize,
    when: usize,
    what: F,
}

impl<F> std::fmt::Debug for Meddled<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("meddled")
    }
}

impl<F: Fn()> Meddled<F> {
    fn call(&self) {
        if self.calls.fetch_add(1, Ordering::Relaxed) == self.when {
            (self.what)();
        }
    }
}

impl<F: Fn() + Send + Sync> Storage for Meddled<F> {
    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let files = self.sim.list();
        self.call();
        files
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn Output>> {
        panic!("a reader creates {name}");
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn Input>> {
        self.call();
        self.sim.open(name)
    }
    fn rename(&self, from: &str, _: &str) -> io::Result<()> {
        panic!("a reader renames {from}");
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        panic!("a reader removes {name}");
    }
    fn sync_names(&self) -> io::Result<()> {
        panic!("a reader syncs");
    }
    fn link(&self, name: &str, folder: &Path) -> io::Result<Linked> {
        self.call();
        self.sim.link(name, folder)
    }
}

/// A store with segments, what came late and a head, for which a merge is due.
fn busy() -> (Sim, Store, Writer) {
    let sim = Sim::new(7);
    let (store, mut writer) = open(&sim);
    for window in 0..30 {
        feed(&mut writer, START_MS + window * 120_000, 40);
        if window % 3 != 2 {
            store.flush(START_MS + window * 120_000 + 50_000).unwrap();
        }
    }
    (sim, store, writer)
}

/// Flushes and merges all.
fn tidy(store: &Store) {
    let now = START_MS + 3 * HOUR;
    store.flush(now).unwrap();
    while store.maintain(now).unwrap().more {}
}

#[test]
fn a_reader_sees_everything_whenever_the_writer_replaces_files() {
    for when in 0.. {
        let (sim, store, _writer) = busy();
        let expected = all(&store.snapshot());
        let files = sim.list().unwrap().len();
        let (flushed, names) = (store.clone(), sim.clone());
        let meddled = Meddled { sim, calls: AtomicUsize::new(0), when, what: move || tidy(&flushed) };
        let (reader, opening) = Store::open_read_only(Arc::new(meddled), Options::default()).unwrap();
        if names.list().unwrap().len() == files {
            // It is done before that many calls.
            assert!(when > 20, "nothing was merged at call {when}");
            break;
        }
        assert!(opening.damaged.is_empty(), "call {when}: {:?}", opening.damaged);
        assert_eq!(all(&reader.snapshot()), expected, "call {when}");
    }
}

#[test]
fn a_backup_has_everything_whenever_the_writer_replaces_files() {
    for when in 0.. {
        let (sim, store, _writer) = busy();
        let expected = all(&store.snapshot());
        let flushed = store.clone();
        let (names, before) = (sim.clone(), sim.list().unwrap().len());
        let meddled = Meddled { sim, calls: AtomicUsize::new(0), when, what: move || tidy(&flushed) };
        let folder = tempfile::tempdir().unwrap();
        let done = backup(&meddled, folder.path()).unwrap();
        if names.list().unwrap().len() == before {
            assert!(when > 20, "nothing was merged at call {when}");
            break;
        }
        let files = std::fs::read_dir(folder.path()).unwrap().count() as u64;
        assert_eq!(done.segments + done.logs, files, "call {when}: {done:?}");
        let copy = Arc::new(Disk::open(folder.path()).unwrap());
        let (copy, opening) = Store::open(copy, Options::default()).unwrap();
        assert!(opening.damaged.is_empty() && opening.lost_tails.is_empty(), "call {when}: {opening:?}");
        assert_eq!(all(&copy.snapshot()), expected, "call {when}");
        tidy(&copy);
        assert_eq!(all(&copy.snapshot()), expected, "call {when}, merged");
    }
}

#[test]
fn a_backup_on_the_same_disk_takes_no_room_but_for_logs() {
    let folder = tempfile::tempdir().unwrap();
    let (from, into) = (folder.path().join("from"), folder.path().join("into"));
    std::fs::create_dir(&into).unwrap();
    let disk = Arc::new(Disk::open(&from).unwrap());
    let (store, _) = Store::open(disk.clone(), Options::default()).unwrap();
    let mut writer = store.writer().unwrap();
    feed(&mut writer, START_MS, 60);
    store.flush(START_MS + 60_000).unwrap();
    feed(&mut writer, START_MS + 60_000, 30);
    let done = backup(&*disk, &into).unwrap();
    assert_eq!((done.segments, done.copied_segments, done.logs), (1, 0, 1), "{done:?}");
    // What comes later is not in it.
    let expected = all(&store.snapshot());
    feed(&mut writer, START_MS + 90_000, 30);
    let (copy, _) = Store::open_read_only(Arc::new(Disk::read_only(&into)), Options::default()).unwrap();
    assert_eq!(all(&copy.snapshot()), expected);
    // A file that is there already is not written over.
    assert!(backup(&*disk, &into).is_err());
}

#[test]
fn usage_adds_up_to_what_the_files_have() {
    let (_, store, _writer) = busy();
    tidy(&store);
    let mut progress = Vec::new();
    let usage = store.snapshot().usage(|done, of| progress.push((done, of))).unwrap();
    let stats = store.stats();
    let size = stats.raw.bytes + stats.minute.bytes + stats.hour.bytes;
    assert_eq!(progress.last(), Some(&(size, size)));
    assert!(progress.is_sorted());
    assert!(usage.damage.is_empty());
    let metrics: Vec<_> = usage.metrics.iter().map(|m| (m.labels.to_string(), m.series, m.samples)).collect();
    let samples = 2 * 30 * 40;
    let named = |m: &str| (format!("metric{{which=\"{m}\"}}"), 2, samples);
    assert_eq!(metrics, [named("a"), named("b"), named("c")]);
    let raw: u64 = usage.metrics.iter().map(|m| m.raw_bytes).sum();
    let rollups: u64 = usage.metrics.iter().map(|m| m.rollup_bytes).sum();
    assert_eq!(raw + rollups + usage.index_bytes, size);
    assert!(rollups > 0);
    let sources: Vec<_> = usage.sources.iter().map(|s| (s.labels.to_string(), s.series, s.samples)).collect();
    assert_eq!(
        sources,
        [("{instance=\"x\"}".to_string(), 3, 3600), ("{instance=\"y\"}".to_string(), 3, 3600)]
    );
    assert_eq!(usage.sources.iter().map(|s| s.raw_bytes).sum::<u64>(), raw);
}

#[test]
fn the_end_of_a_log_is_told_from_damage_in_it() {
    let sim = Sim::new(3);
    let (store, mut writer) = open(&sim);
    feed(&mut writer, START_MS, 50);
    drop((store, writer));
    let (name, size) = sim.list().unwrap().into_iter().next().unwrap();
    let mut bytes = vec![0; usize::try_from(size).unwrap()];
    sim.open(&name).unwrap().read_at(0, &mut bytes).unwrap();
    let lost = |bytes: &[u8]| {
        let sim = Sim::new(0);
        sim.create(&name).unwrap().append(bytes).unwrap();
        let (_, opening) = Store::open_read_only(Arc::new(sim), Options::default()).unwrap();
        assert!(opening.damaged.is_empty());
        opening.lost_tails.into_iter().next()
    };
    assert_eq!(lost(&bytes), None);
    let cut = lost(&bytes[..bytes.len() - 3]).unwrap();
    assert!(!cut.followed, "{cut:?}");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let torn = lost(&bytes).unwrap();
    assert!(!torn.followed, "{torn:?}");
    bytes[last] ^= 1;
    bytes[200] ^= 1;
    let flipped = lost(&bytes).unwrap();
    assert!(flipped.followed && flipped.offset < 200 && flipped.bytes > 200, "{flipped:?}");
}

fn walked(snapshot: &Snapshot, matchers: &[Matcher], (from, to): (i64, i64), at_once: usize) -> Vec<Series> {
    let mut walk = snapshot.walk(matchers, from, to, at_once).unwrap();
    let mut series = Vec::new();
    let mut done = walk.done();
    while let Some(group) = walk.next() {
        series.extend(group.unwrap().series);
        assert!(walk.done() >= done);
        done = walk.done();
    }
    assert!(walk.done() >= 1.0);
    series
}

/// Found by review: a rare metric made steps wide, and the next one was read of all sources at once.
#[test]
fn a_walk_holds_as_much_as_was_asked_for_whoever_has_which_metric() {
    let sim = Sim::new(1);
    let (store, mut writer) = open(&sim);
    let sources: Vec<String> = (0..200).map(|n| format!("s{n:03}")).collect();
    for second in 0..50 {
        let now = START_MS + second * 1000;
        for (at, source) in sources.iter().enumerate() {
            // Of the first one alone, of all, of half of them rarely, of the last half.
            for (name, has) in [("a", at == 0), ("b", true), ("c", at > 99 || second == 7), ("d", at > 99)] {
                if has {
                    let series =
                        writer.series(&labels(&[(NAME, name), ("instance", source.as_str())]), Kind::Gauge);
                    writer.sample(&series, now, second as f64);
                }
            }
        }
        writer.commit(now).unwrap();
        if second == 30 {
            store.flush(now).unwrap();
        }
    }
    let (mut groups, mut samples) = (0, 0);
    for group in store.snapshot().walk(&[], i64::MIN, i64::MAX, 500).unwrap() {
        let held: usize = group.unwrap().series.iter().map(|s| s.values.len()).sum();
        assert!(held <= 500, "{held} samples at once");
        samples += held;
        groups += 1;
    }
    assert_eq!(samples, 50 + 200 * 50 + 100 + 100 * 50 + 100 * 50);
    assert!(groups <= 60, "{groups} groups");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_walk_meets_each_selected_series_once_and_one_finds_it(
        samples in prop::collection::vec((0usize..4, 0usize..4, 0usize..6, 0i64..600), 1..200),
        flushed in 0usize..200,
        at_once in 1usize..400,
        from in 0i64..300,
        mixed: bool,
    ) {
        let sim = Sim::new(1);
        let (store, mut writer) = open(&sim);
        for (at, (name, own, source, time)) in samples.iter().enumerate() {
            if at == flushed {
                store.flush(START_MS + HOUR).unwrap();
            }
            let (name, own, source) = (format!("n{name}"), format!("{own}"), format!("s{source}"));
            // An upper-case label sorts before the name.
            let set = labels(&[(NAME, &name), ("Own", &own), ("instance", &source)]);
            let series = if mixed && at % 2 == 1 {
                // The same labels, divided in another way.
                let handle = writer.source(&labels(&[("Own", &own), ("instance", &source)]));
                let metric = labels(&[(NAME, &name)]);
                let layout = writer.layout([(&metric, Kind::Gauge)]);
                writer.row(&handle, &layout, START_MS + time * 1000, &[at as f64]).unwrap();
                None
            } else {
                Some(writer.series(&set, Kind::Gauge))
            };
            if let Some(series) = series {
                writer.sample(&series, START_MS + time * 1000, at as f64);
            }
            writer.commit(START_MS + HOUR).unwrap();
        }
        let snapshot = store.snapshot();
        let span = (START_MS + from * 1000, START_MS + 400_000);
        for matchers in [vec![], vec![Matcher::equal("instance", "s1")], vec![Matcher::equal(NAME, "n2")]] {
            let mut walked = walked(&snapshot, &matchers, span, at_once);
            let names: Vec<&str> = walked.iter().map(|s| s.labels.get(NAME).unwrap()).collect();
            prop_assert!(names.is_sorted(), "{names:?}");
            walked.sort_by(|a, b| a.labels.cmp(&b.labels));
            let selected = snapshot.select(&matchers, span.0, span.1).unwrap().series;
            if !mixed {
                for series in &selected {
                    let one = snapshot.one(&series.labels, span.0, span.1).unwrap();
                    prop_assert_eq!(one.as_ref(), Some(series));
                }
            }
            prop_assert_eq!(walked, selected);
        }
        let nothing = labels(&[(NAME, "n1"), ("Own", "nobody's")]);
        prop_assert_eq!(snapshot.one(&nothing, i64::MIN, i64::MAX).unwrap(), None);
    }
}
