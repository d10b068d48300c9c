//! Time, faults, and the masternode with its memory file.

use std::time::Duration;

use chasar_fleet::{Effect, Fleet, Input, Now, Origin, Settings};

use chasar_wire::StateChange;

use crate::agent::Agent;
use crate::check::Checks;
use crate::random::Random;

/// Which faults a run has.
#[derive(Clone, Copy, Default)]
pub(crate) struct Faults {
    pub(crate) network: bool,
    pub(crate) nodes: bool,
    pub(crate) kills: bool,
    pub(crate) stalls: bool,
    pub(crate) clocks: bool,
    pub(crate) clones: bool,
}

/// One step of simulated time.
const STEP: u64 = 50;
/// Faults happen until here.
const CHAOS: u64 = 240_000;
/// Everything must have come to rest by here.
const END: u64 = 700_000;
const EPOCH: i64 = 1_700_000_000_000;

pub(crate) struct World {
    random: Random,
    faults: Faults,
    now: u64,
    /// The masternode's wall clock less the true time.
    wall_ms: i64,
    agents: Vec<Agent>,
    fleet: Option<Fleet>,
    /// What is in the memory file.
    file: Vec<u8>,
    returns_at: u64,
    stalled_until: u64,
    last_tick: u64,
    checks: Checks,
}

impl World {
    pub(crate) fn new(seed: u64, faults: Faults) -> World {
        let mut random = Random::new(seed);
        let count = random.between(2, 7);
        let mut agents: Vec<Agent> = (0..count)
            .map(|i| {
                let interval = [100, 500, 1_000, 1_000, 1_000, 5_000][random.between(0, 6) as usize];
                Agent::new(format!("n{i}"), format!("h{i}"), interval, &mut random)
            })
            .collect();
        if faults.clones {
            let interval = agents[0].interval_ms;
            let mut clone = Agent::new("n0".into(), "twin".into(), interval, &mut random);
            clone.label = "twin".into();
            if random.once_in(2) {
                clone.hostname = "h0".into();
            }
            // A copied disk, but another computer: its clock may be off by anything.
            clone.clock_ms = [0, -300, 40, -3_600_000, 900_000][random.between(0, 5) as usize];
            agents.push(clone);
        }
        let fleet = Fleet::new(settings());
        World {
            random,
            faults,
            now: 0,
            wall_ms: 0,
            agents,
            fleet: Some(fleet),
            file: Vec::new(),
            returns_at: 0,
            stalled_until: 0,
            last_tick: 0,
            checks: Checks::new(faults.clones, faults.clones && faults.nodes),
        }
    }

    fn clock(&self) -> Now {
        Now {
            monotonic: Duration::from_millis(1_000_000 + self.now),
            unix_ms: EPOCH + self.now as i64 + self.wall_ms,
        }
    }

    pub(crate) fn run(mut self) {
        while self.now < END {
            self.now += STEP;
            if self.now < CHAOS {
                self.misfortune();
            }
            self.masternode_comes_back();
            self.carry();
        }
        for agent in &self.agents {
            assert!(agent.is_quiet(), "the run is too short for {} to come to rest", agent.hostname);
        }
        let fleet = self.fleet.as_mut().expect("the masternode is back");
        let now = Now {
            monotonic: Duration::from_millis(1_000_000 + self.now),
            unix_ms: EPOCH + self.now as i64 + self.wall_ms,
        };
        self.checks.at_rest(&self.agents, &fleet.snapshot(now));
    }

    fn misfortune(&mut self) {
        let (now, random) = (self.now, &mut self.random);
        let which = random.between(0, self.agents.len() as u64) as usize;
        let agent = &mut self.agents[which];
        if self.faults.network && random.once_in(200) {
            if random.once_in(2) { agent.cut_silently(now) } else { agent.reset(now, random) }
        }
        if self.faults.nodes && random.once_in(300) {
            if random.once_in(3) { agent.leave(now, random) } else { agent.crash(now, random) }
        }
        if self.faults.clocks && random.once_in(400) {
            if random.once_in(2) {
                agent.clock_ms += random.between(0, 20_000) as i64 - 10_000;
            } else {
                self.wall_ms += random.between(0, 100_000) as i64 - 50_000;
                self.checks.stalled(now);
            }
        }
        if self.faults.stalls && random.once_in(800) && self.fleet.is_some() {
            self.stalled_until = now + random.between(1_500, 9_000);
        }
        if self.faults.kills && random.once_in(900) && self.fleet.is_some() {
            self.fleet = None;
            self.stalled_until = 0;
            self.returns_at = now + random.between(300, 20_000);
            self.checks.killed();
            for agent in &mut self.agents {
                agent.masternode_died(now, random);
            }
        }
    }

    fn masternode_comes_back(&mut self) {
        if self.fleet.is_some() || self.returns_at > self.now {
            return;
        }
        let (mut fleet, restored) = Fleet::restore(settings(), self.clock(), &self.file);
        assert_eq!((restored.problem, restored.ignored_bytes), (None, 0));
        self.checks.restored(self.now, &fleet.snapshot(self.clock()));
        self.file.clear();
        fleet.whole_memory(self.clock(), &mut self.file);
        self.fleet = Some(fleet);
    }

    fn carry(&mut self) {
        let now = self.now;
        let listening = self.fleet.is_some() && self.stalled_until <= now;
        let clock = self.clock();
        if listening && now - self.last_tick > 1_000 {
            self.checks.stalled(now);
        }
        let mut effects = Vec::new();
        for agent in &mut self.agents {
            let reports = agent.step(now, listening, &mut self.random);
            for report in reports {
                let Some(fleet) = &mut self.fleet else { continue };
                fleet.step(
                    clock,
                    Input::Report { report: &report, origin: Origin::direct("x") },
                    &mut effects,
                );
                self.checks.report(now, &report, &effects);
                effects.clear();
            }
        }
        if !listening {
            return;
        }
        let Some(fleet) = &mut self.fleet else { return };
        if now - self.last_tick >= 250 {
            self.last_tick = now;
            fleet.step(clock, Input::Tick, &mut effects);
            let published = effects.iter().any(|e| matches!(e, Effect::Accepted { .. }));
            assert!(!published, "a tick published a report");
            self.checks.effects(now, &effects);
            nobody_is_down_who_sends(now, &effects, &self.agents);
            self.checks.fleet(now, &fleet.snapshot(clock), fleet.missing_ranges());
        }
        // The memory is written a little after publishing.
        if now.is_multiple_of(100) {
            if self.file.is_empty() || self.file.len() > 200_000 {
                self.file.clear();
                fleet.whole_memory(clock, &mut self.file);
            } else {
                fleet.drain_memory(clock, &mut self.file);
            }
            self.checks.remembered();
        }
    }
}

/// However deaf the masternode was: who goes on sending is not down.
fn nobody_is_down_who_sends(now: u64, effects: &[Effect], agents: &[Agent]) {
    for effect in effects {
        let Effect::Changed(event) = effect else { continue };
        if event.change != StateChange::Down || event.node_id.contains('~') {
            continue;
        }
        // Of two that share an identity, one may go on while the other is down.
        let mut of_node = agents.iter().filter(|a| *a.id == *event.node_id);
        let heard = of_node.next().is_some_and(|a| a.is_heard(now)) && of_node.next().is_none();
        assert!(!heard, "{} is down and goes on sending", event.node_id);
    }
}

fn settings() -> Settings {
    Settings { max_ranges: 20_000, ..Settings::default() }
}
