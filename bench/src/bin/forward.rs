//! How fast reports go through: our masternode beside a bare libzmq proxy and the masternode of
//! 2016, one after the other in each round, each given as much as it
//! takes without losing any.
//!
//! `cargo run --release -p chasar-bench --bin forward`
#![allow(clippy::print_stdout, reason = "a benchmark speaks on its standard output")]

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chasar_bench::meter;
use chasar_bench::program::{self, Masternode};
use chasar_bench::recording::{Moment, Recording};
use chasar_bench::zmtp::{Publisher, Sent, Subscriber};
use clap::Parser;

/// How fast reports go through a masternode, beside its peers.
#[derive(Parser)]
struct Options {
    /// Rounds; the medians are printed.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds measured of each.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Connections that send as fast as they can.
    #[arg(long, default_value_t = 16)]
    nodes: u64,
    /// The program to measure.
    #[arg(long, default_value = "target/release/chasar")]
    program: PathBuf,
    /// Python with pyzmq.
    #[arg(long, default_value = ".cache/venv/bin/python")]
    python: PathBuf,
    /// What the nodes play.
    #[arg(long, default_value = "bench/data/host.jsonl.zst")]
    recording: PathBuf,
}

/// Sequence numbers begin here, so that they all have as many digits and can be rewritten in place.
const FIRST_SEQUENCE: u64 = 100_000_000;
/// Reports under way at most. More than any queue on the way holds would be dropped, and a program
/// that drops most of what it reads looks fast or slow for no good reason.
const UNDER_WAY: u64 = 500;
/// Different reports of each node that are sent in turn.
const REPORTS_OF_A_NODE: u64 = 8;

struct Subject {
    name: &'static str,
    /// Which topic its subscribers listen to.
    topic: &'static [u8],
    pid: u32,
    reports: SocketAddr,
    stream: SocketAddr,
    _running: Running,
}

enum Running {
    Ours(#[expect(dead_code, reason = "held until it is dropped")] Masternode),
    Script(Child),
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Running::Script(child) = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn script(options: &Options, name: &'static str, file: &str, topic: &'static [u8]) -> io::Result<Subject> {
    let (reports, stream) = (program::free()?, program::free()?);
    let child = Command::new(&options.python)
        .args([file, &reports.port().to_string(), &stream.port().to_string()])
        .stdin(Stdio::null())
        .spawn()?;
    let pid = child.id();
    let running = Running::Script(child);
    program::listening(reports)?;
    program::listening(stream)?;
    Ok(Subject { name, topic, pid, reports, stream, _running: running })
}

fn subjects(options: &Options) -> [Box<dyn Fn() -> io::Result<Subject> + '_>; 3] {
    [
        Box::new(|| {
            let masternode = Masternode::start(&options.program, &["--history", "off"])?;
            Ok(Subject {
                name: "chasar masternode",
                topic: b"Chasar-Client",
                pid: masternode.pid(),
                reports: masternode.reports,
                stream: masternode.stream,
                _running: Running::Ours(masternode),
            })
        }),
        Box::new(|| script(options, "bare libzmq proxy", "bench/peers/proxy.py", b"status")),
        Box::new(|| {
            script(options, "masternode of 2016", "bench/peers/masternode_2016.py", b"Chasar-Client")
        }),
    ]
}

struct Measured {
    /// Reports a second that came out at the subscriber.
    rate: f64,
    /// Processor time of the subject for each of them, microseconds.
    cost: f64,
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    let recording = Recording::read(&options.recording)?;
    let subjects = subjects(&options);
    let mut all: Vec<(&str, Vec<Measured>)> = Vec::new();
    for _ in 0..options.rounds {
        for (i, start) in subjects.iter().enumerate() {
            let subject = start()?;
            let measured = measure(&subject, &options, &recording)?;
            if all.len() <= i {
                all.push((subject.name, Vec::new()));
            }
            all[i].1.push(measured);
        }
    }
    let median = |values: &[Measured], of: fn(&Measured) -> f64| {
        let mut values: Vec<f64> = values.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let ours = (median(&all[0].1, |m| m.rate), median(&all[0].1, |m| m.cost));
    for (name, measured) in &all {
        let (rate, cost) = (median(measured, |m| m.rate), median(measured, |m| m.cost));
        println!(
            "{name:20} {rate:9.0} reports/s (ours is {:5.2} ×)   {cost:6.1} µs of processor a report (ours is {:4.2} ×)",
            ours.0 / rate,
            ours.1 / cost,
        );
    }
    Ok(())
}

fn measure(subject: &Subject, options: &Options, recording: &Recording) -> io::Result<Measured> {
    let (stop, received) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut subscriber = Subscriber::connect(subject.stream, subject.topic)?;
    let listener = {
        let (stop, received) = (Arc::clone(&stop), Arc::clone(&received));
        thread::spawn(move || -> io::Result<()> {
            while !stop.load(Ordering::Relaxed) {
                if subscriber.receive()?.is_some() {
                    received.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(())
        })
    };
    let nodes =
        (0..options.nodes).map(|_| Publisher::connect(subject.reports)).collect::<io::Result<Vec<_>>>()?;
    let reports = (0..options.nodes).map(|node| prepare(recording, node)).collect();
    let sender = {
        let (stop, received) = (Arc::clone(&stop), Arc::clone(&received));
        thread::spawn(move || send(nodes, reports, &stop, &received))
    };
    thread::sleep(Duration::from_secs(1));
    let (began, count, cpu) =
        (Instant::now(), received.load(Ordering::Relaxed), meter::cpu_time(subject.pid)?);
    thread::sleep(Duration::from_secs(options.seconds));
    let (took, count, cpu) = (
        began.elapsed().as_secs_f64(),
        (received.load(Ordering::Relaxed) - count) as f64,
        meter::cpu_time(subject.pid)? - cpu,
    );
    stop.store(true, Ordering::Relaxed);
    sender.join().expect("the sender ends")?;
    listener.join().expect("the listener ends")?;
    Ok(Measured { rate: count / took, cost: cpu.as_secs_f64() * 1e6 / count.max(1.0) })
}

/// A report and where its sequence number stands.
struct Prepared {
    text: Vec<u8>,
    sequence_at: usize,
}

fn prepare(recording: &Recording, node: u64) -> Vec<Prepared> {
    (0..REPORTS_OF_A_NODE)
        .map(|i| {
            let mut text = Vec::new();
            let sequence = FIRST_SEQUENCE + i;
            recording
                .play(&Moment { node, session: "forward", sequence, now_ms: 1_700_000_000_000 }, &mut text);
            let key = b"\"sequence\":";
            let sequence_at = memchr::memmem::find(&text, key).expect("a report has a sequence") + key.len();
            Prepared { text, sequence_at }
        })
        .collect()
}

fn send(
    mut nodes: Vec<Publisher>,
    mut reports: Vec<Vec<Prepared>>,
    stop: &AtomicBool,
    received: &AtomicU64,
) -> io::Result<()> {
    let mut sent = 0;
    let mut sequences = vec![FIRST_SEQUENCE; nodes.len()];
    while !stop.load(Ordering::Relaxed) {
        let mut taken = false;
        for ((node, reports), sequence) in nodes.iter_mut().zip(&mut reports).zip(&mut sequences) {
            if sent >= received.load(Ordering::Relaxed) + UNDER_WAY {
                break;
            }
            let report = &mut reports[(*sequence % REPORTS_OF_A_NODE) as usize];
            let digits = sequence.to_string();
            report.text[report.sequence_at..][..digits.len()].copy_from_slice(digits.as_bytes());
            if node.send(b"status", &report.text)? == Sent::Taken {
                *sequence += 1;
                sent += 1;
                taken = true;
            }
        }
        if !taken {
            thread::sleep(Duration::from_micros(50));
        }
    }
    Ok(())
}
