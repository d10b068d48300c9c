//! Threads that end the process when they panic, and say when they are done.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};

use crossbeam_channel::Sender;

use crate::error::{StartError, WorkerError};

/// How a worker ended.
pub(crate) type Ended = (&'static str, Result<(), WorkerError>);

/// Starts `run` on a thread of its own.
///
/// A panic is a bug, and nobody knows what is left undone: the process aborts, so that a supervisor
/// starts a whole one. The panic's message and place were printed by then.
pub(crate) fn spawn(
    part: &'static str,
    ended: Sender<Ended>,
    run: impl FnOnce() -> Result<(), String> + Send + 'static,
) -> Result<JoinHandle<()>, StartError> {
    thread::Builder::new()
        .name(part.into())
        .spawn(move || {
            let Ok(result) = catch_unwind(AssertUnwindSafe(run)) else {
                tracing::error!("the {part} panicked: this is a bug; the masternode ends");
                std::process::abort();
            };
            if let Err(cause) = &result {
                tracing::error!("the {part} stopped: {cause}");
            }
            let result = result.map_err(|cause| WorkerError { part, cause });
            // Nobody listens any more when the masternode was dropped without being stopped.
            let _ = ended.send((part, result));
        })
        .map_err(|cause| StartError::System { what: part, cause })
}
