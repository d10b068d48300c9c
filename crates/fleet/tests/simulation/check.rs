//! What must hold at every step, and when everything has come to rest.

use std::collections::{BTreeMap, HashMap, HashSet};

use chasar_fleet::{Effect, FleetSnapshot, State, Warning};
use chasar_wire::{Report, StateChange};

use crate::agent::{Agent, Key};

/// After a restart or stall nobody is judged for so long: both graces, and three intervals of 5 s.
const UNSURE: u64 = 60_000;

#[derive(Default)]
struct NodeCheck {
    state: Option<State>,
    last_accepted: u64,
    interval_ms: u64,
}

pub(crate) struct Checks {
    clones: bool,
    /// A clone that runs while its partner does not cannot be told from a rename.
    may_seem_renamed: bool,
    accepted: HashMap<Key, u32>,
    /// Accepted, but not yet in the memory.
    unremembered: Vec<Key>,
    /// May come twice: the masternode was killed before it remembered them.
    may_repeat: HashSet<Key>,
    nodes: BTreeMap<String, NodeCheck>,
    gaps: BTreeMap<(String, String), Vec<(u64, u64)>>,
    cloned: u32,
    recovered: u64,
    /// States before the last unremembered changes, for a restart.
    remembered_states: BTreeMap<String, State>,
    unsure_until: u64,
}

impl Checks {
    pub(crate) fn new(clones: bool, may_seem_renamed: bool) -> Checks {
        Checks {
            clones,
            may_seem_renamed,
            accepted: HashMap::new(),
            unremembered: Vec::new(),
            may_repeat: HashSet::new(),
            nodes: BTreeMap::new(),
            gaps: BTreeMap::new(),
            cloned: 0,
            recovered: 0,
            remembered_states: BTreeMap::new(),
            unsure_until: 0,
        }
    }

    pub(crate) fn report(&mut self, now: u64, report: &Report, effects: &[Effect]) {
        let key = (
            report.node_id.as_deref().unwrap().to_owned(),
            report.session.as_deref().unwrap().to_owned(),
            report.sequence.unwrap(),
        );
        let verdicts: Vec<_> = effects
            .iter()
            .filter(|e| {
                matches!(e, Effect::Accepted { .. } | Effect::Duplicate { .. } | Effect::Refused { .. })
            })
            .collect();
        assert_eq!(verdicts.len(), 1, "one verdict on {key:?}: {effects:?}");
        self.effects(now, effects);
        match verdicts[0] {
            Effect::Accepted { node_id, .. } => {
                assert!(node_id.starts_with(&key.0), "{key:?} went to {node_id}");
                let times = self.accepted.entry(key.clone()).or_default();
                *times += 1;
                assert!(*times == 1 || self.may_repeat.remove(&key), "{key:?} was published twice");
                let node = self.nodes.entry(node_id.to_string()).or_default();
                if node.state != Some(State::Left) {
                    node.last_accepted = now;
                }
                node.interval_ms = (report.interval_seconds.unwrap() * 1e3) as u64;
                if self.gap_of(&key) {
                    self.recovered += 1;
                }
                self.unremembered.push(key);
            }
            Effect::Duplicate { .. } => {
                assert!(
                    self.accepted.contains_key(&key),
                    "{key:?} was called a duplicate and never published"
                );
            }
            other => panic!("{key:?}: {other:?}"),
        }
    }

    fn gap_of(&self, key: &Key) -> bool {
        self.gaps
            .get(&(key.0.clone(), key.1.clone()))
            .is_some_and(|ranges| ranges.iter().any(|(from, to)| (*from..=*to).contains(&key.2)))
    }

    pub(crate) fn effects(&mut self, now: u64, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Changed(event) => self.change(now, &event.node_id, &event.change),
                Effect::Warning(Warning::Stalled { .. }) => {
                    assert!(now <= self.unsure_until, "no stall, but one was felt");
                }
                Effect::Warning(Warning::Conflict { .. }) => panic!("no two reports share a sequence"),
                _ => {}
            }
        }
    }

    fn change(&mut self, now: u64, id: &str, change: &StateChange) {
        let unsure = now < self.unsure_until;
        let node = self.nodes.entry(id.to_owned()).or_default();
        let next = match change {
            StateChange::Joined => {
                assert_eq!(node.state, None, "{id} joined twice");
                node.last_accepted = now;
                State::Live
            }
            StateChange::Late => {
                assert_eq!(node.state, Some(State::Live), "{id} late");
                let silent = now - node.last_accepted;
                assert!(silent > 2 * node.interval_ms, "{id} late after {silent} ms");
                State::Late
            }
            StateChange::Down => {
                assert!(matches!(node.state, Some(State::Live | State::Late)), "{id} down");
                let silent = now - node.last_accepted;
                assert!(silent > 3 * node.interval_ms, "{id} down after {silent} ms");
                assert!(
                    unsure || silent <= 3 * node.interval_ms + 3_000,
                    "{id} down only after {silent} ms of silence"
                );
                State::Down
            }
            StateChange::Back => {
                assert!(!matches!(node.state, None | Some(State::Live)), "{id} back from {:?}", node.state);
                State::Live
            }
            StateChange::Left => {
                assert!(!matches!(node.state, None | Some(State::Left)), "{id} left from {:?}", node.state);
                State::Left
            }
            StateChange::Gap { session, from_sequence, to_sequence } => {
                let raw = id.split('~').next().unwrap().to_owned();
                let said = self.gaps.entry((raw.clone(), session.to_string())).or_default();
                for (from, to) in &*said {
                    assert!(
                        to < from_sequence || from > to_sequence,
                        "{id}: gap {from_sequence}..={to_sequence} said again after {from}..={to}"
                    );
                }
                said.push((*from_sequence, *to_sequence));
                for sequence in *from_sequence..=*to_sequence {
                    let key = (raw.clone(), session.to_string(), sequence);
                    assert!(
                        !self.accepted.contains_key(&key) || self.may_repeat.contains(&key),
                        "{key:?} came, yet is called lost"
                    );
                }
                return;
            }
            StateChange::Cloned { .. } => {
                assert!(self.clones && id == "n0", "{id} is no clone");
                self.cloned += 1;
                return;
            }
            StateChange::Renamed { .. } => {
                assert!(self.may_seem_renamed && id == "n0", "{id} was never renamed");
                return;
            }
        };
        node.state = Some(next);
    }

    /// The masternode's own state of things agrees with what it said.
    pub(crate) fn fleet(&mut self, now: u64, snapshot: &FleetSnapshot, ranges: usize) {
        assert!(ranges <= 20_000, "{ranges} ranges");
        assert_eq!(snapshot.totals.nodes, snapshot.nodes.len());
        for state in State::ALL {
            let count = snapshot.nodes.iter().filter(|n| n.state == state).count();
            assert_eq!(snapshot.totals.get(state), count, "{state:?}");
        }
        for node in &snapshot.nodes {
            let check = &self.nodes[&*node.node_id];
            assert_eq!(Some(node.state), check.state, "{} says one thing and is another", node.node_id);
            let silent = now - check.last_accepted;
            if now > self.unsure_until && silent > 3 * check.interval_ms + 3_000 {
                assert!(
                    matches!(node.state, State::Down | State::Left),
                    "{} is {:?} after {silent} ms of silence",
                    node.node_id,
                    node.state
                );
            }
        }
    }

    pub(crate) fn stalled(&mut self, now: u64) {
        self.unsure_until = now + UNSURE;
    }

    pub(crate) fn remembered(&mut self) {
        self.unremembered.clear();
        self.remembered_states =
            self.nodes.iter().filter_map(|(id, n)| Some((id.clone(), n.state?))).collect();
    }

    pub(crate) fn killed(&mut self) {
        self.may_repeat.extend(self.unremembered.drain(..));
        self.nodes.retain(|id, _| self.remembered_states.contains_key(id));
        for (id, state) in &self.remembered_states {
            self.nodes.get_mut(id).unwrap().state = Some(*state);
        }
    }

    /// Nothing is invented or forgotten over a restart.
    pub(crate) fn restored(&mut self, now: u64, snapshot: &FleetSnapshot) {
        self.stalled(now);
        let restored: BTreeMap<String, State> =
            snapshot.nodes.iter().map(|n| (n.node_id.to_string(), n.state)).collect();
        assert_eq!(restored, self.remembered_states, "the memory is wrong");
    }

    pub(crate) fn at_rest(&self, agents: &[Agent], snapshot: &FleetSnapshot) {
        for agent in agents {
            assert!(agent.sampled.len() > 50, "{} hardly ran", agent.hostname);
            for kept in &agent.outbox {
                let key = (agent.id.clone(), kept.session.clone(), kept.sequence);
                let came = self.accepted.contains_key(&key) || agent.is_on_its_way(&key.1, key.2);
                assert!(came, "{key:?} is in the outbox and was never published");
            }
            let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
            for (_, session, sequence) in agent.sampled.iter().filter(|k| self.accepted.contains_key(*k)) {
                let high = newest.entry(session).or_default();
                *high = (*high).max(*sequence);
            }
            let first_session = &agent.sampled[0].1;
            for key in &agent.sampled {
                let (came, gap) = (self.accepted.contains_key(key), self.gap_of(key));
                // The end of a session that never came cannot be known; nor what was before the first report.
                let knowable = newest.get(key.1.as_str()).is_some_and(|high| key.2 < *high);
                if !came && !gap && knowable && &key.1 != first_session {
                    panic!("{key:?} is lost and nobody said so");
                }
            }
        }
        for node in &snapshot.nodes {
            // Two computers with one identity, one name and one MAC that both restart cannot be told
            // apart for certain, so a name made for one of them may be left over.
            let may_be_left_over = node.node_id.contains('~') && node.state == State::Down;
            assert!(
                node.state == State::Live || may_be_left_over,
                "{} is {:?} at rest",
                node.node_id,
                node.state
            );
            assert_eq!(node.missing, 0, "{} still misses reports", node.node_id);
        }
        // Replayed out of order, an old report can seem the newest just after a restart of the
        // masternode, and with its old word gaps seem final. Such reports are taken all the same.
        // And of two that share an identity, until they are told apart, one may give up for the other.
        if !self.clones && !agents.iter().any(|a| a.shuffled_replay) {
            assert_eq!(self.recovered, 0, "reports came after they were called lost");
        }
        assert_eq!(self.cloned > 0, self.clones, "clones are found, and only clones");
        let shared = snapshot.nodes.iter().filter(|n| n.cloned).count();
        assert_eq!(shared, if self.clones { 2 } else { 0 }, "{:?}", self.nodes.keys());
    }
}
