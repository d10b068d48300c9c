//! What can go wrong when a masternode starts, runs and stops, each with what to do.

use std::io;
use std::path::PathBuf;

/// Why a masternode cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The port for reports.
    #[error(
        "the port for reports: {0}; it is the second argument: \
         chasar masternode start <ip-address-bind> <port>"
    )]
    Reports(#[source] chasar_link::Error),
    /// The port for subscribers.
    #[error("the port for subscribers: {0}; move it with --stream <port>, or do without: --stream off")]
    Stream(#[source] chasar_link::Error),
    /// The HTTP port.
    #[error(
        "the HTTP port: cannot listen on {endpoint}: {cause}; move it with --http <port>, or do without: --http off"
    )]
    Http {
        /// Where it was to listen.
        endpoint: String,
        /// The system's words.
        #[source]
        cause: io::Error,
    },
    /// The state folder cannot be used.
    #[error(
        "the state folder: cannot {action} {path}: {cause}; choose another one with --state-dir, or make it writable for this user"
    )]
    State {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's words.
        #[source]
        cause: io::Error,
    },
    /// Another masternode runs with this state folder.
    #[error(
        "the state folder {path} is in use by another masternode; stop that one, or give this one a folder of its own with --state-dir"
    )]
    StateInUse {
        /// The folder.
        path: PathBuf,
    },
    /// The history cannot be opened.
    #[error(
        "the history: cannot open {folder}: {cause}; choose another folder with --history <path>, or do without: --history off"
    )]
    History {
        /// Its folder.
        folder: PathBuf,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A target of remote write cannot be used.
    #[error("remote write to {target}: {problem}; see --remote-write")]
    Remote {
        /// Its name.
        target: String,
        /// What is wrong.
        problem: String,
    },
    /// The token is no token.
    #[error("the HTTP token {problem}")]
    Token {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The system refuses threads or random numbers.
    #[error("cannot start the {what}: {cause}")]
    System {
        /// Which.
        what: &'static str,
        /// The system's words.
        #[source]
        cause: io::Error,
    },
}

/// A part that cannot go on; the masternode stops then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {part} stopped: {cause}")]
pub struct WorkerError {
    /// Which part.
    pub part: &'static str,
    /// Why.
    pub cause: String,
}

/// A masternode that did not stop as it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StopError {
    /// Parts did not end within the deadline.
    #[error("still running after the deadline: {}", parts.join(", "))]
    Deadline {
        /// Which.
        parts: Vec<&'static str>,
    },
    /// A part had failed.
    #[error(transparent)]
    Worker(#[from] WorkerError),
}
