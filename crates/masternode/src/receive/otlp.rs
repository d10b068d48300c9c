//! A message of OpenTelemetry: what is in it that can be stored, and what cannot.

use std::io::Read;
use std::ops::RangeInclusive;

use chasar_otlp::{Limits, MetricKind, Rejection, Sink};
use chasar_remote_write::Metadata;

use super::batch::{Reason, Refused, Verdict};
use super::families::{Families, kind};
use super::intern::Intern;
use super::write::{Samples, clean, out_of_time, reason, text};

/// Reads a body. As with remote write, nothing of a malformed message is stored.
pub(crate) fn read(
    gzip: bool,
    body: &[u8],
    message: &mut Vec<u8>,
    takes: RangeInclusive<i64>,
    intern: &mut Intern,
    families: &mut Families,
) -> Result<(Samples, Verdict), Verdict> {
    let limits = Limits::default();
    let body = if gzip {
        unzip(body, limits.message_bytes, message)?;
        message
    } else {
        body
    };
    let malformed = |error: chasar_otlp::Error| Verdict::Malformed(error.to_string());
    chasar_otlp::read(body, &limits, &mut Nobody).map_err(malformed)?;
    let (samples, refused) = (Samples::new(), Refused::default());
    let mut store = Collect { takes, intern, families, samples, refused };
    let summary = chasar_otlp::read(body, &limits, &mut store).map_err(malformed)?;
    let Collect { samples, refused, .. } = store;
    let count = samples.len() as u64;
    let rejected_points = summary.rejected;
    Ok((samples, Verdict::Stored { samples: count, refused, exemplars: 0, rejected_points }))
}

/// No more memory is taken than a message may have.
fn unzip(body: &[u8], most: usize, out: &mut Vec<u8>) -> Result<(), Verdict> {
    out.clear();
    let mut unpacked = flate2::read::MultiGzDecoder::new(body).take(most as u64 + 1);
    match unpacked.read_to_end(out) {
        Err(error) => Err(Verdict::Malformed(format!("the body is not gzip: {error}"))),
        Ok(len) if len > most => Err(Verdict::Malformed(format!(
            "the message has more than the {most} bytes allowed; send smaller batches"
        ))),
        Ok(_) => Ok(()),
    }
}

/// Whether a message is well formed is all that is asked.
struct Nobody;

impl Sink for Nobody {
    fn sample(&mut self, _: &[(&str, &str)], _: MetricKind, _: i64, _: f64) -> bool {
        true
    }

    fn family(&mut self, _: &str, _: MetricKind, _: &str, _: &str) {}

    fn rejected(&mut self, _: Rejection, _: &str, _: u64) {}
}

struct Collect<'a> {
    takes: RangeInclusive<i64>,
    intern: &'a mut Intern,
    families: &'a mut Families,
    samples: Samples,
    refused: Refused,
}

impl Sink for Collect<'_> {
    fn sample(&mut self, labels: &[(&str, &str)], of: MetricKind, time_ms: i64, value: f64) -> bool {
        if !self.takes.contains(&time_ms) {
            out_of_time(&mut self.refused, &self.takes, time_ms, labels);
            return false;
        }
        match self.intern.series(labels, |_| kind(of)) {
            Ok(handle) => {
                self.samples.push((handle, time_ms, clean(value)));
                true
            }
            Err(not_taken) => {
                let (reason, why) = reason(&not_taken);
                self.refused.add(reason, 1, || format!("{why}: {}", text(labels)));
                false
            }
        }
    }

    fn family(&mut self, name: &str, kind: MetricKind, help: &str, unit: &str) {
        self.families.say(name, &Metadata { kind, help, unit });
    }

    fn rejected(&mut self, why: Rejection, name: &str, points: u64) {
        match why {
            Rejection::Delta => self.refused.add(Reason::Delta, points, || {
                format!("sums since the last point (delta) are not stored, send cumulative ones: {name}")
            }),
            Rejection::Temporality => self.refused.add(Reason::Delta, points, || {
                format!("sums and histograms have to say that they are cumulative: {name}")
            }),
            Rejection::Limits => self.refused.add(Reason::Labels, points, || {
                format!("the name is too long, or a point has too many attributes or buckets: {name}")
            }),
            Rejection::Exponential => self.refused.add(Reason::Histogram, points, || {
                format!("exponential histograms are not stored, send ones with bounds: {name}")
            }),
        }
    }
}
