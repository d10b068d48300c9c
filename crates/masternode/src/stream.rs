//! The stream thread: owns the socket for subscribers.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chasar_link::{Broadcaster, StreamEvent};
use chasar_wire::{NodeEvent, topic};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError};

use crate::message::{Body, Counts, Flags, Memory, Outbox, Publication};
use crate::printable::printable;

/// New subscribers are noticed this soon when nothing is published.
const LOOK: Duration = Duration::from_millis(50);
/// Repetitions for late listeners are asked for at most this often, whatever subscribers do.
const REPEAT: Duration = Duration::from_secs(1);
/// More topics than this waiting for a repetition are answered by repeating everything.
const MOST_TOPICS: usize = 64;
/// When stopping, the socket gets this long to send what is queued.
const LINGER: Duration = Duration::from_millis(200);

pub(crate) struct Stream {
    /// `None` when the stream is switched off; the memory still goes through here.
    pub(crate) broadcaster: Option<Broadcaster>,
    pub(crate) queue: Receiver<Outbox>,
    pub(crate) recorder: Sender<Memory>,
    /// Asks the core to repeat the states whose topics begin with one of these.
    pub(crate) repeat: Sender<Vec<Box<[u8]>>>,
    pub(crate) flags: Arc<Flags>,
    pub(crate) counts: Arc<Counts>,
}

impl Stream {
    pub(crate) fn run(mut self) -> Result<(), String> {
        let mut topics = BTreeSet::new();
        let mut last_repeat: Option<Instant> = None;
        let mut name = String::new();
        loop {
            self.counts.stream_turns.add(1);
            let open = match self.queue.recv_timeout(LOOK) {
                Ok(outbox) => {
                    self.publish(outbox, &mut name)?;
                    true
                }
                Err(RecvTimeoutError::Timeout) => true,
                Err(RecvTimeoutError::Disconnected) => false,
            };
            self.look(&mut topics)?;
            if !open {
                return self.linger();
            }
            if !topics.is_empty() && last_repeat.is_none_or(|at| at.elapsed() >= REPEAT) {
                last_repeat = Some(Instant::now());
                let request: Vec<_> = std::mem::take(&mut topics).into_iter().collect();
                // The core takes one after the other; what it has no room for is asked again.
                if let Err(TrySendError::Full(again)) = self.repeat.try_send(request) {
                    topics.extend(again);
                }
            }
        }
    }

    fn publish(&mut self, outbox: Outbox, name: &mut String) -> Result<(), String> {
        if let Some(broadcaster) = &mut self.broadcaster {
            for publication in outbox.publications {
                match publication {
                    Publication::Report(node_id, body) => report(broadcaster, &node_id, body, name),
                    Publication::Event(event) => state(broadcaster, &event, name),
                }
                .map_err(|e| e.to_string())?;
            }
        }
        let Some(memory) = outbox.memory else { return Ok(()) };
        match self.recorder.try_send(memory) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                self.counts.memory_dropped.add(1);
                self.flags.rewrite_memory.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(TrySendError::Disconnected(_)) => Err("the recorder is gone".into()),
        }
    }

    fn look(&mut self, topics: &mut BTreeSet<Box<[u8]>>) -> Result<(), String> {
        let Some(broadcaster) = &mut self.broadcaster else { return Ok(()) };
        while let Some(event) = broadcaster.poll().map_err(|e| e.to_string())? {
            match event {
                StreamEvent::Subscribed { topic, peer } => {
                    tracing::debug!("{peer} subscribes to '{}'", shown(&topic));
                    if may_be_states(&topic) {
                        topics.insert(topic);
                    }
                    if topics.len() > MOST_TOPICS {
                        topics.clear();
                        topics.insert(topic::NODE_PREFIX.as_bytes().into());
                    }
                }
                StreamEvent::Unwanted { topic } => tracing::debug!("nobody wants '{}'", shown(&topic)),
                StreamEvent::Refused { reason, peer } => {
                    tracing::warn!("subscriber {peer} was disconnected: {reason:?}");
                }
            }
        }
        Ok(())
    }

    fn linger(&mut self) -> Result<(), String> {
        let Some(broadcaster) = &mut self.broadcaster else { return Ok(()) };
        let until = Instant::now() + LINGER;
        while broadcaster.connections().counters().read().open() > 0 && Instant::now() < until {
            broadcaster.wait(until.saturating_duration_since(Instant::now())).map_err(|e| e.to_string())?;
        }
        Ok(())
    }
}

fn report(
    broadcaster: &mut Broadcaster,
    node_id: &str,
    body: Body,
    name: &mut String,
) -> chasar_link::Result<()> {
    name.clear();
    // Writing to a string cannot fail.
    let _ = write!(name, "{}{node_id}/report", topic::NODE_PREFIX);
    if broadcaster.wants(name.as_bytes()) {
        broadcaster.publish_owned(name.as_bytes(), body.clone())?;
    }
    broadcaster.publish_owned(topic::ALL_REPORTS.as_bytes(), body)?;
    Ok(())
}

fn state(broadcaster: &mut Broadcaster, event: &NodeEvent, name: &mut String) -> chasar_link::Result<()> {
    name.clear();
    let _ = write!(name, "{}{}/state", topic::NODE_PREFIX, event.node_id);
    if broadcaster.wants(name.as_bytes()) {
        let json = serde_json::to_vec(event).expect("an event always has a JSON form");
        broadcaster.publish_owned(name.as_bytes(), json)?;
    }
    Ok(())
}

/// Whether a subscription to `topic` takes states of nodes.
fn may_be_states(topic: &[u8]) -> bool {
    let prefix = topic::NODE_PREFIX.as_bytes();
    prefix.starts_with(topic) || topic.starts_with(prefix) && !topic.ends_with(b"/report")
}

fn shown(topic: &[u8]) -> String {
    printable(&String::from_utf8_lossy(topic)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gets_states_is_known_from_the_topic() {
        for (topic, takes) in [
            ("", true),
            ("cha", true),
            ("chasar/node/", true),
            ("chasar/node/n1/", true),
            ("chasar/node/n1/state", true),
            ("chasar/node/n1/report", false),
            ("Chasar-Client", false),
            ("chasar/alert/", false),
        ] {
            assert_eq!(may_be_states(topic.as_bytes()), takes, "{topic}");
        }
    }
}
