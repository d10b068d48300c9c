//! One node, as far as its reports and its state changes tell.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use chasar_wire::{Report, StateChange, Text};

use super::rate::Counters;
use super::{NodeState::*, Rates};

/// How many CPU readings are kept for the little history.
pub const HISTORY: usize = 60;

/// A report is late after this many intervals without one, and the node down after
/// [`DOWN_AFTER_INTERVALS`]; used only where the masternode does not say (those of 2016).
const LATE_AFTER_INTERVALS: f64 = 2.0;
const DOWN_AFTER_INTERVALS: f64 = 4.0;

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeState {
    /// Reports stopped coming.
    Down,
    /// A report is overdue.
    Late,
    /// Reports come.
    Live,
    /// Its clientnode was stopped on purpose.
    Left,
}

impl NodeState {
    /// All of them, the most pressing first.
    pub const ALL: [NodeState; 4] = [Down, Late, Live, Left];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Live => "live",
            Late => "late",
            Down => "down",
            Left => "left",
        }
    }
}

/// One node, as far as its reports and its state changes tell. What is not known is `None`.
#[derive(Clone, Debug)]
pub struct Node {
    /// Identity; for nodes of 2016 a name made of host name and MAC address.
    pub id: Text,
    /// Host name.
    pub hostname: Text,
    /// All cores together, 0 to 100.
    pub cpu_percent: Option<f64>,
    /// Memory used, 0 to 100.
    pub memory_percent: Option<f64>,
    /// Root file system used, 0 to 100.
    pub disk_percent: Option<f64>,
    /// Load average over one minute.
    pub load1: Option<f64>,
    /// Cores online.
    pub cores: Option<usize>,
    /// Number of processes; for nodes of 2016 those in the list.
    pub processes: Option<u64>,
    /// Time since boot.
    pub uptime_seconds: Option<f64>,
    /// What moved since the report before.
    pub rates: Rates,
    /// CPU readings, oldest first, at most [`HISTORY`].
    pub history: VecDeque<Option<f64>>,
    /// Reports received, replayed and repeated ones not counted.
    pub reports: u64,
    /// Reports that never came and will not come, as the masternode counted since we listen.
    pub lost: u64,
    /// Another computer that uses this identity.
    pub cloned_by: Option<Text>,
    /// The last report, where there is room to keep it.
    pub report: Option<Box<Report>>,
    /// When the last report came.
    pub last_report: Option<Instant>,
    said: Option<NodeState>,
    leaving: bool,
    interval: Duration,
    sequence: Option<u64>,
    counters: Option<Counters>,
}

impl Node {
    pub(super) fn new(id: Text, hostname: Text) -> Node {
        Node {
            id,
            hostname,
            cpu_percent: None,
            memory_percent: None,
            disk_percent: None,
            load1: None,
            cores: None,
            processes: None,
            uptime_seconds: None,
            rates: Rates::default(),
            history: VecDeque::new(),
            reports: 0,
            lost: 0,
            cloned_by: None,
            report: None,
            last_report: None,
            said: None,
            leaving: false,
            interval: Duration::from_secs(1),
            sequence: None,
            counters: None,
        }
    }

    /// How the node is: what the masternode said, or else what the age of the last report tells.
    pub fn state(&self, now: Instant) -> NodeState {
        if let Some(said) = self.said {
            return said;
        }
        if self.leaving {
            return Left;
        }
        let Some(age) = self.age(now) else { return Down };
        let intervals = age.as_secs_f64() / self.interval.as_secs_f64();
        if intervals >= DOWN_AFTER_INTERVALS {
            Down
        } else if intervals >= LATE_AFTER_INTERVALS {
            Late
        } else {
            Live
        }
    }

    /// Time since the last report came.
    pub fn age(&self, now: Instant) -> Option<Duration> {
        Some(now.saturating_duration_since(self.last_report?))
    }

    /// Takes a report, unless it is an older one sent again. Returns whether it was taken.
    pub(super) fn take(&mut self, now: Instant, report: Box<Report>, keep: bool) -> bool {
        if self.is_old(now, &report) {
            return false;
        }
        self.reports += 1;
        self.last_report = Some(now);
        self.leaving = report.leaving == Some(true);
        // Reports speak for themselves; a change that the masternode saw comes right behind.
        self.said = self.said.map(|_| if self.leaving { Left } else { Live });
        if let Some(seconds) = report.interval_seconds.filter(|s| s.is_finite() && *s > 0.0) {
            self.interval = Duration::from_secs_f64(seconds);
        }
        self.sequence = report.sequence;
        self.hostname = report.hostname.clone();
        let cores: Vec<f64> = report.cpu.percent_used.iter().flatten().copied().collect();
        self.cpu_percent = (!cores.is_empty()).then(|| cores.iter().sum::<f64>() / cores.len() as f64);
        self.memory_percent = report.memory.percent_used;
        self.disk_percent = report.disk.percent_used;
        self.load1 = report.cpu.load1;
        self.cores = Some(report.cpu.percent_used.len()).filter(|n| *n > 0);
        self.processes = match (&report.processes, report.schema) {
            (Some(counts), _) => Some(counts.total),
            (None, None) => Some(report.process.0.len() as u64),
            (None, Some(_)) => None,
        };
        self.uptime_seconds = report.host.as_ref().and_then(|h| h.uptime_seconds);
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(self.cpu_percent);
        let counters = Counters::of(&report);
        self.rates = counters.rates_since(self.counters.as_ref());
        self.counters = Some(counters);
        self.report = keep.then_some(report);
        true
    }

    /// Whether `report` is no news: sent again after a cut, or received twice.
    fn is_old(&self, now: Instant, report: &Report) -> bool {
        let Some(counters) = &self.counters else { return false };
        if report.sequence.is_some() && report.session.is_some() && report.session == counters.session() {
            return report.sequence <= self.sequence;
        }
        // A report of another run: an old one while the present run is heard, else a fresh start,
        // whatever the clock of that computer says.
        let heard = self.age(now).is_some_and(|age| age < 3 * self.interval);
        heard && report.sampled_at_ms.is_some() && report.sampled_at_ms < counters.sampled_at_ms()
    }

    /// Takes a change of state that the masternode saw.
    pub(super) fn change(&mut self, hostname: &Text, change: &StateChange, repeated: bool) {
        self.hostname = hostname.clone();
        match change {
            StateChange::Joined | StateChange::Back => self.said = Some(Live),
            StateChange::Late => self.said = Some(Late),
            StateChange::Down => self.said = Some(Down),
            StateChange::Left => self.said = Some(Left),
            StateChange::Gap { from_sequence, to_sequence, .. } if !repeated => {
                let lost = to_sequence.saturating_sub(*from_sequence).saturating_add(1);
                self.lost = self.lost.saturating_add(lost);
            }
            StateChange::Gap { .. } | StateChange::Renamed { .. } => {}
            StateChange::Cloned { other_hostname } => self.cloned_by = Some(other_hostname.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(session: &str, sequence: u64, at_ms: i64, cpu: f64) -> Box<Report> {
        let mut report = Report {
            hostname: "h".into(),
            schema: Some(2),
            session: Some(session.into()),
            sequence: Some(sequence),
            sampled_at_ms: Some(at_ms),
            interval_seconds: Some(1.0),
            ..Report::default()
        };
        report.cpu.percent_used = vec![Some(cpu), None, Some(cpu)];
        Box::new(report)
    }

    fn node() -> Node {
        Node::new("id".into(), "h".into())
    }

    #[test]
    fn replayed_and_repeated_reports_do_not_turn_the_clock_back() {
        let now = Instant::now();
        let mut node = node();
        assert!(node.take(now, report("s", 5, 5000, 10.0), false));
        assert!(!node.take(now, report("s", 5, 5000, 99.0), false), "twice");
        assert!(!node.take(now, report("s", 2, 2000, 99.0), false), "replayed");
        assert!(!node.take(now, report("r", 90, 1000, 99.0), false), "replayed from the run before");
        assert_eq!(node.cpu_percent, Some(10.0));
        assert!(node.take(now, report("t", 0, 6000, 20.0), false), "a new run");
        assert_eq!(node.cpu_percent, Some(20.0));
        let later = now + Duration::from_secs(10);
        assert!(node.take(later, report("u", 0, 3000, 30.0), false), "a new run whose clock was set back");
        assert_eq!(node.reports, 3);
    }

    #[test]
    fn without_a_word_of_the_masternode_the_age_tells() {
        let now = Instant::now();
        let mut node = node();
        assert_eq!(node.state(now), Down, "never heard");
        node.take(now, report("s", 0, 0, 1.0), false);
        for (seconds, state) in [(0.0, Live), (1.9, Live), (2.0, Late), (3.9, Late), (4.0, Down)] {
            assert_eq!(node.state(now + Duration::from_secs_f64(seconds)), state, "after {seconds} s");
        }
        let mut last = report("s", 1, 1000, 1.0);
        last.leaving = Some(true);
        node.take(now, last, false);
        assert_eq!(node.state(now + Duration::from_secs(60)), Left);
    }

    #[test]
    fn the_masternode_is_believed_until_a_report_comes() {
        let now = Instant::now();
        let mut node = node();
        node.change(&"h".into(), &StateChange::Joined, false);
        node.take(now, report("s", 0, 0, 1.0), false);
        assert_eq!(node.state(now + Duration::from_secs(60)), Live);
        node.change(&"h".into(), &StateChange::Down, true);
        assert_eq!(node.state(now), Down);
        node.take(now, report("s", 1, 1000, 1.0), false);
        assert_eq!(node.state(now), Live);
    }

    #[test]
    fn lost_reports_are_counted_once() {
        let mut node = node();
        let gap = StateChange::Gap { session: "s".into(), from_sequence: 3, to_sequence: 5 };
        node.change(&"h".into(), &gap, false);
        node.change(&"h".into(), &gap, true);
        assert_eq!(node.lost, 3);
        let absurd = StateChange::Gap { session: "s".into(), from_sequence: 0, to_sequence: u64::MAX };
        node.change(&"h".into(), &absurd, false);
        assert_eq!(node.lost, u64::MAX);
    }

    #[test]
    fn history_is_bounded() {
        let now = Instant::now();
        let mut node = node();
        for i in 0..HISTORY as u64 + 7 {
            node.take(now, report("s", i, i as i64, i as f64), false);
        }
        assert_eq!(node.history.len(), HISTORY);
        assert_eq!(node.history[0], Some(7.0));
    }
}
