//! The clientnode itself.

use chasar_wire_derive::Read;
use serde::{Deserialize, Serialize};

use crate::Text;

/// What the clientnode itself uses and did since it started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Read)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Agent {
    /// Version of Chasar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Text>,
    /// Process id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// When this session began, Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at_ms: Option<i64>,
    /// Processor time used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds_total: Option<f64>,
    /// Resident memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident_bytes: Option<u64>,
    /// Bytes of reports handed to the links, to all masternodes together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_bytes_total: Option<u64>,
    /// Reports handed to the links, replays included, to all masternodes together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_reports_total: Option<u64>,
    /// Reports sent again after a cut, to all masternodes together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed_reports_total: Option<u64>,
    /// Reports that the outbox had to let go before they were sent: one that two masternodes did not get counts twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_reports_total: Option<u64>,
    /// Samples not taken because the host was asleep or too busy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_ticks_total: Option<u64>,
    /// Times a link came up again, of all masternodes together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconnects_total: Option<u64>,
    /// Reports kept for a replay; one that is kept on disk for two masternodes counts twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbox_reports: Option<u64>,
    /// Their size as kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbox_bytes: Option<u64>,
    /// How long it took to take the last sample, all probes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_seconds: Option<f64>,
    /// Each masternode that reports go to, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masternodes: Option<Vec<AgentMasternode>>,
}

/// How a clientnode and one of its masternodes are doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Read)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentMasternode {
    /// Where it is, as the clientnode was told: `host:port`.
    #[serde(default)]
    pub address: Text,
    /// Whether the link to it is up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected: Option<bool>,
    /// Reports that wait to be sent to it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_reports: Option<u64>,
    /// Reports handed to its link, replays included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_reports_total: Option<u64>,
    /// Reports sent to it again after a cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed_reports_total: Option<u64>,
    /// Reports that the outbox had to let go before it got them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_reports_total: Option<u64>,
    /// Times its link came up again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconnects_total: Option<u64>,
}
