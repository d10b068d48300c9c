//! What the masternode says about a node on the topic `chasar/node/<node_id>/state`.

use serde::{Deserialize, Serialize};

use crate::Text;

/// A change in a node's state, as JSON on `chasar/node/<node_id>/state`.
///
/// A change is published when it happens. For listeners that come late the masternode repeats each
/// node's present state from time to time, marked `repeated`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeEvent {
    /// The node. For nodes of 2016, which have no identity, a name derived from host name and MAC.
    pub node_id: Text,
    /// Its host name now.
    pub hostname: Text,
    /// What happened.
    #[serde(flatten)]
    pub change: StateChange,
    /// When the masternode saw it, Unix milliseconds.
    pub at_ms: i64,
    /// `true` when this repeats what was said before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeated: bool,
}

/// What happened to a node; on the wire the key `state` and, for some, further keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum StateChange {
    /// First report of this node.
    Joined,
    /// A report is overdue.
    Late,
    /// Reports stopped coming.
    Down,
    /// Reports come again after `late`, `down` or `left`.
    Back,
    /// The clientnode was stopped on purpose.
    Left,
    /// Reports `from_sequence` to `to_sequence` of a session never came and will not come.
    Gap {
        /// The session they belong to.
        session: Text,
        /// First missing sequence number.
        from_sequence: u64,
        /// Last missing sequence number.
        to_sequence: u64,
    },
    /// The host changed its name.
    Renamed {
        /// The name before.
        previous_hostname: Text,
    },
    /// Two running clientnodes use this identity; the other one is at `other_hostname`.
    Cloned {
        /// Host name of the other one.
        other_hostname: Text,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_flat_objects() {
        let event = NodeEvent {
            node_id: "n".into(),
            hostname: "h".into(),
            change: StateChange::Gap { session: "s".into(), from_sequence: 3, to_sequence: 5 },
            at_ms: 7,
            repeated: false,
        };
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(
            json,
            r#"{"node_id":"n","hostname":"h","state":"gap","session":"s","from_sequence":3,"to_sequence":5,"at_ms":7}"#
        );
        assert_eq!(serde_json::from_str::<NodeEvent>(&json).unwrap(), event);
    }
}
