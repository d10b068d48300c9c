//! One node: its sessions, its state, its numbers.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chasar_wire::{NodeEvent, Report, StateChange, Text};

use crate::effect::{Effect, Warning};
use crate::liveness::{DEFAULT_INTERVAL, IntervalLearner, down_after, late_after};
use crate::sequence::Missing;
use crate::session::{Seen, Session, Sessions, Sighting};
use crate::skew::{SkewChange, SkewWindow};
use crate::snapshot::{About, Counters, NodeSnapshot, Summary, Traffic};
use crate::{Now, Settings, State};

/// Ranges that were said to be lost and are kept, so that a report that comes after all is taken.
const MOST_CLOSED_RANGES: usize = 32;

/// Reports without an identity that are remembered to tell copies: [`COPIES_WITHIN`] of almost nine a second.
const MOST_DIGESTS: usize = 256;

/// A copy comes by another way within this time. So nothing that another masternode passed on takes the place of
/// what is known for less: else a burst of more than is known would go round a ring of masternodes for ever.
const COPIES_WITHIN: Duration = Duration::from_secs(30);

/// A node that was heard itself within this time is expected to send what is missing itself; the longest that
/// the usual outbox reaches back.
const DIRECT_FOR: Duration = Duration::from_secs(3_600);

/// A report, when and from where.
#[derive(Clone, Copy)]
pub(crate) struct Incoming<'a> {
    pub(crate) now: Now,
    /// [`crate::clock::HearingClock::heard`].
    pub(crate) heard: Duration,
    pub(crate) report: &'a Report,
    pub(crate) address: &'a str,
    /// Whether another masternode passed it on.
    pub(crate) relayed: bool,
    /// [`crate::effect::Origin::digest`].
    pub(crate) digest: Option<u64>,
    pub(crate) fingerprint: u64,
}

/// Where a step leaves its results.
pub(crate) struct Out<'a> {
    pub(crate) effects: &'a mut Vec<Effect>,
    pub(crate) counters: &'a mut Counters,
    pub(crate) settings: &'a Settings,
}

/// What came of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Taken; the session's number and the sequence, for the memory, where it has them.
    Accepted(Option<(u32, u64)>),
    /// Dropped.
    Dropped,
    /// Dropped, since taking it would mean to forget what keeps copies from going round.
    Flood,
    /// The session at this position is a clone's; the report is not yet accounted for.
    Clone {
        /// Which session has to move.
        moved: usize,
        /// Which session the report is of.
        session: usize,
        /// Its number and sequence.
        mark: (u32, u64),
    },
}

/// A report without an identity.
#[derive(Clone, Copy, Debug)]
struct Digest {
    /// [`crate::effect::Origin::digest`].
    digest: u64,
    /// By which way it comes: the address of who passed it on, hashed; `None` from the node itself.
    way: Option<u64>,
    /// When it last came by that way, on the hearing clock.
    last: Duration,
}

/// What a report without an identity is.
enum Came {
    New,
    ByAnotherWay,
    /// Nobody can tell, and there is no room to remember it.
    Unknown,
}

/// One node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) id: Arc<str>,
    /// The slot of the node whose identity this one shares.
    pub(crate) clone_of: Option<u32>,
    /// The slots of the nodes that share this one's identity.
    pub(crate) clones: Vec<u32>,
    pub(crate) about: Arc<About>,
    pub(crate) sessions: Sessions,
    pub(crate) state: State,
    /// The change that led to `state`.
    pub(crate) change: StateChange,
    pub(crate) since_ms: i64,
    pub(crate) interval: Duration,
    learner: Option<Box<IntervalLearner>>,
    /// On the hearing clock; after a restart it lies ahead by the grace.
    pub(crate) last_heard: Duration,
    pub(crate) last_report_ms: i64,
    /// When it went down or left, on the monotonic clock.
    pub(crate) gone_since: Duration,
    /// How long it had been gone when the masternode started.
    pub(crate) gone_before: Duration,
    /// When something last went missing or came back, on the monotonic clock.
    gap_activity: Duration,
    /// A new session with another host name: a rename, once it is sure that it is no clone.
    renaming: Option<(Text, Duration)>,
    skew: SkewWindow,
    summary: Summary,
    traffic: Option<Traffic>,
    pub(crate) counters: Counters,
    conflict_said: bool,
    /// The last reports without an identity, the one that came longest ago first.
    digests: VecDeque<Digest>,
    /// When it was last heard itself, on the hearing clock; `None` when others alone brought its reports.
    heard_itself: Option<Duration>,
    pub(crate) snapshot: Option<Arc<NodeSnapshot>>,
    /// Whether more changed than a mark in the memory tells.
    pub(crate) dirty: bool,
}

impl Node {
    pub(crate) fn new(id: Arc<str>, about: About, now: Now, heard: Duration) -> Node {
        // The memory keeps addresses only: that of an upstream has a port.
        let heard_itself = about.address.parse::<IpAddr>().is_ok().then_some(heard);
        Node {
            id,
            clone_of: None,
            clones: Vec::new(),
            about: Arc::new(about),
            sessions: Sessions::default(),
            state: State::Live,
            change: StateChange::Joined,
            since_ms: now.unix_ms,
            interval: DEFAULT_INTERVAL,
            learner: None,
            last_heard: heard,
            last_report_ms: now.unix_ms,
            gone_since: now.monotonic,
            gone_before: Duration::ZERO,
            gap_activity: Duration::ZERO,
            renaming: None,
            skew: SkewWindow::default(),
            summary: Summary::default(),
            traffic: None,
            counters: Counters::default(),
            conflict_said: false,
            digests: VecDeque::new(),
            heard_itself,
            snapshot: None,
            dirty: true,
        }
    }

    pub(crate) fn event(&self, change: StateChange, at_ms: i64, repeated: bool) -> NodeEvent {
        NodeEvent {
            node_id: (*self.id).into(),
            hostname: self.about.hostname.clone(),
            change,
            at_ms,
            repeated,
        }
    }

    pub(crate) fn enter(&mut self, state: State, change: StateChange, now: Now, effects: &mut Vec<Effect>) {
        self.state = state;
        self.change = change.clone();
        self.since_ms = now.unix_ms;
        if matches!(state, State::Down | State::Left) {
            self.gone_since = now.monotonic;
            self.gone_before = Duration::ZERO;
        }
        self.changed();
        self.dirty = true;
        effects.push(Effect::Changed(self.event(change, now.unix_ms, false)));
    }

    pub(crate) fn changed(&mut self) {
        self.snapshot = None;
    }

    /// When silence may next change the state, on the hearing clock.
    pub(crate) fn deadline(&self) -> Duration {
        match self.state {
            State::Live => self.last_heard.saturating_add(late_after(self.interval)),
            State::Late => self.last_heard.saturating_add(down_after(self.interval)),
            State::Down | State::Left => Duration::MAX,
        }
    }

    /// Draws the consequence of silence.
    pub(crate) fn silence(&mut self, now: Now, heard: Duration, effects: &mut Vec<Effect>) {
        let silent = heard.saturating_sub(self.last_heard);
        if !matches!(self.state, State::Live | State::Late) {
            return;
        }
        if silent >= down_after(self.interval) {
            self.enter(State::Down, StateChange::Down, now, effects);
        } else if silent >= late_after(self.interval) && self.state == State::Live {
            self.enter(State::Late, StateChange::Late, now, effects);
        }
    }

    /// Takes a report in.
    pub(crate) fn observe(&mut self, incoming: &Incoming<'_>, out: &mut Out<'_>) -> Outcome {
        let report = incoming.report;
        let (Some(_), Some(session), Some(sequence), Some(sampled_ms)) =
            (&report.node_id, &report.session, report.sequence, report.sampled_at_ms)
        else {
            match self.came_another_way(incoming) {
                Came::New => {}
                Came::ByAnotherWay => return self.duplicate(false, out),
                Came::Unknown => return Outcome::Flood,
            }
            self.newest(incoming, false, out);
            self.accept(false, out);
            return Outcome::Accepted(None);
        };
        if incoming.relayed && self.sessions.is_full_for(session, incoming.heard, COPIES_WITHIN) {
            return Outcome::Flood;
        }
        if !incoming.relayed {
            self.heard_itself = Some(incoming.heard);
        }
        let of_its_own = |last| incoming.heard.saturating_sub(last) < DIRECT_FOR;
        let sighting = Sighting {
            session,
            sequence,
            sampled_ms,
            replay: report.replay,
            claims: !self.heard_itself.is_some_and(of_its_own) || !incoming.relayed,
            hostname: &report.hostname,
            fingerprint: incoming.fingerprint,
            heard: incoming.heard,
            interval: self.interval,
            left: self.state == State::Left,
        };
        let known_sessions = self.sessions.next_number;
        let mut gaps = Gaps::default();
        let (at, seen) = self.sessions.note(&sighting, &mut |s, from, to| gaps.say(s, from, to));
        if self.sessions.next_number != known_sessions {
            self.dirty = true;
        }
        let mark = (self.sessions.list[at].number, sequence);
        let outcome = match seen {
            Seen::Duplicate => {
                let remembered = self.sessions.list[at].remembered_high.is_some_and(|high| sequence <= high);
                self.duplicate(remembered, out)
            }
            Seen::Conflict => {
                self.conflict(out);
                Outcome::Dropped
            }
            Seen::Clone { moved } => Outcome::Clone { moved, session: at, mark },
            Seen::Newest { skipped, switched } => {
                if skipped {
                    self.gap_activity = incoming.now.monotonic;
                }
                self.dirty |= switched;
                self.newest(incoming, switched, out);
                self.accept(false, out);
                Outcome::Accepted(Some(mark))
            }
            Seen::Late { filled, skipped } => {
                if skipped || filled.is_some() {
                    self.gap_activity = incoming.now.monotonic;
                }
                if filled == Some(Missing::Closed) {
                    out.counters.recovered_total += 1;
                    self.counters.recovered_total += 1;
                }
                self.arrived(incoming, false, out);
                self.accept(true, out);
                Outcome::Accepted(Some(mark))
            }
        };
        self.close_gaps(at, matches!(seen, Seen::Newest { .. }), incoming.now, &mut gaps, out);
        self.say_gaps(gaps, incoming.now, out);
        self.changed();
        outcome
    }

    fn accept(&mut self, replayed: bool, out: &mut Out<'_>) {
        for counters in [&mut *out.counters, &mut self.counters] {
            counters.accepted_total += 1;
            counters.replayed_total += u64::from(replayed);
        }
        self.changed();
        out.effects.push(Effect::Accepted { node_id: self.id.clone(), replayed });
    }

    fn duplicate(&mut self, remembered: bool, out: &mut Out<'_>) -> Outcome {
        out.counters.duplicates_total += 1;
        self.counters.duplicates_total += 1;
        out.effects.push(Effect::Duplicate { node_id: self.id.clone(), remembered });
        self.changed();
        Outcome::Dropped
    }

    /// Whether a report without an identity has come by another way lately, by another masternode or from one:
    /// else two masternodes that pass on to each other would do so for ever. What comes by the same way again is
    /// no copy: a node may say the same twice.
    fn came_another_way(&mut self, incoming: &Incoming<'_>) -> Came {
        let Some(digest) = incoming.digest else { return Came::New };
        let way = incoming.relayed.then(|| {
            let mut hasher = DefaultHasher::new();
            incoming.address.hash(&mut hasher);
            hasher.finish()
        });
        let last = incoming.heard;
        let is_young = |known: &Digest| last.saturating_sub(known.last) < COPIES_WITHIN;
        if let Some(at) = self.digests.iter().position(|known| known.digest == digest) {
            if self.digests[at].way != way && is_young(&self.digests[at]) {
                return Came::ByAnotherWay;
            }
            self.digests.remove(at);
        } else if self.digests.len() >= MOST_DIGESTS {
            if incoming.relayed && self.digests.front().is_some_and(is_young) {
                return Came::Unknown;
            }
            self.digests.pop_front();
        }
        self.digests.push_back(Digest { digest, way, last });
        Came::New
    }

    fn conflict(&mut self, out: &mut Out<'_>) {
        out.counters.conflicts_total += 1;
        self.counters.conflicts_total += 1;
        if !std::mem::replace(&mut self.conflict_said, true) {
            let (node_id, hostname) = (self.id.clone(), self.about.hostname.as_str().into());
            out.effects.push(Effect::Warning(Warning::Conflict { node_id, hostname }));
        }
        out.effects.push(Effect::Refused { reason: "conflict" });
    }

    /// Takes in the session of a restarted clone that could not be told from its partner at first.
    pub(crate) fn adopt(&mut self, session: Session, now: Now, heard: Duration, out: &mut Out<'_>) {
        let mut gaps = Gaps::default();
        self.sessions.adopt(session, &mut |s, from, to| gaps.say(s, from, to));
        self.say_gaps(gaps, now, out);
        self.last_heard = heard;
        self.last_report_ms = now.unix_ms;
        if self.state != State::Live {
            self.enter(State::Live, StateChange::Back, now, out.effects);
        }
        self.dirty = true;
        self.changed();
    }

    /// Accounts for a report that was found out to be a clone's, or its partner's.
    pub(crate) fn after_split(&mut self, incoming: &Incoming<'_>, out: &mut Out<'_>) {
        self.renaming = None;
        self.traffic = None;
        self.skew = SkewWindow::default();
        self.dirty = true;
        if self.about.hostname != incoming.report.hostname {
            // No rename: the name that stood here was the clone's.
            self.about = Arc::new(About::of(incoming.report, incoming.address));
        }
        self.newest(incoming, false, out);
        self.accept(false, out);
    }

    /// The newest report of the node: everything that is true of it now comes from here.
    fn newest(&mut self, incoming: &Incoming<'_>, switched: bool, out: &mut Out<'_>) {
        let report = incoming.report;
        self.interval = match report.interval_seconds.map(Duration::try_from_secs_f64) {
            Some(Ok(interval)) => interval,
            _ => self.learner.get_or_insert_default().arrival(incoming.now.monotonic),
        };
        self.names(incoming, switched, out);
        self.summary = Summary::of(report, &mut self.traffic);
        if let Some(sampled_ms) = report.sampled_at_ms {
            let Now { monotonic, unix_ms } = incoming.now;
            if let Some(change) = self.skew.note(monotonic, self.interval, unix_ms, sampled_ms) {
                let (node_id, hostname) = (self.id.clone(), self.about.hostname.as_str().into());
                out.effects.push(Effect::Warning(match change {
                    SkewChange::Off(ms) => Warning::ClockSkew { node_id, hostname, seconds: ms as f64 / 1e3 },
                    SkewChange::Right => Warning::ClockSkewGone { node_id, hostname },
                }));
            }
        }
        self.arrived(incoming, true, out);
    }

    fn names(&mut self, incoming: &Incoming<'_>, switched: bool, out: &mut Out<'_>) {
        let report = incoming.report;
        // Of a node that comes by several ways the address would change with each report.
        let kept = self.about.clone();
        let address = if incoming.relayed { &kept.address } else { incoming.address };
        if !self.about.still_fits(report, address) {
            let before = std::mem::replace(&mut self.about, Arc::new(About::of(report, address)));
            self.dirty = true;
            if before.hostname != report.hostname && self.renaming.is_none() {
                if switched {
                    self.renaming = Some((before.hostname.clone(), incoming.heard));
                } else {
                    self.renamed(before.hostname.clone(), incoming.now, out);
                }
            }
        }
        // A clone shows itself within six intervals; see `Sessions::suspect`.
        let sure = |since: Duration| {
            incoming.heard.saturating_sub(since) >= (10 * self.interval).max(Duration::from_secs(10))
        };
        if self.renaming.as_ref().is_some_and(|(_, since)| sure(*since))
            && let Some((previous, _)) = self.renaming.take()
        {
            self.renamed(previous, incoming.now, out);
        }
    }

    fn renamed(&mut self, previous_hostname: Text, now: Now, out: &mut Out<'_>) {
        if previous_hostname != self.about.hostname {
            let change = StateChange::Renamed { previous_hostname };
            out.effects.push(Effect::Changed(self.event(change, now.unix_ms, false)));
        }
        if let Some(session) = self.sessions.list.get_mut(self.sessions.current) {
            session.hostname = self.about.hostname.clone();
        }
    }

    /// A sign of life. Only the newest report of a node can bring it back after it left.
    fn arrived(&mut self, incoming: &Incoming<'_>, newest: bool, out: &mut Out<'_>) {
        if self.state == State::Left && !newest {
            return;
        }
        self.last_heard = incoming.heard;
        self.last_report_ms = incoming.now.unix_ms;
        let leaving = newest && incoming.report.leaving == Some(true);
        match (self.state, leaving) {
            (State::Left, true) | (State::Live, false) => {}
            (_, true) => self.enter(State::Left, StateChange::Left, incoming.now, out.effects),
            (_, false) => self.enter(State::Live, StateChange::Back, incoming.now, out.effects),
        }
    }

    fn close_gaps(&mut self, at: usize, newest: bool, now: Now, gaps: &mut Gaps, out: &mut Out<'_>) {
        let settings = out.settings;
        let mut said = |s: &Session, from, to| gaps.say(s, from, to);
        if newest
            && self.sessions.open() > 0
            && now.monotonic.saturating_sub(self.gap_activity) >= settings.gap_settle
        {
            self.sessions.close_final(&mut said);
        }
        if self.sessions.trim(at, settings.max_ranges_per_session, MOST_CLOSED_RANGES, &mut said) {
            out.effects.push(Effect::Warning(Warning::TooManyGaps { node_id: self.id.clone() }));
        }
    }

    /// Gives up ranges of all sessions until the node has `fewer` of them.
    pub(crate) fn shed_ranges(&mut self, fewer: usize, now: Now, out: &mut Out<'_>) {
        let mut gaps = Gaps::default();
        let most = self.sessions.ranges().saturating_sub(fewer);
        for at in 0..self.sessions.list.len() {
            let excess = self.sessions.ranges().saturating_sub(most);
            let keep = self.sessions.list[at].log.ranges().len().saturating_sub(excess);
            self.sessions.trim(at, keep, MOST_CLOSED_RANGES, &mut |s, from, to| gaps.say(s, from, to));
        }
        if !gaps.0.is_empty() {
            out.effects.push(Effect::Warning(Warning::TooManyGaps { node_id: self.id.clone() }));
        }
        self.dirty = true;
        self.say_gaps(gaps, now, out);
    }

    /// Gives up everything that is missing, because the node is about to be forgotten.
    pub(crate) fn give_up(&mut self, now: Now, out: &mut Out<'_>) {
        let mut gaps = Gaps::default();
        self.sessions.close_all(&mut |s, from, to| gaps.say(s, from, to));
        self.say_gaps(gaps, now, out);
    }

    fn say_gaps(&mut self, gaps: Gaps, now: Now, out: &mut Out<'_>) {
        for (session, from_sequence, to_sequence) in gaps.0 {
            let lost = (to_sequence - from_sequence).saturating_add(1);
            for counters in [&mut *out.counters, &mut self.counters] {
                counters.lost_total = counters.lost_total.saturating_add(lost);
            }
            self.dirty = true;
            let change = StateChange::Gap { session: (*session).into(), from_sequence, to_sequence };
            out.effects.push(Effect::Changed(self.event(change, now.unix_ms, false)));
        }
    }

    pub(crate) fn snapshot(&mut self, cloned: bool) -> Arc<NodeSnapshot> {
        if let Some(snapshot) = self.snapshot.as_ref().filter(|s| s.cloned == cloned) {
            return snapshot.clone();
        }
        let current = self.sessions.current();
        let snapshot = Arc::new(NodeSnapshot {
            node_id: self.id.clone(),
            about: self.about.clone(),
            state: self.state,
            since_ms: self.since_ms,
            last_report_ms: self.last_report_ms,
            sampled_at_ms: current.map(|s| s.newest_sampled_ms),
            interval_seconds: self.interval.as_secs_f64(),
            session: current.map(|s| s.id.clone()),
            sequence: current.map(|s| s.log.high()),
            summary: self.summary,
            counters: self.counters,
            missing: self.sessions.open(),
            clock_skew_seconds: self.skew.skew_ms().map(|ms| ms as f64 / 1e3),
            cloned,
        });
        self.snapshot = Some(snapshot.clone());
        snapshot
    }
}

/// Gaps that became final in a step, to be said after it.
#[derive(Default)]
struct Gaps(Vec<(Arc<str>, u64, u64)>);

impl Gaps {
    fn say(&mut self, session: &Session, from: u64, to: u64) {
        self.0.push((session.id.clone(), from, to));
    }
}
