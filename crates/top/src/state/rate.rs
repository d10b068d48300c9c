//! Rates from two successive reports of a node.

use chasar_wire::{Report, Text};

/// Bytes a second of one device, in and out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceRate {
    /// Name of the device.
    pub device: Text,
    /// Received, or read.
    pub in_bytes: Option<f64>,
    /// Sent, or written.
    pub out_bytes: Option<f64>,
}

/// What moved between the last two reports of a node, a second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rates {
    /// All interfaces together but those that only talk to themselves.
    pub receive_bytes: Option<f64>,
    /// All interfaces together but those that only talk to themselves.
    pub transmit_bytes: Option<f64>,
    /// Each interface.
    pub interfaces: Vec<DeviceRate>,
    /// Each block device.
    pub block_devices: Vec<DeviceRate>,
}

/// The counters of one report that rates are made of.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    session: Option<Text>,
    sampled_at_ms: Option<i64>,
    interfaces: Vec<(Text, Option<u64>, Option<u64>)>,
    block_devices: Vec<(Text, Option<u64>, Option<u64>)>,
}

impl Counters {
    pub(super) fn of(report: &Report) -> Counters {
        Counters {
            session: report.session.clone(),
            sampled_at_ms: report.sampled_at_ms,
            interfaces: report
                .network
                .iter()
                .flat_map(|n| &n.interfaces)
                .map(|i| (i.device.clone(), i.receive_bytes_total, i.transmit_bytes_total))
                .collect(),
            block_devices: report
                .block_devices
                .iter()
                .flatten()
                .map(|d| (d.device.clone(), d.read_bytes_total, d.written_bytes_total))
                .collect(),
        }
    }

    pub(super) fn session(&self) -> Option<Text> {
        self.session.clone()
    }

    pub(super) fn sampled_at_ms(&self) -> Option<i64> {
        self.sampled_at_ms
    }

    /// Rates since `earlier`; all missing when the two cannot be compared.
    pub(super) fn rates_since(&self, earlier: Option<&Counters>) -> Rates {
        let seconds = earlier.and_then(|earlier| {
            let (now, then) = (self.sampled_at_ms?, earlier.sampled_at_ms?);
            (self.session == earlier.session && now > then).then_some((now - then) as f64 / 1000.0)
        });
        let per_device = |now: &[(Text, Option<u64>, Option<u64>)], then: &[(Text, _, _)]| {
            now.iter()
                .enumerate()
                .map(|(i, (device, read, written))| {
                    // Devices keep their place from report to report; only after a change is a search needed.
                    let before = then
                        .get(i)
                        .filter(|(d, _, _)| d == device)
                        .or_else(|| then.iter().find(|(d, _, _)| d == device));
                    DeviceRate {
                        device: device.clone(),
                        in_bytes: rate(*read, before.and_then(|b| b.1), seconds),
                        out_bytes: rate(*written, before.and_then(|b| b.2), seconds),
                    }
                })
                .collect::<Vec<_>>()
        };
        let none = Counters::default();
        let earlier = earlier.unwrap_or(&none);
        let interfaces = per_device(&self.interfaces, &earlier.interfaces);
        let total = |f: fn(&DeviceRate) -> Option<f64>| {
            let known = interfaces.iter().filter(|i| !is_loopback(&i.device)).filter_map(f);
            known.fold(None, |sum, rate| Some(sum.unwrap_or(0.0) + rate))
        };
        Rates {
            receive_bytes: total(|i| i.in_bytes),
            transmit_bytes: total(|i| i.out_bytes),
            block_devices: per_device(&self.block_devices, &earlier.block_devices),
            interfaces,
        }
    }
}

/// A counter that went back was reset: there is no rate until the next report.
fn rate(now: Option<u64>, then: Option<u64>, seconds: Option<f64>) -> Option<f64> {
    Some(now?.checked_sub(then?)? as f64 / seconds?)
}

/// Linux calls it `lo`, macOS and the BSDs `lo0`, Windows by a longer name.
fn is_loopback(device: &str) -> bool {
    device == "lo" || device == "lo0" || device.starts_with("Loopback ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use chasar_wire::family::{Interface, Network};

    fn report(at_ms: i64, session: &str, interfaces: &[(&str, u64, u64)]) -> Report {
        let interfaces = interfaces
            .iter()
            .map(|(device, rx, tx)| Interface {
                device: (*device).into(),
                receive_bytes_total: Some(*rx),
                transmit_bytes_total: Some(*tx),
                ..Interface::default()
            })
            .collect();
        Report {
            sampled_at_ms: Some(at_ms),
            session: Some(session.into()),
            network: Some(Network { default_interface: None, interfaces }),
            ..Report::default()
        }
    }

    fn totals(a: &Report, b: &Report) -> (Option<f64>, Option<f64>) {
        let rates = Counters::of(b).rates_since(Some(&Counters::of(a)));
        (rates.receive_bytes, rates.transmit_bytes)
    }

    #[test]
    fn bytes_a_second_without_loopback() {
        let a = report(1000, "s", &[("lo", 0, 0), ("eth0", 100, 10), ("eth1", 0, 0)]);
        let b = report(3000, "s", &[("lo", 900, 900), ("eth0", 300, 10), ("eth1", 50, 2)]);
        assert_eq!(totals(&a, &b), (Some(125.0), Some(1.0)));
    }

    #[test]
    fn what_cannot_be_compared_has_no_rate() {
        let a = report(1000, "s", &[("eth0", 100, 10)]);
        for (b, why) in [
            (report(2000, "t", &[("eth0", 200, 20)]), "another session"),
            (report(1000, "s", &[("eth0", 200, 20)]), "no time between"),
            (report(2000, "s", &[("eth0", 50, 5)]), "reset"),
            (report(2000, "s", &[("eth9", 200, 20)]), "another interface"),
            (Report::default(), "of 2016"),
        ] {
            assert_eq!(totals(&a, &b), (None, None), "{why}");
        }
        assert_eq!(Counters::of(&a).rates_since(None).receive_bytes, None, "first report");
    }

    #[test]
    fn an_interface_that_appears_between_others_is_found() {
        let a = report(1000, "s", &[("eth0", 100, 0), ("eth2", 100, 0)]);
        let b = report(2000, "s", &[("eth0", 110, 0), ("eth1", 500, 0), ("eth2", 120, 0)]);
        assert_eq!(totals(&a, &b).0, Some(30.0));
    }
}
