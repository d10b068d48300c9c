//! What one sample of this computer costs: processor time, allocations, system calls, bytes.
//!
//! `cargo run --release -p chasar-bench --bin probe-cost -- --processes 400 --seconds 30`
//!
//! "floor" is to ask nothing but the processor clock of every process, each second. "1 Hz" is what a clientnode pays (cold caches, the wake-up); "tight" is back to back. Times of
//! single probes are by the wall clock, the totals are processor time.
#![allow(clippy::print_stdout, reason = "a benchmark speaks on its standard output")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use chasar_bench::meter::{self, mib, percentile};
use chasar_probes::linux::sys;
use chasar_probes::{Config, Host, Now, ProcessList, Sampler};
use chasar_wire::pack::Packer;
use chasar_wire::{Report, encode};
use clap::Parser;

/// What one sample of this computer costs.
#[derive(Parser)]
struct Options {
    /// Sleeping processes to add to those of the computer.
    #[arg(long, default_value_t = 400)]
    processes: usize,
    /// How long to sample at 1 Hz.
    #[arg(long, default_value_t = 30)]
    seconds: usize,
    /// Samples back to back.
    #[arg(long, default_value_t = 500)]
    tight: usize,
    /// List all processes, not the busiest.
    #[arg(long)]
    all: bool,
    /// Print the last report.
    #[arg(long)]
    print: bool,
}

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of this same function.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of this same function.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of this same function.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// A child that ends with the benchmark.
struct Sleeper(Child);

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    let sleeper = |_| {
        let child = Command::new("sleep").arg("86400").stdin(Stdio::null()).spawn();
        child.map(Sleeper)
    };
    let sleepers = (0..options.processes).map(sleeper).collect::<io::Result<Vec<_>>>()?;
    let start = Instant::now();
    let now = move || {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Now { unix_micros: unix.as_micros() as i64, monotonic: start.elapsed() }
    };
    let processes = if options.all { ProcessList::All } else { ProcessList::default() };
    let config =
        Config { host: Arc::new(Host::live()), monotonic: Arc::new(move || start.elapsed()), processes };
    let mut sampler = Sampler::new(config, &now());
    let mut report = Report::default();
    for _ in 0..200 {
        sampler.sample(&now(), &mut report);
    }
    println!("{} processes", report.processes.as_ref().map_or(0, |p| p.total));
    let mut sample = || sampler.sample(&now(), &mut report);
    let tight = Cost::of(options.tight, &mut sample, || ());
    println!("{:>8}: {tight}", "tight");
    // Below this nobody gets who wants the processor time of every process.
    let pids: Vec<u32> = std::fs::read_dir("/proc")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    let mut due = Instant::now();
    let mut each_second = || {
        due += Duration::from_secs(1);
        thread::sleep(due.saturating_duration_since(Instant::now()));
    };
    let mut floor = || pids.iter().for_each(|pid| _ = sys::process_cpu_nanos(*pid));
    let floor = Cost::of(options.seconds, &mut floor, &mut each_second);
    println!("{:>8}: {floor}", "floor");
    let whole = meter::cpu_time(std::process::id())?;
    let began = Instant::now();
    let mut durations: Vec<(String, Vec<u64>)> = Vec::new();
    let mut sample = || {
        sampler.sample(&now(), &mut report);
        for (i, (name, status)) in report.probes.0.iter().enumerate() {
            if durations.len() == i {
                durations.push((name.to_string(), Vec::with_capacity(options.seconds)));
            }
            durations[i].1.push((status.duration_seconds * 1e6).round() as u64);
        }
    };
    // The first sample makes the room that is counted as allocations otherwise.
    sample();
    let slow = Cost::of(options.seconds, &mut sample, &mut each_second);
    println!("{:>8}: {slow}; {:.1} × floor", "1 Hz", slow.mean_micros / floor.mean_micros);
    let whole = meter::cpu_time(std::process::id())? - whole;
    let share = whole.as_secs_f64() / began.elapsed().as_secs_f64() * 100.0;
    println!("whole program at 1 Hz, slow sources and wake-ups included: {share:.3} % of a core");
    for (name, times) in &mut durations {
        println!(
            "{name:>14}: {:5} µs median, {:5} µs at most",
            percentile(times, 0.5),
            percentile(times, 1.0)
        );
    }
    let mut json = Vec::new();
    encode(&report, &mut json);
    let mut packed = Vec::new();
    Packer::new().pack(&json, &mut packed);
    println!("report: {} bytes, packed {}", json.len(), packed.len());
    let memory = meter::memory(std::process::id())?;
    println!("memory: PSS {:.2} MiB, RSS {:.2} MiB", mib(memory.pss), mib(memory.rss));
    if options.print {
        println!("{}", String::from_utf8_lossy(&json));
    }
    drop(sleepers);
    Ok(())
}

/// What a row of samples cost.
struct Cost {
    mean_micros: f64,
    median_micros: f64,
    allocations: f64,
    calls: f64,
}

impl Cost {
    fn of(samples: usize, sample: &mut impl FnMut(), mut wait: impl FnMut()) -> Cost {
        let mut times = Vec::with_capacity(samples);
        let (mut allocations, mut calls) = (0, 0);
        for _ in 0..samples {
            wait();
            let before = (ALLOCATIONS.load(Ordering::Relaxed), sys::calls(), thread_cpu());
            sample();
            times.push((thread_cpu() - before.2).as_nanos() as u64);
            calls += sys::calls() - before.1;
            allocations += ALLOCATIONS.load(Ordering::Relaxed) - before.0;
        }
        let n = samples as f64;
        Cost {
            mean_micros: times.iter().sum::<u64>() as f64 / n / 1e3,
            median_micros: percentile(&mut times, 0.5) as f64 / 1e3,
            allocations: allocations as f64 / n,
            calls: calls as f64 / n,
        }
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:.0} µs of processor a sample (median {:.0}) = {:.3} % of a core at 1 Hz, {:.2} allocations, {:.0} system calls",
            self.mean_micros,
            self.median_micros,
            self.mean_micros / 1e4,
            self.allocations,
            self.calls,
        )
    }
}

/// Processor time of this thread.
fn thread_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result, and the clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
