//! A masternode under the load of N simulated nodes: what it costs, what it loses, how late it is.
//!
//! `cargo run --release -p chasar-bench --bin fleet-load -- --nodes 10000 --seconds 30`
#![allow(clippy::print_stdout, reason = "a benchmark speaks on its standard output")]

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use chasar_bench::load::{Fleet, Shared};
use chasar_bench::meter;
use chasar_bench::program::Masternode;
use chasar_bench::recording::{Recording, node_number};
use chasar_bench::remote_write::ask;
use chasar_bench::zmtp::Subscriber;
use clap::Parser;

/// A masternode under the load of simulated nodes.
#[derive(Parser)]
struct Options {
    /// Simulated nodes.
    #[arg(long, default_value_t = 1000)]
    nodes: u64,
    /// How long to measure.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Seconds between two reports of a node.
    #[arg(long, default_value_t = 1.0)]
    interval: f64,
    /// Subscribers of everything.
    #[arg(long, default_value_t = 1)]
    subscribers: usize,
    /// Keep no history: every report is only passed on.
    #[arg(long)]
    no_history: bool,
    /// The program to measure.
    #[arg(long, default_value = "target/release/chasar")]
    program: PathBuf,
    /// What the nodes play.
    #[arg(long, default_value = "bench/data/host.jsonl.zst")]
    recording: PathBuf,
    /// Keys of the reports to leave out, for hosts that tell less, such as sockets,network.
    #[arg(long, value_delimiter = ',')]
    without: Vec<String>,
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    let recording = Recording::read_without(&options.recording, &options.without)?;
    let history = if options.no_history { "off" } else { "on" };
    let masternode = Masternode::start(&options.program, &["--history", history])?;
    let fleet = Fleet::connect(masternode.reports, options.nodes)?;
    let shared = fleet.shared();
    println!(
        "{} nodes connected, {} MiB resident",
        options.nodes,
        meter::mib(meter::memory(masternode.pid())?.rss) as u64
    );

    let listeners: Vec<_> = (0..options.subscribers)
        .map(|_| {
            let subscriber = Subscriber::connect(masternode.stream, b"Chasar-Client")?;
            let shared = Arc::clone(&shared);
            Ok(thread::spawn(move || listen(subscriber, &shared)))
        })
        .collect::<io::Result<_>>()?;
    // A subscription takes effect a moment after it was written, and nothing tells when.
    thread::sleep(Duration::from_millis(500));
    let interval = Duration::from_secs_f64(options.interval);
    let generator = thread::spawn(move || fleet.run(&recording, interval));

    // The first round fills tables and caches; it is not measured.
    thread::sleep(interval.max(Duration::from_secs(2)));
    let (began, cpu, own) =
        (Instant::now(), meter::cpu_time(masternode.pid())?, meter::cpu_time(std::process::id())?);
    let stored_before = counters(&masternode)?;
    let mut resident = 0;
    while began.elapsed().as_secs() < options.seconds {
        let left = Duration::from_secs(options.seconds).saturating_sub(began.elapsed());
        thread::sleep(left.min(Duration::from_secs(1)));
        resident = resident.max(meter::memory(masternode.pid())?.rss);
    }
    let took = began.elapsed().as_secs_f64();
    let cpu = (meter::cpu_time(masternode.pid())? - cpu).as_secs_f64() / took;
    let own = (meter::cpu_time(std::process::id())? - own).as_secs_f64() / took;
    let memory = meter::memory(masternode.pid())?;
    let stored = counters(&masternode)?;

    shared.stop.store(true, Ordering::Relaxed);
    generator.join().expect("the generator ends")?;
    let (sent, dropped) = (shared.sent.load(Ordering::Relaxed), shared.dropped.load(Ordering::Relaxed));
    let bytes = shared.bytes.load(Ordering::Relaxed) / (sent + dropped).max(1);
    println!(
        "sent {sent} reports of {bytes} bytes on average; {dropped} dropped before a masternode that did not read"
    );
    println!(
        "masternode: {:.2} cores, {:.0} MiB resident, {:.0} MiB at most",
        cpu,
        meter::mib(memory.rss),
        meter::mib(resident)
    );
    if !options.no_history {
        let gained = |name: &str| sum(&stored, name) - sum(&stored_before, name);
        let samples = gained("chasar_history_samples_total");
        println!(
            "history: {:.2} M samples a second, {} reports and {} samples dropped, {} left out; upkeep {:.2} cores; \
             {:.0} MiB of samples in memory; {:.0} MiB of files",
            samples / took / 1e6,
            gained("chasar_history_dropped_total"),
            gained("chasar_history_samples_dropped_total"),
            gained("chasar_history_left_out_total"),
            gained("chasar_history_upkeep_seconds_total") / took,
            sum(&stored, "chasar_history_memory_bytes") / f64::from(1 << 20),
            sum(&stored, "chasar_history_size_bytes") / f64::from(1 << 20),
        );
    }
    println!("generator and subscribers: {own:.2} cores");
    for (i, listener) in listeners.into_iter().enumerate() {
        let mut heard = listener.join().expect("the subscriber ends")?;
        println!(
            "subscriber {i}: {} of {sent} received, {} lost; sent to received p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
            heard.count,
            sent.saturating_sub(heard.count),
            meter::percentile(&mut heard.latencies, 0.50) as f64 / 1e6,
            meter::percentile(&mut heard.latencies, 0.99) as f64 / 1e6,
            meter::percentile(&mut heard.latencies, 1.0) as f64 / 1e6,
        );
    }
    Ok(())
}

/// What the masternode says of itself.
fn counters(masternode: &Masternode) -> io::Result<String> {
    ask(masternode.http, "GET", "/metrics?job=masternode")
}

/// The sum of all series of a name.
fn sum(metrics: &str, name: &str) -> f64 {
    let lines = metrics.lines().filter(|l| l.split([' ', '{']).next() == Some(name));
    lines.filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

struct Heard {
    count: u64,
    /// Nanoseconds.
    latencies: Vec<u64>,
}

fn listen(mut subscriber: Subscriber, shared: &Shared) -> io::Result<Heard> {
    let mut heard = Heard { count: 0, latencies: Vec::new() };
    let mut quiet = 0;
    loop {
        let Some((_, report)) = subscriber.receive()? else {
            quiet += 1;
            // Five silent waits after the end: nothing is under way any more.
            if shared.stop.load(Ordering::Relaxed) && quiet > 5 {
                return Ok(heard);
            }
            continue;
        };
        quiet = 0;
        heard.count += 1;
        if let (Some(node), Some(sequence)) =
            (text(report, b"\"node_id\":\"").and_then(node_number), number(report))
            && let Some(nanoseconds) = shared.since_sent(node, sequence)
        {
            heard.latencies.push(nanoseconds);
        }
    }
}

/// The text that follows `key`, up to the closing quote. Enough for reports that we wrote ourselves.
fn text<'a>(report: &'a [u8], key: &[u8]) -> Option<&'a str> {
    let rest = after(report, key)?;
    std::str::from_utf8(rest.split(|b| *b == b'"').next()?).ok()
}

fn number(report: &[u8]) -> Option<u64> {
    let rest = after(report, b"\"sequence\":")?;
    let end = rest.iter().position(|b| !b.is_ascii_digit())?;
    std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
}

fn after<'a>(report: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    memchr::memmem::find(report, key).map(|at| &report[at + key.len()..])
}
