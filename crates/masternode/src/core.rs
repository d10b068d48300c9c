//! The core thread: owns the fleet, turns its effects into publications, log lines and a snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use chasar_fleet::{Effect, Fleet, Input, Now, Origin, Warning};
use chasar_wire::{NodeEvent, StateChange, topic};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError};

use crate::history::{Entries, Entry};
use crate::message::{Arrival, Counts, Flags, Inbox, Memory, Outbox, Publication, Published};
use crate::printable::printable;
use crate::running::Clock;

/// Readers see the fleet as it was at most this long ago.
const SNAPSHOT: Duration = Duration::from_millis(250);
/// With more nodes than [`SMALL_FLEET`] a snapshot costs milliseconds, so they are rarer.
const SNAPSHOT_OF_MANY: Duration = Duration::from_secs(1);
const SMALL_FLEET: usize = 1_000;
/// The states of nodes that are not live are repeated this often.
const REPEAT: Duration = Duration::from_secs(10);
/// Repetitions go out in portions, so that they fit in the subscribers' queues.
const PORTION: usize = 200;
/// The memory file is written anew when what was appended outgrows the whole by this.
const MEMORY_SLACK_BYTES: usize = 4 << 20;
/// Lines about single nodes in one second; beyond it they are summed up.
const LINES_A_SECOND: u32 = 20;

pub(crate) struct Core {
    pub(crate) fleet: Fleet,
    pub(crate) inbox: Receiver<Inbox>,
    /// Reports may come by several ways, so those without an identity need one to be told apart.
    pub(crate) has_upstreams: bool,
    pub(crate) history: Entries,
    pub(crate) stream: Sender<Outbox>,
    /// The other end of `stream`, to take out the oldest when it is full.
    pub(crate) stream_oldest: Receiver<Outbox>,
    pub(crate) repeat: Receiver<Vec<Box<[u8]>>>,
    pub(crate) published: Arc<ArcSwap<Published>>,
    pub(crate) clock: Clock,
    pub(crate) flags: Arc<Flags>,
    pub(crate) counts: Arc<Counts>,
}

/// 64-bit FNV-1a of a report's bytes.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// What the core keeps besides the fleet.
struct State {
    refused: BTreeMap<&'static str, u64>,
    events: BTreeMap<&'static str, u64>,
    /// Repetitions on their way out.
    repeating: Vec<NodeEvent>,
    whole_bytes: usize,
    appended_bytes: usize,
    last_snapshot: Option<Instant>,
    last_repeat: Instant,
    lines: Lines,
}

impl Core {
    pub(crate) fn run(mut self) -> Result<(), String> {
        let mut state = State {
            refused: BTreeMap::new(),
            events: BTreeMap::new(),
            repeating: Vec::new(),
            whole_bytes: 0,
            appended_bytes: 0,
            last_snapshot: None,
            last_repeat: Instant::now(),
            lines: Lines::default(),
        };
        self.flags.rewrite_memory.store(true, Ordering::Relaxed);
        let mut effects = Vec::new();
        loop {
            self.counts.core_turns.add(1);
            let (inbox, open) = match self.inbox.recv_timeout(SNAPSHOT) {
                Ok(inbox) => (Some(inbox), true),
                Err(RecvTimeoutError::Timeout) => (None, true),
                Err(RecvTimeoutError::Disconnected) => (None, false),
            };
            let mut outbox = Outbox::default();
            if let Some(inbox) = inbox {
                self.take(inbox, &mut state, &mut effects, &mut outbox);
            }
            let now = self.clock.now();
            self.repetitions(&mut state, &mut outbox);
            outbox.memory = self.memory(now, &mut state, !open);
            if !outbox.publications.is_empty() || outbox.memory.is_some() {
                self.hand_on(outbox)?;
            }
            self.snapshot(now, &mut state, !open);
            state.lines.sum_up();
            if !open {
                self.history.end();
                return Ok(());
            }
        }
    }

    fn take(&mut self, inbox: Inbox, state: &mut State, effects: &mut Vec<Effect>, outbox: &mut Outbox) {
        let mut entries = Vec::with_capacity(inbox.arrivals.len());
        for arrival in inbox.arrivals {
            let mut came = None;
            match arrival {
                Arrival::Report { report, body, address, relayed } => {
                    let has_identity = report.node_id.is_some() && report.session.is_some();
                    let digest = (self.has_upstreams && !has_identity).then(|| fnv(body.as_ref()));
                    let origin = Origin { address: &address, relayed, digest };
                    self.fleet.step(inbox.now, Input::Report { report: &report, origin }, effects);
                    came = Some((report, body));
                }
                Arrival::Bad { kind, detail, address } => {
                    let origin = Origin::direct(&address);
                    self.fleet.step(inbox.now, Input::Bad { origin, kind, detail: &detail }, effects);
                }
            }
            for effect in effects.drain(..) {
                match effect {
                    // At most once in a step.
                    Effect::Accepted { node_id, replayed } => {
                        let Some((report, body)) = came.take() else { continue };
                        outbox.publications.push(Publication::Report(node_id.clone(), body));
                        let now_ms = inbox.now.unix_ms;
                        entries.push(Entry::Report { node_id, report, is_late: replayed, now_ms });
                    }
                    // It was published before the restart; the store knows whether it has it.
                    Effect::Duplicate { node_id, remembered: true } => {
                        let Some((report, _)) = came.take() else { continue };
                        let now_ms = inbox.now.unix_ms;
                        entries.push(Entry::Report { node_id, report, is_late: true, now_ms });
                    }
                    effect => {
                        entries.extend(entry(&effect));
                        apply(effect, state, outbox);
                    }
                }
            }
        }
        if inbox.tick {
            self.fleet.step(inbox.now, Input::Tick, effects);
            for effect in effects.drain(..) {
                entries.extend(entry(&effect));
                apply(effect, state, outbox);
            }
        }
        self.history.hand_on(entries);
    }

    fn repetitions(&mut self, state: &mut State, outbox: &mut Outbox) {
        if state.repeating.is_empty()
            && let Ok(topics) = self.repeat.try_recv()
        {
            let wanted = |event: &NodeEvent| {
                let name = topic::node_state(&event.node_id);
                topics.iter().any(|topic| name.as_bytes().starts_with(topic))
            };
            state.repeating = self.fleet.present_states(true).filter(wanted).collect();
        }
        if state.last_repeat.elapsed() >= REPEAT {
            state.last_repeat = Instant::now();
            if state.repeating.is_empty() {
                state.repeating = self.fleet.present_states(false).collect();
            }
        }
        let rest = state.repeating.len().saturating_sub(PORTION);
        outbox.publications.extend(state.repeating.drain(rest..).map(Publication::Event));
    }

    fn memory(&mut self, now: Now, state: &mut State, last: bool) -> Option<Memory> {
        let mut bytes = Vec::new();
        let outgrown = state.appended_bytes > MEMORY_SLACK_BYTES + 4 * state.whole_bytes;
        if self.flags.rewrite_memory.swap(false, Ordering::Relaxed) || outgrown || last {
            self.fleet.whole_memory(now, &mut bytes);
            (state.whole_bytes, state.appended_bytes) = (bytes.len(), 0);
            return Some(Memory::Whole(bytes));
        }
        self.fleet.drain_memory(now, &mut bytes);
        state.appended_bytes += bytes.len();
        (!bytes.is_empty()).then_some(Memory::More(bytes))
    }

    /// Never waits for the stream: when its queue is full the oldest batch goes.
    fn hand_on(&mut self, mut outbox: Outbox) -> Result<(), String> {
        loop {
            match self.stream.try_send(outbox) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Disconnected(_)) => return Err("the stream is gone".into()),
                Err(TrySendError::Full(again)) => {
                    outbox = again;
                    if let Ok(oldest) = self.stream_oldest.try_recv() {
                        self.counts.stream_dropped.add(oldest.publications.len() as u64);
                        // Its part of the memory is gone with it, and the order would be wrong now.
                        self.flags.rewrite_memory.store(true, Ordering::Relaxed);
                    }
                }
            }
        }
    }

    fn snapshot(&mut self, now: Now, state: &mut State, last: bool) {
        let many = self.fleet.totals().nodes > SMALL_FLEET;
        let due = if many { SNAPSHOT_OF_MANY } else { SNAPSHOT };
        if !last && state.last_snapshot.is_some_and(|at| at.elapsed() < due) {
            return;
        }
        state.last_snapshot = Some(Instant::now());
        self.published.store(Arc::new(Published {
            fleet: self.fleet.snapshot(now),
            refused: state.refused.clone(),
            events: state.events.clone(),
            missing_ranges: self.fleet.missing_ranges(),
            at: now.monotonic,
        }));
    }
}

/// What the history has to know of it.
fn entry(effect: &Effect) -> Option<Entry> {
    match effect {
        Effect::Changed(event) if matches!(event.change, StateChange::Down | StateChange::Left) => {
            Some(Entry::Down { node_id: event.node_id.as_str().into() })
        }
        Effect::Warning(Warning::Forgotten { node_id, .. }) => {
            Some(Entry::Forgotten { node_id: node_id.clone() })
        }
        _ => None,
    }
}

/// Every effect but an accepted report, which needs its bytes.
fn apply(effect: Effect, state: &mut State, outbox: &mut Outbox) {
    match effect {
        Effect::Accepted { .. } | Effect::Duplicate { .. } => {}
        Effect::Refused { reason } => *state.refused.entry(reason).or_default() += 1,
        Effect::Changed(event) => {
            *state.events.entry(kind(&event.change)).or_default() += 1;
            state.lines.say(&event);
            outbox.publications.push(Publication::Event(event));
        }
        Effect::Warning(warning) => tracing::warn!("{}", printable(&warning.to_string())),
    }
}

fn kind(change: &StateChange) -> &'static str {
    match change {
        StateChange::Joined => "joined",
        StateChange::Late => "late",
        StateChange::Down => "down",
        StateChange::Back => "back",
        StateChange::Left => "left",
        StateChange::Gap { .. } => "gap",
        StateChange::Renamed { .. } => "renamed",
        StateChange::Cloned { .. } => "cloned",
    }
}

/// Log lines about single nodes, bounded: ten thousand nodes may go down at once.
#[derive(Default)]
struct Lines {
    since: Option<Instant>,
    said: u32,
    unsaid: u64,
}

impl Lines {
    fn say(&mut self, event: &NodeEvent) {
        self.sum_up();
        if self.said == LINES_A_SECOND {
            self.unsaid += 1;
            return;
        }
        self.since.get_or_insert_with(Instant::now);
        self.said += 1;
        let node = format!("{} ({})", event.hostname, event.node_id);
        let node = printable(&node);
        match &event.change {
            StateChange::Late => tracing::debug!("{node} is late"),
            StateChange::Down => tracing::warn!("{node} is down"),
            StateChange::Joined => tracing::info!("{node} joined"),
            StateChange::Back => tracing::info!("{node} is back"),
            StateChange::Left => tracing::info!("{node} left"),
            StateChange::Gap { session, from_sequence, to_sequence } => {
                tracing::warn!(
                    "{node}: reports {from_sequence} to {to_sequence} of session {session} are lost"
                );
            }
            StateChange::Renamed { previous_hostname } => {
                tracing::info!("{node} was called {} before", printable(previous_hostname));
            }
            StateChange::Cloned { other_hostname } => tracing::warn!(
                "{node} and {} use one identity: delete the state folder of the clientnode on the copy, so that it gets its own",
                printable(other_hostname)
            ),
        }
    }

    /// Begins a new second, once it is over, with a line about what was left out.
    fn sum_up(&mut self) {
        if self.since.is_some_and(|since| since.elapsed() >= Duration::from_secs(1)) {
            if self.unsaid > 0 {
                tracing::info!("{} more changes of nodes in this second", self.unsaid);
            }
            *self = Lines::default();
        }
    }
}
