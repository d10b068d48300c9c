//! The reading end of a masternode's stream, for programs.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use chasar_link::{Endpoint, LinkEvent, SubscriberConfig, SubscriberEvent};
use chasar_top::state::matches;
use chasar_wire::topic::{self, NodeTopic};
use chasar_wire::{DecodeError, NodeEvent, Report};

use crate::fallback::{Effect, Fallback, Input};

/// What can go wrong while subscribing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address leads nowhere, or ZeroMQ or the system refused.
    #[error(transparent)]
    Link(#[from] chasar_link::Error),
    /// A message on a report's topic is none.
    #[error("a message on {topic} cannot be read: {source}")]
    Report {
        /// The topic it came on.
        topic: String,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// A message on a state's topic is none.
    #[error("a message on {topic} cannot be read: {source}")]
    Event {
        /// The topic it came on.
        topic: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// What a computer says, or what the masternode says about a computer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Message {
    /// A report.
    Report(Box<Report>),
    /// A change in a node's state.
    Event(NodeEvent),
}

/// A message as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    /// The first frame.
    pub topic: String,
    /// The second frame: JSON, not yet looked at.
    pub json: Vec<u8>,
}

impl Raw {
    /// The node, where the topic names it.
    pub fn node_id(&self) -> Option<&str> {
        topic::parse_node(&self.topic).map(|(id, _)| id)
    }

    /// Whether the topic is that of states.
    pub fn is_event(&self) -> bool {
        matches!(topic::parse_node(&self.topic), Some((_, NodeTopic::State)))
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`Error::Report`] and [`Error::Event`], when it is not what its topic says.
    pub fn parse(&self) -> Result<Message, Error> {
        let topic = || self.topic.chars().take(200).collect::<String>().escape_debug().to_string();
        if self.is_event() {
            let event = serde_json::from_slice(&self.json);
            return event.map(Message::Event).map_err(|source| Error::Event { topic: topic(), source });
        }
        let report = chasar_wire::decode(&self.json);
        report
            .map(|r| Message::Report(Box::new(r)))
            .map_err(|source| Error::Report { topic: topic(), source })
    }
}

/// What a [`Subscriber`] sees, for those who want to know of the link too.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Item {
    /// A message.
    Message(Raw),
    /// The masternode is there: what is published from now on is received.
    Up,
    /// The link broke, for this reason; it is tried again until it is back.
    Down(String),
    /// There is no link, for this reason; told once until the reason changes.
    Trouble(String),
    /// Whether the masternode is one of 2016, which sends reports but no states.
    Of2016(bool),
}

/// What to receive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// Reports.
    pub reports: bool,
    /// Changes of state.
    pub events: bool,
    /// Only nodes whose host name or id matches one of these, with `*` and `?`; all without one.
    pub nodes: Vec<String>,
}

impl Default for Want {
    /// The reports of all nodes.
    fn default() -> Want {
        Want { reports: true, events: false, nodes: Vec::new() }
    }
}

/// The reading end of a masternode's stream: an iterator over messages that ends never.
///
/// A message that cannot be read is an `Err`; the next call goes on behind it. A failure of the
/// link's library ends the iterator after its `Err`.
///
/// ```
/// use std::time::Duration;
///
/// let want = chasar::Want { events: true, nodes: vec!["web-*".into()], ..Default::default() };
/// let mut subscriber = chasar::Subscriber::with("127.0.0.1:6666", want)?;
/// // Nobody need be there yet: connecting goes on until somebody is.
/// if let Some(message) = subscriber.next_within(Duration::from_millis(1))? {
///     println!("{message:?}");
/// }
/// # Ok::<(), chasar::Error>(())
/// ```
#[derive(Debug)]
pub struct Subscriber {
    link: chasar_link::Subscriber,
    want: Want,
    /// Only where states are wanted: reports alone come on the topic of 2016 from every masternode.
    fallback: Option<Fallback<Raw>>,
    ready: VecDeque<Item>,
    broken: bool,
}

impl Subscriber {
    /// Begins to connect to the stream at `address` (`host:port`, `[IPv6]:port`) for the reports of
    /// all nodes. Returns at once; the masternode need not be there yet.
    ///
    /// # Errors
    /// When the address is malformed, its name cannot be resolved, or the system refuses a socket.
    pub fn connect(address: &str) -> Result<Subscriber, Error> {
        Subscriber::with(address, Want::default())
    }

    /// As [`connect`](Self::connect), for what is wanted.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn with(address: &str, want: Want) -> Result<Subscriber, Error> {
        let endpoint: Endpoint = address.parse().map_err(chasar_link::Error::from)?;
        let topic = if want.events { topic::NODE_PREFIX } else { topic::ALL_REPORTS };
        let link = chasar_link::Subscriber::connect(&SubscriberConfig::new(endpoint, [topic]))?;
        let fallback = (want.events && want.reports).then(Fallback::new);
        Ok(Subscriber { link, want, fallback, ready: VecDeque::new(), broken: false })
    }

    /// The next message that is wanted, waiting at most `timeout`; `None` when the time is over.
    ///
    /// # Errors
    /// A message that cannot be read, or a failure of the link's library.
    pub fn next_within(&mut self, timeout: Duration) -> Result<Option<Message>, Error> {
        let deadline = deadline(timeout);
        loop {
            match self.recv(deadline.saturating_duration_since(Instant::now()))? {
                Some(Item::Message(raw)) => {
                    let message = raw.parse()?;
                    if self.wants(&message, raw.node_id()) {
                        return Ok(Some(message));
                    }
                }
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// Whether a message is about a node that is wanted; `node_id` is what the topic says.
    pub fn wants(&self, message: &Message, node_id: Option<&str>) -> bool {
        let (hostname, id) = match message {
            Message::Report(report) => (&report.hostname, report.node_id.as_deref()),
            Message::Event(event) => (&event.hostname, Some(event.node_id.as_str())),
        };
        let id = node_id.or(id).unwrap_or_default();
        self.want.nodes.is_empty() || self.want.nodes.iter().any(|p| matches(p, hostname) || matches(p, id))
    }

    /// The next thing of any kind, waiting at most `timeout`; messages come unread, and of all nodes.
    ///
    /// # Errors
    /// A failure of the link's library.
    pub fn recv(&mut self, timeout: Duration) -> Result<Option<Item>, Error> {
        let deadline = deadline(timeout);
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(Some(item));
            }
            let now = Instant::now();
            if let Some(at) = self.fallback.as_ref().and_then(Fallback::deadline)
                && now >= at
            {
                self.ask(now, Input::Time)?;
                continue;
            }
            let until =
                self.fallback.as_ref().and_then(Fallback::deadline).map_or(deadline, |at| at.min(deadline));
            match self.link.recv(until.saturating_duration_since(now))? {
                Some(event) => self.take(event)?,
                None if Instant::now() >= deadline => return Ok(None),
                None => {}
            }
        }
    }

    fn take(&mut self, event: SubscriberEvent) -> Result<(), Error> {
        let now = Instant::now();
        match event {
            SubscriberEvent::Link(LinkEvent::Up { .. }) => {
                self.ready.push_back(Item::Up);
                self.ask(now, Input::Up)
            }
            SubscriberEvent::Link(LinkEvent::Down { reason }) => {
                self.ready.push_back(Item::Down(reason.to_string()));
                self.ask(now, Input::Down)
            }
            SubscriberEvent::Link(LinkEvent::Trouble(text)) => {
                self.ready.push_back(Item::Trouble(text));
                Ok(())
            }
            SubscriberEvent::Message { topic, body } => {
                let topic = String::from_utf8_lossy(&topic).into_owned();
                let raw = Raw { topic, json: body.to_vec() };
                // The prefix of states brings reports along.
                if !(if raw.is_event() { self.want.events } else { self.want.reports }) {
                    return Ok(());
                }
                if self.fallback.is_none() {
                    self.ready.push_back(Item::Message(raw));
                    return Ok(());
                }
                let old = raw.topic == topic::ALL_REPORTS;
                self.ask(now, if old { Input::Old(raw) } else { Input::New(raw) })
            }
        }
    }

    fn ask(&mut self, now: Instant, input: Input<Raw>) -> Result<(), Error> {
        let Some(fallback) = &mut self.fallback else { return Ok(()) };
        for effect in fallback.step(now, input) {
            match effect {
                Effect::Subscribe => self.link.subscribe(topic::ALL_REPORTS.as_bytes())?,
                Effect::Unsubscribe => self.link.unsubscribe(topic::ALL_REPORTS.as_bytes())?,
                Effect::Give(raw) => self.ready.push_back(Item::Message(raw)),
                Effect::Of2016(is) => self.ready.push_back(Item::Of2016(is)),
            }
        }
        Ok(())
    }
}

impl Iterator for Subscriber {
    type Item = Result<Message, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        loop {
            match self.next_within(Duration::from_secs(3600)) {
                Ok(Some(message)) => return Some(Ok(message)),
                Ok(None) => {}
                Err(error) => {
                    self.broken = matches!(error, Error::Link(_));
                    return Some(Err(error));
                }
            }
        }
    }
}

/// A timeout beyond what the clock can count is a year.
fn deadline(timeout: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or_else(|| now + Duration::from_secs(365 * 86_400))
}
