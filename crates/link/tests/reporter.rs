//! The clientnode's end against a masternode of 2016 (pyzmq): when the link is up, and how it breaks.

mod support;

use chasar_link::{
    Collector, CollectorConfig, DownReason, Endpoint, LinkEvent, Reporter, ReporterConfig, Sent,
};
use std::time::{Duration, Instant};
use support::*;

/// A port nobody listens on now.
fn unused() -> Endpoint {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    Endpoint::new("127.0.0.1", listener.local_addr().expect("bound").port()).expect("an address")
}

#[test]
fn a_late_masternode_gets_the_first_message_after_up() {
    let endpoint = unused();
    let mut reporter = reporter(&endpoint);
    assert!(matches!(reporter.wait(LONG).expect("no failure"), Some(LinkEvent::Trouble(_))));
    let (masternode, _) = Peer::masternode(endpoint.port());
    wait_up(&mut reporter);
    assert_eq!(reporter.send(b"status", b"first").expect("no failure"), Sent::Queued);
    assert_eq!(masternode.line(), "status|5|first");
}

#[test]
fn a_killed_masternode_is_noticed_and_its_successor_gets_the_first_message() {
    let (mut masternode, endpoint) = Peer::masternode(0);
    let mut reporter = reporter(&endpoint);
    for round in 0..3 {
        wait_up(&mut reporter);
        let body = format!("round {round}");
        assert_eq!(reporter.send(b"status", body.as_bytes()).expect("no failure"), Sent::Queued);
        assert_eq!(masternode.line(), format!("status|7|{body}"));
        masternode.kill();
        let begun = Instant::now();
        assert_eq!(wait_down(&mut reporter), DownReason::Closed);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert_eq!(reporter.send(b"status", b"lost").expect("no failure"), Sent::NoPeer);
        masternode = Peer::masternode(endpoint.port()).0;
    }
    let counts = reporter.counters().read();
    assert_eq!((counts.sent_messages, counts.downs, counts.no_peer_messages), (3, 3, 3));
}

/// A stopped process keeps its connections; nothing but silence tells.
#[test]
fn a_silent_masternode_is_noticed_within_five_seconds() {
    let (masternode, endpoint) = Peer::masternode(0);
    let mut reporter = reporter(&endpoint);
    wait_up(&mut reporter);
    assert_eq!(reporter.send(b"status", b"x").expect("no failure"), Sent::Queued);
    masternode.line();
    masternode.signal(libc::SIGSTOP);
    let begun = Instant::now();
    assert_eq!(wait_down(&mut reporter), DownReason::Silent);
    // The rest is for a busy machine.
    assert!(begun.elapsed() < Duration::from_secs(7), "{:?}", begun.elapsed());
    masternode.signal(libc::SIGCONT);
    wait_up(&mut reporter);
    assert_eq!(reporter.send(b"status", b"again").expect("no failure"), Sent::Queued);
    while masternode.line() != "status|5|again" {}
}

/// A break and a return while nobody looks must not look like an unbroken link.
#[test]
fn a_break_that_nobody_watched_is_told_afterwards() {
    let (masternode, endpoint) = Peer::masternode(0);
    let mut reporter = reporter(&endpoint);
    wait_up(&mut reporter);
    masternode.kill();
    let successor = until("the port", || Collector::bind(&CollectorConfig::new(endpoint.clone())).ok());
    until("the return before anybody looks", || {
        assert!(successor.try_recv().expect("no failure").is_none());
        (successor.connections().counters().read().ready == 1).then_some(())
    });
    wait_down(&mut reporter);
    wait_up_serving(&mut reporter, &successor);
    assert_eq!(reporter.send(b"status", b"seen").expect("no failure"), Sent::Queued);
    assert_eq!(report(&successor), ("status".into(), "seen".into()));
}

#[test]
fn a_full_queue_is_told_and_nothing_is_lost_silently() {
    let (mut masternode, endpoint) = Peer::masternode(0);
    let mut reporter =
        Reporter::connect(&ReporterConfig { queue_messages: 8, ..ReporterConfig::new(endpoint) })
            .expect("an address");
    wait_up(&mut reporter);
    masternode.tell("pause");
    assert_eq!(masternode.line(), "paused");
    // The kernel takes some megabytes before the queue fills.
    let body = vec![b'x'; 200_000];
    let mut queued = 0;
    until("a full queue", || match reporter.send(b"status", &body).expect("no failure") {
        Sent::Full => Some(()),
        Sent::Queued => {
            queued += 1;
            None
        }
        Sent::NoPeer => panic!("the link broke"),
    });
    assert!(queued > 8);
    let counts = reporter.counters().read();
    assert_eq!(counts.sent_messages, queued);
    assert!(counts.full_messages >= 1);
    // Closing with a full queue takes no longer than allowed.
    let begun = Instant::now();
    reporter.close(Duration::from_millis(200)).expect("no failure");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn a_goodbye_is_flushed_on_closing() {
    let (masternode, endpoint) = Peer::masternode(0);
    let mut reporter = reporter(&endpoint);
    wait_up(&mut reporter);
    // More than the kernel takes at once, so that some of it is still queued.
    let body = vec![b'x'; 200_000];
    for _ in 0..60 {
        assert_eq!(reporter.send(b"status", &body).expect("no failure"), Sent::Queued);
    }
    assert_eq!(reporter.send(b"status", b"good-bye").expect("no failure"), Sent::Queued);
    reporter.close(LONG).expect("no failure");
    for _ in 0..60 {
        assert!(masternode.line().starts_with("status|200000|"));
    }
    assert_eq!(masternode.line(), "status|8|good-bye");
}

#[test]
fn what_was_queued_dies_with_its_connection() {
    let (mut masternode, endpoint) = Peer::masternode(0);
    let mut reporter = reporter(&endpoint);
    wait_up(&mut reporter);
    masternode.tell("pause");
    assert_eq!(masternode.line(), "paused");
    let body = vec![b'x'; 200_000];
    until("a full queue", || {
        (reporter.send(b"status", &body).expect("no failure") == Sent::Full).then_some(())
    });
    masternode.kill();
    wait_down(&mut reporter);
    let (successor, _) = Peer::masternode(endpoint.port());
    wait_up(&mut reporter);
    assert_eq!(reporter.send(b"status", b"fresh").expect("no failure"), Sent::Queued);
    assert_eq!(successor.line(), "status|5|fresh", "stale reports come from the outbox only");
}

#[test]
fn closing_never_hangs() {
    // Nobody there; somebody there; somebody gone.
    for case in 0..3 {
        let (masternode, endpoint) = if case == 0 { (None, unused()) } else { pair(Peer::masternode(0)) };
        let mut reporter = reporter(&endpoint);
        if case > 0 {
            wait_up(&mut reporter);
            let _ = reporter.send(b"status", &[b'x'; 500_000]).expect("no failure");
        }
        if case == 2 {
            masternode.expect("started").kill();
        }
        let begun = Instant::now();
        reporter.close(Duration::from_secs(1)).expect("no failure");
        assert!(begun.elapsed() < Duration::from_secs(5), "case {case}: {:?}", begun.elapsed());
    }
}

fn pair((peer, endpoint): (Peer, Endpoint)) -> (Option<Peer>, Endpoint) {
    (Some(peer), endpoint)
}

#[test]
fn something_else_on_the_port_is_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint =
        Endpoint::new("127.0.0.1", listener.local_addr().expect("bound").port()).expect("an address");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("accepts");
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").expect("taken");
    });
    let mut reporter = reporter(&endpoint);
    let event = reporter.wait(LONG).expect("no failure").expect("an event");
    server.join().expect("no panic");
    let LinkEvent::Trouble(text) = event else { panic!("{event:?}") };
    assert!(text.contains("is it a masternode's port?") || text.contains("does not speak ZMTP"), "{text}");
}

#[test]
fn what_the_other_end_would_refuse_is_not_sent() {
    let mut reporter = reporter(&unused());
    let error = reporter.send(&[b't'; 257], b"").expect_err("too long").to_string();
    assert!(error.contains("topic of 257 bytes"), "{error}");
    let error = reporter.send(b"status", &vec![0; 1_048_577]).expect_err("too large").to_string();
    assert!(error.contains("body of 1048577 bytes") && error.contains("limit of 1048576"), "{error}");
}

/// The memory of a clientnode is counted in single megabytes, so the link may not add threads of its own.
#[test]
fn a_reporter_has_no_thread_but_libzmqs_two() {
    let threads = || std::fs::read_dir("/proc/self/task").expect("procfs").count();
    let (_masternode, endpoint) = Peer::masternode(0);
    let before = threads();
    let mut reporter = reporter(&endpoint);
    wait_up(&mut reporter);
    assert_eq!(threads() - before, 2);
}
