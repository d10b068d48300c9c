//! The fleet for readers: cheap to build each second, shared and never changed afterwards.

use std::sync::Arc;

use chasar_wire::family::Network;
use chasar_wire::{Report, Text};
use serde::{Deserialize, Serialize};

use crate::State;

/// The fleet at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FleetSnapshot {
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// Nodes by state.
    pub totals: Totals,
    /// What was counted since the masternode started.
    pub counters: Counters,
    /// Every node, in no particular but a stable order.
    pub nodes: Vec<Arc<NodeSnapshot>>,
}

/// Number of nodes by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// All nodes.
    pub nodes: usize,
    /// Nodes whose reports come.
    pub live: usize,
    /// Nodes whose report is overdue.
    pub late: usize,
    /// Nodes whose reports stopped.
    pub down: usize,
    /// Nodes that were stopped on purpose.
    pub left: usize,
}

impl Totals {
    pub(crate) fn of(&mut self, state: State) -> &mut usize {
        match state {
            State::Live => &mut self.live,
            State::Late => &mut self.late,
            State::Down => &mut self.down,
            State::Left => &mut self.left,
        }
    }

    /// The number of nodes in `state`.
    pub fn get(mut self, state: State) -> usize {
        *self.of(state)
    }
}

/// Counts of reports, of one node or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Reports taken, replayed ones included.
    pub accepted_total: u64,
    /// Of these, reports that came late.
    pub replayed_total: u64,
    /// Reports dropped because they had come before.
    pub duplicates_total: u64,
    /// Reports of gaps that were said to be final.
    pub lost_total: u64,
    /// Reports that came after they were said to be lost.
    pub recovered_total: u64,
    /// Reports dropped because another one came under the same session and sequence.
    pub conflicts_total: u64,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeSnapshot {
    /// Its identity, or the name derived for it (nodes of 2016, clones).
    pub node_id: Arc<str>,
    /// What seldom changes.
    #[serde(flatten)]
    pub about: Arc<About>,
    /// Its state.
    pub state: State,
    /// Since when, Unix milliseconds.
    pub since_ms: i64,
    /// When its last report came, Unix milliseconds.
    pub last_report_ms: i64,
    /// When the newest report was sampled by the node's clock, Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampled_at_ms: Option<i64>,
    /// Time between two reports.
    pub interval_seconds: f64,
    /// The run of the clientnode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Arc<str>>,
    /// Number of the newest report within that run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// Numbers of the newest report.
    pub summary: Summary,
    /// What was counted since the masternode started.
    pub counters: Counters,
    /// Missing reports that may still come.
    pub missing: u64,
    /// By how much the node's clock is behind ours (negative: ahead), once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_skew_seconds: Option<f64>,
    /// Whether another running clientnode uses this identity.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cloned: bool,
}

/// What seldom changes about a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Host name.
    pub hostname: Text,
    /// Network address its reports come from.
    pub address: Text,
    /// MAC address of the interface that holds the default route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<Text>,
    /// IPv4 addresses of that interface.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ipv4: Vec<Text>,
    /// Version of Chasar on the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Text>,
    /// Operating system, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os_name: Option<Text>,
    /// Kernel release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<Text>,
    /// Machine architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<Text>,
}

impl About {
    pub(crate) fn of(report: &Report, address: &str) -> About {
        let host = report.host.as_ref();
        About {
            hostname: report.hostname.clone(),
            address: address.into(),
            mac_address: report.mac_address.clone(),
            ipv4: report.ipv4_interfaces.iter().map(|i| i.addr.clone()).collect(),
            version: report.agent.as_ref().and_then(|a| a.version.clone()),
            os_name: host.and_then(|h| h.os_name.clone()),
            kernel: host.and_then(|h| h.kernel.clone()),
            architecture: host.and_then(|h| h.architecture.clone()),
        }
    }

    /// Whether [`About::of`] would give the same, without building it.
    pub(crate) fn still_fits(&self, report: &Report, address: &str) -> bool {
        let host = report.host.as_ref();
        self.hostname == report.hostname
            && self.address == address
            && self.mac_address == report.mac_address
            && self.ipv4.iter().eq(report.ipv4_interfaces.iter().map(|i| &i.addr))
            && self.version.as_ref() == report.agent.as_ref().and_then(|a| a.version.as_ref())
            && self.os_name.as_ref() == host.and_then(|h| h.os_name.as_ref())
            && self.kernel.as_ref() == host.and_then(|h| h.kernel.as_ref())
            && self.architecture.as_ref() == host.and_then(|h| h.architecture.as_ref())
    }
}

/// A node in a few numbers, for tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Mean over the cores, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    /// Memory used, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_percent: Option<f64>,
    /// Root file system used, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_percent: Option<f64>,
    /// Load average over 1 minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load1: Option<f64>,
    /// Number of processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
    /// Time since boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime_seconds: Option<f64>,
    /// Received on the default interface (without one: on all but loopback), bytes a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive_bytes_per_second: Option<f64>,
    /// Sent likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transmit_bytes_per_second: Option<f64>,
}

/// Traffic counters of the report before, for rates.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    sampled_ms: i64,
    receive: u64,
    transmit: u64,
}

impl Traffic {
    fn of(network: &Network, sampled_ms: i64) -> Option<Traffic> {
        let mut counted = network
            .interfaces
            .iter()
            .filter(|i| match &network.default_interface {
                Some(name) => i.device == *name,
                None => i.device != "lo",
            })
            .filter_map(|i| Some((i.receive_bytes_total?, i.transmit_bytes_total?)))
            .peekable();
        counted.peek()?;
        let (receive, transmit) =
            counted.fold((0u64, 0u64), |(r, t), (rx, tx)| (r.saturating_add(rx), t.saturating_add(tx)));
        Some(Traffic { sampled_ms, receive, transmit })
    }
}

impl Summary {
    /// The numbers of `report`; `traffic` is that of the report before and becomes that of this one.
    pub(crate) fn of(report: &Report, traffic: &mut Option<Traffic>) -> Summary {
        let cores = report.cpu.percent_used.iter().flatten();
        let (sum, count) = cores.fold((0.0, 0u32), |(sum, n), p| (sum + p, n + 1));
        let next = report
            .network
            .as_ref()
            .zip(report.sampled_at_ms)
            .and_then(|(n, sampled)| Traffic::of(n, sampled));
        let rate = |counter: fn(&Traffic) -> u64| {
            let (before, after) = (traffic.as_ref()?, next.as_ref()?);
            let millis = after.sampled_ms.saturating_sub(before.sampled_ms);
            // A counter that went back was reset: no rate is better than a wrong one.
            let bytes = counter(after).checked_sub(counter(before))?;
            (millis > 0).then(|| bytes as f64 * 1e3 / millis as f64)
        };
        let summary = Summary {
            cpu_percent: (count > 0).then(|| sum / f64::from(count)),
            memory_percent: report.memory.percent_used,
            disk_percent: report.disk.percent_used,
            load1: report.cpu.load1,
            processes: report.processes.as_ref().map(|p| p.total),
            uptime_seconds: report.host.as_ref().and_then(|h| h.uptime_seconds),
            receive_bytes_per_second: rate(|t| t.receive),
            transmit_bytes_per_second: rate(|t| t.transmit),
        };
        *traffic = next;
        summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chasar_wire::family::Interface;

    fn report(sampled_at_ms: i64, receive: u64) -> Report {
        let eth0 = Interface {
            device: "eth0".into(),
            receive_bytes_total: Some(receive),
            transmit_bytes_total: Some(0),
            ..Interface::default()
        };
        Report {
            hostname: "h".into(),
            sampled_at_ms: Some(sampled_at_ms),
            network: Some(Network { default_interface: Some("eth0".into()), interfaces: vec![eth0] }),
            ..Report::default()
        }
    }

    #[test]
    fn rates_need_two_reports_and_survive_a_reset() {
        let mut traffic = None;
        let mut rate = |at, receive| Summary::of(&report(at, receive), &mut traffic).receive_bytes_per_second;
        assert_eq!(rate(1_000, 500), None);
        assert_eq!(rate(3_000, 1_500), Some(500.0));
        assert_eq!(rate(4_000, 10), None, "the counter was reset");
        assert_eq!(rate(5_000, 20), Some(10.0));
    }

    #[test]
    fn a_core_without_a_number_is_not_zero() {
        let mut report = report(0, 0);
        assert_eq!(Summary::of(&report, &mut None).cpu_percent, None);
        report.cpu.percent_used = vec![Some(10.0), None, Some(30.0)];
        assert_eq!(Summary::of(&report, &mut None).cpu_percent, Some(20.0));
    }

    #[test]
    fn about_knows_when_it_still_fits() {
        let mut report = report(0, 0);
        let about = About::of(&report, "10.0.0.1");
        assert!(about.still_fits(&report, "10.0.0.1"));
        assert!(!about.still_fits(&report, "10.0.0.2"));
        report.mac_address = Some("aa".into());
        assert!(!about.still_fits(&report, "10.0.0.1"));
        assert!(About::of(&report, "").still_fits(&report, ""));
    }
}
