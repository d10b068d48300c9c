//! Rollups: what is kept of many samples in a minute or an hour.

use std::collections::HashMap;

use crate::chunk::{CHUNK_VALUES, MAX_PAGE_VALUES, exponent_of, from_decimal, to_decimal};
use crate::error::Result;
use crate::labels::Kind;
use crate::segment::{Column, SegmentWriter, Tier};

/// What is kept of the samples of one series in one minute or hour. NaNs are not counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rollup {
    /// Beginning of the minute or hour, Unix milliseconds.
    pub start_ms: i64,
    /// Samples in it.
    pub count: u64,
    /// Smallest value; not kept for counters.
    pub min: Option<f64>,
    /// Largest value; not kept for counters.
    pub max: Option<f64>,
    /// Sum of the values, exact for decimal values; not kept for counters.
    pub sum: Option<f64>,
    /// First value; not kept for gauges.
    pub first: Option<f64>,
    /// Last value.
    pub last: f64,
    /// Sum of the values from which the series fell, as a counter does that begins anew; not kept
    /// for gauges.
    pub resets: Option<f64>,
}

impl Rollup {
    /// How much a counter grew within the minute or hour, from its first sample to its last,
    /// resets taken into account. `None` for gauges.
    pub fn increase(&self) -> Option<f64> {
        Some(self.last - self.first? + self.resets?)
    }

    /// Takes in one of the same stretch of time, of which nobody knows any more what came when.
    pub(crate) fn join(&mut self, other: &Rollup) {
        let both = |a: Option<f64>, b: Option<f64>, of: fn(f64, f64) -> f64| a.zip(b).map(|(a, b)| of(a, b));
        self.count += other.count;
        self.min = both(self.min, other.min, f64::min);
        self.max = both(self.max, other.max, f64::max);
        self.sum = both(self.sum, other.sum, |a, b| a + b);
        self.resets = both(self.resets, other.resets, |a, b| a + b);
        self.last = other.last;
    }

    /// How much a counter grew from the last sample of `before` to the first of this.
    pub fn increase_since(&self, before: &Rollup) -> Option<f64> {
        let first = self.first?;
        Some(if first < before.last { first } else { first - before.last })
    }
}

/// A sum that is exact as long as the values are decimals.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    integer: i128,
    exponent: u8,
    float: f64,
    inexact: bool,
}

impl Sum {
    fn add(&mut self, value: f64) {
        self.float += value;
        if self.inexact {
            return;
        }
        if let Some(integer) = to_decimal(value, self.exponent) {
            self.integer += i128::from(integer);
        } else if let Some(exponent) = exponent_of(value, self.exponent + 1)
            && let Some(integer) = to_decimal(value, exponent)
        {
            self.scale(exponent);
            self.integer += i128::from(integer);
        } else {
            self.inexact = true;
        }
    }

    fn scale(&mut self, exponent: u8) {
        self.integer *= 10i128.pow(u32::from(exponent - self.exponent));
        self.exponent = exponent;
    }

    fn join(&mut self, mut later: Sum) {
        self.float += later.float;
        self.inexact |= later.inexact;
        let exponent = self.exponent.max(later.exponent);
        self.scale(exponent);
        later.scale(exponent);
        self.integer += later.integer;
    }

    fn value(&self) -> f64 {
        match i64::try_from(self.integer) {
            Ok(integer) if !self.inexact && integer.unsigned_abs() < 1 << 53 => {
                from_decimal(integer, self.exponent)
            }
            _ => self.float,
        }
    }
}

/// A rollup while samples are added to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fold {
    pub(crate) start: i64,
    count: u64,
    min: f64,
    max: f64,
    sum: Sum,
    first: f64,
    last: f64,
    resets: f64,
}

impl Fold {
    fn new(start: i64, value: f64) -> Fold {
        let mut sum = Sum::default();
        sum.add(value);
        Fold { start, count: 1, min: value, max: value, sum, first: value, last: value, resets: 0.0 }
    }

    fn add(&mut self, value: f64) {
        self.count += 1;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.sum.add(value);
        if value < self.last {
            self.resets += self.last;
        }
        self.last = value;
    }

    fn join(&mut self, later: &Fold) {
        self.count += later.count;
        self.min = self.min.min(later.min);
        self.max = self.max.max(later.max);
        self.sum.join(later.sum);
        if later.first < self.last {
            self.resets += self.last;
        }
        self.resets += later.resets;
        self.last = later.last;
    }

    fn column(&self, column: Column) -> f64 {
        match column {
            Column::Min => self.min,
            Column::Max => self.max,
            Column::Sum => self.sum.value(),
            Column::Count => self.count as f64,
            Column::First => self.first,
            Column::Last | Column::Value => self.last,
            Column::Resets => self.resets,
        }
    }

    pub(crate) fn rollup(&self, kind: Kind) -> Rollup {
        let kept = |column| columns(kind).contains(&column).then(|| self.column(column));
        Rollup {
            start_ms: self.start,
            count: self.count,
            min: kept(Column::Min),
            max: kept(Column::Max),
            sum: kept(Column::Sum),
            first: kept(Column::First),
            last: self.last,
            resets: kept(Column::Resets),
        }
    }
}

/// Adds a sample to the rollups of a series; samples come in the order of time.
pub(crate) fn fold(folds: &mut Vec<Fold>, start: i64, value: f64) {
    if value.is_nan() {
        return;
    }
    match folds.last_mut() {
        Some(last) if last.start == start => last.add(value),
        _ => folds.push(Fold::new(start, value)),
    }
}

/// Rollups of a longer step from those of a shorter one.
pub(crate) fn coarser(folds: &[Fold], step: i64) -> Vec<Fold> {
    let mut out: Vec<Fold> = Vec::new();
    for fold in folds {
        let start = fold.start.div_euclid(step) * step;
        match out.last_mut() {
            Some(last) if last.start == start => last.join(fold),
            _ => out.push(Fold { start, ..*fold }),
        }
    }
    out
}

/// What is kept of a kind of metric, sorted.
pub(crate) fn columns(kind: Kind) -> &'static [Column] {
    use Column::{Count, First, Last, Max, Min, Resets, Sum};
    match kind {
        Kind::Gauge => &[Min, Max, Sum, Count, Last],
        Kind::Counter => &[Count, First, Last, Resets],
        Kind::Unknown => &[Min, Max, Sum, Count, First, Last, Resets],
    }
}

/// Writes the rollups of one tier to a segment.
pub(crate) struct RollupWriter {
    pub(crate) tier: Tier,
    pub(crate) segment: SegmentWriter,
    clocks: HashMap<Vec<i64>, u32>,
    metric: u32,
    kind: Kind,
    group: Vec<(u32, Vec<Fold>)>,
    folds: usize,
}

impl RollupWriter {
    pub(crate) fn new(tier: Tier, segment: SegmentWriter) -> RollupWriter {
        RollupWriter {
            tier,
            segment,
            clocks: HashMap::new(),
            metric: 0,
            kind: Kind::Unknown,
            group: Vec::new(),
            folds: 0,
        }
    }

    /// Says of what the following series are.
    pub(crate) fn begin(&mut self, metric: u32, kind: Kind) -> Result<()> {
        self.flush()?;
        self.metric = metric;
        self.kind = kind;
        Ok(())
    }

    /// Adds the rollups of one source.
    pub(crate) fn series(&mut self, source: u32, folds: Vec<Fold>) -> Result<()> {
        if folds.is_empty() {
            return Ok(());
        }
        self.folds += folds.len();
        self.group.push((source, folds));
        if self.folds >= CHUNK_VALUES { self.flush() } else { Ok(()) }
    }

    /// Writes what was gathered; a chunk for each column.
    pub(crate) fn flush(&mut self) -> Result<()> {
        if self.group.is_empty() {
            return Ok(());
        }
        let group = std::mem::take(&mut self.group);
        self.folds = 0;
        for column in columns(self.kind) {
            self.segment.begin(self.metric, *column)?;
            for (source, folds) in &group {
                for page in folds.chunks(MAX_PAGE_VALUES) {
                    let times: Vec<i64> = page.iter().map(|f| f.start).collect();
                    let clock = match self.clocks.get(&times) {
                        Some(clock) => *clock,
                        None => {
                            let clock = self.segment.clock(&times)?;
                            self.clocks.insert(times, clock);
                            clock
                        }
                    };
                    self.segment.page(*source, clock, page.iter().map(|f| f.column(*column)))?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn folds(samples: &[(i64, f64)], step: i64) -> Vec<Fold> {
        let mut out = Vec::new();
        for (time, value) in samples {
            fold(&mut out, time.div_euclid(step) * step, *value);
        }
        out
    }

    /// The increase over all samples, as rate functions count it.
    fn increase(values: &[f64]) -> f64 {
        values.windows(2).map(|w| if w[1] < w[0] { w[1] } else { w[1] - w[0] }).sum()
    }

    proptest! {
        #[test]
        fn rollups_say_what_the_samples_say(values in prop::collection::vec(0u32..1000, 1..400)) {
            let samples: Vec<(i64, f64)> =
                values.iter().enumerate().map(|(i, v)| (i as i64 * 1000, f64::from(*v) / 100.0)).collect();
            let values: Vec<f64> = samples.iter().map(|s| s.1).collect();
            let minutes = folds(&samples, 60_000);
            for (fold, part) in minutes.iter().zip(values.chunks(60)) {
                let rollup = fold.rollup(Kind::Unknown);
                prop_assert_eq!(rollup.count, part.len() as u64);
                prop_assert_eq!(rollup.min, part.iter().copied().reduce(f64::min));
                prop_assert_eq!(rollup.max, part.iter().copied().reduce(f64::max));
                let exact: i64 = part.iter().map(|v| (v * 100.0).round() as i64).sum();
                prop_assert_eq!(rollup.sum, Some(exact as f64 / 100.0));
                prop_assert!((rollup.increase().unwrap() - increase(part)).abs() < 1e-6);
            }
            let steps = minutes.windows(2).map(|w| {
                w[1].rollup(Kind::Counter).increase_since(&w[0].rollup(Kind::Counter)).unwrap()
            });
            let within = minutes.iter().map(|m| m.rollup(Kind::Counter).increase().unwrap());
            let all: f64 = within.chain(steps).sum();
            prop_assert!((all - increase(&values)).abs() < 1e-6);
            // Rollups of rollups are those of the samples.
            let coarse: Vec<Rollup> =
                coarser(&minutes, 120_000).iter().map(|f| f.rollup(Kind::Gauge)).collect();
            let direct: Vec<Rollup> =
                folds(&samples, 120_000).iter().map(|f| f.rollup(Kind::Gauge)).collect();
            prop_assert_eq!(coarse, direct);
        }
    }

    #[test]
    fn sums_of_what_is_no_decimal_are_sums_of_floats() {
        let folds = folds(&[(0, 0.1 + 0.2), (1, 1.0), (2, f64::NAN)], 60_000);
        assert_eq!(folds[0].rollup(Kind::Gauge).sum, Some(0.1 + 0.2 + 1.0));
        assert_eq!(folds[0].rollup(Kind::Gauge).count, 2);
        let tenths = vec![(0, 0.1); 10];
        assert_eq!(self::folds(&tenths, 60_000)[0].rollup(Kind::Gauge).sum, Some(1.0));
    }
}
