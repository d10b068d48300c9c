//! The contract of one probe.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use chasar_wire::Report;

use crate::{Background, Config, Host};

/// The moment of a sample, as the caller's clocks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall clock: microseconds since 1970-01-01 00:00 UTC.
    pub unix_micros: i64,
    /// A clock that never jumps; rates are taken over its differences.
    pub monotonic: Duration,
}

/// What came of a reading that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The values are in the report and were read just now.
    Fresh,
    /// The values are in the report and were read this long ago, by a thread of their own.
    Aged(Duration),
    /// This host has no such thing, and why we think so. The report has no values of this probe.
    NothingHere(&'static str),
}

/// Why a probe has no values.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The system refused a file, folder or call.
    #[error("{}: {source}", path.display())]
    Io {
        /// What was to be read.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file has not the form its documentation gives.
    #[error("{}: {problem}", path.display())]
    Form {
        /// What was read.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A slow source has not answered.
    #[error("{what} has not answered for {} s", waited.as_secs())]
    Silent {
        /// What was asked.
        what: &'static str,
        /// How long ago.
        waited: Duration,
    },
    /// A slow source answered with an error, which its thread described.
    #[error("{0}")]
    Reported(String),
}

impl ProbeError {
    /// Whether the file or folder does not exist, which mostly means that this host has no such thing.
    pub fn is_missing(&self) -> bool {
        matches!(self, ProbeError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// One family of numbers, and how they are read.
///
/// In steady state a reading allocates nothing: it writes over what the last one left in the report.
pub trait Probe: Send {
    /// Name under which the report tells how this probe fared.
    fn name(&self) -> &'static str;

    /// Reads and writes this family into `report`.
    ///
    /// # Errors
    /// Says which file or call gave no values. The sampler then calls [`Probe::clear`].
    fn read(&mut self, host: &Host, now: &Now, report: &mut Report) -> Result<Outcome, ProbeError>;

    /// Takes every value that this probe may have written out of `report`, so that a host that
    /// stops answering shows as absent and not as standing still.
    fn clear(&self, report: &mut Report);
}

/// What a probe may use when it is made.
pub struct Setup<'a> {
    /// What the user chose.
    pub config: &'a Config,
    /// Where slow sources are read.
    pub background: &'a Background,
}

/// How a probe is made; the registry is a list of these.
pub(crate) type Make = fn(&Setup<'_>) -> Box<dyn Probe>;
