//! The bounds and times that an operator may change.

use std::time::Duration;

use chasar_wire::limits::MAX_NODES;

/// The bounds and times that an operator may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Most nodes; reports of further ones are refused. At most 20,000 by the wire contract.
    pub max_nodes: usize,
    /// A node that was down or has left for so long is forgotten.
    pub forget_after: Duration,
    /// With the fleet full, a new node takes the place of one gone for at least this long.
    pub make_room_after: Duration,
    /// After a restart of the masternode, nodes get this long to come back before they count as silent.
    pub restart_grace: Duration,
    /// How long nothing may have come back before a gap that a node calls final is final.
    ///
    /// A node's word and its replay can cross on the way; waiting a little keeps us from crying loss.
    pub gap_settle: Duration,
    /// Most missing ranges kept for one session: a cut of an hour at ten reports a second, replayed
    /// in the worst order, needs 18,000.
    pub max_ranges_per_session: usize,
    /// Most missing ranges kept for all nodes together.
    pub max_ranges: usize,
    /// Most senders of bad reports that are told apart.
    pub max_bad_senders: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            max_nodes: MAX_NODES,
            forget_after: Duration::from_secs(7 * 24 * 3_600),
            make_room_after: Duration::from_secs(600),
            restart_grace: Duration::from_secs(15),
            gap_settle: Duration::from_secs(3),
            max_ranges_per_session: 20_000,
            max_ranges: 1_000_000,
            max_bad_senders: 1_024,
        }
    }
}
