//! Which interface holds the default route: `/proc/net/route`, then `/proc/net/ipv6_route`.
//!
//! Lowest metric wins, as in the kernel. Only routes to everything (0.0.0.0/0, ::/0) that are up and
//! lead somewhere count. A router may hold a million routes, so no more than [`IPV4_BYTES`] and
//! [`IPV6_BYTES`] are read: the kernel lists IPv4 routes by address, the default first; in the IPv6
//! list it may stand anywhere.

use super::text::{complete_lines, number, words};

/// As much of `/proc/net/route` as is read; a line has 128 bytes.
pub(crate) const IPV4_BYTES: usize = 4 << 10;
/// As much of `/proc/net/ipv6_route` as is read; a line has about 150 bytes.
pub(crate) const IPV6_BYTES: usize = 128 << 10;

/// `RTF_UP` and `RTF_REJECT` (include/uapi/linux/route.h).
const UP: u64 = 0x1;
const REJECT: u64 = 0x200;

/// The interface in `/proc/net/route`.
pub(crate) fn ipv4(content: &[u8]) -> Option<&[u8]> {
    let lines = complete_lines(content).filter_map(|line| {
        let mut words = words(line);
        let interface = words.next()?;
        let destination = hexadecimal(words.next()?)?;
        let _gateway = words.next()?;
        let flags = hexadecimal(words.next()?)?;
        let metric = number(words.nth(2)?)?;
        let mask = hexadecimal(words.next()?)?;
        let default = destination == 0 && mask == 0 && flags & UP != 0 && flags & REJECT == 0;
        default.then_some((metric, interface))
    });
    lines.min_by_key(|(metric, _)| *metric).map(|(_, interface)| interface)
}

/// The interface in `/proc/net/ipv6_route`.
pub(crate) fn ipv6(content: &[u8]) -> Option<&[u8]> {
    let lines = complete_lines(content).filter_map(|line| {
        let mut words = words(line);
        let destination = words.next()?;
        let length = words.next()?;
        // Source and its length, next hop.
        let metric = hexadecimal(words.nth(3)?)?;
        let flags = hexadecimal(words.nth(2)?)?;
        let interface = words.next()?;
        let default = length == b"00"
            && destination.iter().all(|b| *b == b'0')
            && flags & UP != 0
            && flags & REJECT == 0
            && interface != b"lo";
        default.then_some((metric, interface))
    });
    lines.min_by_key(|(metric, _)| *metric).map(|(_, interface)| interface)
}

fn hexadecimal(word: &[u8]) -> Option<u64> {
    if word.is_empty() || word.len() > 16 {
        return None;
    }
    word.iter().try_fold(0, |value, byte| Some(value << 4 | u64::from(char::from(*byte).to_digit(16)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_lowest_metric_wins() {
        let text = b"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
            wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
            eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
            eth1\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
            dead\t00000000\t010200C0\t0002\t0\t0\t0\t00000000\t0\t0\t0\n\
            none\t00000000\t010200C0\t0201\t0\t0\t0\t00000000\t0\t0\t0\n\
            vpn\t00000000\t010200C0\t0003\t0\t0\t0\t00000080\t0\t0\t0\n\
            eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        assert_eq!(ipv4(text), Some(&b"eth0"[..]), "of two the first");
        assert_eq!(ipv4(b""), None);
        assert_eq!(ipv4(b"eth0\t00000000\t0\t0003\t0\t0\t0\t0000"), None, "cut short");
    }

    #[test]
    fn ipv6_routes_that_lead_nowhere_do_not_count() {
        let zero = "0".repeat(32);
        let line = |destination: &str, length: &str, metric: &str, flags: &str, interface: &str| {
            format!(
                "{destination} {length} {zero} 00 {zero} {metric} 00000001 00000000 {flags} {interface:>8}\n"
            )
        };
        let text = [
            line(&format!("fd{}", "0".repeat(30)), "40", "00000100", "00000001", "eth9"),
            line(&zero, "00", "00000400", "00000003", "eth0"),
            line(&zero, "00", "00000200", "00450003", "wlan0"),
            line(&zero, "80", "00000000", "00000001", "eth8"),
            line(&zero, "00", "ffffffff", "00200200", "lo"),
        ]
        .concat();
        assert_eq!(ipv6(text.as_bytes()), Some(&b"wlan0"[..]));
        assert_eq!(ipv6(line(&zero, "00", "ffffffff", "00200200", "lo").as_bytes()), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(content in prop::collection::vec(any::<u8>(), 0..512)) {
            let _ = (ipv4(&content), ipv6(&content));
        }

        #[test]
        fn odd_fields_never_panic(fields in prop::collection::vec("[0-9a-fx]{0,18}", 0..40)) {
            let text = fields.join("\t") + "\n";
            let _ = (ipv4(text.as_bytes()), ipv6(text.as_bytes()));
        }
    }
}
