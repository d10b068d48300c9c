//! What the commands do.

mod clientnode;
mod config;
mod demo;
mod doctor;
mod history;
mod manual;
mod masternode;
mod query;
mod service;
mod state_dir;
mod watch;

use crate::args::{ClientnodeCommand, Command, ConfigCommand, MasternodeCommand};
use crate::exit::Failure;

/// Does what was asked for.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Masternode { command: MasternodeCommand::Start(args) } => masternode::start(args),
        Command::Clientnode { command: ClientnodeCommand::Start(args) } => clientnode::start(args),
        Command::Config { command: ConfigCommand::Check(args) } => config::check(&args),
        Command::Config { command: ConfigCommand::Example } => config::example(),
        Command::Completions(args) => manual::completions(args.shell),
        Command::Man(args) => manual::pages(args.dir.as_deref()),
        Command::Watch(args) => watch::watch(args),
        Command::Service { command } => service::run(command),
        Command::Doctor(args) => doctor::doctor(args),
        Command::History(args) => history::run(args.command),
        Command::Query(args) => query::query(&args),
        Command::Demo(args) => demo::demo(&args),
    }
}

/// Runs a role: under the service control manager of Windows, if that started this process.
#[cfg(windows)]
fn service_or_not(
    service: bool,
    role: &'static str,
    work: impl FnOnce() -> Result<(), Failure> + Send + 'static,
) -> Result<(), Failure> {
    if service { crate::windows::service::run(role, work) } else { work() }
}

#[cfg(not(windows))]
fn service_or_not(
    service: bool,
    _: &'static str,
    work: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    if service {
        return Err(Failure::wrong(
            "--service is for Windows; here the program runs as it is under any service manager",
        ));
    }
    work()
}
