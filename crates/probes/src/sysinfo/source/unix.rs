//! What every Unix has: addresses of interfaces, names of users, names of the system.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;

use chasar_wire::Text;

use crate::address::InterfaceAddress;
use crate::text::set_text;

/// What `uname(3)` tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    /// Host name.
    pub(crate) nodename: Text,
    /// Kernel release (`uname -r`).
    pub(crate) release: Text,
    /// Kernel build (`uname -v`).
    pub(crate) version: Text,
    /// Machine (`uname -m`).
    pub(crate) machine: Text,
}

/// `uname(3)`.
///
/// # Errors
/// What the system said.
pub(crate) fn names() -> io::Result<Names> {
    let mut names = MaybeUninit::<libc::utsname>::zeroed();
    // SAFETY: `names` has room for one `utsname`.
    if unsafe { libc::uname(names.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, and zero bytes are a valid `utsname` in any case.
    let names = unsafe { names.assume_init() };
    let text = |field: &[libc::c_char]| {
        let bytes: Vec<u8> = field.iter().map(|c| *c as u8).take_while(|b| *b != 0).collect();
        let mut text = Text::default();
        set_text(&mut text, &bytes, 255);
        text
    };
    Ok(Names {
        nodename: text(&names.nodename),
        release: text(&names.release),
        version: text(&names.version),
        machine: text(&names.machine),
    })
}

/// The name of a user, `getpwuid_r(3)`. May ask a directory service over the network, so it belongs aside.
///
/// # Errors
/// What the system said; a user without a name is `None`.
pub(crate) fn user_name(uid: u32) -> io::Result<Option<Text>> {
    // No name, folder and shell together are longer on any system we know of.
    const MOST_BYTES: usize = 64 << 10;
    let mut buffer = vec![0u8; 1024];
    loop {
        let mut entry = MaybeUninit::<libc::passwd>::zeroed();
        let mut found = std::ptr::null_mut();
        // SAFETY: `entry` and `found` have room for one value each, `buffer` is writable for its length.
        let error = unsafe {
            libc::getpwuid_r(
                uid,
                entry.as_mut_ptr(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                &raw mut found,
            )
        };
        match error {
            libc::ERANGE if buffer.len() < MOST_BYTES => buffer.resize(buffer.len() * 2, 0),
            0 if found.is_null() => return Ok(None),
            0 => {
                // SAFETY: the call found a user, so it has filled `entry`; its name is a C string in `buffer`.
                let name = unsafe { CStr::from_ptr((*entry.as_ptr()).pw_name) };
                let mut text = Text::default();
                set_text(&mut text, name.to_bytes(), 255);
                return Ok((!text.is_empty()).then_some(text));
            }
            // "There is no such user" in the words of some systems.
            libc::ENOENT | libc::ESRCH => return Ok(None),
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// The number of an interface, `if_nametoindex(3)`; 0 for none.
#[cfg(not(target_os = "macos"))]
pub(crate) fn interface_index(name: &CStr) -> u32 {
    // SAFETY: `name` is a C string.
    unsafe { libc::if_nametoindex(name.as_ptr()) }
}

/// The bytes of a socket address: its own length where it has one, that of its family's type otherwise.
///
/// # Safety
/// `address` is null or points to a socket address of its family's type.
unsafe fn bytes<'a>(address: *const libc::sockaddr) -> &'a [u8] {
    if address.is_null() {
        return &[];
    }
    #[cfg(any(target_os = "macos", target_os = "freebsd"))]
    // SAFETY: as the caller promises.
    let length = usize::from(unsafe { (*address).sa_len });
    #[cfg(not(any(target_os = "macos", target_os = "freebsd")))]
    // SAFETY: as the caller promises.
    let length = match i32::from(unsafe { (*address).sa_family }) {
        libc::AF_INET => size_of::<libc::sockaddr_in>(),
        libc::AF_INET6 => size_of::<libc::sockaddr_in6>(),
        _ => 0,
    };
    // SAFETY: a socket address has as many bytes as it says, or as its type has.
    unsafe { std::slice::from_raw_parts(address.cast(), length) }
}

/// Where the address stands in a socket address, and how long it is: the same on every Unix.
pub(crate) fn payload(family: i32, bytes: &[u8]) -> &[u8] {
    let (from, length) = match family {
        libc::AF_INET => (4, 4),
        libc::AF_INET6 => (8, 16),
        _ => (0, 0),
    };
    let rest = bytes.get(from..).unwrap_or_default();
    &rest[..length.min(rest.len())]
}

/// The IP address in a socket address.
fn ip(family: i32, bytes: &[u8]) -> Option<IpAddr> {
    let payload = payload(family, bytes);
    match family {
        libc::AF_INET => Some(Ipv4Addr::from(<[u8; 4]>::try_from(payload).ok()?).into()),
        libc::AF_INET6 => {
            let mut octets = <[u8; 16]>::try_from(payload).ok()?;
            if octets[..2] == [0xfe, 0x80] {
                // BSD kernels write the interface's number into link-local addresses (RFC 4007 calls it a zone).
                octets[2..4].fill(0);
            }
            Some(Ipv6Addr::from(octets).into())
        }
        _ => None,
    }
}

/// Bits of a netmask for an address of `family`. BSD cuts zero bytes off its end and may leave its
/// family out; no mask at all stands for a single address.
fn prefix_length(family: i32, mask: &[u8]) -> u8 {
    if mask.is_empty() {
        return if family == libc::AF_INET { 32 } else { 128 };
    }
    payload(family, mask).iter().map(|b| b.count_ones() as u8).sum()
}

/// `getifaddrs(3)`: hands every IPv4 and IPv6 address to `each`.
///
/// # Errors
/// What the system said.
pub(crate) fn addresses(mut each: impl FnMut(InterfaceAddress<'_>)) -> io::Result<()> {
    let mut first = std::ptr::null_mut();
    // SAFETY: the call writes one pointer.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut next = first;
    while !next.is_null() {
        // SAFETY: the list that the call made is not freed before the end of this function.
        let entry = unsafe { &*next };
        next = entry.ifa_next;
        if entry.ifa_addr.is_null() {
            continue;
        }
        #[cfg(not(any(target_os = "macos", target_os = "freebsd")))]
        let destination = entry.ifa_ifu;
        #[cfg(any(target_os = "macos", target_os = "freebsd"))]
        let destination = entry.ifa_dstaddr;
        // SAFETY: its socket addresses are null or of their family's type, its name is a C string.
        let (family, address, mask, destination, name) = unsafe {
            (
                i32::from((*entry.ifa_addr).sa_family),
                bytes(entry.ifa_addr),
                bytes(entry.ifa_netmask),
                bytes(destination),
                CStr::from_ptr(entry.ifa_name).to_bytes(),
            )
        };
        let Some(address) = ip(family, address) else { continue };
        let has_broadcast = entry.ifa_flags & libc::IFF_BROADCAST as u32 != 0;
        let broadcast = match ip(family, destination) {
            Some(IpAddr::V4(broadcast)) if has_broadcast => Some(broadcast),
            _ => None,
        };
        each(InterfaceAddress { name, address, prefix_length: prefix_length(family, mask), broadcast });
    }
    // SAFETY: the list comes from `getifaddrs` and nothing refers to it any more.
    unsafe { libc::freeifaddrs(first) };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_read_however_short_they_are() {
        // As BSD gives them: length, family (or none), port, then as many bytes as are not zero.
        for (mask, length) in [
            (&[8, 2, 0, 0, 255, 255, 255, 0][..], 24),
            (&[7, 0, 0, 0, 255, 255, 240][..], 20),
            (&[5, 0, 0, 0, 255][..], 8),
            (&[4, 0, 0, 0][..], 0),
            (&[16, 2, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0][..], 32),
            (&[][..], 32),
        ] {
            assert_eq!(prefix_length(libc::AF_INET, mask), length, "{mask:?}");
        }
        let mut ipv6 = [0u8; 28];
        ipv6[8..16].fill(255);
        assert_eq!(prefix_length(libc::AF_INET6, &ipv6), 64);
        assert_eq!(prefix_length(libc::AF_INET6, &ipv6[..13]), 40);
        assert_eq!(prefix_length(libc::AF_INET6, &[]), 128);
    }

    #[test]
    fn link_local_addresses_lose_the_number_of_their_interface() {
        let mut bytes = [0u8; 28];
        bytes[8..12].copy_from_slice(&[0xfe, 0x80, 0, 4]);
        bytes[23] = 1;
        assert_eq!(ip(libc::AF_INET6, &bytes), Some("fe80::1".parse().unwrap()));
        for short in [&bytes[..20], &[]] {
            assert_eq!(ip(libc::AF_INET6, short), None);
            assert_eq!(ip(libc::AF_INET, &short[..short.len().min(7)]), None);
        }
    }

    #[test]
    fn users_have_names() {
        assert_eq!(user_name(0).unwrap().as_deref(), Some("root"));
        assert_eq!(user_name(3_999_999_999).unwrap(), None);
    }
}
