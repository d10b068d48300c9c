//! `SystemPerformanceInformation` (class 2) and `SystemTimeOfDayInformation` (class 3).

use super::bytes::Bytes;
use super::counter::Extended;

/// Paging and scheduling since boot; a counter that the system leaves at zero is not kept by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Performance {
    /// Page faults of all kinds.
    pub page_faults: Option<u64>,
    /// Pages read from disk for them.
    pub pages_read: Option<u64>,
    /// Reads from disk for them, each of one or more pages.
    pub page_reads: Option<u64>,
    /// Pages written to page files and to mapped files.
    pub pages_written: Option<u64>,
    /// Context switches of all cores.
    pub context_switches: Option<u64>,
}

/// Continues the counters, which have 32 bits.
#[derive(Clone, Copy, Debug, Default)]
pub struct PerformanceCounters([Extended; 6]);

impl PerformanceCounters {
    /// Takes a reading; `None` if the buffer is too short to be one.
    pub fn advance(&mut self, buffer: Bytes<'_>) -> Option<Performance> {
        // PageFaultCount, PageReadCount, PageReadIoCount, DirtyPagesWriteCount, MappedPagesWriteCount,
        // ContextSwitches of SYSTEM_PERFORMANCE_INFORMATION.
        const AT: [usize; 6] = [0x3c, 0x50, 0x54, 0x60, 0x68, 0x128];
        let mut totals = [0; 6];
        for ((total, counter), at) in totals.iter_mut().zip(&mut self.0).zip(AT) {
            *total = counter.advance(buffer.u32(at)?);
        }
        let [faults, pages_read, page_reads, dirty, mapped, switches] = totals;
        // Every running Windows has had faults; without them none of the paging counters is kept.
        let kept = |value: u64| (faults > 0).then_some(value);
        Some(Performance {
            page_faults: kept(faults),
            pages_read: kept(pages_read),
            page_reads: kept(page_reads),
            pages_written: kept(dirty.saturating_add(mapped)),
            context_switches: Some(switches).filter(|n| *n > 0),
        })
    }
}

/// Bytes of `SYSTEM_TIMEOFDAY_INFORMATION`.
pub const TIME_OF_DAY_BYTES: usize = 48;

/// Local time less UTC in seconds, summer time included, from class 3; `None` if the buffer is too short,
/// or the zone is no zone.
pub fn offset_seconds(buffer: Bytes<'_>) -> Option<i32> {
    const LARGEST_OFFSET_SECONDS: i32 = 26 * 3600;
    // The bias is what local time lacks to UTC, in 100 nanoseconds.
    let offset = i32::try_from(buffer.i64(0x10)? / -10_000_000).ok()?;
    (offset.abs() < LARGEST_OFFSET_SECONDS).then_some(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_continued_and_those_not_kept_are_absent() {
        let reading = |faults: u32, written: u32, switches: u32| {
            let mut bytes = vec![0; 312];
            for (at, n) in
                [(0x3c, faults), (0x50, 2), (0x54, 1), (0x60, written), (0x68, 4), (0x128, switches)]
            {
                bytes[at..at + 4].copy_from_slice(&n.to_le_bytes());
            }
            bytes
        };
        let mut counters = PerformanceCounters::default();
        counters.advance(Bytes::new(&reading(u32::MAX, 3, 5), 0)).unwrap();
        let second = counters.advance(Bytes::new(&reading(1, 3, 6), 0)).unwrap();
        assert_eq!(second.page_faults, Some(0x1_0000_0001));
        assert_eq!((second.pages_read, second.page_reads, second.pages_written), (Some(2), Some(1), Some(7)));
        assert_eq!(second.context_switches, Some(6));
        let none = PerformanceCounters::default().advance(Bytes::new(&reading(0, 0, 0), 0)).unwrap();
        assert_eq!(none, Performance::default());
        assert_eq!(counters.advance(Bytes::new(&[0; 100], 0)), None);
    }

    #[test]
    fn the_zone_is_ahead_of_utc_where_the_bias_is_negative() {
        let bytes = |boot: i64, bias: i64| [boot, 7, bias, 0, 0, 0].map(i64::to_le_bytes).concat();
        let of = |bias: i64| offset_seconds(Bytes::new(&bytes(133, bias), 0));
        assert_eq!(of(-3600 * 10_000_000), Some(3600), "Berlin");
        assert_eq!(of(5 * 3600 * 10_000_000), Some(-5 * 3600), "New York");
        assert_eq!((of(i64::MIN), offset_seconds(Bytes::new(&[0; 20], 0))), (None, None));
    }
}
