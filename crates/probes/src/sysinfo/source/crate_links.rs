//! Interfaces as `sysinfo` tells them: those of FreeBSD, and in tests those of Linux.

use std::ffi::CString;

use chasar_wire::family::Interface;
use sysinfo::{InterfaceOperationalState, NetworkData, Networks};

use super::{Link, unix};
use crate::ProbeError;
use crate::sysinfo::trouble;
use crate::text::set_text;

/// The interfaces of this computer.
#[derive(Default)]
pub(crate) struct Links {
    networks: Option<Networks>,
}

impl Links {
    /// Writes all of them over `links`.
    ///
    /// # Errors
    /// What the crate said.
    pub(crate) fn read(&mut self, links: &mut Vec<Link>) -> Result<(), ProbeError> {
        let networks = match &mut self.networks {
            Some(networks) => networks,
            none => none.insert(Networks::new().map_err(trouble("interfaces"))?),
        };
        networks.refresh(true);
        links.truncate(networks.len());
        links.resize_with(networks.len(), Link::default);
        for (link, (name, data)) in links.iter_mut().zip(networks.iter()) {
            let name = name.as_encoded_bytes();
            link.index = CString::new(name).map_or(0, |name| unix::interface_index(&name));
            set_text(&mut link.interface.device, name, 255);
            tell(data, &mut link.interface);
        }
        links.sort_unstable_by_key(|l| l.index);
        Ok(())
    }
}

fn tell(data: &NetworkData, interface: &mut Interface) {
    let mac = data.mac_address();
    interface.mac_address = (!mac.is_unspecified()).then(|| super::mac_text(&mac.0));
    interface.operstate = match data.operational_state() {
        InterfaceOperationalState::Up => Some("up".into()),
        InterfaceOperationalState::Down => Some("down".into()),
        InterfaceOperationalState::Unknown => Some("unknown".into()),
        _ => None,
    };
    interface.mtu_bytes = Some(data.mtu()).filter(|mtu| *mtu > 0);
    interface.speed_bytes = data.receive_link_speed().map(|bits| bits / 8).filter(|bytes| *bytes > 0);
    interface.receive_bytes_total = Some(data.total_received());
    interface.receive_packets_total = Some(data.total_packets_received());
    interface.receive_errs_total = Some(data.total_errors_on_received());
    interface.transmit_bytes_total = Some(data.total_transmitted());
    interface.transmit_packets_total = Some(data.total_packets_transmitted());
    interface.transmit_errs_total = Some(data.total_errors_on_transmitted());
}
