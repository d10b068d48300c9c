//! Mounted file systems.

use chasar_wire_derive::Read;
use serde::{Deserialize, Serialize};

use crate::Text;

/// One mounted file system that holds data; bind mounts and the like are not counted twice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Read)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Filesystem {
    /// Where it is mounted.
    pub mountpoint: Text,
    /// What is mounted.
    pub device: Text,
    /// Type, such as `ext4`.
    pub fstype: Text,
    /// Size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Free, for root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_bytes: Option<u64>,
    /// Free, for ordinary users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avail_bytes: Option<u64>,
    /// Inodes; missing where the file system has no fixed number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// Free inodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_free: Option<u64>,
    /// Whether it is mounted read-only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// Why `statfs(2)` gave no numbers, e.g. a network mount that hangs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_error: Option<Text>,
}
