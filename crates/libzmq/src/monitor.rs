//! What happens to a socket's connections.
//!
//! libzmq sends events over an in-process pair socket, and its I/O thread **blocks** when nobody reads them:
//! with the default mark of 1,000 messages a server froze at 1,012 connections. So the reading end's mark is
//! unbounded here, which trades the freeze for memory: read it. [`Event::ACCEPT_FAILED`] is better left out of
//! the mask; when descriptors run out it comes 150,000 times a second.
//!
//! The number of an event is read here and not through an enum of all known values, so that an unknown one is
//! news and not a panic.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::socket::{Kind, Socket};
use std::sync::atomic::{AtomicU64, Ordering};

/// One event of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Which; one of the constants of this type, or one that is unknown here.
    pub number: u16,
    /// Its value: a descriptor, an `errno`, a wait in milliseconds or a protocol error, as the event has it.
    pub value: u32,
    /// Our own end of it, as libzmq writes it (`tcp://127.0.0.1:5555`). Not the peer's address.
    pub endpoint: String,
}

impl Event {
    /// A connection was made by us; value: descriptor.
    pub const CONNECTED: u16 = 0x0001;
    /// An attempt to connect goes on in the background.
    pub const CONNECT_DELAYED: u16 = 0x0002;
    /// The next attempt is scheduled; value: wait in milliseconds.
    pub const CONNECT_RETRIED: u16 = 0x0004;
    /// The socket listens; value: descriptor.
    pub const LISTENING: u16 = 0x0008;
    /// Binding failed; value: `errno`.
    pub const BIND_FAILED: u16 = 0x0010;
    /// A connection of a peer was accepted; value: descriptor.
    pub const ACCEPTED: u16 = 0x0020;
    /// Accepting failed; value: `errno`.
    pub const ACCEPT_FAILED: u16 = 0x0040;
    /// A descriptor was closed: of a listener, or of an attempt to connect that failed.
    pub const CLOSED: u16 = 0x0080;
    /// Closing failed; value: `errno`.
    pub const CLOSE_FAILED: u16 = 0x0100;
    /// A connection ended; value: descriptor.
    pub const DISCONNECTED: u16 = 0x0200;
    /// No more events will come.
    pub const MONITOR_STOPPED: u16 = 0x0400;
    /// The peer went away or was silent during the handshake, or (in this build) an attempt to connect failed;
    /// value: `errno`.
    pub const HANDSHAKE_FAILED_NO_DETAIL: u16 = 0x0800;
    /// The peer is ready.
    pub const HANDSHAKE_SUCCEEDED: u16 = 0x1000;
    /// The peer broke the protocol; value: one of ZMTP's error codes, or `EMSGSIZE` when it was disconnected
    /// for the size of a message ([`Event::refused_for_size`]).
    pub const HANDSHAKE_FAILED_PROTOCOL: u16 = 0x2000;
    /// The ZAP handler said no; value: its status code.
    pub const HANDSHAKE_FAILED_AUTH: u16 = 0x4000;
    /// All there are but [`Event::ACCEPT_FAILED`].
    pub const ALL_BUT_ACCEPT_FAILED: u16 = !Self::ACCEPT_FAILED;

    /// Reads the two frames libzmq sends for an event: 16 bits of number and 32 of value in the machine's
    /// byte order, then the endpoint. `None` when they are not that.
    #[must_use]
    pub fn parse(first: &[u8], second: &[u8]) -> Option<Self> {
        let (number, value) = first.split_first_chunk::<2>()?;
        let value: [u8; 4] = value.try_into().ok()?;
        Some(Self {
            number: u16::from_ne_bytes(*number),
            value: u32::from_ne_bytes(value),
            endpoint: String::from_utf8_lossy(second).into_owned(),
        })
    }

    /// Whether the peer was disconnected because it no longer answered heartbeats.
    #[must_use]
    pub fn peer_silent(&self) -> bool {
        self.number == Self::HANDSHAKE_FAILED_PROTOCOL && i64::from(self.value) == i64::from(libc::ETIMEDOUT)
    }

    /// Whether the peer was disconnected because a message had too many bytes or frames.
    #[must_use]
    pub fn refused_for_size(&self) -> bool {
        self.number == Self::HANDSHAKE_FAILED_PROTOCOL && i64::from(self.value) == i64::from(libc::EMSGSIZE)
    }
}

/// The reading end of a socket's events.
#[derive(Debug)]
pub struct Monitor {
    pair: Socket,
}

impl Monitor {
    /// Watches `socket`, a socket of `context`, for the events of `mask`.
    ///
    /// # Errors
    /// When no socket can be opened.
    pub fn watch(context: &Context, socket: &Socket, mask: u16) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let endpoint = format!("inproc://chasar-monitor-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        socket.publish_events(&endpoint, mask)?;
        let pair = context.socket(Kind::Pair)?;
        pair.set_receive_high_water_mark(0)?;
        pair.connect(&endpoint)?;
        Ok(Self { pair })
    }

    /// The next event, without waiting; `None` when there is none.
    ///
    /// # Errors
    /// [`terminated`](Error::terminated) when the context was shut down.
    pub fn next(&self) -> Result<Option<Event>> {
        match self.pair.recv() {
            Ok(first) => self.finish(&first),
            Err(e) if e.would_block() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The next event, waiting for it; `None` when the socket was closed and no more will come.
    ///
    /// # Errors
    /// [`terminated`](Error::terminated) when the context was shut down.
    pub fn wait(&self) -> Result<Option<Event>> {
        let first = self.pair.recv_wait()?;
        Ok(self.finish(&first)?.filter(|event| event.number != Event::MONITOR_STOPPED))
    }

    fn finish(&self, first: &[u8]) -> Result<Option<Event>> {
        let second = self.pair.recv()?;
        Event::parse(first, &second)
            .map(Some)
            .ok_or_else(|| Error::from_code("reading a connection event", libc::EPROTO))
    }

    /// The socket to wait for.
    #[must_use]
    pub fn socket(&self) -> &Socket {
        &self.pair
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_frames_are_an_event_or_nothing(first: Vec<u8>, second: Vec<u8>) {
            prop_assert_eq!(Event::parse(&first, &second).is_some(), first.len() == 6);
        }

        #[test]
        fn every_number_and_value_is_kept(number: u16, value: u32, endpoint in "[ -~]{0,40}") {
            let first = [&number.to_ne_bytes()[..], &value.to_ne_bytes()[..]].concat();
            let event = Event::parse(&first, endpoint.as_bytes());
            prop_assert_eq!(event, Some(Event { number, value, endpoint }));
        }
    }
}
