//! What a query may cost, and the meter that stops it.

use std::cell::Cell;

use crate::error::{Error, Kind, Result};

/// How a query is answered, and what it may cost.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// How old a sample may be at most to count for an instant.
    pub lookback_ms: i64,
    /// Resolution of subqueries that say none.
    pub subquery_step_ms: i64,
    /// Most samples, read or computed, that a query may hold in all.
    pub max_samples: u64,
    /// Most series of a selector or an intermediate result.
    pub max_series: usize,
    /// Asked now and then; `true` ends the query with [`Kind::Timeout`]. Deadlines and disconnected
    /// clients end a query by this.
    pub stop: Option<&'a dyn Fn() -> bool>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options {
            lookback_ms: 300_000,
            subquery_step_ms: 60_000,
            max_samples: 50_000_000,
            max_series: 1_000_000,
            stop: None,
        }
    }
}

/// How much work passes between two questions whether to stop.
const WORK_BETWEEN_QUESTIONS: u64 = 1 << 18;

/// Counts what a query uses.
pub(crate) struct Meter<'a> {
    options: Options<'a>,
    samples: Cell<u64>,
    work: Cell<u64>,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(options: Options<'a>) -> Meter<'a> {
        Meter { options, samples: Cell::new(0), work: Cell::new(0) }
    }

    /// Before `series` of `samples` each are held.
    pub(crate) fn hold(&self, series: usize, samples: usize) -> Result<()> {
        if series > self.options.max_series {
            let message = format!("query has {series} series, more than {}", self.options.max_series);
            return Err(Error::limit(message));
        }
        let more = (series as u64).saturating_mul(samples as u64);
        let total = self.samples.get().saturating_add(more);
        if total > self.options.max_samples {
            let message = format!(
                "query processing would load too many samples into memory in query execution: more than {}",
                self.options.max_samples
            );
            return Err(Error::limit(message));
        }
        self.samples.set(total);
        self.work(more)
    }

    /// Most samples that may still be held.
    pub(crate) fn left(&self) -> u64 {
        self.options.max_samples.saturating_sub(self.samples.get())
    }

    /// All samples held so far.
    pub(crate) fn held(&self) -> u64 {
        self.samples.get()
    }

    /// Some steps of work were or will be done.
    pub(crate) fn work(&self, steps: u64) -> Result<()> {
        let work = self.work.get().saturating_add(steps.max(1));
        self.work.set(work);
        if work >= WORK_BETWEEN_QUESTIONS {
            self.work.set(0);
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
