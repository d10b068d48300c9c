//! Where a program runs: on this host, or in a network namespace.

use std::ffi::OsStr;
use std::process::Command;
use std::sync::Arc;

use crate::Namespace;

/// Where a program runs.
#[derive(Clone, Debug)]
pub enum Place {
    /// In the network of the tests themselves.
    Host,
    /// In a network namespace.
    Inside(Arc<Namespace>),
}

impl Place {
    /// A command that will run here.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        match self {
            Place::Host => Command::new(program),
            Place::Inside(namespace) => namespace.command(program),
        }
    }
}
