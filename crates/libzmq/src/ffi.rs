//! The C functions of libzmq 4.3.5 that we call, declared by hand from its `zmq.h`.

use libc::{c_char, c_int, c_long, c_short, c_void, size_t};

/// `zmq_msg_t`: 64 opaque bytes aligned for a pointer (`zmq.h`).
#[repr(C, align(8))]
pub(crate) struct ZmqMsg {
    opaque: [u8; 64],
}

impl ZmqMsg {
    /// Storage for one of the `zmq_msg_init` functions to fill.
    pub(crate) const fn blank() -> Self {
        Self { opaque: [0; 64] }
    }
}

#[cfg(windows)]
pub(crate) type OsSocket = usize;
#[cfg(not(windows))]
pub(crate) type OsSocket = c_int;

/// `zmq_pollitem_t`.
#[repr(C)]
pub(crate) struct ZmqPollItem {
    pub(crate) socket: *mut c_void,
    pub(crate) fd: OsSocket,
    pub(crate) events: c_short,
    pub(crate) revents: c_short,
}

/// `zmq_free_fn`.
pub(crate) type ZmqFree = unsafe extern "C" fn(data: *mut c_void, hint: *mut c_void);

unsafe extern "C" {
    pub(crate) fn zmq_errno() -> c_int;
    pub(crate) fn zmq_strerror(errnum: c_int) -> *const c_char;
    pub(crate) fn zmq_version(major: *mut c_int, minor: *mut c_int, patch: *mut c_int);
    pub(crate) fn zmq_has(capability: *const c_char) -> c_int;

    pub(crate) fn zmq_ctx_new() -> *mut c_void;
    pub(crate) fn zmq_ctx_term(context: *mut c_void) -> c_int;
    pub(crate) fn zmq_ctx_shutdown(context: *mut c_void) -> c_int;
    pub(crate) fn zmq_ctx_set(context: *mut c_void, option: c_int, value: c_int) -> c_int;
    pub(crate) fn zmq_ctx_get(context: *mut c_void, option: c_int) -> c_int;

    pub(crate) fn zmq_msg_init(msg: *mut ZmqMsg) -> c_int;
    pub(crate) fn zmq_msg_init_size(msg: *mut ZmqMsg, size: size_t) -> c_int;
    pub(crate) fn zmq_msg_init_data(
        msg: *mut ZmqMsg,
        data: *mut c_void,
        size: size_t,
        free: Option<ZmqFree>,
        hint: *mut c_void,
    ) -> c_int;
    pub(crate) fn zmq_msg_close(msg: *mut ZmqMsg) -> c_int;
    pub(crate) fn zmq_msg_copy(dest: *mut ZmqMsg, src: *mut ZmqMsg) -> c_int;
    pub(crate) fn zmq_msg_data(msg: *mut ZmqMsg) -> *mut c_void;
    pub(crate) fn zmq_msg_size(msg: *const ZmqMsg) -> size_t;
    pub(crate) fn zmq_msg_more(msg: *const ZmqMsg) -> c_int;
    pub(crate) fn zmq_msg_get(msg: *const ZmqMsg, property: c_int) -> c_int;
    pub(crate) fn zmq_msg_gets(msg: *const ZmqMsg, property: *const c_char) -> *const c_char;
    pub(crate) fn zmq_msg_send(msg: *mut ZmqMsg, socket: *mut c_void, flags: c_int) -> c_int;
    pub(crate) fn zmq_msg_recv(msg: *mut ZmqMsg, socket: *mut c_void, flags: c_int) -> c_int;

    pub(crate) fn zmq_socket(context: *mut c_void, kind: c_int) -> *mut c_void;
    pub(crate) fn zmq_close(socket: *mut c_void) -> c_int;
    pub(crate) fn zmq_setsockopt(
        socket: *mut c_void,
        option: c_int,
        value: *const c_void,
        length: size_t,
    ) -> c_int;
    pub(crate) fn zmq_getsockopt(
        socket: *mut c_void,
        option: c_int,
        value: *mut c_void,
        length: *mut size_t,
    ) -> c_int;
    pub(crate) fn zmq_bind(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    pub(crate) fn zmq_unbind(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    pub(crate) fn zmq_connect(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    pub(crate) fn zmq_disconnect(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    pub(crate) fn zmq_send(socket: *mut c_void, data: *const c_void, length: size_t, flags: c_int) -> c_int;
    pub(crate) fn zmq_socket_monitor(socket: *mut c_void, endpoint: *const c_char, events: c_int) -> c_int;
    pub(crate) fn zmq_poll(items: *mut ZmqPollItem, count: c_int, timeout_ms: c_long) -> c_int;

    pub(crate) fn zmq_curve_keypair(public: *mut c_char, secret: *mut c_char) -> c_int;
    pub(crate) fn zmq_curve_public(public: *mut c_char, secret: *const c_char) -> c_int;
    pub(crate) fn zmq_z85_encode(dest: *mut c_char, data: *const u8, size: size_t) -> *mut c_char;
    pub(crate) fn zmq_z85_decode(dest: *mut u8, text: *const c_char) -> *mut u8;
}
