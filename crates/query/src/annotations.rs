//! Warnings and infos: what a query's author should know though there is an answer.

use std::collections::BTreeSet;

use crate::error::Span;

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

    pub(crate) fn quantile(&mut self, span: Span, q: f64) {
        if !(0.0..=1.0).contains(&q) {
            let q = crate::print::number(q);
            self.warn(span, &format!("quantile value should be between 0 and 1, got {q}"));
        }
    }

    pub(crate) fn bucket_label(&mut self, span: Span, value: &str, name: &str) {
        let of = for_metric(name);
        self.warn(span, &format!("bucket label \"le\" is missing or has a malformed value of {value:?}{of}"));
    }

    pub(crate) fn not_a_counter(&mut self, span: Span, name: &str) {
        let suffixes = ["_total", "_sum", "_count", "_bucket"];
        if !name.is_empty() && !suffixes.iter().any(|s| name.ends_with(s)) {
            let message = format!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {name:?}"
            );
            self.inform(span, &message);
        }
    }

    pub(crate) fn forced_monotonic(&mut self, span: Span, name: &str) {
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
