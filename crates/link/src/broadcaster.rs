//! The masternode's end for subscribers: an XPUB socket that binds.
//!
//! **Slow subscribers.** Each has a queue of its own, bounded. When it is full libzmq drops the **newest**
//! message for that subscriber and keeps the older ones; dropping the oldest exists only as `CONFLATE`, which
//! breaks messages of two frames. Nobody else notices, and publishing never waits. How many messages were
//! published while a subscriber's queue was full is counted ([`BroadcasterCounts::lost_messages`]).
//!
//! **Limits on subscriptions.** Every subscription is shown to us (`XPUB_VERBOSE`). A peer that subscribes to a
//! topic that is too long, or to too many, is disconnected, which takes all its subscriptions away: no option
//! of libzmq refuses a single one without keeping it. What one peer can send at once is bounded by the size
//! limit and its queue.

use crate::collector::bind;
use crate::connections::{ConnectionEvent, Connections};
use crate::counters::{add, count, counters};
use crate::endpoint::Endpoint;
use crate::error::Result;
use crate::ledger::LossMeter;
use crate::limits::{BACKLOG, HANDSHAKE_TIMEOUT, MAX_TOPIC_BYTES};
use crate::peer::{ConnectionId, Peer};
use crate::reporter::check_sizes;
use crate::security;
use crate::subscriptions::{Change, Subscriptions};
use crate::wait::{Stopper, deadline, set_up_keepalive, wait_until};
use chasar_libzmq::{Context, Kind, Message, Socket};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Largest message a subscriber may send: a subscription, or CURVE's INITIATE with metadata.
const MAX_INBOUND_BYTES: u64 = 1_024;

/// Subscriptions held for each peer until we look.
const INBOUND_QUEUE: u32 = 64;

/// How old the knowledge of subscriptions may be when publishing.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Subscription messages taken in at one look, so that a peer that sends them without end cannot hold up the
/// publishing.
const LOOK_AT_MOST: usize = 4_096;

/// Events kept for [`Broadcaster::poll`]; the oldest go first.
const EVENT_QUEUE: usize = 4_096;

/// How to listen for subscribers.
#[derive(Debug, Clone)]
pub struct BroadcasterConfig {
    /// Where; port 0 lets the system choose.
    pub endpoint: Endpoint,
    /// Messages queued for each subscriber before it loses the newest.
    pub queue_messages: u32,
    /// Topics one peer may subscribe to.
    pub max_topics_per_peer: usize,
    /// Different topics all peers together may subscribe to.
    pub max_topics: usize,
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
}

impl BroadcasterConfig {
    /// The usual settings.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            queue_messages: 1_000,
            max_topics_per_peer: 1_024,
            max_topics: 65_536,
            handshake_timeout: HANDSHAKE_TIMEOUT,
        }
    }
}

/// What became of a published message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Published {
    /// Nobody wants the topic; nothing was done.
    NotWanted,
    /// Queued for every subscriber of the topic.
    ToAll,
    /// At least one subscriber's queue was full, and that one may have lost it.
    SomeLost,
}

/// Something subscribers did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEvent {
    /// A peer subscribed; also told when others have subscribed to the same topic before.
    Subscribed {
        /// To topics that begin with this.
        topic: Box<[u8]>,
        /// Who.
        peer: Peer,
    },
    /// Nobody subscribes to this any more.
    Unwanted {
        /// The topic.
        topic: Box<[u8]>,
    },
    /// A peer was disconnected for its subscriptions.
    Refused {
        /// Why.
        reason: SubscriptionRefusal,
        /// Who.
        peer: Peer,
    },
}

/// Why a peer was disconnected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubscriptionRefusal {
    /// A topic above [`MAX_TOPIC_BYTES`].
    TopicTooLong,
    /// More topics than one peer may have.
    TooManyOfPeer,
    /// More topics than all peers together may have.
    TooManyInAll,
}

counters! {
    /// Counters of a [`Broadcaster`], readable from any thread.
    live BroadcasterCounters;
    /// The values of [`BroadcasterCounters`] at one moment.
    read BroadcasterCounts;
    /// Messages published that somebody wants.
    published_messages,
    /// Their topics and bodies, in bytes, each once however many subscribers there are.
    published_bytes,
    /// Messages published while the queue of at least one subscriber was full, so that it may have lost them.
    /// Exact but for the few that are published at the moment at which such a queue is let on again.
    lost_messages,
    /// Times a subscriber's queue ran full.
    overflows,
    /// Peers disconnected for a topic that is too long.
    refused_topic_too_long,
    /// Peers disconnected for too many topics.
    refused_too_many_of_peer,
    /// Peers disconnected because all peers together had too many topics.
    refused_too_many_in_all,
    /// Messages from subscribers that are no subscriptions, ignored.
    stray_messages,
    /// Events that [`Broadcaster::poll`] was too late for.
    dropped_events,
}

/// What one connection subscribed to.
#[derive(Debug, Default)]
struct OfPeer {
    topics: HashSet<Box<[u8]>>,
    /// Its connection was ended; what it sent before it noticed no longer counts.
    refused: bool,
}

/// The masternode's end for subscribers.
#[derive(Debug)]
pub struct Broadcaster {
    /// Taken out only while dropping.
    socket: Option<Socket>,
    connections: Connections,
    context: Context,
    bound: Endpoint,
    max_topics_per_peer: usize,
    max_topics: usize,
    wanted: Subscriptions,
    /// What each connection has, to hold the limit of each peer.
    of_peer: HashMap<ConnectionId, OfPeer>,
    meter: LossMeter,
    events: VecDeque<StreamEvent>,
    looked: Instant,
    counters: Arc<BroadcasterCounters>,
}

impl Broadcaster {
    /// Listens.
    ///
    /// # Errors
    /// When the address cannot be taken, each with what to do.
    pub fn bind(config: &BroadcasterConfig) -> Result<Self> {
        let (address, ipv6) = config.endpoint.to_bind()?;
        let queue = config.queue_messages.max(2);
        let context = Context::new()?;
        let socket = context.socket(Kind::XPub)?;
        socket.set_linger(Duration::ZERO)?;
        socket.set_ipv6(ipv6)?;
        socket.set_send_high_water_mark(queue)?;
        socket.set_receive_high_water_mark(INBOUND_QUEUE)?;
        socket.set_max_message_size(Some(MAX_INBOUND_BYTES))?;
        socket.set_xpub_verbose(true)?;
        socket.set_xpub_no_drop(true)?;
        socket.set_backlog(BACKLOG)?;
        socket.set_handshake_timeout(config.handshake_timeout)?;
        set_up_keepalive(&socket)?;
        security::secure_server(&socket)?;
        let connections = Connections::watch(&context, &socket)?;
        let bound = bind(&socket, &config.endpoint, &address)?;
        Ok(Self {
            socket: Some(socket),
            connections,
            context,
            bound,
            max_topics_per_peer: config.max_topics_per_peer,
            max_topics: config.max_topics,
            wanted: Subscriptions::default(),
            of_peer: HashMap::new(),
            meter: LossMeter::new(queue),
            events: VecDeque::new(),
            looked: Instant::now(),
            counters: Arc::default(),
        })
    }

    /// Where it listens, with the real port.
    #[must_use]
    pub fn bound(&self) -> &Endpoint {
        &self.bound
    }

    /// Whether anybody subscribes to a beginning of `topic`, as of the last look. Lets the caller skip making
    /// what nobody wants.
    #[must_use]
    pub fn wants(&self, topic: &[u8]) -> bool {
        self.wanted.wants(topic)
    }

    /// Publishes a copy of `body`.
    ///
    /// # Errors
    /// When topic or body are above their limits, or libzmq fails.
    pub fn publish(&mut self, topic: &[u8], body: &[u8]) -> Result<Published> {
        check_sizes(topic, body.len())?;
        self.look_if_due()?;
        if !self.wants(topic) {
            return Ok(Published::NotWanted);
        }
        self.send(topic, Vec::from(body))
    }

    /// Publishes a received frame without copying it.
    ///
    /// # Errors
    /// When topic or body are above their limits, or libzmq fails.
    pub fn publish_message(&mut self, topic: &[u8], body: Message) -> Result<Published> {
        self.publish_owned(topic, body)
    }

    /// Publishes bytes somebody owns (a `Vec`, an `Arc<[u8]>`, a received [`Message`]) without copying them.
    /// The owner is dropped when the last subscriber has been served.
    ///
    /// # Errors
    /// When topic or body are above their limits, or libzmq fails.
    pub fn publish_owned<T>(&mut self, topic: &[u8], body: T) -> Result<Published>
    where
        T: AsRef<[u8]> + Send + Sync + 'static,
    {
        check_sizes(topic, body.as_ref().len())?;
        self.look_if_due()?;
        if !self.wants(topic) {
            return Ok(Published::NotWanted);
        }
        self.send(topic, body)
    }

    fn socket(&self) -> &Socket {
        self.socket.as_ref().expect("open until dropped")
    }

    fn send<T>(&mut self, topic: &[u8], body: T) -> Result<Published>
    where
        T: AsRef<[u8]> + Send + Sync + 'static,
    {
        let body_bytes = body.as_ref().len();
        let body = Message::from_owner(self.meter.track(body))?;
        let was_skipping = self.meter.follows_somebody();
        let mut lost = self.meter.skipping();
        // A sending libzmq learns only now and then of what peers have taken; a receiving one always does.
        if was_skipping && !lost {
            self.look()?;
        }
        let mut first = self.socket().send(topic, true);
        if first.as_ref().is_err_and(chasar_libzmq::Error::would_block) {
            self.look()?;
            first = self.socket().send(topic, true);
        }
        match first {
            Ok(()) => self.socket().send_message(body, false).map_err(|(e, _)| e)?,
            Err(e) if e.would_block() => {
                // Somebody's queue is full. Send once more, to all others: without NODROP libzmq skips it.
                lost = true;
                self.meter.overflowed();
                count(&self.counters.overflows);
                self.socket().set_xpub_no_drop(false)?;
                let sent = self
                    .socket()
                    .send(topic, true)
                    .and_then(|()| self.socket().send_message(body, false).map_err(|(e, _)| e));
                self.socket().set_xpub_no_drop(true)?;
                sent?;
            }
            Err(e) => return Err(e.into()),
        }
        count(&self.counters.published_messages);
        add(&self.counters.published_bytes, topic.len() + body_bytes);
        if lost {
            count(&self.counters.lost_messages);
            return Ok(Published::SomeLost);
        }
        Ok(Published::ToAll)
    }

    /// Takes in subscriptions and gives the next event, without waiting; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Stopped`](crate::Error::Stopped) when it was stopped, or when libzmq fails.
    pub fn poll(&mut self) -> Result<Option<StreamEvent>> {
        if self.events.is_empty() {
            self.look()?;
        }
        Ok(self.events.pop_front())
    }

    /// Like [`poll`](Self::poll), waiting at most `timeout`.
    ///
    /// # Errors
    /// [`Error::Stopped`](crate::Error::Stopped) when it was stopped, or when libzmq fails.
    pub fn wait(&mut self, timeout: Duration) -> Result<Option<StreamEvent>> {
        let deadline = deadline(timeout);
        loop {
            if let Some(event) = self.poll()? {
                return Ok(Some(event));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            wait_until([self.socket()], deadline)?;
        }
    }

    /// Different topics subscribed to now.
    #[must_use]
    pub fn topics(&self) -> usize {
        self.wanted.len()
    }

    /// The watch over the connections.
    #[must_use]
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// The counters, to be read from anywhere.
    #[must_use]
    pub fn counters(&self) -> &Arc<BroadcasterCounters> {
        &self.counters
    }

    /// A handle that ends the waiting from another thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper::new(&self.context)
    }

    fn look_if_due(&mut self) -> Result<()> {
        if self.looked.elapsed() >= LOOK_EVERY { self.look() } else { Ok(()) }
    }

    /// Takes in what subscribers sent.
    fn look(&mut self) -> Result<()> {
        self.looked = Instant::now();
        while let Some(event) = self.connections.next_event() {
            // The number may soon belong to another peer, which starts with no topics.
            if let ConnectionEvent::Accepted(id) | ConnectionEvent::Disconnected(id) = event {
                self.of_peer.remove(&id);
            }
        }
        for _ in 0..LOOK_AT_MOST {
            let frame = match self.socket().recv() {
                Ok(frame) => frame,
                Err(e) if e.would_block() => return Ok(()),
                Err(e) => return Err(e.into()),
            };
            match Change::parse(&frame) {
                Some(Change::Added(topic)) => self.added(topic, Peer::of(&frame)),
                Some(Change::Removed(topic)) => {
                    // Told only for the last of a topic.
                    if self.wanted.remove_all(topic) {
                        for of_peer in self.of_peer.values_mut() {
                            of_peer.topics.remove(topic);
                        }
                        self.tell(StreamEvent::Unwanted { topic: topic.into() });
                    }
                }
                None => count(&self.counters.stray_messages),
            }
        }
        Ok(())
    }

    fn added(&mut self, topic: &[u8], peer: Peer) {
        let connection = peer.connection.unwrap_or(ConnectionId(-1));
        let of_peer = self.of_peer.entry(connection).or_default();
        if of_peer.refused {
            return;
        }
        let known = self.wanted.contains(topic);
        let many_of_peer =
            of_peer.topics.len() >= self.max_topics_per_peer && !of_peer.topics.contains(topic);
        let refusal = if topic.len() > MAX_TOPIC_BYTES {
            Some((SubscriptionRefusal::TopicTooLong, &self.counters.refused_topic_too_long))
        } else if many_of_peer {
            Some((SubscriptionRefusal::TooManyOfPeer, &self.counters.refused_too_many_of_peer))
        } else if self.wanted.len() >= self.max_topics && !known {
            Some((SubscriptionRefusal::TooManyInAll, &self.counters.refused_too_many_in_all))
        } else {
            None
        };
        if let Some((reason, counter)) = refusal {
            of_peer.refused = true;
            // Where it cannot be ended it is at least no longer listened to, and that is told the same.
            let _ = chasar_libzmq::end_connection(connection.0, self.bound.port());
            count(counter);
            self.tell(StreamEvent::Refused { reason, peer });
            return;
        }
        of_peer.topics.insert(topic.into());
        if !known {
            self.wanted.add(topic);
        }
        self.tell(StreamEvent::Subscribed { topic: topic.into(), peer });
    }

    fn tell(&mut self, event: StreamEvent) {
        if self.events.len() == EVENT_QUEUE {
            self.events.pop_front();
            count(&self.counters.dropped_events);
        }
        self.events.push_back(event);
    }
}

impl Drop for Broadcaster {
    fn drop(&mut self) {
        self.socket = None;
        self.connections.finish();
    }
}
