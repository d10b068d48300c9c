//! A subscriber in pyzmq or NodeJS that remembers everything it was sent.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use crate::peer::Peer;
use crate::{Ledger, Site, until};

/// One message as a subscriber got it.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its frames.
    pub frames: Vec<String>,
    /// When it came, Unix seconds.
    pub at: f64,
}

impl Message {
    /// The first frame.
    pub fn topic(&self) -> &str {
        &self.frames[0]
    }

    /// The second frame, as it came.
    pub fn body(&self) -> &str {
        &self.frames[1]
    }

    /// The second frame, parsed.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(self.body()).unwrap_or_else(|e| panic!("{e}: {}", self.body()))
    }
}

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
    pub fn messages(&self) -> Vec<Message> {
        messages(&self.peer)
    }

    /// The reports on `Chasar-Client`, counted.
    pub fn ledger(&self) -> Ledger {
        Ledger::of(self.messages().iter().filter(|m| m.topic() == "Chasar-Client").map(Message::body))
    }

    /// The events on `chasar/node/…/state`.
    pub fn events(&self) -> Vec<Value> {
        self.messages().iter().filter(|m| m.topic().ends_with("/state")).map(Message::json).collect()
    }

    /// Waits until `enough` messages came.
    #[track_caller]
    pub fn at_least(&self, enough: usize, deadline: Duration) -> Vec<Message> {
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

/// The messages among the lines of a peer.
#[track_caller]
pub fn messages(peer: &Peer) -> Vec<Message> {
    let told = peer.told(0);
    told.iter()
        .filter_map(|line| {
            let frames = line["frames"].as_array()?;
            let frames = frames.iter().map(|f| f.as_str().expect("frames are texts").to_owned()).collect();
            Some(Message { frames, at: line["at"].as_f64().expect("a time") })
        })
        .inspect(|message: &Message| assert_eq!(message.frames.len(), 2, "frames of {message:?}"))
        .collect()
}

fn args(stream: SocketAddr, topics: &[&str]) -> Vec<&'static str> {
    // A handful of short texts a test.
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let endpoint = leak(format!("tcp://{stream}"));
    std::iter::once(endpoint).chain(topics.iter().map(|t| leak((*t).to_owned()))).collect()
}
