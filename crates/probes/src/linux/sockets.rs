//! Sockets and protocol counters: `/proc/net/sockstat`, `sockstat6`, `snmp`, `snmp6` and `netstat`
//! (Linux: Documentation/networking/snmp_counter.rst; names of RFC 1213 and its successors).

use chasar_wire::Report;
use chasar_wire::family::{NetworkProtocols, Sockets};

use super::file::Kept;
use super::text::{complete_lines, number, split_once, words};
use crate::{Host, Now, Outcome, Probe, ProbeError, Setup};

pub(crate) fn make(_: &Setup<'_>) -> Box<dyn Probe> {
    Box::new(SocketCounters {
        sockstat: Kept::whole(c"net/sockstat"),
        sockstat6: Kept::whole(c"net/sockstat6"),
        snmp: Kept::whole(c"net/snmp"),
        snmp6: Kept::whole(c"net/snmp6"),
        netstat: Kept::whole(c"net/netstat"),
    })
}

struct SocketCounters {
    sockstat: Kept,
    sockstat6: Kept,
    snmp: Kept,
    snmp6: Kept,
    netstat: Kept,
}

/// The values of `sockstat` and `sockstat6`, lines such as `TCP: inuse 1 orphan 0`.
pub(crate) fn sockstat(content: &[u8], mut each: impl FnMut(&[u8], &[u8], Option<u64>)) {
    for line in complete_lines(content) {
        let Some((protocol, rest)) = split_once(line, b':') else { continue };
        let mut words = words(rest);
        while let (Some(key), Some(value)) = (words.next(), words.next()) {
            each(protocol, key, number(value));
        }
    }
}

/// The values of `snmp` and `netstat`: a line of names and then one of values, both behind the
/// protocol's name. A value that is negative (`Tcp: MaxConn -1`) is `None`.
pub(crate) fn pairs(content: &[u8], mut each: impl FnMut(&[u8], &[u8], Option<u64>)) {
    let mut lines = complete_lines(content).filter_map(|line| split_once(line, b':'));
    let mut names = lines.next();
    while let Some((protocol, keys)) = names {
        names = lines.next();
        let Some((same, values)) = names else { return };
        if same == protocol {
            for (key, value) in words(keys).zip(words(values)) {
                each(protocol, key, number(value));
            }
            names = lines.next();
        }
    }
}

/// The values of `snmp6`, a name and a value each line.
pub(crate) fn snmp6(content: &[u8], mut each: impl FnMut(&[u8], Option<u64>)) {
    for line in complete_lines(content) {
        let mut words = words(line);
        if let (Some(key), Some(value)) = (words.next(), words.next()) {
            each(key, number(value));
        }
    }
}

fn set_sockstat(sockets: &mut Sockets, page_bytes: u64, protocol: &[u8], key: &[u8], value: Option<u64>) {
    let pages = || value?.checked_mul(page_bytes);
    match (protocol, key) {
        (b"sockets", b"used") => sockets.used = value,
        (b"TCP", b"inuse") => sockets.tcp_inuse = value,
        (b"TCP", b"orphan") => sockets.tcp_orphan = value,
        (b"TCP", b"tw") => sockets.tcp_tw = value,
        (b"TCP", b"alloc") => sockets.tcp_alloc = value,
        (b"TCP", b"mem") => sockets.tcp_mem_bytes = pages(),
        (b"TCP6", b"inuse") => sockets.tcp6_inuse = value,
        (b"UDP", b"inuse") => sockets.udp_inuse = value,
        (b"UDP", b"mem") => sockets.udp_mem_bytes = pages(),
        (b"UDP6", b"inuse") => sockets.udp6_inuse = value,
        _ => {}
    }
}

fn set_pair(protocols: &mut NetworkProtocols, protocol: &[u8], key: &[u8], value: Option<u64>) {
    match protocol {
        b"Tcp" => match key {
            b"ActiveOpens" => protocols.tcp_active_opens_total = value,
            b"PassiveOpens" => protocols.tcp_passive_opens_total = value,
            b"AttemptFails" => protocols.tcp_attempt_fails_total = value,
            b"EstabResets" => protocols.tcp_estab_resets_total = value,
            b"CurrEstab" => protocols.tcp_curr_estab = value,
            b"InSegs" => protocols.tcp_in_segs_total = value,
            b"OutSegs" => protocols.tcp_out_segs_total = value,
            b"RetransSegs" => protocols.tcp_retrans_segs_total = value,
            b"InErrs" => protocols.tcp_in_errs_total = value,
            b"OutRsts" => protocols.tcp_out_rsts_total = value,
            _ => {}
        },
        b"TcpExt" => match key {
            b"ListenOverflows" => protocols.tcp_listen_overflows_total = value,
            b"ListenDrops" => protocols.tcp_listen_drops_total = value,
            b"TCPSynRetrans" => protocols.tcp_syn_retrans_total = value,
            b"TCPTimeouts" => protocols.tcp_timeouts_total = value,
            b"SyncookiesSent" => protocols.tcp_syncookies_sent_total = value,
            _ => {}
        },
        b"Udp" => match key {
            b"InDatagrams" => protocols.udp_in_datagrams_total = value,
            b"OutDatagrams" => protocols.udp_out_datagrams_total = value,
            b"NoPorts" => protocols.udp_no_ports_total = value,
            b"InErrors" => protocols.udp_in_errors_total = value,
            b"RcvbufErrors" => protocols.udp_rcvbuf_errors_total = value,
            b"SndbufErrors" => protocols.udp_sndbuf_errors_total = value,
            _ => {}
        },
        b"Ip" if key == b"Forwarding" => protocols.ip_forwarding = value,
        b"IpExt" => match key {
            b"InOctets" => protocols.ip_in_octets_total = value,
            b"OutOctets" => protocols.ip_out_octets_total = value,
            _ => {}
        },
        b"Icmp" => match key {
            b"InMsgs" => protocols.icmp_in_msgs_total = value,
            b"OutMsgs" => protocols.icmp_out_msgs_total = value,
            b"InErrors" => protocols.icmp_in_errors_total = value,
            _ => {}
        },
        _ => {}
    }
}

fn set_snmp6(protocols: &mut NetworkProtocols, key: &[u8], value: Option<u64>) {
    match key {
        b"Udp6InDatagrams" => protocols.udp6_in_datagrams_total = value,
        b"Udp6OutDatagrams" => protocols.udp6_out_datagrams_total = value,
        b"Udp6NoPorts" => protocols.udp6_no_ports_total = value,
        b"Udp6InErrors" => protocols.udp6_in_errors_total = value,
        b"Udp6RcvbufErrors" => protocols.udp6_rcvbuf_errors_total = value,
        b"Ip6InOctets" => protocols.ip6_in_octets_total = value,
        b"Ip6OutOctets" => protocols.ip6_out_octets_total = value,
        _ => {}
    }
}

impl Probe for SocketCounters {
    fn name(&self) -> &'static str {
        "sockets"
    }

    fn read(&mut self, host: &Host, _: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        let tcp_states = report.sockets.take().and_then(|s| s.tcp_states);
        let mut sockets = Sockets { tcp_states, ..Sockets::default() };
        let mut protocols = NetworkProtocols::default();
        let mut found = false;
        // Each file may be missing: a kernel without IPv6, or one of before 2.6.29 without netstat's IpExt.
        if let Some(content) = present(self.sockstat.read(&host.proc))? {
            sockstat(content, |protocol, key, value| {
                set_sockstat(&mut sockets, host.page_bytes, protocol, key, value)
            });
            found = true;
        }
        if let Some(content) = present(self.sockstat6.read(&host.proc))? {
            sockstat(content, |protocol, key, value| {
                set_sockstat(&mut sockets, host.page_bytes, protocol, key, value)
            });
            found = true;
        }
        for file in [&mut self.snmp, &mut self.netstat] {
            if let Some(content) = present(file.read(&host.proc))? {
                pairs(content, |protocol, key, value| set_pair(&mut protocols, protocol, key, value));
                found = true;
            }
        }
        if let Some(content) = present(self.snmp6.read(&host.proc))? {
            snmp6(content, |key, value| set_snmp6(&mut protocols, key, value));
            found = true;
        }
        if !found {
            return Ok(Outcome::NothingHere("no /proc/net/sockstat, snmp or netstat"));
        }
        sockets.protocols = (protocols != NetworkProtocols::default()).then_some(protocols);
        report.sockets = Some(sockets);
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        let tcp_states = report.sockets.take().and_then(|s| s.tcp_states);
        report.sockets = tcp_states.map(|s| Sockets { tcp_states: Some(s), ..Sockets::default() });
    }
}

/// Turns "there is no such file" into `None`.
fn present(result: Result<&[u8], ProbeError>) -> Result<Option<&[u8]>, ProbeError> {
    match result {
        Err(e) if e.is_missing() => Ok(None),
        other => other.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all_pairs(text: &str) -> Vec<(String, String, Option<u64>)> {
        let mut all = Vec::new();
        let string = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        pairs(text.as_bytes(), |protocol, key, value| all.push((string(protocol), string(key), value)));
        all
    }

    #[test]
    fn names_and_values_are_paired() {
        let text = "Ip: Forwarding DefaultTTL\nIp: 1 64\nTcp: MaxConn CurrEstab\nTcp: -1 7\n";
        let expected = [
            ("Ip", "Forwarding", Some(1)),
            ("Ip", "DefaultTTL", Some(64)),
            ("Tcp", "MaxConn", None),
            ("Tcp", "CurrEstab", Some(7)),
        ]
        .map(|(p, k, v)| (p.to_string(), k.to_string(), v));
        assert_eq!(all_pairs(text), expected);
    }

    #[test]
    fn lines_that_do_not_match_are_left_out() {
        let text =
            "Lost: A B\nIp: Forwarding DefaultTTL More\nIp: 1 64\nno colon\nUdp: A\nTcp: B\nTcp: 3\nEnd: A\n";
        let keys: Vec<_> = all_pairs(text).into_iter().map(|(p, k, _)| p + &k).collect();
        assert_eq!(keys, ["IpForwarding", "IpDefaultTTL", "TcpB"]);
        assert!(all_pairs("Ip: A\nIp: 1").is_empty(), "cut short");
    }

    #[test]
    fn sockstat_counts_pages_as_bytes() {
        let text = "sockets: used 19\nTCP: inuse 5 orphan 1 tw 2 alloc 9 mem 181\nUDP: inuse 3 mem 2\nUDPLITE: inuse 0\nFRAG: inuse 0 memory 0\n";
        let mut sockets = Sockets::default();
        let mut set = |text: &str| {
            sockstat(text.as_bytes(), |p, k, v| set_sockstat(&mut sockets, 4096, p, k, v));
        };
        set(text);
        set("TCP6: inuse 4\nUDP6: inuse 6\n");
        let expected = Sockets {
            used: Some(19),
            tcp_inuse: Some(5),
            tcp6_inuse: Some(4),
            tcp_orphan: Some(1),
            tcp_tw: Some(2),
            tcp_alloc: Some(9),
            tcp_mem_bytes: Some(181 * 4096),
            udp_inuse: Some(3),
            udp6_inuse: Some(6),
            udp_mem_bytes: Some(8192),
            ..Sockets::default()
        };
        assert_eq!(sockets, expected);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(content in prop::collection::vec(any::<u8>(), 0..512)) {
            let mut sockets = Sockets::default();
            let mut protocols = NetworkProtocols::default();
            sockstat(&content, |p, k, v| set_sockstat(&mut sockets, u64::MAX, p, k, v));
            pairs(&content, |p, k, v| set_pair(&mut protocols, p, k, v));
            snmp6(&content, |k, v| set_snmp6(&mut protocols, k, v));
        }

        #[test]
        fn written_pairs_are_read_back(all in prop::collection::vec(("[A-Z][a-z]{1,5}", prop::collection::vec(("[A-Za-z0-9]{1,9}", any::<u64>()), 1..9)), 0..6)) {
            let mut text = String::new();
            let mut expected = Vec::new();
            for (protocol, values) in &all {
                let keys: Vec<_> = values.iter().map(|(k, _)| k.clone()).collect();
                let numbers: Vec<_> = values.iter().map(|(_, v)| v.to_string()).collect();
                text += &format!("{protocol}: {}\n{protocol}: {}\n", keys.join(" "), numbers.join(" "));
                expected.extend(values.iter().map(|(k, v)| (protocol.clone(), k.clone(), Some(*v))));
            }
            prop_assert_eq!(all_pairs(&text), expected);
        }
    }
}
