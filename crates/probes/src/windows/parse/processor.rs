//! `SystemProcessorPerformanceInformation` (class 8): the times of each core, and what was used between
//! two readings.

use chasar_wire::family::CpuTimes;

use super::bytes::Bytes;
use super::counter::{Extended, seconds};
use crate::text::hundredths;

/// Bytes of one core (`SYSTEM_PROCESSOR_PERFORMANCE_INFORMATION`).
pub const CORE_BYTES: usize = 0x30;
/// Most cores that are read; Windows Server runs on 2,048.
pub const MAX_CORES: usize = 4_096;

/// What Windows says of one core, in 100 nanoseconds since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Nothing to do.
    pub idle: u64,
    /// Kernel; includes idle, deferred calls and interrupts.
    pub kernel: u64,
    /// Programs.
    pub user: u64,
    /// Deferred procedure calls, the soft interrupts of Windows.
    pub deferred: u64,
    /// Interrupts.
    pub interrupt: u64,
    /// Interrupts, as a number that wraps.
    pub interrupts: u32,
}

impl Times {
    /// Kernel work that is neither idling nor an interrupt of either kind.
    fn system(&self) -> u64 {
        self.kernel.saturating_sub(self.idle).saturating_sub(self.deferred).saturating_sub(self.interrupt)
    }
}

/// The cores in a buffer.
pub fn parse(buffer: Bytes<'_>) -> impl Iterator<Item = Times> {
    let count = (buffer.len() / CORE_BYTES).min(MAX_CORES);
    (0..count).map_while(move |i| {
        let at = i * CORE_BYTES;
        let time = |field: usize| buffer.i64(at + 8 * field).map(|t| u64::try_from(t).unwrap_or(0));
        Some(Times {
            idle: time(0)?,
            kernel: time(1)?,
            user: time(2)?,
            deferred: time(3)?,
            interrupt: time(4)?,
            interrupts: buffer.u32(at + 0x28)?,
        })
    })
}

/// One core as of the last sample.
#[derive(Clone, Copy, Debug, Default)]
struct Core {
    times: Option<Times>,
    percent_used: Option<f64>,
    interrupts: Extended,
    interrupts_total: u64,
}

/// All cores, from one sample to the next.
#[derive(Debug, Default)]
pub struct Cores {
    cores: Vec<Core>,
    count: usize,
}

impl Cores {
    /// Begins a new reading.
    pub fn begin(&mut self) {
        self.count = 0;
    }

    /// Takes the next core of the reading. Times that step back mean a core that was put in anew, which
    /// has no share yet.
    pub fn push(&mut self, now: Times) {
        if self.count == MAX_CORES {
            return;
        }
        if self.count == self.cores.len() {
            self.cores.push(Core::default());
        }
        let core = &mut self.cores[self.count];
        self.count += 1;
        core.interrupts_total = core.interrupts.advance(now.interrupts);
        if let Some(before) = core.times {
            let all = |t: &Times| t.kernel.saturating_add(t.user);
            match (all(&now).checked_sub(all(&before)), now.idle.checked_sub(before.idle)) {
                // Two samples within one tick of the clock say nothing new.
                (Some(0), _) => {}
                (Some(elapsed), Some(idle)) => {
                    let busy = elapsed.saturating_sub(idle);
                    core.percent_used = Some(hundredths(100.0 * busy as f64 / elapsed as f64));
                }
                _ => core.percent_used = None,
            }
        }
        core.times = Some(now);
    }

    /// Ends the reading; cores that were not in it are gone.
    pub fn end(&mut self) {
        self.cores.truncate(self.count);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.cores.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.cores.is_empty()
    }

    /// Share of each core used between the last two readings.
    pub fn percent_used(&self) -> impl Iterator<Item = Option<f64>> {
        self.cores.iter().map(|c| c.percent_used)
    }

    /// Interrupts of all cores; `None` where the system counts none.
    pub fn interrupts(&self) -> Option<u64> {
        let sum = self.cores.iter().map(|c| c.interrupts_total).fold(0, u64::saturating_add);
        Some(sum).filter(|sum| *sum > 0)
    }

    /// Writes the times over what is there. Windows has no word for low priority, waiting for I/O, or
    /// what a hypervisor took; those modes stay empty.
    pub fn write_times(&self, times: &mut CpuTimes) {
        let fill = |column: &mut Vec<f64>, of: fn(&Times) -> u64| {
            column.clear();
            column.extend(self.cores.iter().map(|c| seconds(c.times.as_ref().map_or(0, of))));
        };
        fill(&mut times.user_seconds, |t| t.user);
        fill(&mut times.system_seconds, Times::system);
        fill(&mut times.idle_seconds, |t| t.idle);
        fill(&mut times.irq_seconds, |t| t.interrupt);
        fill(&mut times.softirq_seconds, |t| t.deferred);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(cores: &[[i64; 6]]) -> Vec<u8> {
        cores.iter().flatten().flat_map(|n| n.to_le_bytes()).collect()
    }

    fn read(cores: &mut Cores, of: &[[i64; 6]]) {
        cores.begin();
        parse(Bytes::new(&bytes(of), 0)).for_each(|times| cores.push(times));
        cores.end();
    }

    #[test]
    fn shares_and_times_come_from_the_differences() {
        let mut cores = Cores::default();
        // Idle, kernel (with idle, deferred and interrupt), user, deferred, interrupt, interrupts.
        read(&mut cores, &[[100, 150, 50, 10, 5, 7], [0, 0, 0, 0, 0, 1]]);
        assert_eq!(cores.percent_used().collect::<Vec<_>>(), [None, None]);
        read(&mut cores, &[[160, 230, 70, 10, 5, 6], [0, 0, 0, 0, 0, 1]]);
        assert_eq!(cores.percent_used().collect::<Vec<_>>(), [Some(40.0), None], "60 of 100 were idle");
        assert_eq!(cores.interrupts(), Some((1 << 32) + 6 + 1), "the first core's counter has wrapped");
        let mut times = CpuTimes::default();
        cores.write_times(&mut times);
        assert_eq!(times.user_seconds, [7e-6, 0.0]);
        assert_eq!(times.system_seconds, [5.5e-6, 0.0], "230 less 160 idle, 10 deferred and 5 interrupt");
        assert_eq!(times.iowait_seconds, [0.0; 0], "a mode that Windows does not know");

        read(&mut cores, &[[0, 1, 0, 0, 0, 6]]);
        assert_eq!(
            cores.percent_used().collect::<Vec<_>>(),
            [None],
            "a core that began anew, and one that is gone"
        );
        read(&mut cores, &[[0, 1, 0, 0, 0, 6]]);
        assert_eq!((cores.len(), cores.percent_used().next()), (1, Some(None)));
    }

    #[test]
    fn half_a_core_is_none() {
        let mut text = bytes(&[[1; 6]]);
        text.truncate(CORE_BYTES - 1);
        assert_eq!(parse(Bytes::new(&text, 0)).count(), 0);
        assert_eq!(parse(Bytes::new(&bytes(&[[-1; 6]]), 0)).next().map(|t| t.idle), Some(0));
    }
}
