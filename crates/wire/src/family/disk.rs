//! The root file system, in the shape of 2016.

use chasar_wire_derive::Read;
use serde::{Deserialize, Serialize};

/// The root file system, in the shape of 2016; all others are in `filesystems`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Read)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Disk {
    /// Size.
    #[serde(default)]
    pub total_bytes: Option<u64>,
    /// Used: size less what is free for root, as `df` says.
    #[serde(default)]
    pub total_bytes_used: Option<u64>,
    /// Free for ordinary users, as psutil says.
    #[serde(default)]
    pub total_bytes_free: Option<u64>,
    /// Used share of what ordinary users can have, 0 to 100, as `df` says.
    #[serde(default)]
    pub percent_used: Option<f64>,
}
