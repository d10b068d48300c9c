//! Series of the clientnode itself.

use super::{Kind, Metric, Sink, metrics_of, read_all, readings};
use crate::family::{Agent, AgentMasternode};

static INFO: Metric =
    Metric::new("chasar_agent_info", Kind::Info, "Which version of Chasar the clientnode is", &["version"]);

readings! {
    ALL of Agent, labels &[];
    "chasar_agent_start_time_seconds" Gauge "When this run of the clientnode began, Unix time" => |a| a.started_at_ms.map(seconds);
    "chasar_agent_cpu_seconds_total" Counter "Processor time the clientnode used" => |a| a.cpu_seconds_total;
    "chasar_agent_resident_memory_bytes" Gauge "Resident memory of the clientnode" => |a| a.resident_bytes;
    "chasar_agent_sent_bytes_total" Counter "Bytes of reports handed to the links, to all masternodes together" => |a| a.sent_bytes_total;
    "chasar_agent_sent_reports_total" Counter "Reports handed to the links, replays included, to all masternodes together" => |a| a.sent_reports_total;
    "chasar_agent_replayed_reports_total" Counter "Reports sent again after a cut, to all masternodes together" => |a| a.replayed_reports_total;
    "chasar_agent_dropped_reports_total" Counter "Reports that the outbox had to let go before they were sent: one that two masternodes did not get counts twice" => |a| a.dropped_reports_total;
    "chasar_agent_missed_ticks_total" Counter "Samples not taken because the host was asleep or too busy" => |a| a.missed_ticks_total;
    "chasar_agent_reconnects_total" Counter "Times a link came up again, of all masternodes together" => |a| a.reconnects_total;
    "chasar_agent_outbox_reports" Gauge "Reports kept for a replay; one that is kept on disk for two masternodes counts twice" => |a| a.outbox_reports;
    "chasar_agent_outbox_bytes" Gauge "Size of the reports kept for a replay, as kept" => |a| a.outbox_bytes;
    "chasar_agent_sample_seconds" Gauge "How long it took to take the last sample, all probes" => |a| a.sample_seconds;
}

readings! {
    MASTERNODES of AgentMasternode, labels &["masternode"];
    "chasar_agent_masternode_connected" Gauge "1 while the link to this masternode is up; only where there are several" => |m| m.connected;
    "chasar_agent_masternode_pending_reports" Gauge "Reports that wait to be sent to this masternode again" => |m| m.pending_reports;
    "chasar_agent_masternode_sent_reports_total" Counter "Reports handed to the link of this masternode, replays included" => |m| m.sent_reports_total;
    "chasar_agent_masternode_replayed_reports_total" Counter "Reports sent to this masternode again after a cut" => |m| m.replayed_reports_total;
    "chasar_agent_masternode_dropped_reports_total" Counter "Reports that the outbox had to let go before this masternode got them" => |m| m.dropped_reports_total;
    "chasar_agent_masternode_reconnects_total" Counter "Times the link to this masternode came up again" => |m| m.reconnects_total;
}

#[expect(clippy::cast_precision_loss, reason = "exact until the year 287396")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

pub(super) fn walk(agent: &Agent, sink: &mut impl Sink) {
    if let Some(version) = &agent.version {
        sink.sample(&INFO, &[version], 1.0);
    }
    read_all(ALL, agent, &[], sink);
    for masternode in agent.masternodes.iter().flatten() {
        read_all(MASTERNODES, masternode, &[&masternode.address], sink);
    }
}

pub(super) fn metrics(all: &mut Vec<&'static Metric>) {
    all.push(&INFO);
    all.extend(metrics_of(ALL));
    all.extend(metrics_of(MASTERNODES));
}
