//! Series of network interfaces.

use super::{Kind, Metric, Sink, label, metrics_of, read_all, readings};
use crate::family::{Interface, Network};

static INFO: Metric = Metric::new(
    "node_network_info",
    Kind::Info,
    "What an interface is: hardware address and operational state (RFC 2863)",
    &["address", "device", "operstate"],
);

readings! {
    ALL of Interface, labels &["device"];
    "node_network_up" Gauge "1 when the operational state is up, else 0" => |i| i.operstate.as_ref().map(|state| state == "up");
    "node_network_speed_bytes" Gauge "Link speed, bytes a second" => |i| i.speed_bytes;
    "node_network_mtu_bytes" Gauge "Largest packet" => |i| i.mtu_bytes;
    "node_network_receive_bytes_total" Counter "Bytes received" => |i| i.receive_bytes_total;
    "node_network_receive_packets_total" Counter "Packets received" => |i| i.receive_packets_total;
    "node_network_receive_errs_total" Counter "Receive errors" => |i| i.receive_errs_total;
    "node_network_receive_drop_total" Counter "Received packets dropped" => |i| i.receive_drop_total;
    "node_network_receive_fifo_total" Counter "Receive overruns: the host did not take packets off the device in time" => |i| i.receive_fifo_total;
    "node_network_receive_frame_total" Counter "Frames received that were misaligned or of a wrong length" => |i| i.receive_frame_total;
    "node_network_receive_multicast_total" Counter "Multicast packets received" => |i| i.receive_multicast_total;
    "node_network_transmit_bytes_total" Counter "Bytes sent" => |i| i.transmit_bytes_total;
    "node_network_transmit_packets_total" Counter "Packets sent" => |i| i.transmit_packets_total;
    "node_network_transmit_errs_total" Counter "Transmit errors" => |i| i.transmit_errs_total;
    "node_network_transmit_drop_total" Counter "Packets to send dropped" => |i| i.transmit_drop_total;
    "node_network_transmit_fifo_total" Counter "Transmit underruns" => |i| i.transmit_fifo_total;
    "node_network_transmit_colls_total" Counter "Collisions" => |i| i.transmit_colls_total;
    "node_network_transmit_carrier_total" Counter "Losses of the carrier while sending" => |i| i.transmit_carrier_total;
}

pub(super) fn walk(network: &Network, sink: &mut impl Sink) {
    for interface in &network.interfaces {
        let device = &*interface.device;
        sink.sample(&INFO, &[label(&interface.mac_address), device, label(&interface.operstate)], 1.0);
        read_all(ALL, interface, &[device], sink);
    }
}

pub(super) fn metrics(all: &mut Vec<&'static Metric>) {
    all.push(&INFO);
    all.extend(metrics_of(ALL));
}
