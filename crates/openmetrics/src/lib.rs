//! Samples as text: OpenMetrics 1.0 and Prometheus' text format 0.0.4, read line by line in bounded
//! memory and written series by series.
//!
//! ```
//! use chasar_openmetrics::{Dialect, Reader, Found};
//!
//! let text = "# TYPE load gauge\nload{host=\"a\"} 0.5 1700000000.25\n# EOF\n";
//! let mut reader = Reader::new(text.as_bytes(), Dialect::OpenMetrics);
//! let Some(Found::Sample(sample)) = reader.next_found()? else { panic!("there is one") };
//! assert_eq!((sample.name.as_ref(), sample.value, sample.time_ms), ("load", 0.5, Some(1_700_000_000_250)));
//! assert!(reader.next_found()?.is_none());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! The formats are those of
//! <https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md> and
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>; names beyond ASCII letters stand in
//! quotes, as Prometheus 3 writes them. The crate knows no files, clocks or stores.

mod line;
mod read;
mod write;

pub use line::{Dialect, Sample};
pub use read::{Found, MAX_LINE_BYTES, Problem, Reader};
pub use write::{END, put_family, put_labels, put_series, put_time, put_value};

/// What kind of number a sample is, as far as its family's type tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Nobody said.
    #[default]
    Unknown,
    /// Goes up and down.
    Gauge,
    /// Only grows, apart from resets.
    Counter,
}

/// The type of a metric family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Unknown,
    Gauge,
    Counter,
    Histogram,
    GaugeHistogram,
    Summary,
}

impl Type {
    /// `None` for a word that is no type.
    pub(crate) fn of(word: &str) -> Option<Type> {
        Some(match word {
            "unknown" | "untyped" => Type::Unknown,
            "gauge" | "info" | "stateset" => Type::Gauge,
            "counter" => Type::Counter,
            "histogram" => Type::Histogram,
            "gaugehistogram" => Type::GaugeHistogram,
            "summary" => Type::Summary,
            _ => return None,
        })
    }

    /// The kind of the sample whose name is the family's with `suffix`.
    pub(crate) fn kind(self, suffix: &str) -> Option<Kind> {
        match (self, suffix) {
            (Type::Unknown, "") => Some(Kind::Unknown),
            // `_info` of a family of that type.
            (Type::Gauge, "" | "_info") => Some(Kind::Gauge),
            // Prometheus' text has the whole name in its TYPE.
            (Type::Counter, "" | "_total") => Some(Kind::Counter),
            (Type::Histogram | Type::Summary, "_bucket" | "_count" | "_sum") => Some(Kind::Counter),
            (Type::GaugeHistogram, "_bucket" | "_gcount" | "_gsum") => Some(Kind::Gauge),
            (Type::Summary, "") => Some(Kind::Gauge),
            (Type::Counter | Type::Histogram | Type::Summary, "_created") => Some(Kind::Gauge),
            _ => None,
        }
    }
}
