//! A log from anybody: what is not refused is replayed, read and becomes a segment.
#![no_main]

use std::sync::Arc;

use chasar_tsdb::storage::{Sim, Storage};
use chasar_tsdb::{Options, Store};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let sim = Sim::new(0);
    // A log's number is in its header and in its name; where they differ it is refused at once.
    let number = bytes.get(12..20).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    let name = format!("w-{:016x}.wal", number.filter(|n| *n < 1 << 62).unwrap_or(1));
    let mut file = sim.create(&name).expect("a name that is free");
    file.append(bytes).expect("room");
    let (store, _) = Store::open(Arc::new(sim), Options::default()).expect("damage is no error");
    let read = || {
        let answer = store.snapshot().select(&[], i64::MIN, i64::MAX).expect("damage is no error");
        assert!(answer.damage.is_empty());
        answer.series
    };
    let before = read();
    // Times far apart make as many segments as there are hours; more than a log can have in life.
    let hours: std::collections::BTreeSet<i64> =
        before.iter().flat_map(|s| s.times_ms.iter().map(|t| t.div_euclid(3_600_000))).collect();
    if hours.len() < 100 {
        store.flush(0).expect("memory takes it all");
        let same = |a: f64, b: f64| a.to_bits() == b.to_bits();
        let after = read();
        assert_eq!(after.len(), before.len());
        for (a, b) in before.iter().zip(&after) {
            assert_eq!((&a.labels, &a.times_ms), (&b.labels, &b.times_ms));
            assert!(a.values.iter().zip(&b.values).all(|(a, b)| same(*a, *b)));
        }
    }
});
