//! Protocol counters: `GetTcpStatisticsEx` and its siblings, for IPv4 and IPv6 (RFC 4022, RFC 4113).

use chasar_wire::Report;
use chasar_wire::family::NetworkProtocols;

use super::host::failed;
use super::parse::counter::Extended;
use super::sys::{self, Ip, MIB_TCPSTATS_LH};
use crate::{Host, Now, Outcome, Probe, ProbeError, Setup};

pub(crate) fn make(_: &Setup<'_>) -> Box<dyn Probe> {
    Box::new(SocketCounters { counted_once: sys::is_wine(), ..SocketCounters::default() })
}

/// The counters have 32 bits and are continued here.
#[derive(Default)]
struct SocketCounters {
    tcp: [[Extended; 9]; 2],
    udp: [[Extended; 4]; 2],
    icmp: [Extended; 3],
    /// Wine gives the counters of TCP over either protocol for both.
    counted_once: bool,
}

const TCP_AT: fn(&MIB_TCPSTATS_LH) -> [u32; 9] = |s| {
    [
        s.dwActiveOpens,
        s.dwPassiveOpens,
        s.dwAttemptFails,
        s.dwEstabResets,
        s.dwInSegs,
        s.dwOutSegs,
        s.dwRetransSegs,
        s.dwInErrs,
        s.dwOutRsts,
    ]
};

fn advance<const N: usize>(counters: &mut [Extended; N], now: [u32; N]) -> [u64; N] {
    let mut totals = [0; N];
    for ((total, counter), now) in totals.iter_mut().zip(counters).zip(now) {
        *total = counter.advance(now);
    }
    totals
}

impl SocketCounters {
    /// TCP counts both versions of the internet protocol together, as Linux does.
    fn tcp(&mut self, protocols: &mut NetworkProtocols) -> Result<(), ProbeError> {
        let mut sums = [0u64; 9];
        let mut established = 0;
        let versions = if self.counted_once { &[Ip::V4][..] } else { &[Ip::V4, Ip::V6] };
        for (counters, ip) in self.tcp.iter_mut().zip(versions.iter().copied()) {
            let now = match sys::tcp_statistics(ip) {
                Ok(now) => now,
                // A host may do without IPv6.
                Err(_) if ip == Ip::V6 => continue,
                Err(e) => return Err(failed("GetTcpStatisticsEx", e)),
            };
            let totals = advance(counters, TCP_AT(&now));
            sums.iter_mut().zip(totals).for_each(|(sum, total)| *sum = sum.saturating_add(total));
            established += u64::from(now.dwCurrEstab);
        }
        let [active, passive, fails, resets, received, sent, resent, errors, refused] = sums;
        protocols.tcp_active_opens_total = Some(active);
        protocols.tcp_passive_opens_total = Some(passive);
        protocols.tcp_attempt_fails_total = Some(fails);
        protocols.tcp_estab_resets_total = Some(resets);
        protocols.tcp_in_segs_total = Some(received);
        protocols.tcp_out_segs_total = Some(sent);
        protocols.tcp_retrans_segs_total = Some(resent);
        protocols.tcp_in_errs_total = Some(errors);
        protocols.tcp_out_rsts_total = Some(refused);
        protocols.tcp_curr_estab = Some(established);
        Ok(())
    }

    fn udp(&mut self, protocols: &mut NetworkProtocols) -> Result<(), ProbeError> {
        for (counters, ip) in self.udp.iter_mut().zip([Ip::V4, Ip::V6]) {
            let now = match sys::udp_statistics(ip) {
                Ok(now) => now,
                Err(_) if ip == Ip::V6 => continue,
                Err(e) => return Err(failed("GetUdpStatisticsEx", e)),
            };
            let now = [now.dwInDatagrams, now.dwOutDatagrams, now.dwNoPorts, now.dwInErrors];
            let [received, sent, no_ports, errors] = advance(counters, now).map(Some);
            match ip {
                Ip::V4 => {
                    protocols.udp_in_datagrams_total = received;
                    protocols.udp_out_datagrams_total = sent;
                    protocols.udp_no_ports_total = no_ports;
                    protocols.udp_in_errors_total = errors;
                }
                Ip::V6 => {
                    protocols.udp6_in_datagrams_total = received;
                    protocols.udp6_out_datagrams_total = sent;
                    protocols.udp6_no_ports_total = no_ports;
                    protocols.udp6_in_errors_total = errors;
                }
            }
        }
        Ok(())
    }
}

impl Probe for SocketCounters {
    fn name(&self) -> &'static str {
        "sockets"
    }

    fn read(&mut self, _: &Host, _: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        let sockets = report.sockets.get_or_insert_default();
        let protocols = sockets.protocols.insert(NetworkProtocols::default());
        self.tcp(protocols)?;
        self.udp(protocols)?;
        protocols.ip_forwarding = sys::ip_forwarding(Ip::V4).ok().map(u64::from).filter(|n| *n > 0);
        if let Ok(icmp) = sys::icmp_statistics(Ip::V4) {
            let now = [icmp.received, icmp.received_errors, icmp.sent];
            let [received, errors, sent] = advance(&mut self.icmp, now).map(Some);
            protocols.icmp_in_msgs_total = received;
            protocols.icmp_in_errors_total = errors;
            protocols.icmp_out_msgs_total = sent;
        }
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        if let Some(sockets) = &mut report.sockets {
            sockets.protocols = None;
        }
    }
}
