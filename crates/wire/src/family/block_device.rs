//! Block devices.

use chasar_wire_derive::Read;
use serde::{Deserialize, Serialize};

use crate::Text;

/// One block device: counters since boot of `/proc/diskstats` (Linux: Documentation/admin-guide/iostats.rst).
///
/// The kernel keeps times in milliseconds of 32 bits, so they begin anew every 4,294,967.296 seconds
/// of work; a 32-bit kernel does the same with operations (at 2³²) and bytes (at 2⁴¹). Who derives
/// rates takes a counter that went back for one that began anew at 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Read)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BlockDevice {
    /// Name, such as `nvme0n1`.
    pub device: Text,
    /// Reads completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads_completed_total: Option<u64>,
    /// Reads merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads_merged_total: Option<u64>,
    /// Bytes read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_bytes_total: Option<u64>,
    /// Time spent reading, summed over requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_time_seconds_total: Option<f64>,
    /// Writes completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes_completed_total: Option<u64>,
    /// Writes merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes_merged_total: Option<u64>,
    /// Bytes written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_bytes_total: Option<u64>,
    /// Time spent writing, summed over requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_time_seconds_total: Option<f64>,
    /// Requests in flight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub io_now: Option<u64>,
    /// Time with at least one request in flight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub io_time_seconds_total: Option<f64>,
    /// Time of all requests, weighted by their number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub io_time_weighted_seconds_total: Option<f64>,
    /// Discards completed (kernel 4.18 and later).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discards_completed_total: Option<u64>,
    /// Discards merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discards_merged_total: Option<u64>,
    /// Bytes discarded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discarded_bytes_total: Option<u64>,
    /// Time spent discarding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discard_time_seconds_total: Option<f64>,
    /// Flushes completed (kernel 5.5 and later).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flush_requests_total: Option<u64>,
    /// Time spent flushing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flush_requests_time_seconds_total: Option<f64>,
}
