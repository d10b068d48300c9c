//! Clocks of segments that were unpacked once, kept small in memory for the queries that follow.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use crate::store::lock;

/// Bytes after which the clocks kept longest are given up; twice as many are kept at most. A clock of
/// an hour at one a second has 7 kB.
const KEPT_BYTES: usize = 8 << 20;

/// Timestamps as how far each is off an even pace, which is little for all that reports regularly.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Paced {
    start: i64,
    /// Milliseconds × 2^32 from one timestamp to the next.
    pace: u64,
    off_ms: Box<[i16]>,
}

impl Paced {
    /// None when some are too far off, as after a long gap.
    pub(crate) fn new(times: &[i64]) -> Option<Paced> {
        let (start, last) = (*times.first()?, *times.last()?);
        let duration = u32::try_from(last.checked_sub(start)?).ok()?;
        let steps = u64::try_from(times.len() - 1).ok()?.max(1);
        let pace = (u64::from(duration) << 32) / steps;
        let off = |(index, time): (usize, &i64)| i16::try_from(time - even(start, pace, index)).ok();
        let off_ms = times.iter().enumerate().map(off).collect::<Option<_>>()?;
        Some(Paced { start, pace, off_ms })
    }

    pub(crate) fn len(&self) -> usize {
        self.off_ms.len()
    }

    #[inline]
    pub(crate) fn at(&self, index: usize) -> i64 {
        even(self.start, self.pace, index) + i64::from(self.off_ms[index])
    }

    pub(crate) fn times(&self, range: Range<usize>) -> Vec<i64> {
        let off = self.off_ms[range.clone()].iter();
        range.zip(off).map(|(index, off)| even(self.start, self.pace, index) + i64::from(*off)).collect()
    }

    fn bytes(&self) -> usize {
        // The entry that it lies in, too.
        size_of_val(&*self.off_ms) + 96
    }
}

/// Where a timestamp lay if all came evenly. Within 2^63, as the whole duration is below 2^32.
#[inline]
fn even(start: i64, pace: u64, index: usize) -> i64 {
    start + (pace.wrapping_mul(index as u64) >> 32) as i64
}

/// A segment's number, and a clock's in it.
type Key = (u64, u32);

/// The clocks of a store that queries asked for last.
#[derive(Default)]
pub(crate) struct KeptClocks(Mutex<Kept>);

/// Two generations: what is asked for moves into the young one, and what is not goes with the old one.
#[derive(Default)]
struct Kept {
    young: HashMap<Key, Arc<Paced>>,
    young_bytes: usize,
    old: HashMap<Key, Arc<Paced>>,
}

impl KeptClocks {
    pub(crate) fn get(&self, key: Key) -> Option<Arc<Paced>> {
        let mut kept = lock(&self.0);
        if let Some(clock) = kept.young.get(&key) {
            return Some(clock.clone());
        }
        let clock = kept.old.remove(&key)?;
        kept.put(key, clock.clone());
        Some(clock)
    }

    pub(crate) fn put(&self, key: Key, clock: Arc<Paced>) {
        lock(&self.0).put(key, clock);
    }
}

impl Kept {
    fn put(&mut self, key: Key, clock: Arc<Paced>) {
        self.young_bytes += clock.bytes();
        if let Some(same) = self.young.insert(key, clock) {
            self.young_bytes -= same.bytes();
        }
        if self.young_bytes > KEPT_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn paced_timestamps_come_back(start in -1i64 << 40..1 << 40, steps in prop::collection::vec(1i64..40_000, 0..300)) {
            let mut times = vec![start];
            times.extend(steps.iter().scan(start, |time, step| { *time += step; Some(*time) }));
            if let Some(paced) = Paced::new(&times) {
                prop_assert_eq!((0..paced.len()).map(|at| paced.at(at)).collect::<Vec<_>>(), &times[..]);
                let part = times.len() / 3..times.len() / 2;
                prop_assert_eq!(paced.times(part.clone()), &times[part]);
            } else {
                prop_assert!(steps.len() > 2);
            }
        }
    }

    #[test]
    fn regular_reports_are_kept_and_long_gaps_are_not() {
        let at = |i: i64| 1_700_000_000_000 + i * 1000 + i % 7;
        let mut times: Vec<i64> = (0..3600).map(at).collect();
        assert!(Paced::new(&times).is_some_and(|paced| paced.at(3599) == at(3599)));
        times.iter_mut().skip(1800).for_each(|time| *time += 600_000);
        assert_eq!(Paced::new(&times), None);
        assert_eq!(Paced::new(&[]), None);
        assert_eq!(Paced::new(&[0, i64::from(u32::MAX) + 1]), None);
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let kept = KeptClocks::default();
        let hour: Vec<i64> = (0..3600).map(|i| i * 1000).collect();
        let clock = Arc::new(Paced::new(&hour).unwrap());
        let most = KEPT_BYTES / clock.bytes();
        for number in 0..4 * most as u32 {
            kept.put((1, number), clock.clone());
            assert!(kept.get((1, 0)).is_some(), "{number}");
        }
        assert_eq!(kept.get((1, 1)), None);
        let all = lock(&kept.0);
        assert!(all.young.len() + all.old.len() <= 2 * (most + 1));
    }
}
