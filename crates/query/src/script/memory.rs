//! Series in memory, for scripts and tests.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::Result;
use crate::labels::Labels;
use crate::matcher::Matcher;
use crate::source::{Answer, Request, Samples, Source};

/// A source that holds what it was given.
#[derive(Debug, Default)]
pub struct Memory {
    series: BTreeMap<Labels, BTreeMap<i64, f64>>,
    /// Series that have native histograms, which nobody here can evaluate.
    native: Vec<Labels>,
    touched: Cell<bool>,
}

impl Memory {
    /// Adds samples to a series; of two at the same time the later one counts.
    pub fn add(&mut self, labels: Labels, samples: impl IntoIterator<Item = (i64, f64)>) {
        self.series.entry(labels).or_default().extend(samples);
    }

    pub(crate) fn add_native(&mut self, labels: Labels) {
        self.native.push(labels);
    }

    /// Whether native histograms were selected since the last time this was asked.
    pub(crate) fn take_touched(&self) -> bool {
        self.touched.take()
    }
}

fn fits(labels: &Labels, matchers: &[Matcher]) -> bool {
    matchers.iter().all(|m| m.matches(labels.get(&m.name).unwrap_or_default()))
}

impl Source for Memory {
    fn select(&self, request: &Request<'_>) -> Result<Answer> {
        if self.native.iter().any(|labels| fits(labels, request.matchers)) {
            self.touched.set(true);
        }
        let mut answer = Answer { tier: "raw", ..Answer::default() };
        for (labels, samples) in self.series.iter().filter(|(l, _)| fits(l, request.matchers)) {
            if request.from_ms > request.to_ms {
                break;
            }
            let (times, values): (Vec<i64>, Vec<f64>) =
                samples.range(request.from_ms..=request.to_ms).unzip();
            if !times.is_empty() {
                let (times_ms, values) = (Arc::new(times), Arc::new(values));
                answer.series.push(Samples { labels: labels.clone(), times_ms, values });
            }
        }
        Ok(answer)
    }
}
