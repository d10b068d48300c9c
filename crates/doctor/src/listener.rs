//! Who listens on which TCP port of this computer: `/proc/net/tcp` and the descriptors behind it, on Linux.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listener {
    /// The address it is bound to.
    pub(crate) address: IpAddr,
    /// Its port.
    pub(crate) port: u16,
    /// Whose it is, where we may see that.
    pub(crate) owner: Option<Owner>,
}

/// A program that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// Its process id.
    pub(crate) pid: u32,
    /// Its name.
    pub(crate) name: String,
}

/// All listeners on these ports; `None` where the system does not tell.
pub(crate) fn on_ports(ports: &[u16]) -> Option<Vec<Listener>> {
    let v4 = fs::read_to_string("/proc/net/tcp").ok()?;
    let v6 = fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
    let mut found: Vec<(Listener, u64)> =
        v4.lines().chain(v6.lines()).filter_map(parse).filter(|(l, _)| ports.contains(&l.port)).collect();
    let inodes: Vec<u64> = found.iter().map(|(_, inode)| *inode).collect();
    let owners = if inodes.is_empty() { Vec::new() } else { owners(&inodes) };
    for (listener, inode) in &mut found {
        listener.owner = owners.iter().find(|(of, _)| of == inode).map(|(_, owner)| owner.clone());
    }
    Some(found.into_iter().map(|(listener, _)| listener).collect())
}

/// A line of `/proc/net/tcp` or `tcp6` (proc_net_tcp in the kernel's documentation), if it is of a listener.
fn parse(line: &str) -> Option<(Listener, u64)> {
    const LISTEN: &str = "0A";
    let mut fields = line.split_ascii_whitespace();
    let (address, port) = fields.nth(1)?.split_once(':')?;
    if fields.nth(1)? != LISTEN {
        return None;
    }
    let inode = fields.nth(5)?.parse().ok()?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some((Listener { address: parse_address(address)?, port, owner: None }, inode))
}

/// 32-bit words in the byte order of this computer, each in hexadecimal.
fn parse_address(text: &str) -> Option<IpAddr> {
    if !text.is_ascii() {
        return None;
    }
    let word = |at: usize| u32::from_str_radix(text.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

/// Which processes have these sockets open, as far as we may look.
fn owners(inodes: &[u64]) -> Vec<(u64, Owner)> {
    let Ok(folders) = fs::read_dir("/proc") else { return Vec::new() };
    let mut found = Vec::new();
    for folder in folders.flatten() {
        let Some(pid) = folder.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
        let Ok(files) = fs::read_dir(folder.path().join("fd")) else { continue };
        for link in files.flatten().filter_map(|f| fs::read_link(f.path()).ok()) {
            let Some(inode) = socket_inode(&link.to_string_lossy()).filter(|i| inodes.contains(i)) else {
                continue;
            };
            let name = fs::read_to_string(folder.path().join("comm")).unwrap_or_default().trim().to_owned();
            found.push((inode, Owner { pid, name }));
        }
    }
    found
}

fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "   0: 0100007F:15B3 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 \
                      48211 1 0000000000000000 100 0 0 10 0";
    const V6: &str = "   1: 00000000000000000000000001000000:1A0A 00000000000000000000000000000000:0000 0A \
                      00000000:00000000 00:00000000 00000000     0        0 77 1 0 100 0 0 10 0";

    #[cfg(target_endian = "little")]
    #[test]
    fn lines_of_the_kernel() {
        let (listener, inode) = parse(V4).unwrap();
        assert_eq!((listener.address.to_string().as_str(), listener.port, inode), ("127.0.0.1", 5555, 48211));
        let (listener, inode) = parse(V6).unwrap();
        assert_eq!((listener.address.to_string().as_str(), listener.port, inode), ("::1", 6666, 77));
        assert_eq!(parse(&V4.replace(" 0A ", " 01 ")), None, "a connection is no listener");
        for odd in ["", "sl local_address", "0: x:y z 0A", "0: 0100007é:15B3 0:0 0A a b c d 1"] {
            assert_eq!(parse(odd), None, "{odd}");
        }
        assert_eq!((socket_inode("socket:[12]"), socket_inode("/dev/null")), (Some(12), None));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_port_of_ours_is_found_with_its_program() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let found = on_ports(&[port]).expect("procfs is there");
        let ours = found.iter().find(|l| l.address.is_loopback()).expect("it is listed");
        assert_eq!(ours.owner.as_ref().map(|o| o.pid), Some(std::process::id()));
        drop(listener);
        assert_eq!(on_ports(&[port]), Some(Vec::new()));
    }
}
