//! The masternode's end for reports: a SUB socket that binds and takes everything.
//!
//! Whatever arrives is a [`Received::Report`] of two frames or a [`Received::Refused`] with a reason, so a
//! bad sender is counted against itself and never stops the rest. How much one peer can make us hold is
//! bounded twice: libzmq ends the connection of a peer whose message exceeds the size limit or eight frames
//! (a change of ours, `chasar-libzmq`'s `build/patches.rs`; stock libzmq collects frames without end), and
//! stops reading from a peer whose queue is full, which pushes back to the sender.
//!
//! It has to be received from all the time: libzmq gives a new peer its subscription, and cleans up after one
//! that left, only during calls on the socket. Keep slow work off the thread that does it.
//!
//! No heartbeats from this side: at 10,000 nodes they cost 43 % of a core. Clientnodes send them, TCP keepalive
//! finds the peers that vanished, and missing reports tell the rest.

use crate::connections::{ConnectionEvent, Connections};
use crate::counters::{add, count, counters};
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::limits::{BACKLOG, HANDSHAKE_TIMEOUT, MAX_BODY_BYTES, MAX_TOPIC_BYTES};
use crate::peer::Peer;
use crate::security;
use crate::wait::{Stopper, deadline, set_up_keepalive, wait_until};
use chasar_libzmq::{Context, Kind, Message, Socket};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Room above body and topic, so that a body just above its limit is refused with a reason and not by
/// ending the connection.
const SLACK_BYTES: usize = 64 * 1024;

/// How to listen for reports.
#[derive(Debug, Clone)]
pub struct CollectorConfig {
    /// Where; port 0 lets the system choose.
    pub endpoint: Endpoint,
    /// Messages held for each peer before it is read no further.
    pub queue_messages: u32,
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
}

impl CollectorConfig {
    /// The usual settings.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, queue_messages: 64, handshake_timeout: HANDSHAKE_TIMEOUT }
    }
}

/// What arrived.
#[derive(Debug)]
pub enum Received {
    /// A message of two frames within the limits.
    Report {
        /// Its first frame.
        topic: Message,
        /// Its second frame; can be passed on without a copy.
        body: Message,
        /// Who sent it.
        peer: Peer,
    },
    /// A message that is none of ours. It was read to its end and dropped.
    Refused {
        /// Why.
        reason: Refusal,
        /// Who sent it.
        peer: Peer,
    },
}

/// Why a message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It has one frame only.
    NoBody,
    /// It has more than two frames.
    TooManyFrames,
    /// The topic is above [`MAX_TOPIC_BYTES`].
    TopicTooLong,
    /// The body is above [`MAX_BODY_BYTES`].
    BodyTooLarge,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoBody => f.write_str("the message has no second frame"),
            Self::TooManyFrames => f.write_str("the message has more than two frames"),
            Self::TopicTooLong => write!(f, "the topic is longer than {MAX_TOPIC_BYTES} bytes"),
            Self::BodyTooLarge => write!(f, "the body is larger than {MAX_BODY_BYTES} bytes"),
        }
    }
}

counters! {
    /// Counters of a [`Collector`], readable from any thread.
    live CollectorCounters;
    /// The values of [`CollectorCounters`] at one moment.
    read CollectorCounts;
    /// Messages given out as reports.
    received_messages,
    /// All frames that arrived, refused ones too, in bytes.
    received_bytes,
    /// Messages refused with [`Refusal::NoBody`].
    refused_no_body,
    /// Messages refused with [`Refusal::TooManyFrames`].
    refused_too_many_frames,
    /// Messages refused with [`Refusal::TopicTooLong`].
    refused_topic_too_long,
    /// Messages refused with [`Refusal::BodyTooLarge`].
    refused_body_too_large,
    /// Peers disconnected on request.
    ended_connections,
}

/// The masternode's end for reports.
#[derive(Debug)]
pub struct Collector {
    /// Taken out only while dropping.
    socket: Option<Socket>,
    connections: Connections,
    context: Context,
    bound: Endpoint,
    counters: Arc<CollectorCounters>,
}

impl Collector {
    /// Listens, and subscribes to everything.
    ///
    /// # Errors
    /// When the address cannot be taken, each with what to do.
    pub fn bind(config: &CollectorConfig) -> Result<Self> {
        let (address, ipv6) = config.endpoint.to_bind()?;
        let context = Context::new()?;
        let socket = context.socket(Kind::Sub)?;
        socket.set_linger(Duration::ZERO)?;
        socket.set_ipv6(ipv6)?;
        socket.set_receive_high_water_mark(config.queue_messages.max(1))?;
        socket.set_max_message_size(Some((MAX_BODY_BYTES + MAX_TOPIC_BYTES + SLACK_BYTES) as u64))?;
        socket.set_backlog(BACKLOG)?;
        socket.set_handshake_timeout(config.handshake_timeout)?;
        set_up_keepalive(&socket)?;
        security::secure_server(&socket)?;
        socket.subscribe(b"")?;
        let connections = Connections::watch(&context, &socket)?;
        let bound = bind(&socket, &config.endpoint, &address)?;
        Ok(Self { socket: Some(socket), connections, context, bound, counters: Arc::default() })
    }

    /// Where it listens, with the real port.
    #[must_use]
    pub fn bound(&self) -> &Endpoint {
        &self.bound
    }

    /// The next message, waiting at most `timeout`; `None` when the time is over. While messages are there,
    /// taking one costs no more than one call into libzmq a frame.
    ///
    /// # Errors
    /// [`Error::Stopped`] when it was stopped, or when libzmq fails.
    pub fn recv(&self, timeout: Duration) -> Result<Option<Received>> {
        if let Some(received) = self.try_recv()? {
            return Ok(Some(received));
        }
        let deadline = deadline(timeout);
        loop {
            wait_until([self.socket()], deadline)?;
            if let Some(received) = self.try_recv()? {
                return Ok(Some(received));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
        }
    }

    /// The next message if one is there.
    ///
    /// # Errors
    /// [`Error::Stopped`] when it was stopped, or when libzmq fails.
    pub fn try_recv(&self) -> Result<Option<Received>> {
        let topic = match self.socket().recv() {
            Ok(frame) => frame,
            Err(e) if e.would_block() => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        add(&self.counters.received_bytes, topic.len());
        if !topic.more() {
            count(&self.counters.refused_no_body);
            return Ok(Some(Received::Refused { reason: Refusal::NoBody, peer: Peer::of(&topic) }));
        }
        let body = self.socket().recv()?;
        add(&self.counters.received_bytes, body.len());
        let mut more = body.more();
        let too_many = more;
        while more {
            let extra = self.socket().recv()?;
            add(&self.counters.received_bytes, extra.len());
            more = extra.more();
        }
        let peer = Peer::of(&body);
        let (reason, counter) = if too_many {
            (Refusal::TooManyFrames, &self.counters.refused_too_many_frames)
        } else if topic.len() > MAX_TOPIC_BYTES {
            (Refusal::TopicTooLong, &self.counters.refused_topic_too_long)
        } else if body.len() > MAX_BODY_BYTES {
            (Refusal::BodyTooLarge, &self.counters.refused_body_too_large)
        } else {
            count(&self.counters.received_messages);
            return Ok(Some(Received::Report { topic, body, peer }));
        };
        count(counter);
        Ok(Some(Received::Refused { reason, peer }))
    }

    /// Ends a peer's connection; it may come back and has to shake hands again. `false` when the connection
    /// is gone already.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn disconnect(&self, peer: &Peer) -> std::io::Result<bool> {
        let Some(connection) = peer.connection else { return Ok(false) };
        let ended = chasar_libzmq::end_connection(connection.0, self.bound.port())?;
        if ended {
            count(&self.counters.ended_connections);
        }
        Ok(ended)
    }

    /// The watch over the connections.
    #[must_use]
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// The next event of a connection, without waiting.
    #[must_use]
    pub fn next_connection_event(&self) -> Option<ConnectionEvent> {
        self.connections.next_event()
    }

    /// The counters, to be read from anywhere.
    #[must_use]
    pub fn counters(&self) -> &Arc<CollectorCounters> {
        &self.counters
    }

    /// A handle that ends the waiting from another thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper::new(&self.context)
    }

    fn socket(&self) -> &Socket {
        self.socket.as_ref().expect("open until dropped")
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.socket = None;
        self.connections.finish();
    }
}

/// Binds, with errors that say what to do, and tells the real port.
pub(crate) fn bind(socket: &Socket, endpoint: &Endpoint, address: &str) -> Result<Endpoint> {
    socket.bind(address).map_err(|e| Error::listen(endpoint, &e))?;
    let real: Endpoint = socket.last_endpoint()?.parse()?;
    // The host stays as it was given: libzmq writes 0.0.0.0 for a wildcard and an address for a name.
    Ok(endpoint.with_port(real.port()))
}
