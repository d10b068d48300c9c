//! Messages of Prometheus remote write, [1.0] and [2.0]: read series by series, written series by
//! series, and packed as snappy blocks.
//!
//! Reading keeps to [`Limits`] and takes no memory that grows faster than the message: labels are
//! borrowed from it, samples are read while they are walked over. Writing leaves nothing but bytes.
//! The crate knows nothing of HTTP, files and clocks.
//!
//! ```
//! use chasar_remote_write::{Item, Limits, Message, Request, Sample, Version};
//!
//! let mut message = Message::new(Version::V2);
//! message.series([("__name__", "up"), ("job", "a")], [Sample { time_ms: 1_000, value: 1.0 }], None);
//! let mut body = Vec::new();
//! message.pack(&mut body); // what is posted
//!
//! let mut bytes = Vec::new();
//! let limits = Limits::default();
//! chasar_remote_write::unpack(&body, &limits, &mut bytes)?;
//! let mut request = Request::new(Version::V2, &bytes, &limits)?;
//! while let Some(item) = request.next_item()? {
//!     let Item::Series(series) = item else { continue };
//!     assert_eq!(series.labels, [("__name__", "up"), ("job", "a")]);
//!     assert_eq!(series.samples().next().unwrap().value, 1.0);
//! }
//! # Ok::<(), chasar_remote_write::Error>(())
//! ```
//!
//! [1.0]: https://prometheus.io/docs/specs/prw/remote_write_spec/
//! [2.0]: https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/

mod decode;
mod encode;
mod labels;
pub mod protobuf;
mod snappy;
mod symbols;

pub use decode::{FamilyMetadata, Item, Request, Samples, Series};
pub use encode::{Message, put_label};
pub use labels::{LabelProblem, check_labels};
pub use protobuf::Malformed;
pub use snappy::{pack, unpack};

/// Which of the two messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// `prometheus.WriteRequest`.
    V1,
    /// `io.prometheus.write.v2.Request`: texts are there once, and metadata with each series.
    V2,
}

impl Version {
    /// The media type of a request, header `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Version::V1 => "application/x-protobuf",
            Version::V2 => "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        }
    }

    /// The header `X-Prometheus-Remote-Write-Version` of a request.
    pub fn header(self) -> &'static str {
        match self {
            Version::V1 => "0.1.0",
            Version::V2 => "2.0.0",
        }
    }

    /// The message that a media type is of; `None` when it is another one, which is answered with 415.
    /// Without a parameter `proto` it is 1.0, as the specification says.
    pub fn of_content_type(text: &str) -> Option<Version> {
        let mut parts = text.split(';').map(str::trim);
        if !parts.next()?.eq_ignore_ascii_case("application/x-protobuf") {
            return None;
        }
        let proto = parts.filter_map(|part| part.split_once('='));
        let mut proto = proto.filter(|(name, _)| name.trim().eq_ignore_ascii_case("proto"));
        match proto.next().map(|(_, value)| value.trim().trim_matches('"')) {
            None | Some("prometheus.WriteRequest") => Some(Version::V1),
            Some("io.prometheus.write.v2.Request") => Some(Version::V2),
            Some(_) => None,
        }
    }
}

/// One number at one time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Unix milliseconds.
    pub time_ms: i64,
    /// The number; the NaN `7FF0000000000002` says that the series ends.
    pub value: f64,
}

/// Of the same time and the same bits, so that a NaN is itself.
impl PartialEq for Sample {
    fn eq(&self, other: &Sample) -> bool {
        (self.time_ms, self.value.to_bits()) == (other.time_ms, other.value.to_bits())
    }
}

/// What is said of a metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Metadata<'a> {
    /// What kind of number it is.
    pub kind: MetricKind,
    /// A sentence for people; empty when there is none.
    pub help: &'a str,
    /// The unit; empty when there is none.
    pub unit: &'a str,
}

/// What kind of number a metric is; both messages have the same numbers for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MetricKind {
    /// Not said, or none that is known here.
    #[default]
    Unknown = 0,
    /// Only grows, apart from resets.
    Counter = 1,
    /// Goes up and down.
    Gauge = 2,
    /// Counts per bucket.
    Histogram = 3,
    /// Counts per bucket that may go down.
    GaugeHistogram = 4,
    /// Quantiles.
    Summary = 5,
    /// A constant 1 with labels.
    Info = 6,
    /// One of several states.
    StateSet = 7,
}

impl MetricKind {
    fn of(number: u64) -> MetricKind {
        match number {
            1 => MetricKind::Counter,
            2 => MetricKind::Gauge,
            3 => MetricKind::Histogram,
            4 => MetricKind::GaugeHistogram,
            5 => MetricKind::Summary,
            6 => MetricKind::Info,
            7 => MetricKind::StateSet,
            _ => MetricKind::Unknown,
        }
    }

    /// As Prometheus' API names it.
    pub fn name(self) -> &'static str {
        match self {
            MetricKind::Unknown => "unknown",
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
            MetricKind::GaugeHistogram => "gaugehistogram",
            MetricKind::Summary => "summary",
            MetricKind::Info => "info",
            MetricKind::StateSet => "stateset",
        }
    }
}

/// What a message may have; everything beyond is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes as they come over the network.
    pub packed_bytes: usize,
    /// Bytes of the message itself; no more memory is taken for it.
    pub message_bytes: usize,
    /// Series of a message, those without samples and the entries of metadata included.
    pub series: usize,
    /// Labels of a series; one that has more is no fault of the message, see
    /// [`Series::labels_total`](crate::Series::labels_total).
    pub labels: usize,
    /// Texts of a message of 2.0, 16 bytes of memory each.
    pub symbols: usize,
    /// Samples of a message.
    pub samples: usize,
}

impl Default for Limits {
    /// Several times what senders are set to: Prometheus sends 2,000 samples, vmagent 10,000.
    fn default() -> Limits {
        Limits {
            packed_bytes: 16 << 20,
            message_bytes: 64 << 20,
            series: 200_000,
            labels: 64,
            symbols: 500_000,
            samples: 500_000,
        }
    }
}

/// Why a message is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It has more of something than [`Limits`] allow.
    #[error("the message has {count} {what}, more than the {limit} allowed; send smaller batches")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many; where they are not counted to the end, one more than allowed.
        count: usize,
        /// How many it may be.
        limit: usize,
    },
    /// The snappy block is not one.
    #[error("the body is not a snappy block: {0}")]
    Snappy(String),
    /// The message is not protobuf, or not the one it is said to be.
    #[error("the message is malformed at byte {at}: {what}")]
    Malformed {
        /// Where, from the beginning of the unpacked message.
        at: usize,
        /// What is wrong.
        what: Malformed,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_say_which_message_it_is() {
        for (text, version) in [
            ("application/x-protobuf", Some(Version::V1)),
            ("Application/X-Protobuf; proto=prometheus.WriteRequest", Some(Version::V1)),
            ("application/x-protobuf;proto=io.prometheus.write.v2.Request", Some(Version::V2)),
            (
                "application/x-protobuf; charset=x; Proto=\"io.prometheus.write.v2.Request\"",
                Some(Version::V2),
            ),
            ("application/x-protobuf;proto=io.prometheus.write.v3.Request", None),
            ("application/json", None),
            ("", None),
        ] {
            assert_eq!(Version::of_content_type(text), version, "{text}");
        }
        for version in [Version::V1, Version::V2] {
            assert_eq!(Version::of_content_type(version.content_type()), Some(version));
        }
    }
}
