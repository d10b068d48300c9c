//! Kills a process that writes history, at random moments, and checks what it left: nothing that
//! was acknowledged is lost, nothing is there that was never written.
//!
//! `cargo run --release -p chasar-bench --bin history-crash -- --kills 100`
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test program speaks on its standard streams"
)]

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use chasar_bench::history::Random;
use chasar_tsdb::storage::Disk;
use chasar_tsdb::{Kind, Labels, LayoutHandle, NAME, Options, SourceHandle, Store};
use clap::Parser;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Kills a process that writes history and checks what it left.
#[derive(Parser)]
struct Arguments {
    /// How often.
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// Samples a second that the process writes.
    #[arg(long, default_value_t = 200_000)]
    rate: u64,
    /// For the choice of moments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Be the process: write into this folder, from this time on.
    #[arg(long, num_args = 2, value_names = ["folder", "time"], hide = true)]
    write: Option<Vec<String>>,
}

const NODES: u64 = 100;
const METRICS: u64 = 50;
/// Between two commits, in the time of the samples: hours pass in seconds, so that segments are
/// written, merged and rolled up all the while.
const STEP_MS: i64 = 20_000;
const BEGIN_MS: i64 = 1_700_000_000_000 / STEP_MS * STEP_MS;
/// Longest time until a kill.
const MOST: Duration = Duration::from_millis(1200);

/// What a series is at a time.
fn value(node: u64, metric: u64, time_ms: i64) -> f64 {
    let noise = Random(node << 32 ^ metric << 48 ^ time_ms as u64).any();
    match metric % 4 {
        0 => (time_ms / STEP_MS) as f64 + (noise % 10) as f64,
        1 => (noise % 1000) as f64 / 100.0,
        2 => f64::from_bits(noise & !(0x7FF << 52) | 0x3FF << 52),
        _ => metric as f64,
    }
}

fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    match &arguments.write {
        Some(write) => child(Path::new(&write[0]), write[1].parse()?, arguments.rate),
        None => parent(&arguments),
    }
}

fn open(folder: &Path) -> Outcome<Store> {
    let (store, opening) = Store::open(Arc::new(Disk::open(folder)?), Options::default())?;
    match opening.damaged.into_iter().next() {
        Some(damage) => Err(damage.into()),
        None => Ok(store),
    }
}

/// Writes until it is killed, and says each time that is durable.
fn child(folder: &Path, from_ms: i64, rate: u64) -> Outcome<()> {
    let store = open(folder)?;
    let mut writer = store.writer()?;
    let metrics: Vec<Labels> =
        (0..METRICS).map(|m| Labels::new([(NAME, format!("m{m:02}"))])).collect::<Result<_, _>>()?;
    let layout: LayoutHandle = writer.layout(metrics.iter().map(|l| (l, Kind::Unknown)));
    let nodes: Vec<SourceHandle> = (0..NODES)
        .map(|n| Ok(writer.source(&Labels::new([("instance", format!("n{n:03}"))])?)))
        .collect::<Outcome<_>>()?;
    let now = Arc::new(std::sync::atomic::AtomicI64::new(from_ms));
    {
        let (store, now) = (store.clone(), now.clone());
        thread::spawn(move || {
            loop {
                if let Err(error) = store.maintain(now.load(std::sync::atomic::Ordering::Relaxed)) {
                    eprintln!("{error}");
                    std::process::exit(1);
                }
                thread::sleep(Duration::from_millis(5));
            }
        });
    }
    let pause = Duration::from_secs_f64((NODES * METRICS) as f64 / rate as f64);
    let mut due = Instant::now();
    let mut out = std::io::stdout().lock();
    for time in (0..).map(|i| from_ms + i * STEP_MS) {
        for (n, node) in (0..).zip(&nodes) {
            let values: Vec<f64> = (0..METRICS).map(|m| value(n, m, time)).collect();
            writer.row(node, &layout, time, &values)?;
        }
        writer.commit(time)?;
        writeln!(out, "{time}")?;
        now.store(time, std::sync::atomic::Ordering::Relaxed);
        due += pause;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

fn parent(arguments: &Arguments) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let mut random = Random(arguments.seed);
    let mut next = BEGIN_MS;
    let (mut acknowledged, mut unsaid) = (0u64, 0u64);
    let mut longest_start = Duration::ZERO;
    for kill in 0..arguments.kills {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--rate", &arguments.rate.to_string()])
            .arg("--write")
            .args([PathBuf::from(folder.path()).as_os_str(), next.to_string().as_ref()])
            .stdout(Stdio::piped())
            .spawn()?;
        let moment = Duration::from_micros(random.below(MOST.as_micros() as u64));
        let out = child.stdout.take().ok_or("the process has no output")?;
        let reader = thread::spawn(move || {
            // A line is whole or was not written: it is shorter than any pipe tears.
            let said = BufReader::new(out).lines().map_while(Result::ok);
            said.filter_map(|line| line.parse::<i64>().ok()).collect::<Vec<_>>()
        });
        thread::sleep(moment);
        child.kill()?;
        let status = child.wait()?;
        if status.code().is_some() {
            return Err(format!("the process ended by itself: {status}").into());
        }
        let said = reader.join().map_err(|_| "the reader failed")?;
        let last = said.last().copied();
        acknowledged += said.len() as u64;

        let started = Instant::now();
        let store = open(folder.path())?;
        longest_start = longest_start.max(started.elapsed());
        // All of it at the end, else what is new and an hour before.
        let from = if kill + 1 == arguments.kills { BEGIN_MS } else { next - 3_600_000 };
        let found = check(&store, from, last.unwrap_or(next - STEP_MS))?;
        // Of a commit that was not acknowledged all may be there, or nothing.
        unsaid += u64::from(last.is_none_or(|last| found > last) && found >= next);
        next = found.max(next - STEP_MS) + STEP_MS;
    }
    let samples = acknowledged * NODES * METRICS;
    if acknowledged == 0 {
        return Err("nothing was acknowledged before any kill".into());
    }
    println!(
        "{} kills, {samples} samples acknowledged: none lost, none invented; {unsaid} times the last commit was \
         there without having been acknowledged; longest start {:.0} ms",
        arguments.kills,
        longest_start.as_secs_f64() * 1e3
    );
    Ok(())
}

/// Checks that all samples up to `last` are there, and those after it whole or not at all; returns
/// the last time there is.
fn check(store: &Store, from: i64, last: i64) -> Outcome<i64> {
    let from = from.max(BEGIN_MS);
    let answer = store.snapshot().select(&[], from, i64::MAX)?;
    if let Some(damage) = answer.damage.into_iter().next() {
        return Err(damage.into());
    }
    let mut newest = last;
    let mut series = 0;
    let stored = answer.series.first().and_then(|s| s.times_ms.last()).copied().unwrap_or(i64::MIN);
    for found in &answer.series {
        let number = |label, from: usize| found.labels.get(label).and_then(|v| v[from..].parse::<u64>().ok());
        let (Some(node), Some(metric)) = (number("instance", 1), number(NAME, 1)) else {
            return Err(format!("{} was never written", found.labels).into());
        };
        let end = found.times_ms.last().copied().unwrap_or(i64::MIN);
        if end != stored || end < last || end > last + STEP_MS {
            return Err(format!("{} ends at {end}, {last} was acknowledged", found.labels).into());
        }
        newest = newest.max(end);
        let expected = (0..).map(|i| from + i * STEP_MS).take_while(|t| *t <= end);
        if !found.times_ms.iter().copied().eq(expected) {
            return Err(format!("{} has other times than were written", found.labels).into());
        }
        let same = |(t, v): (&i64, &f64)| value(node, metric, *t).to_bits() == v.to_bits();
        if !found.times_ms.iter().zip(&found.values).all(same) {
            return Err(format!("{} has a value that was never written", found.labels).into());
        }
        series += 1;
    }
    if series != NODES * METRICS && last >= from {
        return Err(format!("{series} series of {}", NODES * METRICS).into());
    }
    Ok(newest)
}
