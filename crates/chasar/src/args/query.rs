//! `chasar query` as it is typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::moment::{Moment, moment};
use crate::settings::value;

/// Where a masternode answers by default.
const PORT: u16 = 7777;

/// Ask history in PromQL: a table, a plot, JSON or CSV
#[derive(Debug, Args)]
#[command(
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n\
Without a range the answer is of one moment: now, or --at. With --range, or --from and --to, it is of many, --step \
apart. A masternode that runs is asked over HTTP, as is every other server that has Prometheus' API; --folder reads \
the folder of history itself, with a masternode or without.\n\n\
In a terminal one moment is shown as a table, a range as a plot that fits the terminal (or COLUMNS and LINES; \
NO_COLOR is respected, then letters tell the lines apart); into a pipe or file a range goes as CSV. In tables and \
plots numbers are rounded and times are UTC; JSON (Prometheus' data object) and CSV have every digit. CSV has the \
columns time_ms, value, __name__ and one for each label (label_value where that is the name of a label); a cell \
that a spreadsheet would take for a formula begins with an apostrophe. Warnings and notes go to stderr. A query that \
begins with a minus comes after --, as the last word.\n\n\
Exit codes:\n  0    answered; also with nothing found, which a note on stderr says\n  1    failed: nobody answers, too \
much was asked for, ...\n  2    wrong arguments, or a query that cannot be read; the place is shown")
)]
pub(crate) struct Query {
    /// The query, in PromQL
    #[arg(value_name = "query")]
    pub(crate) text: String,
    /// The moment: 2026-11-23T10:00:00Z, seconds since 1970, or as -2h how long ago [default: now]
    #[arg(long, value_name = "time", value_parser = moment, allow_hyphen_values = true, conflicts_with_all = ["from", "to"])]
    pub(crate) at: Option<Moment>,
    /// So much time up to the end, such as 15m, 1h30m, 7d
    #[arg(long, value_name = "duration", value_parser = length)]
    pub(crate) range: Option<Duration>,
    /// Begin of the range, as --at
    #[arg(long, value_name = "time", value_parser = moment, allow_hyphen_values = true)]
    pub(crate) from: Option<Moment>,
    /// End of the range, as --at [default: now]
    #[arg(long, value_name = "time", value_parser = moment, allow_hyphen_values = true)]
    pub(crate) to: Option<Moment>,
    /// Time between two values of a range [default: what a plot can show]
    #[arg(long, value_name = "duration", value_parser = length)]
    pub(crate) step: Option<Duration>,
    /// What is printed [default: plot or table in a terminal, else table or csv]
    #[arg(long, value_name = "format")]
    pub(crate) format: Option<QueryFormat>,
    /// The masternode: host, host:port or http://host:port
    #[arg(long, value_name = "url", default_value = "http://127.0.0.1:7777", value_parser = url, conflicts_with = "folder")]
    pub(crate) url: Url,
    /// File with the token that the masternode wants
    #[arg(long, value_name = "path", value_hint = clap::ValueHint::FilePath, conflicts_with = "folder")]
    pub(crate) token_file: Option<PathBuf>,
    /// Read a folder of history instead; without a name, that of the masternode as it is configured
    #[arg(long, value_name = "path", num_args = 0..=1, value_hint = clap::ValueHint::DirPath)]
    pub(crate) folder: Option<Option<PathBuf>>,
    /// Configuration file that names the folder [env: CHASAR_CONFIG]
    #[arg(long, value_name = "path", value_hint = clap::ValueHint::FilePath, requires = "folder")]
    pub(crate) config: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  chasar query up                                      who reports
  chasar query 'topk(5, node_load1)'                   the busiest
  chasar query node_load1 --range 1h                   a plot of the last hour
  chasar query 'sum(rate(node_network_receive_bytes_total[1m]))' --range 1d --step 5m
  chasar query node_load1 --at 2026-11-23T10:00:00Z --format json
  chasar query node_load1 --from -2d --to -1d --format csv > load.csv
  chasar query up --url http://server.example:7777 --token-file token
  chasar query 'count(up)' --folder /backup/today      without a masternode";

/// What is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum QueryFormat {
    /// Columns of the labels that differ
    Table,
    /// A plot, of a range
    Plot,
    /// Prometheus' data object, in one line
    Json,
    /// A line for each value, a column for each label
    Csv,
}

/// Where HTTP is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// A name or an address, the latter without brackets.
    pub(crate) host: String,
    /// The TCP port.
    pub(crate) port: u16,
    /// What comes before `/api`; empty, or begins with a slash and does not end in one.
    pub(crate) prefix: String,
}

/// `host`, `host:port`, `http://host:port/prefix`.
fn url(text: &str) -> Result<Url, String> {
    if text.starts_with("https://") {
        return Err("https is not spoken here; give http://host:port, through a tunnel if need be".to_owned());
    }
    let wrong = || "it is no address; give host, host:port or http://host:port".to_owned();
    let text = text.strip_prefix("http://").unwrap_or(text);
    let (authority, prefix) = text.split_at(text.find('/').unwrap_or(text.len()));
    let prefix = prefix.trim_end_matches('/');
    if !prefix.bytes().all(|b| b.is_ascii_graphic() && !b"?#".contains(&b)) {
        return Err(wrong());
    }
    let (host, port) = match value::host_and_port(authority).filter(|(_, port)| *port != 0) {
        Some(found) => found,
        None => (value::host(authority).map_err(|_| wrong())?, PORT),
    };
    Ok(Url { host, port, prefix: prefix.to_owned() })
}

/// A length of time as PromQL writes it (`1h30m`, `2w`), or seconds.
fn length(text: &str) -> Result<Duration, String> {
    let wrong = || "it is no length of time; give seconds, or units as in 90s, 15m, 1h30m, 7d, 2w".to_owned();
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() || text.is_empty() {
        let unit = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let end = rest[unit..].find(|c: char| !c.is_ascii_alphabetic()).map_or(rest.len(), |n| unit + n);
        let part = match rest[..end].strip_suffix('w') {
            Some(weeks) => value::duration(&format!("{weeks}d")).map(|d| d * 7),
            None => value::duration(&rest[..end]),
        };
        total = total.checked_add(part.map_err(|_| wrong())?).ok_or_else(wrong)?;
        // Seconds without a unit stand alone.
        if unit == rest.len() && unit != text.len() {
            return Err(wrong());
        }
        rest = &rest[end..];
    }
    if total < Duration::from_millis(1) {
        return Err("it is too short; give 1ms or more".to_owned());
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (text, ms) in [
            ("15", 15_000),
            ("0.5", 500),
            ("90s", 90_000),
            ("1h30m", 5_400_000),
            ("2w", 1_209_600_000),
            ("250ms", 250),
        ] {
            assert_eq!(length(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "h", "1h30", "30 1h", "-1h", "0s", "1y", "1é", "é", "nan", "1000000d", "90000000w"]
        {
            assert!(length(text).is_err(), "{text}");
        }
    }

    #[test]
    fn urls() {
        for (text, host, port, prefix) in [
            ("a", "a", 7777, ""),
            ("a:9090/prom/", "a", 9090, "/prom"),
            ("http://127.0.0.1:7777", "127.0.0.1", 7777, ""),
            ("http://[::1]:7/", "::1", 7, ""),
            ("::1", "::1", 7777, ""),
        ] {
            assert_eq!(url(text), Ok(Url { host: host.into(), port, prefix: prefix.into() }), "{text}");
        }
        for text in ["", "https://a", "ftp://a", "a:0", "a:99999", "a b", "a/b c", "a/?x", "a/\r\nX: y"] {
            assert!(url(text).is_err(), "{text}");
        }
    }
}
