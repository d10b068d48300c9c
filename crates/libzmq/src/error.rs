//! What went wrong in libzmq: the attempted operation, where, and its own words for the cause.

use crate::ffi;
use std::ffi::CStr;
use std::fmt;

/// A failed call into libzmq.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    attempted: &'static str,
    target: Option<Box<str>>,
    code: i32,
}

/// The result of a call into libzmq.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Takes the error libzmq left for the calling thread.
    pub(crate) fn last(attempted: &'static str) -> Self {
        // SAFETY: reads a thread-local number.
        let code = unsafe { ffi::zmq_errno() };
        Self { attempted, target: None, code }
    }

    pub(crate) fn from_code(attempted: &'static str, code: i32) -> Self {
        Self { attempted, target: None, code }
    }

    /// Names the endpoint or object the call was about.
    #[must_use]
    pub(crate) fn on(mut self, target: &str) -> Self {
        self.target = Some(target.into());
        self
    }

    /// The number libzmq gave: an `errno` of the system, or one of libzmq's own (`zmq.h`).
    #[must_use]
    pub fn code(&self) -> i32 {
        self.code
    }

    /// Nothing to receive now, or no room to send now (`EAGAIN`).
    #[must_use]
    pub fn would_block(&self) -> bool {
        self.code == libc::EAGAIN
    }

    /// A signal arrived during the call (`EINTR`).
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.code == libc::EINTR
    }

    /// The context was shut down (`ETERM`).
    #[must_use]
    pub fn terminated(&self) -> bool {
        self.code == ETERM
    }

    /// Another socket holds the address (`EADDRINUSE`).
    #[must_use]
    pub fn address_in_use(&self) -> bool {
        self.code == libc::EADDRINUSE
    }

    /// libzmq found no network interface by the name given (`ENODEV`).
    #[must_use]
    pub fn no_such_device(&self) -> bool {
        self.code == libc::ENODEV
    }

    /// libzmq's or the system's words for the cause.
    #[must_use]
    pub fn cause(&self) -> String {
        strerror(self.code)
    }
}

/// libzmq's `ETERM` (`ZMQ_HAUSNUMERO + 53`).
const ETERM: i32 = 156_384_712 + 53;

/// Words for an error number, libzmq's own included.
#[must_use]
pub fn strerror(code: i32) -> String {
    // SAFETY: returns a string that lives at least until the next call in this thread; copied at once.
    unsafe {
        let text = ffi::zmq_strerror(code);
        if text.is_null() { format!("error {code}") } else { CStr::from_ptr(text).to_string_lossy().into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.attempted)?;
        if let Some(target) = &self.target {
            write!(f, " {target}")?;
        }
        write!(f, ": {}", self.cause())
    }
}

impl std::error::Error for Error {}
