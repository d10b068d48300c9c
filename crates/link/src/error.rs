//! What can go wrong at the ZeroMQ edge.

use crate::endpoint::{Endpoint, EndpointError};
use std::time::Duration;

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an end could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The endpoint is malformed or its name has no address.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Another program listens there.
    #[error("cannot listen on {endpoint}: another program uses this port; stop it or choose another port")]
    AddressInUse {
        /// Where.
        endpoint: Endpoint,
    },
    /// The address is none of this computer's.
    #[error(
        "cannot listen on {endpoint}: this computer has no such address; give one of its own, or 0.0.0.0 for all"
    )]
    AddressNotHere {
        /// Where.
        endpoint: Endpoint,
    },
    /// The system does not permit the port.
    #[error(
        "cannot listen on {endpoint}: not permitted; ports below 1024 need a privilege, choose a higher one"
    )]
    NotPermitted {
        /// Where.
        endpoint: Endpoint,
    },
    /// Listening failed for another reason.
    #[error("cannot listen on {endpoint}: {cause}")]
    Listen {
        /// Where.
        endpoint: Endpoint,
        /// The system's words.
        cause: String,
    },
    /// A topic or body above its limit was to be sent.
    #[error("{what} of {bytes} bytes is above the limit of {limit} bytes")]
    TooLarge {
        /// `topic` or `body`.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// More than can be.
    #[error("{count} {what} are above the limit of {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// A setting makes no sense.
    #[error("{setting} cannot be {value:?}")]
    Setting {
        /// Which.
        setting: &'static str,
        /// As given.
        value: Duration,
    },
    /// The end was told to stop by its [`Stopper`](crate::Stopper).
    #[error("the link was stopped")]
    Stopped,
    /// libzmq or the system refused, with its words.
    #[error("{0}")]
    Zmq(chasar_libzmq::Error),
    /// The thread that watches the connections could not be started.
    #[error("cannot start the thread that watches connections: {0}")]
    Thread(std::io::Error),
}

impl From<chasar_libzmq::Error> for Error {
    fn from(error: chasar_libzmq::Error) -> Self {
        if error.terminated() { Self::Stopped } else { Self::Zmq(error) }
    }
}

impl Error {
    /// Words for a failed `bind` that say what to do.
    pub(crate) fn listen(endpoint: &Endpoint, error: &chasar_libzmq::Error) -> Self {
        let endpoint = endpoint.clone();
        match std::io::Error::from_raw_os_error(error.code()).kind() {
            _ if error.address_in_use() => Self::AddressInUse { endpoint },
            std::io::ErrorKind::AddrNotAvailable => Self::AddressNotHere { endpoint },
            std::io::ErrorKind::PermissionDenied => Self::NotPermitted { endpoint },
            _ if error.no_such_device() => Self::AddressNotHere { endpoint },
            _ => Self::Listen { endpoint, cause: error.cause() },
        }
    }
}
