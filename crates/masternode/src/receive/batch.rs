//! Samples on their way to the store, and what became of them.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chasar_tsdb::SeriesHandle;
use tokio::sync::oneshot;

/// Samples of one body.
pub(crate) struct Batch {
    pub(crate) samples: Vec<(SeriesHandle, i64, f64)>,
    /// What to say once they are stored.
    pub(crate) verdict: Verdict,
    pub(crate) answer: oneshot::Sender<Verdict>,
    pub(crate) _load: Load,
}

/// What batches that are not stored yet will take of the store's memory, until they are dropped.
#[derive(Debug)]
pub(crate) struct Load {
    bytes: usize,
    under_way: Arc<AtomicUsize>,
}

impl Load {
    pub(crate) fn new(bytes: usize, under_way: &Arc<AtomicUsize>) -> Load {
        under_way.fetch_add(bytes, Ordering::Relaxed);
        Load { bytes, under_way: under_way.clone() }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.under_way.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What is told to a sender.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It was read, and so many samples are stored.
    ///
    /// A point of OpenTelemetry can be several samples; those of which one is refused are counted too.
    Stored { samples: u64, refused: Refused, exemplars: u64, rejected_points: u64 },
    /// It is no message, or breaks a limit; nothing of it is stored.
    Malformed(String),
    /// Not now: the same may be sent again.
    Busy(String),
}

impl Verdict {
    pub(crate) fn busy(why: &str) -> Verdict {
        Verdict::Busy(why.to_owned())
    }
}

/// Why samples are not stored, which sending them again would not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    Labels,
    TooManySeries,
    TooManyNames,
    TooOld,
    TooNew,
    Histogram,
    Delta,
}

impl Reason {
    pub(crate) const ALL: [Reason; 7] = [
        Reason::Labels,
        Reason::TooManySeries,
        Reason::TooManyNames,
        Reason::TooOld,
        Reason::TooNew,
        Reason::Histogram,
        Reason::Delta,
    ];

    /// As a label has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Reason::Labels => "labels",
            Reason::TooManySeries => "too_many_series",
            Reason::TooManyNames => "too_many_names",
            Reason::TooOld => "too_old",
            Reason::TooNew => "too_new",
            Reason::Histogram => "native_histogram",
            Reason::Delta => "delta",
        }
    }
}

/// Samples that are not stored: how many for each reason, with one example.
#[derive(Debug, Default)]
pub(crate) struct Refused(BTreeMap<Reason, (u64, String)>);

/// An example is no longer than this.
const MAX_EXAMPLE_CHARS: usize = 200;

impl Refused {
    /// Counts samples; the first of a reason is the example.
    pub(crate) fn add(&mut self, reason: Reason, samples: u64, example: impl FnOnce() -> String) {
        let (count, _) = self.0.entry(reason).or_insert_with(|| {
            let text: String = example().chars().take(MAX_EXAMPLE_CHARS).collect();
            (0, text)
        });
        *count += samples;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.values().map(|(count, _)| count).sum()
    }

    pub(crate) fn of(&self, reason: Reason) -> u64 {
        self.0.get(&reason).map_or(0, |(count, _)| *count)
    }
}

/// A line for each reason.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (count, example)) in self.0.values().enumerate() {
            if i > 0 {
                f.write_char('\n')?;
            }
            write!(f, "{count}: {example}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_count_and_one_example_of_bounded_length() {
        let mut refused = Refused::default();
        assert!(refused.is_empty());
        refused.add(Reason::TooOld, 2, || "a is too old".into());
        refused.add(Reason::TooOld, 1, || "b is too old".into());
        refused.add(Reason::Labels, 1, || "ü".repeat(10_000));
        assert_eq!((refused.total(), refused.of(Reason::TooOld), refused.of(Reason::TooNew)), (4, 3, 0));
        let text = refused.to_string();
        assert_eq!(text.lines().last(), Some("3: a is too old"));
        assert!(text.chars().count() < 250, "{text}");
    }
}
