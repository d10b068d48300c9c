//! The masternode's end for subscribers: nobody waits for anybody, and nobody takes more than is allowed.

mod support;

use chasar_link::{
    Broadcaster, BroadcasterConfig, Published, StreamEvent, Subscriber, SubscriberConfig, SubscriberEvent,
    SubscriptionRefusal,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::*;

#[test]
fn a_python_subscriber_gets_two_frames_of_its_topic_and_no_other() {
    let mut broadcaster = broadcaster();
    let endpoint = broadcaster.bound().to_string();
    let peer = Peer::start("subscriber.py", &[&endpoint, "Chasar-Client"]);
    assert_eq!(peer.line(), "started");
    wait_wanted(&mut broadcaster, "Chasar-Client");
    assert_eq!(broadcaster.publish(b"chasar/alert/x", b"{}").expect("no failure"), Published::NotWanted);
    assert_eq!(broadcaster.publish(b"Chasar-Client", b"{}").expect("no failure"), Published::ToAll);
    assert_eq!(peer.line(), "2|Chasar-Client|{}");
    peer.kill();
    until("the topic to be unwanted", || {
        while broadcaster.poll().expect("no failure").is_some() {}
        (!broadcaster.wants(b"Chasar-Client")).then_some(())
    });
}

#[test]
fn a_late_joiner_gets_what_comes_after_it_and_is_announced() {
    let mut broadcaster = broadcaster();
    let mut first = subscriber(broadcaster.bound(), &["a"]);
    wait_wanted(&mut broadcaster, "a");
    assert_eq!(broadcaster.publish(b"a", b"1").expect("no failure"), Published::ToAll);
    let mut second = subscriber(broadcaster.bound(), &["a"]);
    let event = broadcaster.wait(LONG).expect("no failure").expect("an event");
    let StreamEvent::Subscribed { topic, peer } = event else { panic!("{event:?}") };
    assert_eq!((&*topic, peer.address), (&b"a"[..], Some("127.0.0.1".parse().expect("an address"))));
    assert_eq!(broadcaster.publish(b"a", b"2").expect("no failure"), Published::ToAll);
    assert_eq!(message(&mut second).1, "2");
    assert_eq!((message(&mut first).1, message(&mut first).1), ("1".into(), "2".into()));
}

#[test]
fn publishing_alone_notices_a_new_subscriber() {
    let mut broadcaster = broadcaster();
    let mut subscriber = subscriber(broadcaster.bound(), &["a"]);
    until("somebody to want it", || {
        (broadcaster.publish(b"a", b"1").expect("no failure") == Published::ToAll).then_some(())
    });
    assert_eq!(message(&mut subscriber).1, "1");
}

#[test]
fn a_slow_subscriber_slows_nobody_and_its_losses_are_counted() {
    const MESSAGES: usize = 3_000;
    let config = BroadcasterConfig { queue_messages: 100, ..BroadcasterConfig::new(free()) };
    let mut broadcaster = Broadcaster::bind(&config).expect("a free port");
    let endpoint = broadcaster.bound().clone();
    let mut slow = Subscriber::connect(&SubscriberConfig {
        queue_messages: 10,
        ..SubscriberConfig::new(endpoint.clone(), ["Chasar-Client"])
    })
    .expect("an address");
    wait_wanted(&mut broadcaster, "Chasar-Client");
    let progress = Arc::new(AtomicUsize::new(0));
    let theirs = Arc::clone(&progress);
    let fast = std::thread::spawn(move || {
        let mut fast = subscriber(&endpoint, &["Chasar-Client", "go"]);
        let mut got = 0;
        while got < MESSAGES {
            theirs.store(got, Ordering::Release);
            match fast.recv(LONG).expect("no failure").expect("a message") {
                SubscriberEvent::Message { topic, .. } if &*topic == b"Chasar-Client" => got += 1,
                _ => {}
            }
        }
        got
    });
    wait_wanted(&mut broadcaster, "go");
    let before = resident_bytes();
    let body = vec![b'x'; 30_000];
    let mut lost = 0;
    let mut slowest = Duration::ZERO;
    for sent in 0..MESSAGES {
        // As fast as the fast one keeps up with: libzmq may know of what it took half a queue late.
        until("the fast one", || (sent < progress.load(Ordering::Acquire) + 25).then_some(()));
        let begun = Instant::now();
        lost += u64::from(
            broadcaster.publish(b"Chasar-Client", &body).expect("no failure") == Published::SomeLost,
        );
        slowest = slowest.max(begun.elapsed());
    }
    assert_eq!(fast.join().expect("no panic"), MESSAGES, "the fast one lost nothing");
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 40 << 20, "{grown} bytes");

    let counts = broadcaster.counters().read();
    assert_eq!((counts.published_messages, counts.lost_messages), (MESSAGES as u64, lost));

    // What the slow one finds before a last message that reaches it is what was not counted as lost.
    let mut got = 0;
    until("the slow one to have all that is for it", || {
        let last = broadcaster.publish(b"Chasar-Client", b"{}").expect("no failure") == Published::ToAll;
        loop {
            match slow.recv(if last { LONG } else { Duration::ZERO }).expect("no failure") {
                Some(SubscriberEvent::Message { body, .. }) if &*body == b"{}" => return Some(()),
                Some(SubscriberEvent::Message { .. }) => got += 1,
                Some(_) => {}
                None => return None,
            }
        }
    });
    let really_lost = MESSAGES as u64 - got;
    assert!(really_lost > 1_000, "the slow one was not slow: it got {got}");
    // The slow one is served again a moment before its queue is seen to be let on.
    assert!(lost.abs_diff(really_lost) <= 50, "counted {lost}, really {really_lost}");
}

#[test]
fn too_many_and_too_long_subscriptions_end_the_connection_and_no_other() {
    let config =
        BroadcasterConfig { max_topics_per_peer: 50, max_topics: 70, ..BroadcasterConfig::new(free()) };
    let mut broadcaster = Broadcaster::bind(&config).expect("a free port");
    let mut good = subscriber(broadcaster.bound(), &["Chasar-Client"]);
    wait_wanted(&mut broadcaster, "Chasar-Client");

    let mut expect = |reason: SubscriptionRefusal, topics: &mut dyn Iterator<Item = Vec<u8>>| {
        let mut raw = Raw::shake_hands(broadcaster.bound(), "SUB");
        for topic in topics {
            let mut frame = vec![2];
            frame.extend_from_slice(&(topic.len() as u64 + 1).to_be_bytes());
            frame.push(1);
            frame.extend_from_slice(&topic);
            if std::io::Write::write_all(&mut raw.0, &frame).is_err() {
                break;
            }
        }
        until("the refusal", || {
            let event = broadcaster.poll().expect("no failure")?;
            matches!(&event, StreamEvent::Refused { reason: r, .. } if *r == reason).then_some(())
        });
        assert!(raw.is_closed());
        until("its topics to be gone", || {
            while broadcaster.poll().expect("no failure").is_some() {}
            (broadcaster.topics() == 1).then_some(())
        });
    };
    expect(SubscriptionRefusal::TooManyOfPeer, &mut (0..51).map(|n| format!("x{n}").into_bytes()));
    expect(SubscriptionRefusal::TopicTooLong, &mut std::iter::once(vec![b'x'; 257]));

    // Each within its limit, but too many in all.
    let topics: Vec<String> = (0..45).map(|n| format!("y{n}")).collect();
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let _half = subscriber(broadcaster.bound(), &topics);
    until("the first half", || {
        while broadcaster.poll().expect("no failure").is_some() {}
        (broadcaster.topics() == 46).then_some(())
    });
    let mut raw = Raw::shake_hands(broadcaster.bound(), "SUB");
    for n in 0..30 {
        raw.frame(format!("\x01z{n}").as_bytes(), false).expect("taken");
    }
    assert!({
        until("the refusal", || {
            let event = broadcaster.poll().expect("no failure")?;
            matches!(&event, StreamEvent::Refused { reason: SubscriptionRefusal::TooManyInAll, .. })
                .then_some(())
        });
        raw.is_closed()
    });
    let counts = broadcaster.counters().read();
    assert_eq!(
        (counts.refused_too_many_of_peer, counts.refused_topic_too_long, counts.refused_too_many_in_all),
        (1, 1, 1)
    );
    assert_eq!(broadcaster.publish(b"Chasar-Client", b"still").expect("no failure"), Published::ToAll);
    assert_eq!(message(&mut good).1, "still");
}

#[test]
fn a_subscription_above_the_size_limit_ends_the_connection() {
    let mut broadcaster = broadcaster();
    let mut raw = Raw::shake_hands(broadcaster.bound(), "SUB");
    let mut frame = vec![2];
    frame.extend_from_slice(&100_000_u64.to_be_bytes());
    std::io::Write::write_all(&mut raw.0, &frame).expect("taken");
    assert!(raw.is_closed());
    let counters = broadcaster.connections().counters().clone();
    until("the count", || (counters.read().too_large == 1).then_some(()));
    assert_eq!(broadcaster.poll().expect("no failure"), None);
}

#[test]
fn what_subscribers_send_besides_is_ignored_and_counted() {
    let mut broadcaster = broadcaster();
    let mut raw = Raw::shake_hands(broadcaster.bound(), "XSUB");
    raw.frame(b"hello", false).expect("taken");
    raw.frame(b"", false).expect("taken");
    let counters = broadcaster.counters().clone();
    until("the count", || {
        assert_eq!(broadcaster.poll().expect("no failure"), None);
        (counters.read().stray_messages == 2).then_some(())
    });
}

#[test]
fn a_subscriber_survives_a_restart_of_the_masternode() {
    let mut broadcaster = broadcaster();
    let endpoint = broadcaster.bound().clone();
    let mut subscriber = subscriber(&endpoint, &["a"]);
    wait_wanted(&mut broadcaster, "a");
    drop(broadcaster);
    let mut again = until("the port", || Broadcaster::bind(&BroadcasterConfig::new(endpoint.clone())).ok());
    // A subscriber gives a new connection its subscriptions only while somebody receives from it.
    until("the subscription", || {
        let _ = subscriber.recv(Duration::ZERO).expect("no failure");
        while again.poll().expect("no failure").is_some() {}
        again.wants(b"a").then_some(())
    });
    assert_eq!(again.publish(b"a", b"again").expect("no failure"), Published::ToAll);
    assert_eq!(message(&mut subscriber).1, "again");
}
