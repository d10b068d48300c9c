//! Addresses of network interfaces, for the report of 2016 and for ours.

use core::net::{IpAddr, Ipv4Addr};
use std::fmt::Write;

use chasar_wire::Text;
use chasar_wire::family::{Interface, Ipv4Interface};

use crate::text::copy_list;

/// So many and the other families still fit a report of 1 MiB.
pub(crate) const MAX_INTERFACES: usize = 512;
/// Most addresses of one interface, each of IPv4 and IPv6.
const MAX_ADDRESSES: usize = 32;

/// An address of a network interface.
#[cfg_attr(windows, allow(unreachable_pub, reason = "only Linux has a public call that gives these"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InterfaceAddress<'a> {
    /// Name of the interface, or the label of the address (`eth0:1`).
    pub(crate) name: &'a [u8],
    /// The address.
    pub(crate) address: IpAddr,
    /// Bits of the netmask.
    pub(crate) prefix_length: u8,
    /// Broadcast address, where the interface has such.
    pub(crate) broadcast: Option<Ipv4Addr>,
}

/// A list that is written over in its own memory.
#[derive(Default)]
struct Kept<T> {
    list: Vec<T>,
    used: usize,
}

impl<T: Default> Kept<T> {
    fn next(&mut self) -> Option<&mut T> {
        if self.used == MAX_ADDRESSES {
            return None;
        }
        if self.used == self.list.len() {
            self.list.push(T::default());
        }
        self.used += 1;
        self.list.get_mut(self.used - 1)
    }
}

/// The addresses of one interface, written over in their own memory.
#[derive(Default)]
pub(crate) struct Addresses {
    ipv4: Kept<Ipv4Interface>,
    ipv4_with_length: Kept<Text>,
    ipv6: Kept<Text>,
}

impl Addresses {
    /// Begins a new list.
    pub(crate) fn forget(&mut self) {
        (self.ipv4.used, self.ipv4_with_length.used, self.ipv6.used) = (0, 0, 0);
    }

    /// Ends it: what the last list had beyond it goes.
    pub(crate) fn cut(&mut self) {
        self.ipv4.list.truncate(self.ipv4.used);
        self.ipv4_with_length.list.truncate(self.ipv4_with_length.used);
        self.ipv6.list.truncate(self.ipv6.used);
    }

    /// Adds one; further ones than [`MAX_ADDRESSES`] are left out.
    pub(crate) fn add(&mut self, address: &InterfaceAddress<'_>) {
        let length = address.prefix_length;
        let text = match address.address {
            IpAddr::V4(_) => self.ipv4_with_length.next(),
            IpAddr::V6(_) => self.ipv6.next(),
        };
        if let Some(text) = text {
            write_text(text, format_args!("{}/{length}", address.address));
        }
        if let IpAddr::V4(ipv4) = address.address
            && let Some(entry) = self.ipv4.next()
        {
            let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
            write_text(&mut entry.addr, format_args!("{ipv4}"));
            write_text(entry.netmask.get_or_insert_default(), format_args!("{}", Ipv4Addr::from(mask)));
            match address.broadcast {
                Some(to) => write_text(entry.broadcast.get_or_insert_default(), format_args!("{to}")),
                None => entry.broadcast = None,
            }
        }
    }

    /// The IPv4 addresses in the shape of 2016.
    pub(crate) fn ipv4(&self) -> &Vec<Ipv4Interface> {
        &self.ipv4.list
    }

    /// Writes them over those of an interface in the report.
    pub(crate) fn tell(&self, interface: &mut Interface) {
        copy_list(&mut interface.ipv4, &self.ipv4_with_length.list);
        copy_list(&mut interface.ipv6, &self.ipv6.list);
    }
}

fn write_text(text: &mut Text, what: std::fmt::Arguments<'_>) {
    text.clear();
    // Writing into a text cannot fail.
    let _ = text.write_fmt(what);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str, prefix_length: u8) -> InterfaceAddress<'static> {
        InterfaceAddress { name: b"eth0", address: text.parse().unwrap(), prefix_length, broadcast: None }
    }

    #[test]
    fn both_shapes_have_every_address() {
        let mut known = Addresses::default();
        known.add(&address("192.0.2.2", 24));
        known.add(&address("2001:db8::1", 64));
        known.add(&address("10.0.0.1", 32));
        known.add(&address("10.0.0.2", 0));
        assert_eq!(known.ipv4_with_length.list, ["192.0.2.2/24", "10.0.0.1/32", "10.0.0.2/0"]);
        assert_eq!(known.ipv6.list, ["2001:db8::1/64"]);
        let masks: Vec<_> = known.ipv4.list.iter().map(|a| a.netmask.clone().unwrap()).collect();
        assert_eq!(masks, ["255.255.255.0", "255.255.255.255", "0.0.0.0"]);
    }

    #[test]
    fn there_is_a_bound_on_addresses() {
        let mut known = Addresses::default();
        for i in 0..1000u32 {
            known.add(&InterfaceAddress {
                name: b"eth0",
                address: if i % 2 == 0 {
                    Ipv4Addr::from(i).into()
                } else {
                    core::net::Ipv6Addr::from(u128::from(i)).into()
                },
                prefix_length: 255,
                broadcast: None,
            });
        }
        assert_eq!((known.ipv4.list.len(), known.ipv6.list.len()), (MAX_ADDRESSES, MAX_ADDRESSES));
        known.forget();
        known.cut();
        assert!(known.ipv4.list.is_empty() && known.ipv6.list.is_empty());
    }
}
