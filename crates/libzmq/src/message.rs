//! One frame: bytes that libzmq may share between peers without copying.

use crate::error::{Error, Result};
use crate::ffi::{self, ZmqMsg};
use libc::{c_int, c_void};
use std::ffi::CStr;
use std::fmt;
use std::ops::Deref;

const SRCFD: c_int = 2;

/// One frame of a message, owning its bytes. It can be passed on to another socket without a copy.
pub struct Message {
    raw: ZmqMsg,
}

// SAFETY: a frame has no tie to a thread; libzmq counts shared content atomically.
unsafe impl Send for Message {}
// SAFETY: through `&Message` only reads happen (`zmq_msg_data`, `_size`, `_more`, `_get`, `_gets`).
unsafe impl Sync for Message {}

impl Message {
    /// An empty frame.
    #[must_use]
    pub fn new() -> Self {
        let mut raw = ZmqMsg::blank();
        // SAFETY: initialises the storage; documented never to fail.
        unsafe { ffi::zmq_msg_init(&raw mut raw) };
        Self { raw }
    }

    /// A frame holding a copy of `bytes`. Up to 33 bytes lie in the frame itself, without an allocation.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn copy_of(bytes: &[u8]) -> Result<Self> {
        let mut raw = ZmqMsg::blank();
        // SAFETY: initialises the storage; the result is checked before use.
        if unsafe { ffi::zmq_msg_init_size(&raw mut raw, bytes.len()) } != 0 {
            return Err(Error::last("allocating a frame"));
        }
        let mut message = Self { raw };
        // SAFETY: the frame was just made with room for exactly `bytes.len()` bytes of its own.
        unsafe {
            let to = ffi::zmq_msg_data(message.raw_mut()).cast::<u8>();
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
        Ok(message)
    }

    /// A frame over bytes that something else owns, without a copy. The owner is dropped, on whatever thread,
    /// when the last peer has been served or given up.
    ///
    /// The owner's bytes must stay where they are when the owner is moved into a box, which is made here
    /// before they are looked up.
    ///
    /// # Errors
    /// When there is no memory; the owner is dropped then.
    pub fn from_owner<T: AsRef<[u8]> + Send + Sync + 'static>(owner: T) -> Result<Self> {
        unsafe extern "C" fn free<T>(_data: *mut c_void, hint: *mut c_void) {
            // SAFETY: `hint` is the box made below, and libzmq calls this exactly once.
            drop(unsafe { Box::from_raw(hint.cast::<T>()) });
        }
        let owner = Box::into_raw(Box::new(owner));
        // SAFETY: the box lives until `free`; only shared references to it are made until then.
        let (data, len) = unsafe {
            let bytes = (*owner).as_ref();
            (bytes.as_ptr(), bytes.len())
        };
        let mut raw = ZmqMsg::blank();
        // SAFETY: the bytes live until `free` is called; libzmq does not write to them.
        let code = unsafe {
            ffi::zmq_msg_init_data(
                &raw mut raw,
                data.cast_mut().cast(),
                len,
                Some(free::<T>),
                owner.cast::<c_void>(),
            )
        };
        if code != 0 {
            let error = Error::last("allocating a frame");
            // SAFETY: libzmq did not take the box, so it is still ours.
            drop(unsafe { Box::from_raw(owner) });
            return Err(error);
        }
        Ok(Self { raw })
    }

    /// A second handle to the same content, without copying it (short frames are copied).
    ///
    /// # Errors
    /// When libzmq refuses, which it documents for broken frames only.
    pub fn share(&mut self) -> Result<Self> {
        let mut second = Self::new();
        // SAFETY: both are initialised frames.
        if unsafe { ffi::zmq_msg_copy(second.raw_mut(), self.raw_mut()) } == 0 {
            Ok(second)
        } else {
            Err(Error::last("sharing a frame"))
        }
    }

    /// Whether another frame of the same message follows.
    #[must_use]
    pub fn more(&self) -> bool {
        // SAFETY: an initialised frame.
        unsafe { ffi::zmq_msg_more(&raw const self.raw) == 1 }
    }

    /// A property of the connection the frame came by: `Peer-Address`, `User-Id` (the name a ZAP handler
    /// gave the peer), `Socket-Type`, or metadata of the handshake. `None` when it has none by that name.
    #[must_use]
    pub fn gets(&self, property: &CStr) -> Option<&str> {
        // SAFETY: an initialised frame; the result belongs to the frame's metadata, which lives as long as it.
        unsafe {
            let value = ffi::zmq_msg_gets(&raw const self.raw, property.as_ptr());
            if value.is_null() { None } else { CStr::from_ptr(value).to_str().ok() }
        }
    }

    /// The descriptor of the connection the frame came by. Only a hint: by the time it is looked at, the
    /// connection may be closed and the number used by another.
    #[must_use]
    pub fn fd(&self) -> Option<i64> {
        // SAFETY: an initialised frame.
        let fd = unsafe { ffi::zmq_msg_get(&raw const self.raw, SRCFD) };
        (fd >= 0).then_some(i64::from(fd))
    }

    pub(crate) fn raw_mut(&mut self) -> *mut ZmqMsg {
        &raw mut self.raw
    }
}

impl Default for Message {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: every constructor and every call leaves an initialised frame.
        unsafe { ffi::zmq_msg_close(self.raw_mut()) };
    }
}

impl Deref for Message {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `zmq_msg_data` only reads although its C signature takes a mutable pointer; the bytes live
        // and do not move as long as the frame is borrowed.
        unsafe {
            let raw = &raw const self.raw;
            let len = ffi::zmq_msg_size(raw);
            if len == 0 {
                return &[];
            }
            std::slice::from_raw_parts(ffi::zmq_msg_data(raw.cast_mut()).cast(), len)
        }
    }
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({} bytes)", self.len())
    }
}
