//! Network interfaces.

use chasar_wire_derive::Read;
use serde::{Deserialize, Serialize};

use crate::Text;

/// One IPv4 address in the shape of 2016 (and of `netifaces`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Read)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ipv4Interface {
    /// Address.
    pub addr: Text,
    /// Netmask.
    #[serde(default)]
    pub netmask: Option<Text>,
    /// Broadcast address; `null` on links without one.
    #[serde(default)]
    pub broadcast: Option<Text>,
}

/// Network interfaces.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Read)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Network {
    /// The interface that holds the default route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_interface: Option<Text>,
    /// Every interface.
    #[serde(default)]
    pub interfaces: Vec<Interface>,
}

/// One network interface: counters since it appeared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Read)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Interface {
    /// Name, such as `eth0`.
    pub device: Text,
    /// Hardware address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<Text>,
    /// Operational state (RFC 2863): `up`, `down`, `unknown`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operstate: Option<Text>,
    /// Link speed, bytes a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed_bytes: Option<u64>,
    /// Largest packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu_bytes: Option<u64>,
    /// Bytes received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive_bytes_total: Option<u64>,
    /// Packets received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive_packets_total: Option<u64>,
    /// Receive errors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive_errs_total: Option<u64>,
    /// Received packets dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive_drop_total: Option<u64>,
    /// Receive overruns: the host did not take packets off the device in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive_fifo_total: Option<u64>,
    /// Frames received that were misaligned or of a wrong length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive_frame_total: Option<u64>,
    /// Multicast packets received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive_multicast_total: Option<u64>,
    /// Bytes sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transmit_bytes_total: Option<u64>,
    /// Packets sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transmit_packets_total: Option<u64>,
    /// Transmit errors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transmit_errs_total: Option<u64>,
    /// Packets to send dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transmit_drop_total: Option<u64>,
    /// Transmit underruns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transmit_fifo_total: Option<u64>,
    /// Collisions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transmit_colls_total: Option<u64>,
    /// Losses of the carrier while sending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transmit_carrier_total: Option<u64>,
    /// IPv4 addresses with prefix length, `192.0.2.1/24`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ipv4: Vec<Text>,
    /// IPv6 addresses with prefix length, `2001:db8::1/64`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ipv6: Vec<Text>,
}
