//! Counters of 32 bits that Windows lets wrap, continued in 64.

/// A counter that goes on where the system's own begins anew.
///
/// Right as long as the system's counter is read at least once in 2³² steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extended(Option<(u32, u64)>);

impl Extended {
    /// Takes a reading; the first is taken as it is.
    pub fn advance(&mut self, now: u32) -> u64 {
        let total = match self.0 {
            None => u64::from(now),
            Some((before, total)) => total.saturating_add(u64::from(now.wrapping_sub(before))),
        };
        self.0 = Some((now, total));
        total
    }
}

/// Seconds of a number of 100 nanoseconds.
pub fn seconds(ticks: u64) -> f64 {
    // Microseconds in steps of tenths: the last digit of a double of 100 days is finer.
    ticks as f64 / 1e7
}

/// Unix seconds of a `FILETIME`: 100 nanoseconds since 1601-01-01. `None` before 1970 and after 9999.
pub fn unix_seconds(file_time: i64) -> Option<f64> {
    const OF_1970: i64 = 116_444_736_000_000_000;
    const OF_10000: i64 = 2_650_467_744_000_000_000;
    (OF_1970..OF_10000).contains(&file_time).then(|| (file_time - OF_1970) as f64 / 1e7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_goes_on_after_its_end() {
        let mut counter = Extended::default();
        let seen = [5, 7, u32::MAX, 0, 9].map(|now| counter.advance(now));
        assert_eq!(seen, [5, 7, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0009]);
    }

    #[test]
    fn file_times_are_unix_seconds() {
        assert_eq!(unix_seconds(116_444_736_000_000_000), Some(0.0));
        assert_eq!(unix_seconds(133_500_000_005_000_000), Some(1_705_526_400.5));
        assert_eq!((unix_seconds(0), unix_seconds(i64::MAX), unix_seconds(-1)), (None, None, None));
    }
}
