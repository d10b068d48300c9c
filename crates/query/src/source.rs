//! Where series come from: one trait, which a store, a remote engine or a test implements.

use std::sync::Arc;

use crate::error::Result;
use crate::labels::Labels;
use crate::matcher::Matcher;

/// The value that says that a series has ended: a NaN with a payload of its own.
pub const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Whether a value is [`STALE`]; comparing does not work with NaNs.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE.to_bits()
}

/// What a query wants of a source.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// All have to fit.
    pub matchers: &'a [Matcher],
    /// First millisecond that is wanted.
    pub from_ms: i64,
    /// Last millisecond that is wanted.
    pub to_ms: i64,
    /// What it is wanted for.
    pub hints: Hints,
    /// Most samples that still fit the query's limit; reading more is wasted.
    pub max_samples: u64,
}

/// What samples are wanted for. A source may ignore it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Hints {
    /// The function that the samples go into, if it is one only.
    pub function: Option<&'static str>,
    /// Length of the range selector; 0 for instant vectors.
    pub range_ms: i64,
    /// Distance of the steps; 0 for instant queries.
    pub step_ms: i64,
    /// First instant at which a window (or the lookback) ends; the others follow by `step_ms`.
    pub first_ms: i64,
    /// Only the newest sample counts: all steps look at the instant `first_ms`.
    pub newest: bool,
    /// How values of a stretch of time may be folded into one beforehand without changing the
    /// result, as long as no window's edge lies within the stretch. Windows are open on the left
    /// and closed on the right: minutes that begin at :00.000 fit windows that end at :59.999.
    pub fold: Option<Fold>,
}

/// A function that gives the same when applied to its own results of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// Smallest value.
    Min,
    /// Largest value.
    Max,
    /// Sum of values.
    Sum,
    /// Number of samples; counts are summed up.
    Count,
}

/// Samples of one series.
#[derive(Clone, Debug)]
pub struct Samples {
    /// All labels with the name.
    pub labels: Labels,
    /// Unix milliseconds, strictly ascending.
    pub times_ms: Arc<Vec<i64>>,
    /// A value for each time; [`STALE`] ends a series until it has another sample.
    pub values: Arc<Vec<f64>>,
}

/// What a source has for a request.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Sorted by labels, each set of labels once. Samples outside the wanted time do no harm.
    pub series: Vec<Samples>,
    /// Which tier was read, for the statistics: `"raw"`, `"minute"`, …
    pub tier: &'static str,
    /// Whether values are results of [`Hints::fold`], each at a time within its stretch.
    pub folded: bool,
    /// What could not be read though the rest could; shown as warnings.
    pub warnings: Vec<String>,
}

/// Takes series as they are read: the number of their group, the series, and whether values are
/// [`folded`](Answer::folded). Groups may come in any order and from several threads; each has a number of
/// its own, and by these numbers they are put in order.
pub type Take<'a> = dyn Fn(usize, Vec<Samples>, bool) -> Result<()> + Sync + 'a;

/// What was read beside the series that were taken.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// As [`Answer::tier`].
    pub tier: &'static str,
    /// As [`Answer::warnings`].
    pub warnings: Vec<String>,
}

/// Something that has series.
pub trait Source {
    /// All series that fit, with their samples. Asked once a query for each selector.
    ///
    /// # Errors
    /// [`Error::source`](crate::Error::source) when nothing can be read.
    fn select(&self, request: &Request<'_>) -> Result<Answer>;

    /// The same, handed on in groups, so that never all samples are in memory.
    ///
    /// # Errors
    /// As [`Source::select`], and those of `take`, after which nothing more is to be read.
    fn stream(&self, request: &Request<'_>, take: &Take<'_>) -> Result<Read> {
        let answer = self.select(request)?;
        take(0, answer.series, answer.folded)?;
        Ok(Read { tier: answer.tier, warnings: answer.warnings })
    }
}
