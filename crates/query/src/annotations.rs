//! Warnings and infos: what a query's author should know though there is an answer.

use std::collections::BTreeSet;

use crate::error::{Result, Span};
use crate::limits::Meter;

/// Most of each kind that are kept.
const MAX_NOTES: usize = 100;

/// Warnings and infos of a query, each text once.
#[derive(Debug)]
pub(crate) struct Annotations<'a> {
    text: &'a str,
    pub(crate) warnings: BTreeSet<String>,
    pub(crate) infos: BTreeSet<String>,
}

impl<'a> Annotations<'a> {
    pub(crate) fn new(text: &'a str) -> Annotations<'a> {
        Annotations { text, warnings: BTreeSet::new(), infos: BTreeSet::new() }
    }

    /// Something is likely wrong with the result.
    pub(crate) fn warn(&mut self, span: Span, message: &str) {
        if self.is_full() {
            return;
        }
        let (line, column) = span.place(self.text);
        insert(&mut self.warnings, format!("PromQL warning: {message} ({line}:{column})"));
    }

    /// Something may be wrong with the query.
    pub(crate) fn inform(&mut self, span: Span, message: &str) {
        let (line, column) = span.place(self.text);
        insert(&mut self.infos, format!("PromQL info: {message} ({line}:{column})"));
    }

    /// A warning of the source, as it is.
    pub(crate) fn pass_on(&mut self, message: String) {
        insert(&mut self.warnings, message);
    }

    /// Whether no more warnings are kept, so that none needs to be written.
    fn is_full(&self) -> bool {
        self.warnings.len() >= MAX_NOTES
    }

    /// Of the quantiles of all steps.
    pub(crate) fn quantiles(&mut self, span: Span, qs: &[f64], meter: &Meter<'_>) -> Result<()> {
        self.steps(qs, meter, |notes, q| {
            if !(0.0..=1.0).contains(&q) {
                let q = crate::print::number(q);
                notes.warn(span, &format!("quantile value should be between 0 and 1, got {q}"));
            }
        })
    }

    /// Calls `of` with the scalars of all steps, as long as warnings are kept; with equal ones that
    /// follow each other once.
    pub(crate) fn steps(
        &mut self,
        scalars: &[f64],
        meter: &Meter<'_>,
        mut of: impl FnMut(&mut Self, f64),
    ) -> Result<()> {
        for run in scalars.chunk_by(|a, b| a.to_bits() == b.to_bits()) {
            if self.is_full() {
                break;
            }
            meter.work(run.len() as u64)?;
            of(self, run[0]);
        }
        Ok(())
    }

    pub(crate) fn bucket_label(&mut self, span: Span, value: &str, name: &str) {
        if self.is_full() {
            return;
        }
        let of = for_metric(name);
        self.warn(span, &format!("bucket label \"le\" is missing or has a malformed value of {value:?}{of}"));
    }

    pub(crate) fn not_a_counter(&mut self, span: Span, name: &str) {
        let suffixes = ["_total", "_sum", "_count", "_bucket"];
        if self.infos.len() < MAX_NOTES && !name.is_empty() && !suffixes.iter().any(|s| name.ends_with(s)) {
            let message = format!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {name:?}"
            );
            self.inform(span, &message);
        }
    }

    pub(crate) fn forced_monotonic(&mut self, span: Span, name: &str) {
        if self.infos.len() >= MAX_NOTES {
            return;
        }
        let of = for_metric(name);
        let message = format!(
            "input to histogram_quantile needed to be fixed for monotonicity (see \
             https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile){of}"
        );
        self.inform(span, &message);
    }
}

fn for_metric(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" for metric name {name:?}") }
}

fn insert(notes: &mut BTreeSet<String>, note: String) {
    if notes.len() < MAX_NOTES {
        notes.insert(note);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Options;

    #[test]
    fn steps_are_asked_as_long_as_notes_are_kept() {
        let stop = || true;
        let mut notes = Annotations::new("q");
        let meter = Meter::new(Options::default());
        let mut calls = 0;
        let mut told = |notes: &mut Annotations<'_>, q: f64| {
            calls += 1;
            notes.warn(Span::default(), &crate::print::number(q));
        };
        notes.steps(&vec![7.0; 1000], &meter, &mut told).expect("no limit");
        let many: Vec<f64> = (0..1000).map(f64::from).collect();
        notes.steps(&many, &meter, &mut told).expect("no limit");
        assert_eq!((calls, notes.warnings.len()), (1 + 100, MAX_NOTES), "one of them was told already");

        let mut notes = Annotations::new("q");
        let meter = Meter::new(Options { stop: Some(&stop), ..Options::default() });
        let alternating: Vec<f64> = (0..1 << 19).map(|i| f64::from(i % 2)).collect();
        let stopped = notes
            .steps(&alternating, &meter, |notes, q| notes.warn(Span::default(), &crate::print::number(q)));
        assert!(stopped.is_err());
    }
}
