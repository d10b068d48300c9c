//! What the tests of this crate share: ends on a free port, and waiting for a condition with a deadline.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a program of its own and uses a part of this"
)]

use chasar_link::{
    Broadcaster, BroadcasterConfig, Collector, CollectorConfig, Endpoint, LinkEvent, Received, Reporter,
    ReporterConfig, Subscriber, SubscriberConfig, SubscriberEvent,
};
use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine; only a failing test waits for it.
pub const LONG: Duration = Duration::from_secs(20);

pub fn free() -> Endpoint {
    "127.0.0.1:0".parse().expect("an endpoint")
}

pub fn collector() -> Collector {
    Collector::bind(&CollectorConfig::new(free())).expect("a free port")
}

pub fn broadcaster() -> Broadcaster {
    Broadcaster::bind(&BroadcasterConfig::new(free())).expect("a free port")
}

pub fn reporter(to: &Endpoint) -> Reporter {
    Reporter::connect(&ReporterConfig::new(to.clone())).expect("an address")
}

pub fn subscriber(to: &Endpoint, topics: &[&str]) -> Subscriber {
    let topics = topics.iter().map(|t| t.as_bytes());
    Subscriber::connect(&SubscriberConfig::new(to.clone(), topics)).expect("an address")
}

/// Calls `look` until it gives something, or fails saying what was waited for.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LONG;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited {LONG:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The next event of the link that is not trouble.
pub fn link_event(reporter: &mut Reporter) -> LinkEvent {
    let end = Instant::now() + LONG;
    loop {
        match reporter.wait(end.saturating_duration_since(Instant::now())).expect("no failure") {
            Some(LinkEvent::Trouble(_)) => {}
            Some(event) => return event,
            None => panic!("no event of the link in {LONG:?}"),
        }
    }
}

pub fn wait_up(reporter: &mut Reporter) {
    let event = link_event(reporter);
    assert!(matches!(event, LinkEvent::Up { .. }), "{event:?}");
}

/// Waits for the link while the collector of the same thread is served: libzmq gives a new peer its
/// subscription only while somebody receives.
pub fn wait_up_serving(reporter: &mut Reporter, collector: &Collector) {
    until("the link to come up", || {
        let received = collector.try_recv().expect("no failure");
        assert!(received.is_none(), "{received:?}");
        match reporter.wait(Duration::ZERO).expect("no failure") {
            Some(LinkEvent::Up { .. }) => Some(()),
            Some(LinkEvent::Trouble(_)) | None => None,
            Some(event) => panic!("{event:?}"),
        }
    });
}

pub fn wait_down(reporter: &mut Reporter) -> chasar_link::DownReason {
    match link_event(reporter) {
        LinkEvent::Down { reason } => reason,
        event => panic!("{event:?}"),
    }
}

/// The next report as text.
pub fn report(collector: &Collector) -> (String, String) {
    match collector.recv(LONG).expect("no failure") {
        Some(Received::Report { topic, body, .. }) => (text(&topic), text(&body)),
        other => panic!("{other:?}"),
    }
}

/// The next message as text, skipping events.
pub fn message(subscriber: &mut Subscriber) -> (String, String) {
    let end = Instant::now() + LONG;
    loop {
        match subscriber.recv(end.saturating_duration_since(Instant::now())).expect("no failure") {
            Some(SubscriberEvent::Message { topic, body }) => return (text(&topic), text(&body)),
            Some(SubscriberEvent::Link(_)) => {}
            None => panic!("no message in {LONG:?}"),
        }
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// Polls the broadcaster until somebody wants `topic`.
pub fn wait_wanted(broadcaster: &mut Broadcaster, topic: &str) {
    until("a subscription", || {
        while broadcaster.poll().expect("no failure").is_some() {}
        broadcaster.wants(topic.as_bytes()).then_some(())
    });
}

pub fn show<T: Debug>(value: T) -> String {
    format!("{value:?}")
}
