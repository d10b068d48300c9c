//! The default route in the routing table of macOS and FreeBSD, from the bytes that sysctl(3) gives.
//!
//! `NET_RT_DUMP`: a row of messages, each a `struct rt_msghdr` and the socket addresses that its
//! `rtm_addrs` names, each padded (route(4); net/route.h of either system).
#![cfg_attr(
    not(any(target_os = "macos", target_os = "freebsd", test)),
    allow(dead_code, reason = "only these systems give such bytes")
)]

use super::iflist::messages;

/// How one system lays the table out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Size of `struct rt_msghdr`.
    pub(crate) header: usize,
    /// Addresses begin at multiples of this.
    pub(crate) padding: usize,
}

/// macOS: 92 bytes, and `ROUNDUP32`.
#[cfg(any(target_os = "macos", test))]
pub(crate) const MACOS: Layout = Layout { header: 92, padding: 4 };
/// FreeBSD on 64 bits: `SA_SIZE` rounds up to a `long`.
#[cfg(any(target_os = "freebsd", test))]
pub(crate) const FREEBSD: Layout = Layout { header: 152, padding: 8 };

/// Where fields are in a message, on both.
pub(crate) mod at {
    pub(crate) const INDEX: usize = 4;
    pub(crate) const FLAGS: usize = 8;
    pub(crate) const ADDRESSES: usize = 12;
}

/// `RTF_UP`, `RTF_HOST`, `RTF_REJECT`, `RTF_BLACKHOLE`.
const UP: u32 = 0x1;
const HOST: u32 = 0x4;
const REJECT: u32 = 0x8;
const BLACKHOLE: u32 = 0x1000;
/// `RTF_IFSCOPE` of macOS: a route for those alone who have bound themselves to its interface.
const SCOPED: u32 = 0x0100_0000;
/// `RTA_DST` and `RTA_NETMASK`; the gateway stands between them.
const DESTINATION: u32 = 0x1;
const NETMASK: u32 = 0x4;

/// The number of the interface that holds the default route; the unscoped one if there are several.
pub(crate) fn default_interface(bytes: &[u8], layout: Layout) -> Option<u32> {
    let mut scoped = None;
    for message in messages(bytes) {
        match read(message, layout) {
            Some((index, false)) => return Some(index),
            Some((index, true)) if scoped.is_none() => scoped = Some(index),
            _ => {}
        }
    }
    scoped
}

/// The interface of a default route, and whether the route is scoped; `None` for any other route.
fn read(message: &[u8], layout: Layout) -> Option<(u32, bool)> {
    let number = |at: usize| Some(u32::from_ne_bytes(message.get(at..at + 4)?.try_into().ok()?));
    let (flags, addresses) = (number(at::FLAGS)?, number(at::ADDRESSES)?);
    let usable = flags & UP != 0 && flags & (HOST | REJECT | BLACKHOLE) == 0;
    if !usable || addresses & DESTINATION == 0 {
        return None;
    }
    let mut rest = message.get(layout.header..)?;
    for address in 0..3 {
        if addresses & (1 << address) == 0 {
            continue;
        }
        let length = usize::from(*rest.first()?);
        let is_to_or_mask = (DESTINATION | NETMASK) & (1 << address) != 0;
        // Length, family and port say nothing about the network.
        if is_to_or_mask && rest.get(4..length).unwrap_or_default().iter().any(|b| *b != 0) {
            return None;
        }
        // An address without length takes the room of one step.
        let step = length.max(1).next_multiple_of(layout.padding);
        rest = rest.get(step.min(rest.len())..)?;
    }
    let index = u16::from_ne_bytes(message.get(at::INDEX..at::INDEX + 2)?.try_into().ok()?);
    Some((u32::from(index), flags & SCOPED != 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GATEWAY: u32 = 0x2;

    fn route(layout: Layout, index: u16, flags: u32, addresses: &[(u32, &[u8])]) -> Vec<u8> {
        let mut m = vec![0u8; layout.header];
        m[2] = 5;
        m[3] = 4;
        m[at::INDEX..at::INDEX + 2].copy_from_slice(&index.to_ne_bytes());
        m[at::FLAGS..at::FLAGS + 4].copy_from_slice(&flags.to_ne_bytes());
        let bits = addresses.iter().fold(0, |all, (bit, _)| all | bit);
        m[at::ADDRESSES..at::ADDRESSES + 4].copy_from_slice(&bits.to_ne_bytes());
        for (_, address) in addresses {
            m.extend(*address);
            m.resize(m.len().next_multiple_of(layout.padding), 0);
        }
        let length = (m.len() as u16).to_ne_bytes();
        m[..2].copy_from_slice(&length);
        m
    }

    const ANY: [u8; 16] = [16, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const NET_10: [u8; 16] = [16, 2, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const ROUTER: [u8; 16] = [16, 2, 0, 0, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    /// A mask of no bits has no bytes, on FreeBSD the whole address.
    const NO_MASK: [u8; 4] = [0; 4];
    const MASK_8: [u8; 5] = [5, 0, 0, 0, 255];

    #[test]
    fn the_default_route_is_that_to_anywhere() {
        for layout in [MACOS, FREEBSD] {
            let to = |index, flags, to: &[u8], mask: &[u8]| {
                route(layout, index, flags, &[(DESTINATION, to), (GATEWAY, &ROUTER), (NETMASK, mask)])
            };
            let local = to(1, UP, &NET_10, &MASK_8);
            // 0.0.0.0/8 is no default route, though its first address is the same.
            let zero_net = to(2, UP, &ANY, &MASK_8);
            let down = to(3, 0, &ANY, &NO_MASK);
            let rejected = to(4, UP | REJECT, &ANY, &NO_MASK);
            let scoped = to(5, UP | SCOPED, &ANY, &NO_MASK);
            let default = to(6, UP, &ANY, &NO_MASK);
            let others = [local, zero_net, down, rejected].concat();
            assert_eq!(default_interface(&others, layout), None);
            assert_eq!(default_interface(&[others.clone(), scoped.clone()].concat(), layout), Some(5));
            assert_eq!(default_interface(&[others, scoped, default].concat(), layout), Some(6));
            let whole_mask = to(7, UP, &ANY, &ANY);
            assert_eq!(default_interface(&whole_mask, layout), Some(7));
            let without_mask = route(layout, 8, UP | HOST, &[(DESTINATION, &ANY), (GATEWAY, &ROUTER)]);
            assert_eq!(default_interface(&without_mask, layout), None, "a route to one host");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), cut in 0usize..200) {
            for layout in [MACOS, FREEBSD] {
                default_interface(&bytes, layout);
                let mut message = route(layout, 1, UP, &[(DESTINATION, &ANY), (NETMASK, &NO_MASK)]);
                message.truncate(cut);
                let length = (message.len() as u16).to_ne_bytes();
                if message.len() >= 2 {
                    message[..2].copy_from_slice(&length);
                }
                default_interface(&message, layout);
            }
        }
    }
}
