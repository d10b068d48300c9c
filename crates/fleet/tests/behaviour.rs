//! Single behaviours of the fleet, each as a short story.

use std::time::Duration;

use chasar_fleet::{Effect, Fleet, Input, MEMORY_MAGIC, Now, Origin, Settings, State, Warning};
use chasar_wire::report::Replay;
use chasar_wire::{Report, StateChange};

const EPOCH: i64 = 1_700_000_000_000;

/// A fleet, its time, and everything it said.
struct Story {
    fleet: Fleet,
    seconds: f64,
    said: Vec<Effect>,
}

impl Story {
    fn with(settings: Settings) -> Story {
        Story { fleet: Fleet::new(settings), seconds: 0.0, said: Vec::new() }
    }

    fn new() -> Story {
        Story::with(Settings::default())
    }

    fn now(&self) -> Now {
        Now {
            monotonic: Duration::from_secs_f64(1_000.0 + self.seconds),
            unix_ms: EPOCH + (self.seconds * 1e3).round() as i64,
        }
    }

    /// Hands a report in; what the fleet said to it.
    fn report(&mut self, report: &Report) -> Vec<Effect> {
        let mut effects = Vec::new();
        let origin = Origin::direct("192.0.2.1");
        self.fleet.step(self.now(), Input::Report { report, origin }, &mut effects);
        self.said.extend_from_slice(&effects);
        effects
    }

    /// Lets time pass, with ticks.
    fn wait(&mut self, seconds: f64) {
        let until = self.seconds + seconds;
        while self.seconds < until {
            self.seconds = (self.seconds + 0.25).min(until);
            let now = self.now();
            self.fleet.step(now, Input::Tick, &mut self.said);
        }
    }

    /// A report a second of this session, from one sequence to another.
    fn live(&mut self, session: &str, from: u64, to: u64) {
        for sequence in from..=to {
            let report = self.sampled(session, sequence);
            self.report(&report);
            self.wait(1.0);
        }
    }

    fn sampled(&self, session: &str, sequence: u64) -> Report {
        Report {
            hostname: "h".into(),
            node_id: Some("n".into()),
            session: Some(session.into()),
            sequence: Some(sequence),
            sampled_at_ms: Some(self.now().unix_ms),
            interval_seconds: Some(1.0),
            ..Report::default()
        }
    }

    /// The changes said since the last call, as `node: change`.
    fn changes(&mut self) -> Vec<StateChange> {
        let said = std::mem::take(&mut self.said);
        said.into_iter()
            .filter_map(|e| if let Effect::Changed(event) = e { Some(event.change) } else { None })
            .collect()
    }

    fn warnings(&mut self) -> Vec<Warning> {
        let said = std::mem::take(&mut self.said);
        said.into_iter().filter_map(|e| if let Effect::Warning(w) = e { Some(w) } else { None }).collect()
    }

    fn state(&mut self) -> State {
        let now = self.now();
        self.fleet.snapshot(now).nodes[0].state
    }
}

fn accepted(effects: &[Effect]) -> bool {
    effects.iter().any(|e| matches!(e, Effect::Accepted { .. }))
}

#[test]
fn one_late_report_makes_no_node_late_and_silence_makes_it_down() {
    let mut story = Story::new();
    story.live("s", 0, 3);
    story.wait(1.4);
    story.live("s", 4, 4);
    assert_eq!(story.changes(), [StateChange::Joined]);
    story.wait(1.5);
    assert_eq!(story.state(), State::Late);
    story.wait(2.5);
    assert_eq!(story.state(), State::Down, "within 3 s of the third missed report");
    story.live("s", 5, 5);
    assert_eq!(story.changes(), [StateChange::Late, StateChange::Down, StateChange::Back]);
}

#[test]
fn a_goodbye_is_no_silence_and_a_straggler_brings_nobody_back() {
    let mut story = Story::new();
    story.live("s", 0, 1);
    let straggler = story.sampled("s", 2);
    let goodbye = Report { leaving: Some(true), ..story.sampled("s", 3) };
    story.report(&goodbye);
    assert!(accepted(&story.report(&straggler)));
    story.wait(60.0);
    assert_eq!(story.state(), State::Left);
    assert_eq!(story.changes(), [StateChange::Joined, StateChange::Left]);
    story.live("t", 0, 0);
    assert_eq!(story.changes(), [StateChange::Back]);
}

#[test]
fn a_gap_is_said_once_when_the_node_gives_it_up() {
    let mut story = Story::new();
    story.live("s", 0, 2);
    story.changes();
    for sequence in 6..12 {
        let replay = Some(Replay { pending: 2, from_sequence: 4 });
        let report = Report { replay, ..story.sampled("s", sequence) };
        story.report(&report);
        story.wait(1.0);
    }
    let gap =
        |from_sequence, to_sequence| StateChange::Gap { session: "s".into(), from_sequence, to_sequence };
    assert_eq!(story.changes(), [gap(3, 3)]);
    let late = story.sampled("s", 4);
    assert!(accepted(&story.report(&late)));
    story.live("s", 12, 13);
    assert_eq!(story.changes(), [], "what just came back postpones the verdict on the rest");
    story.live("s", 14, 20);
    assert_eq!(story.changes(), [gap(5, 5)]);
    let counters = story.fleet.counters();
    assert_eq!((counters.lost_total, counters.replayed_total, counters.recovered_total), (2, 1, 0));
    let after_all = story.sampled("s", 5);
    assert!(accepted(&story.report(&after_all)), "better late than never");
    assert!(!accepted(&story.report(&after_all)));
    assert_eq!(story.fleet.counters().recovered_total, 1);
}

#[test]
fn what_a_node_did_before_it_was_known_is_no_gap() {
    let mut story = Story::new();
    story.live("s", 1_000, 1_010);
    assert_eq!(story.changes(), [StateChange::Joined]);
    let older = story.sampled("s", 500);
    assert!(accepted(&story.report(&older)));
    assert_eq!(story.fleet.counters().lost_total, 0);
}

#[test]
fn a_replay_never_overwrites_the_newest() {
    let mut story = Story::new();
    story.live("s", 0, 1);
    let mut newest = story.sampled("s", 9);
    newest.memory.percent_used = Some(50.0);
    newest.replay = Some(Replay { pending: 7, from_sequence: 2 });
    story.report(&newest);
    for (session, sequence) in [("s", 5), ("before", 77)] {
        let mut old = story.sampled(session, sequence);
        old.sampled_at_ms = Some(EPOCH - 5_000);
        old.memory.percent_used = Some(10.0);
        old.hostname = "old-name".into();
        let effects = story.report(&old);
        assert!(matches!(effects[..], [Effect::Accepted { replayed: true, .. }]), "{effects:?}");
    }
    let now = story.now();
    let node = story.fleet.snapshot(now).nodes[0].clone();
    assert_eq!((node.summary.memory_percent, &*node.about.hostname), (Some(50.0), "h"));
    assert_eq!((node.session.as_deref(), node.sequence), (Some("s"), Some(9)));
}

#[test]
fn a_rename_is_said_at_once_or_when_it_is_sure_that_it_is_no_clone() {
    let mut story = Story::new();
    story.live("s", 0, 1);
    let renamed = Report { hostname: "g".into(), ..story.sampled("s", 2) };
    story.report(&renamed);
    let previous = |name: &str| StateChange::Renamed { previous_hostname: name.into() };
    assert_eq!(story.changes(), [StateChange::Joined, previous("h")]);
    for sequence in 0..15 {
        let again = Report { hostname: "f".into(), ..story.sampled("t", sequence) };
        story.report(&again);
        story.wait(1.0);
        if sequence < 9 {
            assert_eq!(story.changes(), [], "{sequence}");
        }
    }
    assert_eq!(story.changes(), [previous("g")]);
}

#[test]
fn a_restart_with_the_clock_set_back_is_no_clone() {
    let mut story = Story::new();
    story.live("s", 0, 20);
    story.changes();
    for sequence in 0..30 {
        let mut report = story.sampled("t", sequence);
        *report.sampled_at_ms.as_mut().unwrap() -= 5_000;
        assert!(accepted(&story.report(&report)));
        story.wait(1.0);
    }
    assert_eq!(story.changes(), []);
    let now = story.now();
    assert_eq!(story.fleet.snapshot(now).nodes[0].session.as_deref(), Some("t"), "it took over");
}

#[test]
fn a_clock_that_is_off_is_said_and_its_end_too() {
    let mut story = Story::new();
    for sequence in 0..40 {
        let mut report = story.sampled("s", sequence);
        if sequence < 15 {
            *report.sampled_at_ms.as_mut().unwrap() += 7_000;
        }
        story.report(&report);
        story.wait(1.0);
    }
    let warnings = story.warnings();
    assert!(
        matches!(&warnings[..], [Warning::ClockSkew { seconds, .. }, Warning::ClockSkewGone { .. }] if *seconds == -7.0),
        "{warnings:?}"
    );
    assert!(warnings[0].to_string().contains("7.0 s ahead of"), "{}", warnings[0]);
}

#[test]
fn nodes_of_2016_are_known_by_name_and_their_interval_is_learned() {
    let mut story = Story::new();
    let old = Report { hostname: "pi 3".into(), mac_address: Some("aa:bb".into()), ..Report::default() };
    for _ in 0..8 {
        assert!(accepted(&story.report(&old)));
        story.wait(10.0);
    }
    story.changes();
    for _ in 0..5 {
        story.report(&old);
        story.wait(10.0);
    }
    assert_eq!(story.changes(), [], "ten seconds are its way");
    let now = story.now();
    let node = story.fleet.snapshot(now).nodes[0].clone();
    assert!(node.node_id.starts_with("legacy-pi_3-"), "{}", node.node_id);
    assert_eq!((node.interval_seconds, node.counters.accepted_total), (10.0, 13));
}

#[test]
fn a_copied_running_system_is_said() {
    let mut story = Story::new();
    story.live("s", 0, 3);
    let copy = Report { sampled_at_ms: Some(EPOCH + 3_500), ..story.sampled("s", 3) };
    let effects = story.report(&copy);
    assert!(
        matches!(
            effects[..],
            [Effect::Warning(Warning::Conflict { .. }), Effect::Refused { reason: "conflict" }]
        ),
        "{effects:?}"
    );
    assert_eq!(story.fleet.counters().conflicts_total, 1);
}

#[test]
fn a_full_fleet_refuses_and_makes_room_for_who_is_gone() {
    let mut story = Story::with(Settings { max_nodes: 3, ..Settings::default() });
    let named =
        |story: &Story, i: usize| Report { node_id: Some(format!("n{i}").into()), ..story.sampled("s", 0) };
    for i in 0..6 {
        let report = named(&story, i);
        assert_eq!(accepted(&story.report(&report)), i < 3);
    }
    let full: Vec<_> = story.warnings();
    assert_eq!(full, [Warning::Full { max_nodes: 3, refused: 1 }], "one line, not three");
    story.wait(700.0);
    let report = named(&story, 7);
    assert!(accepted(&story.report(&report)), "all three were gone for ten minutes");
    assert_eq!(story.fleet.totals().nodes, 1);
}

#[test]
fn who_is_gone_for_long_is_forgotten_and_its_gaps_are_given_up() {
    let mut story = Story::with(Settings { forget_after: Duration::from_secs(100), ..Settings::default() });
    story.live("s", 0, 0);
    let skipping = Report { replay: Some(Replay { pending: 3, from_sequence: 1 }), ..story.sampled("s", 4) };
    story.report(&skipping);
    story.changes();
    story.wait(120.0);
    let gap = StateChange::Gap { session: "s".into(), from_sequence: 1, to_sequence: 3 };
    assert_eq!(story.changes(), [StateChange::Late, StateChange::Down, gap]);
    assert_eq!((story.fleet.totals().nodes, story.fleet.missing_ranges()), (0, 0));
    story.live("s", 5, 5);
    assert_eq!(story.changes(), [StateChange::Joined]);
}

#[test]
fn ranges_are_bounded_for_the_whole_fleet() {
    let mut story = Story::with(Settings { max_ranges: 10, ..Settings::default() });
    for i in 0..4u64 {
        for sequence in (0..40).step_by(2) {
            let mut report = story.sampled("s", sequence);
            report.node_id = Some(format!("n{i}").into());
            report.replay = Some(Replay { pending: 99, from_sequence: 0 });
            story.report(&report);
            assert!(story.fleet.missing_ranges() <= 10, "{}", story.fleet.missing_ranges());
        }
    }
    assert!(story.warnings().iter().any(|w| matches!(w, Warning::TooManyGaps { .. })));
    assert_eq!(story.fleet.counters().lost_total, 4 * 19 - 10);
}

#[test]
fn bad_reports_are_refused_and_said_once_a_minute() {
    let mut story = Story::new();
    for _ in 0..100 {
        let now = story.now();
        let origin = Origin::direct("192.0.2.9");
        story.fleet.step(now, Input::Bad { origin, kind: "json", detail: "EOF" }, &mut story.said);
    }
    let refused = story.said.iter().filter(|e| matches!(e, Effect::Refused { reason: "json" })).count();
    let warnings = story.warnings();
    assert_eq!((refused, warnings.len()), (100, 1), "{warnings:?}");
    assert_eq!(warnings[0].to_string(), "bad report from 192.0.2.9 dropped (json): EOF");
}

#[test]
fn late_listeners_are_told_the_present() {
    let mut story = Story::new();
    story.live("s", 0, 0);
    assert_eq!(story.fleet.present_states(false).count(), 0);
    let event = story.fleet.present_states(true).next().unwrap();
    assert_eq!((event.change, event.repeated, event.at_ms), (StateChange::Joined, true, EPOCH));
    story.wait(30.0);
    assert_eq!(story.fleet.present_states(false).next().unwrap().change, StateChange::Down);
}

/// After a restart: the live stay live if they return and go down if not, the down stay down.
#[test]
fn a_restart_invents_nothing_and_forgets_nothing() {
    let mut story = Story::new();
    story.live("s", 0, 4);
    let gone = Report { node_id: Some("gone".into()), ..story.sampled("g", 0) };
    story.report(&gone);
    for sequence in 5..20 {
        let report = story.sampled("s", sequence);
        story.report(&report);
        story.wait(1.0);
    }
    let mut bytes = Vec::new();
    let now = story.now();
    story.fleet.whole_memory(now, &mut bytes);
    let skipping =
        Report { replay: Some(Replay { pending: 2, from_sequence: 20 }), ..story.sampled("s", 22) };
    story.report(&skipping);
    story.fleet.drain_memory(now, &mut bytes);

    let mut after = Story::new();
    after.seconds = story.seconds + 3.0;
    let (fleet, restored) = Fleet::restore(Settings::default(), after.now(), &bytes);
    assert_eq!((restored.nodes, restored.ignored_bytes, restored.problem), (2, 0, None));
    after.fleet = fleet;
    assert_eq!(after.fleet.totals(), story.fleet.totals());
    for sequence in [0, 19, 22] {
        let report = after.sampled("s", sequence);
        let effects = after.report(&report);
        let node_id = "n".into();
        assert_eq!(effects, [Effect::Duplicate { node_id, remembered: true }], "{sequence}");
    }
    after.wait(14.0);
    assert_eq!(after.changes(), [], "the grace after a restart");
    let missed = after.sampled("s", 21);
    assert!(accepted(&after.report(&missed)));
    let next = after.sampled("s", 23);
    assert!(accepted(&after.report(&next)));
    let again = after.report(&next);
    assert!(matches!(again[..], [Effect::Duplicate { remembered: false, .. }]), "{again:?}");
    after.wait(20.0);
    assert_eq!(after.changes(), [StateChange::Late, StateChange::Down]);
}

#[test]
fn what_was_only_marked_is_known_from_before_too() {
    let mut story = Story::new();
    story.live("s", 0, 5);
    let (mut bytes, now) = (Vec::new(), story.now());
    story.fleet.whole_memory(now, &mut bytes);
    story.live("s", 5, 9);
    let now = story.now();
    story.fleet.drain_memory(now, &mut bytes);
    let mut after = Story::new();
    after.seconds = story.seconds;
    after.fleet = Fleet::restore(Settings::default(), after.now(), &bytes).0;
    for sequence in [0, 8] {
        let report = after.sampled("s", sequence);
        let again = after.report(&report);
        assert!(matches!(again[..], [Effect::Duplicate { remembered: true, .. }]), "{sequence}: {again:?}");
    }
}

#[test]
fn a_torn_or_foreign_memory_is_said_and_never_trusted() {
    let mut story = Story::new();
    story.live("s", 0, 9);
    let mut bytes = Vec::new();
    let now = story.now();
    story.fleet.whole_memory(now, &mut bytes);
    let restore = |bytes: &[u8]| Fleet::restore(Settings::default(), now, bytes).1;
    assert_eq!(restore(&bytes).nodes, 1);
    for cut in 0..bytes.len() {
        let restored = restore(&bytes[..cut]);
        assert_eq!(restored.nodes, 0);
        assert_eq!(restored.problem.is_none(), cut == 0 || cut == MEMORY_MAGIC.len(), "{cut}");
    }
    for at in 0..bytes.len() {
        let mut wrong = bytes.clone();
        wrong[at] ^= 1;
        let restored = restore(&wrong);
        assert!(restored.nodes == 0 && restored.problem.is_some(), "a flipped bit at {at} was not seen");
    }
}

#[test]
fn ten_thousand_nodes_share_what_did_not_change() {
    let mut story = Story::new();
    for i in 0..10_000 {
        let report = Report { node_id: Some(format!("n{i}").into()), ..story.sampled("s", 0) };
        story.report(&report);
    }
    let now = story.now();
    let before = story.fleet.snapshot(now);
    let report = Report { node_id: Some("n7".into()), ..story.sampled("s", 1) };
    story.report(&report);
    let after = story.fleet.snapshot(now);
    let shared = before.nodes.iter().zip(&after.nodes).filter(|(a, b)| std::sync::Arc::ptr_eq(a, b)).count();
    assert_eq!((after.totals.live, shared), (10_000, 9_999));
    let json = serde_json::to_string(&after).unwrap();
    assert_eq!(serde_json::from_str::<chasar_fleet::FleetSnapshot>(&json).unwrap(), after);
}

mod arbitrary {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Behind a sound checksum, too, nothing may panic.
        #[test]
        fn memory_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let now = Story::new().now();
            Fleet::restore(Settings::default(), now, &bytes);
            let mut dressed = MEMORY_MAGIC.to_vec();
            dressed.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            dressed.extend_from_slice(&crc32(&bytes).to_le_bytes());
            dressed.extend_from_slice(&bytes);
            Fleet::restore(Settings::default(), now, &dressed);
        }

        /// Nor may any order of sessions, sequences and times, and books must balance.
        #[test]
        fn steps_never_panic(
            steps in prop::collection::vec((0u8..3, 0u8..20, any::<u16>(), any::<i32>(), 0u8..40), 1..300),
        ) {
            let mut story = Story::with(Settings { max_ranges: 50, ..Settings::default() });
            for (node, session, sequence, sampled, wait) in steps {
                let sequence = if sequence < 65_000 { u64::from(sequence % 64) } else { u64::MAX - u64::from(sequence) };
                let mut report = story.sampled(&format!("s{session}"), sequence);
                report.node_id = Some(format!("n{node}").into());
                report.sampled_at_ms = Some(i64::from(sampled).saturating_mul(1 << 32));
                report.hostname = format!("h{}", session % 2).into();
                story.report(&report);
                story.wait(f64::from(wait) / 10.0);
                let totals = story.fleet.totals();
                prop_assert_eq!(totals.nodes, totals.live + totals.late + totals.down + totals.left);
                prop_assert!(story.fleet.missing_ranges() <= 50);
            }
            let (mut bytes, now) = (Vec::new(), story.now());
            story.fleet.whole_memory(now, &mut bytes);
            let (fleet, restored) = Fleet::restore(Settings { max_ranges: 50, ..Settings::default() }, now, &bytes);
            prop_assert_eq!(restored.problem, None);
            prop_assert_eq!(fleet.totals(), story.fleet.totals());
            prop_assert_eq!(fleet.missing_ranges(), story.fleet.missing_ranges());
        }
    }

    /// Bit by bit, to agree with the table of the crate.
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 })
        })
    }
}

/// What the fleet makes of a report that comes by a way where others may bring it too.
fn by_way(story: &mut Story, report: &Report, address: &str, relayed: bool, digest: u64) -> bool {
    let mut effects = Vec::new();
    let origin = Origin { address, relayed, digest: Some(digest) };
    let now = story.now();
    story.fleet.step(now, Input::Report { report, origin }, &mut effects);
    let accepted = effects.iter().any(|effect| matches!(effect, Effect::Accepted { .. }));
    story.said.extend(effects);
    accepted
}

#[test]
fn a_report_without_an_identity_is_taken_once_when_other_masternodes_pass_it_on() {
    let mut story = Story::new();
    let old = Report { hostname: "old".into(), ..Report::default() };
    // From the node itself, then back from a masternode that had it from us.
    assert!(by_way(&mut story, &old, "192.0.2.1", false, 1));
    assert!(!by_way(&mut story, &old, "site:6666", true, 1));
    // By another masternode first, then by a third one and from the node itself.
    assert!(by_way(&mut story, &old, "site:6666", true, 2));
    assert!(!by_way(&mut story, &old, "other:6666", true, 2));
    assert!(!by_way(&mut story, &old, "192.0.2.1", false, 2));
    assert_eq!(story.fleet.counters().duplicates_total, 3);
    // A node that says the same twice is its own business.
    assert!(by_way(&mut story, &old, "192.0.2.1", false, 3));
    assert!(by_way(&mut story, &old, "192.0.2.1", false, 3));
    // What is remembered is bounded, and reaches far enough back.
    for digest in 10..1_000 {
        assert!(by_way(&mut story, &old, "192.0.2.1", false, digest));
        assert!(!by_way(&mut story, &old, "site:6666", true, digest.max(110) - 100));
    }
}

#[test]
fn a_node_that_says_the_same_for_ever_is_live_behind_an_upstream_too() {
    let mut story = Story::new();
    let ups = Report { hostname: "ups".into(), ..Report::default() };
    for _ in 0..60 {
        assert!(by_way(&mut story, &ups, "site:6666", true, 1));
        assert!(!by_way(&mut story, &ups, "other:6666", true, 1), "a copy by another way");
        story.wait(1.0);
    }
    assert_eq!(story.fleet.totals().live, 1);
    // The first way is gone: the other one takes its place.
    story.wait(30.0);
    assert!(by_way(&mut story, &ups, "other:6666", true, 1));
}

/// Two masternodes that are each other's upstream, and so many reports sent to the first at once.
fn goes_round(reports: &[(Report, u64)]) -> (usize, usize) {
    let mut ring = [Story::new(), Story::new()];
    let mut turns = 0;
    let mut under_way: Vec<&(Report, u64)> =
        reports.iter().filter(|(r, digest)| by_way(&mut ring[0], r, "192.0.2.1", false, *digest)).collect();
    while !under_way.is_empty() && turns < 100 {
        turns += 1;
        let (at, from) = if turns % 2 == 1 { (1, "first:6666") } else { (0, "second:6666") };
        under_way.retain(|(report, digest)| by_way(&mut ring[at], report, from, true, *digest));
        ring.iter_mut().for_each(|story| story.wait(0.25));
    }
    let flood = |effect: &&Effect| matches!(effect, Effect::Refused { reason: "flood" });
    (turns, ring.iter().map(|story| story.said.iter().filter(flood).count()).sum())
}

#[test]
fn no_burst_goes_round_a_ring_for_ever() {
    let old = Report { hostname: "old".into(), ..Report::default() };
    for count in [1, 17, 256, 257, 300, 1_000] {
        let without_identity: Vec<_> = (0..count).map(|digest| (old.clone(), digest)).collect();
        let (turns, refused) = goes_round(&without_identity);
        assert!(turns <= 2 && (refused > 0) == (count > 256), "{count}: {turns} turns, {refused} refused");
        let sessions: Vec<_> =
            (0..count.min(300)).map(|n| (Story::new().sampled(&format!("s{n}"), 1), 0)).collect();
        let (turns, refused) = goes_round(&sessions);
        assert!(turns <= 2 && (refused > 0) == (count > 16), "{count}: {turns} turns, {refused} refused");
    }
}

#[test]
fn what_a_masternode_passes_on_says_nothing_of_the_nodes_own_link() {
    let mut story = Story::new();
    let lost = |story: &Story| story.fleet.counters().lost_total;
    let direct = |story: &mut Story, sequence| by_way(story, &story_report(sequence), "192.0.2.1", false, 0);
    let relayed = |story: &mut Story, sequence| by_way(story, &story_report(sequence), "site:6666", true, 0);
    // Of a node that reports to the site alone, what the stream did not bring is lost.
    for sequence in (0..5).chain(10..20) {
        assert!(relayed(&mut story, sequence));
        story.wait(1.0);
    }
    assert_eq!(lost(&story), 5);
    // Then it reports here too; both links break, and the site's is back first.
    for sequence in 20..25 {
        assert!(direct(&mut story, sequence));
        assert!(!relayed(&mut story, sequence));
        story.wait(1.0);
    }
    for sequence in 30..60 {
        assert!(relayed(&mut story, sequence));
        story.wait(1.0);
    }
    assert_eq!(lost(&story), 5, "the node has not had the chance to send 25 to 29 again");
    // The same after a restart.
    let (mut bytes, now) = (Vec::new(), story.now());
    story.fleet.whole_memory(now, &mut bytes);
    story.fleet = Fleet::restore(Settings::default(), now, &bytes).0;
    for sequence in 60..70 {
        assert!(relayed(&mut story, sequence));
        story.wait(1.0);
    }
    assert_eq!(lost(&story), 0, "counters begin anew, and nothing was lost since");
    for sequence in 25..30 {
        assert!(direct(&mut story, sequence));
    }
    assert_eq!(story.fleet.counters().recovered_total, 0);
}

#[test]
fn a_node_that_comes_by_several_ways_keeps_the_address_it_has_itself() {
    let mut story = Story::new();
    let report = |sequence| story_report(sequence);
    let mut address = |address: &str, relayed: bool, sequence: u64| {
        by_way(&mut story, &report(sequence), address, relayed, 0);
        let now = story.now();
        story.fleet.snapshot(now).nodes[0].about.address.to_string()
    };
    assert_eq!(address("site:6666", true, 0), "site:6666");
    assert_eq!(address("192.0.2.1", false, 1), "192.0.2.1");
    assert_eq!(address("site:6666", true, 2), "192.0.2.1");
}

fn story_report(sequence: u64) -> Report {
    Story::new().sampled("s", sequence)
}
