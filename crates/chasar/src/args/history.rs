//! `chasar history` as it is typed.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::moment::{Moment, moment};

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
  chasar history snapshot /backup/today      a backup, while the masternode runs
  chasar history export --match up > up.txt  samples as OpenMetrics text
  chasar history import up.txt               and back";

/// What can be done with history.
#[derive(Debug, Subcommand)]
pub(crate) enum HistoryCommand {
    Stats(HistoryStats),
    Verify(HistoryVerify),
    Export(HistoryExport),
    Import(HistoryImport),
    Snapshot(HistorySnapshot),
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

/// Write samples as text, with their times
#[derive(Debug, Args)]
#[command(
    after_help = EXPORT_EXAMPLES,
    after_long_help = format!("{EXPORT_EXAMPLES}\n\n\
Series of one name follow each other, so that whoever reads needs no memory for them; the same holds for this \
command. OpenMetrics has types, units and help for what a clientnode reports, and times in seconds. A counter whose \
name does not end in _total is of type unknown there, as the format wants. jsonl has a line for each series: \
{{\"metric\": labels, \"values\": [...], \"timestamps\": [ms, ...]}}, NaN as null and infinities as texts. csv has the \
columns time_ms, value, __name__ and one for each label (label_value where that is the name of a label); a cell that a spreadsheet would take for a formula begins with an apostrophe.\n\n\
What no text can say is left out and counted on stderr: marks that a series ends (stale markers), and series \
without a name. Only raw samples are exported, no rollups.\n\n\
Exit codes:\n  0    done\n  1    something is damaged and left out, or cannot be read or written\n  2    wrong \
arguments or wrong configuration")
)]
pub(crate) struct HistoryExport {
    #[command(flatten)]
    pub(crate) place: HistoryPlace,
    /// Only series that a PromQL selector chooses; may be repeated, a series of any of them is written
    #[arg(long = "match", value_name = "selector")]
    pub(crate) selectors: Vec<String>,
    /// From this time on: 2026-11-23T10:00:00Z, seconds since 1970, or as -2h how long ago
    #[arg(long, value_name = "time", value_parser = moment, allow_hyphen_values = true)]
    pub(crate) from: Option<Moment>,
    /// Up to and with this time
    #[arg(long, value_name = "time", value_parser = moment, allow_hyphen_values = true)]
    pub(crate) to: Option<Moment>,
    /// What is written
    #[arg(long, value_name = "format", default_value = "openmetrics")]
    pub(crate) format: ExportFormat,
    /// File to write, compressed when it ends in .zst; without it, stdout
    #[arg(long, short, value_name = "path", value_hint = clap::ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
}

const EXPORT_EXAMPLES: &str = "\
Examples:
  chasar history export --from -1h --match node_load1
  chasar history export --match '{instance=\"web\"}' --output web.txt.zst
  chasar history export --match 'up' --match 'node_load1' --format csv
  chasar history export --from 2026-11-01T00:00:00Z --to 2026-11-02T00:00:00Z -o day.txt
  promtool tsdb create-blocks-from openmetrics day.txt data    into a Prometheus";

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// OpenMetrics 1.0
    Openmetrics,
    /// A line for each sample, a column for each label
    Csv,
    /// A line of JSON for each series
    Jsonl,
}

/// Read samples from text into history; the masternode has to be stopped
#[derive(Debug, Args)]
#[command(
    after_help = IMPORT_EXAMPLES,
    after_long_help = format!("{IMPORT_EXAMPLES}\n\n\
An import cannot be undone: try --dry-run, and make a snapshot before. A file is read twice, first to check all of \
it: as long as one line is wrong, nothing is written. What comes from a pipe is written as it comes, up to the first \
wrong line. With --keep-going wrong lines are left out and counted.\n\n\
Each sample needs a time: what a /metrics page shows has none, and is no history. Samples that are there already \
(same series, same time) are not written again, so an import can be repeated. Samples older than \
raw samples are kept (setting masternode.history_raw) are left out and counted. Exemplars are ignored.\n\n\
Exit codes:\n  0    done\n  1    a line is wrong, or something cannot be read or written\n  2    wrong arguments or \
wrong configuration")
)]
pub(crate) struct HistoryImport {
    /// Text to read, also compressed with zstd; - is stdin
    #[arg(value_name = "file", value_hint = clap::ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) folder: HistoryFolder,
    /// What the text is
    #[arg(long, value_name = "format", default_value = "openmetrics")]
    pub(crate) format: ImportFormat,
    /// A label for all samples that do not have it, such as instance=web; may be repeated
    #[arg(long = "label", value_name = "name=value", value_parser = label)]
    pub(crate) labels: Vec<(String, String)>,
    /// Leave out lines that are wrong, and count them
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Read and check only; nothing is written
    #[arg(long)]
    pub(crate) dry_run: bool,
}

const IMPORT_EXAMPLES: &str = "\
Examples:
  chasar history import day.txt --dry-run        check, write nothing
  chasar history snapshot /backup/before         the way back
  chasar history import day.txt                  into the history of this masternode
  chasar history import day.txt --folder /tmp/h  into another folder
  zcat old.txt.gz | chasar history import - --label instance=web";

/// What the text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportFormat {
    /// OpenMetrics: times in seconds, # EOF at the end
    Openmetrics,
    /// Prometheus' text format 0.0.4: times in milliseconds
    Prometheus,
}

/// Copy history into a new folder for a backup, while the masternode runs
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chasar history snapshot /backup/today
  chasar history snapshot /backup/today --folder /srv/history
  chasar history verify /backup/today                  is it whole?
  chasar history stats /backup/today                   what is in it?

It has every sample that was acknowledged before. Segments, which never change, are hard links where that is \
possible, so that a snapshot on the same file system takes little room and a moment; elsewhere they are copied. To \
go back to it, stop the masternode and put the folder in the place of its history.")]
pub(crate) struct HistorySnapshot {
    /// The new folder; it must not exist, or be empty
    #[arg(value_name = "dir", value_hint = clap::ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) folder: HistoryFolder,
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("it is no label; give name=value".to_owned()),
    }
}

fn top(text: &str) -> Result<usize, String> {
    if text == "all" {
        return Ok(usize::MAX);
    }
    text.parse().map_err(|_| "it is not a number of lines; give a number, or all".to_owned())
}
