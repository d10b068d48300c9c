//! A file system that is really full: said, nothing lost that was acknowledged, and over when there
//! is room again. Where a small one cannot be mounted (it needs root) a simulated one stands in.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use chasar_tsdb::storage::{Disk, Sim, Storage};
use chasar_tsdb::{Health, Kind, Labels, NAME, Options, Store};

const START_MS: i64 = 1_699_999_200_000;

/// A file system of a megabyte, until it is dropped.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Option<Small> {
        let folder = tempfile::tempdir().unwrap();
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(folder.path()).output();
        mount.is_ok_and(|m| m.status.success()).then_some(Small(folder))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).output();
    }
}

/// Writes until nothing fits, makes room, and goes on. `free` makes room.
fn fill(storage: Arc<dyn Storage>, free: impl FnOnce()) {
    let (store, _) = Store::open(storage.clone(), Options::default()).unwrap();
    let mut writer = store.writer().unwrap();
    let source = writer.source(&Labels::new([("instance", "a")]).unwrap());
    let metrics: Vec<Labels> = (0..200).map(|m| Labels::new([(NAME, format!("m{m}"))]).unwrap()).collect();
    let layout = writer.layout(metrics.iter().map(|m| (m, Kind::Gauge)));
    let mut state = 1u64;
    let mut row = || -> Vec<f64> {
        (0..200)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 12) as f64
            })
            .collect()
    };
    let mut expected: Vec<(i64, f64)> = Vec::new();
    let mut now = START_MS;
    let mut failed = 0;
    while failed < 40 {
        let values = row();
        writer.row(&source, &layout, now, &values).unwrap();
        match writer.commit(now) {
            Ok(_) => expected.push((now, values[7])),
            Err(error) => {
                assert!(error.is_full(), "{error}");
                assert!(matches!(store.health(), Health::Full(_)), "{:?}", store.health());
                failed += 1;
            }
        }
        let _ = store.maintain(now);
        now += 1000;
        assert!(expected.len() < 100_000, "the disk never gets full");
    }
    let check = |store: &Store, expected: &[(i64, f64)]| {
        let answer = store.snapshot().select(&[], i64::MIN, i64::MAX).unwrap();
        assert!(answer.damage.is_empty(), "{:?}", answer.damage);
        assert_eq!(answer.series.len(), 200);
        let series = answer.series.iter().find(|s| s.labels.get(NAME) == Some("m7")).unwrap();
        assert!(
            series.times_ms.iter().copied().zip(series.values.iter().copied()).eq(expected.iter().copied())
        );
    };
    check(&store, &expected);
    let logs = storage.list().unwrap().into_iter().filter(|(name, _)| name.ends_with(".wal")).count();
    assert!(logs < 10, "{logs} logs, most of them of nothing");
    free();
    let values = row();
    writer.row(&source, &layout, now, &values).unwrap();
    writer.commit(now).unwrap();
    expected.push((now, values[7]));
    while store.maintain(now).unwrap().more {}
    assert_eq!(store.health(), Health::Good);
    check(&store, &expected);
    drop((store, writer));
    let (store, opening) = Store::open(storage, Options::default()).unwrap();
    assert!(opening.damaged.is_empty(), "{:?}", opening.damaged);
    check(&store, &expected);
}

#[test]
fn a_full_file_system_is_said_and_survived() {
    let Some(small) = Small::mount() else {
        let sim = Sim::new(1);
        sim.set_capacity(Some(1 << 20));
        return fill(Arc::new(sim.clone()), || sim.set_capacity(None));
    };
    let path: &Path = small.0.path();
    fill(Arc::new(Disk::open(path.join("history")).unwrap()), || {
        let more = Command::new("mount").args(["-o", "remount,size=64m"]).arg(path).output().unwrap();
        assert!(more.status.success(), "{}", String::from_utf8_lossy(&more.stderr));
    });
}
