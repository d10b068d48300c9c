//! The list that `GetAdaptersAddresses` makes: adapters, their addresses and gateways, linked by
//! pointers into the same buffer.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::bytes::Bytes;

/// More adapters than a report can list are not read.
const MAX_ADAPTERS: usize = 1_024;
/// Most addresses and most gateways of one adapter.
const MAX_ADDRESSES: usize = 64;

/// Where the fields are that we read (`IP_ADAPTER_ADDRESSES_LH` and its parts on 64-bit Windows).
pub mod layout {
    /// `IfIndex`.
    pub const INDEX: usize = 0x04;
    /// `Next`, in an adapter and in an address.
    pub const NEXT: usize = 0x08;
    /// `FirstUnicastAddress`.
    pub const FIRST_UNICAST: usize = 0x18;
    /// `OperStatus`.
    pub const OPER_STATUS: usize = 0x68;
    /// `Ipv6IfIndex`.
    pub const IPV6_INDEX: usize = 0x6c;
    /// `FirstGatewayAddress`.
    pub const FIRST_GATEWAY: usize = 0xd0;
    /// `Ipv4Metric`.
    pub const IPV4_METRIC: usize = 0xd8;
    /// `Ipv6Metric`.
    pub const IPV6_METRIC: usize = 0xdc;
    /// `Address.lpSockaddr` of `IP_ADAPTER_UNICAST_ADDRESS_LH` and `IP_ADAPTER_GATEWAY_ADDRESS_LH`.
    pub const SOCKET_ADDRESS: usize = 0x10;
    /// `OnLinkPrefixLength` of `IP_ADAPTER_UNICAST_ADDRESS_LH`.
    pub const PREFIX_LENGTH: usize = 0x38;
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub address: IpAddr,
    /// Bits of the netmask.
    pub prefix_length: u8,
}

/// One adapter.
#[derive(Clone, Copy, Debug)]
pub struct Adapter<'a> {
    buffer: Bytes<'a>,
    at: usize,
}

impl Adapter<'_> {
    /// Number of the interface; an adapter without IPv4 has one for IPv6 alone.
    pub fn index(&self) -> Option<u32> {
        let of = |at| self.buffer.u32(self.at + at).filter(|index| *index > 0);
        of(layout::INDEX).or_else(|| of(layout::IPV6_INDEX))
    }

    /// Whether it is up.
    pub fn is_up(&self) -> bool {
        self.buffer.u32(self.at + layout::OPER_STATUS) == Some(1)
    }

    /// Its addresses.
    pub fn addresses(&self) -> impl Iterator<Item = Address> {
        self.list(layout::FIRST_UNICAST).filter_map(|at| {
            let address = socket_address(self.buffer, at)?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let prefix_length = self.buffer.u8(at + layout::PREFIX_LENGTH).filter(|n| *n <= most)?;
            Some(Address { address, prefix_length })
        })
    }

    /// How much its default route costs; `None` without one. IPv4 counts before IPv6.
    pub fn default_route(&self) -> Option<(bool, u32)> {
        let gateways = self.list(layout::FIRST_GATEWAY).filter_map(|at| socket_address(self.buffer, at));
        gateways
            .filter(|gateway| !gateway.is_unspecified())
            .filter_map(|gateway| {
                let metric = if gateway.is_ipv4() { layout::IPV4_METRIC } else { layout::IPV6_METRIC };
                Some((gateway.is_ipv6(), self.buffer.u32(self.at + metric)?))
            })
            .min()
    }

    /// Offsets of the elements of one of its lists.
    fn list(&self, first: usize) -> impl Iterator<Item = usize> {
        let buffer = self.buffer;
        let first = buffer.follow(self.at + first);
        std::iter::successors(first, move |at| buffer.follow(at + layout::NEXT)).take(MAX_ADDRESSES)
    }
}

/// The address behind the `SOCKET_ADDRESS` of a list element.
fn socket_address(buffer: Bytes<'_>, at: usize) -> Option<IpAddr> {
    const AF_INET: u16 = 2;
    const AF_INET6: u16 = 23;
    let at = buffer.follow(at + layout::SOCKET_ADDRESS)?;
    match buffer.u16(at)? {
        AF_INET => buffer.array::<4>(at + 4).map(|bytes| Ipv4Addr::from(bytes).into()),
        AF_INET6 => buffer.array::<16>(at + 8).map(|bytes| Ipv6Addr::from(bytes).into()),
        _ => None,
    }
}

/// The adapters of a buffer.
pub fn parse(buffer: Bytes<'_>) -> impl Iterator<Item = Adapter<'_>> {
    let first = (!buffer.is_empty()).then_some(0);
    std::iter::successors(first, move |at| buffer.follow(at + layout::NEXT))
        .take(MAX_ADAPTERS)
        .map(move |at| Adapter { buffer, at })
}

/// The interface that holds the default route: the cheapest of those that are up.
pub fn default_interface(buffer: Bytes<'_>) -> Option<u32> {
    parse(buffer)
        .filter(Adapter::is_up)
        .filter_map(|adapter| Some((adapter.default_route()?, adapter.index()?)))
        .min()
        .map(|(_, index)| index)
}

/// Broadcast address of an IPv4 network; one of a single address or two has none, nor has the loopback.
pub fn broadcast(address: Ipv4Addr, prefix_length: u8) -> Option<Ipv4Addr> {
    let host_bits = u32::MAX.checked_shr(u32::from(prefix_length)).unwrap_or(0);
    let all_set = Ipv4Addr::from(u32::from(address) | host_bits);
    (prefix_length < 31 && !address.is_loopback()).then_some(all_set)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BASE: u64 = 0x10_0000;

    struct Made {
        bytes: Vec<u8>,
    }

    impl Made {
        fn put(&mut self, at: usize, value: &[u8]) {
            self.bytes[at..at + value.len()].copy_from_slice(value);
        }

        fn point(&mut self, at: usize, to: usize) {
            self.put(at, &(BASE + to as u64).to_le_bytes());
        }

        fn room(&mut self, len: usize) -> usize {
            let at = self.bytes.len().next_multiple_of(8);
            self.bytes.resize(at + len, 0);
            at
        }

        /// A list of addresses behind the pointer at `at`.
        fn addresses(&mut self, mut at: usize, addresses: &[(IpAddr, u8)]) {
            for (address, prefix_length) in addresses {
                let (element, socket) = (self.room(0x40), self.room(0x1c));
                self.point(at, element);
                self.point(element + layout::SOCKET_ADDRESS, socket);
                self.put(element + layout::PREFIX_LENGTH, &[*prefix_length]);
                match address {
                    IpAddr::V4(v4) => {
                        self.put(socket, &2u16.to_le_bytes());
                        self.put(socket + 4, &v4.octets());
                    }
                    IpAddr::V6(v6) => {
                        self.put(socket, &23u16.to_le_bytes());
                        self.put(socket + 8, &v6.octets());
                    }
                }
                at = element + layout::NEXT;
            }
        }

        fn adapter(
            &mut self,
            index: u32,
            up: bool,
            addresses: &[(IpAddr, u8)],
            gateways: &[IpAddr],
            metric: u32,
        ) -> usize {
            let at = self.room(0x1c0);
            self.put(at + layout::INDEX, &index.to_le_bytes());
            self.put(at + layout::OPER_STATUS, &[if up { 1 } else { 2 }]);
            self.put(at + layout::IPV4_METRIC, &metric.to_le_bytes());
            self.put(at + layout::IPV6_METRIC, &1u32.to_le_bytes());
            self.addresses(at + layout::FIRST_UNICAST, addresses);
            let gateways: Vec<_> = gateways.iter().map(|g| (*g, 0)).collect();
            self.addresses(at + layout::FIRST_GATEWAY, &gateways);
            at
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn list() -> Vec<u8> {
        let mut made = Made { bytes: Vec::new() };
        let loopback = made.adapter(1, true, &[(ip("127.0.0.1"), 8), (ip("::1"), 128)], &[], 75);
        let addresses = [(ip("192.0.2.7"), 24), (ip("2001:db8::7"), 64)];
        let dear = made.adapter(9, true, &addresses, &[ip("192.0.2.1"), ip("fe80::1")], 50);
        let cheap = made.adapter(12, true, &[(ip("198.51.100.2"), 31)], &[ip("198.51.100.3")], 25);
        let down = made.adapter(13, false, &[], &[ip("203.0.113.1")], 1);
        made.point(loopback + layout::NEXT, dear);
        made.point(dear + layout::NEXT, cheap);
        made.point(cheap + layout::NEXT, down);
        made.bytes
    }

    #[test]
    fn adapters_and_addresses_are_found_behind_their_pointers() {
        let bytes = list();
        let buffer = Bytes::new(&bytes, BASE);
        let all: Vec<_> = parse(buffer).map(|a| (a.index(), a.is_up(), a.addresses().count())).collect();
        assert_eq!(all, [(Some(1), true, 2), (Some(9), true, 2), (Some(12), true, 1), (Some(13), false, 0)]);
        let second = parse(buffer).nth(1).unwrap();
        let told: Vec<_> = second.addresses().map(|a| (a.address, a.prefix_length)).collect();
        assert_eq!(told, [(ip("192.0.2.7"), 24), (ip("2001:db8::7"), 64)]);
        assert_eq!(second.default_route(), Some((false, 50)), "IPv4 counts before a cheaper IPv6");
        assert_eq!(default_interface(buffer), Some(12), "the cheapest that is up");
        assert_eq!(default_interface(Bytes::new(&[], BASE)), None);
    }

    #[test]
    fn a_list_in_a_circle_ends() {
        let mut made = Made { bytes: list() };
        made.point(layout::NEXT, 0);
        assert_eq!(parse(Bytes::new(&made.bytes, BASE)).count(), MAX_ADAPTERS);
    }

    #[test]
    fn broadcasts() {
        let of = |address: &str, length| broadcast(address.parse().unwrap(), length).map(|b| b.to_string());
        assert_eq!(of("192.0.2.7", 24).as_deref(), Some("192.0.2.255"));
        assert_eq!(of("10.0.0.1", 0).as_deref(), Some("255.255.255.255"));
        assert_eq!((of("198.51.100.2", 31), of("10.0.0.1", 99), of("127.0.0.1", 8)), (None, None, None));
    }

    proptest! {
        #[test]
        fn a_spoiled_list_never_panics(at in 0..9999usize, spoil in any::<[u8; 8]>(), len in 0..4000usize) {
            let mut bytes = list();
            let n = bytes.len();
            for (i, byte) in spoil.iter().enumerate() {
                bytes[(at + i) % n] = *byte;
            }
            let buffer = Bytes::new(&bytes[..len.min(n)], BASE);
            let _ = default_interface(buffer);
            prop_assert!(parse(buffer).all(|a| a.addresses().count() <= MAX_ADDRESSES));
        }
    }
}
