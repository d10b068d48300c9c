//! The store against a `BTreeMap`: the same commits in both, with power cuts at every write, failing
//! syncs and full disks, and the same answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chasar_tsdb::storage::Sim;
use chasar_tsdb::{ABSENT, Kind, Labels, NAME, Options, Rollup, SharedSeries, Store, Tier, Writer};
use proptest::prelude::*;

const START_MS: i64 = 1_699_999_200_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 3_600_000;

/// Metrics of each layout.
const LAYOUTS: [&[usize]; 3] = [&[0, 1, 2], &[2, 3, 4, 5, 6, 7, 8, 9, 10], &[1]];

#[derive(Clone, Debug)]
enum Op {
    Row { source: usize, layout: usize, back_ms: i64, values: Vec<f64> },
    Sample { source: usize, metric: usize, back_ms: i64, value: f64 },
    Commit,
    Maintain,
    Wait(i64),
    Flush,
    PowerCut,
    Full(bool),
    SyncsFail(bool),
    ReadOnly(bool),
}

type Content = BTreeMap<(String, i64), u64>;

fn metric(number: usize) -> (Labels, Kind) {
    let kind = [Kind::Unknown, Kind::Gauge, Kind::Counter][number % 3];
    (Labels::new([(NAME, "m".to_string()), ("number", number.to_string())]).unwrap(), kind)
}

fn source(number: usize) -> Labels {
    Labels::new([("instance", format!("node-{number}"))]).unwrap()
}

fn series(s: usize, m: usize) -> Labels {
    Labels::new([(NAME, "m".to_string()), ("number", m.to_string()), ("instance", format!("node-{s}"))])
        .unwrap()
}

struct World {
    sim: Sim,
    store: Option<(Store, Writer)>,
    now: i64,
    content: Content,
    /// Taken, not committed.
    pending: Vec<(String, i64, u64)>,
    /// From commits that failed: they may be there after a restart.
    maybe: BTreeMap<(String, i64), BTreeSet<u64>>,
    failures: u32,
}

fn options() -> Options {
    Options { window_ms: 2 * MINUTE, ..Options::default() }
}

impl World {
    fn new(sim: Sim) -> World {
        let mut world = World {
            sim,
            store: None,
            now: START_MS,
            content: Content::new(),
            pending: Vec::new(),
            maybe: BTreeMap::new(),
            failures: 0,
        };
        world.open();
        world
    }

    fn open(&mut self) {
        let (store, opening) = Store::open(Arc::new(self.sim.clone()), options()).unwrap();
        assert!(opening.damaged.is_empty(), "{:?}", opening.damaged);
        let writer = store.writer().unwrap();
        self.store = Some((store, writer));
    }

    fn read(&self) -> Content {
        let (store, _) = self.store.as_ref().unwrap();
        let selection = store.snapshot().select(&[], i64::MIN, i64::MAX).unwrap();
        assert!(selection.damage.is_empty(), "{:?}", selection.damage);
        let mut content = Content::new();
        for series in selection.series {
            assert!(series.times_ms.is_sorted_by(|a, b| a < b));
            for (time, value) in series.times_ms.iter().zip(&series.values) {
                content.insert((series.labels.to_string(), *time), value.to_bits());
            }
        }
        content
    }

    /// What is there is what was committed.
    fn check(&self) {
        let found = self.read();
        let differs = |a: &Content, b: &Content| -> Content {
            a.iter().filter(|(k, v)| b.get(*k) != Some(v)).map(|(k, v)| (k.clone(), *v)).collect()
        };
        let (wrong, missing) = (differs(&found, &self.content), differs(&self.content, &found));
        assert!(wrong.is_empty() && missing.is_empty(), "found {wrong:?} instead of {missing:?}");
    }

    /// All tiles together have what a selection has, and the newest of each series is its last.
    fn check_tiles(&self) {
        let (store, _) = self.store.as_ref().unwrap();
        let snapshot = store.snapshot();
        for (from_ms, to_ms) in [(i64::MIN, i64::MAX), (START_MS, self.now - 2 * MINUTE)] {
            let all = snapshot.select(&[], from_ms, to_ms).unwrap().series;
            let newest = all.clone().into_iter().map(|mut series| {
                series.times_ms.drain(..series.times_ms.len() - 1);
                series.values.drain(..series.values.len() - 1);
                series
            });
            let newest: Vec<_> = newest.collect();
            let tiles = snapshot.tiles(&[], from_ms, to_ms, 3).unwrap();
            let together = |read: &dyn Fn(usize) -> chasar_tsdb::Selection<SharedSeries>| {
                let mut series: Vec<_> = (0..tiles.len()).flat_map(|at| read(at).series).collect();
                series.sort_by(|a, b| a.labels.cmp(&b.labels));
                series
            };
            let shared = |all: Vec<chasar_tsdb::Series>| -> Vec<SharedSeries> {
                let of = |s: chasar_tsdb::Series| SharedSeries {
                    labels: s.labels,
                    times_ms: Arc::new(s.times_ms),
                    values: s.values,
                };
                all.into_iter().map(of).collect()
            };
            let bits = |all: Vec<SharedSeries>| -> Vec<(String, Vec<(i64, u64)>)> {
                let of = |s: SharedSeries| {
                    let values = s.values.iter().map(|v| v.to_bits());
                    (s.labels.to_string(), s.times_ms.iter().copied().zip(values).collect())
                };
                all.into_iter().map(of).collect()
            };
            assert_eq!(bits(together(&|at| tiles.read(at).unwrap())), bits(shared(all)));
            assert_eq!(bits(together(&|at| tiles.newest(at).unwrap())), bits(shared(newest)));
        }
    }

    fn power_cut(&mut self) {
        self.store = None;
        for (labels, time, value) in self.pending.drain(..) {
            self.maybe.entry((labels, time)).or_default().insert(value);
        }
        self.sim = self.sim.after_power_cut();
        self.open();
        let found = self.read();
        for (key, value) in &self.content {
            assert_eq!(found.get(key), Some(value), "{key:?} was acknowledged and is lost");
        }
        for (key, value) in &found {
            let invented = !self.content.contains_key(key)
                && !self.maybe.get(key).is_some_and(|values| values.contains(value));
            assert!(!invented, "{key:?} {value:x} was never written");
        }
        // What failed and is there nevertheless, stays.
        self.content = found;
    }

    fn step(&mut self, op: &Op) {
        let Some((store, writer)) = self.store.as_mut() else { return };
        match op {
            Op::Row { source: s, layout, back_ms, values } => {
                let metrics: Vec<_> = LAYOUTS[*layout].iter().map(|m| metric(*m)).collect();
                let handle = writer.layout(metrics.iter().map(|(l, k)| (l, *k)));
                let source = writer.source(&source(*s));
                let time = self.now - back_ms;
                let values: Vec<f64> = values.iter().copied().cycle().take(metrics.len()).collect();
                writer.row(&source, &handle, time, &values).unwrap();
                for (m, value) in LAYOUTS[*layout].iter().zip(&values) {
                    if value.to_bits() != ABSENT.to_bits() {
                        self.pending.push((series(*s, *m).to_string(), time, value.to_bits()));
                    }
                }
            }
            Op::Sample { source, metric: m, back_ms, value } => {
                let labels = series(*source, *m);
                let time = self.now - back_ms;
                let handle = writer.series(&labels, metric(*m).1);
                writer.sample(&handle, time, *value);
                if value.to_bits() != ABSENT.to_bits() {
                    self.pending.push((labels.to_string(), time, value.to_bits()));
                }
            }
            Op::Commit => {
                let result = writer.commit(self.now);
                let pending = std::mem::take(&mut self.pending);
                match result {
                    Ok(done) => {
                        let n = pending.len() as u64;
                        for (labels, time, value) in pending {
                            self.content.entry((labels, time)).or_insert(value);
                        }
                        assert_eq!(done.accepted + done.duplicates, n, "{done:?}");
                        self.check();
                    }
                    Err(_) => {
                        self.failures += 1;
                        for (labels, time, value) in pending {
                            self.maybe.entry((labels, time)).or_default().insert(value);
                        }
                        // Windows whose log could be written are there, the others are not.
                        let found = self.read();
                        for (key, value) in &self.content {
                            assert_eq!(found.get(key), Some(value));
                        }
                        self.content = found;
                    }
                }
            }
            Op::Maintain => {
                self.failures += u32::from(store.maintain(self.now).is_err());
                self.check();
                // Also of hours that were rolled up before a sample came to them.
                self.check_rollups(Tier::Minute);
            }
            Op::Flush => {
                self.failures += u32::from(store.flush(self.now).is_err());
                self.check();
            }
            Op::Wait(ms) => self.now += ms,
            Op::PowerCut => self.power_cut(),
            Op::Full(full) => self.sim.set_capacity(full.then_some(0)),
            Op::SyncsFail(fail) => self.sim.set_syncs_fail(*fail),
            Op::ReadOnly(read_only) => self.sim.set_read_only(*read_only),
        }
    }

    /// Everything merged as far as it goes; then rollups must say what the samples say.
    fn settle(&mut self) {
        self.sim.set_capacity(None);
        self.sim.set_syncs_fail(false);
        self.sim.set_read_only(false);
        self.step(&Op::Commit);
        self.now += 50 * HOUR;
        let (store, _) = self.store.as_ref().unwrap();
        for _ in 0..2 {
            let mut rounds = 0;
            while store.maintain(self.now).unwrap().more {
                rounds += 1;
                assert!(rounds < 1000, "maintenance finds no end");
            }
            // What came late has waited long enough to be merged now.
            self.now += HOUR;
        }
        self.check();
        assert_eq!(self.sim_files(".tmp") + self.sim_files(".wal"), 0, "{:?}", self.sim);
        for tier in [Tier::Minute, Tier::Hour] {
            self.check_rollups(tier);
        }
        let mut wrong = Vec::new();
        store.snapshot().verify(|_, _| {}, |e| wrong.push(e));
        assert!(wrong.is_empty(), "{wrong:?}");
        // One file a day and tier is left.
        let days: BTreeSet<i64> = self.content.keys().map(|(_, t)| t.div_euclid(24 * HOUR)).collect();
        assert_eq!(self.sim_files(".seg"), days.len() * 3);
    }

    fn sim_files(&self, suffix: &str) -> usize {
        use chasar_tsdb::storage::Storage;
        self.sim.list().unwrap().iter().filter(|(name, _)| name.ends_with(suffix)).count()
    }

    fn check_rollups(&self, tier: Tier) {
        let mut expected: BTreeMap<(String, i64), Vec<f64>> = BTreeMap::new();
        for ((labels, time), value) in &self.content {
            let value = f64::from_bits(*value);
            if !value.is_nan() {
                let start = time.div_euclid(tier.step_ms()) * tier.step_ms();
                expected.entry((labels.clone(), start)).or_default().push(value);
            }
        }
        let (store, _) = self.store.as_ref().unwrap();
        let selection = store.snapshot().rollups(&[], tier, i64::MIN, i64::MAX).unwrap();
        let mut found: BTreeMap<(String, i64), Rollup> = BTreeMap::new();
        for series in &selection.series {
            for rollup in &series.rollups {
                found.insert((series.labels.to_string(), rollup.start_ms), *rollup);
            }
        }
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            expected.keys().collect::<Vec<_>>(),
            "rollups of {tier:?} at other times"
        );
        for (key, values) in expected {
            let rollup = found[&key];
            assert_eq!(rollup.count, values.len() as u64, "{key:?}");
            assert_eq!(Some(rollup.last), values.last().copied(), "{key:?}");
            if let Some(min) = rollup.min {
                assert_eq!(Some(min), values.iter().copied().reduce(f64::min), "{key:?}");
                assert_eq!(rollup.max, values.iter().copied().reduce(f64::max), "{key:?}");
            }
            if let Some(first) = rollup.first {
                assert_eq!(Some(first), values.first().copied(), "{key:?}");
                let resets: f64 = values.windows(2).filter(|w| w[1] < w[0]).map(|w| w[0]).sum();
                let stored = rollup.resets.unwrap();
                assert!((stored - resets).abs() <= resets.abs() * 1e-9, "{key:?} {stored} {resets}");
            }
        }
    }
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => (0u32..100_000).prop_map(|v| f64::from(v) / 100.0),
        2 => (0u32..1000).prop_map(f64::from),
        1 => prop_oneof![Just(f64::NAN), Just(0.1 + 0.2), Just(-0.0), Just(1e300), Just(ABSENT)],
    ]
}

fn back() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => Just(0i64),
        2 => (0i64..5).prop_map(|s| s * 1000),
        1 => 0i64..10 * MINUTE,
        1 => (0i64..5).prop_map(|h| h * HOUR / 2),
    ]
}

fn op(with_faults: bool) -> BoxedStrategy<Op> {
    let fault = u32::from(with_faults);
    prop_oneof![
        12 => (0usize..3, 0usize..LAYOUTS.len(), back(), prop::collection::vec(value(), 1..10))
            .prop_map(|(source, layout, back_ms, values)| Op::Row { source, layout, back_ms, values }),
        3 => (0usize..3, 0usize..12, back(), value())
            .prop_map(|(source, metric, back_ms, value)| Op::Sample { source, metric, back_ms, value }),
        8 => Just(Op::Commit),
        5 => Just(Op::Maintain),
        8 => prop_oneof![
            6 => Just(1000i64),
            2 => Just(MINUTE),
            1 => Just(3 * MINUTE),
            1 => Just(HOUR),
            1 => Just(9 * HOUR),
        ].prop_map(Op::Wait),
        1 => Just(Op::Flush),
        1 => Just(Op::PowerCut),
        fault => any::<bool>().prop_map(Op::Full),
        fault => any::<bool>().prop_map(Op::SyncsFail),
        fault => any::<bool>().prop_map(Op::ReadOnly),
    ]
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_answers_as_a_map_would(seed: u64, ops in prop::collection::vec(op(false), 1..120)) {
        let mut world = World::new(Sim::new(seed));
        for op in &ops {
            world.step(op);
        }
        prop_assert_eq!(world.failures, 0);
        world.check_tiles();
        world.settle();
        world.check_tiles();
    }

    #[test]
    fn a_failing_disk_loses_nothing_that_was_acknowledged(
        seed: u64,
        ops in prop::collection::vec(op(true), 1..120),
    ) {
        let mut world = World::new(Sim::new(seed));
        for op in &ops {
            if matches!(op, Op::PowerCut) {
                // A machine does not start with a disk that fails.
                for repair in [Op::Full(false), Op::SyncsFail(false), Op::ReadOnly(false)] {
                    world.step(&repair);
                }
            }
            world.step(op);
        }
        world.settle();
    }
}

/// Commits, late samples, flushes and merges of an afternoon.
fn afternoon() -> Vec<Op> {
    let mut ops = Vec::new();
    for i in 0..8i64 {
        for source in 0..2usize {
            let values = vec![i as f64, 5.0, i as f64 / 100.0];
            let late = if i % 4 == 3 { 70 * MINUTE } else { 0 };
            ops.push(Op::Row { source, layout: i as usize % 2, back_ms: late, values });
        }
        ops.push(Op::Sample { source: 2, metric: 11, back_ms: i % 3 * 1000, value: i as f64 });
        ops.push(Op::Commit);
        ops.push(Op::Wait(if i % 3 == 2 { HOUR } else { MINUTE + 1000 }));
        ops.push(Op::Maintain);
    }
    ops.push(Op::Wait(24 * HOUR));
    ops.extend(std::iter::repeat_n(Op::Maintain, 10));
    ops
}

#[test]
fn the_power_may_fail_at_every_write() {
    let ops = afternoon();
    let mut whole = World::new(Sim::new(0));
    ops.iter().for_each(|op| whole.step(op));
    let writes = whole.sim.operations();
    assert_eq!(whole.failures, 0);
    assert!(writes > 100, "{writes}");
    for at in 1..=writes {
        let mut world = World::new(Sim::new(at));
        world.sim.fail_power_at(at);
        for op in &ops {
            world.step(op);
            if world.sim.is_powerless() {
                world.power_cut();
            }
        }
        world.settle();
    }
}
