//! What an agent can be told, and what is wrong with it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use chasar_link::Endpoint;
pub use chasar_probes::ProcessList;
use chasar_wire::limits::{MAX_INTERVAL_SECONDS, MAX_PROCESSES, MIN_INTERVAL_SECONDS};

/// Most masternodes of one agent: each costs it a link and what waits for it.
pub const MAX_MASTERNODES: usize = 8;
/// Least memory for the outbox: a few of the largest reports.
const MIN_OUTBOX_BYTES: usize = 4 << 20;
/// Most memory for the outbox.
const MAX_OUTBOX_BYTES: usize = 4 << 30;
/// Least disk for the spool.
const MIN_SPOOL_BYTES: u64 = 16 << 20;
/// Longest age, of the outbox: a month.
const MAX_AGE: Duration = Duration::from_secs(31 * 24 * 3600);
/// Longest wait at the end, and before a replay.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// Settings of an agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Host name or address of the masternode. A name is resolved anew for every connection.
    pub masternode: String,
    /// Its port for reports.
    pub port: u16,
    /// Further masternodes that get every report too, by host and port; each has its own link, replay
    /// and spool.
    pub also: Vec<(String, u16)>,
    /// Time between two reports: 0.1 s to an hour.
    pub interval: Duration,
    /// Which processes a report lists.
    pub processes: ProcessList,
    /// Send reports as `status.zst`, about a fifth of the size. A masternode of 2016 cannot read them.
    pub compress: bool,
    /// Reports kept in memory for when the link is gone; `None` keeps nothing and replays nothing.
    pub outbox: Option<Outbox>,
    /// A folder for reports that wait, so that they outlive the agent; needs the outbox.
    pub spool: Option<Spool>,
    /// Reports sent again after an outage, a second, at least; more when that would take over three
    /// minutes.
    pub replay_per_second: f64,
    /// The replay begins at a random moment within this time, so that many nodes do not begin at once.
    pub replay_start_within: Duration,
    /// Folder of the node's identity.
    pub state_folder: PathBuf,
    /// How long the end may wait for the last report to leave.
    pub goodbye: Duration,
}

/// Limits of the reports kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outbox {
    /// Bytes of memory; the oldest reports go first.
    pub bytes: usize,
    /// Age of the oldest report.
    pub age: Duration,
}

impl Default for Outbox {
    fn default() -> Outbox {
        Outbox { bytes: 32 << 20, age: Duration::from_secs(3600) }
    }
}

/// The folder for reports that wait on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spool {
    /// Where; made when missing. Used by one agent at a time.
    pub folder: PathBuf,
    /// Bytes on disk for each masternode; the oldest reports go first.
    pub bytes: u64,
}

impl Spool {
    /// In this folder, 256 MiB: about a day of outage.
    pub fn new(folder: impl Into<PathBuf>) -> Spool {
        Spool { folder: folder.into(), bytes: 256 << 20 }
    }
}

/// Something wrong with one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which setting: the name of the field.
    pub setting: &'static str,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.message)
    }
}

impl Config {
    /// The usual settings: to this masternode, once a second, the 40 busiest processes, the outbox of
    /// an hour, no spool.
    pub fn new(masternode: impl Into<String>, port: u16, state_folder: impl Into<PathBuf>) -> Config {
        Config {
            masternode: masternode.into(),
            port,
            also: Vec::new(),
            interval: Duration::from_secs(1),
            processes: ProcessList::default(),
            compress: false,
            outbox: Some(Outbox::default()),
            spool: None,
            replay_per_second: 20.0,
            replay_start_within: Duration::from_secs(3),
            state_folder: state_folder.into(),
            goodbye: Duration::from_secs(1),
        }
    }

    /// Everything that is wrong with these settings; empty when [`run`](crate::run()) takes them.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut wrong = |setting, message| problems.push(Problem { setting, message });
        let first = Endpoint::new(&self.masternode, self.port);
        if let Err(e) = &first {
            wrong("masternode", e.to_string());
        }
        if self.port == 0 {
            wrong("port", "0 is no port to connect to; the usual one is 5555".to_owned());
        }
        let mut known: Vec<Endpoint> = first.iter().map(Endpoint::canonical).collect();
        for (host, port) in &self.also {
            match Endpoint::new(host, *port) {
                Err(e) => wrong("also", e.to_string()),
                Ok(endpoint) if *port == 0 => {
                    wrong("also", format!("{endpoint}: 0 is no port to connect to"))
                }
                Ok(endpoint) if known.contains(&endpoint.canonical()) => {
                    wrong("also", format!("{endpoint} is there twice; each masternode is named once"));
                }
                Ok(endpoint) => known.push(endpoint.canonical()),
            }
        }
        if self.also.len() >= MAX_MASTERNODES {
            let count = self.also.len() + 1;
            wrong(
                "also",
                format!("{count} masternodes are more than the {MAX_MASTERNODES} that are possible"),
            );
        }
        let seconds = self.interval.as_secs_f64();
        if !(MIN_INTERVAL_SECONDS..=MAX_INTERVAL_SECONDS).contains(&seconds) {
            wrong(
                "interval",
                format!("{seconds} s is not between {MIN_INTERVAL_SECONDS} and {MAX_INTERVAL_SECONDS} s"),
            );
        }
        if let ProcessList::Top(n) = self.processes
            && n > MAX_PROCESSES
        {
            wrong("processes", format!("{n} are more than the {MAX_PROCESSES} a report can have"));
        }
        if let Some(outbox) = &self.outbox {
            if !(MIN_OUTBOX_BYTES..=MAX_OUTBOX_BYTES).contains(&outbox.bytes) {
                wrong(
                    "outbox.bytes",
                    format!("{} is not between {MIN_OUTBOX_BYTES} and {MAX_OUTBOX_BYTES}", outbox.bytes),
                );
            }
            if outbox.age.is_zero() || outbox.age > MAX_AGE {
                wrong("outbox.age", format!("{:?} is not between nothing and 31 days", outbox.age));
            }
        }
        if let Some(spool) = &self.spool {
            if self.outbox.is_none() {
                wrong("spool", "works only with an outbox, which is off".to_owned());
            }
            if spool.folder.as_os_str().is_empty() {
                wrong("spool.folder", "is empty".to_owned());
            } else if spool.folder == self.state_folder {
                wrong(
                    "spool.folder",
                    "is the state folder; name one of its own, for example inside it".to_owned(),
                );
            }
            if spool.bytes < MIN_SPOOL_BYTES {
                wrong("spool.bytes", format!("{} is less than {MIN_SPOOL_BYTES}", spool.bytes));
            }
        }
        if !(0.1..=10_000.0).contains(&self.replay_per_second) {
            wrong("replay_per_second", format!("{} is not between 0.1 and 10000", self.replay_per_second));
        }
        for (setting, pause) in [("replay_start_within", self.replay_start_within), ("goodbye", self.goodbye)]
        {
            if pause > MAX_PAUSE {
                wrong(setting, format!("{pause:?} is more than a minute"));
            }
        }
        if self.state_folder.as_os_str().is_empty() {
            wrong("state_folder", "is empty".to_owned());
        }
        problems
    }

    /// All masternodes, in order.
    pub(crate) fn endpoints(&self) -> Result<Vec<Endpoint>, chasar_link::EndpointError> {
        let also = self.also.iter().map(|(host, port)| Endpoint::new(host, *port));
        std::iter::once(Endpoint::new(&self.masternode, self.port)).chain(also).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_settings_are_fine() {
        assert_eq!(Config::new("localhost", 5555, "/var/lib/chasar").problems(), []);
        assert_eq!(Config::new("::1", 5555, "state").problems(), []);
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let config = Config {
            masternode: "not a host".to_owned(),
            port: 0,
            also: vec![("b".to_owned(), 1), ("B.".to_owned(), 1), ("c".to_owned(), 0)],
            interval: Duration::from_millis(50),
            processes: ProcessList::Top(5000),
            outbox: Some(Outbox { bytes: 1, age: Duration::ZERO }),
            spool: Some(Spool { folder: "".into(), bytes: 1 }),
            replay_per_second: f64::NAN,
            replay_start_within: Duration::from_secs(100),
            goodbye: Duration::from_secs(100),
            state_folder: "".into(),
            compress: false,
        };
        let problems = config.problems();
        let settings: Vec<_> = problems.iter().map(|p| p.setting).collect();
        assert_eq!(
            settings,
            [
                "masternode",
                "port",
                "also",
                "also",
                "interval",
                "processes",
                "outbox.bytes",
                "outbox.age",
                "spool.folder",
                "spool.bytes",
                "replay_per_second",
                "replay_start_within",
                "goodbye",
                "state_folder",
            ]
        );
        assert_eq!(problems[4].to_string(), "interval: 0.05 s is not between 0.1 and 3600 s");
        let many = (1..=MAX_MASTERNODES as u16).map(|port| ("b".to_owned(), port)).collect();
        let many = Config { also: many, ..Config::new("h", 1, "/s") };
        assert_eq!(many.problems().len(), 1, "{:?}", many.problems());
        let alone = Config { outbox: None, spool: Some(Spool::new("/s")), ..Config::new("h", 1, "/s") };
        assert_eq!(alone.problems().len(), 2, "{:?}", alone.problems());
    }
}
