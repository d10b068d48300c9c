//! Samples that somebody brings, into a store: in batches, each sample once, memory bounded.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use chasar_tsdb::{Error, Kind, Labels, Options, Store, Writer};

/// How much is done at a time.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Samples in a batch.
    samples: usize,
    /// Series in a batch, whose labels take more than a sample.
    series: usize,
    /// Samples in the head before they are written to segments.
    in_head: u64,
    /// Memory that the head may take before.
    head_bytes: u64,
    /// Segments before they are merged: each is an open file.
    segments: u64,
}

/// Some 200 MB each for the batch and for the head.
const LIMITS: Limits =
    Limits { samples: 4 << 20, series: 200_000, in_head: 8 << 20, head_bytes: 256 << 20, segments: 400 };

/// What became of the samples.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Taken {
    pub(super) written: u64,
    /// There already.
    pub(super) duplicates: u64,
    /// Older than raw samples are kept.
    pub(super) too_old: u64,
    /// Too far ahead of the clock.
    pub(super) too_new: u64,
    /// Times of what was written.
    pub(super) times_ms: Option<(i64, i64)>,
}

/// Takes samples and writes them.
pub(super) struct Intake<'a> {
    store: &'a Store,
    writer: Writer,
    now_ms: i64,
    limits: Limits,
    /// Times that the store takes.
    kept_ms: RangeInclusive<i64>,
    /// By series, in the order they came.
    batch: HashMap<Labels, (Kind, Vec<(i64, f64)>)>,
    in_batch: usize,
    in_head: u64,
    pub(super) taken: Taken,
}

impl<'a> Intake<'a> {
    /// `options` are those of the store.
    pub(super) fn new(store: &'a Store, options: &Options, now_ms: i64) -> Result<Intake<'a>, Error> {
        // The store refuses samples when its head is full; a batch is to fit beside what is there.
        let head_bytes = LIMITS.head_bytes.min(options.head_bytes as u64 / 2);
        Ok(Intake {
            writer: store.writer()?,
            store,
            now_ms,
            limits: Limits { head_bytes, ..LIMITS },
            kept_ms: now_ms.saturating_sub(options.raw_ms)..=now_ms.saturating_add(options.future_ms),
            batch: HashMap::new(),
            in_batch: 0,
            in_head: 0,
            taken: Taken::default(),
        })
    }

    /// Takes a sample.
    ///
    /// # Errors
    /// Those of writing: nothing more is to be expected of the store then.
    pub(super) fn sample(
        &mut self,
        labels: &Labels,
        kind: Kind,
        time_ms: i64,
        value: f64,
    ) -> Result<(), Error> {
        match self.batch.get_mut(labels) {
            Some((_, samples)) => samples.push((time_ms, value)),
            None => drop(self.batch.insert(labels.clone(), (kind, vec![(time_ms, value)]))),
        }
        self.in_batch += 1;
        let full = self.in_batch >= self.limits.samples || self.batch.len() >= self.limits.series;
        if full { self.write() } else { Ok(()) }
    }

    /// Writes the batch to the log, and the head to segments when there is much in it.
    fn write(&mut self) -> Result<(), Error> {
        let snapshot = self.store.snapshot();
        for (labels, (kind, mut samples)) in self.batch.drain() {
            // Of several of one time the first counts, as elsewhere.
            samples.sort_by_key(|s| s.0);
            let before = samples.len();
            samples.dedup_by_key(|s| s.0);
            let (Some(first), Some(last)) = (samples.first(), samples.last()) else { continue };
            if let Some(there) = snapshot.one(&labels, first.0, last.0)? {
                samples.retain(|s| there.times_ms.binary_search(&s.0).is_err());
            }
            self.taken.duplicates += (before - samples.len()) as u64;
            let series = self.writer.series(&labels, kind);
            for (time, value) in samples {
                self.writer.sample(&series, time, value);
                if self.kept_ms.contains(&time) {
                    let times = self.taken.times_ms.get_or_insert((time, time));
                    *times = (times.0.min(time), times.1.max(time));
                }
            }
        }
        self.in_batch = 0;
        let done = self.writer.commit(self.now_ms)?;
        self.taken.written += done.accepted;
        self.taken.duplicates += done.duplicates;
        self.taken.too_old += done.too_old;
        self.taken.too_new += done.too_new;
        self.in_head += done.accepted;
        if done.refused > 0 {
            // The head is larger than was reckoned with: what was refused is lost to this import.
            return Err(Error::Option {
                option: "history_memory",
                what: format!("{} samples found no room; raise it and import again", done.refused),
            });
        }
        if self.in_head >= self.limits.in_head || self.store.stats().head_bytes >= self.limits.head_bytes {
            self.flush(false)?;
        }
        Ok(())
    }

    /// Writes the head to segments; merges those when they are many, or when it is the end.
    fn flush(&mut self, all: bool) -> Result<(), Error> {
        self.store.flush(self.now_ms)?;
        self.in_head = 0;
        if all || self.store.stats().raw.files > self.limits.segments {
            while self.store.maintain(self.now_ms)?.more {}
        }
        Ok(())
    }

    /// Writes all that was taken.
    ///
    /// # Errors
    /// As [`Intake::sample`].
    pub(super) fn finish(mut self) -> Result<Taken, Error> {
        self.write()?;
        self.flush(true)?;
        Ok(self.taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chasar_tsdb::NAME;
    use chasar_tsdb::storage::Sim;
    use std::sync::Arc;

    const NOW_MS: i64 = 1_700_000_000_000;

    #[test]
    fn a_small_memory_is_enough() {
        let options = Options { head_bytes: 1000, ..Options::default() };
        let (store, _) = Store::open(Arc::new(Sim::new(1)), options.clone()).unwrap();
        let mut intake = Intake::new(&store, &options, NOW_MS).unwrap();
        intake.limits.samples = 10;
        let series = Labels::new([(NAME, "n")]).unwrap();
        for at in 0..1000 {
            intake.sample(&series, Kind::Gauge, NOW_MS - 7_200_000 + at * 1000, 0.0).unwrap();
        }
        assert_eq!(intake.finish().unwrap().written, 1000);
    }

    #[test]
    fn in_whatever_order_samples_come_each_is_written_once() {
        let sim = Sim::new(1);
        let (store, _) = Store::open(Arc::new(sim), Options::default()).unwrap();
        let mut intake = Intake::new(&store, &Options::default(), NOW_MS).unwrap();
        intake.limits = Limits { samples: 50, series: 3, in_head: 400, head_bytes: 1 << 20, segments: 8 };
        let series: Vec<Labels> =
            (0..5).map(|i| Labels::new([(NAME, "n"), ("instance", &format!("{i}"))]).unwrap()).collect();
        // Four days, several samples an hour; every third sample comes again with another value.
        let (count, step) = (2000i64, 172_000);
        let mut expected = 0;
        for i in 0..count {
            // Coprime to the count: each sample once, far from sorted.
            let at = i * 787 % count;
            let labels = &series[usize::try_from(at % 5).unwrap()];
            let time = NOW_MS - 345_600_000 + at * step;
            intake.sample(labels, Kind::Gauge, time, at as f64).unwrap();
            expected += 1;
            if i % 3 == 0 {
                let again = (i / 2) * 787 % count;
                let labels = &series[usize::try_from(again % 5).unwrap()];
                let time = NOW_MS - 345_600_000 + again * step;
                intake.sample(labels, Kind::Gauge, time, -1.0).unwrap();
            }
        }
        intake.sample(&series[0], Kind::Gauge, NOW_MS - 40 * 86_400_000, 1.0).unwrap();
        intake.sample(&series[0], Kind::Gauge, NOW_MS + 3_600_000, 1.0).unwrap();
        let taken = intake.finish().unwrap();
        assert_eq!((taken.written, taken.duplicates), (expected, 667), "{taken:?}");
        assert_eq!((taken.too_old, taken.too_new), (1, 1));
        let last = NOW_MS - 345_600_000 + (count - 1) * step;
        assert_eq!(taken.times_ms, Some((NOW_MS - 345_600_000, last)));
        let answer = store.snapshot().select(&[], i64::MIN, i64::MAX).unwrap();
        let points: usize = answer.series.iter().map(|s| s.values.len()).sum();
        assert_eq!(points as u64, expected);
        for series in &answer.series {
            for (time, value) in series.times_ms.iter().zip(&series.values) {
                assert_eq!(*value, ((time - (NOW_MS - 345_600_000)) / step) as f64);
            }
        }
        let stats = store.stats();
        assert_eq!(
            (stats.head_samples, stats.raw.values),
            (0, expected),
            "what is there is in segments, once"
        );
    }
}
