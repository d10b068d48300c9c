//! The runs of a clientnode: which one is running now, which are replayed, which is a clone's.
//!
//! A restarted clientnode has a new session; the old one ends. A spool may still replay reports of
//! old sessions. Two computers that use one identity (a copied disk) both go on. The three are told
//! apart by who goes on: a session that is not the running one, goes on while the running one goes
//! on too, and is not explained by a replay, belongs to a clone.

use std::sync::Arc;
use std::time::Duration;

use chasar_wire::Text;
use chasar_wire::report::Replay;

use crate::liveness::late_after;
use crate::sequence::{Arrival, Missing, SequenceLog};

/// Sessions kept for one node; a replay of one that is not kept looks new.
const MAX_SESSIONS: usize = 16;

/// One run of a clientnode.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// Counts up within the node: older sessions have smaller numbers.
    pub(crate) number: u32,
    pub(crate) id: Arc<str>,
    pub(crate) hostname: Text,
    pub(crate) fingerprint: u64,
    pub(crate) log: SequenceLog,
    /// How far `log` went when it was remembered; `None` for a session that began since.
    pub(crate) remembered_high: Option<u64>,
    /// The least and the greatest sample time seen, by the node's clock.
    pub(crate) first_sampled_ms: i64,
    pub(crate) newest_sampled_ms: i64,
    /// The sample time of the report with the highest sequence, where this run saw it.
    pub(crate) high_sampled_ms: Option<i64>,
    /// When anything of it came last, on the hearing clock.
    pub(crate) last_arrival: Duration,
    pub(crate) suspicion: Suspicion,
}

/// Signs that a session runs beside the running one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Suspicion {
    signs: u32,
    since: Duration,
    last: Duration,
    /// How often the running session had gone on at the last sign.
    advances: u64,
}

/// What of a report matters here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sighting<'a> {
    pub(crate) session: &'a str,
    pub(crate) sequence: u64,
    pub(crate) sampled_ms: i64,
    pub(crate) replay: Option<Replay>,
    /// Whether `replay`, or that there is none, speaks of what will come here: each way has a replay of its own,
    /// so what another masternode passed on says nothing of the link of a node that also reports here.
    pub(crate) claims: bool,
    pub(crate) hostname: &'a Text,
    pub(crate) fingerprint: u64,
    /// Now, on the hearing clock.
    pub(crate) heard: Duration,
    pub(crate) interval: Duration,
    /// Whether the running session ended with a goodbye.
    pub(crate) left: bool,
}

/// What a sighting is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The newest report of the running session.
    Newest {
        /// Whether numbers before it are missing that were not before.
        skipped: bool,
        /// Whether another session was the running one until now.
        switched: bool,
    },
    /// New, but not the newest: a replay.
    Late {
        /// What it was missing as, unless it is the newest of an old session.
        filled: Option<Missing>,
        /// Whether numbers before it are missing that were not before.
        skipped: bool,
    },
    /// As [`Seen::Late`] or [`Seen::Newest`], and proof that the session `moved` belongs to a clone.
    Clone {
        /// The younger of the two sessions, by position.
        moved: usize,
    },
    /// Came before.
    Duplicate,
    /// Another report came under this session and sequence.
    Conflict,
}

/// The sessions of one node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions {
    pub(crate) list: Vec<Session>,
    pub(crate) current: usize,
    pub(crate) next_number: u32,
    /// How often the running session had a newest report.
    advances: u64,
    /// Whether the running session is that one only because the one before fell silent, against the
    /// order of the sample times: the node's clock was set back, or a replay came first after a cut.
    by_silence: bool,
    /// What the running session's newest report says is still to be sent again, once there was one.
    claim: Option<Replay>,
}

impl Sessions {
    /// With the one session of a clone.
    pub(crate) fn only(session: Session) -> Sessions {
        let next_number = session.number.wrapping_add(1);
        Sessions::remembered(vec![session], 0, next_number)
    }

    /// As they were remembered.
    pub(crate) fn remembered(list: Vec<Session>, current: usize, next_number: u32) -> Sessions {
        Sessions { list, current, next_number, ..Sessions::default() }
    }

    pub(crate) fn current(&self) -> Option<&Session> {
        self.list.get(self.current)
    }

    pub(crate) fn position(&self, session: &str) -> Option<usize> {
        self.list.iter().position(|s| *s.id == *session)
    }

    /// Missing reports that may still come.
    pub(crate) fn open(&self) -> u64 {
        self.list.iter().fold(0, |sum, s| sum.saturating_add(s.log.open()))
    }

    /// Missing ranges kept.
    pub(crate) fn ranges(&self) -> usize {
        self.list.iter().map(|s| s.log.ranges().len()).sum()
    }

    /// Notes that a report came; its session's position and what it is.
    pub(crate) fn note(
        &mut self,
        sighting: &Sighting<'_>,
        said: &mut impl FnMut(&Session, u64, u64),
    ) -> (usize, Seen) {
        let (at, seen) = match self.position(sighting.session) {
            Some(at) => (at, self.note_known(at, sighting)),
            None => self.note_unknown(sighting, said),
        };
        let session = &mut self.list[at];
        if !matches!(seen, Seen::Duplicate | Seen::Conflict) {
            session.last_arrival = sighting.heard;
            session.first_sampled_ms = session.first_sampled_ms.min(sighting.sampled_ms);
            session.newest_sampled_ms = session.newest_sampled_ms.max(sighting.sampled_ms);
            if session.log.high() == sighting.sequence {
                session.high_sampled_ms = Some(sighting.sampled_ms);
            }
        }
        if let Seen::Newest { switched, .. } = seen {
            self.went_on(sighting, switched);
        }
        (at, seen)
    }

    fn went_on(&mut self, sighting: &Sighting<'_>, switched: bool) {
        self.advances += 1;
        if !sighting.claims {
            // What was said of the session before is not true of this one.
            self.claim = self.claim.filter(|_| !switched);
            return;
        }
        // Without the key nothing is waiting: every number below this report is final.
        let nothing = Replay { pending: 0, from_sequence: sighting.sequence };
        self.claim = Some(sighting.replay.filter(|r| r.pending > 0).unwrap_or(nothing));
    }

    /// Whether the running session has been silent for so long that another one may take over.
    fn silent(&self, sighting: &Sighting<'_>) -> bool {
        let last = self.current().map_or(Duration::ZERO, |s| s.last_arrival);
        sighting.left || sighting.heard.saturating_sub(last) > late_after(sighting.interval)
    }

    fn run(&mut self, at: usize, sampled_ms: i64) {
        let before = self.list[self.current].newest_sampled_ms;
        self.by_silence = self.current != at && sampled_ms <= before;
        self.current = at;
    }

    fn note_known(&mut self, at: usize, sighting: &Sighting<'_>) -> Seen {
        let newest = self.current().map_or(i64::MIN, |s| s.newest_sampled_ms);
        let takes_over = self.silent(sighting) || self.by_silence && sighting.sampled_ms > newest;
        let session = &mut self.list[at];
        match session.log.note(sighting.sequence) {
            Arrival::Duplicate => {
                let differs = sighting.sequence == session.log.high()
                    && session.high_sampled_ms.is_some_and(|sampled_ms| sampled_ms != sighting.sampled_ms);
                if differs { Seen::Conflict } else { Seen::Duplicate }
            }
            Arrival::Filled(missing) => Seen::Late { filled: Some(missing), skipped: false },
            Arrival::Newest { skipped } if at == self.current => Seen::Newest { skipped, switched: false },
            Arrival::Newest { skipped } if takes_over => {
                self.run(at, sighting.sampled_ms);
                Seen::Newest { skipped, switched: true }
            }
            Arrival::Newest { skipped } => self.suspect(at, skipped, sighting),
        }
    }

    fn note_unknown(
        &mut self,
        sighting: &Sighting<'_>,
        said: &mut impl FnMut(&Session, u64, u64),
    ) -> (usize, Seen) {
        let first = self.list.is_empty();
        let silent = self.silent(sighting);
        if self.list.len() >= MAX_SESSIONS {
            self.evict(said);
        }
        // What a node reported before we knew it is not lost, unless it is about to send it again.
        let claimed_from = match (first, sighting.replay) {
            (true, Some(replay)) if replay.pending > 0 => replay.from_sequence,
            (true, _) => sighting.sequence,
            (false, _) => 0,
        };
        let log = SequenceLog::begin(sighting.sequence, claimed_from);
        let skipped = log.open() > 0;
        let at = self.list.len();
        self.list.push(Session {
            number: self.next_number,
            id: sighting.session.into(),
            hostname: sighting.hostname.clone(),
            fingerprint: sighting.fingerprint,
            log,
            remembered_high: None,
            first_sampled_ms: sighting.sampled_ms,
            newest_sampled_ms: sighting.sampled_ms,
            high_sampled_ms: Some(sighting.sampled_ms),
            last_arrival: sighting.heard,
            suspicion: Suspicion::default(),
        });
        self.next_number = self.next_number.wrapping_add(1);
        let newer = sighting.sampled_ms > self.list[self.current].newest_sampled_ms;
        if first || silent || newer {
            self.run(at, sighting.sampled_ms);
            return (at, Seen::Newest { skipped, switched: !first });
        }
        (at, self.suspect(at, skipped, sighting))
    }

    /// A session that is not the running one went on: a replay, or a clone.
    fn suspect(&mut self, at: usize, skipped: bool, sighting: &Sighting<'_>) -> Seen {
        let late = Seen::Late { filled: None, skipped };
        // While the running session has something to send again, this may well be it.
        if self.claim.is_none_or(|claim| claim.pending > 0) {
            return late;
        }
        let (now, interval) = (sighting.heard, sighting.interval);
        // Older than the running session: at most a few stragglers of the run before, or a node that
        // does not say that it replays. Younger: nothing but a clone's clock set back explains it.
        let younger = sighting.sampled_ms > self.list[self.current].first_sampled_ms;
        let (signs, span) = if younger {
            (3, (2 * interval).max(Duration::from_secs(1)))
        } else {
            (6, (5 * interval).max(Duration::from_secs(5)))
        };
        let advances = self.advances;
        let suspicion = &mut self.list[at].suspicion;
        if suspicion.signs == 0 || now.saturating_sub(suspicion.last) > 10 * span {
            *suspicion = Suspicion { signs: 0, since: now, last: now, advances: u64::MAX };
        }
        // A sign counts only when the running session went on since the last one: both must run.
        if suspicion.advances == advances {
            return late;
        }
        suspicion.advances = advances;
        suspicion.signs += 1;
        suspicion.last = now;
        if suspicion.signs < signs || now.saturating_sub(suspicion.since) < span {
            return late;
        }
        let younger_of = |a: usize, b: usize| if self.list[a].number > self.list[b].number { a } else { b };
        Seen::Clone { moved: younger_of(at, self.current) }
    }

    /// Takes the session `moved` out; `stays` is then the running one.
    pub(crate) fn split(&mut self, moved: usize, stays: usize) -> Session {
        let session = self.list.remove(moved);
        self.current = if stays > moved { stays - 1 } else { stays };
        self.claim = None;
        self.by_silence = false;
        for session in &mut self.list {
            session.suspicion = Suspicion::default();
        }
        session
    }

    /// Takes a session in that turned out to be of this node; it is the running one from now on.
    pub(crate) fn adopt(&mut self, session: Session, said: &mut impl FnMut(&Session, u64, u64)) {
        if self.list.len() >= MAX_SESSIONS {
            self.evict(said);
        }
        let number = self.next_number;
        self.next_number = number.wrapping_add(1);
        self.current = self.list.len();
        self.list.push(Session { number, suspicion: Suspicion::default(), ..session });
        self.claim = None;
        self.by_silence = false;
    }

    /// Gives up what the running session's newest report says will not come.
    pub(crate) fn close_final(&mut self, said: &mut impl FnMut(&Session, u64, u64)) {
        let Some(claim) = self.claim else { return };
        for at in 0..self.list.len() {
            let limit = match (at == self.current, claim.pending) {
                (true, _) => claim.from_sequence,
                (false, 0) => u64::MAX,
                (false, _) => continue,
            };
            self.close(at, limit, said);
        }
    }

    /// Gives up everything that is missing.
    pub(crate) fn close_all(&mut self, said: &mut impl FnMut(&Session, u64, u64)) {
        for at in 0..self.list.len() {
            self.close(at, u64::MAX, said);
        }
    }

    fn close(&mut self, at: usize, limit: u64, said: &mut impl FnMut(&Session, u64, u64)) {
        if self.list[at].log.open() == 0 {
            return;
        }
        let mut ranges = Vec::new();
        self.list[at].log.close_below(limit, |from, to| ranges.push((from, to)));
        for (from, to) in ranges {
            said(&self.list[at], from, to);
        }
    }

    /// Holds the ranges of session `at` under the caps; whether open ones had to go.
    pub(crate) fn trim(
        &mut self,
        at: usize,
        most: usize,
        most_closed: usize,
        said: &mut impl FnMut(&Session, u64, u64),
    ) -> bool {
        let mut ranges = Vec::new();
        self.list[at].log.trim(most, most_closed, |from, to| ranges.push((from, to)));
        for &(from, to) in &ranges {
            said(&self.list[at], from, to);
        }
        !ranges.is_empty()
    }

    /// Whether a session is unknown and there is no room for it but in place of one heard within `young`.
    pub(crate) fn is_full_for(&self, session: &str, heard: Duration, young: Duration) -> bool {
        self.list.len() >= MAX_SESSIONS
            && self.position(session).is_none()
            && self.oldest().map(|at| &self.list[at]).is_some_and(|oldest| {
                // One that was only remembered may be as old as can be.
                let went_on = oldest.remembered_high != Some(oldest.log.high());
                went_on && heard.saturating_sub(oldest.last_arrival) < young
            })
    }

    /// The session that was silent longest, never the running one.
    fn oldest(&self) -> Option<usize> {
        (0..self.list.len())
            .filter(|&at| at != self.current)
            .min_by_key(|&at| (self.list[at].last_arrival, self.list[at].number))
    }

    /// Forgets the session that was silent longest, never the running one.
    fn evict(&mut self, said: &mut impl FnMut(&Session, u64, u64)) {
        let Some(at) = self.oldest() else { return };
        self.close(at, u64::MAX, said);
        self.list.remove(at);
        if self.current > at {
            self.current -= 1;
        }
    }
}
