//! What can go wrong, with the file and what to do.

use std::io;

use crate::bytes::Malformed;

/// Result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation of the store failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something.
    #[error("cannot {doing} {file}: {source}")]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// The file, within the store's folder.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what was written. The rest of the store can still be used.
    #[error("{file} is damaged at byte {offset}: {what}; restore it from a backup, or remove it")]
    Damaged {
        /// The file, within the store's folder.
        file: String,
        /// Where the damaged part begins.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A file comes from a newer release.
    #[error("{file} has format version {version}, this release reads up to {newest}; use a newer one")]
    Version {
        /// The file, within the store's folder.
        file: String,
        /// The version it says.
        version: u16,
        /// The newest version that can be read.
        newest: u16,
    },
    /// An option makes no sense.
    #[error("option {option}: {what}")]
    Option {
        /// Its name.
        option: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// A row has another number of values than its layout has metrics.
    #[error("a row has {values} values, its layout {metrics} metrics")]
    RowLength {
        /// Values in the row.
        values: usize,
        /// Metrics in the layout.
        metrics: usize,
    },
    /// The store was opened for reading only.
    #[error("the store was opened for reading only")]
    ReadOnly,
    /// There is a writer already.
    #[error("the store has a writer already")]
    SecondWriter,
    /// Who asked ended it.
    #[error("it was ended before it was done")]
    Ended,
    /// A label matcher is not usable.
    #[error("the pattern of a matcher is not usable: {0}")]
    Pattern(String),
}

impl Error {
    /// Whether the cause is a full disk (or quota).
    pub fn is_full(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        matches!(self, Error::Io { source, .. }
            if matches!(source.kind(), StorageFull | QuotaExceeded | FileTooLarge))
    }

    /// Whether the cause is a disk that takes no writes.
    pub fn is_read_only(&self) -> bool {
        use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        match self {
            Error::ReadOnly => true,
            Error::Io { source, .. } => matches!(source.kind(), ReadOnlyFilesystem | PermissionDenied),
            _ => false,
        }
    }

    pub(crate) fn io(doing: &'static str, file: &str) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Io { doing, file: file.to_string(), source }
    }

    pub(crate) fn damaged(file: &str, offset: u64) -> impl FnOnce(Malformed) -> Error {
        move |Malformed(what)| Error::Damaged { file: file.to_string(), offset, what }
    }
}
