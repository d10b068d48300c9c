//! What strangers can do to the masternode's ports: it keeps serving, memory returns, each is counted.

mod support;

use chasar_link::{Collector, CollectorConfig, Received, Refusal, Sent};
use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use support::*;

/// A collector served by a thread, as in the masternode.
struct Masternode {
    bound: chasar_link::Endpoint,
    collector_counters: Arc<chasar_link::CollectorCounters>,
    connection_counters: Arc<chasar_link::ConnectionCounters>,
    refused: Receiver<Refusal>,
    bodies: Receiver<Vec<u8>>,
    stopper: chasar_link::Stopper,
    thread: Option<JoinHandle<()>>,
}

fn masternode() -> Masternode {
    let config =
        CollectorConfig { handshake_timeout: Duration::from_secs(1), ..CollectorConfig::new(free()) };
    let collector = Collector::bind(&config).expect("a free port");
    let bound = collector.bound().clone();
    let collector_counters = Arc::clone(collector.counters());
    let connection_counters = Arc::clone(collector.connections().counters());
    let stopper = collector.stopper();
    let (refuse, refused) = channel();
    let (body_out, bodies) = channel();
    let thread = std::thread::spawn(move || {
        while let Ok(received) = collector.recv(LONG) {
            match received {
                Some(Received::Report { body, .. }) => {
                    body_out.send(body.to_vec()).expect("the test listens")
                }
                Some(Received::Refused { reason, peer }) => {
                    assert_eq!(peer.address, Some("127.0.0.1".parse().expect("an address")));
                    refuse.send(reason).expect("the test listens");
                }
                None => {}
            }
        }
    });
    Masternode {
        bound,
        collector_counters,
        connection_counters,
        refused,
        bodies,
        stopper,
        thread: Some(thread),
    }
}

impl Masternode {
    /// A new clientnode gets a report through.
    fn serves(&self) {
        let mut reporter = reporter(&self.bound);
        wait_up(&mut reporter);
        assert_eq!(reporter.send(b"status", b"alive").expect("no failure"), Sent::Queued);
        assert_eq!(self.bodies.recv_timeout(LONG).expect("a report"), b"alive");
    }

    fn connections(&self) -> chasar_link::ConnectionCounts {
        self.connection_counters.read()
    }
}

impl Drop for Masternode {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            let outcome = thread.join();
            assert!(std::thread::panicking() || outcome.is_ok());
        }
    }
}

#[test]
fn frames_without_end_are_cut_off_and_take_no_memory() {
    let masternode = masternode();
    masternode.serves();
    let before = resident_bytes();
    // Two million empty frames made stock libzmq grow by 135 MB.
    let mut raw = Raw::shake_hands(&masternode.bound, "PUB");
    let frames = [1_u8, 0].repeat(10_000);
    let cut = (0..200).any(|_| raw.0.write_all(&frames).is_err());
    assert!(cut || raw.is_closed());
    until("the count", || (masternode.connections().too_large == 1).then_some(()));
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes");
    masternode.serves();
}

#[test]
fn large_frames_are_cut_off_and_take_no_memory() {
    let masternode = masternode();
    masternode.serves();
    let before = resident_bytes();
    for length in [2_u64 << 20, 1 << 40, 1 << 62, u64::MAX] {
        let refused = masternode.connections().too_large;
        let mut raw = Raw::shake_hands(&masternode.bound, "PUB");
        let mut frame = vec![2];
        frame.extend_from_slice(&length.to_be_bytes());
        raw.0.write_all(&frame).expect("taken");
        let _ = raw.0.write_all(&[0; 100_000]);
        assert!(raw.is_closed(), "{length}");
        until("the count", || (masternode.connections().too_large == refused + 1).then_some(()));
    }
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes");
    masternode.serves();
}

#[test]
fn messages_that_are_none_of_ours_are_refused_with_a_reason() {
    let masternode = masternode();
    let mut raw = Raw::shake_hands(&masternode.bound, "PUB");
    // The handshake is over for both ends once its subscription is here.
    let mut subscription = [0; 3];
    std::io::Read::read_exact(&mut raw.0, &mut subscription).expect("a subscription");
    let mut expect = |frames: &[&[u8]], reason: Refusal| {
        for (i, frame) in frames.iter().enumerate() {
            let more = u8::from(i + 1 < frames.len());
            let mut bytes = vec![2 | more];
            bytes.extend_from_slice(&(frame.len() as u64).to_be_bytes());
            bytes.extend_from_slice(frame);
            raw.0.write_all(&bytes).expect("taken");
        }
        assert_eq!(masternode.refused.recv_timeout(LONG).expect("a refusal"), reason);
    };
    expect(&[b"status"], Refusal::NoBody);
    expect(&[b"status", b"{}", b"more"], Refusal::TooManyFrames);
    expect(&[b"", b"", b"", b"", b"", b"", b"", b""], Refusal::TooManyFrames);
    expect(&[&[b't'; 257], b"{}"], Refusal::TopicTooLong);
    expect(&[b"status", &vec![b'x'; (1 << 20) + 1]], Refusal::BodyTooLarge);
    // The connection still serves.
    raw.frame(b"status", true).expect("taken");
    raw.frame(b"{}", false).expect("taken");
    assert_eq!(masternode.bodies.recv_timeout(LONG).expect("a report"), b"{}");
    let counts = masternode.collector_counters.read();
    assert_eq!(
        (
            counts.refused_no_body,
            counts.refused_too_many_frames,
            counts.refused_topic_too_long,
            counts.refused_body_too_large
        ),
        (1, 2, 1, 1)
    );
    assert_eq!(counts.received_messages, 1);
}

#[test]
fn garbage_half_greetings_and_http_change_nothing() {
    let masternode = masternode();
    let mut held = Vec::new();
    for i in 0_u32..100 {
        let mut raw = Raw::connect(&masternode.bound);
        let bytes: Vec<u8> = match i % 5 {
            0 => b"GET / HTTP/1.1\r\nHost: masternode\r\n\r\n".to_vec(),
            1 => vec![0xff, 0, 0, 0],
            2 => (0..500_u32).map(|n| (n.wrapping_mul(2_654_435_761 + i) >> 13) as u8).collect(),
            3 => [&[0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0][..], &[b'X'; 500]].concat(),
            _ => Vec::new(),
        };
        let _ = raw.0.write_all(&bytes);
        held.push(raw);
    }
    masternode.serves();
    // Who does not finish the handshake is let go.
    for raw in &mut held {
        assert!(raw.is_closed());
    }
    until("the counts", || {
        let counts = masternode.connections();
        (counts.handshake_failed >= 20 && counts.protocol_failed >= 20 && counts.open() <= 1).then_some(())
    });
    masternode.serves();
}

#[test]
fn two_thousand_connections_opened_and_dropped_leave_nothing() {
    let masternode = masternode();
    masternode.serves();
    let burst = || {
        let held: Vec<Raw> = (0..2_000).map(|_| Raw::connect(&masternode.bound)).collect();
        drop(held);
        until("all connections to be gone", || (masternode.connections().open() == 0).then_some(()));
    };
    burst();
    let after_one = resident_bytes();
    for _ in 0..3 {
        burst();
    }
    masternode.serves();
    let grown = resident_bytes().saturating_sub(after_one);
    assert!(grown < 4 << 20, "{grown} bytes");
    let counts = masternode.connections();
    // A connection dropped before it was accepted is not always seen.
    assert!(counts.accepted > 4_000, "{counts:?}");
    let open = std::fs::read_dir("/proc/self/fd").expect("procfs").count();
    assert!(open < 100, "{open} descriptors");
}

#[test]
fn a_peer_can_be_disconnected_and_may_return() {
    let collector = collector();
    let mut reporter = reporter(collector.bound());
    wait_up_serving(&mut reporter, &collector);
    assert_eq!(reporter.send(b"status", b"1").expect("no failure"), Sent::Queued);
    let Some(Received::Report { peer, .. }) = collector.recv(LONG).expect("no failure") else {
        panic!("no report")
    };
    assert!(collector.disconnect(&peer).expect("no failure"));
    assert_eq!(wait_down(&mut reporter), chasar_link::DownReason::Closed);
    wait_up_serving(&mut reporter, &collector);
    assert_eq!(collector.counters().read().ended_connections, 1);
}
