//! The same samples into our store, Prometheus and VictoriaMetrics: bytes a sample once merged, and
//! what it took to store them.
//!
//! `cargo run --release -p chasar-bench --bin history-peers`
#![allow(clippy::print_stdout, reason = "a benchmark speaks on its standard output")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chasar_bench::engine::{self, Engine};
use chasar_bench::history::{Node, Recording};
use chasar_bench::meter;
use chasar_bench::remote_write::Request;
use chasar_tsdb::storage::Disk;
use chasar_tsdb::{ABSENT, Labels, Options, Store};
use clap::Parser;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The same samples into our store, Prometheus and VictoriaMetrics.
#[derive(Parser)]
struct Arguments {
    /// The recording.
    #[arg(long, default_value = "bench/data/history.txt.zst")]
    recording: PathBuf,
    /// How many nodes the fleet made of the recording has; 0 leaves it out.
    #[arg(long, default_value_t = 20)]
    nodes: u64,
    /// For how long the fleet reports, in seconds of its.
    #[arg(long, default_value_t = 7200)]
    seconds: i64,
    /// Where the stores are made; on a real disk, and removed afterwards.
    #[arg(long, default_value = "target/history")]
    folder: PathBuf,
}

const HOUR_MS: i64 = 3_600_000;

/// Rows of a node that are sent to other stores at once.
const BATCH_ROWS: usize = 30;

/// Who reports what, the same each time it is played.
struct Samples<'a> {
    recording: &'a Recording,
    /// Nodes made of the recording and the second at which they begin; else the recording itself.
    fleet: Option<(u64, i64, i64)>,
}

impl Samples<'_> {
    fn sources(&self) -> Outcome<Vec<Labels>> {
        match self.fleet {
            None => Ok(vec![Labels::new([("instance", "recorded"), ("job", "bench")])?]),
            Some((nodes, _, _)) => (0..nodes).map(|n| Ok(Node::new(n, self.recording).labels()?)).collect(),
        }
    }

    /// How long after the whole second its clocks tick.
    fn phase_ms(&self) -> i64 {
        if self.fleet.is_some() { 0 } else { self.recording.times_ms[0].rem_euclid(1000) }
    }

    /// Hands on each row: the number of its source, Unix milliseconds, the values.
    fn play(&self, mut row: impl FnMut(usize, i64, &[f64]) -> Outcome<()>) -> Outcome<()> {
        let recording = self.recording;
        let Some((nodes, begin_ms, seconds)) = self.fleet else {
            return recording.times_ms.iter().zip(&recording.rows).try_for_each(|(t, v)| row(0, *t, v));
        };
        let mut fleet: Vec<Node> = (0..nodes).map(|n| Node::new(n, recording)).collect();
        for second in 0..seconds {
            for (number, node) in fleet.iter_mut().enumerate() {
                node.step(recording);
                let time = node.sampled_at_ms(begin_ms + second * 1000);
                row(number, time, &node.values)?;
            }
        }
        Ok(())
    }
}

/// The nearest time that lies `phase_ms` after a whole second.
fn whole_second(time_ms: i64, phase_ms: i64) -> i64 {
    (time_ms - phase_ms + 500).div_euclid(1000) * 1000 + phase_ms
}

/// What a store made of the samples.
struct Stored {
    name: String,
    samples: u64,
    bytes: u64,
    cpu: Duration,
}

fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    let recording = Recording::read(&arguments.recording)?;
    let versions: Vec<(engine::Kind, String)> =
        engine::Kind::ALL.iter().map(|k| Ok((*k, k.version()?))).collect::<Outcome<_>>()?;
    std::fs::create_dir_all(&arguments.folder)?;
    let begin = 1_700_000_000_000 / HOUR_MS * HOUR_MS;
    let fleet = (arguments.nodes > 0).then_some((arguments.nodes, begin, arguments.seconds));
    let series = recording.series.len();
    println!("recording: {} s of {series} series of one host, as they were", recording.rows.len());
    compare(&Samples { recording: &recording, fleet: None }, &versions, &arguments.folder)?;
    if fleet.is_some() {
        println!(
            "\nfleet: {} nodes × {series} series × {} s, made of the recording with steps changed at random",
            arguments.nodes, arguments.seconds
        );
        compare(&Samples { recording: &recording, fleet }, &versions, &arguments.folder)?;
    }
    Ok(())
}

fn compare(samples: &Samples<'_>, versions: &[(engine::Kind, String)], folder: &Path) -> Outcome<()> {
    let mut all = vec![ours(samples, folder)?];
    for (kind, version) in versions {
        all.push(theirs(*kind, version, samples, false, folder)?);
        all.push(theirs(*kind, &format!("{version}, whole seconds"), samples, true, folder)?);
    }
    let per_sample = |s: &Stored| s.bytes as f64 / s.samples as f64;
    let rate = |s: &Stored| s.samples as f64 / s.cpu.as_secs_f64() / 1e6;
    println!("| {:.2} M samples | bytes a sample | × ours | M samples/s/core |", all[0].samples as f64 / 1e6);
    println!("| --- | --- | --- | --- |");
    for store in &all {
        println!(
            "| {} | {:.3} | {:.2} | {:.2} |",
            store.name,
            per_sample(store),
            per_sample(store) / per_sample(&all[0]),
            rate(store),
        );
    }
    match all.iter().find(|s| s.samples != all[0].samples) {
        Some(other) => {
            Err(format!("{} has {} samples, ours {}", other.name, other.samples, all[0].samples).into())
        }
        None => Ok(()),
    }
}

/// Ours: log, sync at each second, segments, merges and rollups; the time it takes to make the
/// samples up is left out.
fn ours(samples: &Samples<'_>, folder: &Path) -> Outcome<Stored> {
    let folder = tempfile::tempdir_in(folder)?;
    let pid = std::process::id();
    let (store, _) = Store::open(Arc::new(Disk::open(folder.path())?), Options::default())?;
    let mut writer = store.writer()?;
    let layout = writer.layout(samples.recording.series.iter().map(|(l, k)| (l, *k)));
    let sources: Vec<_> = samples.sources()?.iter().map(|l| writer.source(l)).collect();
    let mut cpu = Duration::ZERO;
    let mut second = i64::MIN;
    let mut rows: Vec<(usize, i64, Vec<f64>)> = Vec::new();
    let mut store_rows = |rows: &mut Vec<(usize, i64, Vec<f64>)>| -> Outcome<()> {
        let Some(now) = rows.iter().map(|r| r.1).max() else { return Ok(()) };
        let before = meter::cpu_time(pid)?;
        for (source, time, values) in rows.drain(..) {
            writer.row(&sources[source], &layout, time, &values)?;
        }
        writer.commit(now)?;
        store.maintain(now)?;
        cpu += meter::cpu_time(pid)? - before;
        Ok(())
    };
    let mut last = 0;
    samples.play(|source, time, values| {
        if time.div_euclid(1000) != second {
            store_rows(&mut rows)?;
            second = time.div_euclid(1000);
        }
        last = time;
        rows.push((source, time, values.to_vec()));
        Ok(())
    })?;
    store_rows(&mut rows)?;
    let before = meter::cpu_time(pid)?;
    store.flush(last)?;
    while store.maintain(last + 26 * HOUR_MS)?.more {}
    cpu += meter::cpu_time(pid)? - before;
    let raw = store.stats().raw;
    Ok(Stored { name: "**chasar**".into(), samples: raw.values, bytes: raw.bytes, cpu })
}

/// Theirs. `even`: the milliseconds by which a clock ticks beside its second are left out, as
/// Prometheus does with what it scrapes itself.
fn theirs(
    kind: engine::Kind,
    version: &str,
    samples: &Samples<'_>,
    even: bool,
    folder: &Path,
) -> Outcome<Stored> {
    let engine = Engine::start(kind, folder)?;
    let mut sender = engine.sender()?;
    let sources = samples.sources()?;
    let series: Vec<Vec<Labels>> = sources
        .iter()
        .map(|source| {
            let own = samples.recording.series.iter();
            own.map(|(l, _)| Ok(Labels::new(l.iter().chain(source.iter()))?)).collect::<Outcome<_>>()
        })
        .collect::<Outcome<_>>()?;
    let cpu = engine.cpu_time()?;
    let mut waiting: Vec<Vec<(i64, Vec<f64>)>> = vec![Vec::new(); sources.len()];
    let mut sent = 0;
    let mut send = |source: usize, rows: &mut Vec<(i64, Vec<f64>)>| -> Outcome<()> {
        let mut request = Request::default();
        for (i, labels) in series[source].iter().enumerate() {
            if rows.iter().any(|r| r.1[i].to_bits() != ABSENT.to_bits()) {
                request.series(labels, rows.iter().map(|r| (r.0, r.1[i])));
            }
        }
        rows.clear();
        sent += request.samples();
        Ok(sender.send(&request)?)
    };
    let mut last = vec![i64::MIN; sources.len()];
    samples.play(|source, time, values| {
        let time = if even {
            // A host that was too busy to tick in time would have two samples in a second.
            whole_second(time, samples.phase_ms()).max(last[source].saturating_add(1000))
        } else {
            time
        };
        last[source] = time;
        let rows = &mut waiting[source];
        rows.push((time, values.to_vec()));
        if rows.len() == BATCH_ROWS { send(source, rows) } else { Ok(()) }
    })?;
    waiting.iter_mut().enumerate().try_for_each(|(source, rows)| send(source, rows))?;
    engine.took(sent)?;
    let bytes = engine.merge()?;
    let cpu = engine.cpu_time()? - cpu;
    Ok(Stored { name: version.into(), samples: sent, bytes, cpu })
}
