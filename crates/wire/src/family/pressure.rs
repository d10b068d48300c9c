//! Pressure stall information.

use chasar_wire_derive::Read;
use serde::{Deserialize, Serialize};

/// Pressure stall information (Linux: Documentation/accounting/psi.rst), `/proc/pressure/*`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Read)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Pressure {
    /// Waiting for a processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Stall>,
    /// Waiting for memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Stall>,
    /// Waiting for I/O.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub io: Option<Stall>,
    /// Time lost to interrupt handling (kernel 6.1 and later).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub irq: Option<Stall>,
}

/// Stalls on one resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Read)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Stall {
    /// At least one task was stalled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub some: Option<StallTimes>,
    /// All non-idle tasks were stalled at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full: Option<StallTimes>,
}

/// How much of the time tasks were stalled.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Read)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StallTimes {
    /// Share of the last 10 seconds, 0 to 100.
    pub avg10_percent: f64,
    /// Share of the last 60 seconds, 0 to 100.
    pub avg60_percent: f64,
    /// Share of the last 300 seconds, 0 to 100.
    pub avg300_percent: f64,
    /// Stalled time since boot, seconds.
    pub seconds_total: f64,
}
