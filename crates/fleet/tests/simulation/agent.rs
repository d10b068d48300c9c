//! A clientnode as far as the masternode can tell: samples, outbox, replay, link, restarts.

use std::collections::VecDeque;

use chasar_wire::Report;
use chasar_wire::report::Replay;

use crate::random::Random;

/// Which report: raw node id, session, sequence.
pub(crate) type Key = (String, String, u64);

#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) session: String,
    pub(crate) sequence: u64,
    sampled_ms: i64,
    leaving: bool,
    /// True time of the last sending; `None`: never sent.
    sent: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Link {
    Up,
    /// Everything sent is lost; the agent notices at this time.
    Silent {
        noticed: u64,
    },
    Down,
}

/// Heartbeats notice a silent link after so long.
const NOTICED_AFTER: u64 = 5_000;
/// How much before the last good moment a replay begins.
const MARGIN: u64 = 2_000;

pub(crate) struct Agent {
    pub(crate) id: String,
    pub(crate) hostname: String,
    /// Tells agents of one identity and one host name apart.
    pub(crate) label: String,
    pub(crate) interval_ms: u64,
    /// The host's clock less the true time.
    pub(crate) clock_ms: i64,
    /// Whether the outbox survives a crash.
    pub(crate) spool: bool,
    pub(crate) shuffled_replay: bool,
    outbox_cap: usize,
    pub(crate) running: bool,
    sessions: u64,
    session: String,
    sequence: u64,
    next_sample: u64,
    pub(crate) start_at: Option<u64>,
    link: Link,
    reconnect_at: Option<u64>,
    /// Since when the masternode takes nothing in; heartbeats go unanswered.
    unreachable_since: Option<u64>,
    /// Since when the network takes what it sends.
    up_since: u64,
    pub(crate) outbox: VecDeque<Kept>,
    to_replay: VecDeque<(String, u64)>,
    in_flight: VecDeque<(u64, Report)>,
    /// What an ended process left in the network, with a pace of its own.
    stragglers: VecDeque<(u64, Report)>,
    /// Everything ever sampled.
    pub(crate) sampled: Vec<Key>,
}

impl Agent {
    pub(crate) fn new(id: String, hostname: String, interval_ms: u64, random: &mut Random) -> Agent {
        Agent {
            id,
            label: hostname.clone(),
            hostname,
            interval_ms,
            clock_ms: 0,
            spool: random.once_in(2),
            shuffled_replay: random.once_in(3),
            outbox_cap: if random.once_in(4) { 40 } else { 100_000 },
            running: false,
            sessions: 0,
            session: String::new(),
            sequence: 0,
            next_sample: 0,
            start_at: Some(random.between(0, 3_000)),
            link: Link::Down,
            reconnect_at: None,
            unreachable_since: None,
            up_since: 0,
            outbox: VecDeque::new(),
            to_replay: VecDeque::new(),
            in_flight: VecDeque::new(),
            stragglers: VecDeque::new(),
            sampled: Vec::new(),
        }
    }

    /// One step of the host; returns what reaches the masternode.
    pub(crate) fn step(&mut self, now: u64, reachable: bool, random: &mut Random) -> Vec<Report> {
        if self.start_at.is_some_and(|at| at <= now) {
            self.start_at = None;
            self.start(now, random);
        }
        if let Link::Silent { noticed } = self.link
            && noticed <= now
        {
            self.lost_link(now, NOTICED_AFTER, random);
        }
        if reachable {
            self.unreachable_since = None;
        } else if now >= *self.unreachable_since.get_or_insert(now) + NOTICED_AFTER && self.link == Link::Up {
            self.lost_link(now, 0, random);
        }
        if self.running {
            if self.link == Link::Down && reachable && self.reconnect_at.is_some_and(|at| at <= now) {
                self.link = Link::Up;
                self.up_since = now;
                self.reconnect_at = None;
            }
            if self.next_sample <= now {
                self.next_sample += self.interval_ms;
                self.sample(now, false, random);
            } else if let Some((session, sequence)) = self.to_replay.front().cloned()
                && self.link != Link::Down
            {
                self.to_replay.pop_front();
                if let Some(at) =
                    self.outbox.iter().position(|k| k.session == session && k.sequence == sequence)
                {
                    self.outbox[at].sent = Some(now);
                    let report = self.report(&self.outbox[at], None);
                    self.send(now, report, random);
                }
            }
        }
        if !reachable {
            return Vec::new();
        }
        let mut arrived = Vec::new();
        for queue in [&mut self.stragglers, &mut self.in_flight] {
            while queue.front().is_some_and(|(at, _)| *at <= now) {
                arrived.extend(queue.pop_front().map(|(_, report)| report));
            }
        }
        arrived
    }

    fn start(&mut self, now: u64, random: &mut Random) {
        self.running = true;
        self.sessions += 1;
        self.session = format!("{}-s{}", self.label, self.sessions);
        self.sequence = 0;
        self.next_sample = now;
        self.link = Link::Down;
        self.reconnect_at = Some(now + random.between(0, 500));
        // What was sent in the last moments before the end may not have arrived.
        self.plan_replay(now.saturating_sub(60_000), random);
    }

    fn plan_replay(&mut self, last_good: u64, random: &mut Random) {
        let last_good = last_good.min(self.unreachable_since.unwrap_or(u64::MAX));
        let mut again: Vec<_> = Vec::new();
        for kept in &mut self.outbox {
            if kept.sent.is_none_or(|sent| sent + MARGIN >= last_good) {
                // Should the link break again before its turn, it still has to be sent.
                kept.sent = None;
                again.push((kept.session.clone(), kept.sequence));
            }
        }
        if self.shuffled_replay {
            for i in (1..again.len()).rev() {
                again.swap(i, random.between(0, i as u64 + 1) as usize);
            }
        }
        self.to_replay = again.into();
    }

    fn sample(&mut self, now: u64, leaving: bool, random: &mut Random) {
        let sequence = self.sequence;
        self.sequence += 1;
        self.sampled.push((self.id.clone(), self.session.clone(), sequence));
        let up = self.link != Link::Down;
        let kept = Kept {
            session: self.session.clone(),
            sequence,
            sampled_ms: now as i64 + self.clock_ms,
            leaving,
            sent: up.then_some(now),
        };
        if up {
            let own = self.to_replay.iter().filter(|(s, _)| *s == self.session).map(|(_, n)| *n).min();
            let replay = (!self.to_replay.is_empty()).then(|| Replay {
                pending: self.to_replay.len() as u64,
                from_sequence: own.unwrap_or(sequence),
            });
            let report = self.report(&kept, replay);
            self.send(now, report, random);
        } else {
            self.to_replay.push_back((self.session.clone(), sequence));
        }
        self.outbox.push_back(kept);
        if self.outbox.len() > self.outbox_cap {
            let gone = self.outbox.pop_front().unwrap();
            self.to_replay.retain(|(s, n)| (s, *n) != (&gone.session, gone.sequence));
        }
    }

    fn report(&self, kept: &Kept, replay: Option<Replay>) -> Report {
        Report {
            hostname: self.hostname.as_str().into(),
            node_id: Some(self.id.as_str().into()),
            session: Some(kept.session.as_str().into()),
            sequence: Some(kept.sequence),
            sampled_at_ms: Some(kept.sampled_ms),
            interval_seconds: Some(self.interval_ms as f64 / 1e3),
            leaving: kept.leaving.then_some(true),
            replay,
            ..Report::default()
        }
    }

    fn send(&mut self, now: u64, report: Report, random: &mut Random) {
        if self.link != Link::Up {
            return;
        }
        let slowest = if random.once_in(20) { 400 } else { 30 };
        let mut at = now + random.between(5, slowest);
        if let Some((last, _)) = self.in_flight.back() {
            at = at.max(*last);
        }
        if random.once_in(200) {
            self.in_flight.push_back((at, report.clone()));
        }
        self.in_flight.push_back((at, report));
    }

    /// The network stops carrying; the agent notices only after the heartbeat's timeout.
    pub(crate) fn cut_silently(&mut self, now: u64) {
        if self.link == Link::Up {
            self.link = Link::Silent { noticed: now + NOTICED_AFTER };
            self.lose_in_flight(now);
        }
    }

    /// What has arrived at the other host waits there to be read; the rest is gone.
    fn lose_in_flight(&mut self, now: u64) {
        self.stragglers.extend(self.in_flight.drain(..).filter(|(at, _)| *at <= now));
    }

    /// Everything that was not read is gone with the masternode.
    pub(crate) fn masternode_died(&mut self, now: u64, random: &mut Random) {
        self.in_flight.clear();
        self.stragglers.clear();
        self.reset(now, random);
    }

    /// The connection breaks and the agent sees it at once.
    pub(crate) fn reset(&mut self, now: u64, random: &mut Random) {
        if self.link == Link::Up {
            self.lost_link(now, 0, random);
        }
    }

    fn lost_link(&mut self, now: u64, unsure: u64, random: &mut Random) {
        self.link = Link::Down;
        self.lose_in_flight(now);
        let wait = if random.once_in(3) { random.between(5_000, 60_000) } else { random.between(100, 3_000) };
        self.reconnect_at = Some(now + wait);
        self.plan_replay(now.saturating_sub(unsure + 1_000), random);
    }

    pub(crate) fn crash(&mut self, now: u64, random: &mut Random) {
        if !self.running {
            return;
        }
        self.running = false;
        self.link = Link::Down;
        if random.once_in(2) {
            self.lose_in_flight(now);
        }
        self.stragglers.append(&mut self.in_flight);
        if !self.spool {
            self.outbox.clear();
        }
        self.to_replay.clear();
        let away = if random.once_in(3) { random.between(8_000, 40_000) } else { random.between(50, 2_000) };
        self.start_at = Some(now + away);
    }

    /// Stopped on purpose: says goodbye if the link is up.
    pub(crate) fn leave(&mut self, now: u64, random: &mut Random) {
        if !self.running || self.link != Link::Up {
            return;
        }
        self.sample(now, true, random);
        self.running = false;
        self.stragglers.append(&mut self.in_flight);
        self.link = Link::Down;
        if !self.spool {
            self.outbox.clear();
        }
        self.to_replay.clear();
        self.start_at = Some(now + random.between(5_000, 60_000));
    }

    /// Whether the masternode should have heard of it within the last three intervals.
    pub(crate) fn is_heard(&self, now: u64) -> bool {
        self.running && self.link == Link::Up && now - self.up_since >= 4 * self.interval_ms + 1_000
    }

    /// Whether this report was sent and has not arrived yet.
    pub(crate) fn is_on_its_way(&self, session: &str, sequence: u64) -> bool {
        self.in_flight
            .iter()
            .any(|(_, r)| r.session.as_deref() == Some(session) && r.sequence == Some(sequence))
    }

    /// Whether everything that can be sent was sent and arrived.
    pub(crate) fn is_quiet(&self) -> bool {
        self.running && self.link == Link::Up && self.to_replay.is_empty() && self.stragglers.is_empty()
    }
}
