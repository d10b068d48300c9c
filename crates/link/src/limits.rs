//! The constants of the wire, and why each is what it is.

use std::time::Duration;

/// The largest body: a report's limit (`docs/wire.md`).
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The longest topic or subscription. The longest of ours is `chasar/node/<id>/report`.
pub const MAX_TOPIC_BYTES: usize = 256;

/// How often a connecting end asks its peer for a sign of life. Only connecting ends do: at 10,000 nodes a
/// server that asks each of them every 5 s spends 43 % of a core on timers.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(2);

/// Silence after a heartbeat that ends the connection. With the interval it is 4.8 s: a silent link is noticed
/// within 5 s.
pub const HEARTBEAT_TIMEOUT: Duration = Duration::from_millis(2_800);

/// First wait before connecting again, before it is randomised.
pub const RECONNECT_FIRST: Duration = Duration::from_millis(100);

/// The wait doubles up to this, before it is randomised: 10,000 nodes must not return in one second.
pub const RECONNECT_LAST: Duration = Duration::from_secs(5);

/// How long one attempt to connect may take. A packet lost without answer would hold it for two minutes.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a new connection may take for its handshake; half a greeting holds a descriptor no longer.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections the kernel holds until they are accepted. With libzmq's default of 100, 2,000 of 10,000 nodes
/// were not back 22 s after a restart. The system caps it (`net.core.somaxconn`).
pub const BACKLOG: u32 = 4_096;

/// TCP keepalive: seconds of silence before the first probe, seconds between probes, unanswered probes.
/// It finds peers that vanished without a word where no heartbeats are sent, after 90 s.
pub const KEEPALIVE: (u32, u32, u32) = (60, 10, 3);
