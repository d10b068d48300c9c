//! Rows to messages: what is written into the queue, and sent as it is.
//!
//! Messages are made once and never divided or joined afterwards. So what is sent again, after an error or a
//! restart, is the same request, and a store that takes requests as a whole has all of it or nothing.

use chasar_query::NAME;
use chasar_remote_write::{Message, Metadata, MetricKind, Sample, Version};
use chasar_wire::catalog::Kind;

use super::rules::Rules;
use super::tap::{Chunk, Row};
use crate::history::{ABSENT, JOB};

/// Bytes of a message, about, before it is packed.
const MESSAGE_BYTES: usize = 4 << 20;
/// The same for the texts of all labels: in 1.0 they are there for each series, and stores bound that too, such
/// as VictoriaMetrics at 32 MiB.
const TEXT_BYTES: usize = 12 << 20;
/// As the history: no sample may be further ahead of the clock here.
const MAX_AHEAD_MS: i64 = 10 * 60_000;
/// Nor older, which a store would refuse together with all others of its request.
const MAX_AGE_MS: i64 = 30 * 86_400_000;
const UP_HELP: &str = "Whether reports of the node come";

/// A finished message of 2.0, packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) lane: u16,
    pub(super) samples: u32,
    pub(super) body: Vec<u8>,
}

/// A message under construction.
#[derive(Debug)]
struct Draft {
    message: Message,
    /// Bytes of the labels of all series, as often as they are there.
    text_bytes: usize,
}

/// Messages under construction: two for each lane, as what comes late may be refused and must not take
/// what is new with it.
#[derive(Debug)]
pub(super) struct Batcher {
    rules: Rules,
    messages: Vec<[Draft; 2]>,
    most_samples: usize,
    /// Samples with impossible times, since this was asked last.
    pub(super) left_out: u64,
}

impl Batcher {
    pub(super) fn new(rules: Rules, lanes: u16, most_samples: usize) -> Batcher {
        let draft = || Draft { message: Message::new(Version::V2), text_bytes: 0 };
        let pair = || [draft(), draft()];
        Batcher { rules, messages: (0..lanes).map(|_| pair()).collect(), most_samples, left_out: 0 }
    }

    /// Takes the rows of a chunk that came at a time; what is full is finished.
    pub(super) fn take(&mut self, chunk: &Chunk, now_ms: i64, finished: &mut Vec<Batch>) {
        let mut values = &*chunk.values;
        for row in &chunk.rows {
            let (of, rest) = values.split_at(row.values);
            values = rest;
            self.row(row, of, now_ms, finished);
        }
        if chunk.is_last {
            self.finish(finished);
        }
    }

    /// Finishes all that were begun.
    pub(super) fn finish(&mut self, finished: &mut Vec<Batch>) {
        for (lane, pair) in self.messages.iter_mut().enumerate() {
            // Late ones first: they are the older ones.
            pair.iter_mut().rev().for_each(|draft| end(lane, draft, finished));
        }
    }

    fn row<'a>(&'a mut self, row: &'a Row, values: &[f64], now_ms: i64, finished: &mut Vec<Batch>) {
        let is_there = |value: f64| value.to_bits() != ABSENT.to_bits();
        let allowed = now_ms.saturating_sub(MAX_AGE_MS)..=now_ms.saturating_add(MAX_AHEAD_MS);
        if !allowed.contains(&row.at_ms) {
            self.left_out += values.iter().filter(|value| is_there(**value)).count() as u64;
            return;
        }
        let Batcher { rules, messages, most_samples, .. } = self;
        let rules: &'a Rules = rules;
        let lanes = messages.len() as u32;
        let mut put = |labels: &mut Vec<(&'a str, &'a str)>, value, metadata| {
            labels.extend([("instance", &*row.instance), ("job", JOB)]);
            let Some(number) = rules.apply(labels) else { return };
            let lane = (number % lanes) as usize;
            let draft = &mut messages[lane][usize::from(row.is_late)];
            let Draft { message, text_bytes } = draft;
            *text_bytes += labels.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
            let sample = Sample { time_ms: row.at_ms, value };
            message.series(labels.iter().copied(), [sample], Some(metadata));
            if message.samples_total() >= *most_samples
                || message.bytes() >= MESSAGE_BYTES
                || *text_bytes >= TEXT_BYTES
            {
                end(lane, draft, finished);
            }
        };
        let mut labels: Vec<(&'a str, &'a str)> = Vec::with_capacity(16);
        let Some(layout) = &row.layout else {
            labels.push((NAME, "up"));
            let metadata = Metadata { kind: MetricKind::Gauge, help: UP_HELP, unit: "" };
            values.iter().for_each(|value| put(&mut labels, *value, metadata));
            return;
        };
        for (series, value) in layout.series().zip(values).filter(|(_, value)| is_there(**value)) {
            labels.clear();
            labels.push((NAME, series.metric.name));
            labels.extend(series.labels().map(|(name, value)| -> (&'a str, &'a str) { (name, value) }));
            let kind = match series.metric.kind {
                Kind::Counter => MetricKind::Counter,
                Kind::Gauge => MetricKind::Gauge,
                Kind::Info => MetricKind::Info,
            };
            let metadata = Metadata { kind, help: series.metric.help, unit: series.metric.unit() };
            put(&mut labels, *value, metadata);
        }
    }
}

fn end(lane: usize, draft: &mut Draft, finished: &mut Vec<Batch>) {
    let Draft { message, text_bytes } = draft;
    if message.is_empty() {
        return;
    }
    let mut body = Vec::new();
    message.pack(&mut body);
    finished.push(Batch { lane: lane as u16, samples: message.samples_total() as u32, body });
    message.clear();
    *text_bytes = 0;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Layout, STALE};
    use crate::remote::RemoteWriteConfig;
    use chasar_remote_write::{Item, Limits, Request, unpack};
    use std::sync::Arc;

    const NOW_MS: i64 = 1_700_000_000_000;

    fn batcher(lanes: u16, most: usize) -> Batcher {
        Batcher::new(Rules::of(&RemoteWriteConfig::new("a", "http://a")).unwrap(), lanes, most)
    }

    fn up(instance: &str, at_ms: i64, is_late: bool) -> Row {
        Row { instance: instance.into(), layout: None, at_ms, is_late, values: 1 }
    }

    fn texts(batch: &Batch) -> Vec<String> {
        let mut bytes = Vec::new();
        unpack(&batch.body, &Limits::default(), &mut bytes).unwrap();
        let mut request = Request::new(Version::V2, &bytes, &Limits::default()).unwrap();
        let mut found = Vec::new();
        while let Some(Item::Series(series)) = request.next_item().unwrap() {
            chasar_remote_write::check_labels(series.labels).unwrap();
            let labels: Vec<_> = series.labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
            for sample in series.samples() {
                let time = sample.time_ms - NOW_MS;
                found.push(format!(
                    "{} {time} {}",
                    labels.join(" "),
                    sample.value.to_bits() == STALE.to_bits()
                ));
            }
        }
        assert_eq!(found.len() as u32, batch.samples);
        found
    }

    #[test]
    fn late_rows_are_in_requests_of_their_own_and_absent_values_in_none() {
        let mut batcher = batcher(1, 100);
        let mut rows = crate::history::Rows::default();
        for name in ["b", "a"] {
            rows.push(crate::history::Part::Processes, &chasar_wire::catalog::process::CPU, &[name], 1.0);
        }
        let layout = Arc::new(Layout::new(&rows.row(crate::history::Part::Processes).shape));
        let row = |at_ms, is_late| Row {
            instance: "web".into(),
            layout: Some(layout.clone()),
            at_ms,
            is_late,
            values: 2,
        };
        let chunk = Chunk {
            rows: vec![row(NOW_MS, false), up("web", NOW_MS, false), row(NOW_MS - 5_000, true)],
            values: vec![STALE, 2.0, 1.0, ABSENT, 3.0],
            is_last: true,
        };
        let mut finished = Vec::new();
        batcher.take(&chunk, NOW_MS, &mut finished);
        let name = chasar_wire::catalog::process::CPU.name;
        let label = chasar_wire::catalog::process::CPU.labels[0];
        let series = |of: &str| {
            let mut labels = [
                format!("__name__={name}"),
                format!("{label}={of}"),
                "instance=web".to_owned(),
                "job=chasar".to_owned(),
            ];
            labels.sort();
            labels.join(" ")
        };
        assert_eq!(finished.len(), 2);
        assert_eq!(texts(&finished[0]), [format!("{} -5000 false", series("a"))]);
        assert_eq!(
            texts(&finished[1]),
            [
                format!("{} 0 true", series("b")),
                format!("{} 0 false", series("a")),
                "__name__=up instance=web job=chasar 0 false".to_owned(),
            ]
        );
    }

    #[test]
    fn requests_are_as_large_as_they_may_be_and_a_series_has_one_lane() {
        let mut batcher = batcher(3, 10);
        let names: Vec<String> = (0..100).map(|i| format!("host-{i}")).collect();
        let mut lanes = std::collections::HashMap::new();
        let mut samples = 0;
        for second in 0..5 {
            let chunk = Chunk {
                rows: names.iter().map(|name| up(name, NOW_MS + second, false)).collect(),
                values: vec![1.0; names.len()],
                is_last: second == 4,
            };
            let mut finished = Vec::new();
            batcher.take(&chunk, NOW_MS, &mut finished);
            for batch in &finished {
                assert!(batch.samples <= 10 && batch.lane < 3);
                samples += batch.samples;
                for text in texts(batch) {
                    let series = text.split(" job=").next().unwrap().to_owned();
                    assert_eq!(*lanes.entry(series).or_insert(batch.lane), batch.lane);
                }
            }
        }
        assert_eq!((samples, lanes.len()), (500, 100));
        let mut finished = Vec::new();
        batcher.finish(&mut finished);
        assert!(finished.is_empty());
    }

    #[test]
    fn a_request_of_1_0_is_not_much_larger_than_one_of_2_0() {
        let mut batcher = batcher(1, 10_000);
        // As long as the text of a report may be.
        let name = "x".repeat(4 << 10);
        let rows = (0..9_000).map(|i| up(&name, NOW_MS + i, false)).collect();
        let mut finished = Vec::new();
        batcher.take(&Chunk { rows, values: vec![1.0; 9_000], is_last: true }, NOW_MS, &mut finished);
        assert_eq!(finished.iter().map(|batch| batch.samples).sum::<u32>(), 9_000);
        assert!(finished.iter().all(|batch| (1..4_000).contains(&batch.samples)), "{}", finished.len());
    }

    #[test]
    fn impossible_times_are_left_out() {
        let mut batcher = batcher(1, 10);
        let times = [i64::MIN, NOW_MS - MAX_AGE_MS - 1, NOW_MS, NOW_MS + MAX_AHEAD_MS + 1, i64::MAX];
        let rows = times.map(|at_ms| up("a", at_ms, false)).into();
        let mut finished = Vec::new();
        batcher.take(&Chunk { rows, values: vec![1.0; 5], is_last: true }, NOW_MS, &mut finished);
        assert_eq!((batcher.left_out, finished.len(), finished[0].samples), (4, 1, 1));
    }
}
