//! What one peer can make the library hold, and the monitor that nobody reads.

mod support;

use chasar_libzmq::{Context, Event, Kind, Monitor};
use std::io::Write;
use std::net::TcpStream;
use support::*;

#[test]
fn the_size_limit_holds_for_the_sum_of_frames_and_the_monitor_says_so() {
    let context = Context::new().expect("a context");
    let server = context.socket(Kind::Pull).expect("a socket");
    server.set_max_message_size(Some(10_000)).expect("option");
    let monitor = Monitor::watch(&context, &server, Event::ALL_BUT_ACCEPT_FAILED).expect("a monitor");
    server.bind("tcp://127.0.0.1:*").expect("a free port");
    let client = context.socket(Kind::Push).expect("a socket");
    client.connect(&server.last_endpoint().expect("an endpoint")).expect("an endpoint");
    let send = |sizes: &[usize]| {
        for (i, size) in sizes.iter().enumerate() {
            until("room to send", || client.send(&vec![0; *size], i + 1 < sizes.len()).ok());
        }
    };
    let refused = || {
        until("the refusal", || monitor.next().expect("no failure").filter(Event::refused_for_size));
    };
    send(&[4_000, 6_000]);
    assert_eq!(next(&server).len(), 2, "just within");
    send(&[4_000, 6_001]);
    refused();
    send(&[1; 8]);
    assert_eq!(next(&server).len(), 8, "the counts begin anew with each connection");
    send(&[1; 9]);
    refused();
    send(&[10_001]);
    refused();
    send(&[10_000]);
    assert_eq!(next(&server).len(), 1);
}

/// The trap, asserted as it is with a plain monitor, and its absence with ours. Neither is read.
#[test]
fn a_monitor_nobody_reads_freezes_a_server_unless_its_mark_is_unbounded() {
    for unbounded in [true, false] {
        let context = Context::new().expect("a context");
        let server = context.socket(Kind::Pull).expect("a socket");
        server.set_backlog(4_096).expect("option");
        // Held, so that it lives; neither is read.
        let _ours = unbounded
            .then(|| Monitor::watch(&context, &server, Event::ALL_BUT_ACCEPT_FAILED).expect("a monitor"));
        let _plain = (!unbounded).then(|| {
            server.publish_events("inproc://plain", Event::ALL_BUT_ACCEPT_FAILED).expect("a monitor");
            let pair = context.socket(Kind::Pair).expect("a socket");
            pair.connect("inproc://plain").expect("an endpoint");
            pair
        });
        server.bind("tcp://127.0.0.1:*").expect("a free port");
        let endpoint = server.last_endpoint().expect("an endpoint");
        let address = endpoint.trim_start_matches("tcp://");
        for _ in 0..1_500 {
            let mut stream = TcpStream::connect(address).expect("the kernel accepts");
            stream.write_all(&[0xff]).expect("open");
        }
        let other = Context::new().expect("a context");
        let client = other.socket(Kind::Push).expect("a socket");
        client.set_immediate(true).expect("option");
        client.connect(&endpoint).expect("an endpoint");
        let arrives = || {
            let _ = client.send(b"x", false);
            server.recv().is_ok()
        };
        if unbounded {
            until("a message", || arrives().then_some(()));
        } else {
            assert!(stays(std::time::Duration::from_secs(2), || !arrives()), "the trap is gone: good news");
        }
        context.shutdown();
    }
}
