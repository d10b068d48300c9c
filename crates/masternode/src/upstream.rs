//! The upstream part: takes in what other masternodes publish, so that sites roll up into one.
//!
//! Each upstream has a thread of its own with its own socket, so a slow or dead one holds up nobody. Their
//! reports go the way of all reports: limits, the fleet (which drops what has come by any other way), stream,
//! history. What an upstream sends is as hostile as what a node sends.
//!
//! A stream has no replay: what an upstream published while the link to it was broken never comes, and shows
//! as gaps of its nodes. What its nodes sent it again after a cut of their own comes like everything else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chasar_link::{Endpoint, Error, LinkEvent, Resolver, Subscriber, SubscriberConfig, SubscriberEvent};
use chasar_wire::{Text, decode, topic};
use crossbeam_channel::{SendTimeoutError, Sender};

use crate::message::{Arrival, Body, Count, Counts, Flags, Inbox};
use crate::running::Clock;

/// Most messages in one batch.
const BATCH: usize = 256;
/// No further message joins a batch with so many bytes: with large reports, the batches that wait for the core
/// are bounded by this.
const BATCH_BYTES: usize = 4 << 20;
/// How often it is looked whether to stop.
const TURN: Duration = Duration::from_millis(100);
/// Reports held here before TCP and then the upstream hold them for us: 1 GiB of the largest that there may be,
/// 13 MB of usual ones.
const QUEUE_MESSAGES: u32 = 1_024;
/// What keeps a link from coming up is said again this often.
const REMIND_EVERY: Duration = Duration::from_secs(60);

/// What is counted of one upstream.
#[derive(Debug)]
pub(crate) struct UpstreamState {
    /// Where its stream is, as it was given.
    pub(crate) name: String,
    pub(crate) connected: AtomicBool,
    /// Times its link came up.
    pub(crate) connects: Count,
    /// Messages that came from it.
    pub(crate) messages: Count,
    /// Messages dropped because they have not two frames within the limits.
    pub(crate) refused: Count,
}

impl UpstreamState {
    pub(crate) fn new(endpoint: &Endpoint) -> Arc<UpstreamState> {
        let name = endpoint.to_string().trim_start_matches("tcp://").to_owned();
        let (connects, messages, refused) = Default::default();
        Arc::new(UpstreamState { name, connected: AtomicBool::new(false), connects, messages, refused })
    }
}

/// One upstream.
pub(crate) struct Upstream {
    pub(crate) endpoint: Endpoint,
    pub(crate) state: Arc<UpstreamState>,
    pub(crate) core: Sender<Inbox>,
    pub(crate) clock: Clock,
    pub(crate) flags: Arc<Flags>,
    pub(crate) counts: Arc<Counts>,
    /// Reports wait for so long at first, until our own subscribers are back.
    pub(crate) settle: Duration,
}

impl Upstream {
    pub(crate) fn run(self) -> Result<(), String> {
        let mut config = SubscriberConfig::new(self.endpoint.clone(), [topic::ALL_REPORTS]);
        config.queue_messages = QUEUE_MESSAGES;
        let mut subscriber = Subscriber::follow(&config, &Resolver::system())
            .map_err(|e| format!("{}: {e}", self.state.name))?;
        let result = self.follow(&mut subscriber);
        // The core ends when nobody can send to it any more; closing the socket is not its business.
        drop(self);
        drop(subscriber);
        result
    }

    fn stopping(&self) -> bool {
        self.flags.stopping.load(Ordering::Relaxed)
    }

    fn follow(&self, subscriber: &mut Subscriber) -> Result<(), String> {
        let settled = Instant::now() + self.settle;
        let mut trouble = Trouble::default();
        while !self.stopping() {
            // Connected at once, so that what is published meanwhile waits in the queue.
            if subscriber.is_up() && Instant::now() < settled {
                thread::sleep(TURN.min(settled.saturating_duration_since(Instant::now())));
                continue;
            }
            let mut arrivals = Vec::new();
            let mut bytes = 0;
            let mut next = subscriber.recv(TURN);
            loop {
                match next {
                    Ok(Some(SubscriberEvent::Message { topic, body })) => {
                        self.state.messages.add(1);
                        bytes += body.len();
                        arrivals.push(self.read(&topic, body));
                    }
                    Ok(Some(SubscriberEvent::Link(event))) => self.link(event, &mut trouble),
                    Ok(None) => break,
                    Err(Error::Stopped) => return Ok(()),
                    Err(e) => return Err(format!("{}: {e}", self.state.name)),
                }
                if arrivals.len() == BATCH || bytes >= BATCH_BYTES || Instant::now() < settled {
                    break;
                }
                next = subscriber.recv(Duration::ZERO);
            }
            self.refusals(subscriber.counters().read().refused_messages, &mut arrivals);
            trouble.remind(&self.state.name);
            if !arrivals.is_empty() && !self.send(arrivals)? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn link(&self, event: LinkEvent, trouble: &mut Trouble) {
        let upstream = self.state.name.as_str();
        match event {
            LinkEvent::Up { .. } => {
                self.state.connected.store(true, Ordering::Relaxed);
                self.state.connects.add(1);
                *trouble = Trouble::default();
                tracing::info!(upstream, "connected; its nodes are nodes of this masternode");
            }
            LinkEvent::Down { reason } => {
                self.state.connected.store(false, Ordering::Relaxed);
                trouble.is(format!("link lost: {reason}"));
                tracing::warn!(
                    upstream,
                    "link lost: {reason}; what it publishes until the link is back is missing here"
                );
            }
            LinkEvent::Trouble(text) => {
                tracing::warn!(upstream, "no link: {text}; trying again");
                trouble.is(text);
            }
        }
    }

    fn read(&self, name: &[u8], body: chasar_link::Message) -> Arrival {
        let address = Text::from(self.state.name.as_str());
        if name != topic::ALL_REPORTS.as_bytes() {
            let shown: String = String::from_utf8_lossy(name).chars().take(40).collect();
            let detail = format!("the topic '{shown}' is not '{}'", topic::ALL_REPORTS);
            return Arrival::Bad { kind: "topic", detail, address };
        }
        match decode(&body) {
            Ok(report) => Arrival::Report {
                report: Box::new(report),
                body: Body::received(body),
                address,
                relayed: true,
            },
            Err(e) => Arrival::Bad { kind: e.kind(), detail: e.to_string(), address },
        }
    }

    /// Hands on that messages were refused before they could be read, a batch of them at most at a time.
    fn refusals(&self, refused: u64, arrivals: &mut Vec<Arrival>) {
        let new = refused.saturating_sub(self.state.refused.get()).min(BATCH as u64);
        self.state.refused.add(new);
        arrivals.extend((0..new).map(|_| Arrival::Bad {
            kind: "frames",
            detail: "a message has not exactly two frames, or one of them is too large".into(),
            address: Text::from(self.state.name.as_str()),
        }));
    }

    /// Waits for the core when it is busy: meanwhile reports queue up in the socket, and then at the upstream,
    /// which drops what does not fit and counts it. `false` when the masternode stops.
    fn send(&self, arrivals: Vec<Arrival>) -> Result<bool, String> {
        let mut inbox = Inbox { now: self.clock.now(), arrivals, tick: false };
        loop {
            match self.core.send_timeout(inbox, TURN) {
                Ok(()) => return Ok(true),
                Err(SendTimeoutError::Timeout(again)) => {
                    self.counts.ingest_waits.add(1);
                    inbox = again;
                }
                Err(SendTimeoutError::Disconnected(_)) if self.stopping() => return Ok(false),
                Err(SendTimeoutError::Disconnected(_)) => return Err("the core is gone".into()),
            }
        }
    }
}

/// What keeps a link from coming up, said once a minute.
#[derive(Default)]
struct Trouble(Option<(String, Instant)>);

impl Trouble {
    fn is(&mut self, text: String) {
        self.0 = Some((text, Instant::now()));
    }

    fn remind(&mut self, upstream: &str) {
        if let Some((text, said)) = &mut self.0
            && said.elapsed() >= REMIND_EVERY
        {
            *said = Instant::now();
            tracing::warn!(upstream, "still no link: {text}; trying again");
        }
    }
}
