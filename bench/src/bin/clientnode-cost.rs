//! What a clientnode costs its computer at 1 Hz, beside a psutil loop that does the job of 2016 and
//! node_exporter scraped each second, all at the same time on the same processes.
//!
//! `cargo run --release -p chasar-bench --bin clientnode-cost -- --processes 400 --seconds 60`
#![allow(clippy::print_stdout, reason = "a benchmark speaks on its standard output")]

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chasar_bench::meter::{self, mib};
use chasar_bench::program::{self, Masternode};
use clap::Parser;

/// What a clientnode costs its computer, beside its peers.
#[derive(Parser)]
struct Options {
    /// Processes in all, most of them asleep.
    #[arg(long, default_value_t = 400)]
    processes: usize,
    /// Measure among the processes of this computer, too, not in a process namespace of its own.
    #[arg(long)]
    on_host: bool,
    /// How long to measure.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Print memory and processor share of the clientnode at this interval, too: to see that it stays flat.
    #[arg(long)]
    every: Option<u64>,
    /// Measure the clientnode alone.
    #[arg(long)]
    alone: bool,
    /// The program to measure.
    #[arg(long, default_value = "target/release/chasar")]
    program: PathBuf,
    /// Python with pyzmq and psutil.
    #[arg(long, default_value = ".cache/venv/bin/python")]
    python: PathBuf,
    /// node_exporter.
    #[arg(long, default_value = "prometheus-node-exporter")]
    node_exporter: OsString,
}

/// A child that ends with the benchmark.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> io::Result<Running> {
        let name = command.get_program().to_owned();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        child.map(Running).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", name.display())))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs this program again in a process namespace of its own, where nobody else's processes count.
fn in_own_namespace() -> io::Result<ExitCode> {
    let status = Command::new("unshare")
        .args(["--fork", "--pid", "--mount-proc", "--kill-child", "--"])
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .arg("--on-host")
        .status()?;
    Ok(status.code().map_or(ExitCode::FAILURE, |code| ExitCode::from(code as u8)))
}

fn main() -> io::Result<ExitCode> {
    let options = Options::parse();
    if !options.on_host {
        return in_own_namespace();
    }
    measure(&options)?;
    Ok(ExitCode::SUCCESS)
}

fn measure(options: &Options) -> io::Result<()> {
    let masternode = Masternode::start(&options.program, &["--history", "off"])?;
    let state = tempfile::tempdir()?;
    let port = masternode.reports.port().to_string();
    let clientnode = Running::start(
        Command::new(&options.program)
            .args(["clientnode", "start", "127.0.0.1", &port, "--state-dir"])
            .arg(state.path()),
    )?;
    let mut measured = vec![("chasar clientnode", clientnode)];
    let stop = Arc::new(AtomicBool::new(false));
    let mut scraper = None;
    if !options.alone {
        measured.push((
            "psutil loop of 2016",
            Running::start(Command::new(&options.python).args([
                "bench/peers/node_2016.py",
                "127.0.0.1",
                &port,
            ]))?,
        ));
        let address = program::free()?;
        let exporter = Running::start(
            Command::new(&options.node_exporter).arg(format!("--web.listen-address={address}")),
        )?;
        program::listening(address)?;
        let stop = Arc::clone(&stop);
        scraper = Some(thread::spawn(move || scrape_each_second(address, &stop)));
        measured.push(("node_exporter, scraped", exporter));
    }

    let there = processes()?;
    let sleepers = (there..options.processes)
        .map(|_| Running::start(Command::new("sleep").arg("86400")))
        .collect::<io::Result<Vec<_>>>()?;

    thread::sleep(Duration::from_secs(3));
    let cpu = |running: &Running| meter::cpu_time(running.0.id());
    let before = measured.iter().map(|(_, r)| cpu(r)).collect::<io::Result<Vec<_>>>()?;
    let began = Instant::now();
    let mut last = (Duration::ZERO, before[0]);
    println!("{} processes", processes()?);
    while began.elapsed() < Duration::from_secs(options.seconds) {
        let rest = Duration::from_secs(options.seconds).saturating_sub(began.elapsed());
        thread::sleep(options.every.map_or(rest, |s| rest.min(Duration::from_secs(s))));
        if options.every.is_some() {
            let (at, used, memory) =
                (began.elapsed(), cpu(&measured[0].1)?, meter::memory(measured[0].1.0.id())?);
            let share = (used - last.1).as_secs_f64() / (at - last.0).as_secs_f64() * 100.0;
            println!("{:6.0} s  {share:.3} % of a core  PSS {:.2} MiB", at.as_secs_f64(), mib(memory.pss));
            last = (at, used);
        }
    }
    let took = began.elapsed().as_secs_f64();
    let mut ours = None;
    for ((name, running), before) in measured.iter().zip(before) {
        let share = (cpu(running)? - before).as_secs_f64() / took * 100.0;
        let memory = meter::memory(running.0.id())?;
        let ours = *ours.get_or_insert(share);
        println!(
            "{name:24} {share:7.3} % of a core ({:5.1} × ours)  PSS {:6.2} MiB  RSS {:6.2} MiB",
            share / ours,
            mib(memory.pss),
            mib(memory.rss),
        );
    }
    stop.store(true, Ordering::Relaxed);
    if let Some(scraper) = scraper {
        println!("node_exporter answered {} scrapes", scraper.join().expect("the scraper ends")?);
    }
    drop(sleepers);
    Ok(())
}

/// How many processes there are.
fn processes() -> io::Result<usize> {
    let numeric = |name: OsString| name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
    let mut count = 0;
    for entry in std::fs::read_dir("/proc")? {
        count += usize::from(numeric(entry?.file_name()));
    }
    Ok(count)
}

/// What a Prometheus with an interval of one second would do; the number of answers.
fn scrape_each_second(address: SocketAddr, stop: &AtomicBool) -> io::Result<u64> {
    let mut answers = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        answers += u64::from(answer.starts_with(b"HTTP/1.0 200"));
        thread::sleep(Duration::from_secs(1));
    }
    Ok(answers)
}
