//! Bounds of times and windows.

/// An hour, milliseconds: the longest window of the head, and the window of a first merge.
pub(crate) const HOUR_MS: i64 = 3_600_000;

/// A day, milliseconds: the longest window of a file.
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;

/// The earliest time a sample may have, far enough from the end of the integers to reckon with.
pub(crate) const MIN_TIME_MS: i64 = -(1 << 53);

/// The latest time a sample may have.
pub(crate) const MAX_TIME_MS: i64 = 1 << 53;

/// Whether a time is one that samples may have.
pub(crate) fn is_time(time: i64) -> bool {
    (MIN_TIME_MS..=MAX_TIME_MS).contains(&time)
}

/// Whether these are the bounds of a window of the head: not empty, and within one hour.
pub(crate) fn is_window(from: i64, to: i64) -> bool {
    from < to && is_time(from) && from.div_euclid(HOUR_MS) == (to - 1).div_euclid(HOUR_MS)
}
