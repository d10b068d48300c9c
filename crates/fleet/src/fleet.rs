//! All nodes: who a report belongs to, the limits, the passing of time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chasar_wire::{NodeEvent, Report, StateChange, Text};

use crate::clock::HearingClock;
use crate::effect::{Effect, Input, Origin, Warning};
use crate::identity::{clone_id, fingerprint, legacy_id};
use crate::memory::Journal;
use crate::node::{Incoming, Node, Out, Outcome};
use crate::sender::BadSenders;
use crate::session::{Session, Sessions};
use crate::snapshot::{About, Counters, FleetSnapshot, Totals};
use crate::{Now, Settings, State};

/// Nodes that may share one identity; reports of further clones stay with the first.
const MAX_CLONES: usize = 8;
/// Long silences are looked at this seldom.
const FORGET_CHECK: Duration = Duration::from_secs(10);
/// A line that repeats is said at most this often.
const QUIET: Duration = Duration::from_secs(60);

/// All nodes of one masternode.
///
/// Pure: time comes in with each step, everything to be done comes out as [`Effect`]s. See the
/// crate's documentation for an example.
#[derive(Debug)]
pub struct Fleet {
    pub(crate) settings: Settings,
    pub(crate) clock: HearingClock,
    /// By slot; the slot of a forgotten node is used again.
    pub(crate) nodes: Vec<Option<Node>>,
    pub(crate) by_id: HashMap<Arc<str>, u32>,
    /// By slot: when silence may next change that node's state. Apart from the nodes, so that a
    /// tick reads a few consecutive bytes for each.
    pub(crate) deadlines: Vec<Duration>,
    pub(crate) totals: Totals,
    counters: Counters,
    /// Missing ranges kept for all nodes.
    pub(crate) ranges: usize,
    bad_senders: BadSenders,
    full_said: Option<Duration>,
    full_unsaid: u64,
    next_forget_check: Duration,
    pub(crate) journal: Journal,
}

impl Fleet {
    /// An empty fleet.
    pub fn new(settings: Settings) -> Fleet {
        Fleet {
            settings,
            clock: HearingClock::default(),
            nodes: Vec::new(),
            by_id: HashMap::new(),
            deadlines: Vec::new(),
            totals: Totals::default(),
            counters: Counters::default(),
            ranges: 0,
            bad_senders: BadSenders::default(),
            full_said: None,
            full_unsaid: 0,
            next_forget_check: Duration::ZERO,
            journal: Journal::default(),
        }
    }

    /// Takes in what happened and says what is to be done about it.
    pub fn step(&mut self, now: Now, input: Input<'_>, effects: &mut Vec<Effect>) {
        if let Some(duration) = self.clock.advance(now) {
            effects.push(Effect::Warning(Warning::Stalled { duration }));
        }
        match input {
            Input::Report { report, origin } => self.report(now, report, origin, effects),
            Input::Bad { origin, kind, detail } => self.bad(now, origin, kind, detail, effects),
            Input::Tick => self.tick(now, effects),
        }
    }

    fn bad(
        &mut self,
        now: Now,
        origin: Origin<'_>,
        kind: &'static str,
        detail: &str,
        effects: &mut Vec<Effect>,
    ) {
        effects.push(Effect::Refused { reason: kind });
        let most = self.settings.max_bad_senders;
        if let Some(count) = self.bad_senders.count(origin.address, now.monotonic, most) {
            effects.push(Effect::Warning(Warning::BadReports {
                sender: origin.address.into(),
                count,
                kind,
                detail: detail.into(),
            }));
        }
    }

    fn report(&mut self, now: Now, report: &Report, origin: Origin<'_>, effects: &mut Vec<Effect>) {
        let incoming = Incoming {
            now,
            heard: self.clock.heard(),
            report,
            address: origin.address,
            relayed: origin.relayed,
            digest: origin.digest,
            fingerprint: fingerprint(report),
        };
        let legacy;
        let id: &str = match &report.node_id {
            Some(id) => id,
            None => {
                legacy = legacy_id(report, incoming.fingerprint);
                &legacy
            }
        };
        let slot = match self.by_id.get(id) {
            Some(&primary) => self.owner(primary, report.session.as_deref(), incoming.fingerprint),
            None => match self.room(now, effects) {
                Some(slot) => {
                    let about = About::of(report, origin.address);
                    let node = Node::new(id.into(), about, now, incoming.heard);
                    effects.push(Effect::Changed(node.event(StateChange::Joined, now.unix_ms, false)));
                    self.insert(slot, node);
                    slot
                }
                None => return self.full(now, effects),
            },
        };
        self.observe(slot, &incoming, effects);
    }

    fn observe(&mut self, slot: u32, incoming: &Incoming<'_>, effects: &mut Vec<Effect>) {
        let at = slot as usize;
        let mut out = Out { effects, counters: &mut self.counters, settings: &self.settings };
        let Some(node) = &mut self.nodes[at] else { return };
        let (state, ranges) = (node.state, node.sessions.ranges());
        let mut outcome = node.observe(incoming, &mut out);
        if let Outcome::Clone { moved, session, mark } = outcome {
            if node.clones.len() < MAX_CLONES && node.clone_of.is_none() {
                // What became of the state until here; `split` books the rest.
                *self.totals.of(state) -= 1;
                *self.totals.of(node.state) += 1;
                self.ranges = self.ranges + node.sessions.ranges() - ranges;
                return self.split(slot, moved, session, incoming, effects);
            }
            node.after_split(incoming, &mut out);
            outcome = Outcome::Accepted(Some(mark));
        }
        self.ranges = self.ranges + node.sessions.ranges() - ranges;
        if self.ranges > self.settings.max_ranges {
            let before = node.sessions.ranges();
            node.shed_ranges(self.ranges - self.settings.max_ranges, incoming.now, &mut out);
            self.ranges -= before - node.sessions.ranges();
        }
        if let Outcome::Accepted(Some((session, sequence))) = outcome
            && !node.dirty
        {
            self.journal.mark(slot, session, sequence);
        }
        self.settle(slot, state, incoming.now, effects);
        if outcome == Outcome::Flood {
            let origin = Origin { address: incoming.address, relayed: true, digest: incoming.digest };
            let detail =
                "more sessions, or more reports without an identity, of one node at once than are known";
            self.bad(incoming.now, origin, "flood", detail, effects);
        }
    }

    /// Books what a step did to a node.
    fn settle(&mut self, slot: u32, before: State, now: Now, effects: &mut Vec<Effect>) {
        let Some(node) = &mut self.nodes[slot as usize] else { return };
        if before != node.state {
            *self.totals.of(before) -= 1;
            *self.totals.of(node.state) += 1;
        }
        self.deadlines[slot as usize] = node.deadline();
        if std::mem::take(&mut node.dirty) {
            self.journal.rewrite(slot);
        }
        // A clone that comes back beside its partner is a new episode.
        if node.change == StateChange::Back && before != State::Live && node.state == State::Live {
            let hostname = node.about.hostname.clone();
            if let Some(primary) = node.clone_of {
                self.cloned(primary, hostname, now, effects);
            }
        }
    }

    fn cloned(&self, primary: u32, other_hostname: Text, now: Now, effects: &mut Vec<Effect>) {
        if let Some(node) = &self.nodes[primary as usize]
            && matches!(node.state, State::Live | State::Late)
        {
            let change = StateChange::Cloned { other_hostname };
            effects.push(Effect::Changed(node.event(change, now.unix_ms, false)));
        }
    }

    /// Which of the nodes that share an identity a report belongs to.
    fn owner(&self, primary: u32, session: Option<&str>, fingerprint: u64) -> u32 {
        let Some(node) = &self.nodes[primary as usize] else { return primary };
        let Some(session) = session.filter(|_| !node.clones.is_empty()) else { return primary };
        let knows = |slot: &&u32| {
            self.nodes[**slot as usize].as_ref().is_some_and(|n| n.sessions.position(session).is_some())
        };
        if knows(&&primary) {
            return primary;
        }
        if let Some(&slot) = node.clones.iter().find(knows) {
            return slot;
        }
        let is_like = |slot: u32| {
            self.nodes[slot as usize]
                .as_ref()
                .and_then(|n| n.sessions.current())
                .is_some_and(|s| s.fingerprint == fingerprint)
        };
        if is_like(primary) {
            return primary;
        }
        node.clones.iter().copied().find(|&slot| is_like(slot)).unwrap_or(primary)
    }

    /// Gives the session of a clone a node of its own. The report is the younger's or the older's.
    fn split(
        &mut self,
        primary: u32,
        moved: usize,
        session: usize,
        incoming: &Incoming<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let now = incoming.now;
        // The clone may be known: a restart of one that has the same host name and MAC address as its
        // partner looks like the partner's at first.
        let known = self.silent_twin(primary, moved, incoming.heard);
        let Some(slot) = known.or_else(|| self.room(now, effects)) else {
            let mut out = Out { effects, counters: &mut self.counters, settings: &self.settings };
            if let Some(node) = &mut self.nodes[primary as usize] {
                node.after_split(incoming, &mut out);
            }
            return self.full_without_refusal(now, effects);
        };
        let Some(node) = &mut self.nodes[primary as usize] else { return };
        let state = node.state;
        let stays = if moved == session { node.sessions.current } else { session };
        let ranges = node.sessions.ranges();
        let taken = node.sessions.split(moved, stays);
        let hostname = taken.hostname.clone();
        self.ranges -= ranges - node.sessions.ranges();
        node.dirty = true;
        node.changed();
        let mut out = Out { effects, counters: &mut self.counters, settings: &self.settings };
        let before = match &mut self.nodes[slot as usize..] {
            [Some(other), ..] if known.is_some() => {
                let (before, ranges) = (other.state, other.sessions.ranges());
                other.adopt(taken, now, incoming.heard, &mut out);
                self.ranges = self.ranges + other.sessions.ranges() - ranges;
                before
            }
            _ => {
                let other = self.new_clone(primary, slot, taken, incoming);
                let joined = other.event(StateChange::Joined, now.unix_ms, false);
                effects.push(Effect::Changed(joined));
                self.insert(slot, other);
                self.cloned(primary, hostname, now, effects);
                State::Live
            }
        };
        let of_report = if moved == session { slot } else { primary };
        let mut out = Out { effects, counters: &mut self.counters, settings: &self.settings };
        if let Some(node) = &mut self.nodes[of_report as usize] {
            node.after_split(incoming, &mut out);
        }
        self.settle(primary, state, now, effects);
        self.settle(slot, before, now, effects);
    }

    /// A clone of `primary` that fell silent and looks like the one session `moved` is of.
    fn silent_twin(&self, primary: u32, moved: usize, heard: Duration) -> Option<u32> {
        let node = self.nodes[primary as usize].as_ref()?;
        let fingerprint = node.sessions.list.get(moved)?.fingerprint;
        let is_twin = |slot: &&u32| {
            self.nodes[**slot as usize].as_ref().is_some_and(|other| {
                let silent = heard.saturating_sub(other.last_heard) > 2 * other.interval;
                silent && other.sessions.current().is_some_and(|s| s.fingerprint == fingerprint)
            })
        };
        node.clones.iter().find(is_twin).copied()
    }

    fn new_clone(&mut self, primary: u32, slot: u32, session: Session, incoming: &Incoming<'_>) -> Node {
        let mut about = About { hostname: session.hostname.clone(), ..About::default() };
        let (mut raw, mut interval) = (Arc::from(""), None);
        if let Some(node) = &mut self.nodes[primary as usize] {
            node.clones.push(slot);
            (raw, interval) = (node.id.clone(), Some(node.interval));
            about = About { hostname: session.hostname.clone(), ..(*node.about).clone() };
        }
        let id = (0..)
            .map(|attempt| clone_id(&raw, session.fingerprint, attempt))
            .find(|id| !self.by_id.contains_key(id))
            .expect("the attempts never end");
        let mut clone = Node::new(id, about, incoming.now, incoming.heard);
        clone.interval = interval.unwrap_or(clone.interval);
        clone.clone_of = Some(primary);
        clone.sessions = Sessions::only(session);
        clone
    }

    pub(crate) fn insert(&mut self, slot: u32, node: Node) {
        let at = slot as usize;
        if at >= self.nodes.len() {
            self.nodes.resize_with(at + 1, || None);
            self.deadlines.resize(at + 1, Duration::MAX);
        }
        self.totals.nodes += 1;
        *self.totals.of(node.state) += 1;
        self.ranges += node.sessions.ranges();
        self.deadlines[at] = node.deadline();
        self.by_id.insert(node.id.clone(), slot);
        self.nodes[at] = Some(node);
    }

    /// A free slot, made by forgetting one that is long gone if need be.
    fn room(&mut self, now: Now, effects: &mut Vec<Effect>) -> Option<u32> {
        if self.totals.nodes >= self.settings.max_nodes {
            let make_room_after = self.settings.make_room_after;
            // Looking for one is work for the whole fleet, so strangers cannot cause it at will.
            if self.full_said.is_none_or(|said| now.monotonic.saturating_sub(said) >= FORGET_CHECK) {
                self.forget(now, make_room_after, effects);
            }
            if self.totals.nodes >= self.settings.max_nodes {
                return None;
            }
        }
        let free =
            self.nodes.iter().position(Option::is_none).filter(|_| self.totals.nodes < self.nodes.len());
        Some(free.unwrap_or(self.nodes.len()) as u32)
    }

    fn full(&mut self, now: Now, effects: &mut Vec<Effect>) {
        effects.push(Effect::Refused { reason: "node_limit" });
        self.full_unsaid += 1;
        self.full_without_refusal(now, effects);
    }

    fn full_without_refusal(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.full_said.is_none_or(|said| now.monotonic.saturating_sub(said) >= QUIET) {
            self.full_said = Some(now.monotonic);
            let refused = std::mem::take(&mut self.full_unsaid);
            let max_nodes = self.settings.max_nodes;
            effects.push(Effect::Warning(Warning::Full { max_nodes, refused }));
        }
    }

    fn tick(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let heard = self.clock.heard();
        for slot in 0..self.deadlines.len() {
            if self.deadlines[slot] > heard {
                continue;
            }
            let Some(node) = &mut self.nodes[slot] else { continue };
            let before = node.state;
            node.silence(now, heard, effects);
            self.settle(slot as u32, before, now, effects);
        }
        if now.monotonic >= self.next_forget_check {
            self.next_forget_check = now.monotonic + FORGET_CHECK;
            self.forget(now, self.settings.forget_after, effects);
        }
    }

    /// Forgets the nodes that were gone for `gone_for`; a node whose clones are known stays.
    fn forget(&mut self, now: Now, gone_for: Duration, effects: &mut Vec<Effect>) {
        for slot in 0..self.nodes.len() {
            let Some(node) = &mut self.nodes[slot] else { continue };
            let gone = now.monotonic.saturating_sub(node.gone_since) + node.gone_before;
            let is_gone = matches!(node.state, State::Down | State::Left) && gone >= gone_for;
            if !is_gone || !node.clones.is_empty() {
                continue;
            }
            let ranges = node.sessions.ranges();
            node.give_up(now, &mut Out { effects, counters: &mut self.counters, settings: &self.settings });
            let (node_id, hostname) = (node.id.clone(), node.about.hostname.as_str().into());
            *self.totals.of(node.state) -= 1;
            self.totals.nodes -= 1;
            self.ranges -= ranges;
            self.by_id.remove(&node.id);
            self.deadlines[slot] = Duration::MAX;
            let clone_of = node.clone_of;
            self.nodes[slot] = None;
            self.journal.forget(slot as u32);
            if let Some(Some(primary)) = clone_of.map(|p| &mut self.nodes[p as usize]) {
                primary.clones.retain(|&clone| clone as usize != slot);
                primary.changed();
            }
            effects.push(Effect::Warning(Warning::Forgotten { node_id, hostname }));
        }
    }

    /// The fleet for readers. Costs a few hundred nanoseconds for each node that changed.
    pub fn snapshot(&mut self, now: Now) -> FleetSnapshot {
        let mut nodes = Vec::with_capacity(self.totals.nodes);
        for slot in 0..self.nodes.len() {
            let cloned = self.is_cloned(slot);
            if let Some(node) = &mut self.nodes[slot] {
                nodes.push(node.snapshot(cloned));
            }
        }
        FleetSnapshot { at_ms: now.unix_ms, totals: self.totals, counters: self.counters, nodes }
    }

    /// Whether another running clientnode uses this node's identity.
    fn is_cloned(&self, slot: usize) -> bool {
        let runs = |slot: u32| {
            let node = self.nodes[slot as usize].as_ref();
            node.is_some_and(|n| matches!(n.state, State::Live | State::Late))
        };
        let Some(node) = &self.nodes[slot] else { return false };
        match node.clone_of {
            Some(primary) => runs(slot as u32) && runs(primary),
            None => runs(slot as u32) && node.clones.iter().any(|&clone| runs(clone)),
        }
    }

    /// The present state of each node for listeners that come late, marked as repeated: of all
    /// nodes, or only of those that are not live.
    pub fn present_states(&self, live_too: bool) -> impl Iterator<Item = NodeEvent> + '_ {
        self.nodes
            .iter()
            .flatten()
            .filter(move |node| live_too || node.state != State::Live)
            .map(|node| node.event(node.change.clone(), node.since_ms, true))
    }

    /// Number of nodes by state.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// What was counted since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Missing ranges kept for all nodes; at most [`Settings::max_ranges`].
    pub fn missing_ranges(&self) -> usize {
        self.ranges
    }

    /// Senders of bad reports that are told apart; at most [`Settings::max_bad_senders`].
    pub fn bad_senders(&self) -> usize {
        self.bad_senders.len()
    }
}
