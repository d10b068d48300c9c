//! A segment from anybody: what is not refused is read, rolled up, verified and merged.
#![no_main]

use std::sync::Arc;

use chasar_tsdb::storage::{Sim, Storage};
use chasar_tsdb::{Options, Store, Tier};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let sim = Sim::new(0);
    let mut file = sim.create("s-0000000000000001.seg").expect("a name that is free");
    file.append(bytes).expect("room");
    let (store, _) = Store::open(Arc::new(sim), Options::default()).expect("damage is no error");
    let snapshot = store.snapshot();
    snapshot.select(&[], i64::MIN, i64::MAX).expect("damage is no error");
    snapshot.rollups(&[], Tier::Minute, i64::MIN, i64::MAX).expect("damage is no error");
    snapshot.verify(|_, _| {}, |_| {});
    store.maintain(i64::MAX / 2).expect("memory takes it all, and damage is no error");
});
