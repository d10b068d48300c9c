//! The store of history under a simulated fleet: bytes a sample, samples a second and core, memory,
//! start after a crash, times of queries.
//!
//! `cargo run --release -p chasar-bench --bin history -- fleet --nodes 1000 --seconds 3600`
#![allow(clippy::print_stdout, reason = "a benchmark speaks on its standard output")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chasar_bench::history::{Node, Recording};
use chasar_bench::meter;
use chasar_tsdb::storage::Disk;
use chasar_tsdb::{Labels, Matcher, NAME, Options, SourceHandle, Store, Sync, Tier};
use clap::{Parser, Subcommand};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The store of history under a simulated fleet.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a recording of reports, as `chasar watch --json` prints them, from standard input.
    Record {
        /// Where it goes.
        #[arg(default_value = "bench/data/history.txt.zst")]
        path: PathBuf,
    },
    /// Store the recording as it is: bytes a sample of a real host.
    Recording {
        /// The recording.
        #[arg(long, default_value = "bench/data/history.txt.zst")]
        recording: PathBuf,
    },
    /// Store what many nodes report, and ask for it.
    Fleet {
        /// The recording that they play.
        #[arg(long, default_value = "bench/data/history.txt.zst")]
        recording: PathBuf,
        /// How many nodes.
        #[arg(long, default_value_t = 1000)]
        nodes: u64,
        /// For how long, in seconds of theirs.
        #[arg(long, default_value_t = 3600)]
        seconds: i64,
        /// Do not wait for the disk at each commit: for days of few nodes, asked for queries.
        #[arg(long)]
        unsynced: bool,
        /// Where the store is made; it must be on a real disk, and is removed afterwards.
        #[arg(long, default_value = "target/history")]
        folder: PathBuf,
        /// Do not remove it: the last line says where it is, for `queries`.
        #[arg(long)]
        keep: bool,
    },
    /// Ask a store that `fleet --keep` left.
    Queries {
        /// The recording that its nodes played.
        #[arg(long, default_value = "bench/data/history.txt.zst")]
        recording: PathBuf,
        /// The store.
        folder: PathBuf,
    },
}

const HOUR_MS: i64 = 3_600_000;

fn main() -> Outcome<()> {
    match Arguments::parse().command {
        Command::Record { path } => {
            let (rows, series) = Recording::record(std::io::stdin().lock(), &path)?;
            println!("{}: {rows} s of {series} series", path.display());
            Ok(())
        }
        Command::Recording { recording } => as_it_is(&Recording::read(&recording)?),
        Command::Fleet { recording, nodes, seconds, unsynced, folder, keep } => {
            std::fs::create_dir_all(&folder)?;
            let folder = tempfile::tempdir_in(folder)?;
            let sync = if unsynced { Sync::Never } else { Sync::EveryCommit };
            fleet(&Recording::read(&recording)?, nodes, seconds, sync, folder.path())?;
            if keep {
                println!("kept: {}", folder.keep().display());
            }
            Ok(())
        }
        Command::Queries { recording, folder } => queries(&Recording::read(&recording)?, &folder),
    }
}

fn own_cpu() -> Outcome<Duration> {
    Ok(meter::cpu_time(std::process::id())?)
}

fn as_it_is(recording: &Recording) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let (store, _) = Store::open(Arc::new(Disk::open(folder.path())?), Options::default())?;
    let mut writer = store.writer()?;
    let layout = writer.layout(recording.series.iter().map(|(l, k)| (l, *k)));
    let source = writer.source(&Labels::new([("instance", "recorded"), ("job", "bench")])?);
    let mut now = 0;
    for (time, row) in recording.times_ms.iter().zip(&recording.rows) {
        now = *time;
        writer.row(&source, &layout, now, row)?;
        writer.commit(now)?;
        store.maintain(now)?;
    }
    store.flush(now)?;
    while store.maintain(now + 26 * HOUR_MS)?.more {}
    let stats = store.stats();
    let samples = stats.raw.values as f64;
    let constant = (0..recording.series.len())
        .filter(|i| recording.rows.iter().all(|r| r[*i].to_bits() == recording.rows[0][*i].to_bits()))
        .count();
    let changing = samples * (1.0 - constant as f64 / recording.series.len() as f64);
    println!("recording: {} s of {} series", recording.rows.len(), recording.series.len());
    println!("bytes a sample: {:.3}, index included", stats.raw.bytes as f64 / samples);
    println!(
        "{constant} series never change; the bytes divided by the others' samples: {:.3}",
        stats.raw.bytes as f64 / changing
    );
    Ok(())
}

/// What it took to store the samples.
#[derive(Default)]
struct Cost {
    cpu: Duration,
    longest_commit: Duration,
    /// Memory of the head when it was largest, as the store says it.
    head_bytes: u64,
}

fn open(folder: &Path, sync: Sync) -> Outcome<Store> {
    let options = Options { max_bytes: 1 << 40, head_bytes: 4 << 30, sync, ..Options::default() };
    Ok(Store::open(Arc::new(Disk::open(folder)?), options)?.0)
}

fn fleet(recording: &Recording, nodes: u64, seconds: i64, sync: Sync, folder: &Path) -> Outcome<()> {
    let open = || open(folder, sync);
    let width = recording.series.len();
    let series = nodes * width as u64;
    let begin = 1_700_000_000_000 / HOUR_MS * HOUR_MS;
    let mut cost = Cost::default();
    let store = open()?;
    let resident = store_seconds(&store, recording, nodes, begin, seconds, &mut cost)?;
    drop(store);

    let started = Instant::now();
    let store = open()?;
    println!("start without a planned end: {:.2} s", started.elapsed().as_secs_f64());
    let end = begin + seconds * 1000;
    let before = own_cpu()?;
    store.flush(end)?;
    let first = store.stats().raw;
    while store.maintain(end + 26 * HOUR_MS)?.more {}
    cost.cpu += own_cpu()? - before;
    let stats = store.stats();
    let samples = stats.raw.values as f64;
    println!("{nodes} nodes × {width} series × {seconds} s = {:.0} M samples", samples / 1e6);
    println!(
        "samples a second and core, all in: {:.2} M; longest commit {:.1} ms",
        samples / cost.cpu.as_secs_f64() / 1e6,
        cost.longest_commit.as_secs_f64() * 1e3
    );
    println!(
        "bytes a sample: {:.3} merged, {:.3} when the fleet stopped, rollups {:.3}",
        stats.raw.bytes as f64 / samples,
        first.bytes as f64 / samples,
        (stats.minute.bytes + stats.hour.bytes) as f64 / samples
    );
    println!(
        "memory a series: {} bytes in the head at most; {:.0} bytes resident in all",
        cost.head_bytes / series,
        resident as f64 / series as f64
    );
    drop(store);
    queries(recording, folder)
}

/// Returns by how much the resident memory grew.
fn store_seconds(
    store: &Store,
    recording: &Recording,
    nodes: u64,
    begin: i64,
    seconds: i64,
    cost: &mut Cost,
) -> Outcome<u64> {
    let mut writer = store.writer()?;
    let layout = writer.layout(recording.series.iter().map(|(l, k)| (l, *k)));
    let mut fleet: Vec<(Node, SourceHandle)> = (0..nodes)
        .map(|n| {
            let node = Node::new(n, recording);
            let source = writer.source(&node.labels()?);
            Ok((node, source))
        })
        .collect::<Outcome<_>>()?;
    let pid = std::process::id();
    let before = meter::memory(pid)?.rss;
    let mut largest = before;
    for second in 0..seconds {
        fleet.iter_mut().for_each(|(node, _)| node.step(recording));
        let now = begin + second * 1000;
        let cpu = own_cpu()?;
        for (node, source) in &mut fleet {
            let sampled_at = node.sampled_at_ms(now);
            writer.row(source, &layout, sampled_at, &node.values)?;
        }
        let started = Instant::now();
        writer.commit(now)?;
        cost.longest_commit = cost.longest_commit.max(started.elapsed());
        store.maintain(now)?;
        cost.cpu += own_cpu()? - cpu;
        if second % 10 == 9 {
            cost.head_bytes = cost.head_bytes.max(store.stats().head_bytes);
            largest = largest.max(meter::memory(pid)?.rss);
        }
    }
    Ok(largest - before)
}

/// Takes the store's files out of the kernel's cache.
fn cool(folder: &Path) -> Outcome<()> {
    use std::os::fd::AsRawFd;
    for entry in std::fs::read_dir(folder)? {
        let file = std::fs::File::open(entry?.path())?;
        file.sync_all()?;
        // SAFETY: the descriptor is open; advice changes nothing else.
        unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    }
    Ok(())
}

fn queries(recording: &Recording, folder: &Path) -> Outcome<()> {
    // Ten series of one node that do change, and the one of them that all nodes are asked for.
    let changes = |i: &usize| recording.rows.windows(2).filter(|w| w[0][*i] != w[1][*i]).count();
    let mut busiest: Vec<usize> = (0..recording.series.len()).collect();
    busiest.sort_by_key(|i| std::cmp::Reverse(changes(i)));
    let own = |i: usize| recording.series[i].0.iter().map(|(n, v)| Matcher::equal(n, v)).collect::<Vec<_>>();
    let of_node = |i: usize| [own(i), vec![Matcher::equal("instance", "node-00000")]].concat();
    let ten: Vec<Vec<Matcher>> = busiest.iter().take(10).map(|i| of_node(*i)).collect();
    let all = own(busiest[5]);
    let name = recording.series[busiest[5]].0.get(NAME).unwrap_or_default();
    for (what, cold) in [("cold", true), ("warm", false)] {
        if cold {
            cool(folder)?;
        }
        let store = open(folder, Sync::Never)?;
        if cold {
            cool(folder)?;
        }
        let snapshot = store.snapshot();
        let raw = |matchers: &[Matcher]| -> Outcome<usize> {
            let answer = snapshot.select(matchers, i64::MIN, i64::MAX)?;
            Ok(answer.series.iter().map(|s| s.values.len()).sum())
        };
        let rounds = if cold { 1 } else { 5 };
        time(&format!("{what}: ten series of a node"), rounds, || ten.iter().map(|m| raw(m)).sum())?;
        time(&format!("{what}: {name} of all nodes"), rounds, || raw(&all))?;
        time(&format!("{what}: {name} of all nodes, minutes"), rounds, || {
            let answer = snapshot.rollups(&all, Tier::Minute, i64::MIN, i64::MAX)?;
            Ok(answer.series.iter().map(|s| s.rollups.len()).sum())
        })?;
    }
    Ok(())
}

/// Prints the best of some rounds.
fn time(what: &str, rounds: u32, mut query: impl FnMut() -> Outcome<usize>) -> Outcome<()> {
    let (mut best, mut cpu) = (Duration::MAX, Duration::MAX);
    let mut found = 0;
    for _ in 0..rounds {
        let (started, before) = (Instant::now(), own_cpu()?);
        found = query()?;
        best = best.min(started.elapsed());
        cpu = cpu.min(own_cpu()? - before);
    }
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!("{what}: {found} points in {:.2} ms, of which processor {:.2} ms", ms(best), ms(cpu));
    Ok(())
}
