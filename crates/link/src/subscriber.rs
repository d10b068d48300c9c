//! The end of who reads the stream: a SUB socket that connects to a [`Broadcaster`](crate::Broadcaster).

use crate::counters::{add, count, counters};
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::limits::{MAX_BODY_BYTES, MAX_TOPIC_BYTES};
use crate::link_state::{CONNECTING_MASK, LinkEvent, LinkState};
use crate::lookup::{ByName, Resolver};
use crate::peer::Peer;
use crate::security;
use crate::wait::{Stopper, deadline, set_up_connecting, wait_until};
use chasar_libzmq::{Context, Event, Kind, Message, Monitor, Socket};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Messages refused in one go.
const MOST_REFUSED: usize = 256;

/// What to read from where.
#[derive(Debug, Clone)]
pub struct SubscriberConfig {
    /// Where the stream is.
    pub endpoint: Endpoint,
    /// Topics that begin with one of these are received; an empty one is everything.
    pub topics: Vec<Vec<u8>>,
    /// Messages held here before the masternode's queue for us fills up, and then loses the newest.
    pub queue_messages: u32,
}

impl SubscriberConfig {
    /// The usual settings for these topics.
    #[must_use]
    pub fn new<T: Into<Vec<u8>>>(endpoint: Endpoint, topics: impl IntoIterator<Item = T>) -> Self {
        Self { endpoint, topics: topics.into_iter().map(Into::into).collect(), queue_messages: 1_000 }
    }
}

/// What a subscriber sees.
#[derive(Debug)]
pub enum SubscriberEvent {
    /// A message of two frames.
    Message {
        /// Its first frame.
        topic: Message,
        /// Its second frame.
        body: Message,
    },
    /// Something happened to the link. Messages published before [`LinkEvent::Up`] were not received.
    Link(LinkEvent),
}

counters! {
    /// Counters of a [`Subscriber`], readable from any thread.
    live SubscriberCounters;
    /// The values of [`SubscriberCounters`] at one moment.
    read SubscriberCounts;
    /// Messages received.
    received_messages,
    /// Their frames, in bytes.
    received_bytes,
    /// Messages dropped because they have not exactly two frames within the limits.
    refused_messages,
}

/// The reading end of a stream.
#[derive(Debug)]
pub struct Subscriber {
    // Order matters: the socket closes before its monitor, the context ends last.
    socket: Socket,
    monitor: Monitor,
    context: Context,
    state: LinkState,
    /// A message to be given out after the events before it.
    held: Option<SubscriberEvent>,
    /// For a name that is followed.
    by_name: Option<ByName>,
    counters: Arc<SubscriberCounters>,
}

impl Subscriber {
    /// Begins to connect, and keeps at it. Returns at once.
    ///
    /// # Errors
    /// When the name has no address, a topic is too long, or the system refuses a socket.
    pub fn connect(config: &SubscriberConfig) -> Result<Self> {
        let to = config.endpoint.to_connect()?;
        Self::open(config, Some(to), None)
    }

    /// Like [`connect`](Self::connect), for an end that runs for long: a name is looked up on another thread
    /// until it has an address, and again whenever the link has been down for a while, so neither this call nor
    /// [`recv`](Self::recv) nor the end of it all waits for a name service. That a name has no address yet is a
    /// [`LinkEvent::Trouble`].
    ///
    /// # Errors
    /// When the endpoint is none to connect to, a topic is too long, or the system refuses a socket.
    pub fn follow(config: &SubscriberConfig, resolver: &Resolver) -> Result<Self> {
        let by_name = ByName::of(&config.endpoint, resolver);
        let to = if by_name.is_none() { Some(config.endpoint.to_connect()?) } else { None };
        Self::open(config, to, by_name)
    }

    fn open(config: &SubscriberConfig, to: Option<(String, bool)>, by_name: Option<ByName>) -> Result<Self> {
        let context = Context::new()?;
        let socket = context.socket(Kind::Sub)?;
        set_up_connecting(&socket)?;
        security::secure_client(&socket)?;
        socket.set_receive_high_water_mark(config.queue_messages.max(1))?;
        socket.set_max_message_size(Some((MAX_BODY_BYTES + MAX_TOPIC_BYTES) as u64))?;
        for topic in &config.topics {
            check_topic(topic)?;
            socket.subscribe(topic)?;
        }
        let monitor = Monitor::watch(&context, &socket, CONNECTING_MASK)?;
        if let Some((address, ipv6)) = to {
            socket.set_ipv6(ipv6)?;
            socket.connect(&address)?;
        }
        let state = LinkState::new(config.endpoint.to_string());
        Ok(Self { socket, monitor, context, state, held: None, by_name, counters: Arc::default() })
    }

    /// Receives topics that begin with `topic` too.
    ///
    /// # Errors
    /// When it is too long, or libzmq fails.
    pub fn subscribe(&self, topic: &[u8]) -> Result<()> {
        check_topic(topic)?;
        Ok(self.socket.subscribe(topic)?)
    }

    /// Takes one [`subscribe`](Self::subscribe) back.
    ///
    /// # Errors
    /// When libzmq fails.
    pub fn unsubscribe(&self, topic: &[u8]) -> Result<()> {
        Ok(self.socket.unsubscribe(topic)?)
    }

    /// The next message or event, waiting at most `timeout`; `None` when the time is over.
    ///
    /// # Errors
    /// [`Error::Stopped`] when it was stopped, or when libzmq fails.
    pub fn recv(&mut self, timeout: Duration) -> Result<Option<SubscriberEvent>> {
        if let Some(event) = self.next()? {
            return Ok(Some(event));
        }
        let deadline = deadline(timeout);
        loop {
            let mut wake_by = deadline;
            if let Some(by_name) = &mut self.by_name {
                by_name.pump(&self.socket, &mut self.state);
                wake_by = by_name.wake_by(deadline);
            }
            if !self.state.has_events() {
                wait_until([&self.socket, self.monitor.socket()], wake_by)?;
            }
            if let Some(event) = self.next()? {
                return Ok(Some(event));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
        }
    }

    /// Whether the link is up, as far as the events taken so far tell.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state.is_up()
    }

    /// The counters, to be read from anywhere.
    #[must_use]
    pub fn counters(&self) -> &Arc<SubscriberCounters> {
        &self.counters
    }

    /// A handle that ends the waiting from another thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper::new(&self.context)
    }

    fn next(&mut self) -> Result<Option<SubscriberEvent>> {
        loop {
            if let Some(event) = self.state.pop() {
                return Ok(Some(SubscriberEvent::Link(event)));
            }
            if let Some(held) = self.held.take() {
                return Ok(Some(held));
            }
            let message = self.try_message()?;
            if message.is_some() && self.state.is_up() {
                return Ok(message);
            }
            // Who sent a message has shaken hands before, so `Up` is told before the first message.
            let told = self.drain_monitor()?;
            self.held = message;
            if !told && self.held.is_none() {
                return Ok(None);
            }
        }
    }

    /// Takes in what the monitor has, and tells whether that gave an event.
    fn drain_monitor(&mut self) -> Result<bool> {
        while let Some(event) = self.monitor.next()? {
            self.state.take(&event);
            if event.number == Event::HANDSHAKE_SUCCEEDED {
                self.state.came_up(Peer::default());
            }
        }
        Ok(self.state.has_events())
    }

    /// The next message of two frames within the limits; others are dropped and counted, some at a time, so that
    /// who sends nothing else holds up nobody for long.
    fn try_message(&self) -> Result<Option<SubscriberEvent>> {
        for _ in 0..MOST_REFUSED {
            let topic = match self.socket.recv() {
                Ok(frame) => frame,
                Err(e) if e.would_block() => return Ok(None),
                Err(e) => return Err(e.into()),
            };
            add(&self.counters.received_bytes, topic.len());
            let mut frames = 1;
            let mut body = Message::new();
            let mut more = topic.more();
            while more {
                body = self.socket.recv()?;
                add(&self.counters.received_bytes, body.len());
                more = body.more();
                frames += 1;
            }
            if frames == 2 && topic.len() <= MAX_TOPIC_BYTES && body.len() <= MAX_BODY_BYTES {
                count(&self.counters.received_messages);
                return Ok(Some(SubscriberEvent::Message { topic, body }));
            }
            count(&self.counters.refused_messages);
        }
        Ok(None)
    }
}

fn check_topic(topic: &[u8]) -> Result<()> {
    if topic.len() > MAX_TOPIC_BYTES {
        return Err(Error::TooLarge { what: "topic", bytes: topic.len(), limit: MAX_TOPIC_BYTES });
    }
    Ok(())
}
