//! Socket options, typed. Set them before `bind` or `connect` unless the option says otherwise.
//!
//! Names, units and defaults are those of `zmq_setsockopt(3)` for 4.3.5. Times are durations; libzmq counts
//! in milliseconds, and a time above 24 days is cut to that.

use crate::error::{Error, Result};
use crate::ffi;
use crate::socket::{Socket, check};
use libc::{c_int, c_void, size_t};
use std::time::Duration;

const CURVE_KEY_TEXT_BYTES: usize = 41;

/// A time in the milliseconds libzmq wants, rounded up so that a short time never becomes "none".
pub(crate) fn milliseconds(time: Duration) -> c_int {
    c_int::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(c_int::MAX)
}

/// Declares setters: a doc line, the method, its argument, the option's number, and how the argument becomes
/// the C `int` that libzmq wants.
macro_rules! int_setters {
    ($($(#[$doc:meta])* $name:ident($arg:ident: $kind:ty) = $number:literal, $convert:expr;)*) => {
        impl Socket {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// When libzmq refuses the value, or this kind of socket has no such option.
                pub fn $name(&self, $arg: $kind) -> Result<()> {
                    self.set_int($number, $convert, concat!("setting ", stringify!($arg)))
                }
            )*
        }
    };
}

int_setters! {
    /// `ZMQ_SNDHWM`: messages queued for each peer before the socket drops or refuses; 0 is no limit.
    /// May be changed at any time for peers that connect later.
    set_send_high_water_mark(messages: u32) = 23, int(messages);
    /// `ZMQ_RCVHWM`: messages queued from each peer before it is no longer read; 0 is no limit.
    set_receive_high_water_mark(messages: u32) = 24, int(messages);
    /// `ZMQ_LINGER`: how long queued data is kept after closing; zero discards it.
    /// May be set at any time before closing.
    set_linger(linger: Duration) = 17, milliseconds(linger);
    /// `ZMQ_RCVTIMEO`: how long `recv_wait` waits; `None` is for ever.
    set_receive_timeout(timeout: Option<Duration>) = 27, timeout.map_or(-1, milliseconds);
    /// `ZMQ_RECONNECT_IVL`: the first wait before trying to connect again.
    set_reconnect_interval(interval: Duration) = 18, milliseconds(interval);
    /// `ZMQ_RECONNECT_IVL_MAX`: the wait doubles up to this; zero keeps the first.
    set_reconnect_interval_max(interval: Duration) = 21, milliseconds(interval);
    /// `ZMQ_CONNECT_TIMEOUT`: how long one attempt to connect may take.
    set_connect_timeout(timeout: Duration) = 79, milliseconds(timeout);
    /// `ZMQ_HANDSHAKE_IVL`: how long a new connection may take for its handshake.
    set_handshake_timeout(timeout: Duration) = 66, milliseconds(timeout);
    /// `ZMQ_HEARTBEAT_IVL`: how often the peer is asked for a sign of life.
    set_heartbeat_interval(interval: Duration) = 75, milliseconds(interval);
    /// `ZMQ_HEARTBEAT_TIMEOUT`: silence after a heartbeat that ends the connection.
    set_heartbeat_timeout(timeout: Duration) = 77, milliseconds(timeout);
    /// `ZMQ_HEARTBEAT_TTL`: after how much silence the peer shall give the connection up.
    set_heartbeat_ttl(ttl: Duration) = 76, milliseconds(ttl);
    /// `ZMQ_TCP_KEEPALIVE`: whether the kernel probes idle connections.
    set_tcp_keepalive(enabled: bool) = 34, c_int::from(enabled);
    /// `ZMQ_TCP_KEEPALIVE_IDLE`: seconds of silence before the first probe.
    set_tcp_keepalive_idle_seconds(seconds: u32) = 36, int(seconds);
    /// `ZMQ_TCP_KEEPALIVE_INTVL`: seconds between probes.
    set_tcp_keepalive_interval_seconds(seconds: u32) = 37, int(seconds);
    /// `ZMQ_TCP_KEEPALIVE_CNT`: unanswered probes that end the connection.
    set_tcp_keepalive_count(probes: u32) = 35, int(probes);
    /// `ZMQ_BACKLOG`: connections the kernel holds until they are accepted; the system caps it
    /// (`net.core.somaxconn`).
    set_backlog(connections: u32) = 19, int(connections);
    /// `ZMQ_IMMEDIATE`: queue only for peers that are connected, so that a queue ends with its connection.
    set_immediate(enabled: bool) = 39, c_int::from(enabled);
    /// `ZMQ_CONFLATE`: keep only the newest frame. Not for messages of several frames.
    set_conflate(enabled: bool) = 54, c_int::from(enabled);
    /// `ZMQ_IPV6`: allow IPv6 addresses besides IPv4.
    set_ipv6(enabled: bool) = 42, c_int::from(enabled);
    /// `ZMQ_XPUB_NODROP`: refuse to send instead of dropping for a peer whose queue is full.
    /// May be changed at any time.
    set_xpub_no_drop(enabled: bool) = 69, c_int::from(enabled);
    /// `ZMQ_XPUB_VERBOSE`: pass every subscription up, not only the first of its topic.
    set_xpub_verbose(enabled: bool) = 40, c_int::from(enabled);
    /// `ZMQ_XPUB_VERBOSER`: pass every subscription and every unsubscription up.
    set_xpub_verboser(enabled: bool) = 78, c_int::from(enabled);
    /// `ZMQ_XPUB_MANUAL`: a subscription counts only once `subscribe` was called for it.
    set_xpub_manual(enabled: bool) = 71, c_int::from(enabled);
    /// `ZMQ_CURVE_SERVER`: be the side that proves the server key.
    set_curve_server(enabled: bool) = 47, c_int::from(enabled);
    /// `ZMQ_ZAP_ENFORCE_DOMAIN`: refuse every peer when nobody answers for the ZAP domain. Without it a dead
    /// or missing handler means that **any** key is let in.
    set_zap_enforce_domain(enabled: bool) = 93, c_int::from(enabled);
}

fn int(value: u32) -> c_int {
    c_int::try_from(value).unwrap_or(c_int::MAX)
}

impl Socket {
    /// `ZMQ_MAXMSGSIZE`: a peer that sends a message above this many bytes (in this build: the sum of its
    /// frames) is disconnected; `None` is no limit. Subscriptions and handshakes count too.
    ///
    /// # Errors
    /// When libzmq refuses.
    pub fn set_max_message_size(&self, bytes: Option<u64>) -> Result<()> {
        let value = bytes.map_or(-1, |b| i64::try_from(b).unwrap_or(i64::MAX));
        self.set_raw(22, &value.to_ne_bytes(), "setting the maximum message size")
    }

    /// `ZMQ_SUBSCRIBE`: receive messages whose first frame begins with `topic`; empty is everything.
    ///
    /// # Errors
    /// When the socket does not subscribe.
    pub fn subscribe(&self, topic: &[u8]) -> Result<()> {
        self.set_raw(6, topic, "subscribing")
    }

    /// `ZMQ_UNSUBSCRIBE`: undo one [`subscribe`](Self::subscribe).
    ///
    /// # Errors
    /// When the socket does not subscribe.
    pub fn unsubscribe(&self, topic: &[u8]) -> Result<()> {
        self.set_raw(7, topic, "unsubscribing")
    }

    /// `ZMQ_METADATA`: a property `X-name:value` that peers can read from our messages.
    ///
    /// # Errors
    /// When the name does not begin with `X-`.
    pub fn add_metadata(&self, name_and_value: &str) -> Result<()> {
        self.set_raw(95, name_and_value.as_bytes(), "adding metadata")
    }

    /// `ZMQ_ZAP_DOMAIN`: the name under which a ZAP handler is asked about peers.
    ///
    /// # Errors
    /// When it is too long.
    pub fn set_zap_domain(&self, domain: &str) -> Result<()> {
        self.set_raw(55, domain.as_bytes(), "setting the ZAP domain")
    }

    /// `ZMQ_CURVE_SECRETKEY`: our own secret key.
    ///
    /// # Errors
    /// When libzmq refuses.
    pub fn set_curve_secret_key(&self, key: &[u8; 32]) -> Result<()> {
        self.set_raw(49, key, "setting the CURVE secret key")
    }

    /// `ZMQ_CURVE_PUBLICKEY`: our own public key; a client needs it, a server derives it.
    ///
    /// # Errors
    /// When libzmq refuses.
    pub fn set_curve_public_key(&self, key: &[u8; 32]) -> Result<()> {
        self.set_raw(48, key, "setting the CURVE public key")
    }

    /// `ZMQ_CURVE_SERVERKEY`: the public key the server must prove.
    ///
    /// # Errors
    /// When libzmq refuses.
    pub fn set_curve_server_key(&self, key: &[u8; 32]) -> Result<()> {
        self.set_raw(50, key, "setting the CURVE server key")
    }

    /// `ZMQ_CURVE_PUBLICKEY`, in Z85.
    ///
    /// # Errors
    /// When no key is set.
    pub fn curve_public_key_text(&self) -> Result<String> {
        self.get_text(48, CURVE_KEY_TEXT_BYTES, "reading the CURVE public key")
    }

    /// `ZMQ_LAST_ENDPOINT`: the endpoint of the last `bind` or `connect`, with the real port where a wildcard
    /// was asked for.
    ///
    /// # Errors
    /// When libzmq refuses.
    pub fn last_endpoint(&self) -> Result<String> {
        self.get_text(32, 1024, "reading the last endpoint")
    }

    /// `ZMQ_RCVMORE`: whether the frame received last has another after it.
    ///
    /// # Errors
    /// When libzmq refuses.
    pub fn receive_more(&self) -> Result<bool> {
        Ok(self.get_int(13, "reading whether more frames follow")? != 0)
    }

    /// `ZMQ_EVENTS`: whether a frame can be received now. Also lets libzmq handle what arrived meanwhile.
    ///
    /// # Errors
    /// When the context was shut down.
    pub fn readable(&self) -> Result<bool> {
        Ok(self.get_int(15, "reading a socket's state")? & 1 != 0)
    }

    /// `ZMQ_MECHANISM`: 0 is NULL (in clear), 2 is CURVE.
    ///
    /// # Errors
    /// When libzmq refuses.
    pub fn mechanism(&self) -> Result<i32> {
        self.get_int(43, "reading the security mechanism")
    }

    /// `ZMQ_TCP_KEEPALIVE` as set: -1 is the system's default, 0 off, 1 on.
    ///
    /// # Errors
    /// When libzmq refuses.
    pub fn tcp_keepalive(&self) -> Result<i32> {
        self.get_int(34, "reading the keepalive setting")
    }

    /// `ZMQ_BACKLOG` as set.
    ///
    /// # Errors
    /// When libzmq refuses.
    pub fn backlog(&self) -> Result<i32> {
        self.get_int(19, "reading the backlog")
    }

    /// `ZMQ_ZAP_ENFORCE_DOMAIN` as set.
    ///
    /// # Errors
    /// When libzmq refuses.
    pub fn zap_enforce_domain(&self) -> Result<bool> {
        Ok(self.get_int(93, "reading whether a ZAP domain is enforced")? != 0)
    }

    /// `ZMQ_RECONNECT_IVL` as set.
    ///
    /// # Errors
    /// When libzmq refuses.
    pub fn reconnect_interval(&self) -> Result<Duration> {
        let ms = self.get_int(18, "reading the reconnect interval")?;
        Ok(Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
    }

    fn set_int(&self, option: c_int, value: c_int, attempted: &'static str) -> Result<()> {
        self.set_raw(option, &value.to_ne_bytes(), attempted)
    }

    fn set_raw(&self, option: c_int, value: &[u8], attempted: &'static str) -> Result<()> {
        let pointer: *const c_void = value.as_ptr().cast();
        // SAFETY: the socket is open, and libzmq reads exactly `value.len()` bytes during the call.
        let code = unsafe { ffi::zmq_setsockopt(self.raw(), option, pointer, value.len()) };
        check(code, attempted).map(|_| ())
    }

    fn get_int(&self, option: c_int, attempted: &'static str) -> Result<c_int> {
        let mut value: c_int = 0;
        let mut length: size_t = size_of::<c_int>();
        // SAFETY: the socket is open, and libzmq writes at most `length` bytes.
        let code =
            unsafe { ffi::zmq_getsockopt(self.raw(), option, (&raw mut value).cast(), &raw mut length) };
        check(code, attempted).map(|_| value)
    }

    fn get_text(&self, option: c_int, room: usize, attempted: &'static str) -> Result<String> {
        let mut buffer = vec![0_u8; room];
        let mut length: size_t = room;
        // SAFETY: the socket is open, and libzmq writes at most `length` bytes.
        let code =
            unsafe { ffi::zmq_getsockopt(self.raw(), option, buffer.as_mut_ptr().cast(), &raw mut length) };
        check(code, attempted)?;
        buffer.truncate(length.min(room));
        while buffer.last() == Some(&0) {
            buffer.pop();
        }
        String::from_utf8(buffer).map_err(|_| Error::from_code(attempted, libc::EINVAL))
    }
}
