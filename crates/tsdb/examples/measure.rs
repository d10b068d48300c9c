//! Measures the store on a recording of a real host: bytes a sample, samples a second and core,
//! times of queries.
//!
//! `measure FOLDER RECORDING NODES SECONDS`: a recording is a text file, first a line of series
//! (`name|label=value|…`, separated by tabs), then a line a second: Unix milliseconds and a value for
//! each series. With 1 node the recording is stored as it is. Otherwise nodes are made of random
//! stretches of it, with steps changed at random: a compressor must never see the same stretch
//! twice. FOLDER must not exist; it is left for a look.
#![expect(clippy::print_stdout, reason = "it prints its figures")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use chasar_tsdb::storage::Disk;
use chasar_tsdb::{Kind, Labels, LayoutHandle, Matcher, NAME, Options, SourceHandle, Store, Tier, Writer};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// splitmix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

struct Recording {
    series: Vec<(Labels, Kind)>,
    /// Decimals that each series has.
    scale: Vec<f64>,
    times: Vec<i64>,
    rows: Vec<Vec<f64>>,
}

fn read(path: &Path) -> Outcome<Recording> {
    let text = std::fs::read_to_string(path)?;
    let mut lines = text.lines();
    let mut series = Vec::new();
    for name in lines.next().unwrap_or_default().split('\t') {
        let mut parts = name.split('|');
        let metric = parts.next().unwrap_or_default();
        let kind = if metric.ends_with("_total") || metric.contains("vmstat_pg") {
            Kind::Counter
        } else {
            Kind::Gauge
        };
        let labels = parts.filter_map(|p| p.split_once('='));
        series.push((Labels::new(labels.chain([(NAME, metric)]))?, kind));
    }
    let (mut times, mut rows) = (Vec::new(), Vec::new());
    let mut scale = vec![1.0f64; series.len()];
    for line in lines {
        let mut fields = line.split(' ');
        let Some(Ok(time)) = fields.next().map(str::parse) else { break };
        let fields: Vec<&str> = fields.collect();
        if fields.len() != series.len() {
            break;
        }
        for (scale, field) in scale.iter_mut().zip(&fields) {
            let decimals = field.split_once('.').map_or("", |f| f.1.trim_end_matches('0'));
            *scale = scale.max(10f64.powi(decimals.len() as i32));
        }
        times.push(time);
        rows.push(fields.iter().map(|f| f.parse()).collect::<Result<Vec<f64>, _>>()?);
    }
    Ok(Recording { series, scale, times, rows })
}

struct Node {
    source: SourceHandle,
    random: Random,
    /// Where in the recording, and for how many seconds more.
    at: usize,
    left: u64,
    factor: f64,
    values: Vec<f64>,
}

impl Node {
    fn step(&mut self, recording: &Recording) {
        if self.left == 0 || self.at + 2 >= recording.rows.len() {
            self.left = 20 + self.random.below(120);
            self.at = self.random.below(recording.rows.len() as u64 - 2) as usize;
        }
        self.left -= 1;
        self.at += 1;
        let neighbour = if self.random.below(10) < 4 { self.at + 1 } else { self.at };
        let (row, other, before) =
            (&recording.rows[self.at], &recording.rows[neighbour], &recording.rows[neighbour - 1]);
        for (i, (_, kind)) in recording.series.iter().enumerate() {
            let scale = recording.scale[i];
            let round = |v: f64| (v * scale).round() / scale;
            match kind {
                Kind::Counter => {
                    let mut step = (other[i] - before[i]).max(0.0);
                    if step * scale > 4.0 {
                        step *= 0.75 + 0.5 * self.random.unit();
                    }
                    self.values[i] = round(self.values[i] + step);
                }
                _ => {
                    // A gauge moves as recorded, from another height, and is drawn back to it.
                    let target = row[i] * self.factor;
                    let mut step = other[i] - before[i];
                    if step.abs() * scale > 4.0 {
                        step *= 0.75 + 0.5 * self.random.unit();
                    }
                    let moved = self.values[i] + step;
                    self.values[i] = if step != 0.0 && (moved - target).abs() > target.abs() {
                        round(target)
                    } else {
                        round(moved)
                    };
                }
            }
        }
    }
}

/// Processor time of this process, seconds.
fn cpu_seconds() -> f64 {
    // Fields 14 and 15 of proc_pid_stat(5), in ticks of 10 ms.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: Vec<f64> = after.split_whitespace().skip(11).take(2).filter_map(|f| f.parse().ok()).collect();
    ticks.iter().sum::<f64>() / 100.0
}

fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|v| v.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, path, nodes, seconds] = &arguments[..] else {
        return Err("usage: measure FOLDER RECORDING NODES SECONDS".into());
    };
    if Path::new(folder).exists() {
        return Err(format!("{folder} exists").into());
    }
    let (nodes, seconds): (usize, usize) = (nodes.parse()?, seconds.parse()?);
    let recording = read(Path::new(path))?;
    let width = recording.series.len();
    println!("recording: {} s of {width} series", recording.rows.len());
    let (store, _) = Store::open(Arc::new(Disk::open(folder)?), Options::default())?;
    let mut writer = store.writer()?;
    let layout = writer.layout(recording.series.iter().map(|(l, k)| (l, *k)));
    let seconds = if nodes == 1 { seconds.min(recording.rows.len()) } else { seconds };
    let begin = recording.times[0].div_euclid(3_600_000) * 3_600_000;
    let mut fleet: Vec<Node> = (0..nodes)
        .map(|n| {
            let mut random = Random(n as u64 + 1);
            let row = &recording.rows[random.below(recording.rows.len() as u64) as usize];
            let factor = 0.25 + 2.0 * random.unit();
            let values = row
                .iter()
                .zip(&recording.scale)
                .map(|(v, scale)| (v * factor * scale).round() / scale)
                .collect();
            let source = Labels::new([("instance", format!("node-{n:05}")), ("job", "measure".into())])?;
            Ok(Node { source: writer.source(&source), random, at: 0, left: 0, factor, values })
        })
        .collect::<Outcome<_>>()?;

    let samples = (nodes * seconds * width) as f64;
    let (mut store_cpu, mut worst) = (0.0f64, 0.0f64);
    let started = Instant::now();
    let mut now = begin;
    for second in 0..seconds {
        if nodes == 1 {
            now = recording.times[second];
            fleet[0].values.clone_from(&recording.rows[second]);
        } else {
            now = begin + second as i64 * 1000;
            fleet.iter_mut().for_each(|n| n.step(&recording));
        }
        let before = cpu_seconds();
        let commit = Instant::now();
        commit_rows(&mut writer, &layout, &mut fleet, now, nodes > 1)?;
        worst = worst.max(commit.elapsed().as_secs_f64());
        store.maintain(now)?;
        store_cpu += cpu_seconds() - before;
    }
    let before = cpu_seconds();
    now += 3_700_000;
    store.flush(now)?;
    let unmerged = store.stats();
    while store.maintain(now)?.more {}
    store_cpu += cpu_seconds() - before;
    let stats = store.stats();
    assert_eq!(stats.raw.values, samples as u64, "samples are missing");
    println!("stored: {samples} samples of {nodes} nodes in {:.1} s", started.elapsed().as_secs_f64());
    println!("bytes a sample before the merge: {:.3}", unmerged.raw.bytes as f64 / samples);
    println!("bytes a sample: {:.3} ({} files)", stats.raw.bytes as f64 / samples, stats.raw.files);
    println!(
        "rollups: minute {:.4}, hour {:.5} bytes a raw sample",
        stats.minute.bytes as f64 / samples,
        stats.hour.bytes as f64 / samples
    );
    println!("samples a second and core, all in: {:.2} M", samples / store_cpu / 1e6);
    println!("longest commit: {:.1} ms; resident at most {:.0} MiB", worst * 1e3, resident_mib());

    let snapshot = store.snapshot();
    let one = [Matcher::equal("instance", "node-00000"), Matcher::equal(NAME, "node_cpu_seconds_total")];
    time("one node, its processor times", || {
        let answer = snapshot.select(&one, i64::MIN, i64::MAX)?;
        Ok(answer.series.iter().map(|s| s.values.len()).sum())
    })?;
    let all = [Matcher::equal(NAME, "node_load1")];
    time("one metric of all nodes", || {
        let answer = snapshot.select(&all, i64::MIN, i64::MAX)?;
        Ok(answer.series.iter().map(|s| s.values.len()).sum())
    })?;
    time("one metric of all nodes, minutes", || {
        let answer = snapshot.rollups(&all, Tier::Minute, i64::MIN, i64::MAX)?;
        Ok(answer.series.iter().map(|s| s.rollups.len()).sum())
    })?;
    Ok(())
}

fn commit_rows(
    writer: &mut Writer,
    layout: &LayoutHandle,
    fleet: &mut [Node],
    now: i64,
    jitter: bool,
) -> Outcome<()> {
    for node in fleet {
        // A node's clock ticks some milliseconds beside the second.
        let offset = if jitter { node.random.below(4) as i64 } else { 0 };
        writer.row(&node.source, layout, now + offset, &node.values)?;
    }
    writer.commit(now)?;
    Ok(())
}

fn time(what: &str, mut query: impl FnMut() -> Outcome<usize>) -> Outcome<()> {
    let mut best = f64::MAX;
    let mut found = 0;
    for _ in 0..5 {
        let started = Instant::now();
        found = query()?;
        best = best.min(started.elapsed().as_secs_f64());
    }
    println!("{what}: {found} points in {:.2} ms", best * 1e3);
    Ok(())
}
