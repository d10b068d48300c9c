//! Waiting for a condition with a deadline; the failure says what was seen last.

use std::thread;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `look` gives `Ok`; on the deadline panics with the last `Err`.
#[track_caller]
pub fn until<T>(deadline: Duration, what: &str, look: impl FnMut() -> Result<T, String>) -> T {
    match within(deadline, look) {
        Ok(found) => found,
        Err(last) => panic!("{what}: not within {deadline:?}; last seen: {last}"),
    }
}

/// Looks until `look` gives `Ok`, at the longest for `deadline`; else the last `Err`.
///
/// # Errors
/// What `look` said last.
pub fn within<T>(deadline: Duration, mut look: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let started = Instant::now();
    loop {
        match look() {
            Ok(found) => return Ok(found),
            Err(last) if started.elapsed() >= deadline => return Err(last),
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// `Ok` when `holds`, else what `otherwise` says: for conditions in [`until`].
///
/// # Errors
/// When it does not hold.
pub fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// Watches for a whole `period` that `look` gives `Ok`; panics at the first `Err`.
#[track_caller]
pub fn always(period: Duration, what: &str, mut look: impl FnMut() -> Result<(), String>) {
    let started = Instant::now();
    while started.elapsed() < period {
        if let Err(seen) = look() {
            panic!("{what}: no longer after {:?}: {seen}", started.elapsed());
        }
        thread::sleep(PAUSE);
    }
}
