//! Waiting for several sockets at once.

use crate::error::Result;
use crate::ffi::{self, OsSocket, ZmqPollItem};
use crate::socket::{Socket, check};
use libc::{c_int, c_long, c_short};
use std::time::Duration;

const POLLIN: c_short = 1;

/// A socket of the operating system, to be waited for beside those of libzmq.
#[cfg(unix)]
pub type BorrowedOsSocket<'a> = std::os::fd::BorrowedFd<'a>;
/// A socket of the operating system, to be waited for beside those of libzmq.
#[cfg(windows)]
pub type BorrowedOsSocket<'a> = std::os::windows::io::BorrowedSocket<'a>;

/// Waits until one of `sockets` has something to receive, at most `timeout` (whole milliseconds, rounded
/// down, so that the caller can wait for the rest itself and never wakes late); `None` waits for ever.
/// Tells for each whether it has. A signal ends the wait early with nothing ready.
///
/// # Errors
/// [`terminated`](crate::Error::terminated) when the context was shut down.
pub fn wait_readable<const N: usize>(sockets: [&Socket; N], timeout: Option<Duration>) -> Result<[bool; N]> {
    let mut items = sockets.map(item);
    poll(&mut items, timeout)?;
    Ok(items.map(|item| item.revents & POLLIN != 0))
}

/// Most sockets that [`wait_readable_with`] waits for.
pub const MAX_WAITED: usize = 32;

/// Like [`wait_readable`] for some sockets of libzmq, [`MAX_WAITED`] of them at most, and one of the operating
/// system. Tells whether one of libzmq's has something, and whether the system's has.
///
/// # Errors
/// [`terminated`](crate::Error::terminated) when the context was shut down.
pub fn wait_readable_with<'a>(
    sockets: impl Iterator<Item = &'a Socket>,
    other: BorrowedOsSocket<'_>,
    timeout: Option<Duration>,
) -> Result<(bool, bool)> {
    #[cfg(unix)]
    let fd = std::os::fd::AsRawFd::as_raw_fd(&other);
    #[cfg(windows)]
    let fd = std::os::windows::io::AsRawSocket::as_raw_socket(&other) as OsSocket;
    let mut items: [ZmqPollItem; MAX_WAITED + 1] =
        std::array::from_fn(|_| ZmqPollItem { socket: std::ptr::null_mut(), fd, events: POLLIN, revents: 0 });
    let mut count = 1;
    for (place, socket) in items[1..].iter_mut().zip(sockets) {
        *place = item(socket);
        count += 1;
    }
    poll(&mut items[..count], timeout)?;
    let is_ready = |item: &ZmqPollItem| item.revents & POLLIN != 0;
    Ok((items[1..count].iter().any(is_ready), is_ready(&items[0])))
}

fn item(socket: &Socket) -> ZmqPollItem {
    ZmqPollItem { socket: socket.raw(), fd: OsSocket::default(), events: POLLIN, revents: 0 }
}

fn poll(items: &mut [ZmqPollItem], timeout: Option<Duration>) -> Result<()> {
    let timeout_ms = timeout.map_or(-1, |t| c_long::try_from(t.as_millis()).unwrap_or(c_long::MAX));
    let count = c_int::try_from(items.len()).unwrap_or(c_int::MAX);
    // SAFETY: `items` has `count` entries of open sockets and lives during the call.
    let code = unsafe { ffi::zmq_poll(items.as_mut_ptr(), count, timeout_ms) };
    match check(code, "waiting for sockets") {
        Err(e) if !e.interrupted() => Err(e),
        _ => Ok(()),
    }
}
