//! Frequency of each core (Linux: Documentation/admin-guide/pm/cpufreq.rst), or what `/proc/cpuinfo` says.
//!
//! To read it can wake the core and wait for it, milliseconds each on large machines, so it is a
//! slow source.

use std::ffi::CString;
use std::time::Duration;

use chasar_wire::Report;

use super::sys;
use super::text::{decimal, lines, number, split_once, trim};
use crate::{Host, Now, Outcome, Probe, ProbeError, Reading, Setup, Slot};

const EVERY: Duration = Duration::from_secs(5);
const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) fn make(setup: &Setup<'_>) -> Box<dyn Probe> {
    Box::new(Frequency { slot: setup.background.slot(EVERY, read) })
}

/// Hertz by number of the core.
type Hertz = Vec<(u32, u64)>;

struct Frequency {
    slot: Slot<Hertz>,
}

fn read(host: &Host) -> Result<Hertz, ProbeError> {
    let mut buffer = Vec::new();
    let mut hertz = Vec::new();
    for core in cores(host) {
        let Ok(path) = CString::new(format!("devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq")) else {
            continue;
        };
        // Cores without the file, and those that are offline and say EBUSY, have none.
        if let Some(khz) = host.sys.read(&path, &mut buffer).ok().and_then(|text| number(trim(text))) {
            hertz.push((core, khz.saturating_mul(1000)));
        }
    }
    if hertz.is_empty()
        && let Ok(text) = host.proc.read(c"cpuinfo", &mut buffer)
    {
        parse_cpuinfo(text, &mut hertz);
    }
    Ok(hertz)
}

/// Numbers of all cores that the system has, online or not.
fn cores(host: &Host) -> Vec<u32> {
    let mut cores = Vec::new();
    let Ok(folder) = host.sys.folder(c"devices/system/cpu") else { return cores };
    let mut buffer = vec![0; 8 << 10];
    while let Ok(n @ 1..) = sys::getdents(&folder, &mut buffer) {
        let numbers =
            super::process::names(&buffer[..n]).filter_map(|name| number(name.strip_prefix(b"cpu")?));
        cores.extend(numbers.filter_map(|n| u32::try_from(n).ok()));
    }
    cores.sort_unstable();
    cores
}

/// Reads `processor` and `cpu MHz` of each block of `/proc/cpuinfo`.
pub(crate) fn parse_cpuinfo(text: &[u8], hertz: &mut Hertz) {
    let mut core = None;
    for line in lines(text) {
        let Some((key, value)) = split_once(line, b':') else { continue };
        match trim(key) {
            b"processor" => core = number(trim(value)).and_then(|n| u32::try_from(n).ok()),
            b"cpu MHz" => {
                let mhz = decimal(trim(value)).filter(|mhz| (1.0..1e6).contains(mhz));
                if let Some((core, mhz)) = core.zip(mhz) {
                    hertz.push((core, (mhz * 1e6).round() as u64));
                }
            }
            _ => {}
        }
    }
}

impl Probe for Frequency {
    fn name(&self) -> &'static str {
        "frequency"
    }

    fn read(&mut self, _: &Host, now: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        let cpu = &mut report.cpu;
        let mut any = false;
        let reading = self.slot.read("cpufreq", now.monotonic, DEADLINE, |hertz| {
            cpu.frequency_hertz.clear();
            cpu.frequency_hertz.extend(cpu.core.iter().map(|core| {
                let of_core = hertz.iter().find(|(number, _)| number == core).map(|(_, hertz)| *hertz);
                any |= of_core.is_some();
                of_core
            }));
        })?;
        Ok(match reading {
            Reading::Value(age) if any => Outcome::Aged(age),
            Reading::Value(_) => Outcome::NothingHere("no core tells its frequency"),
            Reading::Pending => Outcome::NothingHere("not read yet"),
        })
    }

    fn clear(&self, report: &mut Report) {
        report.cpu.frequency_hertz.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::sync::Arc;

    use crate::{Background, Config, ProcessList};

    #[test]
    fn cpuinfo_is_read() {
        let mut hertz = Vec::new();
        let text = b"processor\t: 0\nmodel name\t: X: Y\ncpu MHz\t\t: 2445.404\n\nprocessor\t: 3\ncpu MHz\t\t: 800.000\n\
            processor : 4\ncpu MHz : unknown\n";
        parse_cpuinfo(text, &mut hertz);
        assert_eq!(hertz, [(0, 2_445_404_000), (3, 800_000_000)]);
    }

    #[test]
    fn cores_that_are_online_have_theirs_and_others_none() {
        let folder = tempfile::tempdir().unwrap();
        let cpu = folder.path().join("sys/devices/system/cpu");
        for (core, khz) in [("cpu0", "1200000\n"), ("cpu10", "2400000\n"), ("cpufreq", "7\n")] {
            fs::create_dir_all(cpu.join(core).join("cpufreq")).unwrap();
            fs::write(cpu.join(core).join("cpufreq/scaling_cur_freq"), khz).unwrap();
        }
        let host = Arc::new(Host::recorded(folder.path()));
        let clock: crate::Monotonic = Arc::new(|| Duration::ZERO);
        let config =
            Config { host: host.clone(), monotonic: clock.clone(), processes: ProcessList::default() };
        let background = Background::new(host.clone(), clock);
        let mut probe = make(&Setup { config: &config, background: &background });
        let mut report = Report::default();
        report.cpu.core = vec![0, 1, 10];
        let now = Now { unix_micros: 0, monotonic: Duration::ZERO };
        assert_eq!(probe.read(&host, &now, &mut report).unwrap(), Outcome::Aged(Duration::ZERO));
        assert_eq!(report.cpu.frequency_hertz, [Some(1_200_000_000), None, Some(2_400_000_000)]);
        report.cpu.core = vec![1];
        assert!(matches!(probe.read(&host, &now, &mut report).unwrap(), Outcome::NothingHere(_)));
    }
}
