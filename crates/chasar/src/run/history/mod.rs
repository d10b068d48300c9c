//! `chasar history`: what can be done with a folder of history, beside the masternode or without it.

mod folder;
mod progress;
mod show;
mod stats;
mod verify;

use crate::args::HistoryCommand;
use crate::exit::Failure;

/// Does what was asked for.
pub(crate) fn run(command: HistoryCommand) -> Result<(), Failure> {
    match command {
        HistoryCommand::Stats(args) => stats::stats(&args),
        HistoryCommand::Verify(args) => verify::verify(&args),
    }
}
