//! A thin, safe binding of libzmq 4.3.5, which this crate builds from source with CURVE and links statically.
//!
//! It knows nothing of Chasar. All `unsafe` calls into libzmq are here and nowhere else.
//!
//! Two things differ from a stock libzmq (`build/patches.rs`): the size limit holds for a whole message and a
//! message has a bounded number of frames; and a peer dropped for that is reported by the monitor.

mod context;
mod curve;
mod error;
mod ffi;
mod message;
mod monitor;
mod options;
mod os;
mod poll;
mod socket;

// Linked for libzmq's sake: CURVE's cryptography.
use libsodium_sys as _;

pub use context::Context;
pub use curve::{KEY_TEXT_CHARS, Key, curve_keypair, curve_public, z85_decode, z85_encode};
pub use error::{Error, Result, strerror};
pub use message::Message;
pub use monitor::{Event, Monitor};
pub use os::{end_connection, raise_open_file_limit};
pub use poll::{BorrowedOsSocket, MAX_WAITED, wait_readable, wait_readable_with};
pub use socket::{Kind, Socket};

use std::ffi::CString;

/// The version of the libzmq that is linked: major, minor, patch.
#[must_use]
pub fn version() -> (i32, i32, i32) {
    let (mut major, mut minor, mut patch) = (0, 0, 0);
    // SAFETY: writes three numbers.
    unsafe { ffi::zmq_version(&raw mut major, &raw mut minor, &raw mut patch) };
    (major, minor, patch)
}

/// Whether libzmq was built with a capability: `curve`, `ipc`, …
#[must_use]
pub fn has(capability: &str) -> bool {
    // SAFETY: reads a text that ends in NUL.
    CString::new(capability).is_ok_and(|name| unsafe { ffi::zmq_has(name.as_ptr()) } == 1)
}
