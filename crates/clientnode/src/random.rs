//! Small pseudo-random numbers for jitter: good spread, no secrecy, replayable from a seed.

use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood 2014): one addition and a mix, any seed will do.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Evenly spread over `0 ≤ x < limit`; zero for a zero limit.
    pub(crate) fn below(&mut self, limit: Duration) -> Duration {
        let nanos = (u128::from(self.next_u64()) * limit.as_nanos()) >> 64;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_over_the_range_and_stays_in_it() {
        let mut random = Random::new(7);
        let limit = Duration::from_secs(1);
        let mut tenths = [0u32; 10];
        for _ in 0..10_000 {
            let d = random.below(limit);
            assert!(d < limit);
            tenths[(d.as_millis() / 100) as usize] += 1;
        }
        assert!(tenths.iter().all(|n| (800..1200).contains(n)), "{tenths:?}");
        assert_eq!(random.below(Duration::ZERO), Duration::ZERO);
    }
}
