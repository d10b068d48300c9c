//! The clientnode's end: an XPUB socket that connects to the masternode's SUB socket.
//!
//! **When the peer is ready.** The first messages of a PUB socket are lost until the peer's subscription has
//! arrived. XPUB shows that subscription, so [`LinkEvent::Up`] comes at exactly the moment from which a message
//! goes through. With `ZMQ_IMMEDIATE` the queue to a peer lives and dies with its connection, so its end comes
//! as the end of the subscription. Every subscription is asked for (`XPUB_VERBOSER`), not only the first: a
//! connection that breaks and comes back between two looks would go unseen otherwise.
//!
//! **Order.** The monitor and the socket are two queues. A subscription is handled only after the monitor was
//! emptied, so the handshake it belongs to, and the end of the connection before, are known by then.
//!
//! **A short queue.** libzmq's default of 1,000 messages would make a clientnode send a quarter of an hour of
//! stale reports after an outage. What must survive an outage lies in the clientnode's outbox.

use crate::counters::{add, count, counters};
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::limits::{MAX_BODY_BYTES, MAX_TOPIC_BYTES};
use crate::link_state::{CONNECTING_MASK, DownReason, LinkEvent, LinkState};
use crate::lookup::{ByName, Resolver};
use crate::peer::Peer;
use crate::security;
use crate::subscriptions::{Change, Subscriptions};
use crate::wait::{deadline, set_up_connecting, wait_until};
use chasar_libzmq::{Context, Kind, Monitor, Socket};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The masternode subscribes to one or two topics; what sends more is none.
const MAX_SUBSCRIPTIONS: usize = 64;

/// A subscription and the handshake are all a masternode sends; the largest handshake is CURVE's INITIATE
/// with metadata, below 1 KiB.
const MAX_INBOUND_BYTES: u64 = 1_024;

/// How to reach the masternode.
#[derive(Debug, Clone)]
pub struct ReporterConfig {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// Messages queued before [`Sent::Full`]; 64 are about a minute of reports.
    pub queue_messages: u32,
    /// Who knows the address when the masternode is given by name.
    pub resolver: Resolver,
}

impl ReporterConfig {
    /// The usual settings for this masternode.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, queue_messages: 64, resolver: Resolver::system() }
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum Sent {
    /// In the queue to the peer. It arrives unless the link breaks before; nobody acknowledges.
    Queued,
    /// There is no peer, or it does not want this topic. Nothing was sent.
    NoPeer,
    /// The queue is full: the peer or the network is slower than we send. Nothing was sent.
    Full,
}

counters! {
    /// Counters of a [`Reporter`], readable from any thread.
    live ReporterCounters;
    /// The values of [`ReporterCounters`] at one moment.
    read ReporterCounts;
    /// Messages given to the link.
    sent_messages,
    /// Their topics and bodies, in bytes.
    sent_bytes,
    /// Messages refused because nobody was there to take them.
    no_peer_messages,
    /// Messages refused because the queue was full.
    full_messages,
    /// Times the link came up.
    ups,
    /// Times the link went down.
    downs,
}

/// The clientnode's end. Uses no thread but libzmq's two (I/O and clean-up).
#[derive(Debug)]
pub struct Reporter {
    // Order matters: the socket closes before its monitor, the context ends last.
    socket: Socket,
    monitor: Monitor,
    context: Context,
    state: LinkState,
    wanted: Subscriptions,
    counters: Arc<ReporterCounters>,
    /// For a masternode given by name.
    by_name: Option<ByName>,
}

impl Reporter {
    /// Begins to connect, and keeps at it until closed. Returns at once; [`wait`](Self::wait) tells when the
    /// link is up.
    ///
    /// # Errors
    /// When the endpoint is none to connect to, or the system refuses a socket. That a name has no address yet
    /// is no error but a [`LinkEvent::Trouble`]; it is looked up until it has one, and again whenever the link
    /// has been down for a while.
    pub fn connect(config: &ReporterConfig) -> Result<Self> {
        Self::connect_in(Context::new()?, config)
    }

    /// Like [`connect`](Self::connect), with libzmq's threads of this context.
    pub(crate) fn connect_in(context: Context, config: &ReporterConfig) -> Result<Self> {
        let endpoint = config.endpoint.clone();
        let by_name = ByName::of(&endpoint, &config.resolver);
        let socket = context.socket(Kind::XPub)?;
        set_up_connecting(&socket)?;
        security::secure_client(&socket)?;
        socket.set_immediate(true)?;
        socket.set_send_high_water_mark(config.queue_messages.max(1))?;
        socket.set_xpub_no_drop(true)?;
        socket.set_xpub_verboser(true)?;
        socket.set_max_message_size(Some(MAX_INBOUND_BYTES))?;
        let monitor = Monitor::watch(&context, &socket, CONNECTING_MASK)?;
        if by_name.is_none() {
            let (address, ipv6) = endpoint.to_connect()?;
            socket.set_ipv6(ipv6)?;
            socket.connect(&address)?;
        }
        Ok(Self {
            socket,
            monitor,
            context,
            state: LinkState::new(endpoint.to_string()),
            wanted: Subscriptions::default(),
            counters: Arc::default(),
            by_name,
        })
    }

    /// Sends one message of two frames, without waiting.
    ///
    /// # Errors
    /// When topic or body are above their limits, or libzmq fails.
    pub fn send(&mut self, topic: &[u8], body: &[u8]) -> Result<Sent> {
        check_sizes(topic, body.len())?;
        self.pump()?;
        if !self.state.is_up() || !self.wanted.wants(topic) {
            count(&self.counters.no_peer_messages);
            return Ok(Sent::NoPeer);
        }
        match self.socket.send(topic, true) {
            Ok(()) => {}
            Err(e) if e.would_block() => {
                count(&self.counters.full_messages);
                return Ok(Sent::Full);
            }
            Err(e) => return Err(e.into()),
        }
        // The first frame reserved the message's place in the queue, so this cannot find it full.
        self.socket.send(body, false)?;
        count(&self.counters.sent_messages);
        add(&self.counters.sent_bytes, topic.len() + body.len());
        Ok(Sent::Queued)
    }

    /// Waits for the next event of the link, at most `timeout`; `None` when the time is over, which is exact
    /// to about 0.1 ms.
    ///
    /// # Errors
    /// When libzmq fails.
    pub fn wait(&mut self, timeout: Duration) -> Result<Option<LinkEvent>> {
        self.wait_until(deadline(timeout))
    }

    /// Like [`wait`](Self::wait), until a moment.
    ///
    /// # Errors
    /// When libzmq fails.
    pub fn wait_until(&mut self, deadline: Instant) -> Result<Option<LinkEvent>> {
        loop {
            self.pump()?;
            if let Some(event) = self.state.pop() {
                return Ok(Some(event));
            }
            wait_until(self.sockets(), self.wake_by(deadline))?;
            if Instant::now() >= deadline {
                self.pump()?;
                return Ok(self.state.pop());
            }
        }
    }

    /// The next event of the link if there is one, without waiting.
    pub(crate) fn look(&mut self) -> Result<Option<LinkEvent>> {
        self.pump()?;
        Ok(self.state.pop())
    }

    /// What becomes readable when something happened.
    pub(crate) fn sockets(&self) -> [&Socket; 2] {
        [&self.socket, self.monitor.socket()]
    }

    /// Whether the peer is ready, as far as the events taken so far tell.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state.is_up()
    }

    /// The counters, to be read from anywhere.
    #[must_use]
    pub fn counters(&self) -> &Arc<ReporterCounters> {
        &self.counters
    }

    /// Closes the link. What is queued is sent first, for at most `flush`: the way to say good-bye.
    ///
    /// # Errors
    /// When libzmq refuses the time; the link is closed then without it.
    pub fn close(self, flush: Duration) -> Result<()> {
        let Self { socket, monitor, context, .. } = self;
        let set = socket.set_linger(flush);
        drop(socket);
        drop(monitor);
        // The last handle of the context waits for the flush.
        drop(context);
        Ok(set?)
    }

    /// The deadline, or before it when the name wants to be looked after.
    pub(crate) fn wake_by(&self, deadline: Instant) -> Instant {
        self.by_name.as_ref().map_or(deadline, |by_name| by_name.wake_by(deadline))
    }

    /// Takes in what happened meanwhile.
    fn pump(&mut self) -> Result<()> {
        self.pump_socket()?;
        if let Some(by_name) = &mut self.by_name {
            by_name.pump(&self.socket, &mut self.state);
        }
        Ok(())
    }

    fn pump_socket(&mut self) -> Result<()> {
        loop {
            self.drain_monitor()?;
            let frame = match self.socket.recv() {
                Ok(frame) => frame,
                Err(e) if e.would_block() => return Ok(()),
                Err(e) => return Err(e.into()),
            };
            self.drain_monitor()?;
            match Change::parse(&frame) {
                Some(Change::Added(topic)) => {
                    let again = self.wanted.contains(topic);
                    if self.wanted.len() < MAX_SUBSCRIPTIONS || again {
                        self.wanted.add(topic);
                    }
                    // A topic once more means a new connection; the end of the old one is still to be seen.
                    if self.state.is_connected() && (again || !self.state.is_up()) {
                        if self.state.is_up() {
                            count(&self.counters.downs);
                        }
                        self.state.came_up(Peer::of(&frame));
                        count(&self.counters.ups);
                    }
                }
                Some(Change::Removed(topic)) => {
                    self.wanted.remove_one(topic);
                    if self.wanted.len() == 0 && self.state.is_up() {
                        self.state.went_down(DownReason::Unsubscribed);
                        count(&self.counters.downs);
                    }
                }
                None => {}
            }
        }
    }

    fn drain_monitor(&mut self) -> Result<()> {
        let was_up = self.state.is_up();
        self.state.drain(&self.monitor)?;
        if was_up && !self.state.is_up() {
            count(&self.counters.downs);
        }
        Ok(())
    }
}

/// Refuses what the other end would refuse.
pub(crate) fn check_sizes(topic: &[u8], body_bytes: usize) -> Result<()> {
    if topic.len() > MAX_TOPIC_BYTES {
        return Err(Error::TooLarge { what: "topic", bytes: topic.len(), limit: MAX_TOPIC_BYTES });
    }
    if body_bytes > MAX_BODY_BYTES {
        return Err(Error::TooLarge { what: "body", bytes: body_bytes, limit: MAX_BODY_BYTES });
    }
    Ok(())
}
