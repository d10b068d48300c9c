//! Which reports of one session have come: a high mark and the ranges missing below it.
//!
//! Exact, so a replay in any order is told from a duplicate, and bounded: the ranges have a cap,
//! and what falls over it is given up oldest first and said.

/// Why a range of sequence numbers is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Did not come yet; the node may still send it.
    Open,
    /// Was said to be lost. Should it come after all, it is still taken.
    Closed,
    /// From before this masternode knew the node: nobody's loss, taken when it comes.
    Unclaimed,
}

/// A range of missing sequence numbers, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) kind: Missing,
}

impl Range {
    fn len(self) -> u64 {
        (self.to - self.from).saturating_add(1)
    }
}

/// What a sequence number is to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Above everything seen; `skipped` says whether it left a range missing.
    Newest {
        /// Whether numbers below it are missing that were not before.
        skipped: bool,
    },
    /// One that was missing.
    Filled(Missing),
    /// One that has come before.
    Duplicate,
}

/// Which reports of one session have come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SequenceLog {
    high: u64,
    /// Sorted, disjoint, all below `high`.
    missing: Vec<Range>,
    /// Sum over the open ranges.
    open: u64,
    /// Number of closed ranges.
    closed: usize,
}

impl SequenceLog {
    /// A log that begins with `sequence`. What lies below `claimed_from` is nobody's loss.
    pub(crate) fn begin(sequence: u64, claimed_from: u64) -> SequenceLog {
        let claimed_from = claimed_from.min(sequence);
        let mut log = SequenceLog { high: sequence, missing: Vec::new(), open: 0, closed: 0 };
        if claimed_from > 0 {
            log.missing.push(Range { from: 0, to: claimed_from - 1, kind: Missing::Unclaimed });
        }
        if claimed_from < sequence {
            log.missing.push(Range { from: claimed_from, to: sequence - 1, kind: Missing::Open });
            log.open = sequence - claimed_from;
        }
        log
    }

    /// A log as it was remembered; `None` when the ranges are not sorted, disjoint and below `high`.
    pub(crate) fn remembered(high: u64, missing: Vec<Range>) -> Option<SequenceLog> {
        let sound = missing.iter().all(|r| r.from <= r.to && r.to < high)
            && missing.windows(2).all(|pair| pair[0].to < pair[1].from);
        let open = missing
            .iter()
            .filter(|r| r.kind == Missing::Open)
            .fold(0u64, |sum, r| sum.saturating_add(r.len()));
        let closed = missing.iter().filter(|r| r.kind == Missing::Closed).count();
        sound.then_some(SequenceLog { high, missing, open, closed })
    }

    pub(crate) fn high(&self) -> u64 {
        self.high
    }

    pub(crate) fn ranges(&self) -> &[Range] {
        &self.missing
    }

    /// Reports that may still come.
    pub(crate) fn open(&self) -> u64 {
        self.open
    }

    /// Notes that `sequence` came.
    pub(crate) fn note(&mut self, sequence: u64) -> Arrival {
        if sequence > self.high {
            let skipped = sequence - self.high > 1;
            if skipped {
                let range = Range { from: self.high + 1, to: sequence - 1, kind: Missing::Open };
                self.open = self.open.saturating_add(range.len());
                self.missing.push(range);
            }
            self.high = sequence;
            return Arrival::Newest { skipped };
        }
        let at = self.missing.partition_point(|r| r.to < sequence);
        let Some(range) = self.missing.get(at).copied().filter(|r| r.from <= sequence) else {
            return Arrival::Duplicate;
        };
        match (range.from == sequence, range.to == sequence) {
            (true, true) => {
                self.missing.remove(at);
                self.closed -= usize::from(range.kind == Missing::Closed);
            }
            (true, false) => self.missing[at].from += 1,
            (false, true) => self.missing[at].to -= 1,
            (false, false) => {
                self.missing[at].to = sequence - 1;
                self.missing.insert(at + 1, Range { from: sequence + 1, ..range });
                self.closed += usize::from(range.kind == Missing::Closed);
            }
        }
        if range.kind == Missing::Open {
            self.open -= 1;
        }
        Arrival::Filled(range.kind)
    }

    /// Gives up the open ranges below `limit`, telling `said` each.
    pub(crate) fn close_below(&mut self, limit: u64, mut said: impl FnMut(u64, u64)) {
        if self.open == 0 {
            return;
        }
        let mut at = 0;
        while at < self.missing.len() && self.missing[at].from < limit {
            let range = self.missing[at];
            if range.kind == Missing::Open {
                if range.to >= limit {
                    self.missing[at].to = limit - 1;
                    self.missing.insert(at + 1, Range { from: limit, ..range });
                }
                let closed = &mut self.missing[at];
                closed.kind = Missing::Closed;
                self.closed += 1;
                self.open = self.open.saturating_sub(closed.len());
                said(closed.from, closed.to);
                if at > 0
                    && self.missing[at - 1].kind == Missing::Closed
                    && self.missing[at - 1].to + 1 == range.from
                {
                    self.missing[at - 1].to = self.missing[at].to;
                    self.missing.remove(at);
                    self.closed -= 1;
                    continue;
                }
            }
            at += 1;
        }
    }

    /// Forgets ranges until there are at most `most` in all and `most_closed` of the closed ones:
    /// closed ones first, then those from before our time, then open ones, which are `said`.
    ///
    /// A number in a forgotten range counts as a duplicate from now on.
    pub(crate) fn trim(&mut self, most: usize, most_closed: usize, mut said: impl FnMut(u64, u64)) {
        while self.closed > most_closed || self.missing.len() > most {
            let oldest = |kind| self.missing.iter().position(|r| r.kind == kind);
            let found = oldest(Missing::Closed).or_else(|| oldest(Missing::Unclaimed)).unwrap_or(0);
            let range = self.missing.remove(found);
            match range.kind {
                Missing::Closed => self.closed -= 1,
                Missing::Unclaimed => {}
                Missing::Open => {
                    self.open = self.open.saturating_sub(range.len());
                    said(range.from, range.to);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn open(from: u64, to: u64) -> Range {
        Range { from, to, kind: Missing::Open }
    }

    #[test]
    fn an_hour_at_ten_a_second_comes_back_in_any_order() {
        let mut log = SequenceLog::begin(0, 0);
        assert_eq!(log.note(36_001), Arrival::Newest { skipped: true });
        assert_eq!(log.open(), 36_000);
        // 7919 is prime and no divisor of 36,000, so its multiples visit every number once.
        for i in 0..36_000u64 {
            assert_eq!(log.note(1 + i * 7919 % 36_000), Arrival::Filled(Missing::Open));
            log.trim(20_000, 32, |from, to| panic!("gave up {from}..={to}"));
        }
        assert_eq!(log.ranges(), []);
        for sequence in 0..=36_001 {
            assert_eq!(log.note(sequence), Arrival::Duplicate);
        }
    }

    #[test]
    fn what_lies_before_our_time_is_taken_but_never_said() {
        let mut log = SequenceLog::begin(10, 7);
        assert_eq!(log.open(), 3);
        assert_eq!(log.note(3), Arrival::Filled(Missing::Unclaimed));
        let mut said = Vec::new();
        log.close_below(u64::MAX, |from, to| said.push((from, to)));
        assert_eq!(said, [(7, 9)]);
        assert_eq!(log.note(8), Arrival::Filled(Missing::Closed));
        assert_eq!(log.note(8), Arrival::Duplicate);
    }

    #[test]
    fn closing_splits_at_the_limit_and_says_each_number_once() {
        let mut log = SequenceLog::begin(0, 0);
        log.note(10);
        let mut said = Vec::new();
        log.close_below(4, |from, to| said.push((from, to)));
        log.close_below(6, |from, to| said.push((from, to)));
        log.close_below(6, |from, to| said.push((from, to)));
        assert_eq!(said, [(1, 3), (4, 5)]);
        assert_eq!(log.ranges(), [Range { from: 1, to: 5, kind: Missing::Closed }, open(6, 9)]);
    }

    #[test]
    fn overflow_gives_up_the_oldest_open_range_last() {
        let mut log = SequenceLog::begin(5, 5);
        for sequence in [7, 9, 11] {
            log.note(sequence);
        }
        log.close_below(7, |_, _| ());
        let mut said = Vec::new();
        log.trim(2, 32, |from, to| said.push((from, to)));
        assert_eq!((log.ranges(), said.len()), (&[open(8, 8), open(10, 10)][..], 0));
        log.trim(1, 32, |from, to| said.push((from, to)));
        assert_eq!((log.ranges(), &said[..], log.open()), (&[open(10, 10)][..], &[(8, 8)][..], 1));
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let mut log = SequenceLog::begin(0, 0);
        assert_eq!(log.note(u64::MAX), Arrival::Newest { skipped: true });
        assert_eq!(log.note(u64::MAX), Arrival::Duplicate);
        assert_eq!(log.note(u64::MAX - 1), Arrival::Filled(Missing::Open));
        let mut said = Vec::new();
        log.close_below(u64::MAX, |from, to| said.push((from, to)));
        assert_eq!(said, [(1, u64::MAX - 2)]);
        let log = SequenceLog::begin(u64::MAX, 0);
        assert_eq!(log.open(), u64::MAX);
    }

    proptest! {
        /// Against the plain model: a set of what has come.
        #[test]
        fn a_number_is_new_exactly_once(
            first in 0u64..40,
            claimed in 0u64..40,
            numbers in prop::collection::vec((0u64..120, 0u64..120, any::<bool>()), 1..200),
        ) {
            let mut log = SequenceLog::begin(first, claimed);
            let mut come = BTreeSet::from([first]);
            let mut said = BTreeSet::new();
            for (sequence, limit, close) in numbers {
                let fresh = come.insert(sequence);
                prop_assert_eq!(log.note(sequence) != Arrival::Duplicate, fresh, "{}", sequence);
                let mut twice = None;
                if close {
                    log.close_below(limit, |from, to| for n in from..=to {
                        if !said.insert(n) || come.contains(&n) { twice = Some(n); }
                    });
                }
                prop_assert_eq!(twice, None);
                let high = *come.last().unwrap();
                prop_assert_eq!(log.high(), high);
                let missing: BTreeSet<u64> = log.ranges().iter().flat_map(|r| r.from..=r.to).collect();
                let expected: BTreeSet<u64> = (0..high).filter(|n| !come.contains(n)).collect();
                prop_assert_eq!(missing, expected);
                let open: u64 =
                    log.ranges().iter().filter(|r| r.kind == Missing::Open).map(|r| r.len()).sum();
                prop_assert_eq!(log.open(), open);
                let again = SequenceLog::remembered(log.high(), log.ranges().to_vec());
                prop_assert_eq!(again.as_ref(), Some(&log));
            }
        }
    }
}
