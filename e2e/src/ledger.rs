//! Which reports came, how often, in what order: sampled, received, replayed, duplicated, lost.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

/// What identifies a report, and what it says about its node's sending.
#[derive(Clone, Debug, Deserialize)]
pub struct Entry {
    /// The node.
    pub node_id: String,
    /// The run of its clientnode.
    pub session: String,
    /// Number within the session.
    pub sequence: u64,
    /// When it was sampled.
    pub sampled_at_ms: i64,
    /// Whether it is the last of its session.
    #[serde(default)]
    pub leaving: bool,
    #[serde(default)]
    agent: Agent,
    #[serde(default)]
    replay: Option<serde_json::Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Agent {
    #[serde(default)]
    replayed_reports_total: u64,
}

/// The reports that came, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// One for each report with an identity.
    pub entries: Vec<Entry>,
}

/// How a session fared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Reports that the clientnode made: the highest sequence number that came, and all below.
    pub sampled: u64,
    /// Different reports that came.
    pub received: u64,
    /// Reports that the clientnode says it sent again.
    pub replayed: u64,
    /// Reports that came behind a newer one: filled in by a replay.
    pub filled: u64,
    /// Reports that came again.
    pub duplicated: u64,
    /// Reports that never came.
    pub lost: u64,
}

impl Counts {
    /// Names of the numbers, in the order in which they are displayed.
    pub const HEAD: &'static str = " sampled received replayed   filled duplicated     lost";
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { sampled, received, replayed, filled, duplicated, lost } = self;
        write!(f, "{sampled:>8} {received:>8} {replayed:>8} {filled:>8} {duplicated:>10} {lost:>8}")
    }
}

impl Ledger {
    /// Sessions in the order in which they came.
    pub fn sessions(&self) -> Vec<String> {
        let mut sessions: Vec<String> = Vec::new();
        for entry in &self.entries {
            if !sessions.contains(&entry.session) {
                sessions.push(entry.session.clone());
            }
        }
        sessions
    }

    /// The reports of a session.
    pub fn session(&self, session: &str) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |e| e.session == session)
    }

    /// How often each report of a session came.
    fn times(&self, session: &str) -> BTreeMap<u64, u64> {
        let mut times = BTreeMap::new();
        for entry in self.session(session) {
            *times.entry(entry.sequence).or_insert(0) += 1;
        }
        times
    }

    /// Counts a session from its report 0 on.
    pub fn counts(&self, session: &str) -> Counts {
        let times = self.times(session);
        let sampled = times.keys().next_back().map_or(0, |last| last + 1);
        let (mut newest, mut filled, mut replayed) = (None, 0, 0);
        for entry in self.session(session) {
            filled += u64::from(newest.is_some_and(|newest| entry.sequence < newest));
            newest = newest.max(Some(entry.sequence));
            replayed = replayed.max(entry.agent.replayed_reports_total);
        }
        let received = times.len() as u64;
        let duplicated = times.values().map(|n| n - 1).sum();
        Counts { sampled, received, replayed, filled, duplicated, lost: sampled - received }
    }

    /// Which reports of a session are missing.
    pub fn missing(&self, session: &str) -> Vec<u64> {
        let times = self.times(session);
        let last = times.keys().next_back().copied().unwrap_or(0);
        (0..last).filter(|sequence| !times.contains_key(sequence)).collect()
    }

    /// Which reports of a session came more than once.
    pub fn repeated(&self, session: &str) -> Vec<u64> {
        self.times(session)
            .into_iter()
            .filter(|(_, times)| *times > 1)
            .map(|(sequence, _)| sequence)
            .collect()
    }

    /// Whether the newest report of a session says that nothing waits to be sent again.
    pub fn settled(&self, session: &str) -> bool {
        self.session(session).max_by_key(|e| e.sequence).is_some_and(|newest| newest.replay.is_none())
    }

    /// Asserts that everything of a session came once.
    #[track_caller]
    pub fn assert_whole(&self, session: &str, what: &str) {
        let counts = self.counts(session);
        eprintln!("{what}\n{}\n{counts}", Counts::HEAD);
        assert_eq!(
            (counts.lost, counts.duplicated),
            (0, 0),
            "{what}: lost {:?}, duplicated {:?}",
            self.missing(session),
            self.repeated(session)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(sequences: &[u64]) -> Ledger {
        let entry = |s| format!(r#"{{"node_id":"n","session":"s","sequence":{s},"sampled_at_ms":1}}"#);
        Ledger { entries: sequences.iter().map(|s| serde_json::from_str(&entry(s)).unwrap()).collect() }
    }

    #[test]
    fn what_is_lost_filled_and_duplicated_is_told_apart() {
        let ledger = ledger(&[0, 1, 5, 2, 3, 3]);
        let counts = ledger.counts("s");
        assert_eq!((counts.sampled, counts.received), (6, 5));
        assert_eq!((counts.filled, counts.duplicated, counts.lost), (3, 1, 1));
        assert_eq!((ledger.missing("s"), ledger.repeated("s")), (vec![4], vec![3]));
    }

    #[test]
    #[should_panic(expected = "lost [1]")]
    fn a_loss_fails_a_test() {
        ledger(&[0, 2]).assert_whole("s", "test");
    }
}
