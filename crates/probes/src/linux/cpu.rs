//! Time of each core by mode, and the counters beside it in `/proc/stat` (Linux: Documentation/filesystems/proc.rst).

use chasar_wire::Report;
use chasar_wire::family::CpuTimes;

use super::file::Kept;
use super::text::{hundredths, lines, number, split_once, words};
use crate::{Host, Now, Outcome, Probe, ProbeError, Setup};

pub(crate) fn make(_: &Setup<'_>) -> Box<dyn Probe> {
    Box::new(Cpu { file: Kept::whole(c"stat"), stat: Stat::default(), cores: Vec::new(), boot_time: None })
}

const MODES: usize = 10;
const IDLE: usize = 3;
const IOWAIT: usize = 4;
/// `user` includes `guest` and `nice` includes `guest_nice`, so these two are not added again.
const GUEST: usize = 8;

/// Idle time that falls by more than this much means that the core was taken out and put in again;
/// less is the kernel's own inaccuracy (iowait and idle are known to step back).
const HOTPLUG_SECONDS: u64 = 3;

/// The last second of the year 9999: what is later is no time that a host was booted at.
const LAST_SECOND: u64 = 253_402_300_799;

struct Cpu {
    file: Kept,
    stat: Stat,
    /// The cores of the last sample, in the same order.
    cores: Vec<Core>,
    boot_time: Option<u64>,
}

/// What `/proc/stat` says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Cores that are online, with their ticks by mode.
    cores: Vec<(u32, [u64; MODES])>,
    /// How many modes this kernel knows.
    modes: usize,
    context_switches: Option<u64>,
    interrupts: Option<u64>,
    softirqs: Option<u64>,
    forks: Option<u64>,
    running: Option<u64>,
    blocked: Option<u64>,
    boot_time: Option<u64>,
}

impl Stat {
    /// Reads the text over what was there. Lines that we do not know are skipped.
    pub(crate) fn parse(&mut self, text: &[u8]) {
        *self = Stat { cores: std::mem::take(&mut self.cores), ..Stat::default() };
        self.cores.clear();
        for line in lines(text) {
            let Some((key, rest)) = split_once(line, b' ') else { continue };
            let first = || words(rest).next().and_then(number);
            match key {
                b"ctxt" => self.context_switches = first(),
                b"intr" => self.interrupts = first(),
                b"softirq" => self.softirqs = first(),
                b"processes" => self.forks = first(),
                b"procs_running" => self.running = first(),
                b"procs_blocked" => self.blocked = first(),
                b"btime" => self.boot_time = first().filter(|t| *t <= LAST_SECOND),
                _ => {
                    let core = key.strip_prefix(b"cpu").and_then(number).and_then(|n| u32::try_from(n).ok());
                    if let Some(core) = core {
                        self.core(core, rest);
                    }
                }
            }
        }
    }

    fn core(&mut self, core: u32, rest: &[u8]) {
        let mut ticks = [0; MODES];
        let mut modes = 0;
        for (mode, word) in ticks.iter_mut().zip(words(rest)) {
            let Some(n) = number(word) else { return };
            *mode = n;
            modes += 1;
        }
        // user, nice, system and idle are there since Linux 1.0; less is a broken line.
        if modes > IDLE {
            self.modes = modes;
            self.cores.push((core, ticks));
        }
    }
}

/// One core as of the last sample.
#[derive(Clone, Copy, Debug)]
struct Core {
    number: u32,
    /// Ticks by mode; no mode ever falls here unless the core was newly put in.
    ticks: [u64; MODES],
    percent_used: Option<f64>,
}

impl Core {
    /// Takes a new reading of the same core.
    ///
    /// A mode that steps back keeps its value until it has caught up; idle time that falls far
    /// means a core that starts anew, which has no share yet.
    fn advance(&mut self, ticks: [u64; MODES], ticks_per_second: u64) {
        if self.ticks[IDLE].saturating_sub(ticks[IDLE]) > HOTPLUG_SECONDS * ticks_per_second {
            *self = Core { ticks, percent_used: None, ..*self };
            return;
        }
        let (mut busy, mut all) = (0u64, 0u64);
        for (mode, (old, new)) in self.ticks.iter_mut().zip(ticks).enumerate() {
            let delta = new.saturating_sub(*old);
            *old = new.max(*old);
            if mode < GUEST {
                all = all.saturating_add(delta);
                if mode != IDLE && mode != IOWAIT {
                    busy = busy.saturating_add(delta);
                }
            }
        }
        // Two samples within one tick say nothing new.
        if all > 0 {
            self.percent_used = Some(hundredths(100.0 * busy as f64 / all as f64));
        }
    }
}

/// Brings `cores` in line with a new reading. A core that was not there before has no share.
fn advance(cores: &mut Vec<Core>, now: &[(u32, [u64; MODES])], ticks_per_second: u64) {
    let same = cores.len() == now.len() && cores.iter().zip(now).all(|(c, (number, _))| c.number == *number);
    if !same {
        let before = std::mem::take(cores);
        cores.extend(now.iter().map(|(number, ticks)| {
            let fresh = Core { number: *number, ticks: *ticks, percent_used: None };
            before.iter().find(|c| c.number == *number).copied().unwrap_or(fresh)
        }));
        for (core, (number, ticks)) in cores.iter_mut().zip(now) {
            if before.iter().any(|c| c.number == *number) {
                core.advance(*ticks, ticks_per_second);
            }
        }
        return;
    }
    for (core, (_, ticks)) in cores.iter_mut().zip(now) {
        core.advance(*ticks, ticks_per_second);
    }
}

fn column(times: &mut CpuTimes, mode: usize) -> &mut Vec<f64> {
    match mode {
        0 => &mut times.user_seconds,
        1 => &mut times.nice_seconds,
        2 => &mut times.system_seconds,
        IDLE => &mut times.idle_seconds,
        IOWAIT => &mut times.iowait_seconds,
        5 => &mut times.irq_seconds,
        6 => &mut times.softirq_seconds,
        7 => &mut times.steal_seconds,
        GUEST => &mut times.guest_seconds,
        _ => &mut times.guest_nice_seconds,
    }
}

impl Probe for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn read(&mut self, host: &Host, _: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        self.stat.parse(self.file.read(&host.proc)?);
        if self.stat.cores.is_empty() {
            return Err(self.file.form(&host.proc, "has no line for a core"));
        }
        advance(&mut self.cores, &self.stat.cores, host.ticks_per_second);

        let cpu = &mut report.cpu;
        cpu.core.clear();
        cpu.core.extend(self.cores.iter().map(|c| c.number));
        cpu.percent_used.clear();
        cpu.percent_used.extend(self.cores.iter().map(|c| c.percent_used));
        let times = cpu.times.get_or_insert_default();
        for mode in 0..MODES {
            let column = column(times, mode);
            column.clear();
            if mode < self.stat.modes {
                let seconds = |c: &Core| c.ticks[mode] as f64 / host.ticks_per_second as f64;
                column.extend(self.cores.iter().map(seconds));
            }
        }
        cpu.context_switches_total = self.stat.context_switches;
        cpu.interrupts_total = self.stat.interrupts;
        cpu.softirqs_total = self.stat.softirqs;
        cpu.forks_total = self.stat.forks;

        // The rest of the counts comes from the process probe, which runs later and has the last word.
        let counts = report.processes.get_or_insert_default();
        (counts.tasks_running, counts.tasks_blocked) = (self.stat.running, self.stat.blocked);

        // The kernel derives it from two clocks and rounds, so it swings by a second either way.
        if self.boot_time.zip(self.stat.boot_time).is_none_or(|(old, new)| old.abs_diff(new) > 1) {
            self.boot_time = self.stat.boot_time;
        }
        report.host.get_or_insert_default().boot_time_seconds = self.boot_time.map(|t| t as f64);
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        let cpu = &mut report.cpu;
        cpu.core.clear();
        cpu.percent_used.clear();
        cpu.times = None;
        (cpu.context_switches_total, cpu.interrupts_total) = (None, None);
        (cpu.softirqs_total, cpu.forks_total) = (None, None);
        if let Some(counts) = &mut report.processes {
            (counts.tasks_running, counts.tasks_blocked) = (None, None);
        }
        if let Some(host) = &mut report.host {
            host.boot_time_seconds = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &[u8] = b"cpu  30 0 60 900 3 0 6 0 0 0\n\
        cpu0 10 0 20 300 1 0 2 0 0 0\n\
        cpu12 20 0 40 600 2 0 4 0 0 0\n\
        intr 12345 1 2 3 0 0\n\
        ctxt 678\nbtime 1700000000\nprocesses 99\nprocs_running 2\nprocs_blocked 1\n\
        softirq 55 1 2 3\n";

    fn parsed(text: &[u8]) -> Stat {
        let mut stat = Stat::default();
        stat.parse(text);
        stat
    }

    #[test]
    fn every_line_is_read() {
        assert_eq!(
            parsed(TEXT),
            Stat {
                cores: vec![
                    (0, [10, 0, 20, 300, 1, 0, 2, 0, 0, 0]),
                    (12, [20, 0, 40, 600, 2, 0, 4, 0, 0, 0])
                ],
                modes: 10,
                context_switches: Some(678),
                interrupts: Some(12345),
                softirqs: Some(55),
                forks: Some(99),
                running: Some(2),
                blocked: Some(1),
                boot_time: Some(1_700_000_000),
            }
        );
    }

    #[test]
    fn a_boot_at_no_time_is_none() {
        assert_eq!(parsed(b"btime 18446744073709551615\n").boot_time, None);
    }

    #[test]
    fn an_old_kernel_has_fewer_modes() {
        let stat = parsed(b"cpu0 1 2 3 4 5 6 7\ncpu1 1 2 3\ncpu2 1 2 x 4\n");
        assert_eq!((stat.modes, stat.cores.len()), (7, 1), "broken lines are no cores");
    }

    fn used(before: [u64; MODES], after: [u64; MODES]) -> Option<f64> {
        let mut core = Core { number: 0, ticks: before, percent_used: None };
        core.advance(after, 100);
        core.percent_used
    }

    #[test]
    fn shares_are_of_the_time_between_two_readings() {
        let t = |user, idle| [user, 0, 0, idle, 0, 0, 0, 0, 0, 0];
        assert_eq!(used(t(500, 500), t(525, 575)), Some(25.0));
        assert_eq!(used(t(500, 500), t(500, 500)), None, "no tick has passed");
        let all = [1, 1, 1, 4, 2, 1, 1, 1, 1, 1];
        assert_eq!(used([0; MODES], all), Some(50.0), "guests are in user and nice already");
    }

    #[test]
    fn steps_back_never_make_a_spike() {
        let t = |user, idle, iowait| [user, 0, 0, idle, iowait, 0, 0, 0, 0, 0];
        // iowait steps back by a second, idle a little: the rest still counts.
        assert_eq!(used(t(100, 1000, 500), t(110, 1090, 400)), Some(10.0));
        assert_eq!(used(t(100, 1000, 500), t(110, 900, 590)), Some(10.0));
        let mut core = Core { number: 0, ticks: t(100, 1000, 500), percent_used: Some(1.0) };
        core.advance(t(50, 1100, 500), 100);
        assert_eq!(core.ticks, t(100, 1100, 500), "a mode never falls");
        // A core that comes back starts at nothing, and has no share.
        core.advance(t(5, 7, 0), 100);
        assert_eq!((core.ticks, core.percent_used), (t(5, 7, 0), None));
        core.advance(t(15, 97, 0), 100);
        assert_eq!(core.percent_used, Some(10.0));
    }

    #[test]
    fn cores_come_and_go() {
        let t = |user, idle| [user, 0, 0, idle, 0, 0, 0, 0, 0, 0];
        let mut cores = Vec::new();
        let shares = |cores: &[Core]| cores.iter().map(|c| (c.number, c.percent_used)).collect::<Vec<_>>();
        advance(&mut cores, &[(0, t(0, 0)), (1, t(0, 0)), (2, t(0, 0))], 100);
        assert_eq!(shares(&cores), [(0, None), (1, None), (2, None)]);
        advance(&mut cores, &[(0, t(50, 50)), (2, t(100, 0))], 100);
        assert_eq!(shares(&cores), [(0, Some(50.0)), (2, Some(100.0))]);
        advance(&mut cores, &[(0, t(50, 150)), (1, t(9000, 5)), (2, t(200, 0))], 100);
        assert_eq!(shares(&cores), [(0, Some(0.0)), (1, None), (2, Some(100.0))]);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            parsed(&bytes);
        }

        #[test]
        fn shares_stay_within_bounds(readings in prop::collection::vec(any::<[u64; MODES]>(), 1..8)) {
            let mut cores = Vec::new();
            for ticks in readings {
                advance(&mut cores, &[(0, ticks)], 100);
                if let Some(share) = cores[0].percent_used {
                    prop_assert!((0.0..=100.0).contains(&share));
                }
            }
        }

        #[test]
        fn what_is_written_is_read_back(cores in prop::collection::btree_map(any::<u32>(), any::<[u64; MODES]>(), 1..9)) {
            use std::fmt::Write;
            let mut text = String::from("cpu  1 2 3 4\n");
            for (n, ticks) in &cores {
                write!(text, "cpu{n}").unwrap();
                ticks.iter().for_each(|t| write!(text, " {t}").unwrap());
                text.push('\n');
            }
            prop_assert_eq!(parsed(text.as_bytes()).cores, cores.into_iter().collect::<Vec<_>>());
        }
    }
}
