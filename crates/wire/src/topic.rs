//! The first frame of every message, on both ports.

/// Clientnode → masternode: a report as plain JSON. Fixed in 2016.
pub const STATUS: &str = "status";

/// Clientnode → masternode: a report as zstd with our dictionary. A masternode of 2016 cannot read it.
pub const STATUS_ZSTD: &str = "status.zst";

/// Masternode → subscribers: every report of every node as plain JSON. Fixed in 2016.
pub const ALL_REPORTS: &str = "Chasar-Client";

/// The prefix of all per-node topics; subscribing to it gives every node's reports and states.
pub const NODE_PREFIX: &str = "chasar/node/";

/// Reports of one node: `chasar/node/<node_id>/report`.
pub fn node_report(node_id: &str) -> String {
    format!("{NODE_PREFIX}{node_id}/report")
}

/// State changes of one node: `chasar/node/<node_id>/state`, JSON of [`crate::NodeEvent`].
pub fn node_state(node_id: &str) -> String {
    format!("{NODE_PREFIX}{node_id}/state")
}

/// Splits a per-node topic into node id and kind; `None` for any other topic.
pub fn parse_node(topic: &str) -> Option<(&str, NodeTopic)> {
    let (id, kind) = topic.strip_prefix(NODE_PREFIX)?.rsplit_once('/')?;
    match kind {
        "report" => Some((id, NodeTopic::Report)),
        "state" => Some((id, NodeTopic::State)),
        _ => None,
    }
}

/// Which of a node's topics a message came on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeTopic {
    /// A report of the node.
    Report,
    /// A change of the node's state.
    State,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_topics_round_trip() {
        assert_eq!(parse_node(&node_report("a/b")), Some(("a/b", NodeTopic::Report)));
        assert_eq!(parse_node(&node_state("n1")), Some(("n1", NodeTopic::State)));
        assert_eq!(parse_node("chasar/node/n1/other"), None);
        assert_eq!(parse_node(ALL_REPORTS), None);
    }
}
