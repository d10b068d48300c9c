//! Time of each core by mode, as counters; where the system gives none, the share that `sysinfo` derives.

use chasar_wire::Report;
use chasar_wire::family::CpuTimes;
use sysinfo::{CpuRefreshKind, System};

use super::source::{self, CoreTicks, Cores, IDLE, MODES};
use super::trouble;
use crate::text::hundredths;
use crate::{Host, Now, Outcome, Probe, ProbeError, Setup};

pub(crate) fn make(_: &Setup<'_>) -> Box<dyn Probe> {
    Box::new(Cpu { cores: Cores::default(), known: Vec::new(), shares: None, samples: 0 })
}

struct Cpu {
    /// What the system gave.
    cores: Cores,
    known: Vec<Core>,
    /// For systems that give no counters.
    shares: Option<System>,
    samples: u64,
}

/// One core as of the last sample.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Core {
    /// As the system gave them.
    raw: CoreTicks,
    /// What they add up to, beyond the width of the system's counters.
    ticks: [u64; MODES],
    percent_used: Option<f64>,
}

impl Core {
    fn new(raw: CoreTicks) -> Core {
        Core { raw, ticks: raw.map(|t| t.unwrap_or(0)), percent_used: None }
    }

    /// Takes a new reading. A counter of `width` bits that went back has either come round or begun anew.
    fn advance(&mut self, raw: CoreTicks, width: u32) {
        let (mut busy, mut all) = (0u64, 0u64);
        for (mode, (old, new)) in self.raw.into_iter().zip(raw).enumerate() {
            let (Some(old), Some(new)) = (old, new) else { continue };
            let delta = match new.checked_sub(old) {
                Some(delta) => delta,
                // Near its end before and near its start now: it has come round.
                None if width == 32 && old > u64::from(u32::MAX / 4 * 3) && new < u64::from(u32::MAX / 4) => {
                    (1 << 32) - old + new
                }
                None => 0,
            };
            self.ticks[mode] = self.ticks[mode].saturating_add(delta);
            all = all.saturating_add(delta);
            if mode != IDLE {
                busy = busy.saturating_add(delta);
            }
        }
        self.raw = raw;
        // Two samples within one tick say nothing new.
        if all > 0 {
            self.percent_used = Some(hundredths(100.0 * busy as f64 / all as f64));
        }
    }
}

/// Brings `known` into line with a reading; a number of cores that changed begins anew.
fn advance(known: &mut Vec<Core>, cores: &Cores) {
    if known.len() != cores.ticks.len() {
        known.clear();
        known.extend(cores.ticks.iter().map(|raw| Core::new(*raw)));
        return;
    }
    for (core, raw) in known.iter_mut().zip(&cores.ticks) {
        core.advance(*raw, cores.counter_bits);
    }
}

fn column(times: &mut CpuTimes, mode: usize) -> &mut Vec<f64> {
    match mode {
        source::USER => &mut times.user_seconds,
        source::NICE => &mut times.nice_seconds,
        source::SYSTEM => &mut times.system_seconds,
        source::IRQ => &mut times.irq_seconds,
        _ => &mut times.idle_seconds,
    }
}

impl Cpu {
    fn tell_counters(&self, report: &mut Report) {
        let cpu = &mut report.cpu;
        cpu.percent_used.clear();
        cpu.percent_used.extend(self.known.iter().map(|c| c.percent_used));
        let times = cpu.times.get_or_insert_default();
        for mode in 0..MODES {
            let column = column(times, mode);
            column.clear();
            let seconds = |c: &Core| {
                let ticks = c.raw[mode].map(|_| c.ticks[mode])?;
                Some(ticks as f64 / self.cores.ticks_per_second as f64)
            };
            column.extend(self.known.iter().filter_map(seconds));
        }
    }

    /// Shares without counters.
    fn read_shares(&mut self, report: &mut Report) -> Result<(), ProbeError> {
        let system = match &mut self.shares {
            Some(system) => system,
            none => none.insert(System::new().map_err(trouble("cores"))?),
        };
        system.refresh_cpu_specifics(CpuRefreshKind::nothing().with_usage());
        let cpu = &mut report.cpu;
        cpu.times = None;
        cpu.percent_used.clear();
        // The first share would be one since boot.
        let known = self.samples > 0;
        cpu.percent_used
            .extend(system.cpus().iter().map(|core| known.then(|| hundredths(f64::from(core.usage())))));
        Ok(())
    }
}

impl Probe for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn read(&mut self, _: &Host, _: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        if source::cores(&mut self.cores)? {
            advance(&mut self.known, &self.cores);
            self.tell_counters(report);
        } else {
            self.read_shares(report)?;
        }
        self.samples = self.samples.saturating_add(1);
        let cores = report.cpu.percent_used.len();
        if cores == 0 {
            return Err(ProbeError::Reported("the system told of no core".to_owned()));
        }
        report.cpu.core.clear();
        report.cpu.core.extend((0..cores).filter_map(|core| u32::try_from(core).ok()));
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        let cpu = &mut report.cpu;
        cpu.percent_used.clear();
        cpu.core.clear();
        cpu.times = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// user, nice, system, irq, idle; macOS has no irq.
    fn macos(user: u64, system: u64, idle: u64) -> CoreTicks {
        [Some(user), Some(0), Some(system), None, Some(idle)]
    }

    fn told(samples: &[Vec<CoreTicks>], counter_bits: u32) -> (Vec<Option<f64>>, CpuTimes) {
        let mut known = Vec::new();
        let mut cores = Cores::default();
        for ticks in samples {
            cores = Cores { ticks: ticks.clone(), ticks_per_second: 100, counter_bits };
            advance(&mut known, &cores);
        }
        let mut report = Report::default();
        Cpu { cores, known, shares: None, samples: 0 }.tell_counters(&mut report);
        (report.cpu.percent_used, report.cpu.times.unwrap())
    }

    #[test]
    fn counters_are_seconds_and_their_differences_shares() {
        let first = vec![macos(100, 200, 300), macos(0, 0, 1000)];
        assert_eq!(told(std::slice::from_ref(&first), 32).0, [None, None], "a first reading has no share");
        let (shares, times) = told(&[first, vec![macos(150, 225, 325), macos(0, 0, 1000)]], 32);
        assert_eq!(shares, [Some(75.0), None], "no tick has passed on the second");
        assert_eq!(times.user_seconds, [1.5, 0.0]);
        assert_eq!(times.system_seconds, [2.25, 0.0]);
        assert_eq!(times.idle_seconds, [3.25, 10.0]);
        assert!(times.irq_seconds.is_empty(), "a mode that the system does not know is absent");
    }

    #[test]
    fn counters_that_come_round_go_on_and_those_that_begin_anew_make_no_spike() {
        let end = u64::from(u32::MAX);
        let (shares, times) = told(&[vec![macos(end - 9, 5, 0)], vec![macos(10, 5, 20)]], 32);
        assert_eq!(shares, [Some(50.0)]);
        assert_eq!(times.user_seconds, [(end + 11) as f64 / 100.0]);
        for bits in [32, 64] {
            let (shares, times) = told(&[vec![macos(5000, 5, 0)], vec![macos(10, 5, 20)]], bits);
            assert_eq!((shares, times.user_seconds), (vec![Some(0.0)], vec![50.0]));
        }
    }

    #[test]
    fn cores_that_come_or_go_begin_anew() {
        let (shares, times) = told(&[vec![macos(1, 1, 1)], vec![macos(2, 2, 2), macos(3, 3, 3)]], 32);
        assert_eq!((shares, times.user_seconds), (vec![None, None], vec![0.02, 0.03]));
    }
}
