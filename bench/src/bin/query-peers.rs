//! Queries over HTTP to our masternode, Prometheus and VictoriaMetrics, which hold the same samples; and
//! dashboards of a hundred people at once while a fleet reports.
//!
//! `cargo run --release -p chasar-bench --bin query-peers -- --keep target/queries`
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark speaks on its standard streams")]

use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use chasar_bench::engine::{Engine, Kind};
use chasar_bench::exporter_names::dressed;
use chasar_bench::history::Recording;
use chasar_bench::http_client::Client;
use chasar_bench::panels::{Panel, compared};
use chasar_bench::program::Masternode;
use chasar_bench::query_data::{Size, load_engine, load_ours};
use chasar_bench::{answer, crowd};
use clap::Parser;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Queries over HTTP to a masternode and to other stores that hold the same samples.
#[derive(Parser)]
struct Arguments {
    /// The recording.
    #[arg(long, default_value = "bench/data/history.txt.zst")]
    recording: PathBuf,
    /// Nodes of the fleet.
    #[arg(long, default_value_t = 1000)]
    nodes: u64,
    /// Series of each node.
    #[arg(long, default_value_t = 200)]
    series: usize,
    /// For how long the fleet reported, seconds.
    #[arg(long, default_value_t = 3600)]
    seconds: i64,
    /// For how long one more node reported, seconds.
    #[arg(long, default_value_t = 86_400)]
    long_seconds: i64,
    /// Folder of the stores, which are used again when they are of the same size; else they are removed.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Where stores are made that are not kept.
    #[arg(long, default_value = "target/history")]
    folder: PathBuf,
    /// Only load the stores.
    #[arg(long)]
    load_only: bool,
    /// Ask only this one: ours, prometheus or victoria-metrics.
    #[arg(long)]
    only: Option<String>,
    /// Ask only what has this in its name.
    #[arg(long, default_value = "")]
    query: String,
    /// How often each query is asked, after twice for nothing.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Instead: so many connections that ask the panels of a dashboard at once while a fleet reports.
    #[arg(long)]
    dashboards: Option<usize>,
    /// Nodes that report meanwhile.
    #[arg(long, default_value_t = 1000)]
    reporting: u64,
    /// For how long that is measured, seconds.
    #[arg(long, default_value_t = 30)]
    measured: u64,
    /// Seconds between two refreshes of a dashboard; 0: each asks again as soon as it is answered.
    #[arg(long, default_value_t = 5.0)]
    refresh: f64,
    /// What the reporting nodes play.
    #[arg(long, default_value = "bench/data/host.jsonl.zst")]
    reports: PathBuf,
    /// The program to measure.
    #[arg(long, default_value = "target/release/chasar")]
    program: PathBuf,
}

fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    let asked = |name: &str| arguments.only.as_deref().is_none_or(|only| only == name);
    let mut kinds = Vec::new();
    if arguments.dashboards.is_none() {
        for kind in Kind::ALL.into_iter().filter(|kind| asked(kind.program())) {
            kinds.push((kind, kind.version()?));
        }
    }
    let temporary;
    let folder = match &arguments.keep {
        Some(folder) => folder.as_path(),
        None => {
            std::fs::create_dir_all(&arguments.folder)?;
            temporary = tempfile::tempdir_in(&arguments.folder)?;
            temporary.path()
        }
    };
    std::fs::create_dir_all(folder)?;
    let size = size(&arguments, folder)?;
    let ours = folder.join("chasar");
    let recording = dressed(Recording::read(&arguments.recording)?, arguments.series);
    let loaded = |name: &str| folder.join(format!("{name}.loaded"));
    if asked("ours") && !loaded("chasar").exists() {
        let begun = Instant::now();
        let samples = load_ours(&recording, size, &ours)?;
        println!("chasar: {samples} samples in {:.0} s", begun.elapsed().as_secs_f64());
        std::fs::write(loaded("chasar"), samples.to_string())?;
    }
    let mut engines = Vec::new();
    for (kind, version) in kinds {
        let engine = Engine::open(kind, &folder.join(kind.program()))?;
        if !loaded(kind.program()).exists() {
            let begun = Instant::now();
            let samples = load_engine(&recording, size, &engine, kind.program())?;
            engine.took(samples)?;
            println!("{version}: {samples} samples in {:.0} s", begun.elapsed().as_secs_f64());
            std::fs::write(loaded(kind.program()), samples.to_string())?;
        }
        engines.push((kind, version, engine));
    }
    drop(recording);
    if !arguments.load_only {
        let history = ours.to_str().ok_or("the folder's name is not UTF-8")?.to_owned();
        let start = || Masternode::start(&arguments.program, &["--history", &history]);
        match arguments.dashboards {
            Some(connections) => {
                let masternode = start()?;
                let plan = crowd::Plan {
                    connections,
                    reporting: arguments.reporting,
                    seconds: arguments.measured,
                    refresh_seconds: arguments.refresh,
                    reports: &arguments.reports,
                };
                crowd::run(&masternode, size, &plan)?;
            }
            None => {
                let masternode = if asked("ours") { Some(start()?) } else { None };
                let stores = Stores { ours: masternode.as_ref().map(|m| m.http), engines: &engines };
                stores.compare(&arguments, size)?;
            }
        }
    }
    engines.into_iter().try_for_each(|(_, _, engine)| Ok(engine.end()?))
}

/// What is in the folder already, or what shall be.
fn size(arguments: &Arguments, folder: &Path) -> Outcome<Size> {
    let path = folder.join("size");
    let wanted = |end_ms| Size {
        nodes: arguments.nodes,
        series: arguments.series,
        seconds: arguments.seconds,
        long_seconds: arguments.long_seconds,
        end_ms,
    };
    if let Ok(text) = std::fs::read_to_string(&path) {
        let there = Size::read(&text).ok_or("the file `size` in the folder is none of ours")?;
        if there != wanted(there.end_ms) {
            return Err(format!("{} holds stores of another size: {text}", folder.display()).into());
        }
        return Ok(there);
    }
    // The last whole hour: stores may refuse what is old.
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
    let size = wanted(now / 3_600_000 * 3_600_000);
    std::fs::write(path, size.text())?;
    Ok(size)
}

struct Stores<'a> {
    ours: Option<SocketAddr>,
    engines: &'a [(Kind, String, Engine)],
}

/// What a store answered, and in which time, milliseconds.
struct Timed {
    found: answer::Found,
    median: f64,
    p95: f64,
}

impl Stores<'_> {
    fn compare(&self, arguments: &Arguments, size: Size) -> Outcome<()> {
        let mut names = vec!["chasar".to_owned()];
        for (kind, version, _) in self.engines {
            names.push(version.clone());
            if *kind == Kind::VictoriaMetrics {
                names.push("the same, answers from its cache".into());
            }
        }
        println!("| median / p95, ms | series × points | {} |", names.join(" | "));
        println!("| --- | --- |{}", " --- |".repeat(names.len()));
        for panel in compared(size).iter().filter(|panel| panel.what.contains(&arguments.query)) {
            let path = panel.path(size.end_ms);
            let mut cells = Vec::new();
            let mut all = Vec::new();
            if let Some(address) = self.ours {
                let timed = time(address, &path, arguments.rounds)?;
                cells.push(format!("**{:.2}** / {:.2}", timed.median, timed.p95));
                all.push(timed);
            }
            for (kind, _, engine) in self.engines {
                let uncached = match kind {
                    Kind::Prometheus => path.clone(),
                    Kind::VictoriaMetrics => format!("{path}&nocache=1"),
                };
                let timed = time(engine.http(), &uncached, arguments.rounds)?;
                cells.push(cell(&timed, all.first(), self.ours.is_some(), *kind, panel));
                if *kind == Kind::VictoriaMetrics {
                    let cached = time(engine.http(), &path, arguments.rounds)?;
                    cells.push(format!("{:.2} / {:.2}", cached.median, cached.p95));
                }
                all.push(timed);
            }
            let found = &all.first().ok_or("nobody was asked")?.found;
            let kind = if panel.range.is_none() { "" } else { "range: " };
            println!(
                "| {kind}{} | {} × {} | {} |",
                panel.what,
                found.series,
                found.points / found.series.max(1),
                cells.join(" | ")
            );
        }
        Ok(())
    }
}

/// Times and ratio; with a mark where the answer is another one than ours.
fn cell(timed: &Timed, first: Option<&Timed>, has_ours: bool, kind: Kind, panel: &Panel) -> String {
    let times = format!("{:.2} / {:.2}", timed.median, timed.p95);
    let Some(ours) = first.filter(|_| has_ours) else { return times };
    let same = timed.found.same(&ours.found, if kind == Kind::Prometheus { 1e-9 } else { 0.02 });
    if !same {
        eprintln!("{}: {kind:?} has {:?}, ours {:?}", panel.query, timed.found, ours.found);
    }
    let mark = if same { "" } else { " †" };
    format!("{times} (× {:.1}){mark}", timed.median / ours.median)
}

fn time(address: SocketAddr, path: &str, rounds: usize) -> Outcome<Timed> {
    let mut client = Client::connect(address)?;
    let mut times = Vec::new();
    let mut found = answer::Found::default();
    for round in 0..rounds.max(1) + 2 {
        let begun = Instant::now();
        let answer = client.get(path)?;
        let took = begun.elapsed().as_secs_f64() * 1e3;
        if round == 0 {
            found = answer::read(&answer.body).map_err(|e| format!("{path}: {} {e}", answer.status))?;
        }
        if round >= 2 {
            times.push(took);
        }
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() as f64 * share) as usize).min(times.len() - 1)];
    Ok(Timed { found, median: at(0.5), p95: at(0.95) })
}
