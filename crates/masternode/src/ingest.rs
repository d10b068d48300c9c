//! The ingest thread: owns the socket for reports, checks and reads what comes, hands it on in batches.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chasar_link::{Collector, Error, Message, Peer, Received, Refusal};
use chasar_wire::pack::Unpacker;
use chasar_wire::{DecodeError, Text, decode, topic};
use crossbeam_channel::{SendTimeoutError, Sender};

use crate::message::{Arrival, Body, Counts, Flags, Inbox};
use crate::running::Clock;

/// Most messages in one batch: what one takes is a few milliseconds of work.
const BATCH: usize = 256;
/// The core learns at least this often how time passes.
const TICK: Duration = Duration::from_millis(100);
/// Under a load that never lets the socket run empty, ticks come this often all the same.
const TICK_UNDER_LOAD: Duration = Duration::from_secs(1);
/// When stopping, what is queued already is taken in for at most this long.
const LAST_DRAIN: Duration = Duration::from_millis(500);

pub(crate) struct Ingest {
    pub(crate) collector: Collector,
    pub(crate) core: Sender<Inbox>,
    pub(crate) clock: Clock,
    pub(crate) flags: Arc<Flags>,
    pub(crate) counts: Arc<Counts>,
    /// Reports wait for so long at first.
    pub(crate) settle: Duration,
}

impl Ingest {
    pub(crate) fn run(self) -> Result<(), String> {
        let mut unpacker = Unpacker::new();
        let start = Instant::now();
        while start.elapsed() < self.settle && !self.stopping() {
            self.send(Inbox { now: self.clock.now(), arrivals: Vec::new(), tick: true })?;
            self.counts.ingest_turns.add(1);
            std::thread::sleep(TICK.min(self.settle));
        }
        let mut last_tick = Instant::now();
        let mut stop_by = None;
        loop {
            if self.stopping() && *stop_by.get_or_insert_with(|| Instant::now() + LAST_DRAIN) < Instant::now()
            {
                return Ok(());
            }
            self.counts.ingest_turns.add(1);
            let mut arrivals = Vec::new();
            let wait =
                if stop_by.is_some() { Duration::ZERO } else { TICK.saturating_sub(last_tick.elapsed()) };
            let mut next = self.collector.recv(wait);
            let drained = loop {
                match next {
                    Ok(Some(received)) => arrivals.push(self.read(received, &mut unpacker)),
                    Ok(None) => break true,
                    Err(Error::Stopped) => return Ok(()),
                    Err(e) => return Err(e.to_string()),
                }
                if arrivals.len() == BATCH {
                    break false;
                }
                next = self.collector.try_recv();
            };
            // Connection events are counted by the link; nobody needs them one by one.
            while self.collector.next_connection_event().is_some() {}
            let tick = last_tick.elapsed() >= if drained { TICK } else { TICK_UNDER_LOAD };
            if tick {
                last_tick = Instant::now();
            }
            let finished = stop_by.is_some() && drained;
            if tick || !arrivals.is_empty() {
                self.send(Inbox { now: self.clock.now(), arrivals, tick })?;
            }
            if finished {
                return Ok(());
            }
        }
    }

    fn stopping(&self) -> bool {
        self.flags.stopping.load(Ordering::Relaxed)
    }

    /// Waits for the core when it is busy: meanwhile reports queue up in the sockets, and the
    /// clientnodes notice before anything is lost.
    fn send(&self, mut inbox: Inbox) -> Result<(), String> {
        loop {
            match self.core.send_timeout(inbox, TICK) {
                Ok(()) => return Ok(()),
                Err(SendTimeoutError::Timeout(again)) => {
                    self.counts.ingest_waits.add(1);
                    inbox = again;
                }
                Err(SendTimeoutError::Disconnected(_)) => return Err("the core is gone".into()),
            }
        }
    }

    fn read(&self, received: Received, unpacker: &mut Unpacker) -> Arrival {
        match received {
            Received::Report { topic, body, peer } => {
                let address = address(&peer);
                match read_report(&topic, body, unpacker) {
                    Ok((report, body)) => Arrival::Report { report, body, address, relayed: false },
                    Err((kind, detail)) => Arrival::Bad { kind, detail, address },
                }
            }
            Received::Refused { reason, peer } => {
                let kind = match reason {
                    Refusal::NoBody | Refusal::TooManyFrames => "frames",
                    Refusal::TopicTooLong => "topic",
                    Refusal::BodyTooLarge => "limit",
                };
                Arrival::Bad { kind, detail: reason.to_string(), address: address(&peer) }
            }
        }
    }
}

fn address(peer: &Peer) -> Text {
    use std::fmt::Write;
    let mut text = Text::default();
    match peer.address {
        Some(address) => {
            // Writing to a text cannot fail.
            let _ = write!(text, "{address}");
        }
        None => text.push_str("unknown"),
    }
    text
}

type Fault = (&'static str, String);

fn read_report(
    name: &[u8],
    body: Message,
    unpacker: &mut Unpacker,
) -> Result<(Box<chasar_wire::Report>, Body), Fault> {
    let fault = |e: DecodeError| (e.kind(), e.to_string());
    if name == topic::STATUS.as_bytes() {
        let report = decode(&body).map_err(fault)?;
        return Ok((Box::new(report), Body::received(body)));
    }
    if name == topic::STATUS_ZSTD.as_bytes() {
        let mut json = Vec::new();
        unpacker.unpack(&body, &mut json).map_err(|e| fault(e.into()))?;
        let report = decode(&json).map_err(fault)?;
        return Ok((Box::new(report), Body::unpacked(json)));
    }
    let shown: String = String::from_utf8_lossy(name).chars().take(40).collect();
    Err(("topic", format!("the topic '{shown}' is neither 'status' nor 'status.zst'")))
}
