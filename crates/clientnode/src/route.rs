//! The way to one masternode: the state of its link, the pace of its replay, what was counted.
//!
//! Each masternode has one, and none knows of another: a masternode that is slow or gone holds up
//! neither the sampling nor the others.

use std::time::Duration;

use crate::Moment;
use crate::pacer::{Pace, Pacer};

/// What was sent this long before the link broke is sent again.
///
/// A silent link is found within the heartbeat's interval and timeout, 4.8 s together ([`chasar_link`]);
/// 5 s more are for a masternode that was behind when it died, and 5 s for what it had not yet
/// written to disk. It is also how long a sent report is kept while the link is good.
pub(crate) const OVERLAP: Duration = Duration::from_secs(15);

/// Totals of one masternode since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) sent_bytes: u64,
    pub(crate) sent_reports: u64,
    pub(crate) replayed_reports: u64,
    pub(crate) dropped_reports: u64,
    pub(crate) reconnects: u64,
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Totals) {
        self.sent_bytes += other.sent_bytes;
        self.sent_reports += other.sent_reports;
        self.replayed_reports += other.replayed_reports;
        self.dropped_reports += other.dropped_reports;
        self.reconnects += other.reconnects;
    }
}

/// The way to one masternode.
pub(crate) struct Route {
    pub(crate) pacer: Pacer,
    pub(crate) totals: Totals,
    pub(crate) up: bool,
    was_up: bool,
    /// A clock that runs while the link is up and watched.
    pub(crate) link_time: Duration,
    /// Reports replayed before the replay that runs.
    pub(crate) replay_began: Option<u64>,
    /// On the link's clock: when what a replay sent has been let go, and memory can go back.
    pub(crate) rest_at: Option<Duration>,
    pub(crate) said_dropping: bool,
}

impl Route {
    pub(crate) fn new(pace: Pace) -> Route {
        Route {
            pacer: Pacer::new(pace),
            totals: Totals::default(),
            up: false,
            was_up: false,
            // Later than anything settled at the start.
            link_time: OVERLAP,
            replay_began: None,
            rest_at: None,
            said_dropping: false,
        }
    }

    /// What the link took until then has surely arrived.
    pub(crate) fn surely_arrived_until(&self) -> Duration {
        self.link_time.saturating_sub(OVERLAP)
    }

    /// The link came up.
    pub(crate) fn came_up(&mut self) {
        self.up = true;
        self.totals.reconnects += u64::from(self.was_up);
        self.was_up = true;
    }

    /// The link broke.
    pub(crate) fn went_down(&mut self) {
        self.up = false;
        self.pacer.stop();
        self.replay_began = None;
    }

    /// When the next batch of a replay is due.
    pub(crate) fn next_batch(&self) -> Option<Moment> {
        self.pacer.next().filter(|_| self.up)
    }

    /// A report of `wire_bytes` was handed to the link.
    pub(crate) fn count_sent(&mut self, wire_bytes: usize) {
        self.totals.sent_reports += 1;
        self.totals.sent_bytes += wire_bytes as u64;
    }
}
