//! FreeBSD: the times of its cores.

use super::bsd::sysctl_by_name;
use super::{Cores, IDLE, IRQ, NICE, SYSTEM, USER};
use crate::ProbeError;

/// `struct clockinfo` of sys/time.h: hz, tick, spare, stathz, profhz.
const STATHZ_AT: usize = 12;

/// `kern.cp_times`: ticks of each core by mode (sys/resource.h: user, nice, system, interrupts, idle).
///
/// # Errors
/// What the system said.
pub(crate) fn cores(cores: &mut Cores) -> Result<bool, ProbeError> {
    let failed = |name: &str| {
        let path = name.into();
        move |source| ProbeError::Io { path, source }
    };
    if cores.ticks_per_second == 0 {
        let clocks = sysctl_by_name(c"kern.clockrate").map_err(failed("kern.clockrate"))?;
        let hertz = clocks.get(STATHZ_AT..STATHZ_AT + 4).and_then(|b| b.try_into().ok());
        cores.ticks_per_second = hertz.map_or(0, i32::from_ne_bytes).try_into().unwrap_or(0);
        if cores.ticks_per_second == 0 {
            return Err(ProbeError::Form { path: "kern.clockrate".into(), problem: "has no stathz" });
        }
        cores.counter_bits = 64;
    }
    let times = sysctl_by_name(c"kern.cp_times").map_err(failed("kern.cp_times"))?;
    cores.ticks.clear();
    for core in times.chunks_exact(5 * 8) {
        let mut modes = [None; super::MODES];
        for (mode, bytes) in [USER, NICE, SYSTEM, IRQ, IDLE].into_iter().zip(core.chunks_exact(8)) {
            modes[mode] = bytes.try_into().ok().map(u64::from_ne_bytes);
        }
        cores.ticks.push(modes);
    }
    Ok(true)
}
