//! Network interfaces: counters, speed and state from `GetIfTable2` at each sample; addresses and the
//! default route from `GetAdaptersAddresses`, which is dear and seldom changes, less often.

use core::net::IpAddr;
use std::fmt::Write;

use chasar_wire::family::Interface;
use chasar_wire::limits::MAX_NAME_BYTES;
use chasar_wire::{Report, Text};

use super::host::failed;
use super::parse::adapters;
use super::parse::bytes::set_units;
use super::sys::{self, Buffer, MIB_IF_ROW2};
use crate::address::{Addresses, InterfaceAddress, MAX_INTERFACES};
use crate::{Host, Now, Outcome, Probe, ProbeError, Setup};

/// Addresses and routes are looked at in one of so many samples, or when an interface came, went, or
/// changed its state.
const SAMPLES_BETWEEN_LOOKS: u32 = 10;
/// Every network driver adds rows of its own for each card, which are left out; so many are looked at.
const MAX_ROWS: usize = 8_192;

pub(crate) fn make(_: &Setup<'_>) -> Box<dyn Probe> {
    Box::new(Networks { adapters: Buffer::default(), known: Vec::new(), default: None, seen: 0, look_in: 0 })
}

struct Networks {
    adapters: Buffer,
    known: Vec<Known>,
    /// Number of the interface with the default route.
    default: Option<u32>,
    /// Stands for which interfaces there were and in which state.
    seen: u64,
    look_in: u32,
}

/// Addresses of an interface.
#[derive(Default)]
struct Known {
    index: u32,
    addresses: Addresses,
}

/// A row that stands for a filter in the stack of a card's drivers; it counts the card's traffic again.
fn is_filter(row: &MIB_IF_ROW2) -> bool {
    const HARDWARE: u8 = 1;
    const FILTER: u8 = 2;
    const UP: i32 = 1;
    let flags = row.InterfaceAndOperStatusFlags._bitfield;
    // Windows keeps a dozen tunnels and miniports that nobody has ever used.
    flags & FILTER != 0 || (flags & HARDWARE == 0 && row.OperStatus != UP)
}

/// State in the words of RFC 2863, as Linux writes them.
fn operstate(status: i32) -> &'static str {
    match status {
        1 => "up",
        2 => "down",
        3 => "testing",
        5 => "dormant",
        6 => "notpresent",
        7 => "lowerlayerdown",
        _ => "unknown",
    }
}

fn set_mac(text: &mut Option<Text>, row: &MIB_IF_ROW2) {
    let len = (row.PhysicalAddressLength as usize).min(row.PhysicalAddress.len());
    let address = &row.PhysicalAddress[..len];
    if address.iter().all(|byte| *byte == 0) {
        *text = None;
        return;
    }
    let text = text.get_or_insert_default();
    text.clear();
    for (i, byte) in address.iter().enumerate() {
        let _ = write!(text, "{}{byte:02x}", if i == 0 { "" } else { ":" });
    }
}

fn write_row(interface: &mut Interface, row: &MIB_IF_ROW2) {
    let alias = row.Alias.iter().copied().take_while(|unit| *unit != 0);
    set_units(&mut interface.device, alias, MAX_NAME_BYTES);
    if interface.device.is_empty() {
        let _ = write!(interface.device, "interface {}", row.InterfaceIndex);
    }
    set_mac(&mut interface.mac_address, row);
    if interface.operstate.as_deref() != Some(operstate(row.OperStatus)) {
        interface.operstate = Some(operstate(row.OperStatus).into());
    }
    let speed = row.ReceiveLinkSpeed.max(row.TransmitLinkSpeed);
    interface.speed_bytes = Some(speed / 8).filter(|_| speed > 0 && speed != u64::MAX);
    interface.mtu_bytes = Some(u64::from(row.Mtu)).filter(|mtu| *mtu > 0 && *mtu < u64::from(u32::MAX));
    interface.receive_bytes_total = Some(row.InOctets);
    interface.receive_packets_total = Some(row.InUcastPkts.saturating_add(row.InNUcastPkts));
    interface.receive_errs_total = Some(row.InErrors);
    interface.receive_drop_total = Some(row.InDiscards);
    interface.transmit_bytes_total = Some(row.OutOctets);
    interface.transmit_packets_total = Some(row.OutUcastPkts.saturating_add(row.OutNUcastPkts));
    interface.transmit_errs_total = Some(row.OutErrors);
    interface.transmit_drop_total = Some(row.OutDiscards);
}

impl Networks {
    fn look(&mut self) {
        self.default = None;
        // Addresses that cannot be read are absent; the counters are still worth having.
        if sys::adapters(&mut self.adapters).is_err() {
            self.known.clear();
            return;
        }
        let buffer = self.adapters.bytes();
        self.default = adapters::default_interface(buffer);
        let mut count = 0;
        for adapter in adapters::parse(buffer).take(MAX_INTERFACES) {
            let Some(index) = adapter.index() else { continue };
            if count == self.known.len() {
                self.known.push(Known::default());
            }
            let known = &mut self.known[count];
            count += 1;
            known.index = index;
            known.addresses.forget();
            for adapters::Address { address, prefix_length } in adapter.addresses() {
                let broadcast = match address {
                    IpAddr::V4(ipv4) => adapters::broadcast(ipv4, prefix_length),
                    IpAddr::V6(_) => None,
                };
                known.addresses.add(&InterfaceAddress { name: b"", address, prefix_length, broadcast });
            }
            known.addresses.cut();
        }
        self.known.truncate(count);
    }
}

impl Probe for Networks {
    fn name(&self) -> &'static str {
        "network"
    }

    fn read(&mut self, _: &Host, _: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        let network = report.network.get_or_insert_default();
        let list = &mut network.interfaces;
        let (mut count, mut seen) = (0, 0u64);
        let mut indices = [0u32; MAX_INTERFACES];
        let listed = sys::interfaces(MAX_ROWS, |row| {
            if count == MAX_INTERFACES || is_filter(row) {
                return;
            }
            if count == list.len() {
                list.push(Interface::default());
            }
            write_row(&mut list[count], row);
            indices[count] = row.InterfaceIndex;
            count += 1;
            for part in [row.InterfaceIndex, row.OperStatus.cast_unsigned()] {
                seen = seen.wrapping_mul(0x100_0000_01b3).wrapping_add(u64::from(part) + 1);
            }
        });
        listed.map_err(|e| failed("GetIfTable2", e))?;
        list.truncate(count);
        if self.look_in == 0 || self.seen != seen {
            (self.look_in, self.seen) = (SAMPLES_BETWEEN_LOOKS, seen);
            self.look();
        }
        self.look_in -= 1;

        network.default_interface = None;
        report.mac_address = None;
        let nothing = Addresses::default();
        let mut ipv4 = nothing.ipv4();
        for (interface, index) in network.interfaces.iter_mut().zip(indices) {
            let known = self.known.iter().find(|k| k.index == index);
            let addresses = known.map_or(&nothing, |k| &k.addresses);
            addresses.tell(interface);
            if Some(index) == self.default {
                network.default_interface = Some(interface.device.clone());
                report.mac_address.clone_from(&interface.mac_address);
                ipv4 = addresses.ipv4();
            }
        }
        report.ipv4_interfaces.clone_from(ipv4);
        if count == 0 {
            return Ok(Outcome::NothingHere("there is no network interface"));
        }
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        report.network = None;
        report.mac_address = None;
        report.ipv4_interfaces.clear();
    }
}
