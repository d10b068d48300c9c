//! Main memory and swap.
//!
//! "Used" is what the system's own monitor calls so. macOS: memory of programs that cannot be dropped,
//! wired memory and what the compressor holds (Activity Monitor's "Memory Used"); all else is available.
//! Elsewhere: what is not available.

use chasar_wire::Report;
use chasar_wire::family::{Memory as Family, Swap};
use sysinfo::{MemoryRefreshKind, System};

use super::trouble;
use crate::text::hundredths;
use crate::{Host, Now, Outcome, Probe, ProbeError, Setup};

pub(crate) fn make(_: &Setup<'_>) -> Box<dyn Probe> {
    Box::new(Memory { system: None })
}

struct Memory {
    system: Option<System>,
}

/// What the system told, bytes.
#[derive(Clone, Copy, Debug)]
struct Told {
    total: u64,
    used: u64,
    available: u64,
    free: u64,
    swap_total: u64,
    swap_free: u64,
}

/// Writes both families. `used_is_told`: the system's own "used" counts, and the rest is available.
fn settle(told: Told, used_is_told: bool, memory: &mut Family, swap: &mut Swap) {
    let share = |part: u64, whole: u64| (whole > 0).then(|| hundredths(100.0 * part as f64 / whole as f64));
    let available = if used_is_told { told.total.saturating_sub(told.used) } else { told.available };
    let available = available.min(told.total);
    let used = told.total - available;
    *memory = Family {
        total_bytes: Some(told.total),
        total_bytes_used: Some(used),
        percent_used: share(used, told.total),
        available_bytes: Some(available),
        mem_total_bytes: Some(told.total),
        mem_available_bytes: Some(available),
        free_bytes: Some(told.free),
        ..Family::default()
    };
    let swap_used = told.swap_total.saturating_sub(told.swap_free);
    *swap = Swap {
        total_bytes: Some(told.swap_total),
        free_bytes: Some(told.swap_free),
        used_bytes: Some(swap_used),
        percent_used: share(swap_used, told.swap_total),
        ..Swap::default()
    };
}

impl Probe for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn read(&mut self, _: &Host, _: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        let system = match &mut self.system {
            Some(system) => system,
            none => none.insert(System::new().map_err(trouble("memory"))?),
        };
        system.refresh_memory_specifics(MemoryRefreshKind::everything());
        let told = Told {
            total: system.total_memory(),
            used: system.used_memory(),
            available: system.available_memory(),
            free: system.free_memory(),
            swap_total: system.total_swap(),
            swap_free: system.free_swap(),
        };
        // The crate tells a call that failed by zeros, and no computer has neither memory nor use of it.
        if told.total == 0 || told.used == 0 {
            return Err(ProbeError::Reported("the system did not tell its memory".to_owned()));
        }
        let swap = report.swap.get_or_insert_default();
        settle(told, cfg!(target_os = "macos"), &mut report.memory, swap);
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        report.memory = Family::default();
        report.swap = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: Told = Told { total: 1000, used: 300, available: 900, free: 50, swap_total: 0, swap_free: 0 };

    fn settled(told: Told, used_is_told: bool) -> (Family, Swap) {
        let (mut memory, mut swap) = (Family::default(), Swap::default());
        settle(told, used_is_told, &mut memory, &mut swap);
        (memory, swap)
    }

    #[test]
    fn used_and_available_are_the_whole() {
        for (used_is_told, used) in [(true, 300), (false, 100)] {
            let (memory, swap) = settled(TOLD, used_is_told);
            assert_eq!((memory.total_bytes_used, memory.available_bytes), (Some(used), Some(1000 - used)));
            assert_eq!(memory.percent_used, Some(used as f64 / 10.0));
            assert_eq!((swap.total_bytes, swap.percent_used), (Some(0), None), "no swap has no share");
        }
    }

    #[test]
    fn absurd_numbers_stay_within_the_whole() {
        let absurd = Told { used: 5000, available: 5000, swap_total: 4, swap_free: 9, ..TOLD };
        let (memory, swap) = settled(absurd, true);
        assert_eq!((memory.total_bytes_used, memory.percent_used), (Some(1000), Some(100.0)));
        assert_eq!((swap.used_bytes, swap.percent_used), (Some(0), Some(0.0)));
        assert_eq!(settled(absurd, false).0.total_bytes_used, Some(0));
    }
}
