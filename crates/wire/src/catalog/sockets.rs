//! Series of sockets and of the IP protocols.

use super::{Kind, Metric, Sink, metrics_of, read_all, readings};
use crate::family::{NetworkProtocols, Sockets, TcpStates};

static STATES: Metric =
    Metric::new("node_tcp_connection_states", Kind::Gauge, "TCP sockets by state, IPv4 and IPv6", &["state"]);

readings! {
    SOCKETS of Sockets, labels &[];
    "node_sockstat_sockets_used" Gauge "Sockets in use, all kinds" => |s| s.used;
    "node_sockstat_TCP_inuse" Gauge "TCP sockets in use, IPv4" => |s| s.tcp_inuse;
    "node_sockstat_TCP6_inuse" Gauge "TCP sockets in use, IPv6" => |s| s.tcp6_inuse;
    "node_sockstat_TCP_orphan" Gauge "TCP sockets without an owner" => |s| s.tcp_orphan;
    "node_sockstat_TCP_tw" Gauge "TCP sockets in TIME_WAIT" => |s| s.tcp_tw;
    "node_sockstat_TCP_alloc" Gauge "TCP sockets allocated" => |s| s.tcp_alloc;
    "node_sockstat_TCP_mem_bytes" Gauge "Memory of TCP buffers" => |s| s.tcp_mem_bytes;
    "node_sockstat_UDP_inuse" Gauge "UDP sockets in use, IPv4" => |s| s.udp_inuse;
    "node_sockstat_UDP6_inuse" Gauge "UDP sockets in use, IPv6" => |s| s.udp6_inuse;
    "node_sockstat_UDP_mem_bytes" Gauge "Memory of UDP buffers" => |s| s.udp_mem_bytes;
}

readings! {
    PROTOCOLS of NetworkProtocols, labels &[];
    "node_netstat_Tcp_ActiveOpens" Counter "Tcp ActiveOpens of /proc/net/snmp" => |p| p.tcp_active_opens_total;
    "node_netstat_Tcp_PassiveOpens" Counter "Tcp PassiveOpens of /proc/net/snmp" => |p| p.tcp_passive_opens_total;
    "node_netstat_Tcp_AttemptFails" Counter "Tcp AttemptFails of /proc/net/snmp" => |p| p.tcp_attempt_fails_total;
    "node_netstat_Tcp_EstabResets" Counter "Tcp EstabResets of /proc/net/snmp" => |p| p.tcp_estab_resets_total;
    "node_netstat_Tcp_CurrEstab" Gauge "Tcp CurrEstab of /proc/net/snmp, sockets established now" => |p| p.tcp_curr_estab;
    "node_netstat_Tcp_InSegs" Counter "Tcp InSegs of /proc/net/snmp" => |p| p.tcp_in_segs_total;
    "node_netstat_Tcp_OutSegs" Counter "Tcp OutSegs of /proc/net/snmp" => |p| p.tcp_out_segs_total;
    "node_netstat_Tcp_RetransSegs" Counter "Tcp RetransSegs of /proc/net/snmp" => |p| p.tcp_retrans_segs_total;
    "node_netstat_Tcp_InErrs" Counter "Tcp InErrs of /proc/net/snmp" => |p| p.tcp_in_errs_total;
    "node_netstat_Tcp_OutRsts" Counter "Tcp OutRsts of /proc/net/snmp" => |p| p.tcp_out_rsts_total;
    "node_netstat_TcpExt_ListenOverflows" Counter "TcpExt ListenOverflows of /proc/net/netstat" => |p| p.tcp_listen_overflows_total;
    "node_netstat_TcpExt_ListenDrops" Counter "TcpExt ListenDrops of /proc/net/netstat" => |p| p.tcp_listen_drops_total;
    "node_netstat_TcpExt_TCPSynRetrans" Counter "TcpExt TCPSynRetrans of /proc/net/netstat" => |p| p.tcp_syn_retrans_total;
    "node_netstat_TcpExt_TCPTimeouts" Counter "TcpExt TCPTimeouts of /proc/net/netstat" => |p| p.tcp_timeouts_total;
    "node_netstat_TcpExt_SyncookiesSent" Counter "TcpExt SyncookiesSent of /proc/net/netstat" => |p| p.tcp_syncookies_sent_total;
    "node_netstat_Udp_InDatagrams" Counter "Udp InDatagrams of /proc/net/snmp" => |p| p.udp_in_datagrams_total;
    "node_netstat_Udp_OutDatagrams" Counter "Udp OutDatagrams of /proc/net/snmp" => |p| p.udp_out_datagrams_total;
    "node_netstat_Udp_NoPorts" Counter "Udp NoPorts of /proc/net/snmp" => |p| p.udp_no_ports_total;
    "node_netstat_Udp_InErrors" Counter "Udp InErrors of /proc/net/snmp" => |p| p.udp_in_errors_total;
    "node_netstat_Udp_RcvbufErrors" Counter "Udp RcvbufErrors of /proc/net/snmp" => |p| p.udp_rcvbuf_errors_total;
    "node_netstat_Udp_SndbufErrors" Counter "Udp SndbufErrors of /proc/net/snmp" => |p| p.udp_sndbuf_errors_total;
    "node_netstat_Udp6_InDatagrams" Counter "Udp6InDatagrams of /proc/net/snmp6" => |p| p.udp6_in_datagrams_total;
    "node_netstat_Udp6_OutDatagrams" Counter "Udp6OutDatagrams of /proc/net/snmp6" => |p| p.udp6_out_datagrams_total;
    "node_netstat_Udp6_NoPorts" Counter "Udp6NoPorts of /proc/net/snmp6" => |p| p.udp6_no_ports_total;
    "node_netstat_Udp6_InErrors" Counter "Udp6InErrors of /proc/net/snmp6" => |p| p.udp6_in_errors_total;
    "node_netstat_Udp6_RcvbufErrors" Counter "Udp6RcvbufErrors of /proc/net/snmp6" => |p| p.udp6_rcvbuf_errors_total;
    "node_netstat_Ip_Forwarding" Gauge "Ip Forwarding of /proc/net/snmp: 1 when this host routes, else 2" => |p| p.ip_forwarding;
    "node_netstat_Icmp_InMsgs" Counter "Icmp InMsgs of /proc/net/snmp" => |p| p.icmp_in_msgs_total;
    "node_netstat_Icmp_OutMsgs" Counter "Icmp OutMsgs of /proc/net/snmp" => |p| p.icmp_out_msgs_total;
    "node_netstat_Icmp_InErrors" Counter "Icmp InErrors of /proc/net/snmp" => |p| p.icmp_in_errors_total;
    "node_netstat_IpExt_InOctets" Counter "IpExt InOctets of /proc/net/netstat" => |p| p.ip_in_octets_total;
    "node_netstat_IpExt_OutOctets" Counter "IpExt OutOctets of /proc/net/netstat" => |p| p.ip_out_octets_total;
    "node_netstat_Ip6_InOctets" Counter "Ip6InOctets of /proc/net/snmp6" => |p| p.ip6_in_octets_total;
    "node_netstat_Ip6_OutOctets" Counter "Ip6OutOctets of /proc/net/snmp6" => |p| p.ip6_out_octets_total;
}

fn states(states: &TcpStates) -> [(&'static str, u64); 11] {
    [
        ("established", states.established),
        ("syn_sent", states.syn_sent),
        ("syn_recv", states.syn_recv),
        ("fin_wait1", states.fin_wait1),
        ("fin_wait2", states.fin_wait2),
        ("time_wait", states.time_wait),
        ("close", states.close),
        ("close_wait", states.close_wait),
        ("last_ack", states.last_ack),
        ("listen", states.listen),
        ("closing", states.closing),
    ]
}

pub(super) fn walk(sockets: &Sockets, sink: &mut impl Sink) {
    read_all(SOCKETS, sockets, &[], sink);
    for (state, number) in sockets.tcp_states.iter().flat_map(states) {
        #[expect(clippy::cast_precision_loss, reason = "far below 2⁵³")]
        sink.sample(&STATES, &[state], number as f64);
    }
    sockets.protocols.iter().for_each(|part| read_all(PROTOCOLS, part, &[], sink));
}

pub(super) fn metrics(all: &mut Vec<&'static Metric>) {
    all.push(&STATES);
    all.extend(metrics_of(SOCKETS).chain(metrics_of(PROTOCOLS)));
}
