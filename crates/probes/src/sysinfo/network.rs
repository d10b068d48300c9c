//! Network interfaces: counters at each sample; addresses and the default route, which seldom change, less often.

use chasar_wire::Report;
use chasar_wire::family::Interface;

use super::source::{self, Link, Links};
use crate::address::{Addresses, MAX_INTERFACES};
use crate::text::copy_option;
use crate::{Host, Now, Outcome, Probe, ProbeError, Setup};

/// In how many samples addresses and routes are looked at once.
const DETAILS_EVERY: u32 = 10;

pub(crate) fn make(_: &Setup<'_>) -> Box<dyn Probe> {
    Box::new(Networks {
        source: Links::default(),
        links: Vec::new(),
        known: Vec::new(),
        default_interface: None,
        look_in: 0,
    })
}

struct Networks {
    source: Links,
    links: Vec<Link>,
    /// In the order of `links`.
    known: Vec<Known>,
    default_interface: Option<u32>,
    /// Samples until details are read again.
    look_in: u32,
}

/// What is kept of an interface between samples.
#[derive(Default)]
struct Known {
    index: u32,
    addresses: Addresses,
}

impl Networks {
    /// Brings `known` into line with `links`; whether an interface came or went.
    fn meet(&mut self) -> bool {
        let same = self.known.len() == self.links.len()
            && self.known.iter().zip(&self.links).all(|(k, l)| k.index == l.index);
        if !same {
            self.known.clear();
            self.known.extend(self.links.iter().map(|l| Known { index: l.index, ..Known::default() }));
        }
        !same
    }

    fn read_details(&mut self) {
        self.known.iter_mut().for_each(|k| k.addresses.forget());
        // Addresses and routes that cannot be read are absent; the counters are still worth having.
        let _ = source::addresses(|address| {
            let at = self.links.iter().position(|l| l.interface.device.as_bytes() == address.name);
            if let Some(at) = at {
                self.known[at].addresses.add(&address);
            }
        });
        self.known.iter_mut().for_each(|k| k.addresses.cut());
        self.default_interface = source::default_interface().ok().flatten();
    }

    fn tell(&self, report: &mut Report) {
        let network = report.network.get_or_insert_default();
        let default = self.links.iter().position(|l| Some(l.index) == self.default_interface);
        let link = default.map(|at| &self.links[at].interface);
        copy_option(&mut network.default_interface, link.map(|l| &l.device));
        copy_option(&mut report.mac_address, link.and_then(|l| l.mac_address.as_ref()));
        match default {
            Some(at) => report.ipv4_interfaces.clone_from(self.known[at].addresses.ipv4()),
            None => report.ipv4_interfaces.clear(),
        }
        let list = &mut network.interfaces;
        list.truncate(self.links.len());
        list.resize_with(self.links.len(), Interface::default);
        for ((interface, link), known) in list.iter_mut().zip(&self.links).zip(&self.known) {
            interface.clone_from(&link.interface);
            known.addresses.tell(interface);
        }
    }
}

impl Probe for Networks {
    fn name(&self) -> &'static str {
        "network"
    }

    fn read(&mut self, _: &Host, _: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        self.source.read(&mut self.links)?;
        self.links.truncate(MAX_INTERFACES);
        if self.links.is_empty() {
            return Ok(Outcome::NothingHere("the system lists no interface"));
        }
        if self.meet() || self.look_in == 0 {
            self.read_details();
            self.look_in = DETAILS_EVERY;
        }
        self.look_in -= 1;
        self.tell(report);
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        report.network = None;
        report.mac_address = None;
        report.ipv4_interfaces.clear();
    }
}
