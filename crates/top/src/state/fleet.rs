//! All nodes that were heard of, and the link they are heard over.

use std::collections::HashMap;
use std::time::Instant;

use chasar_wire::limits::MAX_NODES;
use chasar_wire::{NodeEvent, Report, Text};

use super::{Filter, Node, NodeState, SortBy};

/// With more nodes than this, whole reports are kept of the node in focus only (ten thousand
/// reports would take several hundred mebibytes).
const KEEP_REPORTS_UP_TO: usize = 500;

/// The link to the masternode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkState {
    /// Not up yet.
    #[default]
    Connecting,
    /// Up.
    Up,
    /// Was up; being tried again.
    Lost,
}

/// The link to the masternode, and since when it is as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Whom we listen to, for people.
    pub address: String,
    /// How the link is.
    pub state: LinkState,
    /// Whether the masternode is one of 2016, which sends reports but no states.
    pub of_2016: bool,
    /// Since when.
    pub since: Option<Instant>,
}

/// What there is to know, as it comes.
#[derive(Clone, Debug)]
pub enum Update {
    /// A report; `node_id` is what the topic says, where it says.
    Report {
        /// The node, as the topic names it.
        node_id: Option<Text>,
        /// What it says.
        report: Box<Report>,
    },
    /// A change in a node's state.
    Event(NodeEvent),
    /// The link changed.
    Link(LinkState),
    /// The masternode is one of 2016, or is not after all.
    Of2016(bool),
    /// A message that could not be read.
    Unreadable,
}

/// The present, and up to when it is known.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The present.
    pub now: Instant,
    /// Up to when the states of nodes are known: the present, or when the link was lost. That we hear
    /// nothing of a node then says nothing about it.
    pub known: Instant,
}

/// How many nodes are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([usize; NodeState::ALL.len()]);

impl Counts {
    /// How many are in `state`.
    pub fn of(&self, state: NodeState) -> usize {
        self.0[state as usize]
    }

    /// All of them.
    pub fn total(&self) -> usize {
        self.0.iter().sum()
    }
}

/// All nodes that were heard of, and the link they are heard over.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    nodes: HashMap<Text, Node>,
    /// The link to the masternode.
    pub link: Link,
    /// Reports received, replayed and repeated ones included.
    pub reports: u64,
    /// Messages that could not be read.
    pub unreadable: u64,
    /// Nodes that were not taken in because there are too many.
    pub refused: u64,
    focus: Option<Text>,
}

impl Fleet {
    /// Nothing heard yet from the masternode at `address`.
    pub fn new(address: String) -> Fleet {
        Fleet { link: Link { address, ..Link::default() }, ..Fleet::default() }
    }

    /// Takes what came.
    pub fn apply(&mut self, now: Instant, update: Update) {
        match update {
            Update::Report { node_id, report } => {
                self.reports += 1;
                let id = node_id.or_else(|| report.node_id.clone()).unwrap_or_else(|| id_of_2016(&report));
                let keep = self.nodes.len() <= KEEP_REPORTS_UP_TO || self.focus.as_ref() == Some(&id);
                if let Some(node) = self.node_mut(id, &report.hostname) {
                    node.take(now, report, keep);
                }
            }
            Update::Event(event) => {
                if let Some(node) = self.node_mut(event.node_id, &event.hostname) {
                    node.change(&event.hostname, &event.change, event.repeated);
                }
            }
            Update::Link(state) => {
                if self.link.state != state {
                    self.link.state = state;
                    self.link.since = Some(now);
                }
            }
            Update::Of2016(of_2016) => self.link.of_2016 = of_2016,
            Update::Unreadable => self.unreadable += 1,
        }
    }

    fn node_mut(&mut self, id: Text, hostname: &Text) -> Option<&mut Node> {
        if self.nodes.len() >= MAX_NODES && !self.nodes.contains_key(&id) {
            self.refused += 1;
            return None;
        }
        Some(self.nodes.entry(id.clone()).or_insert_with(|| Node::new(id, hostname.clone())))
    }

    /// The node whose whole report is wanted, however many nodes there are.
    pub fn focus(&mut self, id: Option<&Text>) {
        if self.focus.as_ref() != id {
            self.focus = id.cloned();
        }
    }

    /// A node by its identity.
    pub fn node(&self, id: &str) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// The present as far as it is known.
    pub fn moment(&self, now: Instant) -> Moment {
        let lost = self.link.since.filter(|_| self.link.state == LinkState::Lost);
        Moment { now, known: lost.unwrap_or(now) }
    }

    /// The nodes that `filter` shows, in order.
    pub fn rows(&self, filter: &Filter, sort: SortBy, ascending: bool, now: Instant) -> Vec<&Node> {
        let known = self.moment(now).known;
        let mut rows: Vec<&Node> = self.nodes.values().filter(|n| filter.shows(&n.hostname, &n.id)).collect();
        rows.sort_by(|a, b| sort.compare(a, b, ascending, known));
        rows
    }

    /// How many nodes are in which state, all of them.
    pub fn counts(&self, now: Instant) -> Counts {
        let mut counts = Counts::default();
        let known = self.moment(now).known;
        for node in self.nodes.values() {
            counts.0[node.state(known) as usize] += 1;
        }
        counts
    }
}

/// Nodes of 2016 have no identity; two of one host name differ in their MAC address.
fn id_of_2016(report: &Report) -> Text {
    match &report.mac_address {
        Some(mac) => format!("{}/{mac}", report.hostname).into(),
        None => report.hostname.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chasar_wire::StateChange;

    fn report(hostname: &str, mac: Option<&str>) -> Update {
        Update::Report {
            node_id: None,
            report: Box::new(Report {
                hostname: hostname.into(),
                mac_address: mac.map(Into::into),
                ..Report::default()
            }),
        }
    }

    #[test]
    fn nodes_of_2016_are_told_apart_by_mac() {
        let now = Instant::now();
        let mut fleet = Fleet::new("a".into());
        for mac in [Some("aa:aa"), Some("bb:bb"), None, Some("aa:aa")] {
            fleet.apply(now, report("pi", mac));
        }
        assert_eq!(fleet.counts(now).total(), 3);
        assert_eq!(fleet.reports, 4);
    }

    #[test]
    fn a_node_may_be_known_by_its_state_alone() {
        let now = Instant::now();
        let mut fleet = Fleet::new("a".into());
        let event = NodeEvent {
            node_id: "n".into(),
            hostname: "h".into(),
            change: StateChange::Down,
            at_ms: 0,
            repeated: true,
        };
        fleet.apply(now, Update::Event(event));
        assert_eq!(fleet.counts(now).of(NodeState::Down), 1);
        assert_eq!(fleet.node("n").unwrap().age(now), None);
    }

    #[test]
    fn the_number_of_nodes_is_bounded() {
        let now = Instant::now();
        let mut fleet = Fleet::new("a".into());
        for i in 0..MAX_NODES + 3 {
            fleet.apply(now, report(&format!("n{i}"), None));
        }
        assert_eq!(fleet.counts(now).total(), MAX_NODES);
        assert_eq!(fleet.refused, 3);
        assert!(fleet.node("n600").unwrap().report.is_none(), "whole reports of a few only");
        let id: Text = "n600".into();
        fleet.focus(Some(&id));
        fleet.apply(now, report("n600", None));
        assert!(fleet.node("n600").unwrap().report.is_some());
    }

    #[test]
    fn a_lost_link_says_nothing_about_the_nodes() {
        let now = Instant::now();
        let later = now + std::time::Duration::from_secs(60);
        let mut fleet = Fleet::new("a".into());
        fleet.apply(now, Update::Link(LinkState::Up));
        fleet.apply(now, report("pi", None));
        assert_eq!(fleet.counts(later).of(NodeState::Down), 1, "with a link, silence is news");
        fleet.apply(now, Update::Link(LinkState::Lost));
        assert_eq!(fleet.counts(later).of(NodeState::Live), 1);
    }

    #[test]
    fn the_link_remembers_since_when() {
        let (now, later) = (Instant::now(), Instant::now() + std::time::Duration::from_secs(1));
        let mut fleet = Fleet::new("a".into());
        fleet.apply(now, Update::Link(LinkState::Up));
        fleet.apply(later, Update::Link(LinkState::Up));
        assert_eq!(fleet.link.since, Some(now));
        fleet.apply(later, Update::Link(LinkState::Lost));
        assert_eq!(fleet.link.since, Some(later));
    }
}
