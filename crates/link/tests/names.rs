//! A masternode given by name: not known yet, known later, moved to another address.

mod support;

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use chasar_link::{
    Broadcaster, BroadcasterConfig, Collector, CollectorConfig, Endpoint, LinkEvent, Reporter,
    ReporterConfig, Resolver, Sent, Subscriber, SubscriberConfig, SubscriberEvent,
};
use support::*;

const NAME: &str = "masternode.test";

/// A name service of our own, which counts the questions.
#[derive(Clone, Default)]
struct Names {
    addresses: Arc<Mutex<Vec<IpAddr>>>,
    asked: Arc<AtomicUsize>,
}

impl Names {
    fn set(&self, addresses: &[IpAddr]) {
        *self.addresses.lock().expect("no panic") = addresses.to_vec();
    }

    fn resolver(&self) -> Resolver {
        let names = self.clone();
        Resolver::new(Arc::new(move |name| {
            assert_eq!(name, NAME);
            names.asked.fetch_add(1, Ordering::SeqCst);
            let found = names.addresses.lock().expect("no panic").clone();
            if found.is_empty() { Err(io::Error::other("the name service is not up")) } else { Ok(found) }
        }))
    }

    fn reporter(&self, port: u16) -> Reporter {
        let endpoint = Endpoint::new(NAME, port).expect("a name");
        let config = ReporterConfig { resolver: self.resolver(), ..ReporterConfig::new(endpoint) };
        Reporter::connect(&config).expect("a name is no error")
    }
}

fn loopback(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

fn collector_at(address: IpAddr, port: u16) -> Collector {
    let endpoint = Endpoint::new(&address.to_string(), port).expect("an address");
    Collector::bind(&CollectorConfig::new(endpoint)).expect("a free port")
}

#[test]
fn a_name_that_is_not_known_yet_is_trouble_and_the_link_comes_up_once_it_is() {
    let names = Names::default();
    let collector = collector_at(loopback(1), 0);
    let mut reporter = names.reporter(collector.bound().port());
    let trouble = reporter.wait(LONG).expect("no failure");
    let Some(LinkEvent::Trouble(text)) = trouble else { panic!("{trouble:?}") };
    for part in [NAME, "the name service is not up", "check the name"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(reporter.send(b"status", b"{}").expect("no failure"), Sent::NoPeer);
    // Asked again and again, told once.
    until("another question", || {
        assert_eq!(reporter.wait(std::time::Duration::from_millis(10)).expect("no failure"), None);
        (names.asked.load(Ordering::SeqCst) >= 2).then_some(())
    });
    names.set(&[loopback(1)]);
    wait_up_serving(&mut reporter, &collector);
    assert_eq!(reporter.send(b"status", b"{}").expect("no failure"), Sent::Queued);
    assert_eq!(report(&collector), ("status".into(), "{}".into()));
}

#[test]
fn a_masternode_that_moved_is_found_at_its_new_address() {
    let names = Names::default();
    names.set(&[loopback(1)]);
    let before = collector_at(loopback(1), 0);
    let port = before.bound().port();
    let mut reporter = names.reporter(port);
    wait_up_serving(&mut reporter, &before);
    let asked = names.asked.load(Ordering::SeqCst);
    assert_eq!(asked, 1, "a link that works asks no more");

    let after = collector_at(loopback(2), port);
    names.set(&[loopback(2)]);
    drop(before);
    wait_down(&mut reporter);
    wait_up_serving(&mut reporter, &after);
    assert!(names.asked.load(Ordering::SeqCst) > asked);
    assert_eq!(reporter.send(b"status", b"moved").expect("no failure"), Sent::Queued);
    assert_eq!(report(&after), ("status".into(), "moved".into()));
}

#[test]
fn a_name_that_leads_to_ipv6_alone_is_followed_there() {
    let names = Names::default();
    let Ok(v6) = std::net::TcpListener::bind("[::1]:0") else {
        // Without IPv6 there is nothing to follow: the system has to say so itself.
        assert!(!std::path::Path::new("/proc/net/if_inet6").exists(), "IPv6 is there, but not ::1");
        return;
    };
    let port = v6.local_addr().expect("bound").port();
    drop(v6);
    names.set(&[loopback(1)]);
    let mut reporter = names.reporter(port);
    assert!(matches!(reporter.wait(LONG).expect("no failure"), Some(LinkEvent::Trouble(_))), "refused");
    let collector = collector_at("::1".parse().expect("an address"), port);
    names.set(&["::1".parse().expect("an address")]);
    wait_up_serving(&mut reporter, &collector);
}

#[test]
fn closing_does_not_wait_for_the_name_service() {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let receiver = Mutex::new(receiver);
    let stuck = Resolver::new(Arc::new(move |_| {
        let _ = receiver.lock().expect("no panic").recv();
        Err(io::Error::other("too late"))
    }));
    let endpoint = Endpoint::new(NAME, 5555).expect("a name");
    let config = ReporterConfig { resolver: stuck, ..ReporterConfig::new(endpoint) };
    let mut reporter = Reporter::connect(&config).expect("a name is no error");
    assert_eq!(reporter.wait(std::time::Duration::from_millis(50)).expect("no failure"), None);
    let begun = std::time::Instant::now();
    reporter.close(std::time::Duration::ZERO).expect("no failure");
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    drop(sender);
}

#[test]
fn a_subscriber_follows_a_name_and_waits_for_no_name_service() {
    let names = Names::default();
    let stream = Broadcaster::bind(&BroadcasterConfig::new("127.0.0.1:0".parse().expect("an address")))
        .expect("a free port");
    let endpoint = Endpoint::new(NAME, stream.bound().port()).expect("a name");
    let mut subscriber =
        Subscriber::follow(&SubscriberConfig::new(endpoint, [""]), &names.resolver()).expect("no error");
    let first = subscriber.recv(LONG).expect("no failure");
    let Some(SubscriberEvent::Link(LinkEvent::Trouble(text))) = first else { panic!("{first:?}") };
    assert!(text.contains(NAME) && text.contains("the name service is not up"), "{text}");
    names.set(&[loopback(1)]);
    let second = subscriber.recv(LONG).expect("no failure");
    assert!(matches!(second, Some(SubscriberEvent::Link(LinkEvent::Up { .. }))), "{second:?}");
    assert!(subscriber.is_up());

    // The name service hangs from now on: neither beginning, nor waiting, nor ending hangs with it.
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let receiver = Mutex::new(receiver);
    let stuck = Resolver::new(Arc::new(move |_| {
        let _ = receiver.lock().expect("no panic").recv();
        Err(io::Error::other("too late"))
    }));
    let endpoint = Endpoint::new(NAME, 6666).expect("a name");
    let begun = std::time::Instant::now();
    let mut subscriber =
        Subscriber::follow(&SubscriberConfig::new(endpoint, [""]), &stuck).expect("no error");
    assert!(subscriber.recv(std::time::Duration::from_millis(50)).expect("no failure").is_none());
    drop(subscriber);
    assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
    drop(sender);
}
