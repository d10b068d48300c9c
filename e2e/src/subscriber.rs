//! A subscriber in pyzmq or NodeJS that remembers everything it was sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::peer::{Message, Peer};
use crate::{Ledger, Site, until};

/// A subscriber.
#[derive(Debug)]
pub struct Subscriber {
    /// The script.
    pub peer: Peer,
}

impl Subscriber {
    /// A pyzmq subscriber; returns when it is connected.
    pub fn python(site: &Site, stream: SocketAddr, topics: &[&str]) -> Subscriber {
        Subscriber::ready(Peer::python(site, "subscriber.py", &args(stream, topics)))
    }

    /// A NodeJS subscriber; returns when it is connected.
    pub fn node(site: &Site, stream: SocketAddr, topics: &[&str]) -> Subscriber {
        Subscriber::ready(Peer::node(site, "subscriber.js", &args(stream, topics)))
    }

    fn ready(mut peer: Peer) -> Subscriber {
        peer.event("connected", Duration::from_secs(20));
        Subscriber { peer }
    }

    /// Everything it was sent.
    #[track_caller]
    pub fn messages(&self) -> Vec<Arc<Message>> {
        self.peer.messages(0)
    }

    /// The reports on `Chasar-Client`, counted.
    #[track_caller]
    pub fn ledger(&self) -> Ledger {
        let messages = self.messages();
        let reports = messages.iter().filter(|m| m.topic() == "Chasar-Client");
        Ledger { entries: reports.filter_map(|m| m.entry.clone()).collect() }
    }

    /// The events on `chasar/node/…/state`.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        self.messages().iter().filter(|m| m.topic().ends_with("/state")).map(|m| m.json()).collect()
    }

    /// Waits until `enough` messages came.
    #[track_caller]
    pub fn at_least(&self, enough: usize, deadline: Duration) -> Vec<Arc<Message>> {
        until(deadline, &format!("{enough} messages"), || {
            let messages = self.messages();
            if messages.len() >= enough { Ok(messages) } else { Err(format!("{} messages", messages.len())) }
        })
    }

    /// Waits for an event that `wanted` takes.
    #[track_caller]
    pub fn event(&self, deadline: Duration, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(deadline, what, || {
            let events = self.events();
            events.iter().find(|e| wanted(e)).cloned().ok_or_else(|| format!("{events:?}"))
        })
    }
}

fn args(stream: SocketAddr, topics: &[&str]) -> Vec<&'static str> {
    // A handful of short texts a test.
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let endpoint = leak(format!("tcp://{stream}"));
    std::iter::once(endpoint).chain(topics.iter().map(|t| leak((*t).to_owned()))).collect()
}
