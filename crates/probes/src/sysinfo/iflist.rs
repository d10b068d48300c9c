//! `NET_RT_IFLIST2` of macOS: every interface with its 64-bit counters, from the bytes that sysctl(3) gives.
//!
//! A row of messages, each a `struct if_msghdr2` and a `struct sockaddr_dl` (macOS: net/if.h,
//! net/if_var.h, net/if_dl.h). Where the fields are is checked against the `libc` crate's definitions
//! when this is compiled for macOS.
#![cfg_attr(not(any(target_os = "macos", test)), allow(dead_code, reason = "only macOS gives such bytes"))]

use chasar_wire::limits::MAX_NAME_BYTES;

use super::source::Link;
use crate::text::set_text;

/// `RTM_IFINFO2`, the type of message that counts here.
const INTERFACE: u8 = 0x12;
/// `RTM_VERSION`.
const VERSION: u8 = 5;
/// `AF_LINK`.
const AF_LINK: u8 = 18;
/// `IFF_UP` and `IFF_RUNNING`.
const UP: u32 = 0x1;
const RUNNING: u32 = 0x40;

/// Where fields are in a message.
pub(crate) mod at {
    pub(crate) const FLAGS: usize = 8;
    pub(crate) const INDEX: usize = 12;
    pub(crate) const SEND_DROPS: usize = 24;
    /// `struct if_data64`.
    pub(crate) const DATA: usize = 32;
    pub(crate) const MTU: usize = DATA + 8;
    pub(crate) const BAUDRATE: usize = DATA + 16;
    pub(crate) const IPACKETS: usize = DATA + 24;
    pub(crate) const IERRORS: usize = DATA + 32;
    pub(crate) const OPACKETS: usize = DATA + 40;
    pub(crate) const OERRORS: usize = DATA + 48;
    pub(crate) const COLLISIONS: usize = DATA + 56;
    pub(crate) const IBYTES: usize = DATA + 64;
    pub(crate) const OBYTES: usize = DATA + 72;
    pub(crate) const IMCASTS: usize = DATA + 80;
    pub(crate) const IQDROPS: usize = DATA + 96;
    /// The size of it all, where `struct sockaddr_dl` begins.
    pub(crate) const END: usize = DATA + 128;
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// The messages of a routing socket's answer, whole: length, version and type begin each of them.
pub(crate) fn messages(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(rest.get(..2)?.try_into().ok()?));
        // A message has at least its length, version and type; less would never end.
        let (message, after) = rest.split_at_checked(length).filter(|_| length >= 4)?;
        rest = after;
        Some(message)
    })
}

/// Writes the interfaces over `links`, in the order of the system.
pub(crate) fn parse(bytes: &[u8], links: &mut Vec<Link>) {
    let mut count = 0;
    for message in messages(bytes).filter(|m| m[2] == VERSION && m[3] == INTERFACE) {
        if count == links.len() {
            links.push(Link::default());
        }
        if read(message, &mut links[count]).is_some() {
            count += 1;
        }
    }
    links.truncate(count);
}

fn read(message: &[u8], link: &mut Link) -> Option<()> {
    let address = message.get(at::END..)?;
    // sdl_len, sdl_family, sdl_index (2), sdl_type, sdl_nlen, sdl_alen, sdl_slen, then name and address.
    let [_, AF_LINK, _, _, _, name_length, address_length, ..] = *address else { return None };
    let data = address.get(8..)?;
    let (name, after) = data.split_at_checked(usize::from(name_length))?;
    if name.is_empty() {
        return None;
    }
    let interface = &mut link.interface;
    link.index = u32::from(u16::from_ne_bytes(message.get(at::INDEX..at::INDEX + 2)?.try_into().ok()?));
    set_text(&mut interface.device, name, MAX_NAME_BYTES);
    let mac = after.get(..usize::from(address_length)).and_then(|mac| <&[u8; 6]>::try_from(mac).ok());
    interface.mac_address = mac.filter(|mac| **mac != [0; 6]).map(super::source::mac_text);
    let flags = u32_at(message, at::FLAGS)?;
    interface.operstate = Some(if flags & (UP | RUNNING) == UP | RUNNING { "up" } else { "down" }.into());
    interface.mtu_bytes = u32_at(message, at::MTU).map(u64::from).filter(|mtu| *mtu > 0);
    interface.speed_bytes = u64_at(message, at::BAUDRATE).map(|bits| bits / 8).filter(|bytes| *bytes > 0);
    interface.receive_bytes_total = u64_at(message, at::IBYTES);
    interface.receive_packets_total = u64_at(message, at::IPACKETS);
    interface.receive_errs_total = u64_at(message, at::IERRORS);
    interface.receive_drop_total = u64_at(message, at::IQDROPS);
    interface.receive_multicast_total = u64_at(message, at::IMCASTS);
    interface.transmit_bytes_total = u64_at(message, at::OBYTES);
    interface.transmit_packets_total = u64_at(message, at::OPACKETS);
    interface.transmit_errs_total = u64_at(message, at::OERRORS);
    interface.transmit_drop_total = u32_at(message, at::SEND_DROPS).map(u64::from);
    interface.transmit_colls_total = u64_at(message, at::COLLISIONS);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A message with every counter its own number. The places are those of the headers again, by number,
    /// so that a slip in `at` shows.
    fn message(name: &str, mac: &[u8], flags: u32) -> Vec<u8> {
        let mut m = vec![0u8; 160];
        m[2] = VERSION;
        m[3] = INTERFACE;
        m[8..12].copy_from_slice(&flags.to_ne_bytes());
        m[12..14].copy_from_slice(&7u16.to_ne_bytes());
        m[24..28].copy_from_slice(&11u32.to_ne_bytes());
        m[40..44].copy_from_slice(&1500u32.to_ne_bytes());
        m[48..56].copy_from_slice(&1_000_000_000u64.to_ne_bytes());
        // Bytes, packets, errors, drops and multicasts in; bytes, packets and errors out; collisions.
        for (n, at) in (1u64..).zip([96, 56, 64, 128, 112, 104, 72, 80, 88]) {
            m[at..at + 8].copy_from_slice(&((n << 40) + n).to_ne_bytes());
        }
        let lengths = [name.len() as u8, mac.len() as u8];
        m.extend([20, AF_LINK, 7, 0, 6, lengths[0], lengths[1], 0]);
        m.extend(name.as_bytes());
        m.extend(mac);
        m.resize(m.len().next_multiple_of(4), 0);
        let length = (m.len() as u16).to_ne_bytes();
        m[..2].copy_from_slice(&length);
        m
    }

    #[test]
    fn every_field_is_read_from_its_place() {
        // The address messages that stand between the interfaces are of another type.
        let address = [8, 0, VERSION, 0x0c, 0, 0, 0, 0];
        let bytes = [
            message("lo0", &[], UP | RUNNING),
            address.to_vec(),
            message("en0", &[0xf4, 0xd4, 0x88, 1, 2, 3], UP),
        ]
        .concat();
        let mut links = vec![Link::default(); 9];
        parse(&bytes, &mut links);
        let names: Vec<_> = links.iter().map(|l| l.interface.device.as_str()).collect();
        assert_eq!(names, ["lo0", "en0"]);
        let [lo0, en0] = [&links[0].interface, &links[1].interface];
        assert_eq!((lo0.mac_address.as_deref(), lo0.operstate.as_deref()), (None, Some("up")));
        assert_eq!(en0.mac_address.as_deref(), Some("f4:d4:88:01:02:03"));
        assert_eq!((en0.operstate.as_deref(), links[1].index), (Some("down"), 7), "up but not running");
        assert_eq!((en0.mtu_bytes, en0.speed_bytes), (Some(1500), Some(125_000_000)));
        let counters = [
            en0.receive_bytes_total,
            en0.receive_packets_total,
            en0.receive_errs_total,
            en0.receive_drop_total,
            en0.receive_multicast_total,
            en0.transmit_bytes_total,
            en0.transmit_packets_total,
            en0.transmit_errs_total,
            en0.transmit_colls_total,
        ];
        let expected: Vec<_> = (1u64..10).map(|n| Some((n << 40) + n)).collect();
        assert_eq!(counters.as_slice(), expected.as_slice());
        assert_eq!(en0.transmit_drop_total, Some(11));
        assert_eq!(en0.receive_fifo_total, None, "what the system does not count is absent");
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            cut in 0usize..200,
            name_length in any::<u8>(),
        ) {
            let mut links = Vec::new();
            parse(&bytes, &mut links);
            let mut whole = message("en0", &[1; 6], UP);
            whole[at::END + 5] = name_length;
            whole.truncate(cut);
            parse(&whole, &mut links);
            prop_assert!(messages(&bytes).count() <= bytes.len() / 4);
        }
    }
}
