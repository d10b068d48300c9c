//! Project tasks: `cargo xtask <task>`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool speaks on its standard streams"
)]

mod conformance;
mod dashboards;
mod dist;
mod elf;
mod fuzz;
mod peers;
mod platforms;
mod remap;
mod schema;
mod test;
#[cfg(test)]
mod tidy;

use std::path::Path;
use std::process::{Command, ExitCode};

use clap::Parser;

/// Project tasks.
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Task {
    /// Prepare the peers that tests need (Python, NodeJS, node_exporter, Prometheus) and run all tests.
    Test {
        /// Passed on to `cargo nextest run` (or `cargo test` where nextest is not installed).
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Prepare the peers that tests need, in `.cache/`, and print where they are.
    Peers,
    /// Write `docs/report.schema.json`, `docs/event.schema.json`, `docs/metrics.md` and
    /// `python/src/chasar/schema.py` from the types of `wire`.
    Schema,
    /// Build the program for every platform, and prove each build as far as this computer can.
    Platforms(platforms::Options),
    /// Make every package of this version in `target/dist/`: archive, .deb, .rpm, wheel, sums, bill of materials.
    Dist(dist::Dist),
    /// Run a folder of scripts in Prometheus's test format (`*.test`) and list what fails.
    PromqlConformance {
        /// The folder.
        folder: std::path::PathBuf,
    },
    /// Compare what Grafana dashboards (JSON) and Prometheus's rules (YAML) show with Chasar and with node_exporter and
    /// Prometheus, on this host at the same time.
    Dashboards(dashboards::Dashboards),
    /// Run fuzz targets with libFuzzer (all, or the ones named) and stop at the first finding.
    Fuzz {
        /// Names of targets; all when none is given.
        targets: Vec<String>,
        /// How long each target runs.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Begin with this seed, so that the same inputs come again; by default each run has its own.
        #[arg(long)]
        seed: Option<u32>,
    },
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Test { args } => test::run(&args),
        Task::Peers => peers::prepare().map(|peers| {
            for (name, value) in peers.environment() {
                println!("{name}={}", value.display());
            }
        }),
        Task::Schema => schema::write(),
        Task::Platforms(options) => platforms::run(&options),
        Task::Dist(args) => dist::run(&args),
        Task::PromqlConformance { folder } => conformance::run(&folder),
        Task::Dashboards(options) => dashboards::run(&options),
        Task::Fuzz { targets, seconds, seed } => fuzz::run(&targets, seconds, seed),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("xtask: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// What went wrong, as one text for people.
type Result<T> = std::result::Result<T, String>;

/// The root of the workspace.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// Runs a command to its end; an error says what was run and how it ended.
fn run(command: &mut Command) -> Result<()> {
    let line = shown(command);
    let status = command.status().map_err(|e| format!("cannot run {line}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{line}: {status}")) }
}

/// Runs a command and gives what it printed.
fn output(command: &mut Command) -> Result<String> {
    let line = shown(command);
    let out = command.output().map_err(|e| format!("cannot run {line}: {e}"))?;
    if !out.status.success() {
        return Err(format!("{line}: {}\n{}", out.status, String::from_utf8_lossy(&out.stderr)));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
