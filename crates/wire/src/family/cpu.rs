//! Processor.

use chasar_wire_derive::Read;
use serde::{Deserialize, Serialize};

/// Processor: share used and times per core, load, frequency.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Read)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cpu {
    /// Share of each core used since the last report, 0 to 100; `null` for a core without a
    /// previous reading. The order is that of `core`.
    #[serde(default)]
    pub percent_used: Vec<Option<f64>>,
    /// Numbers of the cores that are online, in the order of all lists here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub core: Vec<u32>,
    /// Time spent by each core, by mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<CpuTimes>,
    /// Frequency of each core now, hertz; empty where the host does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frequency_hertz: Vec<Option<u64>>,
    /// Load average over 1 minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load1: Option<f64>,
    /// Load average over 5 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load5: Option<f64>,
    /// Load average over 15 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load15: Option<f64>,
    /// Context switches since boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_switches_total: Option<u64>,
    /// Interrupts since boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupts_total: Option<u64>,
    /// Soft interrupts since boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub softirqs_total: Option<u64>,
    /// Processes and threads created since boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forks_total: Option<u64>,
}

/// Seconds each core spent in each mode since boot (Linux: `/proc/stat`), one number a core.
///
/// As in the kernel, `user` includes `guest` and `nice` includes `guest_nice`. A mode that the
/// host does not know is an empty list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Read)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CpuTimes {
    /// Ordinary programs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub user_seconds: Vec<f64>,
    /// Programs of low priority.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nice_seconds: Vec<f64>,
    /// Kernel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub system_seconds: Vec<f64>,
    /// Nothing to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub idle_seconds: Vec<f64>,
    /// Nothing to do while I/O is outstanding.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub iowait_seconds: Vec<f64>,
    /// Interrupts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub irq_seconds: Vec<f64>,
    /// Soft interrupts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub softirq_seconds: Vec<f64>,
    /// Taken by the hypervisor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steal_seconds: Vec<f64>,
    /// Running a guest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guest_seconds: Vec<f64>,
    /// Running a guest of low priority.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guest_nice_seconds: Vec<f64>,
}
