//! The agent's life as a pure state machine: what happened goes in, what to do comes out.
//!
//! [`Life::step`] knows no clock, socket or host; the caller tells the time and carries out the
//! [`Effect`]s in order, reporting back with further inputs. One tick is
//!
//! ```text
//! Woken ─▶ Sample{n} ─▶ (read the host; tell of link events that came meanwhile; ask for the claim;
//!                        encode; send if the link is up) ─▶ Sampled{n, outcome} ─▶ …
//! ```
//!
//! and a replay is `Replay ─▶ Replayed ─▶ Replay …` until the batch or the queue ends.

use std::time::Duration;

use chasar_wire::report::Replay;

use crate::Moment;
use crate::outbox::{Entry, Limits, Next, Outbox};
use crate::pacer::{Pace, Pacer};
use crate::random::Random;
use crate::spool::{Notice, Spool};
use crate::tick::Ticker;

/// What was sent this long before the link broke is sent again.
///
/// A silent link is found within the heartbeat's interval and timeout, 4.8 s together ([`chasar_link`]);
/// 5 s more are for a masternode that was behind when it died, and 5 s for what it had not yet
/// written to disk. It is also how long a sent report is kept while the link is good.
pub(crate) const OVERLAP: Duration = Duration::from_secs(15);

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

/// Something happened.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    /// Time has passed.
    Woken,
    /// The link came up.
    LinkUp,
    /// The link broke.
    LinkDown,
    /// The sample that [`Effect::Sample`] asked for was taken and, if possible, sent.
    Sampled(Sampled<'a>),
    /// The report that [`Effect::Replay`] asked for was handed to the link.
    Replayed {
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
    pub(crate) outcome: Outcome,
    /// Its size on the link.
    pub(crate) wire_bytes: usize,
}

/// Something to do.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Take a sample and send it.
    Sample { sequence: u64, leaving: bool },
    /// Send the next waiting report again.
    Replay,
    /// Nothing waits any more, or what was kept has become little: give working memory back.
    Rest,
    /// End; if `flush`, let the link deliver what it has.
    Leave { flush: bool },
    /// Tell people.
    Say(Event),
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

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) sent_bytes: u64,
    pub(crate) sent_reports: u64,
    pub(crate) replayed_reports: u64,
    pub(crate) dropped_reports: u64,
    pub(crate) missed_ticks: u64,
    pub(crate) reconnects: u64,
}

/// The state of one session.
pub(crate) struct Life {
    ticker: Ticker,
    outbox: Outbox,
    pacer: Pacer,
    random: Random,
    totals: Totals,
    sequence: u64,
    up: bool,
    was_up: bool,
    stopping: bool,
    /// A clock that runs while the link is up and watched.
    link_time: Duration,
    last_step: Moment,
    asked_wake: Moment,
    replay_began: Option<u64>,
    /// On the link's clock: when what a replay sent has been let go, and memory can go back.
    rest_at: Option<Duration>,
    said_dropping: bool,
}

impl Life {
    pub(crate) fn new(now: Moment, settings: Settings, spool: Option<Spool>, seed: u64) -> Life {
        let mut random = Random::new(seed);
        Life {
            ticker: Ticker::new(now, settings.interval, &mut random),
            outbox: Outbox::new(settings.limits, spool),
            pacer: Pacer::new(settings.pace),
            random,
            totals: Totals::default(),
            sequence: 0,
            up: false,
            was_up: false,
            stopping: false,
            // Later than anything settled at the start.
            link_time: OVERLAP,
            last_step: now,
            asked_wake: now,
            replay_began: None,
            rest_at: None,
            said_dropping: false,
        }
    }

    /// Whether reports may be sent. A report must not be sent on a link whose rise [`Life`] has not
    /// been told: its claim would belong to the connection before.
    pub(crate) fn link_is_up(&self) -> bool {
        self.up
    }

    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The `replay` key of report `sequence`, to be asked for right before it is encoded.
    pub(crate) fn claim(&mut self, sequence: u64) -> Option<Replay> {
        if self.stopping && !self.outbox.has_spool() {
            // Whatever waits ends with this process.
            return None;
        }
        self.outbox.claim(sequence)
    }

    /// The report that an [`Effect::Replay`] means.
    pub(crate) fn next_replay(&mut self, bytes: &mut Vec<u8>) -> Option<Next> {
        self.outbox.next(bytes)
    }

    /// When to come back with [`Input::Woken`] at the latest.
    pub(crate) fn next_wake(&mut self) -> Moment {
        let mut wake = self.ticker.next().min(self.last_step + MAX_SLEEP);
        if self.up
            && let Some(at) = self.pacer.next()
        {
            wake = wake.min(at);
        }
        self.asked_wake = wake;
        wake
    }

    /// Something happened; what to do is appended to `effects`.
    pub(crate) fn step(&mut self, now: Moment, input: Input<'_>, effects: &mut Vec<Effect>) {
        self.advance(now);
        match input {
            Input::Woken => self.woken(now, effects),
            Input::LinkUp => {
                if self.up {
                    // The break between was not seen; it was there.
                    self.link_down(now, effects);
                }
                self.link_up(now, effects);
            }
            Input::LinkDown => self.link_down(now, effects),
            Input::Sampled(sampled) => self.sampled(now, sampled, effects),
            Input::Replayed { next, outcome, wire_bytes } => {
                self.replayed(now, next, outcome, wire_bytes, effects);
            }
            Input::NothingToReplay => {}
            Input::Stop => self.stop(now, effects),
        }
        self.tend(now, effects);
    }

    fn advance(&mut self, now: Moment) {
        let passed = now.saturating_sub(self.last_step);
        if self.up {
            let watched = self.asked_wake.saturating_sub(self.last_step) + STALL_SLACK;
            self.link_time += passed.min(watched);
        }
        self.last_step = self.last_step.max(now);
    }

    fn surely_arrived_until(&self) -> Duration {
        self.link_time.saturating_sub(OVERLAP)
    }

    fn woken(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        if self.stopping {
            return;
        }
        if let Some(due) = self.ticker.poll(now) {
            self.totals.missed_ticks += due.missed;
            self.ask_for_sample(false, effects);
        }
        if self.up {
            self.outbox.settle(self.surely_arrived_until());
            if self.rest_at.is_some_and(|at| at <= self.link_time) {
                self.rest_at = None;
                effects.push(Effect::Rest);
            }
            if self.pacer.poll(now, &mut self.random) {
                self.continue_batch(effects);
            }
        }
        self.outbox.maintain(now, !self.up);
    }

    fn ask_for_sample(&mut self, leaving: bool, effects: &mut Vec<Effect>) {
        effects.push(Effect::Sample { sequence: self.sequence, leaving });
        self.sequence += 1;
    }

    fn continue_batch(&mut self, effects: &mut Vec<Effect>) {
        if !self.up || self.stopping || self.outbox.pending() == 0 || !self.pacer.take() {
            return;
        }
        if self.replay_began.is_none() {
            self.replay_began = Some(self.totals.replayed_reports);
            let pending = self.outbox.pending();
            effects.push(Effect::Say(Event::Replaying { pending, per_second: self.pacer.per_second() }));
        }
        effects.push(Effect::Replay);
    }

    fn link_up(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        self.up = true;
        self.totals.reconnects += u64::from(self.was_up);
        self.was_up = true;
        let pending = self.outbox.pending();
        effects.push(Effect::Say(Event::Connected { pending }));
        if pending > 0 && !self.stopping {
            self.pacer.start(now, pending, &mut self.random);
        }
    }

    fn link_down(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        if !self.up {
            return;
        }
        self.up = false;
        self.pacer.stop();
        self.replay_began = None;
        self.outbox.lose(self.surely_arrived_until());
        self.outbox.maintain(now, true);
        effects.push(Effect::Say(Event::Lost { pending: self.outbox.pending() }));
    }

    fn sampled(&mut self, now: Moment, sampled: Sampled<'_>, effects: &mut Vec<Effect>) {
        let Sampled { sequence, sampled_at, sampled_at_ms, bytes, packed, outcome, wire_bytes } = sampled;
        let sent = outcome == Outcome::Queued;
        if sent {
            self.totals.sent_reports += 1;
            self.totals.sent_bytes += wire_bytes as u64;
        }
        let sent_at = sent.then_some(self.link_time);
        self.outbox.push(now, Entry { sequence, sampled_at, sampled_at_ms, packed, bytes, sent_at });
        if self.stopping {
            self.leave(now, effects);
        } else if !self.up {
            self.outbox.maintain(now, true);
        }
    }

    fn replayed(
        &mut self,
        now: Moment,
        next: Next,
        outcome: Option<Outcome>,
        wire_bytes: usize,
        effects: &mut Vec<Effect>,
    ) {
        match outcome {
            Some(Outcome::Queued) => {
                self.outbox.sent(next, self.link_time);
                self.totals.sent_reports += 1;
                self.totals.replayed_reports += 1;
                self.totals.sent_bytes += wire_bytes as u64;
                self.continue_batch(effects);
            }
            Some(Outcome::Full | Outcome::NoPeer) => {
                if self.pacer.is_running() {
                    self.pacer.refused(now);
                }
            }
            None => {
                self.outbox.discard(next);
                self.continue_batch(effects);
            }
        }
    }

    fn stop(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        if self.stopping {
            return;
        }
        self.stopping = true;
        self.pacer.stop();
        if self.up || self.outbox.has_spool() {
            if self.up && !self.outbox.has_spool() {
                // Now or never.
                let last = self.outbox.pending().min(LAST_RUSH);
                effects.extend((0..last).map(|_| Effect::Replay));
            }
            self.ask_for_sample(true, effects);
        } else {
            self.leave(now, effects);
        }
    }

    fn leave(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        self.outbox.close(now);
        let reports = self.outbox.pending_in_memory();
        if reports > 0 {
            effects.push(Effect::Say(Event::LeftBehind { reports }));
        }
        effects.push(Effect::Leave { flush: self.up });
    }

    /// What holds after every step: a replay runs exactly while something waits and the link is up,
    /// and drops and troubles are told.
    fn tend(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        if self.outbox.pending() == 0 {
            self.said_dropping = false;
        }
        if self.up && !self.stopping {
            match (self.outbox.pending(), self.pacer.is_running()) {
                (0, true) => {
                    self.pacer.stop();
                    if let Some(before) = self.replay_began.take() {
                        let reports = self.totals.replayed_reports - before;
                        effects.push(Effect::Say(Event::ReplayDone { reports }));
                    }
                    effects.push(Effect::Rest);
                    self.rest_at = Some(self.link_time + OVERLAP);
                }
                (1.., false) => self.pacer.start_after_refusal(now, self.outbox.pending()),
                _ => {}
            }
        }
        let dropped = self.outbox.take_dropped();
        self.totals.dropped_reports += dropped;
        if dropped > 0 && !std::mem::replace(&mut self.said_dropping, true) {
            effects.push(Effect::Say(Event::Dropping));
        }
        effects.extend(self.outbox.take_notices().map(|notice| Effect::Say(Event::Spool(notice))));
    }
}

#[cfg(test)]
mod tests;
