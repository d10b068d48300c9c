//! One Windows computer: this one.

use std::io;
use std::path::PathBuf;

use crate::ProbeError;

/// This computer. Windows answers calls and has no files to record, so there is no other kind.
#[derive(Debug)]
pub struct Host {
    recorded: bool,
}

impl Host {
    /// This computer.
    pub fn live() -> Host {
        Host { recorded: false }
    }

    /// This computer, with slow sources read on the spot.
    #[cfg(test)]
    pub(crate) fn recorded(_: &std::path::Path) -> Host {
        Host { recorded: true }
    }

    /// Whether slow sources are read on the spot.
    pub fn is_recorded(&self) -> bool {
        self.recorded
    }
}

/// The error of a call, named.
pub(crate) fn failed(call: &'static str, source: io::Error) -> ProbeError {
    ProbeError::Io { path: PathBuf::from(call), source }
}

/// An answer that has not the form of its documentation.
pub(crate) fn form(call: &'static str, problem: &'static str) -> ProbeError {
    ProbeError::Form { path: PathBuf::from(call), problem }
}
