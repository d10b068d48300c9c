//! `chasar history` as it is typed.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Look into, check, copy, export and import history
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n\
History lies in the folder history below the masternode's state folder. All of this works on that folder, on \
a copy of it, and without a masternode; only import writes to it, and wants the masternode stopped.")
)]
pub(crate) struct History {
    #[command(subcommand)]
    pub(crate) command: HistoryCommand,
}

const EXAMPLES: &str = "\
Examples:
  chasar history stats                       what takes how much room
  chasar history verify                      read and check every byte
  chasar history snapshot /backup/today      a backup, while the masternode runs";

/// What can be done with history.
#[derive(Debug, Subcommand)]
pub(crate) enum HistoryCommand {
    Stats(HistoryStats),
    Verify(HistoryVerify),
}

/// Where history lies.
#[derive(Debug, Args)]
pub(crate) struct HistoryFolder {
    /// Folder of history, or a copy of it; without it, that of the masternode as it is configured
    #[arg(long = "folder", value_name = "path", value_hint = clap::ValueHint::DirPath)]
    pub(crate) folder: Option<PathBuf>,
    /// Configuration file [env: CHASAR_CONFIG]
    #[arg(long = "config", value_name = "path", value_hint = clap::ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
}

/// The same where the folder can also be the only argument.
#[derive(Debug, Args)]
pub(crate) struct HistoryPlace {
    /// Folder of history, or a copy of it; without it, that of the masternode as it is configured
    #[arg(value_name = "folder", value_hint = clap::ValueHint::DirPath, conflicts_with = "folder")]
    pub(crate) place: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) named: HistoryFolder,
}

/// Show sizes, times and bytes per sample, by metric or by computer
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chasar history stats                         of this masternode
  chasar history stats /backup/history         of a copy
  chasar history stats --by instance           which computer takes how much
  chasar history stats --top 0                 totals only, at once
  chasar history stats --json | jq '.metrics[] | select(.bytes_per_sample > 2)'

Bytes per sample are those of raw samples on disk, without rollups. For the table all raw samples are read; \
samples that are in the log only are counted in total, not by metric. A line of the table is a metric's name, \
with all its labels together.")]
pub(crate) struct HistoryStats {
    #[command(flatten)]
    pub(crate) place: HistoryPlace,
    /// Lines of the table, largest first: a number, or all [default: 20; with --json: all]
    #[arg(long, value_name = "number", value_parser = top)]
    pub(crate) top: Option<usize>,
    /// What a line of the table is of
    #[arg(long, value_name = "what", default_value = "metric")]
    pub(crate) by: By,
    /// Print one object of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a line of the table is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// A metric's name
    Metric,
    /// A computer
    Instance,
}

/// Read every byte and check it; nothing is changed
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chasar history verify                    of this masternode, which may run
  chasar history verify /backup/history    of a copy
  chasar history verify --json | jq '.damaged[].file'

A record at the end of a log that is cut short is what was being written when the power failed, or is being \
written now: it was never acknowledged, and is a note, not damage. What is damaged is contained: all the rest is \
served.

Exit codes:
  0    whole
  1    something is damaged, or cannot be read
  2    wrong arguments or wrong configuration")]
pub(crate) struct HistoryVerify {
    #[command(flatten)]
    pub(crate) place: HistoryPlace,
    /// Print one object of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn top(text: &str) -> Result<usize, String> {
    if text == "all" {
        return Ok(usize::MAX);
    }
    text.parse().map_err(|_| "it is not a number of lines; give a number, or all".to_owned())
}
