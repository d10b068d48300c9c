//! Any sequence of reports, in any order and at any time: the fleet's sums stay right and nothing is
//! published twice.
#![no_main]

use std::collections::HashSet;
use std::time::Duration;

use chasar_fleet::{Effect, Fleet, Input, Now, Origin, Settings};
use chasar_wire::Report;
use chasar_wire::report::Replay;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut fleet = Fleet::new(Settings::default());
    let (mut effects, mut published) = (Vec::new(), HashSet::new());
    let mut monotonic = Duration::from_secs(1000);
    for step in input.chunks_exact(6) {
        let [who, sequence, wait, replay, clock, kind] = *step else { continue };
        monotonic += Duration::from_millis(u64::from(wait) * 10);
        let now = Now { monotonic, unix_ms: 1_700_000_000_000 + i64::from(clock) * 1000 };
        if kind & 1 == 1 {
            fleet.step(now, Input::Tick, &mut effects);
        }
        let (node, session) = (who & 3, who >> 2 & 3);
        let report = Report {
            hostname: format!("host{}", who >> 6).as_str().into(),
            node_id: Some(format!("node{node}").as_str().into()),
            session: Some(format!("session{session}").as_str().into()),
            sequence: Some(u64::from(sequence)),
            sampled_at_ms: Some(1_700_000_000_000 + i64::from(sequence) * 1000),
            interval_seconds: Some(1.0),
            leaving: (kind & 2 == 2).then_some(true),
            replay: (kind & 4 == 4)
                .then(|| Replay { pending: u64::from(replay), from_sequence: u64::from(replay) }),
            ..Report::default()
        };
        let origin = Origin::direct("192.0.2.1");
        fleet.step(now, Input::Report { report: &report, origin }, &mut effects);
        for effect in effects.drain(..) {
            if let Effect::Accepted { .. } = effect {
                assert!(published.insert((node, session, sequence)), "published twice");
            }
        }
    }
    assert!(fleet.totals().nodes <= 16);
});
