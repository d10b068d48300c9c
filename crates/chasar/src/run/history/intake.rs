//! Samples that somebody brings, into a store: in batches, each sample once, memory bounded.

use std::collections::HashMap;

use chasar_tsdb::{Error, Kind, Labels, Store, Writer};

/// Samples in a batch.
const BATCH: usize = 50_000;
/// Samples in the head before they are written to segments: some 200 MB.
const IN_HEAD: u64 = 8 << 20;
/// Segments before they are merged: each is an open file.
const SEGMENTS: u64 = 400;

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
    /// By series, in the order they came.
    batch: HashMap<Labels, (Kind, Vec<(i64, f64)>)>,
    in_batch: usize,
    in_head: u64,
    pub(super) taken: Taken,
}

impl<'a> Intake<'a> {
    pub(super) fn new(store: &'a Store, now_ms: i64) -> Result<Intake<'a>, Error> {
        Ok(Intake {
            writer: store.writer()?,
            store,
            now_ms,
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
        if self.in_batch >= BATCH { self.write() } else { Ok(()) }
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
                let times = self.taken.times_ms.get_or_insert((time, time));
                *times = (times.0.min(time), times.1.max(time));
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
        if self.in_head >= IN_HEAD {
            self.flush(false)?;
        }
        Ok(())
    }

    /// Writes the head to segments; merges those when they are many, or when it is the end.
    fn flush(&mut self, all: bool) -> Result<(), Error> {
        self.store.flush(self.now_ms)?;
        self.in_head = 0;
        if all || self.store.stats().raw.files > SEGMENTS {
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
