//! What can happen to the fleet, and what the fleet wants done about it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chasar_wire::{NodeEvent, Report};

/// Where a report came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The peer's network address as the link tells it.
    pub address: &'a str,
    /// Whether another masternode passed it on, so that it may have come by another way too.
    pub relayed: bool,
    /// What tells a report without an identity (of 2016) from the others of its node: a hash of its bytes. Only
    /// needed where reports come by several ways.
    pub digest: Option<u64>,
}

impl<'a> Origin<'a> {
    /// A node that reports to us itself.
    pub fn direct(address: &'a str) -> Origin<'a> {
        Origin { address, relayed: false, digest: None }
    }
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A report came and was decoded.
    Report {
        /// The report.
        report: &'a Report,
        /// Where it came from.
        origin: Origin<'a>,
    },
    /// Something came that is no report.
    Bad {
        /// Where it came from.
        origin: Origin<'a>,
        /// What kind of fault, for counters (`DecodeError::kind` and the like).
        kind: &'static str,
        /// What is wrong, for people.
        detail: &'a str,
    },
    /// Time has passed, and everything that came until now was handed in. At least four a second.
    Tick,
}

/// Something to be done. Effects are in the order in which they are to happen.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// The report of this step is new: publish it.
    Accepted {
        /// The node it belongs to; for a clone not the one in the report.
        node_id: Arc<str>,
        /// Whether it came late, so it is not the node's newest.
        replayed: bool,
    },
    /// The report of this step came before: drop it.
    Duplicate {
        /// The node it belongs to.
        node_id: Arc<str>,
        /// Whether it came before the fleet was restored: then it was published, but nobody knows
        /// whether all else that was to be done with it was done before the end.
        remembered: bool,
    },
    /// The report of this step is not taken: drop it. The reason is a word for counters.
    Refused {
        /// Why.
        reason: &'static str,
    },
    /// Something happened to a node: publish it.
    Changed(NodeEvent),
    /// Something for the log.
    Warning(Warning),
}

/// Something an operator should know, each at most once until it changes or once a minute.
#[derive(Clone, Debug, PartialEq)]
pub enum Warning {
    /// A sender sends what is no report.
    BadReports {
        /// Who.
        sender: Box<str>,
        /// How many since the last such line.
        count: u64,
        /// The kind of the last one.
        kind: &'static str,
        /// What was wrong with the last one.
        detail: Box<str>,
    },
    /// There are as many nodes as there may be.
    Full {
        /// How many.
        max_nodes: usize,
        /// Reports refused since the last such line.
        refused: u64,
    },
    /// A node's clock is off.
    ClockSkew {
        /// Which node.
        node_id: Arc<str>,
        /// Its host name.
        hostname: Box<str>,
        /// By how much; positive: its clock is behind ours.
        seconds: f64,
    },
    /// A node's clock is right again.
    ClockSkewGone {
        /// Which node.
        node_id: Arc<str>,
        /// Its host name.
        hostname: Box<str>,
    },
    /// The masternode itself stood still; nodes get some grace.
    Stalled {
        /// For how long.
        duration: Duration,
    },
    /// A node was gone for so long that it is forgotten.
    Forgotten {
        /// Which node.
        node_id: Arc<str>,
        /// Its host name.
        hostname: Box<str>,
    },
    /// More is missing than there is room to remember; the oldest gaps were given up.
    TooManyGaps {
        /// Which node.
        node_id: Arc<str>,
    },
    /// Reports that differ come under one session and sequence: a running system was copied.
    Conflict {
        /// Which node.
        node_id: Arc<str>,
        /// Its host name.
        hostname: Box<str>,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::BadReports { sender, count: 1, kind, detail } => {
                write!(f, "bad report from {sender} dropped ({kind}): {detail}")
            }
            Warning::BadReports { sender, count, kind, detail } => {
                write!(
                    f,
                    "{count} bad reports from {sender} dropped in the last minute; the last one ({kind}): {detail}"
                )
            }
            Warning::Full { max_nodes, refused } => write!(
                f,
                "the fleet has {max_nodes} nodes, the most it may have: refused {refused} reports of further ones"
            ),
            Warning::ClockSkew { node_id, hostname, seconds } => {
                let direction = if *seconds > 0.0 { "behind" } else { "ahead of" };
                write!(
                    f,
                    "the clock of {hostname} ({node_id}) is {:.1} s {direction} this masternode's: check NTP on both",
                    seconds.abs()
                )
            }
            Warning::ClockSkewGone { node_id, hostname } => {
                write!(f, "the clock of {hostname} ({node_id}) is right again")
            }
            Warning::Stalled { duration } => write!(
                f,
                "this masternode stood still for {:.1} s (stopped, asleep or starved): nodes get that long to be heard again",
                duration.as_secs_f64()
            ),
            Warning::Forgotten { node_id, hostname } => {
                write!(f, "{hostname} ({node_id}) was gone for long and is forgotten")
            }
            Warning::TooManyGaps { node_id } => {
                write!(
                    f,
                    "{node_id} misses reports in more places than are kept: the oldest are given up as lost"
                )
            }
            Warning::Conflict { node_id, hostname } => write!(
                f,
                "different reports come under one session of {hostname} ({node_id}): a running system was copied; \
                 restart the clientnode on the copy"
            ),
        }
    }
}
