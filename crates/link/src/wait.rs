//! Waiting with an exact end, settings common to several ends, and stopping from another thread.

use crate::error::{Error, Result};
use crate::limits::{
    CONNECT_TIMEOUT, HANDSHAKE_TIMEOUT, HEARTBEAT_INTERVAL, HEARTBEAT_TIMEOUT, KEEPALIVE, RECONNECT_FIRST,
    RECONNECT_LAST,
};
use crate::wake::Wake;
use chasar_libzmq::{Context, Socket, wait_readable, wait_readable_with};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// Ends the waiting of one end from another thread: its calls return [`Error::Stopped`] from then on.
#[derive(Debug, Clone)]
pub struct Stopper {
    context: Context,
}

impl Stopper {
    pub(crate) fn new(context: &Context) -> Self {
        Self { context: context.clone() }
    }

    /// Stops the end, now and for good.
    pub fn stop(&self) {
        self.context.shutdown();
    }
}

/// Waits until one of `sockets` is readable or the `deadline` has come, and tells whether one is.
///
/// libzmq waits in whole milliseconds; the rest is slept, so a caller's deadline is met to about 0.1 ms.
pub(crate) fn wait_until<const N: usize>(sockets: [&Socket; N], deadline: Instant) -> Result<bool> {
    let left = deadline.saturating_duration_since(Instant::now());
    let ready = wait_readable(sockets, Some(left)).map_err(Error::from)?;
    if ready.contains(&true) {
        return Ok(true);
    }
    let left = deadline.saturating_duration_since(Instant::now());
    if left < Duration::from_millis(1) {
        std::thread::sleep(left);
    }
    Ok(false)
}

/// Like [`wait_until`], and ends as soon as `wake` rings.
pub(crate) fn wait_until_or_woken<'a>(
    sockets: impl Iterator<Item = &'a Socket>,
    wake: &Wake,
    deadline: Instant,
) -> Result<Woken> {
    let left = deadline.saturating_duration_since(Instant::now());
    let (ready, rung) = wait_readable_with(sockets, wake.socket(), Some(left)).map_err(Error::from)?;
    if rung {
        return Ok(Woken::Rung);
    }
    let left = deadline.saturating_duration_since(Instant::now());
    if !ready && left < Duration::from_millis(1) {
        std::thread::sleep(left);
    }
    Ok(Woken::Otherwise)
}

/// Why [`wait_until_or_woken`] returned.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// The bell rang.
    Rung,
    /// Something is readable, the time is over, or a signal came.
    Otherwise,
}

/// The deadline `timeout` from now; a timeout beyond what the clock can count is a day.
pub(crate) fn deadline(timeout: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or_else(|| now + Duration::from_secs(86_400))
}

/// Settings of every end that connects.
pub(crate) fn set_up_connecting(socket: &Socket) -> Result<()> {
    socket.set_linger(Duration::ZERO)?;
    // libzmq doubles the wait without any randomness once a maximum is set, so each process has its own pair.
    socket.set_reconnect_interval(RECONNECT_FIRST.mul_f64(0.75 + 0.5 * random_unit()))?;
    socket.set_reconnect_interval_max(RECONNECT_LAST.mul_f64(0.6 + 0.4 * random_unit()))?;
    socket.set_connect_timeout(CONNECT_TIMEOUT)?;
    socket.set_handshake_timeout(HANDSHAKE_TIMEOUT)?;
    socket.set_heartbeat_interval(HEARTBEAT_INTERVAL)?;
    socket.set_heartbeat_timeout(HEARTBEAT_TIMEOUT)?;
    set_up_keepalive(socket)
}

/// TCP keepalive on; the kernel's default would take two hours to notice.
pub(crate) fn set_up_keepalive(socket: &Socket) -> Result<()> {
    let (idle, interval, probes) = KEEPALIVE;
    socket.set_tcp_keepalive(true)?;
    socket.set_tcp_keepalive_idle_seconds(idle)?;
    socket.set_tcp_keepalive_interval_seconds(interval)?;
    socket.set_tcp_keepalive_count(probes)?;
    Ok(())
}

/// A number from 0 to 1, from the random keys std draws for its hash maps.
pub(crate) fn random_unit() -> f64 {
    let bits = RandomState::new().hash_one(std::process::id()) >> 32;
    f64::from(u32::try_from(bits).unwrap_or(0)) / f64::from(u32::MAX)
}
