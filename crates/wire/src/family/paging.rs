//! Swap space and paging.

use chasar_wire_derive::Read;
use serde::{Deserialize, Serialize};

/// Swap space, from `/proc/meminfo`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Read)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Swap {
    /// `SwapTotal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_bytes: Option<u64>,
    /// `SwapFree`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_bytes: Option<u64>,
    /// Total less free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_bytes: Option<u64>,
    /// `SwapCached`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_bytes: Option<u64>,
    /// Used share, 0 to 100; missing without swap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent_used: Option<f64>,
    /// `Zswap`: memory that holds compressed pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zswap_bytes: Option<u64>,
    /// `Zswapped`: what those pages were before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zswapped_bytes: Option<u64>,
}

/// Paging counters since boot, from `/proc/vmstat`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Read)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Paging {
    /// Read from block devices (`pgpgin`, there in KiB).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_bytes_total: Option<u64>,
    /// Written to block devices (`pgpgout`, there in KiB).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_bytes_total: Option<u64>,
    /// Pages swapped in (`pswpin`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap_in_pages_total: Option<u64>,
    /// Pages swapped out (`pswpout`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap_out_pages_total: Option<u64>,
    /// Page faults (`pgfault`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faults_total: Option<u64>,
    /// Page faults that needed I/O (`pgmajfault`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub major_faults_total: Option<u64>,
    /// Processes killed for want of memory (`oom_kill`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oom_kills_total: Option<u64>,
}
