//! Who sent something.

use chasar_libzmq::Message;
use std::fmt;
use std::net::IpAddr;

/// The descriptor of a connection. A hint, not a name: numbers are used again as soon as they are free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub i64);

/// The other end of a connection, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Peer {
    /// Its IP address.
    pub address: Option<IpAddr>,
    /// The connection it came by.
    pub connection: Option<ConnectionId>,
    /// The name its key was given when it was let in; always `None` in clear.
    pub identity: Option<Box<str>>,
}

impl Peer {
    /// Reads what libzmq attached to a frame.
    pub(crate) fn of(message: &Message) -> Self {
        Self {
            address: message.gets(c"Peer-Address").and_then(|text| text.parse().ok()),
            connection: message.fd().map(ConnectionId),
            identity: message.gets(c"User-Id").filter(|name| !name.is_empty()).map(Into::into),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.identity, &self.address) {
            (Some(name), Some(address)) => write!(f, "{name} ({address})"),
            (Some(name), None) => f.write_str(name),
            (None, Some(address)) => write!(f, "{address}"),
            (None, None) => f.write_str("an unknown peer"),
        }
    }
}
