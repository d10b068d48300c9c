//! Network interfaces: counters from `/proc/net/dev` at each sample; addresses, state and the default
//! route, which seldom change, less often.
//!
//! A new interface, and one whose counters went back (taken down and made anew under the same name),
//! is read whole at once. All others have their files under `/sys/class/net` read once in
//! [`DETAILS_EVERY`] samples, a tenth of them at each sample, so a host with a thousand interfaces
//! works evenly.

use std::ffi::CStr;

use chasar_wire::family::Interface;
use chasar_wire::limits::MAX_NAME_BYTES;
use chasar_wire::{Report, Text};

use super::file::Kept;
use super::sys;
use super::text::{copy_option, lines, number, set_some, set_text, split_once, trim, words};
use super::{net_dev, route};
use crate::address::{Addresses, InterfaceAddress, MAX_INTERFACES};
use crate::{Host, Now, Outcome, Probe, ProbeError, Setup};

/// In how many samples every interface is read whole once, and addresses and routes are looked at.
const DETAILS_EVERY: usize = 10;
/// The longest attribute of an interface is the hardware address of InfiniBand, 60 bytes.
const LONGEST_ATTRIBUTE: usize = 128;

pub(crate) fn make(_: &Setup<'_>) -> Box<dyn Probe> {
    Box::new(Networks {
        counters: Kept::records(c"net/dev"),
        sample: 0,
        known: Vec::new(),
        default: Vec::new(),
        path: Vec::new(),
        buffer: Vec::new(),
    })
}

struct Networks {
    counters: Kept,
    sample: usize,
    /// In the order of the file.
    known: Vec<Known>,
    /// Name of the interface with the default route; empty for none.
    default: Vec<u8>,
    path: Vec<u8>,
    buffer: Vec<u8>,
}

/// What is kept of an interface between samples.
#[derive(Default)]
struct Known {
    name: Vec<u8>,
    /// What it counted, in the order of [`net_dev::Line::values`].
    values: [Option<u64>; 16],
    unread: bool,
    mac_address: Option<Text>,
    operstate: Option<Text>,
    mtu_bytes: Option<u64>,
    speed_bytes: Option<u64>,
    addresses: Addresses,
}

impl Networks {
    /// Brings `known` into line with the file; whether an interface came, was made anew or went.
    fn meet(&mut self, host: &Host) -> Result<bool, ProbeError> {
        let content = self.counters.read(&host.proc)?;
        let mut count = 0;
        let mut changed = false;
        for line in net_dev::parse(content).take(MAX_INTERFACES) {
            match self.known[count..].iter().position(|k| k.name == line.name) {
                Some(0) => {}
                Some(further) => self.known.swap(count, count + further),
                None => {
                    self.known.insert(count, Known { name: line.name.to_vec(), ..Known::default() });
                    self.known[count].unread = true;
                }
            }
            let known = &mut self.known[count];
            known.unread |= line.values.iter().zip(known.values).any(|(now, before)| *now < before);
            known.values = line.values;
            changed |= known.unread;
            count += 1;
        }
        changed |= count < self.known.len();
        self.known.truncate(count);
        Ok(changed)
    }

    fn read_details(&mut self, host: &Host) {
        let turn = self.sample % DETAILS_EVERY;
        for (i, known) in self.known.iter_mut().enumerate() {
            // The kernel allows no such names; a folder that is not the kernel's might.
            let safe = !known.name.contains(&b'/') && known.name != b"." && known.name != b"..";
            if !(known.unread || i % DETAILS_EVERY == turn) || !safe {
                continue;
            }
            known.unread = false;
            let mut value = |file: &str, take: &mut dyn FnMut(Option<&[u8]>)| {
                self.path.clear();
                for part in [b"class/net/", &known.name[..], b"/", file.as_bytes(), b"\0"] {
                    self.path.extend_from_slice(part);
                }
                // Each may be missing, or refuse: a link that is down has no speed.
                let mut content = [0; LONGEST_ATTRIBUTE];
                let path = CStr::from_bytes_with_nul(&self.path).ok();
                let n = path.and_then(|path| attribute(host, path, &mut content).ok());
                take(n.map(|n| trim(&content[..n])).filter(|v| !v.is_empty()));
            };
            value("address", &mut |v| {
                let some = v.filter(|v| v.iter().any(|b| !matches!(b, b'0' | b':')));
                set_option(&mut known.mac_address, some);
            });
            value("operstate", &mut |v| set_option(&mut known.operstate, v));
            value("mtu", &mut |v| known.mtu_bytes = v.and_then(number));
            value("speed", &mut |v| known.speed_bytes = v.and_then(speed_bytes));
        }
    }

    fn read_addresses(&mut self, host: &Host) {
        self.known.iter_mut().for_each(|k| k.addresses.forget());
        // Addresses that cannot be read are absent; the counters are still worth having.
        let _ = addresses(host, |address| {
            let find = |name: &[u8]| self.known.iter().position(|k| k.name == name);
            // An IPv4 address may have a label, `eth0:1`, in the place of the name.
            let at = find(address.name).or_else(|| find(split_once(address.name, b':')?.0));
            if let Some(at) = at {
                self.known[at].addresses.add(&address);
            }
        });
        self.known.iter_mut().for_each(|k| k.addresses.cut());
    }

    fn read_default_route(&mut self, host: &Host) {
        self.default.clear();
        let mut found = false;
        for (file, most, interface) in [
            (c"net/route", route::IPV4_BYTES, route::ipv4 as fn(&[u8]) -> Option<&[u8]>),
            (c"net/ipv6_route", route::IPV6_BYTES, route::ipv6),
        ] {
            if !found && let Some(name) = interface(head(host, file, most, &mut self.buffer)) {
                self.default.extend_from_slice(name);
                found = true;
            }
        }
    }

    fn tell(&self, report: &mut Report) {
        let network = report.network.get_or_insert_default();
        if self.default.is_empty() {
            network.default_interface = None;
        } else {
            set_some(&mut network.default_interface, &self.default, MAX_NAME_BYTES);
        }
        match self.known.iter().find(|k| k.name == self.default) {
            Some(known) => {
                copy_option(&mut report.mac_address, known.mac_address.as_ref());
                report.ipv4_interfaces.clone_from(known.addresses.ipv4());
            }
            None => {
                report.mac_address = None;
                report.ipv4_interfaces.clear();
            }
        }
        let list = &mut network.interfaces;
        list.truncate(self.known.len());
        list.resize_with(self.known.len(), Interface::default);
        for (interface, known) in list.iter_mut().zip(&self.known) {
            set_text(&mut interface.device, &known.name, MAX_NAME_BYTES);
            copy_option(&mut interface.mac_address, known.mac_address.as_ref());
            copy_option(&mut interface.operstate, known.operstate.as_ref());
            count(interface, known.values);
            interface.speed_bytes = known.speed_bytes;
            interface.mtu_bytes = known.mtu_bytes;
            known.addresses.tell(interface);
        }
    }
}

fn count(interface: &mut Interface, values: [Option<u64>; 16]) {
    let [
        receive_bytes,
        receive_packets,
        receive_errs,
        receive_drop,
        receive_fifo,
        receive_frame,
        _receive_compressed,
        receive_multicast,
        transmit_bytes,
        transmit_packets,
        transmit_errs,
        transmit_drop,
        transmit_fifo,
        transmit_colls,
        transmit_carrier,
        _transmit_compressed,
    ] = values;
    interface.receive_bytes_total = receive_bytes;
    interface.receive_packets_total = receive_packets;
    interface.receive_errs_total = receive_errs;
    interface.receive_drop_total = receive_drop;
    interface.receive_fifo_total = receive_fifo;
    interface.receive_frame_total = receive_frame;
    interface.receive_multicast_total = receive_multicast;
    interface.transmit_bytes_total = transmit_bytes;
    interface.transmit_packets_total = transmit_packets;
    interface.transmit_errs_total = transmit_errs;
    interface.transmit_drop_total = transmit_drop;
    interface.transmit_fifo_total = transmit_fifo;
    interface.transmit_colls_total = transmit_colls;
    interface.transmit_carrier_total = transmit_carrier;
}

fn set_option(text: &mut Option<Text>, value: Option<&[u8]>) {
    match value {
        Some(value) => set_some(text, value, MAX_NAME_BYTES),
        None => *text = None,
    }
}

/// Bytes a second from the megabits a second of `speed`; drivers that do not know say -1, in 32 or in 16 bits.
fn speed_bytes(megabits: &[u8]) -> Option<u64> {
    let megabits = number(megabits).filter(|m| *m != u64::from(u32::MAX) && *m != u64::from(u16::MAX))?;
    megabits.checked_mul(1_000_000 / 8)
}

/// Reads a file of `/sys`, which the kernel gives in one piece. Its errors are common (a link that is
/// down has no speed) and need no words.
fn attribute(host: &Host, path: &CStr, content: &mut [u8]) -> std::io::Result<usize> {
    sys::pread(&host.sys.file(path)?, content, 0)
}

/// The first `most` bytes of a file, or fewer; nothing if there is none.
fn head<'b>(host: &Host, name: &CStr, most: usize, buffer: &'b mut Vec<u8>) -> &'b [u8] {
    let mut have = 0;
    if buffer.len() < most {
        buffer.resize(most, 0);
    }
    if let Ok(fd) = host.proc.file(name) {
        while have < most {
            match sys::pread(&fd, &mut buffer[have..most], have as u64) {
                Ok(n) if n > 0 => have += n,
                _ => break,
            }
        }
    }
    &buffer[..have]
}

/// Every address of every interface.
fn addresses(host: &Host, mut each: impl FnMut(InterfaceAddress<'_>)) -> std::io::Result<()> {
    let Some(text) = host.fact(c"addresses") else { return sys::interface_addresses(each) };
    for line in lines(&text?) {
        if let Some(address) = recorded_address(line) {
            each(address);
        }
    }
    Ok(())
}

/// `interface address/length [broadcast]`.
pub(crate) fn recorded_address(line: &[u8]) -> Option<InterfaceAddress<'_>> {
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let mut words = words(line);
    let name = words.next()?;
    let (address, length) = split_once(words.next()?, b'/')?;
    Some(InterfaceAddress {
        name,
        address: text(address)?.parse().ok()?,
        prefix_length: u8::try_from(number(length)?).ok()?,
        broadcast: words.next().and_then(|b| text(b)?.parse().ok()),
    })
}

impl Probe for Networks {
    fn name(&self) -> &'static str {
        "network"
    }

    fn read(&mut self, host: &Host, _: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        let changed = match self.meet(host) {
            Err(e) if e.is_missing() => return Ok(Outcome::NothingHere("no /proc/net/dev")),
            other => other?,
        };
        self.read_details(host);
        if changed || self.sample.is_multiple_of(DETAILS_EVERY) {
            self.read_addresses(host);
            self.read_default_route(host);
        }
        self.sample = self.sample.wrapping_add(1);
        self.tell(report);
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        report.network = None;
        report.mac_address = None;
        report.ipv4_interfaces.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    #[test]
    fn speeds_are_bytes_a_second() {
        assert_eq!(speed_bytes(b"1000"), Some(125_000_000));
        for unknown in [&b"-1"[..], b"65535", b"4294967295", b"", b"fast", b"18446744073709551615"] {
            assert_eq!(speed_bytes(unknown), None, "{unknown:?}");
        }
    }

    #[test]
    fn addresses_of_a_recorded_host() {
        let address = recorded_address(b"eth0 192.0.2.2/24 192.0.2.255").unwrap();
        assert_eq!((address.name, address.prefix_length), (&b"eth0"[..], 24));
        assert_eq!(address.broadcast, Some(Ipv4Addr::new(192, 0, 2, 255)));
        for bad in ["", "eth0", "eth0 192.0.2.2", "eth0 192.0.2.2/x", "eth0 nowhere/24", "eth0 192.0.2.2/999"]
        {
            assert!(recorded_address(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
