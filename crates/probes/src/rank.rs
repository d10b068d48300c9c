//! Which processes are listed: the busiest by processor, then by resident memory.

use std::time::Duration;

use crate::text::hundredths;

/// What decides whether a process is listed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rank {
    /// Share of a core in hundredths of a percent: a difference nobody can see must not outweigh memory.
    share: u64,
    resident: u64,
    /// Place in the table.
    pub(crate) at: usize,
}

impl Rank {
    /// The process at `at` with this share of a core; `resident` in any unit, the same for all.
    pub(crate) fn new(share: Option<f64>, resident: u64, at: usize) -> Rank {
        Rank { share: share.map_or(0, |share| (share * 100.0).round() as u64), resident, at }
    }

    fn key(&self) -> impl Ord + use<> {
        use std::cmp::Reverse;
        (Reverse(self.share), Reverse(self.resident), self.at)
    }
}

/// Leaves the `limit` busiest, in their order.
pub(crate) fn busiest(ranks: &mut Vec<Rank>, limit: usize) {
    if ranks.len() > limit {
        ranks.select_nth_unstable_by_key(limit, Rank::key);
        ranks.truncate(limit);
    }
    ranks.sort_unstable_by_key(Rank::key);
}

/// Share of one core, 0 to 100 and more for several threads.
pub(crate) fn share(used_nanos: Option<u64>, elapsed: Duration) -> Option<f64> {
    let elapsed = elapsed.as_nanos();
    (elapsed > 0).then_some(hundredths(100.0 * used_nanos? as f64 / elapsed as f64))
}
