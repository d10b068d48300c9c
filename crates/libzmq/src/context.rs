//! The context: libzmq's I/O threads and the owner of its sockets.

use crate::error::{Error, Result};
use crate::ffi;
use crate::socket::{Kind, Socket};
use libc::{c_int, c_void};
use std::ptr::NonNull;
use std::sync::Arc;

const IO_THREADS: c_int = 1;
const MAX_SOCKETS: c_int = 2;
const IPV6: c_int = 42;
const BLOCKY: c_int = 70;

/// Shared by the context's handles and its sockets; the last one to go ends the I/O threads.
#[derive(Debug)]
pub(crate) struct Inner {
    raw: NonNull<c_void>,
}

// SAFETY: libzmq documents the context as safe to use from any thread (`zmq(7)`, "Thread safety").
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl Drop for Inner {
    fn drop(&mut self) {
        // Every socket holds an `Arc` to this, so none is open and this only waits for lingering data, which
        // each socket bounds by its own linger time.
        loop {
            // SAFETY: `raw` came from `zmq_ctx_new` and ends here.
            let code = unsafe { ffi::zmq_ctx_term(self.raw.as_ptr()) };
            if code == 0 || !Error::last("ending a ZeroMQ context").interrupted() {
                return;
            }
        }
    }
}

/// A libzmq context. Cheap to clone: clones are one context. It ends, its I/O threads with it, when the last
/// clone and the last socket are gone; that waits until sockets with a linger time have sent or given up.
#[derive(Debug, Clone)]
pub struct Context {
    inner: Arc<Inner>,
}

impl Context {
    /// A context with one I/O thread, which suffices for about a gigabyte a second (`zmq_ctx_set(3)`).
    ///
    /// Sockets opened from it get a linger time of zero instead of libzmq's endless default, which makes the
    /// end of the context hang when a former peer vanished with data queued for it.
    ///
    /// # Errors
    /// When the system refuses descriptors (`EMFILE`).
    pub fn new() -> Result<Self> {
        // SAFETY: no arguments; the result is checked.
        let raw = NonNull::new(unsafe { ffi::zmq_ctx_new() })
            .ok_or_else(|| Error::last("opening a ZeroMQ context"))?;
        let context = Self { inner: Arc::new(Inner { raw }) };
        // BLOCKY off: sockets open with linger 0.
        context.set(BLOCKY, 0, "setting the default linger time of a ZeroMQ context")?;
        Ok(context)
    }

    /// How many I/O threads serve the sockets. To be called before the first socket is opened.
    ///
    /// # Errors
    /// When `threads` is not acceptable.
    pub fn set_io_threads(&self, threads: u16) -> Result<()> {
        self.set(IO_THREADS, c_int::from(threads), "setting the number of I/O threads")
    }

    /// How many sockets may be open at once; libzmq's default is 1,023.
    ///
    /// # Errors
    /// When `sockets` is not acceptable.
    pub fn set_max_sockets(&self, sockets: u32) -> Result<()> {
        self.set(MAX_SOCKETS, c_int::try_from(sockets).unwrap_or(c_int::MAX), "setting the number of sockets")
    }

    /// Whether sockets opened from now on use IPv6 too.
    ///
    /// # Errors
    /// When the context was shut down.
    pub fn set_ipv6(&self, enabled: bool) -> Result<()> {
        self.set(IPV6, c_int::from(enabled), "setting IPv6 on a ZeroMQ context")
    }

    /// The number of I/O threads.
    #[must_use]
    pub fn io_threads(&self) -> i32 {
        // SAFETY: the context lives.
        unsafe { ffi::zmq_ctx_get(self.raw(), IO_THREADS) }
    }

    /// Opens a socket.
    ///
    /// # Errors
    /// When too many sockets or descriptors are open, or the context was shut down.
    pub fn socket(&self, kind: Kind) -> Result<Socket> {
        Socket::open(Arc::clone(&self.inner), kind)
    }

    /// Makes every blocking call on the context's sockets return at once with an error that is
    /// [`terminated`](Error::terminated). The sockets still have to be dropped by their owners.
    pub fn shutdown(&self) {
        // SAFETY: the context lives; a second call does nothing.
        unsafe { ffi::zmq_ctx_shutdown(self.raw()) };
    }

    fn raw(&self) -> *mut c_void {
        self.inner.raw.as_ptr()
    }

    fn set(&self, option: c_int, value: c_int, attempted: &'static str) -> Result<()> {
        // SAFETY: the context lives.
        if unsafe { ffi::zmq_ctx_set(self.raw(), option, value) } == 0 {
            Ok(())
        } else {
            Err(Error::last(attempted))
        }
    }
}

impl Inner {
    pub(crate) fn raw(&self) -> *mut c_void {
        self.raw.as_ptr()
    }
}
