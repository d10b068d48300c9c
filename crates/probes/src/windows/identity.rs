//! What computer this is: clocks, name, uptime, edition of Windows, machine.

use std::fmt::Write;

use chasar_wire::limits::MAX_NAME_BYTES;
use chasar_wire::{Report, Text};

use super::host::{failed, form};
use super::parse::bytes::set_units;
use super::parse::system::{TIME_OF_DAY_BYTES, offset_seconds};
use super::sys::{self, Buffer, class};
use crate::text::copy_option;
use crate::{Host, Now, Outcome, Probe, ProbeError, Setup, clock};

pub(crate) fn make(_: &Setup<'_>) -> Box<dyn Probe> {
    Box::new(Identity {
        clocks: Buffer::default(),
        settled: None,
        name: Text::default(),
        boot_time: None,
        look_in: 0,
    })
}

/// What changes with an update or by an administrator's hand is looked at again after so many samples.
const SAMPLES_BETWEEN_LOOKS: u32 = 60;

const VERSION_KEY: &str = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion";
const PROCESSOR_KEY: &str = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0";
const FIRMWARE_KEY: &str = r"HARDWARE\DESCRIPTION\System\BIOS";

const TIME_CALL: &str = "NtQuerySystemInformation(SystemTimeOfDayInformation)";

struct Identity {
    clocks: Buffer,
    settled: Option<Settled>,
    name: Text,
    /// From two clocks, so it swings by a second either way.
    boot_time: Option<f64>,
    look_in: u32,
}

/// What stays for long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Settled {
    os_name: Option<Text>,
    os_version: Option<Text>,
    kernel: Option<Text>,
    kernel_version: Option<Text>,
    architecture: Option<Text>,
    cpu_model: Option<Text>,
    machine: Option<Text>,
    virtualization: Option<Text>,
}

/// What firmware says when its maker left the field as it was.
const PLACEHOLDERS: [&str; 5] =
    ["To Be Filled By O.E.M.", "To be filled by O.E.M.", "System Product Name", "Default string", "None"];

/// Firmware of virtual machines, by a part of its maker's or product's name.
const VIRTUAL: [(&str, &str); 8] = [
    ("QEMU", "kvm"),
    ("KVM", "kvm"),
    ("VMware", "vmware"),
    ("VirtualBox", "oracle"),
    ("Virtual Machine", "microsoft"),
    ("Xen", "xen"),
    ("Amazon EC2", "amazon"),
    ("Google Compute Engine", "google"),
];

fn text(key: &str, value: &str) -> Option<Text> {
    sys::registry_text(key, value).map(Text::from)
}

impl Settled {
    fn read() -> Settled {
        let version = sys::version();
        // The registry of Windows 11 goes on saying 10.
        let is_11 = version.is_some_and(|(_, _, build)| build >= 22_000);
        let os_name = sys::registry_text(VERSION_KEY, "ProductName").map(|name| match is_11 {
            true => name.replacen("Windows 10", "Windows 11", 1).into(),
            false => name.into(),
        });
        let kernel = version.map(|(major, minor, build)| {
            let mut kernel = Text::default();
            // Writing into a text cannot fail.
            let _ = write!(kernel, "{major}.{minor}.{build}");
            if let Some(revision) = sys::registry_number(VERSION_KEY, "UBR") {
                let _ = write!(kernel, ".{revision}");
            }
            kernel
        });
        let machine = text(FIRMWARE_KEY, "SystemProductName").filter(|m| !PLACEHOLDERS.contains(&m.as_str()));
        let maker = text(FIRMWARE_KEY, "SystemManufacturer");
        let firmware = || [&machine, &maker].into_iter().flatten();
        let virtual_kind = VIRTUAL.iter().find(|(part, _)| firmware().any(|name| name.contains(part)));
        Settled {
            os_name,
            os_version: text(VERSION_KEY, "DisplayVersion")
                .or_else(|| text(VERSION_KEY, "ReleaseId"))
                .or_else(|| text(VERSION_KEY, "CurrentVersion")),
            kernel,
            kernel_version: text(VERSION_KEY, "BuildLabEx"),
            architecture: sys::architecture().map(Text::from),
            cpu_model: text(PROCESSOR_KEY, "ProcessorNameString"),
            virtualization: if sys::is_wine() {
                Some("wine".into())
            } else {
                virtual_kind.map(|(_, kind)| (*kind).into())
            },
            machine,
        }
    }

    fn write(&self, host: &mut chasar_wire::family::Host) {
        if host.os.as_deref() != Some("windows") {
            host.os = Some(Text::const_new("windows"));
            host.os_id = Some(Text::const_new("windows"));
        }
        copy_option(&mut host.os_name, self.os_name.as_ref());
        copy_option(&mut host.os_version, self.os_version.as_ref());
        copy_option(&mut host.kernel, self.kernel.as_ref());
        copy_option(&mut host.kernel_version, self.kernel_version.as_ref());
        copy_option(&mut host.architecture, self.architecture.as_ref());
        copy_option(&mut host.cpu_model, self.cpu_model.as_ref());
        copy_option(&mut host.machine, self.machine.as_ref());
        copy_option(&mut host.virtualization, self.virtualization.as_ref());
    }
}

impl Identity {
    fn look(&mut self) -> Result<(), ProbeError> {
        let mut name = [0; MAX_NAME_BYTES + 1];
        let len = sys::computer_name(&mut name).map_err(|e| failed("GetComputerNameExW", e))?;
        let units = name.iter().take(len).copied();
        set_units(&mut self.name, units, MAX_NAME_BYTES);
        // An update shows after the next start only, so the rest is read once.
        self.settled.get_or_insert_with(Settled::read);
        Ok(())
    }
}

impl Probe for Identity {
    fn name(&self) -> &'static str {
        "host"
    }

    fn read(&mut self, _: &Host, now: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        let looked = match self.look_in {
            0 => self.look(),
            _ => Ok(()),
        };
        self.look_in = self.look_in.checked_sub(1).unwrap_or(SAMPLES_BETWEEN_LOOKS);
        // A report must have a name.
        let name = if self.name.is_empty() { "(none)" } else { self.name.as_str() };
        if report.hostname != name {
            report.hostname = name.into();
        }
        let asked = sys::query_fixed(class::TIME_OF_DAY, TIME_OF_DAY_BYTES, &mut self.clocks);
        let offset = if asked.is_ok() { offset_seconds(self.clocks.bytes()) } else { None };
        clock::write(&mut report.computer_utc_clock, now.unix_micros, 0);
        clock::write(&mut report.computer_clock, now.unix_micros, offset.unwrap_or(0));

        let family = report.host.get_or_insert_default();
        family.time_zone_offset_seconds = offset;
        if let Some(settled) = &self.settled {
            settled.write(family);
        }
        family.cores = Some(sys::processors()).filter(|n| *n > 0);
        let uptime = sys::uptime_milliseconds() as f64 / 1e3;
        family.uptime_seconds = Some(uptime);
        let boot_time = Some((now.unix_micros as f64 / 1e6 - uptime).round()).filter(|t| *t >= 0.0);
        if self.boot_time.zip(boot_time).is_none_or(|(old, new)| (old - new).abs() > 1.0) {
            self.boot_time = boot_time;
        }
        family.boot_time_seconds = self.boot_time;
        looked?;
        asked.map_err(|e| failed(TIME_CALL, e))?;
        if offset.is_none() {
            return Err(form(TIME_CALL, "has no such time zone"));
        }
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        // The clocks and the name cannot be wrong.
        report.host = None;
    }
}
