//! What computer this is.

use chasar_wire_derive::Read;
use serde::{Deserialize, Serialize};

use crate::Text;

/// What computer this is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Read)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Host {
    /// Time since boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime_seconds: Option<f64>,
    /// When it booted, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_time_seconds: Option<f64>,
    /// Operating system family: `linux`, `macos`, `windows`, ….
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<Text>,
    /// Name for people (`PRETTY_NAME` of os-release(5)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os_name: Option<Text>,
    /// Identifier of the distribution (`ID` of os-release(5)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os_id: Option<Text>,
    /// Version (`VERSION_ID` of os-release(5)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<Text>,
    /// Kernel release, as `uname -r`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<Text>,
    /// Kernel build, as `uname -v`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_version: Option<Text>,
    /// Machine, as `uname -m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<Text>,
    /// Processors online.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<u32>,
    /// Processor model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_model: Option<Text>,
    /// Model of the machine (DMI product name or device tree model).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Text>,
    /// Container or virtual machine this system runs in: `docker`, `lxc`, `kvm`, ….
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtualization: Option<Text>,
    /// Local time less UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone_offset_seconds: Option<i32>,
}
