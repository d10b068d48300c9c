//! `chasar history stats`: what takes how much room.

use std::collections::BTreeMap;

use chasar_tsdb::{Labels, NAME, Opening, Stats, TierStats, Usage};
use serde::Serialize;

use super::folder;
use super::progress::Progress;
use super::show::{count, divided, harmless, ratio, size, table, things, time};
use crate::args::{By, HistoryStats};
use crate::exit::Failure;
use crate::output::{json_line, to_stdout};

/// Lines of the table when nobody says.
const TOP: usize = 20;

/// What `--json` prints; docs/history.md describes it.
#[derive(Debug, Serialize)]
struct Report {
    folder: String,
    /// All files.
    bytes: u64,
    raw: Tier,
    minute: Tier,
    hour: Tier,
    log: Log,
    /// Metrics with their own labels.
    metrics_total: u64,
    instances_total: u64,
    bytes_per_sample: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<Vec<Line>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instances: Option<Vec<Line>>,
    /// Names, times and the index of each file.
    #[serde(skip_serializing_if = "Option::is_none")]
    index_bytes: Option<u64>,
    damaged: Vec<String>,
}

/// Files of one resolution.
#[derive(Debug, Serialize)]
struct Tier {
    files: u64,
    bytes: u64,
    /// Samples, or numbers of rollups.
    values: u64,
    from_ms: Option<i64>,
    to_ms: Option<i64>,
}

/// What is not in segments yet.
#[derive(Debug, Serialize)]
struct Log {
    bytes: u64,
    samples: u64,
}

/// A metric or a computer.
#[derive(Debug, Default, Serialize)]
struct Line {
    name: String,
    series: u64,
    samples: u64,
    raw_bytes: u64,
    bytes_per_sample: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollup_bytes: Option<u64>,
    /// Of all files.
    share_percent: f64,
}

impl Line {
    fn bytes(&self) -> u64 {
        self.raw_bytes + self.rollup_bytes.unwrap_or_default()
    }
}

pub(crate) fn stats(args: &HistoryStats) -> Result<(), Failure> {
    let folder = args.place.path()?;
    let (store, opening) = folder::open(&folder)?;
    let stats = store.stats();
    let top = args.top.unwrap_or(if args.json { usize::MAX } else { TOP });
    let usage = if top == 0 {
        None
    } else {
        let mut progress = Progress::new();
        let usage = store.snapshot().usage(|done, of| progress.bytes("reading", done, of));
        Some(usage.map_err(|e| Failure::new(format_args!("{}: {e}", folder.display())))?)
    };
    let report = report(folder.display().to_string(), &stats, &opening, usage, args.by, top);
    if args.json {
        let json = serde_json::to_string(&report).map_err(Failure::new)?;
        let mut line = String::new();
        json_line(&json, &mut line);
        let _ = to_stdout(|out| out.write_all(line.as_bytes()))?;
    } else {
        let text = text(&report, args.by);
        let _ = to_stdout(|out| out.write_all(text.as_bytes()))?;
    }
    Ok(())
}

fn report(
    folder: String,
    stats: &Stats,
    opening: &Opening,
    usage: Option<Usage>,
    by: By,
    top: usize,
) -> Report {
    let bytes = stats.raw.bytes + stats.minute.bytes + stats.hour.bytes + stats.log_bytes;
    let mut damaged: Vec<String> = opening.damaged.iter().map(ToString::to_string).collect();
    let lines = |usage: &Usage| {
        let mut lines = match by {
            By::Metric => by_metric(usage),
            By::Instance => by_instance(usage),
        };
        for line in &mut lines {
            line.bytes_per_sample = divided(line.raw_bytes, line.samples);
            line.share_percent = divided(line.bytes() * 100, bytes).unwrap_or_default();
        }
        // Of equal size by name, as they come.
        lines.sort_by_key(|line| std::cmp::Reverse(line.bytes()));
        lines.truncate(top);
        lines
    };
    let (mut metrics, mut instances, mut index_bytes) = (None, None, None);
    if let Some(usage) = &usage {
        match by {
            By::Metric => metrics = Some(lines(usage)),
            By::Instance => instances = Some(lines(usage)),
        }
        index_bytes = Some(usage.index_bytes);
        damaged.extend(usage.damage.iter().map(ToString::to_string));
    }
    Report {
        folder,
        bytes,
        raw: tier(&stats.raw),
        minute: tier(&stats.minute),
        hour: tier(&stats.hour),
        log: Log { bytes: stats.log_bytes, samples: stats.head_samples },
        metrics_total: stats.metrics,
        instances_total: stats.sources,
        bytes_per_sample: divided(stats.raw.bytes, stats.raw.values),
        metrics,
        instances,
        index_bytes,
        damaged,
    }
}

fn tier(stats: &TierStats) -> Tier {
    let (from_ms, to_ms) = stats.times_ms.unzip();
    Tier { files: stats.files, bytes: stats.bytes, values: stats.values, from_ms, to_ms }
}

fn by_metric(usage: &Usage) -> Vec<Line> {
    let mut names: BTreeMap<&str, Line> = BTreeMap::new();
    for metric in &usage.metrics {
        let name = metric.labels.get(NAME).unwrap_or_default();
        let line = names.entry(name).or_insert_with(|| Line { name: name.to_owned(), ..Line::default() });
        line.series += metric.series;
        line.samples += metric.samples;
        line.raw_bytes += metric.raw_bytes;
        *line.rollup_bytes.get_or_insert(0) += metric.rollup_bytes;
    }
    names.into_values().collect()
}

fn by_instance(usage: &Usage) -> Vec<Line> {
    // An instance is one whatever its other labels, such as its job.
    let name = |labels: &Labels| match labels.get("instance") {
        Some(instance) => instance.to_owned(),
        None => labels.to_string(),
    };
    let mut names: BTreeMap<String, Line> = BTreeMap::new();
    for source in &usage.sources {
        let name = name(&source.labels);
        let line = names.entry(name.clone()).or_insert_with(|| Line { name, ..Line::default() });
        line.series += source.series;
        line.samples += source.samples;
        line.raw_bytes += source.raw_bytes;
    }
    names.into_values().collect()
}

fn text(report: &Report, by: By) -> String {
    let mut text = format!("{}\n\n", harmless(&report.folder));
    let cells = |cells: &[&str]| cells.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>();
    let mut rows = vec![cells(&["", "files", "size", "samples", "B/sample", "from", "to"])];
    for (name, tier) in
        [("raw samples", &report.raw), ("1 min rollups", &report.minute), ("1 h rollups", &report.hour)]
    {
        let is_raw = name == "raw samples";
        let mut row = vec![name.to_owned(), count(tier.files), size(tier.bytes)];
        row.push(if is_raw { count(tier.values) } else { String::new() });
        row.push(if is_raw { ratio(tier.bytes, tier.values) } else { String::new() });
        row.extend([tier.from_ms, tier.to_ms].map(|t| t.map_or_else(|| "-".to_owned(), time)));
        rows.push(row);
    }
    rows.push(vec!["log".to_owned(), String::new(), size(report.log.bytes), count(report.log.samples)]);
    rows.push(vec!["all".to_owned(), String::new(), size(report.bytes)]);
    text += &table(&rows, &[5, 6]);
    text += &format!(
        "\n{}, {}\n",
        things(report.instances_total, "instance", "instances"),
        things(report.metrics_total, "metric with its labels", "metrics with their labels"),
    );
    let lines = report.metrics.as_ref().or(report.instances.as_ref());
    if lines.is_some_and(Vec::is_empty) {
        text += "\nNo table: all there is is in the log; a segment is written every two minutes.\n";
    } else if let Some(lines) = lines {
        let what = if by == By::Metric { "metric" } else { "instance" };
        let mut head = cells(&[what, "series", "samples", "raw size", "B/sample"]);
        if by == By::Metric {
            head.push("rollups".to_owned());
        }
        head.push("share".to_owned());
        let mut rows = vec![head];
        for line in lines {
            let mut row =
                vec![line.name.clone(), count(line.series), count(line.samples), size(line.raw_bytes)];
            row.push(ratio(line.raw_bytes, line.samples));
            row.extend(line.rollup_bytes.map(size));
            row.push(format!("{:.1} %", line.share_percent));
            rows.push(row);
        }
        text += "\n";
        text += &table(&rows, &[]);
        if let Some(bytes) = report.index_bytes {
            text += &format!("\n{} are names, times and indexes of the files.\n", size(bytes));
        }
    }
    if !report.damaged.is_empty() {
        text += "\nNot readable, and not counted:\n";
        report.damaged.iter().for_each(|line| text += &format!("  {}\n", harmless(line)));
    }
    text
}
