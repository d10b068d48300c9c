//! What the user typed. Nothing here touches the system; what it means is decided in `run`.

mod doctor;
mod history;
mod moment;
mod query;
mod service;
mod typed;
mod usage;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

pub(crate) use doctor::{Doctor, DoctorRole};
pub(crate) use history::{
    By, ExportFormat, History, HistoryCommand, HistoryExport, HistoryFolder, HistoryImport, HistoryPlace,
    HistorySnapshot, HistoryStats, HistoryVerify, ImportFormat,
};
pub(crate) use query::{Query, QueryFormat, Url};
pub(crate) use service::{
    HowToInstall, InstallRole, PrintService, Printed, ServiceCommand, ServiceStatus, UninstallService,
    WhichSystem,
};
pub(crate) use typed::{ClientnodeSection, LogSection, MasternodeSection, Typed};
pub(crate) use usage::one_line;

use crate::settings::value;

/// Version of this program and of the library that does the talking.
pub(crate) fn version() -> String {
    let (major, minor, patch) = chasar_link::zmq_version();
    format!("{} (libzmq {major}.{minor}.{patch})", env!("CARGO_PKG_VERSION"))
}

const EXIT_CODES: &str = "\
Exit codes:
  0    done, or stopped by Ctrl-C (SIGINT) or SIGTERM
  1    failed while running: port in use, name not found, permission missing, ...
  2    wrong arguments or wrong configuration; nothing was started
  130  ended at once by a second Ctrl-C (143: by a second SIGTERM)";

const OVERVIEW: &str = "\
A masternode runs on one server, a clientnode on each computer. Once a second each clientnode reports \
CPU, memory, disks, network and processes as JSON over ZeroMQ; whoever subscribes to the masternode \
receives the reports of all computers, live.";

const EXAMPLES: &str = "\
Examples:
  chasar demo                              try it: everything on this computer
  chasar masternode start 0.0.0.0          on the server
  chasar clientnode start server.example   on each computer
  chasar watch server.example              the fleet in the terminal
  chasar watch --json | jq .hostname       the reports as lines of JSON
  chasar query node_load1 --range 1h       a plot of the last hour
  chasar service install clientnode server.example
                                           from now on, and again after every boot
  chasar doctor                            what is wrong, and what to do";

/// A lightweight health monitor for remote computers
#[derive(Debug, Parser)]
#[command(
    name = "chasar",
    long_about = format!("A lightweight health monitor for remote computers\n\n{OVERVIEW}"),
    version = version(),
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"),
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The server: receives reports, streams them to subscribers
    #[command(arg_required_else_help = true, subcommand_required = true)]
    Masternode {
        #[command(subcommand)]
        command: MasternodeCommand,
    },
    /// The agent: reports about this computer once a second
    #[command(arg_required_else_help = true, subcommand_required = true)]
    Clientnode {
        #[command(subcommand)]
        command: ClientnodeCommand,
    },
    Watch(Watch),
    Doctor(Doctor),
    History(History),
    Query(Query),
    Demo(Demo),
    /// Run a role as a service that starts with the system and stays up
    #[command(arg_required_else_help = true, subcommand_required = true)]
    Service {
        #[command(subcommand)]
        command: ServiceCommand,
    },
    /// Check a configuration file, or print an example
    #[command(arg_required_else_help = true, subcommand_required = true)]
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    Completions(Completions),
    Man(Man),
}

/// What a masternode can do.
#[derive(Debug, Subcommand)]
pub(crate) enum MasternodeCommand {
    Start(StartMasternode),
}

/// What a clientnode can do.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientnodeCommand {
    Start(StartClientnode),
}

const FILE_PLACES: &str = "\
Every option may also be given in the environment or in a configuration file; flags go over the \
environment, the environment over the file. Without --config and CHASAR_CONFIG the file is \
$XDG_CONFIG_HOME/chasar/chasar.toml (or ~/.config/chasar/chasar.toml), else /etc/chasar/chasar.toml, \
else none. chasar config example prints one with all settings.";

/// Start the masternode; it runs until Ctrl-C or SIGTERM
#[derive(Debug, Args)]
#[command(
    after_help = "\
Examples:
  chasar masternode start                        this computer only (127.0.0.1)
  chasar masternode start 0.0.0.0                every IPv4 address
  chasar masternode start 192.0.2.1 5556         another address and port
  chasar masternode start :: --http off          every IPv6 address, no HTTP
  chasar masternode start --stream 6667          another port for subscribers
  chasar masternode start --upstream site:6666   the nodes of another masternode, too",
    after_long_help = format!("\
Examples:
  chasar masternode start                        this computer only (127.0.0.1)
  chasar masternode start 0.0.0.0                every IPv4 address
  chasar masternode start 192.0.2.1 5556         another address and port
  chasar masternode start :: --http off          every IPv6 address, no HTTP
  chasar masternode start --stream 6667          another port for subscribers
  chasar masternode start --upstream site:6666   the nodes of another masternode, too

Subscribers connect a ZeroMQ SUB socket to tcp://ADDRESS:6666 and subscribe to \"Chasar-Client\"; each \
message has two frames, the topic and a report as JSON. Reports and stream are in clear and open to whoever \
reaches the ports: bind them to a network you trust.

{FILE_PLACES}

{EXIT_CODES}")
)]
pub(crate) struct StartMasternode {
    #[command(flatten)]
    pub(crate) settings: Typed<MasternodeSection>,
    #[command(flatten)]
    pub(crate) log: Typed<LogSection>,
    #[command(flatten)]
    pub(crate) config: ConfigPath,
    #[command(flatten)]
    pub(crate) service: AsService,
}

/// Start the clientnode; it runs until Ctrl-C or SIGTERM
#[derive(Debug, Args)]
#[command(
    after_help = "\
Examples:
  chasar clientnode start                              to a masternode on this computer
  chasar clientnode start server.example               to another one
  chasar clientnode start 2001:db8::1 5556             by IPv6, another port
  chasar clientnode start server --also other:5555     to two masternodes, each gets everything
  chasar clientnode start server --interval 10         every ten seconds
  chasar clientnode start server --processes none      without the list of processes",
    after_long_help = format!("\
Examples:
  chasar clientnode start                              to a masternode on this computer
  chasar clientnode start server.example               to another one
  chasar clientnode start 2001:db8::1 5556             by IPv6, another port
  chasar clientnode start server --also other:5555     to two masternodes, each gets everything
  chasar clientnode start server --interval 10         every ten seconds
  chasar clientnode start server --processes none      without the list of processes

A masternode that is not there yet, whose name is not known yet, or that goes away, is tried again for ever; what was sampled meanwhile is \
kept (--outbox-age, --outbox-size) and sent when it is back.

{FILE_PLACES}

{EXIT_CODES}")
)]
pub(crate) struct StartClientnode {
    #[command(flatten)]
    pub(crate) settings: Typed<ClientnodeSection>,
    #[command(flatten)]
    pub(crate) log: Typed<LogSection>,
    #[command(flatten)]
    pub(crate) config: ConfigPath,
    #[command(flatten)]
    pub(crate) service: AsService,
}

/// Who started the program.
#[derive(Debug, Args)]
pub(crate) struct AsService {
    /// Speak to the service control manager of Windows, which started this process
    #[arg(long = "service", hide = true)]
    pub(crate) service: bool,
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub(crate) struct ConfigPath {
    /// Configuration file [env: CHASAR_CONFIG]
    #[arg(long = "config", value_name = "path", value_hint = clap::ValueHint::FilePath)]
    pub(crate) path: Option<PathBuf>,
}

/// Watch the fleet: a live table, or lines of JSON for pipes
#[derive(Debug, Args)]
#[command(
    after_help = WATCH_EXAMPLES,
    after_long_help = format!("{WATCH_EXAMPLES}\n\n\
Without a terminal and without --json a plain table is printed every five seconds. With --count and --for \
together, it is a failure (exit code 1) when the time is over before the count is reached.\n\n\
In the table: arrows or j k move, Enter shows details, < > sort by another column, r turns the order, \
/ filters, ? shows all keys, q ends.\n\n{EXIT_CODES}")
)]
pub(crate) struct Watch {
    /// The masternode's stream: host, host:port or [IPv6]:port
    #[arg(value_name = "address", default_value = "127.0.0.1:6666", value_parser = stream_address)]
    pub(crate) address: (String, u16),
    /// Show only nodes whose host name or id matches, with * and ?; may be repeated
    #[arg(long = "node", value_name = "glob")]
    pub(crate) nodes: Vec<String>,
    /// Print each report as one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print changes of state (joined, late, down, back, left, gap, ...) instead of reports
    #[arg(long, requires = "json")]
    pub(crate) states: bool,
    /// End after so many lines
    #[arg(long, value_name = "number", requires = "json", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// End after this time, in seconds or as 90s, 5m
    #[arg(long = "for", value_name = "seconds", value_parser = some_time)]
    pub(crate) duration: Option<Duration>,
}

const WATCH_EXAMPLES: &str = "\
Examples:
  chasar watch                                         the masternode on this computer
  chasar watch server.example --node 'web-*'           only some nodes
  chasar watch --json | jq '[.hostname, .memory.percent_used]'
  chasar watch --json --states                         who comes and goes
  chasar watch --json --count 1 --for 5                one report, within five seconds";

/// Try it: masternode, clientnode and live table on this computer, nothing left behind
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chasar demo                  until q or Ctrl-C
  chasar demo --for 10         for ten seconds

All ports are on 127.0.0.1: 5555, 6666 and 7777, or others where these are taken. Without a terminal \
a plain table is printed every five seconds.")]
pub(crate) struct Demo {
    /// End after this time, in seconds or as 90s, 5m
    #[arg(long = "for", value_name = "seconds", value_parser = some_time)]
    pub(crate) duration: Option<Duration>,
}

/// What can be done with a configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    Check(ConfigCheck),
    /// Print a commented file with every setting at its default
    #[command(after_help = "Example:\n  chasar config example > chasar.toml")]
    Example,
}

/// Print every problem of the configuration, or "ok" and the values that hold
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chasar config check                    the file that would be read, and the environment
  chasar config check chasar.toml        this file

Each problem is one line on stderr with file, line and column; the exit code is then 2. The values are \
printed as a configuration file, each with the place it is from.")]
pub(crate) struct ConfigCheck {
    /// The file; without it, the one that would be read
    #[arg(value_name = "path", value_hint = clap::ValueHint::FilePath)]
    pub(crate) path: Option<PathBuf>,
}

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chasar completions bash > /etc/bash_completion.d/chasar
  chasar completions zsh > ~/.zfunc/_chasar
  chasar completions fish > ~/.config/fish/completions/chasar.fish")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "shell")]
    pub(crate) shell: clap_complete::Shell,
}

/// Print the manual page, or write one for each command into a folder
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chasar man | man -l -
  chasar man /usr/local/share/man/man1")]
pub(crate) struct Man {
    /// The folder; it has to exist
    #[arg(value_name = "dir", value_hint = clap::ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
}

/// The whole definition, for completions and manual.
pub(crate) fn definition() -> clap::Command {
    Cli::command()
}

/// Reads what was typed.
///
/// # Errors
/// clap's, which may also be the wish for help or version.
pub(crate) fn parse() -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&definition().try_get_matches()?)
}

/// Reads a command line that somebody else typed.
///
/// # Errors
/// As [`parse`].
pub(crate) fn parse_from(argv: Vec<String>) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(argv)
}

#[cfg(test)]
impl Cli {
    /// Every setting that was typed.
    pub(crate) fn settings(self) -> std::collections::BTreeMap<String, String> {
        let (mut texts, log) = match self.command {
            Command::Masternode { command: MasternodeCommand::Start(start) } => {
                (start.settings.texts, start.log)
            }
            Command::Clientnode { command: ClientnodeCommand::Start(start) } => {
                (start.settings.texts, start.log)
            }
            other => panic!("{other:?} has no settings"),
        };
        texts.extend(log.texts);
        texts
    }
}

fn some_time(text: &str) -> Result<Duration, String> {
    value::some_time(text).map_err(|rest| format!("it {rest}"))
}

/// `host`, `host:port`, `[IPv6]:port` or a bare IPv6 address.
fn stream_address(text: &str) -> Result<(String, u16), String> {
    const PORT: u16 = 6666;
    let text = text.strip_prefix("tcp://").unwrap_or(text);
    if let Some(address) = value::host_and_port(text).filter(|(_, port)| *port != 0) {
        return Ok(address);
    }
    match value::host(text) {
        Ok(host) => Ok((host, PORT)),
        Err(_) => Err("it is not an address; give host, host:port or [IPv6]:port".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        definition().debug_assert();
    }

    #[test]
    fn addresses_of_streams() {
        for (text, host, port) in [
            ("a", "a", 6666),
            ("a:7", "a", 7),
            ("tcp://127.0.0.1:7", "127.0.0.1", 7),
            ("::1", "::1", 6666),
            ("[::1]", "::1", 6666),
            ("[::1]:7", "::1", 7),
        ] {
            assert_eq!(stream_address(text), Ok((host.to_owned(), port)), "{text}");
        }
        for text in ["", "a b", "a:0", "a:70000", "http://a"] {
            assert!(stream_address(text).is_err(), "{text}");
        }
    }
}
