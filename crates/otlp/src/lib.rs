//! OpenTelemetry's metrics ([OTLP](https://opentelemetry.io/docs/specs/otlp/), protobuf), read as the
//! series that Prometheus makes of them
//! ([compatibility](https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/)).
//!
//! A message is walked over point by point and handed to a [`Sink`]; nothing of it is kept, so memory
//! does not grow with it. The crate knows nothing of HTTP, files and clocks.
//!
//! | OpenTelemetry | here |
//! | --- | --- |
//! | gauge | a gauge; with the unit `1` its name ends in `_ratio` |
//! | sum, cumulative | a counter whose name ends in `_total` when it only grows, else a gauge |
//! | histogram with bounds, cumulative | `_bucket` with `le`, `_sum`, `_count` |
//! | summary | the name with `quantile`, `_sum`, `_count` |
//! | what is delta; exponential histograms | nothing: rejected, see [`Rejection`] |
//! | `service.name`, `service.namespace`, `service.instance.id` | `job`, `instance` |
//! | other attributes of a resource | `target_info` |
//! | a point without a recorded value | the mark of staleness |

mod attributes;
mod decode;
mod names;
mod response;

pub use chasar_remote_write::{Error, MetricKind};
pub use decode::{Summary, read};
pub use names::{label_name, metric_name};
pub use response::{failure, response};

/// Takes what is read.
pub trait Sink {
    /// A sample of a series; the labels are not sorted, and the name is among them. Says whether it is
    /// taken: a point of which a sample is not taken counts as rejected.
    fn sample(&mut self, labels: &[(&str, &str)], kind: MetricKind, time_ms: i64, value: f64) -> bool;

    /// What is said of a metric; `unit` as OpenTelemetry has it.
    fn family(&mut self, name: &str, kind: MetricKind, help: &str, unit: &str);

    /// Points of a metric that have no place here.
    fn rejected(&mut self, why: Rejection, name: &str, points: u64);
}

/// Why points are rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// They say what came since the last point, which cannot be stored without adding up.
    Delta,
    /// They do not say whether they are cumulative.
    Temporality,
    /// Histograms whose buckets are computed.
    Exponential,
    /// Their name is longer, or they have more attributes or parts than [`Limits`] allow.
    Limits,
}

/// What a message may have; what has more is refused as a whole, where nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the message, unpacked.
    pub message_bytes: usize,
    /// Points of a message.
    pub points: usize,
    /// Attributes of a resource, or of a point: one that has more is rejected.
    pub attributes: usize,
    /// Buckets of a histogram, quantiles of a summary; a point that has more is rejected.
    pub parts: usize,
    /// Samples of a message: a point of a histogram or a summary is several, and takes few bytes for each.
    pub samples: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { message_bytes: 64 << 20, points: 500_000, attributes: 128, parts: 2_000, samples: 500_000 }
    }
}
