//! What computer this is: clocks, name, uptime, operating system, machine.

use chasar_wire::limits::MAX_NAME_BYTES;
use chasar_wire::{Report, Text};
use jiff::tz::TimeZone;
use sysinfo::{CpuRefreshKind, Product, System};

use super::source::{self, Names};
use super::trouble;
use crate::text::{copy_option, copy_text, hundredths, set_text};
use crate::{Host, Now, Outcome, Probe, ProbeError, Setup, clock};

/// What changes with an upgrade or by an administrator's hand is looked at again after so many samples.
const SAMPLES_BETWEEN_LOOKS: u32 = 60;

/// A text longer than this is no name of a product or system.
const LONGEST_TEXT: usize = 255;

pub(crate) fn make(_: &Setup<'_>) -> Box<dyn Probe> {
    Box::new(Identity { settled: Settled::default(), zone: TimeZone::UTC, look_in: 0 })
}

struct Identity {
    settled: Settled,
    zone: TimeZone,
    /// Samples until all is looked at again.
    look_in: u32,
}

/// What stays for long.
#[derive(Clone, Debug, Default)]
struct Settled {
    names: Names,
    os_name: Option<Text>,
    os_id: Option<Text>,
    os_version: Option<Text>,
    cpu_model: Option<Text>,
    machine: Option<Text>,
}

fn told(text: Result<String, sysinfo::Error>) -> Option<Text> {
    // A system that does not tell leaves it absent.
    let text = text.ok()?;
    let text = text.trim();
    let mut told = Text::default();
    set_text(&mut told, text.as_bytes(), LONGEST_TEXT);
    (!told.is_empty()).then_some(told)
}

fn cpu_model() -> Option<Text> {
    let mut system = System::new().ok()?;
    system.refresh_cpu_list(CpuRefreshKind::nothing());
    told(Ok(system.cpus().first()?.brand().to_owned()))
}

impl Identity {
    fn look(&mut self) -> Result<(), ProbeError> {
        let names = source::names().map_err(|source| ProbeError::Io { path: "uname(3)".into(), source })?;
        let before = std::mem::take(&mut self.settled);
        self.settled = Settled {
            names,
            os_name: told(System::long_os_version()),
            os_id: told(Ok(System::distribution_id())),
            os_version: told(System::os_version()),
            // Neither is replaced while the system runs.
            cpu_model: before.cpu_model.or_else(cpu_model),
            machine: before.machine.or_else(|| told(Product::name())),
        };
        self.zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
        Ok(())
    }
}

impl Probe for Identity {
    fn name(&self) -> &'static str {
        "host"
    }

    fn read(&mut self, _: &Host, now: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        if self.look_in == 0 {
            self.look()?;
            self.look_in = SAMPLES_BETWEEN_LOOKS;
        }
        self.look_in -= 1;
        let settled = &self.settled;
        // A kernel whose name was never set has none, and a report must have one.
        let name = Some(settled.names.nodename.as_bytes()).filter(|n| !n.is_empty()).unwrap_or(b"(none)");
        set_text(&mut report.hostname, name, MAX_NAME_BYTES);
        let offset = clock::offset_seconds(&self.zone, now.unix_micros);
        clock::write(&mut report.computer_utc_clock, now.unix_micros, 0);
        clock::write(&mut report.computer_clock, now.unix_micros, offset);

        let family = report.host.get_or_insert_default();
        family.time_zone_offset_seconds = Some(offset);
        copy_text(family.os.get_or_insert_default(), &Text::const_new(std::env::consts::OS));
        copy_option(&mut family.os_name, settled.os_name.as_ref());
        copy_option(&mut family.os_id, settled.os_id.as_ref());
        copy_option(&mut family.os_version, settled.os_version.as_ref());
        copy_text(family.kernel.get_or_insert_default(), &settled.names.release);
        copy_text(family.kernel_version.get_or_insert_default(), &settled.names.version);
        copy_text(family.architecture.get_or_insert_default(), &settled.names.machine);
        copy_option(&mut family.cpu_model, settled.cpu_model.as_ref());
        copy_option(&mut family.machine, settled.machine.as_ref());
        family.cores = u32::try_from(report.cpu.core.len()).ok().filter(|cores| *cores > 0);

        // The system moves it when its clock is set.
        let boot = System::boot_time().map_err(trouble("time of boot"))? as f64;
        family.boot_time_seconds = Some(boot);
        let uptime = now.unix_micros as f64 / 1e6 - boot;
        family.uptime_seconds = Some(hundredths(uptime)).filter(|seconds| *seconds >= 0.0);
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        report.host = None;
    }
}
