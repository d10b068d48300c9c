//! Each connection takes a descriptor. At the limit libzmq spins: accepting fails 150,000 times a second and
//! a core is gone. So raise the limit at start, and say so when it is too low for the nodes expected.

/// Descriptors a masternode needs besides its connections: listeners, HTTP, its own, and those of the history, which
/// after two years is about 900 files.
const RESERVE: u64 = 1_280;

/// Why the number of descriptors is not enough.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenFilesError {
    /// The system did not answer or refused.
    #[error("cannot raise the limit of open files: {0}")]
    System(#[from] std::io::Error),
    /// The limit is below what is needed.
    #[error(
        "the limit of open files is {limit}, but {connections} connections need {needed}; raise it \
         (LimitNOFILE= in a systemd unit, or ulimit -n)"
    )]
    TooLow {
        /// What the system allows.
        limit: u64,
        /// Connections wanted.
        connections: u64,
        /// Descriptors needed for them.
        needed: u64,
    },
}

/// Raises this process's limit of open files as far as the system allows, and returns it.
///
/// # Errors
/// When the system refuses.
pub fn raise_open_file_limit() -> Result<u64, OpenFilesError> {
    Ok(chasar_libzmq::raise_open_file_limit()?)
}

/// Raises the limit like [`raise_open_file_limit`], and says whether it is enough for `connections`.
///
/// # Errors
/// When the system refuses, or the limit is too low; a caller may go on with a warning.
pub fn require_open_files(connections: u64) -> Result<u64, OpenFilesError> {
    let limit = raise_open_file_limit()?;
    let needed = connections.saturating_add(RESERVE);
    if limit < needed { Err(OpenFilesError::TooLow { limit, connections, needed }) } else { Ok(limit) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_and_compared() {
        let limit = raise_open_file_limit().expect("getrlimit and setrlimit");
        assert_eq!(require_open_files(limit - RESERVE).expect("just enough"), limit);
        let error = require_open_files(limit).expect_err("one connection each plus a reserve");
        assert!(error.to_string().contains("LimitNOFILE="), "{error}");
    }
}
