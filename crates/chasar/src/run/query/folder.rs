//! A query over a folder of history, read here.

use std::path::Path;

use chasar_masternode::StoreSource;
use chasar_query::{Error, Options, Query};

use super::{Found, Times, placed};
use crate::exit::Failure;
use crate::run::history::folder;

/// Reads and answers.
///
/// # Errors
/// When the folder cannot be read, or the query fails on what is in it.
pub(super) fn ask(path: &Path, query: &Query, times: Times, now_ms: i64) -> Result<Found, Failure> {
    let (store, opening) = folder::open(path)?;
    let source = StoreSource::new(&store, None);
    let options = Options::default();
    let output = match times {
        Times::Now => query.instant(&source, now_ms, &options),
        Times::At(ms) => query.instant(&source, ms, &options),
        Times::Range { from_ms, to_ms, step_ms } => query.range(&source, from_ms, to_ms, step_ms, &options),
    };
    let output = output.map_err(|error: Error| placed(query.text(), &error, Failure::new(&error)))?;
    let mut warnings: Vec<String> = opening.damaged.iter().map(ToString::to_string).collect();
    warnings.extend(output.warnings);
    Ok(Found { value: output.value, warnings, infos: output.infos })
}
