//! `chasar history`: what can be done with a folder of history, beside the masternode or without it.

mod export;
pub(super) mod folder;
mod import;
mod intake;
mod progress;
pub(super) mod show;
mod snapshot;
mod stats;
pub(super) mod text;
mod verify;

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use chasar_top::text::clean;

use crate::args::HistoryCommand;
use crate::exit::Failure;

/// Does what was asked for.
pub(crate) fn run(command: HistoryCommand) -> Result<(), Failure> {
    match command {
        HistoryCommand::Stats(args) => stats::stats(&args),
        HistoryCommand::Verify(args) => verify::verify(&args),
        HistoryCommand::Export(args) => export::export(&args),
        HistoryCommand::Import(args) => import::import(&args),
        HistoryCommand::Snapshot(args) => snapshot::snapshot(&args),
    }
}

/// The time of day, Unix milliseconds.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Says something on stderr that is no failure.
pub(super) fn note(text: impl std::fmt::Display) {
    // When nobody hears it, nothing is lost.
    let _ = writeln!(std::io::stderr(), "{}", clean(&text.to_string()));
}
