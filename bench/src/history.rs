//! A recording of a real host as series, and a fleet of simulated nodes made of it.
//!
//! A recording is text under zstd: a line of series (`name|label=value|…`, separated by tabs), then
//! a line a second: Unix milliseconds and a value for each series, `-` for none, separated by
//! spaces. Simulated nodes play random stretches of it with steps changed at random: a compressor
//! must never see the same stretch twice.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, Write};
use std::path::Path;

use chasar_tsdb::{ABSENT, Kind, LabelError, Labels, NAME};
use serde_json::Value;

/// Processes of a report that are recorded.
const PROCESSES: usize = 10;

/// A recording of a host.
pub struct Recording {
    /// Metrics, without labels of a source.
    pub series: Vec<(Labels, Kind)>,
    /// Unix milliseconds of each row.
    pub times_ms: Vec<i64>,
    /// A value for each series, second by second.
    pub rows: Vec<Vec<f64>>,
    /// Ten to the power of the decimals that each series has.
    scale: Vec<f64>,
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Recording {
    /// Reads a recording.
    ///
    /// # Errors
    /// When the file is missing or not a recording.
    pub fn read(path: &Path) -> io::Result<Recording> {
        let text = zstd::decode_all(std::fs::File::open(path)?)?;
        let text = String::from_utf8(text).map_err(|_| wrong("a recording is UTF-8"))?;
        let mut lines = text.lines();
        let mut series = Vec::new();
        for name in lines.next().unwrap_or_default().split('\t') {
            let mut parts = name.split('|');
            let metric = parts.next().unwrap_or_default();
            let kind = if metric.ends_with("_total") { Kind::Counter } else { Kind::Gauge };
            let labels = parts.filter_map(|p| p.split_once('='));
            let labels = Labels::new(labels.chain([(NAME, metric)]));
            series.push((labels.map_err(|e| wrong(&e.to_string()))?, kind));
        }
        let mut scale = vec![1.0f64; series.len()];
        let (mut times_ms, mut rows) = (Vec::new(), Vec::new());
        for line in lines {
            let mut fields = line.split(' ');
            let time =
                fields.next().and_then(|t| t.parse().ok()).ok_or_else(|| wrong("a row has no time"))?;
            let mut row = Vec::with_capacity(series.len());
            for (field, scale) in fields.zip(&mut scale) {
                let decimals = field.split_once('.').map_or("", |f| f.1.trim_end_matches('0'));
                *scale = scale.max(10f64.powi(decimals.len() as i32));
                row.push(if field == "-" {
                    ABSENT
                } else {
                    field.parse().map_err(|_| wrong("a value is no number"))?
                });
            }
            if row.len() != series.len() {
                return Err(wrong("a row has another number of values than there are series"));
            }
            times_ms.push(time);
            rows.push(row);
        }
        if rows.len() < 300 {
            return Err(wrong("a recording needs 300 rows"));
        }
        Ok(Recording { series, times_ms, rows, scale })
    }

    /// Makes a recording of reports, one line of JSON each (`chasar watch --json`), as far as they
    /// come. Returns rows and series.
    ///
    /// # Errors
    /// When a report is no JSON, or the file cannot be written.
    pub fn record(reports: impl BufRead, path: &Path) -> io::Result<(usize, usize)> {
        let mut rows: Vec<(i64, BTreeMap<String, f64>)> = Vec::new();
        for line in reports.lines() {
            let report: Value = serde_json::from_str(&line?)?;
            let time = report["sampled_at_ms"].as_i64().ok_or_else(|| wrong("a report without its time"))?;
            let mut found = BTreeMap::new();
            flatten(&report, &mut String::new(), &mut found);
            rows.push((time, found));
        }
        let mut names: Vec<&String> = rows.iter().flat_map(|(_, found)| found.keys()).collect();
        names.sort();
        names.dedup();
        let mut text = names.iter().map(|n| n.as_str()).collect::<Vec<_>>().join("\t");
        text.push('\n');
        for (time, found) in &rows {
            let _ = write!(text, "{time}");
            for name in &names {
                let _ = match found.get(*name) {
                    Some(value) => write!(text, " {value}"),
                    None => write!(text, " -"),
                };
            }
            text.push('\n');
        }
        let counts = (rows.len(), names.len());
        let mut file = std::fs::File::create(path)?;
        file.write_all(&zstd::encode_all(text.as_bytes(), 19)?)?;
        Ok(counts)
    }
}

impl Recording {
    /// Only the first `most` of the series that `choose` takes, under the names that it gives them.
    pub fn chosen(mut self, most: usize, choose: impl Fn(&Labels) -> Option<(Labels, Kind)>) -> Recording {
        let taken: Vec<(usize, (Labels, Kind))> = self
            .series
            .iter()
            .enumerate()
            .filter_map(|(i, (l, _))| Some((i, choose(l)?)))
            .take(most)
            .collect();
        for row in &mut self.rows {
            *row = taken.iter().map(|(i, _)| row[*i]).collect();
        }
        self.scale = taken.iter().map(|(i, _)| self.scale[*i]).collect();
        self.series = taken.into_iter().map(|(_, series)| series).collect();
        self
    }
}

/// All numbers of a report. Lists become labels; what names and numbers the report itself is left out.
fn flatten(value: &Value, name: &mut String, found: &mut BTreeMap<String, f64>) {
    let len = name.len();
    match value {
        Value::Object(map) if name == "process" => {
            // Slots for the busiest: a series for each process there ever was would say nothing.
            let mut all: Vec<&Value> = map.values().collect();
            let percent = |p: &&Value| p["percent_cpu_used"].as_f64().unwrap_or_default();
            all.sort_by(|a, b| percent(b).total_cmp(&percent(a)));
            for (i, process) in all.into_iter().enumerate().take(PROCESSES) {
                flatten(process, &mut format!("{i}#{name}"), found);
            }
        }
        Value::Object(map) => {
            for (key, inner) in map {
                const ITSELF: [&str; 6] =
                    ["schema", "sequence", "sampled_at_ms", "interval_seconds", "pid", "start_time_seconds"];
                if ITSELF.contains(&key.as_str()) {
                    continue;
                }
                if len > 0 {
                    name.push('_');
                }
                name.push_str(key);
                flatten(inner, name, found);
                name.truncate(len);
            }
        }
        Value::Array(list) => {
            for (i, inner) in list.iter().enumerate() {
                // The number goes to the front, to be split off as a label below.
                flatten(inner, &mut format!("{i}#{name}"), found);
            }
        }
        Value::Number(number) => {
            if let Some(number) = number.as_f64() {
                let mut parts: Vec<&str> = name.split('#').collect();
                let metric = parts.pop().unwrap_or_default();
                let labels: String =
                    parts.iter().rev().enumerate().map(|(i, n)| format!("|index{i}={n}")).collect();
                found.insert(format!("{metric}{labels}"), number);
            }
        }
        _ => {}
    }
}

/// splitmix64 (Steele, Lea, Flood 2014).
pub struct Random(pub u64);

impl Random {
    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.any() % n.max(1)
    }

    fn unit(&mut self) -> f64 {
        (self.any() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A simulated node.
pub struct Node {
    number: u64,
    /// Its values now.
    pub values: Vec<f64>,
    /// Chance, its own.
    pub random: Random,
    /// Where in the recording, and for how many seconds more.
    at: usize,
    left: u64,
    factor: f64,
}

impl Node {
    /// A node that begins somewhere in the recording, at a height of its own.
    pub fn new(number: u64, recording: &Recording) -> Node {
        let mut random = Random(number + 1);
        let row = &recording.rows[random.below(recording.rows.len() as u64) as usize];
        let factor = 0.25 + 2.0 * random.unit();
        let scaled = |(v, scale): (&f64, &f64)| {
            if v.to_bits() == ABSENT.to_bits() { *v } else { (v * factor * scale).round() / scale }
        };
        let values = row.iter().zip(&recording.scale).map(scaled).collect();
        Node { number, values, random, at: 0, left: 0, factor }
    }

    /// What its series have beside the labels of the metric.
    ///
    /// # Errors
    /// None: these labels keep the rules.
    pub fn labels(&self) -> Result<Labels, LabelError> {
        Labels::new([("instance", format!("node-{:05}", self.number)), ("job", "bench".into())])
    }

    /// When it samples the second that begins at `second_ms`: its clock ticks some milliseconds beside.
    pub fn sampled_at_ms(&mut self, second_ms: i64) -> i64 {
        second_ms + self.random.below(4) as i64
    }

    /// Goes on by a second.
    pub fn step(&mut self, recording: &Recording) {
        let rows = &recording.rows;
        if self.left == 0 || self.at + 2 >= rows.len() {
            self.left = 20 + self.random.below(120);
            self.at = self.random.below(rows.len() as u64 - 2) as usize;
        }
        self.left -= 1;
        self.at += 1;
        let neighbour = if self.random.below(10) < 4 { self.at + 1 } else { self.at };
        let (row, other, before) = (&rows[self.at], &rows[neighbour], &rows[neighbour - 1]);
        for (i, (_, kind)) in recording.series.iter().enumerate() {
            let step = other[i] - before[i];
            if step.is_nan() || self.values[i].is_nan() {
                let target = if row[i].is_nan() { ABSENT } else { row[i] };
                self.values[i] = target;
                continue;
            }
            if step == 0.0 {
                continue;
            }
            let scale = recording.scale[i];
            let jitter = if step.abs() * scale > 4.0 { 0.75 + 0.5 * self.random.unit() } else { 1.0 };
            let moved = match kind {
                Kind::Counter => self.values[i] + step.max(0.0) * jitter,
                _ => {
                    // A gauge moves as recorded, from another height, and is drawn back to it.
                    let target = row[i] * self.factor;
                    let moved = self.values[i] + step * jitter;
                    if (moved - target).abs() > target.abs() { target } else { moved }
                }
            };
            self.values[i] = (moved * scale).round() / scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_become_rows_of_series() {
        let reports: String = (0..400)
            .map(|i| {
                let report = serde_json::json!({
                    "hostname": "h", "sampled_at_ms": 1000 * i, "cpu": {"percent_used": [i as f64 / 4.0, 7]},
                    "network": [{"received_bytes_total": 10 * i, "peers": [{"lost_total": 3}]}],
                    "process": {"a#1": {"percent_cpu_used": 1, "pid": 1}, "b#2": {"percent_cpu_used": 2}},
                    "swap": if i == 5 { Value::Null } else { Value::from(9) },
                });
                format!("{report}\n")
            })
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recording");
        assert_eq!(Recording::record(reports.as_bytes(), &path).unwrap(), (400, 7));
        let recording = Recording::read(&path).unwrap();
        let names: Vec<String> = recording.series.iter().map(|(l, _)| l.to_string()).collect();
        assert_eq!(
            names,
            [
                "cpu_percent_used{index0=\"0\"}",
                "cpu_percent_used{index0=\"1\"}",
                "network_peers_lost_total{index0=\"0\",index1=\"0\"}",
                "network_received_bytes_total{index0=\"0\"}",
                "process_percent_cpu_used{index0=\"0\"}",
                "process_percent_cpu_used{index0=\"1\"}",
                "swap",
            ]
        );
        assert_eq!(recording.rows[3], [0.75, 7.0, 3.0, 30.0, 2.0, 1.0, 9.0]);
        assert_eq!(recording.rows[5][6].to_bits(), ABSENT.to_bits());
        assert_eq!(recording.times_ms[399], 399_000);
    }
}
