//! What a query may cost, and the meter that stops it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Kind, Result};

/// How a query is answered, and what it may cost.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// How old a sample may be at most to count for an instant.
    pub lookback_ms: i64,
    /// Resolution of subqueries that say none.
    pub subquery_step_ms: i64,
    /// Most samples, read or computed, that a query may hold at a time.
    pub max_samples: u64,
    /// Most series of a selector or an intermediate result.
    pub max_series: usize,
    /// Asked now and then; `true` ends the query with [`Kind::Timeout`]. Deadlines and disconnected
    /// clients end a query by this.
    pub stop: Option<&'a (dyn Fn() -> bool + Sync)>,
    /// What all queries together may hold; none: only this one's limit counts.
    pub budget: Option<&'a Budget>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options {
            lookback_ms: 300_000,
            subquery_step_ms: 60_000,
            max_samples: 50_000_000,
            max_series: 1_000_000,
            stop: None,
            budget: None,
        }
    }
}

/// How much work passes between two questions whether to stop.
const WORK_BETWEEN_QUESTIONS: u64 = 1 << 18;

/// Samples that all queries together may hold at a time, so that many at once do not fill memory.
#[derive(Debug)]
pub struct Budget {
    most: u64,
    held: AtomicU64,
}

impl Budget {
    /// A budget of so many samples, of 8 to 16 bytes each.
    pub fn new(most: u64) -> Budget {
        Budget { most, held: AtomicU64::new(0) }
    }

    /// How many are held now.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    fn take(&self, samples: u64) -> Result<()> {
        let before = self.held.fetch_add(samples, Ordering::Relaxed);
        if before.saturating_add(samples) > self.most {
            self.give(samples);
            return Err(Error {
                kind: Kind::Busy,
                message: format!(
                    "all queries together would hold more than {} samples in memory; try again in a moment",
                    self.most
                ),
                span: None,
                place: None,
            });
        }
        Ok(())
    }

    fn give(&self, samples: u64) {
        self.held.fetch_sub(samples, Ordering::Relaxed);
    }
}

/// Counts what a query uses; several threads may work on one.
pub(crate) struct Meter<'a> {
    options: Options<'a>,
    samples: AtomicU64,
    peak: AtomicU64,
    work: AtomicU64,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(options: Options<'a>) -> Meter<'a> {
        let zero = || AtomicU64::new(0);
        Meter { options, samples: zero(), peak: zero(), work: zero() }
    }

    /// More series than one result may have.
    pub(crate) fn series(&self, series: usize) -> Result<()> {
        if series > self.options.max_series {
            let message = format!("query has {series} series, more than {}", self.options.max_series);
            return Err(Error::limit(message));
        }
        Ok(())
    }

    /// Before `series` of `samples` each are held.
    pub(crate) fn hold(&self, series: usize, samples: usize) -> Result<()> {
        self.series(series)?;
        let more = (series as u64).saturating_mul(samples as u64);
        let max = self.options.max_samples;
        let taken = self.samples.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            held.checked_add(more).filter(|total| *total <= max)
        });
        let Ok(before) = taken else {
            let message = format!(
                "query processing would load too many samples into memory in query execution: more than {max}"
            );
            return Err(Error::limit(message));
        };
        if let Some(budget) = self.options.budget
            && let Err(error) = budget.take(more)
        {
            self.samples.fetch_sub(more, Ordering::Relaxed);
            return Err(error);
        }
        self.peak.fetch_max(before + more, Ordering::Relaxed);
        self.work(more)
    }

    /// What was held is not held any more.
    pub(crate) fn release(&self, samples: usize) {
        let samples = samples as u64;
        self.samples.fetch_sub(samples, Ordering::Relaxed);
        if let Some(budget) = self.options.budget {
            budget.give(samples);
        }
    }

    /// Most samples that may still be held.
    pub(crate) fn left(&self) -> u64 {
        self.options.max_samples.saturating_sub(self.samples.load(Ordering::Relaxed))
    }

    /// Most samples that were held at a time.
    pub(crate) fn held(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// Some steps of work were or will be done.
    pub(crate) fn work(&self, steps: u64) -> Result<()> {
        let steps = steps.max(1);
        let work = self.work.fetch_add(steps, Ordering::Relaxed).saturating_add(steps);
        if work >= WORK_BETWEEN_QUESTIONS {
            self.work.store(0, Ordering::Relaxed);
            if self.options.stop.is_some_and(|stop| stop()) {
                return Err(Error {
                    kind: Kind::Timeout,
                    message: "query timed out or was cancelled in expression evaluation".into(),
                    span: None,
                    place: None,
                });
            }
        }
        Ok(())
    }
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        if let Some(budget) = self.options.budget {
            budget.give(self.samples.load(Ordering::Relaxed));
        }
    }
}
