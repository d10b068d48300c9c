//! Waiting for several sockets at once.

use crate::error::Result;
use crate::ffi::{self, ZmqPollItem};
use crate::socket::{Socket, check};
use libc::{c_int, c_long, c_short};
use std::time::Duration;

const POLLIN: c_short = 1;

/// Waits until one of `sockets` has something to receive, at most `timeout` (whole milliseconds, rounded
/// down, so that the caller can wait for the rest itself and never wakes late); `None` waits for ever.
/// Tells for each whether it has. A signal ends the wait early with nothing ready.
///
/// # Errors
/// [`terminated`](crate::Error::terminated) when the context was shut down.
pub fn wait_readable<const N: usize>(sockets: [&Socket; N], timeout: Option<Duration>) -> Result<[bool; N]> {
    let mut items = sockets.map(|s| ZmqPollItem {
        socket: s.raw(),
        fd: ffi::OsSocket::default(),
        events: POLLIN,
        revents: 0,
    });
    let timeout_ms = timeout.map_or(-1, |t| c_long::try_from(t.as_millis()).unwrap_or(c_long::MAX));
    let count = c_int::try_from(N).unwrap_or(c_int::MAX);
    // SAFETY: `items` has `count` entries of open sockets and lives during the call.
    let code = unsafe { ffi::zmq_poll(items.as_mut_ptr(), count, timeout_ms) };
    match check(code, "waiting for sockets") {
        Err(e) if !e.interrupted() => Err(e),
        _ => Ok(items.map(|item| item.revents & POLLIN != 0)),
    }
}
