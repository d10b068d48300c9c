//! A message of remote write: what is in it that can be stored, and what cannot.

use std::ops::RangeInclusive;

use chasar_query::STALE;
use chasar_remote_write::{Error, Item, Limits, Request, Version, unpack};
use chasar_tsdb::{NAME, SeriesHandle};

use super::batch::{Reason, Refused, Verdict};
use super::families::{Families, family_of, kind_of_part};
use super::intern::{Intern, NotTaken};
use crate::history::time::rfc3339;

/// Samples with the handles of their series.
pub(crate) type Samples = Vec<(SeriesHandle, i64, f64)>;

/// Reads a body. A message is read to its end before anything is taken of it, so that nothing of a
/// malformed one is stored.
pub(crate) fn read(
    version: Version,
    body: &[u8],
    message: &mut Vec<u8>,
    takes: RangeInclusive<i64>,
    intern: &mut Intern,
    families: &mut Families,
) -> Result<(Samples, Verdict), Verdict> {
    let limits = Limits::default();
    let malformed = |error: Error| Verdict::Malformed(error.to_string());
    unpack(body, &limits, message).map_err(malformed)?;
    let mut whole = Request::new(version, message, &limits).map_err(malformed)?;
    while whole.next_item().map_err(malformed)?.is_some() {}
    let mut samples = Samples::with_capacity(whole.samples_total());
    let (mut refused, mut exemplars) = (Refused::default(), 0);
    let mut request = Request::new(version, message, &limits).map_err(malformed)?;
    while let Some(item) = request.next_item().map_err(malformed)? {
        let series = match item {
            Item::Metadata(said) => {
                families.say(said.family, &said.metadata);
                continue;
            }
            Item::Series(series) => series,
        };
        exemplars += series.exemplars_total as u64;
        if series.histograms_total > 0 {
            refused.add(Reason::Histogram, series.histograms_total as u64, || {
                format!("native histograms are not stored, send classic ones: {}", text(series.labels))
            });
        }
        if series.samples_total == 0 {
            continue;
        }
        if series.labels_total > series.labels.len() {
            refused.add(Reason::Labels, series.samples_total as u64, || {
                let (total, most) = (series.labels_total, series.labels.len());
                format!("a series has {total} labels, more than the {most} allowed: {}", text(series.labels))
            });
            continue;
        }
        let name = series.labels.iter().find(|(name, _)| *name == NAME).map_or("", |(_, value)| *value);
        if let Some(said) = &series.metadata {
            families.say(family_of(name, said.kind), said);
        }
        // Only a series of which something is stored takes a place among them.
        if !series.samples().any(|sample| takes.contains(&sample.time_ms)) {
            for sample in series.samples() {
                out_of_time(&mut refused, &takes, sample.time_ms, series.labels);
            }
            continue;
        }
        let said = series.metadata.map(|said| kind_of_part(name, said.kind));
        let handle = intern.series(series.labels, |name| said.unwrap_or_else(|| families.kind_of(name)));
        let handle = match handle {
            Ok(handle) => handle,
            Err(not_taken) => {
                let (reason, why) = reason(&not_taken);
                let count = series.samples_total as u64;
                refused.add(reason, count, || format!("{why}: {}", text(series.labels)));
                continue;
            }
        };
        for sample in series.samples() {
            let time_ms = sample.time_ms;
            if takes.contains(&time_ms) {
                samples.push((handle.clone(), time_ms, clean(sample.value)));
            } else {
                out_of_time(&mut refused, &takes, time_ms, series.labels);
            }
        }
    }
    let count = samples.len() as u64;
    let verdict = Verdict::Stored { samples: count, refused, exemplars, rejected_points: 0 };
    Ok((samples, verdict))
}

/// Counts a sample that is older or newer than the store takes.
pub(crate) fn out_of_time(
    refused: &mut Refused,
    takes: &RangeInclusive<i64>,
    time_ms: i64,
    labels: &[(&str, &str)],
) {
    let (reason, why) = if time_ms < *takes.start() {
        (Reason::TooOld, "is older than raw samples are kept")
    } else {
        (Reason::TooNew, "is too far ahead of the masternode's clock")
    };
    refused.add(reason, 1, || format!("{} {why}: {}", rfc3339(time_ms), text(labels)));
}

/// Of all that is not a number there is the mark of staleness, and one other.
pub(crate) fn clean(value: f64) -> f64 {
    if value.is_nan() && value.to_bits() != STALE.to_bits() { f64::NAN } else { value }
}

pub(crate) fn reason(not_taken: &NotTaken) -> (Reason, String) {
    match not_taken {
        NotTaken::Labels(error) => (Reason::Labels, error.to_string()),
        NotTaken::NoMetricName => (Reason::Labels, "a series has no name, the label __name__".into()),
        NotTaken::TooLong(bytes) => {
            (Reason::Labels, format!("the labels of a series have {bytes} bytes together, which is too long"))
        }
        NotTaken::TooManySeries(most) => (
            Reason::TooManySeries,
            format!("{most} series are taken at a time, and as many came in the last ten minutes"),
        ),
        NotTaken::TooManyNames => {
            (Reason::TooManyNames, "the names of all series take too much memory".into())
        }
    }
}

/// Labels for people, not longer than a line.
pub(crate) fn text(labels: &[(&str, &str)]) -> String {
    let mut out = String::from("{");
    for (i, (name, value)) in labels.iter().enumerate() {
        if out.len() > 200 {
            break;
        }
        let comma = if i > 0 { "," } else { "" };
        let value: String = value.chars().take(100).collect();
        out.push_str(&format!("{comma}{name}={value:?}"));
    }
    out.push('}');
    out
}
