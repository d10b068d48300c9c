//! Dashboards and rules that somebody has, asked of Chasar and of Prometheus with node_exporter.

use std::path::PathBuf;
use std::process::Command;

use crate::{Result, peers, root};

/// What to compare.
#[derive(clap::Args)]
pub(crate) struct Dashboards {
    /// Files, or folders of them: `*.json`, `*.yml`, `*.yaml`.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Longer ranges in queries are made this long, since both only begin to watch; the whole takes a minute more than
    /// twice that at most.
    #[arg(long, default_value_t = 15)]
    seconds: u32,
}

/// Prints how many queries gave what, file by file, and those that did not give the same; an error when values differ
/// or a query is not understood.
pub(crate) fn run(options: &Dashboards) -> Result<()> {
    let mut paths = Vec::new();
    for path in &options.paths {
        paths.push(path.canonicalize().map_err(|e| format!("{}: {e}", path.display()))?);
    }
    let paths = std::env::join_paths(paths).map_err(|e| e.to_string())?;
    let peers = peers::prepare()?;
    let cargo = || {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(root());
        cargo
    };
    crate::run(cargo().args(["build", "--quiet", "--package", "chasar"]))?;
    let test = "dashboards::dashboards_and_rules_show_what_they_show_with_node_exporter";
    let words =
        ["test", "--quiet", "--package", "chasar-e2e", "--test", "e2e", "--", "--exact", "--nocapture"];
    crate::run(
        cargo()
            .args(words)
            .arg(test)
            .envs(peers.environment())
            .env("CHASAR_TEST_BIN", root().join("target/debug/chasar"))
            .env("CHASAR_E2E_DASHBOARDS", paths)
            .env("CHASAR_E2E_DASHBOARD_SECONDS", options.seconds.to_string()),
    )
}
