//! Sockets: opening, binding, connecting, and frames in and out.

use crate::context::Inner;
use crate::error::{Error, Result};
use crate::ffi;
use crate::message::Message;
use libc::{c_int, c_void};
use std::ffi::CString;
use std::ptr::NonNull;
use std::sync::Arc;

const DONTWAIT: c_int = 1;
const SNDMORE: c_int = 2;

/// The kinds of sockets there are, with libzmq's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Kind {
    /// One peer, both ways.
    Pair = 0,
    /// Sends to all subscribers; subscriptions are not seen.
    Pub = 1,
    /// Receives what it subscribed to.
    Sub = 2,
    /// Asks.
    Req = 3,
    /// Answers.
    Rep = 4,
    /// Asks without waiting for the answer.
    Dealer = 5,
    /// Answers many, by name.
    Router = 6,
    /// Receives work.
    Pull = 7,
    /// Hands out work.
    Push = 8,
    /// Like [`Kind::Pub`] on the wire, and receives the subscriptions as messages.
    XPub = 9,
    /// Like [`Kind::Sub`] on the wire, and sends subscriptions as messages.
    XSub = 10,
    /// Plain TCP.
    Stream = 11,
}

/// A socket. It may be moved to another thread but not used from two at once.
///
/// Dropping it closes it; data still queued is kept for its linger time (zero unless set).
#[derive(Debug)]
pub struct Socket {
    raw: NonNull<c_void>,
    kind: Kind,
    /// Keeps the context alive as long as a socket of it is open.
    _context: Arc<Inner>,
}

// SAFETY: libzmq allows a socket to migrate between threads with a full fence in between, which every safe way
// of moving a value to another thread gives (`zmq(7)`, "Thread safety"). `Sync` is not implemented.
unsafe impl Send for Socket {}

impl Socket {
    pub(crate) fn open(context: Arc<Inner>, kind: Kind) -> Result<Self> {
        // SAFETY: the context lives; the result is checked.
        let raw = unsafe { ffi::zmq_socket(context.raw(), kind as c_int) };
        let raw = NonNull::new(raw).ok_or_else(|| Error::last("opening a ZeroMQ socket"))?;
        Ok(Self { raw, kind, _context: context })
    }

    /// What kind it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Takes `endpoint` (`tcp://127.0.0.1:5555`, `tcp://*:*`, `inproc://name`) for peers to connect to.
    ///
    /// # Errors
    /// When it is malformed, in use, not of this host, or needs a permission.
    pub fn bind(&self, endpoint: &str) -> Result<()> {
        self.with_endpoint("binding", endpoint, ffi::zmq_bind)
    }

    /// Stops listening on `endpoint`, written as [`last_endpoint`](Self::last_endpoint) gave it.
    ///
    /// # Errors
    /// When it is not bound.
    pub fn unbind(&self, endpoint: &str) -> Result<()> {
        self.with_endpoint("unbinding", endpoint, ffi::zmq_unbind)
    }

    /// Begins to connect to `endpoint`, and keeps trying. Returns at once.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn connect(&self, endpoint: &str) -> Result<()> {
        self.with_endpoint("connecting to", endpoint, ffi::zmq_connect)
    }

    /// Drops the connection to `endpoint` and stops trying.
    ///
    /// # Errors
    /// When there is none.
    pub fn disconnect(&self, endpoint: &str) -> Result<()> {
        self.with_endpoint("disconnecting from", endpoint, ffi::zmq_disconnect)
    }

    /// Sends a copy of `bytes` as one frame without waiting; `more` tells that the message goes on.
    ///
    /// # Errors
    /// [`would_block`](Error::would_block) when a queue is full.
    pub fn send(&self, bytes: &[u8], more: bool) -> Result<()> {
        let flags = DONTWAIT | if more { SNDMORE } else { 0 };
        loop {
            // SAFETY: the socket is open, and libzmq copies the bytes before it returns.
            let code = unsafe { ffi::zmq_send(self.raw(), bytes.as_ptr().cast(), bytes.len(), flags) };
            match check(code, "sending") {
                Err(e) if e.interrupted() => {}
                other => return other.map(|_| ()),
            }
        }
    }

    /// Sends a frame without waiting and without copying its content.
    ///
    /// # Errors
    /// With the frame back: [`would_block`](Error::would_block) when a queue is full.
    pub fn send_message(&self, mut message: Message, more: bool) -> Result<(), (Error, Message)> {
        let flags = DONTWAIT | if more { SNDMORE } else { 0 };
        loop {
            // SAFETY: the socket is open; on success libzmq leaves an empty frame, on failure the frame as
            // it was.
            let code = unsafe { ffi::zmq_msg_send(message.raw_mut(), self.raw(), flags) };
            match check(code, "sending") {
                Ok(_) => return Ok(()),
                Err(e) if e.interrupted() => {}
                Err(e) => return Err((e, message)),
            }
        }
    }

    /// Receives one frame without waiting.
    ///
    /// # Errors
    /// [`would_block`](Error::would_block) when there is none.
    pub fn recv(&self) -> Result<Message> {
        self.receive(DONTWAIT)
    }

    /// Receives one frame, waiting for it as long as the socket's receive timeout says (default: for ever).
    ///
    /// # Errors
    /// [`would_block`](Error::would_block) when the time is over, [`terminated`](Error::terminated) when the
    /// context was shut down.
    pub fn recv_wait(&self) -> Result<Message> {
        self.receive(0)
    }

    fn receive(&self, flags: c_int) -> Result<Message> {
        let mut message = Message::new();
        loop {
            // SAFETY: the socket is open and the frame is initialised.
            let code = unsafe { ffi::zmq_msg_recv(message.raw_mut(), self.raw(), flags) };
            match check(code, "receiving") {
                Ok(_) => return Ok(message),
                Err(e) if e.interrupted() => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Publishes this socket's events of `mask` on `endpoint` (`inproc://…`), for a pair socket to read. Use
    /// [`Monitor`](crate::Monitor) instead: a plain pair socket that is not read freezes the server.
    ///
    /// # Errors
    /// When the endpoint is malformed or taken.
    pub fn publish_events(&self, endpoint: &str, mask: u16) -> Result<()> {
        let text = c_text("watching a socket at", endpoint)?;
        // SAFETY: the socket is open and the text ends in NUL.
        let code = unsafe { ffi::zmq_socket_monitor(self.raw(), text.as_ptr(), c_int::from(mask)) };
        check(code, "watching a socket at").map(|_| ()).map_err(|e| e.on(endpoint))
    }

    pub(crate) fn raw(&self) -> *mut c_void {
        self.raw.as_ptr()
    }

    fn with_endpoint(
        &self,
        attempted: &'static str,
        endpoint: &str,
        call: unsafe extern "C" fn(*mut c_void, *const libc::c_char) -> c_int,
    ) -> Result<()> {
        let text = c_text(attempted, endpoint)?;
        // SAFETY: the socket is open and the text ends in NUL.
        let code = unsafe { call(self.raw(), text.as_ptr()) };
        check(code, attempted).map(|_| ()).map_err(|e| e.on(endpoint))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: open until here, and closed once.
        unsafe { ffi::zmq_close(self.raw()) };
    }
}

pub(crate) fn check(code: c_int, attempted: &'static str) -> Result<c_int> {
    if code >= 0 { Ok(code) } else { Err(Error::last(attempted)) }
}

pub(crate) fn c_text(attempted: &'static str, text: &str) -> Result<CString> {
    CString::new(text)
        .map_err(|_| Error::from_code(attempted, libc::EINVAL).on(&text.escape_debug().to_string()))
}
