//! The agent's life as a pure state machine: what happened goes in, what to do comes out.
//!
//! [`Life::step`] knows no clock, socket or host; the caller tells the time and carries out the
//! [`Effect`]s in order, reporting back with further inputs. One tick is
//!
//! ```text
//! Woken ─▶ Sample{n} ─▶ (read the host; encode; for each masternode: tell of link events that came
//!                        meanwhile, ask for its claim, send if its link is up) ─▶ Sampled{n, handed} ─▶ …
//! ```
//!
//! and a replay to a masternode is `Replay ─▶ Replayed ─▶ Replay …` until the batch or the queue ends.
//! Masternodes have the numbers 0, 1, 2, … in the order of the settings.

use std::time::Duration;

use chasar_wire::report::Replay;

use crate::Moment;
use crate::outbox::{Entry, Limits, Next, Outbox};
use crate::pacer::Pace;
use crate::random::Random;
use crate::route::{OVERLAP, Route, Totals};
use crate::spool::{Notice, Spool};
use crate::tick::Ticker;

/// Waking up later than asked by more than this is a stall: the time beyond proves nothing about
/// the link, since nobody watched it.
const STALL_SLACK: Duration = Duration::from_secs(1);

/// Longest sleep. A suspended host goes on with the rest of a sleep when it wakes.
const MAX_SLEEP: Duration = Duration::from_secs(10);

/// Most waiting reports sent together with the goodbye: fewer than the link's queue holds.
const LAST_RUSH: u64 = 50;

/// What does not change during a life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) interval: Duration,
    pub(crate) limits: Option<Limits>,
    pub(crate) pace: Pace,
}

/// What came of handing a report to the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The link took it.
    Queued,
    /// Nobody is there to receive it.
    NoPeer,
    /// The link holds as much as it may.
    Full,
}

/// What came of handing a sample to one masternode's link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handed {
    pub(crate) outcome: Outcome,
    /// Its size on the link.
    pub(crate) wire_bytes: usize,
}

/// Something happened.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    /// Time has passed.
    Woken,
    /// The link to this masternode came up.
    LinkUp(usize),
    /// The link to this masternode broke.
    LinkDown(usize),
    /// The sample that [`Effect::Sample`] asked for was taken and, where possible, sent.
    Sampled(Sampled<'a>),
    /// The report that [`Effect::Replay`] asked for was handed to the link.
    Replayed {
        to: usize,
        next: Next,
        /// `None` when it is spoiled and can never be sent.
        outcome: Option<Outcome>,
        /// Its size on the link.
        wire_bytes: usize,
    },
    /// There was nothing to replay after all.
    NothingToReplay,
    /// The clientnode shall end.
    Stop,
}

/// A sample that was taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sampled<'a> {
    pub(crate) sequence: u64,
    pub(crate) sampled_at: Moment,
    pub(crate) sampled_at_ms: i64,
    /// Its bytes as they are to be kept.
    pub(crate) bytes: &'a [u8],
    pub(crate) packed: bool,
    /// For each masternode.
    pub(crate) handed: &'a [Handed],
}

/// Something to do.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Take a sample and send it to all.
    Sample { sequence: u64, leaving: bool },
    /// Send a masternode the next report that waits for it.
    Replay { to: usize },
    /// Nothing waits for one any more, or what was kept has become little: give working memory back.
    Rest,
    /// End; if `flush`, let the links deliver what they have.
    Leave { flush: bool },
    /// Tell people about one masternode.
    Say { to: usize, event: Event },
}

/// What people are told.
#[derive(Debug)]
pub(crate) enum Event {
    Connected {
        pending: u64,
    },
    Lost {
        pending: u64,
    },
    Replaying {
        pending: u64,
        per_second: f64,
    },
    ReplayDone {
        reports: u64,
    },
    /// The outbox is full; said once an outage.
    Dropping,
    /// Reports that waited at the end and could not be kept.
    LeftBehind {
        reports: u64,
    },
    Spool(Notice),
}

/// The state of one session.
pub(crate) struct Life {
    ticker: Ticker,
    outbox: Outbox,
    /// By the masternode's number.
    routes: Vec<Route>,
    random: Random,
    missed_ticks: u64,
    sequence: u64,
    stopping: bool,
    last_step: Moment,
    asked_wake: Moment,
}

impl Life {
    /// A life with as many masternodes as there are `spools`.
    pub(crate) fn new(now: Moment, settings: Settings, spools: Vec<Option<Spool>>, seed: u64) -> Life {
        let mut random = Random::new(seed);
        Life {
            ticker: Ticker::new(now, settings.interval, &mut random),
            routes: spools.iter().map(|_| Route::new(settings.pace)).collect(),
            outbox: Outbox::new(settings.limits, spools),
            random,
            missed_ticks: 0,
            sequence: 0,
            stopping: false,
            last_step: now,
            asked_wake: now,
        }
    }

    /// Whether reports may be sent. A report must not be sent on a link whose rise [`Life`] has not
    /// been told: its claim would belong to the connection before.
    pub(crate) fn link_is_up(&self, to: usize) -> bool {
        self.routes[to].up
    }

    /// What was counted for one masternode.
    pub(crate) fn totals_of(&self, to: usize) -> Totals {
        self.routes[to].totals
    }

    /// What was counted for all masternodes together.
    pub(crate) fn totals(&self) -> Totals {
        let mut sum = Totals::default();
        self.routes.iter().for_each(|route| sum += route.totals);
        sum
    }

    /// Samples not taken because nobody woke up in time.
    pub(crate) fn missed_ticks(&self) -> u64 {
        self.missed_ticks
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The `replay` key of report `sequence` for a masternode, to be asked for right before it is sent.
    pub(crate) fn claim(&mut self, to: usize, sequence: u64) -> Option<Replay> {
        if self.stopping && !self.outbox.has_spool(to) {
            // Whatever waits ends with this process.
            return None;
        }
        self.outbox.claim(to, sequence)
    }

    /// The report that an [`Effect::Replay`] means.
    pub(crate) fn next_replay(&mut self, to: usize, bytes: &mut Vec<u8>) -> Option<Next> {
        self.outbox.next(to, bytes)
    }

    /// When to come back with [`Input::Woken`] at the latest.
    pub(crate) fn next_wake(&mut self) -> Moment {
        let wake = self.ticker.next().min(self.last_step + MAX_SLEEP);
        let wake = self.routes.iter().filter_map(Route::next_batch).fold(wake, Moment::min);
        self.asked_wake = wake;
        wake
    }

    /// Something happened; what to do is appended to `effects`.
    pub(crate) fn step(&mut self, now: Moment, input: Input<'_>, effects: &mut Vec<Effect>) {
        self.advance(now);
        match input {
            Input::Woken => self.woken(now, effects),
            Input::LinkUp(to) => {
                if self.routes[to].up {
                    // The break between was not seen; it was there.
                    self.link_down(now, to, effects);
                }
                self.link_up(now, to, effects);
            }
            Input::LinkDown(to) => self.link_down(now, to, effects),
            Input::Sampled(sampled) => self.sampled(now, sampled, effects),
            Input::Replayed { to, next, outcome, wire_bytes } => {
                self.replayed(now, to, next, outcome, wire_bytes, effects);
            }
            Input::NothingToReplay => {}
            Input::Stop => self.stop(now, effects),
        }
        for to in 0..self.routes.len() {
            self.tend(now, to, effects);
        }
    }

    fn advance(&mut self, now: Moment) {
        let passed = now.saturating_sub(self.last_step);
        let watched = self.asked_wake.saturating_sub(self.last_step) + STALL_SLACK;
        for route in self.routes.iter_mut().filter(|route| route.up) {
            route.link_time += passed.min(watched);
        }
        self.last_step = self.last_step.max(now);
    }

    fn woken(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        if self.stopping {
            return;
        }
        if let Some(due) = self.ticker.poll(now) {
            self.missed_ticks += due.missed;
            self.ask_for_sample(false, effects);
        }
        for to in 0..self.routes.len() {
            let route = &mut self.routes[to];
            if !route.up {
                continue;
            }
            self.outbox.settle(to, route.surely_arrived_until());
            if route.rest_at.is_some_and(|at| at <= route.link_time) {
                route.rest_at = None;
                effects.push(Effect::Rest);
            }
            if route.pacer.poll(now, &mut self.random) {
                self.continue_batch(to, effects);
            }
        }
        self.maintain(now);
    }

    fn maintain(&mut self, now: Moment) {
        let routes = &self.routes;
        self.outbox.maintain(now, |to| !routes[to].up);
    }

    fn ask_for_sample(&mut self, leaving: bool, effects: &mut Vec<Effect>) {
        effects.push(Effect::Sample { sequence: self.sequence, leaving });
        self.sequence += 1;
    }

    fn continue_batch(&mut self, to: usize, effects: &mut Vec<Effect>) {
        let route = &mut self.routes[to];
        let pending = self.outbox.pending(to);
        if !route.up || self.stopping || pending == 0 || !route.pacer.take() {
            return;
        }
        if route.replay_began.is_none() {
            route.replay_began = Some(route.totals.replayed_reports);
            let event = Event::Replaying { pending, per_second: route.pacer.per_second() };
            effects.push(Effect::Say { to, event });
        }
        effects.push(Effect::Replay { to });
    }

    fn link_up(&mut self, now: Moment, to: usize, effects: &mut Vec<Effect>) {
        let route = &mut self.routes[to];
        route.came_up();
        let pending = self.outbox.pending(to);
        effects.push(Effect::Say { to, event: Event::Connected { pending } });
        if pending > 0 && !self.stopping {
            route.pacer.start(now, pending, &mut self.random);
        }
    }

    fn link_down(&mut self, now: Moment, to: usize, effects: &mut Vec<Effect>) {
        let route = &mut self.routes[to];
        if !route.up {
            return;
        }
        route.went_down();
        self.outbox.lose(to, route.surely_arrived_until());
        self.maintain(now);
        effects.push(Effect::Say { to, event: Event::Lost { pending: self.outbox.pending(to) } });
    }

    fn sampled(&mut self, now: Moment, sampled: Sampled<'_>, effects: &mut Vec<Effect>) {
        let Sampled { sequence, sampled_at, sampled_at_ms, bytes, packed, handed } = sampled;
        let entry = Entry { sequence, sampled_at, sampled_at_ms, packed, bytes };
        let sent_at = self.routes.iter_mut().zip(handed).map(|(route, handed)| {
            let sent = handed.outcome == Outcome::Queued;
            if sent {
                route.count_sent(handed.wire_bytes);
            }
            sent.then_some(route.link_time)
        });
        self.outbox.push(now, entry, sent_at);
        if self.stopping {
            self.leave(now, effects);
        } else if self.routes.iter().any(|route| !route.up) {
            self.maintain(now);
        }
    }

    fn replayed(
        &mut self,
        now: Moment,
        to: usize,
        next: Next,
        outcome: Option<Outcome>,
        wire_bytes: usize,
        effects: &mut Vec<Effect>,
    ) {
        let route = &mut self.routes[to];
        match outcome {
            Some(Outcome::Queued) => {
                self.outbox.sent(to, next, route.link_time);
                route.count_sent(wire_bytes);
                route.totals.replayed_reports += 1;
                self.continue_batch(to, effects);
            }
            Some(Outcome::Full | Outcome::NoPeer) => {
                if route.pacer.is_running() {
                    route.pacer.refused(now);
                }
            }
            None => {
                self.outbox.discard(to, next);
                self.continue_batch(to, effects);
            }
        }
    }

    fn stop(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        if self.stopping {
            return;
        }
        self.stopping = true;
        let mut has_use = false;
        for (to, route) in self.routes.iter_mut().enumerate() {
            route.pacer.stop();
            let has_spool = self.outbox.has_spool(to);
            if route.up && !has_spool {
                // Now or never.
                let last = self.outbox.pending(to).min(LAST_RUSH);
                effects.extend((0..last).map(|_| Effect::Replay { to }));
            }
            has_use |= route.up || has_spool;
        }
        if has_use {
            self.ask_for_sample(true, effects);
        } else {
            self.leave(now, effects);
        }
    }

    fn leave(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        self.outbox.close(now);
        for to in 0..self.routes.len() {
            let reports = self.outbox.pending_in_memory(to);
            if reports > 0 {
                effects.push(Effect::Say { to, event: Event::LeftBehind { reports } });
            }
        }
        effects.push(Effect::Leave { flush: self.routes.iter().any(|route| route.up) });
    }

    /// What holds after every step: a replay runs exactly while something waits and the link is up,
    /// and drops and troubles are told.
    fn tend(&mut self, now: Moment, to: usize, effects: &mut Vec<Effect>) {
        let route = &mut self.routes[to];
        let pending = self.outbox.pending(to);
        if pending == 0 {
            route.said_dropping = false;
        }
        if route.up && !self.stopping {
            match (pending, route.pacer.is_running()) {
                (0, true) => {
                    route.pacer.stop();
                    if let Some(before) = route.replay_began.take() {
                        let reports = route.totals.replayed_reports - before;
                        effects.push(Effect::Say { to, event: Event::ReplayDone { reports } });
                    }
                    effects.push(Effect::Rest);
                    route.rest_at = Some(route.link_time + OVERLAP);
                }
                (1.., false) => route.pacer.start_after_refusal(now, pending),
                _ => {}
            }
        }
        let dropped = self.outbox.take_dropped(to);
        route.totals.dropped_reports += dropped;
        if dropped > 0 && !std::mem::replace(&mut route.said_dropping, true) {
            effects.push(Effect::Say { to, event: Event::Dropping });
        }
        let notices = self.outbox.take_notices(to);
        effects.extend(notices.map(|notice| Effect::Say { to, event: Event::Spool(notice) }));
    }
}

#[cfg(test)]
mod tests;
