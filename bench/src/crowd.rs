//! Many dashboards at once on a masternode to which a fleet reports.

use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::http_client::Client;
use crate::load::Fleet;
use crate::meter;
use crate::panels::dashboard;
use crate::program::Masternode;
use crate::query_data::Size;
use crate::recording::Recording;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What is done.
pub struct Plan<'a> {
    /// Connections that are kept open, each of one dashboard of a node of its own.
    pub connections: usize,
    /// Nodes that report once a second meanwhile.
    pub reporting: u64,
    /// For how long it is measured.
    pub seconds: u64,
    /// Between two refreshes; 0: as soon as the panel before is answered.
    pub refresh_seconds: f64,
    /// What the nodes play.
    pub reports: &'a Path,
}

/// Runs it and prints how long answers took.
///
/// A refresh is a moment at which all connections ask one panel at once, the next one of twelve each.
///
/// # Errors
/// When the masternode does not answer, or answers with an error.
pub fn run(masternode: &Masternode, size: Size, plan: &Plan<'_>) -> Outcome<()> {
    let recording = Recording::read(plan.reports)?;
    let fleet = Fleet::connect(masternode.reports, plan.reporting)?;
    let shared = fleet.shared();
    let stop = AtomicBool::new(false);
    let result = thread::scope(|scope| {
        let generator = scope.spawn(move || fleet.run(&recording, Duration::from_secs(1)));
        // The first rounds fill tables and caches; they are not measured.
        thread::sleep(Duration::from_secs(5));
        let (cpu, began) = (meter::cpu_time(masternode.pid())?, Instant::now());
        let clients: Vec<_> = (0..plan.connections)
            .map(|number| {
                let stop = &stop;
                scope.spawn(move || ask(masternode, size, plan, number, began, stop))
            })
            .collect();
        thread::sleep(Duration::from_secs(plan.seconds));
        stop.store(true, Ordering::Relaxed);
        let mut took: Vec<u64> = Vec::new();
        for client in clients {
            took.extend(client.join().map_err(|_| "a client panicked")??);
        }
        let seconds = began.elapsed().as_secs_f64();
        let cpu = (meter::cpu_time(masternode.pid())? - cpu).as_secs_f64() / seconds;
        let memory = meter::memory(masternode.pid())?;
        shared.stop.store(true, Ordering::Relaxed);
        generator.join().map_err(|_| "the generator panicked")??;
        let how = if plan.refresh_seconds > 0.0 {
            format!("all at once every {} s", plan.refresh_seconds)
        } else {
            "each as soon as it is answered".into()
        };
        println!("{} connections, {how}, while {} nodes report", plan.connections, plan.reporting);
        let mut at = |share| meter::percentile(&mut took, share) as f64 / 1e6;
        let (p50, p95, p99, max) = (at(0.5), at(0.95), at(0.99), at(1.0));
        println!(
            "{} queries, {:.0} a second: p50 {p50:.1} ms, p95 {p95:.1} ms, p99 {p99:.1} ms, longest {max:.1} ms",
            took.len(),
            took.len() as f64 / seconds
        );
        println!(
            "masternode: {cpu:.2} cores, {:.0} MiB resident at most; {} reports sent, {} dropped",
            meter::mib(memory.peak),
            shared.sent.load(Ordering::Relaxed),
            shared.dropped.load(Ordering::Relaxed)
        );
        Ok(())
    });
    shared.stop.store(true, Ordering::Relaxed);
    result
}

/// One connection: nanoseconds that each answer took.
fn ask(
    masternode: &Masternode,
    size: Size,
    plan: &Plan<'_>,
    number: usize,
    began: Instant,
    stop: &AtomicBool,
) -> Outcome<Vec<u64>> {
    let instance = format!("node-{:05}", number as u64 % size.nodes.max(1));
    let panels = dashboard(&instance, size.seconds);
    let mut client = Client::connect(masternode.http)?;
    let mut took = Vec::new();
    for round in 0.. {
        if plan.refresh_seconds > 0.0 {
            let due = Duration::from_secs_f64(plan.refresh_seconds * (f64::from(round) + 0.5));
            while let Some(early) = due.checked_sub(began.elapsed()) {
                if stop.load(Ordering::Relaxed) {
                    return Ok(took);
                }
                thread::sleep(early.min(Duration::from_millis(100)));
            }
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let panel = &panels[(round as usize + number) % panels.len()];
        let asked = Instant::now();
        let answer = client.get(&panel.path(size.end_ms))?;
        took.push(u64::try_from(asked.elapsed().as_nanos())?);
        let found = crate::answer::read(&answer.body).map_err(|e| format!("{}: {e}", panel.query))?;
        if found.points == 0 {
            return Err(format!("{}: nothing was found", panel.query).into());
        }
    }
    Ok(took)
}
