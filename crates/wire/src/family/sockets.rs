//! TCP, UDP and sockets.

use chasar_wire_derive::Read;
use serde::{Deserialize, Serialize};

/// Sockets: what is open now, and what the protocols counted since boot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Read)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Sockets {
    /// Sockets in use, all kinds (`sockets: used` of `/proc/net/sockstat`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<u64>,
    /// TCP sockets in use, IPv4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_inuse: Option<u64>,
    /// TCP sockets in use, IPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp6_inuse: Option<u64>,
    /// TCP sockets without an owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_orphan: Option<u64>,
    /// TCP sockets in TIME_WAIT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_tw: Option<u64>,
    /// TCP sockets allocated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_alloc: Option<u64>,
    /// Memory of TCP buffers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_mem_bytes: Option<u64>,
    /// UDP sockets in use, IPv4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp_inuse: Option<u64>,
    /// UDP sockets in use, IPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp6_inuse: Option<u64>,
    /// Memory of UDP buffers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp_mem_bytes: Option<u64>,
    /// TCP sockets by state, IPv4 and IPv6; read less often than each second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_states: Option<TcpStates>,
    /// Protocol counters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocols: Option<NetworkProtocols>,
}

/// TCP sockets by state (RFC 9293).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Read)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TcpStates {
    /// Sockets in ESTABLISHED.
    #[serde(default)]
    pub established: u64,
    /// Sockets in SYN-SENT.
    #[serde(default)]
    pub syn_sent: u64,
    /// Sockets in SYN-RECV.
    #[serde(default)]
    pub syn_recv: u64,
    /// Sockets in FIN-WAIT1.
    #[serde(default)]
    pub fin_wait1: u64,
    /// Sockets in FIN-WAIT2.
    #[serde(default)]
    pub fin_wait2: u64,
    /// Sockets in TIME-WAIT.
    #[serde(default)]
    pub time_wait: u64,
    /// Sockets in CLOSE.
    #[serde(default)]
    pub close: u64,
    /// Sockets in CLOSE-WAIT.
    #[serde(default)]
    pub close_wait: u64,
    /// Sockets in LAST-ACK.
    #[serde(default)]
    pub last_ack: u64,
    /// Sockets in LISTEN.
    #[serde(default)]
    pub listen: u64,
    /// Sockets in CLOSING.
    #[serde(default)]
    pub closing: u64,
}

/// Counters since boot of the IP protocols (RFC 1213; Linux: `/proc/net/snmp`, `snmp6`, `netstat`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Read)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NetworkProtocols {
    /// `Tcp: ActiveOpens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_active_opens_total: Option<u64>,
    /// `Tcp: PassiveOpens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_passive_opens_total: Option<u64>,
    /// `Tcp: AttemptFails`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_attempt_fails_total: Option<u64>,
    /// `Tcp: EstabResets`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_estab_resets_total: Option<u64>,
    /// `Tcp: CurrEstab`, sockets established now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_curr_estab: Option<u64>,
    /// `Tcp: InSegs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_in_segs_total: Option<u64>,
    /// `Tcp: OutSegs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_out_segs_total: Option<u64>,
    /// `Tcp: RetransSegs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_retrans_segs_total: Option<u64>,
    /// `Tcp: InErrs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_in_errs_total: Option<u64>,
    /// `Tcp: OutRsts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_out_rsts_total: Option<u64>,
    /// `TcpExt: ListenOverflows`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_listen_overflows_total: Option<u64>,
    /// `TcpExt: ListenDrops`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_listen_drops_total: Option<u64>,
    /// `TcpExt: TCPSynRetrans`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_syn_retrans_total: Option<u64>,
    /// `TcpExt: TCPTimeouts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_timeouts_total: Option<u64>,
    /// `TcpExt: SyncookiesSent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_syncookies_sent_total: Option<u64>,
    /// `Udp: InDatagrams`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp_in_datagrams_total: Option<u64>,
    /// `Udp: OutDatagrams`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp_out_datagrams_total: Option<u64>,
    /// `Udp: NoPorts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp_no_ports_total: Option<u64>,
    /// `Udp: InErrors`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp_in_errors_total: Option<u64>,
    /// `Udp: RcvbufErrors`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp_rcvbuf_errors_total: Option<u64>,
    /// `Udp: SndbufErrors`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp_sndbuf_errors_total: Option<u64>,
    /// `Udp6InDatagrams`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp6_in_datagrams_total: Option<u64>,
    /// `Udp6OutDatagrams`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp6_out_datagrams_total: Option<u64>,
    /// `Udp6NoPorts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp6_no_ports_total: Option<u64>,
    /// `Udp6InErrors`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp6_in_errors_total: Option<u64>,
    /// `Udp6RcvbufErrors`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp6_rcvbuf_errors_total: Option<u64>,
    /// `Ip: Forwarding`: 1 when this host routes, else 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_forwarding: Option<u64>,
    /// `Icmp: InMsgs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp_in_msgs_total: Option<u64>,
    /// `Icmp: OutMsgs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp_out_msgs_total: Option<u64>,
    /// `Icmp: InErrors`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp_in_errors_total: Option<u64>,
    /// `IpExt: InOctets`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_in_octets_total: Option<u64>,
    /// `IpExt: OutOctets`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_out_octets_total: Option<u64>,
    /// `Ip6InOctets`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip6_in_octets_total: Option<u64>,
    /// `Ip6OutOctets`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip6_out_octets_total: Option<u64>,
}
