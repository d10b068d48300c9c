//! The four ends against each other.

mod support;

use chasar_link::{
    Endpoint, LinkEvent, Published, Reporter, ReporterConfig, Reporters, Sent, SubscriberEvent,
};
use std::time::{Duration, Instant};
use support::*;

#[test]
fn a_report_travels_from_clientnode_to_subscriber() {
    let collector = collector();
    let mut broadcaster = broadcaster();
    let mut subscriber = subscriber(broadcaster.bound(), &["Chasar-Client"]);
    wait_wanted(&mut broadcaster, "Chasar-Client");
    let mut reporter = reporter(collector.bound());
    wait_up_serving(&mut reporter, &collector);

    assert_eq!(reporter.send(b"status", b"{\"cpu\":1}").expect("sent"), Sent::Queued);
    let received = collector.recv(LONG).expect("no failure").expect("the first message after Up is not lost");
    let chasar_link::Received::Report { topic, body, peer } = received else { panic!("{received:?}") };
    assert_eq!((&*topic, &*body), (&b"status"[..], &b"{\"cpu\":1}"[..]));
    assert_eq!(peer.address, Some("127.0.0.1".parse().expect("an address")));
    assert!(peer.connection.is_some());

    assert!(!broadcaster.wants(b"chasar/alert/x"));
    assert_eq!(broadcaster.publish_message(b"Chasar-Client", body).expect("published"), Published::ToAll);
    assert_eq!(broadcaster.publish(b"chasar/alert/x", b"{}").expect("published"), Published::NotWanted);
    assert_eq!(message(&mut subscriber), ("Chasar-Client".into(), "{\"cpu\":1}".into()));

    let sent = reporter.counters().read();
    assert_eq!((sent.sent_messages, sent.sent_bytes, sent.ups), (1, 15, 1));
    let received = collector.counters().read();
    assert_eq!((received.received_messages, received.received_bytes), (1, 15));
    assert_eq!(collector.connections().counters().read().open(), 1);
}

#[test]
fn without_a_peer_nothing_is_queued_and_the_trouble_is_told_once() {
    let gone = collector().bound().clone();
    let mut reporter = reporter(&gone);
    assert_eq!(reporter.send(b"status", b"x").expect("no failure"), Sent::NoPeer);
    let trouble = reporter.wait(LONG).expect("no failure").expect("an event");
    let LinkEvent::Trouble(text) = trouble else { panic!("{trouble:?}") };
    assert!(text.contains("refused") && text.contains(&gone.to_string()), "{text}");
    // Several attempts later it has not been said again.
    assert_eq!(reporter.wait(Duration::from_millis(700)).expect("no failure"), None);
    assert_eq!(reporter.counters().read().no_peer_messages, 1);
}

#[test]
fn waiting_ends_when_it_should() {
    let mut reporter = reporter(&collector().bound().clone());
    while reporter.wait(Duration::from_millis(300)).expect("no failure").is_some() {}
    let mut late: Vec<Duration> = Vec::new();
    for ms in [3_u64, 7, 11, 20, 33] {
        let wanted = Duration::from_micros(ms * 1_000 + 370);
        let deadline = Instant::now() + wanted;
        assert_eq!(reporter.wait_until(deadline).expect("no failure"), None);
        late.push(Instant::now().checked_duration_since(deadline).expect("never early"));
    }
    late.sort();
    // The best of five, since another test may hold the processor.
    assert!(late[0] < Duration::from_millis(1), "{late:?}");
}

#[test]
fn ipv6_and_names_work() {
    let collector = chasar_link::Collector::bind(&chasar_link::CollectorConfig::new(
        Endpoint::new("::1", 0).expect("v6"),
    ))
    .expect("IPv6 loopback");
    let mut reporter = reporter(collector.bound());
    wait_up_serving(&mut reporter, &collector);
    assert_eq!(reporter.send(b"status", b"six").expect("sent"), Sent::Queued);
    assert_eq!(report(&collector), ("status".into(), "six".into()));

    let collector = support::collector();
    let by_name = Endpoint::new("localhost", collector.bound().port()).expect("a name");
    let mut reporter = Reporter::connect(&ReporterConfig::new(by_name)).expect("resolves");
    wait_up_serving(&mut reporter, &collector);
    assert_eq!(reporter.send(b"status", b"name").expect("sent"), Sent::Queued);
    assert_eq!(report(&collector), ("status".into(), "name".into()));
}

#[test]
fn a_subscriber_hears_of_the_link_before_the_first_message_and_after_the_last() {
    let mut broadcaster = broadcaster();
    let mut subscriber = subscriber(broadcaster.bound(), &[""]);
    wait_wanted(&mut broadcaster, "anything");
    assert_eq!(broadcaster.publish(b"anything", b"1").expect("published"), Published::ToAll);
    let mut seen = Vec::new();
    let mut broadcaster = Some(broadcaster);
    while seen.len() < 3 {
        seen.push(match subscriber.recv(LONG).expect("no failure").expect("an event") {
            SubscriberEvent::Link(LinkEvent::Up { .. }) => "up",
            SubscriberEvent::Link(LinkEvent::Down { .. }) => "down",
            SubscriberEvent::Message { .. } => {
                broadcaster = None;
                "message"
            }
            other => panic!("{other:?}"),
        });
    }
    assert!(broadcaster.is_none());
    assert_eq!(seen, ["up", "message", "down"]);
}

#[test]
fn a_port_in_use_and_a_foreign_address_are_explained() {
    let collector = collector();
    let config = chasar_link::CollectorConfig::new(collector.bound().clone());
    let error = chasar_link::Collector::bind(&config).expect_err("in use").to_string();
    assert!(error.contains("another program uses this port"), "{error}");
    // TEST-NET-1 of RFC 5737 is nobody's.
    let config = chasar_link::CollectorConfig::new(Endpoint::new("192.0.2.1", 0).expect("v4"));
    let error = chasar_link::Collector::bind(&config).expect_err("not ours").to_string();
    assert!(error.contains("no such address"), "{error}");
}

#[test]
fn a_stopper_ends_the_waiting() {
    let collector = collector();
    let stopper = collector.stopper();
    let thread = std::thread::spawn(move || collector.recv(LONG).expect_err("stopped"));
    let begun = Instant::now();
    stopper.stop();
    assert!(matches!(thread.join().expect("no panic"), chasar_link::Error::Stopped));
    assert!(begun.elapsed() < LONG / 2);
}

#[test]
fn a_bell_ends_the_waiting_and_the_link_lives_on() {
    let collector = collector();
    let mut reporters =
        Reporters::connect(&[ReporterConfig::new(collector.bound().clone())]).expect("connects");
    wait_up_serving(reporters.get(0), &collector);
    let bell = std::sync::Arc::new(chasar_link::Wake::new().expect("a socket pair"));
    let begin = Instant::now();
    assert_eq!(reporters.wait_or_woken(Duration::from_millis(20), &bell).expect("no failure"), None);
    assert!(begin.elapsed() >= Duration::from_millis(20), "not rung, so it waits to the end");
    let ringer = {
        let bell = bell.clone();
        std::thread::spawn(move || bell.ring())
    };
    assert_eq!(reporters.wait_or_woken(LONG, &bell).expect("no failure"), None);
    ringer.join().expect("no panic");
    let begin = Instant::now();
    (0..100_000).for_each(|_| bell.ring());
    assert_eq!(reporters.wait_or_woken(LONG, &bell).expect("no failure"), None);
    assert!(begin.elapsed() < LONG, "rung once and for all, and ringing never blocks");
    assert_eq!(reporters.get(0).send(b"status", b"still here").expect("sent"), Sent::Queued);
}
