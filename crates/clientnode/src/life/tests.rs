//! Whole lives in simulated time against a receiver that loses what is in flight.
//!
//! The link here is as bad as TCP can be: what was sent within the last seconds before a break may
//! arrive or not, in order, up to a random point; a break is noticed late; the process stalls.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// A report as the receiver sees it.
#[derive(Clone, Debug)]
struct Report {
    session: u32,
    sequence: u64,
    claim: Option<Replay>,
}

/// What a masternode knows of one node.
#[derive(Default)]
struct Receiver {
    arrived: BTreeMap<(u32, u64), u32>,
    /// Sequence numbers declared lost for good.
    final_gaps: BTreeSet<(u32, u64)>,
    final_below: BTreeMap<u32, u64>,
}

impl Receiver {
    fn receive(&mut self, report: &Report) {
        let key = (report.session, report.sequence);
        assert!(!self.final_gaps.contains(&key), "{key:?} came after it was declared lost for good");
        *self.arrived.entry(key).or_default() += 1;
        let floor = report.claim.map_or(report.sequence, |c| c.from_sequence.min(report.sequence));
        let below = self.final_below.entry(report.session).or_default();
        for sequence in *below..floor {
            if !self.arrived.contains_key(&(report.session, sequence)) {
                self.final_gaps.insert((report.session, sequence));
            }
        }
        *below = floor.max(*below);
    }
}

/// The network between the agent and one masternode.
#[derive(Default)]
struct Net {
    receiver: Receiver,
    /// Sent over the present connection, not yet arrived: (arrives at, report).
    in_flight: VecDeque<(Moment, Report)>,
    /// The true state of the connection.
    connected: bool,
    /// When the agent hears of it: (time, up).
    news: VecDeque<(Moment, bool)>,
    refuse: bool,
    sent: u64,
}

/// Time, and the network to each masternode.
struct World {
    now: Moment,
    random: Random,
    nets: Vec<Net>,
}

impl std::ops::Deref for World {
    type Target = Net;

    /// The network of those tests that have one masternode.
    fn deref(&self) -> &Net {
        &self.nets[0]
    }
}

impl std::ops::DerefMut for World {
    fn deref_mut(&mut self) -> &mut Net {
        &mut self.nets[0]
    }
}

impl World {
    fn deliver(&mut self) {
        for net in &mut self.nets {
            while net.in_flight.front().is_some_and(|(at, _)| *at <= self.now) {
                let (_, report) = net.in_flight.pop_front().unwrap();
                net.receiver.receive(&report);
            }
        }
    }

    fn send(&mut self, to: usize, report: Report) -> Outcome {
        self.deliver();
        let delay = self.random.below(200 * MS);
        let (now, net) = (self.now, &mut self.nets[to]);
        if net.refuse {
            return Outcome::Full;
        }
        net.sent += 1;
        // A connection that is broken and not yet known to be takes reports and loses them.
        if net.connected {
            let latest = net.in_flight.back().map_or(now, |(at, _)| *at);
            net.in_flight.push_back((latest.max(now + delay), report));
        }
        Outcome::Queued
    }

    /// A silent cut: what is in flight is lost, and the agent hears of it up to 5 s later.
    fn cut(&mut self, to: usize, notice_after: Duration) {
        self.deliver();
        let (now, net) = (self.now, &mut self.nets[to]);
        if net.connected {
            net.connected = false;
            net.in_flight.clear();
            let at = net.news.back().map_or(now, |(at, _)| *at).max(now + notice_after);
            net.news.push_back((at, false));
        }
    }

    /// The connection is made again, once the agent's side has given up the one before.
    fn connect(&mut self, to: usize) {
        let (now, net) = (self.now, &mut self.nets[to]);
        if !net.connected && net.news.is_empty() {
            net.connected = true;
            net.news.push_back((now, true));
        }
    }
}

struct Agent {
    session: u32,
    life: Life,
    effects: Vec<Effect>,
    sampled: u64,
    left: bool,
    events: Vec<Event>,
    /// Reports kept at each [`Effect::Rest`].
    rests: Vec<u64>,
    pad: usize,
}

/// What the outbox keeps of a report: session, sequence, claim, and padding.
fn encode(report: &Report, pad: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&report.session.to_le_bytes());
    bytes.extend_from_slice(&report.sequence.to_le_bytes());
    bytes.extend_from_slice(&report.claim.map_or(u64::MAX, |c| c.from_sequence).to_le_bytes());
    bytes.resize(20 + pad, 0);
    bytes
}

fn decode(bytes: &[u8]) -> Report {
    let number = |at: usize| u64::from_le_bytes(*bytes[at..].first_chunk().unwrap());
    let from_sequence = number(12);
    Report {
        session: u32::from_le_bytes(*bytes.first_chunk().unwrap()),
        sequence: number(4),
        claim: (from_sequence != u64::MAX).then_some(Replay { pending: 1, from_sequence }),
    }
}

impl Agent {
    fn new(session: u32, now: Moment, settings: Settings, spool: Option<Spool>, seed: u64) -> Agent {
        Agent::of_several(session, now, settings, vec![spool], seed)
    }

    fn of_several(
        session: u32,
        now: Moment,
        settings: Settings,
        spools: Vec<Option<Spool>>,
        seed: u64,
    ) -> Agent {
        let life = Life::new(now, settings, spools, seed);
        Agent {
            session,
            life,
            effects: Vec::new(),
            sampled: 0,
            left: false,
            events: Vec::new(),
            rests: Vec::new(),
            pad: 80,
        }
    }

    fn step(&mut self, world: &mut World, input: Input<'_>) {
        self.life.step(world.now, input, &mut self.effects);
    }

    fn hear(&mut self, world: &mut World) {
        for to in 0..world.nets.len() {
            while world.nets[to].news.front().is_some_and(|(at, _)| *at <= world.now) {
                let (_, up) = world.nets[to].news.pop_front().unwrap();
                self.step(world, if up { Input::LinkUp(to) } else { Input::LinkDown(to) });
            }
        }
    }

    /// As the loop does it: link events first, then the time, then effects until none are left.
    fn turn(&mut self, world: &mut World, input: Input<'_>) {
        world.deliver();
        self.hear(world);
        self.step(world, input);
        let mut bytes = Vec::new();
        while !self.effects.is_empty() {
            match self.effects.remove(0) {
                Effect::Sample { sequence, leaving } => {
                    assert_eq!(sequence, self.sampled, "sequence numbers have no holes");
                    self.sampled += 1;
                    // Sampling takes time, and news may come meanwhile.
                    world.now += world.random.below(20 * MS);
                    self.hear(world);
                    let report = |claim| Report { session: self.session, sequence, claim };
                    // One masternode's claim is kept with the report, those of several are not.
                    let alone = world.nets.len() == 1;
                    let kept = if alone { self.life.claim(0, sequence) } else { None };
                    let bytes = encode(&report(kept), self.pad);
                    let mut handed = Vec::new();
                    for to in 0..world.nets.len() {
                        let claim = self.life.claim(to, sequence);
                        let up = self.life.link_is_up(to);
                        let outcome = if up { world.send(to, report(claim)) } else { Outcome::NoPeer };
                        handed.push(Handed { outcome, wire_bytes: 10 });
                    }
                    let _ = leaving;
                    self.step(
                        world,
                        Input::Sampled(Sampled {
                            sequence,
                            sampled_at: world.now,
                            sampled_at_ms: 0,
                            bytes: &bytes,
                            packed: false,
                            handed: &handed,
                        }),
                    );
                }
                Effect::Replay { to } => match self.life.next_replay(to, &mut bytes) {
                    Some(next) if self.life.link_is_up(to) => {
                        let outcome = Some(world.send(to, decode(&bytes)));
                        self.step(world, Input::Replayed { to, next, outcome, wire_bytes: 10 });
                    }
                    _ => self.step(world, Input::NothingToReplay),
                },
                Effect::Say { event, .. } => self.events.push(event),
                Effect::Rest => self.rests.push(self.life.outbox().reports()),
                Effect::Leave { .. } => self.left = true,
            }
        }
    }

    fn run_until(&mut self, world: &mut World, end: Moment) {
        while world.now < end {
            let wake = self.life.next_wake().min(end);
            let news = world.nets.iter().filter_map(|net| net.news.front()).map(|(at, _)| *at).min();
            let news = news.unwrap_or(end);
            world.now = world.now.max(wake.min(news));
            self.turn(world, Input::Woken);
        }
    }
}

fn world(seed: u64) -> World {
    world_of(1, seed)
}

fn world_of(masternodes: usize, seed: u64) -> World {
    let nets = (0..masternodes).map(|_| Net::default()).collect();
    World { now: 1000 * SECOND, random: Random::new(seed), nets }
}

fn settings(interval: Duration) -> Settings {
    Settings {
        interval,
        limits: Some(Limits { bytes: 32 << 20, age: 3600 * SECOND }),
        pace: Pace { per_second: 20.0, start_within: 3 * SECOND },
    }
}

#[derive(Clone, Debug)]
enum Happens {
    Run(u64),
    Cut(u64),
    Connect,
    Stall(u64),
    Refuse(bool),
    Restart,
}

fn happens() -> impl Strategy<Value = Vec<Happens>> {
    prop::collection::vec(
        prop_oneof![
            4 => (1u64..120_000).prop_map(Happens::Run),
            4 => (1u64..5_000).prop_map(Happens::Run),
            3 => (0u64..5_000).prop_map(Happens::Cut),
            4 => Just(Happens::Connect),
            1 => (1u64..600_000).prop_map(Happens::Stall),
            3 => any::<bool>().prop_map(Happens::Refuse),
            1 => Just(Happens::Restart),
        ],
        1..40,
    )
}

/// Plays a story; afterwards the link is good until all is replayed. Returns the world, the samples
/// taken in each session, and the totals of the last.
fn play(
    seed: u64,
    interval: Duration,
    story: &[Happens],
    spool: impl Fn() -> Option<Spool>,
) -> (World, Vec<u64>) {
    let mut world = world(seed);
    let mut sampled = Vec::new();
    let mut agent = Agent::new(0, world.now, settings(interval), spool(), seed);
    let spool_in_use = agent.life.outbox().has_spool(0);
    for event in story {
        match event {
            Happens::Run(ms) => {
                let end = world.now + MS * *ms as u32;
                agent.run_until(&mut world, end);
            }
            Happens::Cut(ms) => world.cut(0, MS * *ms as u32),
            Happens::Connect => world.connect(0),
            Happens::Stall(ms) => {
                agent.life.next_wake();
                world.now += MS * *ms as u32;
            }
            Happens::Refuse(refuse) => world.refuse = *refuse,
            // Killed: nothing is flushed. While the link is down everything is on disk already; while it
            // is up only what was on the way may be lost, which is not the question here.
            Happens::Restart => {
                world.cut(0, Duration::ZERO);
                agent.turn(&mut world, Input::LinkDown(0));
                // A long queue in memory (the link was up and took nothing) needs a few turns to reach the disk.
                while spool_in_use && agent.life.outbox().pending_in_memory(0) > 0 {
                    agent.turn(&mut world, Input::Woken);
                }
                sampled.push(agent.sampled);
                let session = agent.session + 1;
                drop(agent);
                world.news.clear();
                agent =
                    Agent::new(session, world.now, settings(interval), spool(), seed + u64::from(session));
            }
        }
    }
    world.refuse = false;
    for _ in 0..3 {
        let end = world.now + 30 * SECOND;
        agent.run_until(&mut world, end);
        world.connect(0);
    }
    let end = world.now + CATCH_UP * 2;
    agent.run_until(&mut world, end);
    assert_eq!(agent.life.outbox().pending(0), 0, "the replay ends");
    // The last report arrives before the end.
    world.now += SECOND;
    world.deliver();
    sampled.push(agent.sampled);
    assert_eq!(agent.life.totals().dropped_reports, 0);
    assert!(agent.life.outbox().reports() <= 2 + (OVERLAP.as_nanos() / interval.as_nanos()) as u64);
    (world, sampled)
}

const CATCH_UP: Duration = crate::pacer::CATCH_UP_WITHIN;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever happens to the link, every sample arrives, no gap is declared final before its report
    /// comes (asserted in the receiver), and only what was on the way goes twice.
    #[test]
    fn every_sample_arrives_and_the_claims_are_true(
        seed: u64,
        tenths in 1u32..100,
        story in happens(),
    ) {
        let interval = 100 * MS * tenths;
        let story: Vec<_> = story.into_iter().filter(|h| !matches!(h, Happens::Restart)).collect();
        let (world, sampled) = play(seed, interval, &story, || None);
        let missing: Vec<u64> =
            (0..sampled[0]).filter(|n| !world.receiver.arrived.contains_key(&(0, *n))).collect();
        prop_assert!(missing.is_empty(), "missing {missing:?} of {}", sampled[0]);
        prop_assert!(world.receiver.final_gaps.is_empty());
        // Each break repeats at most the overlap: its live reports and the replays of that time.
        let breaks = story.iter().filter(|h| matches!(h, Happens::Cut(_))).count() as f64;
        let copies: u32 = world.receiver.arrived.values().map(|n| n - 1).sum();
        let window = OVERLAP.as_secs_f64() + 1.0;
        let rate = 1.0 / interval.as_secs_f64() + f64::max(20.0, sampled[0] as f64 / 180.0) * 1.5;
        prop_assert!(f64::from(copies) <= breaks * (window * rate + 2.0), "{copies} copies");
    }
}

/// What happens to one of several masternodes' links.
fn happens_to_several() -> impl Strategy<Value = Vec<(usize, Happens)>> {
    let one = prop_oneof![
        4 => (1u64..60_000).prop_map(Happens::Run),
        3 => (0u64..5_000).prop_map(Happens::Cut),
        4 => Just(Happens::Connect),
        1 => (1u64..100_000).prop_map(Happens::Stall),
        3 => any::<bool>().prop_map(Happens::Refuse),
    ];
    prop::collection::vec((0usize..3, one), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// Each of three masternodes gets every sample, hears true claims, and what happens to the link of one
    /// costs the others no copy.
    #[test]
    fn each_masternode_gets_every_sample(seed: u64, story in happens_to_several()) {
        let mut world = world_of(3, seed);
        let mut agent = Agent::of_several(0, world.now, settings(SECOND), vec![None, None, None], seed);
        for (to, event) in &story {
            match event {
                Happens::Run(ms) => {
                    let end = world.now + MS * *ms as u32;
                    agent.run_until(&mut world, end);
                }
                Happens::Cut(ms) => world.cut(*to, MS * *ms as u32),
                Happens::Connect => world.connect(*to),
                Happens::Stall(ms) => {
                    agent.life.next_wake();
                    world.now += MS * *ms as u32;
                }
                Happens::Refuse(refuse) => world.nets[*to].refuse = *refuse,
                Happens::Restart => unreachable!("not in this story"),
            }
        }
        world.nets.iter_mut().for_each(|net| net.refuse = false);
        for _ in 0..3 {
            let end = world.now + 30 * SECOND;
            agent.run_until(&mut world, end);
            (0..3).for_each(|to| world.connect(to));
        }
        let end = world.now + CATCH_UP * 2;
        agent.run_until(&mut world, end);
        world.now += SECOND;
        world.deliver();
        for (to, net) in world.nets.iter().enumerate() {
            prop_assert_eq!(agent.life.outbox().pending(to), 0);
            let missing: Vec<u64> =
                (0..agent.sampled).filter(|n| !net.receiver.arrived.contains_key(&(0, *n))).collect();
            prop_assert!(missing.is_empty(), "masternode {to}: missing {missing:?} of {}", agent.sampled);
            prop_assert!(net.receiver.final_gaps.is_empty());
            let untouched = !story.iter().any(|(at, event)| {
                *at == to && matches!(event, Happens::Cut(_) | Happens::Refuse(true))
            });
            if untouched {
                prop_assert!(net.receiver.arrived.values().all(|copies| *copies == 1), "masternode {to}");
            }
        }
        prop_assert_eq!(agent.life.totals().dropped_reports, 0);
        prop_assert!(agent.life.outbox().reports() <= 17, "memory is given back once nobody needs it");
    }
}

#[test]
fn a_dead_masternode_costs_the_other_nothing_and_is_counted_by_itself() {
    let mut world = world_of(2, 11);
    let small = Settings { limits: Some(Limits { bytes: 1 << 20, age: 60 * SECOND }), ..settings(SECOND) };
    let mut agent = Agent::of_several(0, world.now, small, vec![None, None], 11);
    world.connect(1);
    let end = world.now + 300 * SECOND;
    agent.run_until(&mut world, end);
    world.now += SECOND;
    world.deliver();
    let good = &world.nets[1].receiver;
    assert_eq!(good.arrived.len() as u64, agent.sampled);
    assert!(good.arrived.values().all(|copies| *copies == 1));
    assert_eq!(good.final_below[&0], agent.sampled - 1, "the dead one's backlog is no claim of the other");
    assert!(
        agent.life.totals_of(0).dropped_reports >= agent.sampled - 62,
        "an hour's worth, then the oldest go"
    );
    let of_good = agent.life.totals_of(1);
    assert_eq!((of_good.dropped_reports, of_good.replayed_reports), (0, 0));
    let kept = agent.life.outbox().reports();
    assert!((59..=62).contains(&kept), "{kept} reports once for both, not once for each");

    world.connect(0);
    let end = world.now + 30 * SECOND;
    agent.run_until(&mut world, end);
    let dropped = agent.life.totals_of(0).dropped_reports;
    assert_eq!(world.nets[0].receiver.final_gaps.len() as u64, dropped);
    assert_eq!(world.nets[0].receiver.arrived.len() as u64, agent.sampled - dropped);
    assert!(world.nets[1].receiver.arrived.values().all(|copies| *copies == 1));
}

mod on_disk {
    use super::*;
    use crate::spool::storage::Folder;

    #[test]
    fn without_a_link_each_sample_is_on_disk_when_its_turn_ends() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(Box::new(Folder::open(folder.path()).unwrap()), "node", 64 << 20).unwrap();
        let mut world = world(1);
        let mut agent = Agent::new(0, world.now, settings(SECOND), Some(spool), 1);
        while agent.sampled < 5 {
            world.now = agent.life.next_wake();
            agent.turn(&mut world, Input::Woken);
            assert_eq!(agent.life.outbox().pending_in_memory(0), 0);
            assert_eq!(agent.life.outbox().pending(0), agent.sampled);
        }
    }

    #[test]
    fn each_masternode_has_its_own_on_disk() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let spools = || {
            let open = |folder: &tempfile::TempDir| Box::new(Folder::open(folder.path()).unwrap());
            folders.iter().map(|f| Some(Spool::open(open(f), "node", 64 << 20).unwrap())).collect::<Vec<_>>()
        };
        let mut world = world_of(2, 12);
        let mut agent = Agent::of_several(0, world.now, settings(SECOND), spools(), 12);
        world.connect(0);
        let end = world.now + 20 * SECOND;
        agent.run_until(&mut world, end);
        let first = agent.sampled;
        assert_eq!(agent.life.outbox().pending_in_memory(1), 0, "all that waits for the dead one is on disk");
        assert_eq!(agent.life.outbox().pending(1), first);
        // Killed, and both are there for the next run.
        drop(agent);
        world.cut(0, Duration::ZERO);
        world.nets.iter_mut().for_each(|net| net.news.clear());
        let mut agent = Agent::of_several(1, world.now, settings(SECOND), spools(), 13);
        (0..2).for_each(|to| world.connect(to));
        let end = world.now + 60 * SECOND;
        agent.run_until(&mut world, end);
        world.now += SECOND;
        world.deliver();
        let of_first =
            |net: &Net| net.receiver.arrived.keys().filter(|(session, _)| *session == 0).count() as u64;
        assert_eq!(of_first(&world.nets[1]), first, "the dead one gets the run before from disk");
        for net in &world.nets {
            let second = net.receiver.arrived.keys().filter(|(session, _)| *session == 1).count() as u64;
            assert_eq!(second, agent.sampled);
            assert!(net.receiver.final_gaps.is_empty());
        }
        assert!(
            world.nets[0].receiver.arrived.values().all(|copies| *copies == 1),
            "nothing waited for that one"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]

        /// With a spool folder, samples taken during an outage also survive the process.
        #[test]
        fn restarts_lose_nothing_that_waited(seed: u64, story in happens()) {
            let folder = tempfile::tempdir().unwrap();
            let spool = || {
                let storage = Box::new(Folder::open(folder.path()).unwrap());
                Some(Spool::open(storage, "node", 64 << 20).unwrap())
            };
            let (world, sampled) = play(seed, SECOND, &story, spool);
            for (session, count) in (0u32..).zip(&sampled) {
                let missing: Vec<u64> =
                    (0..*count).filter(|n| !world.receiver.arrived.contains_key(&(session, *n))).collect();
                prop_assert!(missing.is_empty(), "session {session}: missing {missing:?} of {count}");
            }
            prop_assert!(world.receiver.final_gaps.is_empty());
            let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
            prop_assert_eq!(left, ["lock"], "the folder is empty again");
        }
    }
}

#[test]
fn what_the_outbox_let_go_is_final_with_the_next_report() {
    let mut world = world(1);
    let small = Settings { limits: Some(Limits { bytes: 1 << 20, age: 10 * SECOND }), ..settings(SECOND) };
    let mut agent = Agent::new(0, world.now, small, None, 1);
    let end = world.now + 60 * SECOND;
    agent.run_until(&mut world, end);
    let dropped = agent.life.totals().dropped_reports;
    assert!((45..55).contains(&dropped), "{dropped}");
    assert_eq!(agent.events.iter().filter(|e| matches!(e, Event::Dropping)).count(), 1, "said once");
    world.connect(0);
    let end = world.now + 2 * SECOND;
    agent.run_until(&mut world, end);
    // A few more grow too old before the replay begins.
    assert!(world.receiver.final_below[&0] >= dropped, "known with the first live report");
    let end = world.now + 20 * SECOND;
    agent.run_until(&mut world, end);
    assert_eq!(agent.rests.len(), 2, "memory goes back at the end of the replay, and once it is little");
    assert!(agent.rests[1] <= 17, "{:?}", agent.rests);
    let dropped = agent.life.totals().dropped_reports;
    assert_eq!(world.receiver.final_gaps.len() as u64, dropped);
    assert_eq!(world.receiver.arrived.len() as u64, agent.sampled - dropped);
    assert_eq!(agent.life.claim(0, agent.sampled), None);
    assert!(
        matches!(
            agent.events[..],
            [Event::Dropping, Event::Connected { .. }, Event::Replaying { .. }, Event::ReplayDone { .. }]
        ),
        "{:?}",
        agent.events
    );
}

#[test]
fn a_stalled_process_trusts_nothing_it_did_not_watch() {
    let mut world = world(3);
    let mut agent = Agent::new(0, world.now, settings(SECOND), None, 3);
    world.connect(0);
    let end = world.now + 100 * SECOND;
    agent.run_until(&mut world, end);
    let before = agent.sampled;
    // The process stands still; meanwhile the link breaks and what was in flight is lost.
    agent.life.next_wake();
    world.cut(0, Duration::ZERO);
    world.now += 600 * SECOND;
    agent.turn(&mut world, Input::Woken);
    let pending = agent.life.outbox().pending(0);
    assert!(pending >= 10, "{pending} of the reports before the stall go again");
    assert!(agent.life.missed_ticks() >= 598);
    assert_eq!(agent.sampled, before + 1, "no burst");
}

#[test]
fn goodbye_with_a_good_link_without_one_and_with_a_spool() {
    let mut good = world(5);
    let mut agent = Agent::new(0, good.now, settings(SECOND), None, 5);
    good.connect(0);
    let end = good.now + 5 * SECOND;
    agent.run_until(&mut good, end);
    let before = good.sent;
    agent.turn(&mut good, Input::Stop);
    assert!(agent.left && good.sent == before + 1, "a last report");
    agent.turn(&mut good, Input::Woken);
    assert_eq!(good.sent, before + 1, "and then none");

    // A replay that had just begun is cut short, and what fits the link's queue goes out.
    let mut back = world(7);
    let mut agent = Agent::new(0, back.now, settings(SECOND), None, 7);
    let end = back.now + 80 * SECOND;
    agent.run_until(&mut back, end);
    back.connect(0);
    agent.turn(&mut back, Input::Stop);
    back.now += 100 * SECOND;
    back.deliver();
    assert!(agent.left);
    let sequences: Vec<u64> = back.receiver.arrived.keys().map(|(_, n)| *n).collect();
    assert_eq!(sequences, (0..LAST_RUSH).chain([agent.sampled - 1]).collect::<Vec<_>>());
    assert_eq!(back.receiver.final_below[&0], agent.sampled - 1, "the rest is lost, and said");

    let mut down = world(6);
    let mut agent = Agent::new(0, down.now, settings(SECOND), None, 6);
    let end = down.now + 5 * SECOND;
    agent.run_until(&mut down, end);
    let sampled = agent.sampled;
    agent.turn(&mut down, Input::Stop);
    assert!(agent.left);
    assert_eq!(agent.sampled, sampled, "nobody would hear a last report");
    assert!(matches!(agent.events.last(), Some(Event::LeftBehind { reports }) if *reports == sampled));
}
