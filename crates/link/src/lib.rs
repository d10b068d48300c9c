//! Chasar's ZeroMQ edge: frames in, frames out, and what happens to the connections.
//!
//! It knows nothing of reports: bodies are bytes, topics are bytes. It is the only crate that sees
//! `chasar-libzmq`. Each end owns a context with one I/O thread, so ends do not disturb each other
//! (the links of one clientnode share a context):
//!
//! | end | socket | who uses it |
//! | --- | --- | --- |
//! | [`Reporter`], several as [`Reporters`] | XPUB that connects | a clientnode, to its masternodes |
//! | [`Collector`] | SUB that binds | the masternode, for all clientnodes |
//! | [`Broadcaster`] | XPUB that binds | the masternode, for all subscribers |
//! | [`Subscriber`] | SUB that connects | who reads the stream |
//!
//! XPUB speaks the same as PUB on the wire; it only lets us see the subscriptions of the peers.
//!
//! Keys (CURVE) are set in one place for each end, `security.rs`; until keys are managed everything is in
//! clear.

mod broadcaster;
mod collector;
mod connections;
mod counters;
mod endpoint;
mod error;
mod ledger;
mod limits;
mod link_state;
mod lookup;
mod open_files;
mod peer;
mod reporter;
mod reporters;
mod security;
mod subscriber;
mod subscriptions;
mod wait;
mod wake;

pub use broadcaster::{
    Broadcaster, BroadcasterConfig, BroadcasterCounters, BroadcasterCounts, Published, StreamEvent,
    SubscriptionRefusal,
};
pub use chasar_libzmq::{Message, version as zmq_version};
pub use collector::{Collector, CollectorConfig, CollectorCounters, CollectorCounts, Received, Refusal};
pub use connections::{ConnectionCounters, ConnectionCounts, ConnectionEvent, Connections, Failure};
pub use endpoint::{Endpoint, EndpointError, Host};
pub use error::{Error, Result};
pub use limits::*;
pub use link_state::{DownReason, LinkEvent};
pub use lookup::{Resolve, Resolver};
pub use open_files::{OpenFilesError, raise_open_file_limit, require_open_files};
pub use peer::{ConnectionId, Peer};
pub use reporter::{Reporter, ReporterConfig, ReporterCounters, ReporterCounts, Sent};
pub use reporters::{MAX_REPORTERS, Reporters};
pub use subscriber::{Subscriber, SubscriberConfig, SubscriberCounters, SubscriberCounts, SubscriberEvent};
pub use wait::Stopper;
pub use wake::Wake;
