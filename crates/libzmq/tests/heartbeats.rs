//! A reader that is slower than its heartbeats. Stock libzmq takes its own full queue for a dead peer, and
//! aborts the process afterwards.
//! <https://github.com/zeromq/libzmq/issues/3937>, <https://github.com/zeromq/libzmq/issues/4364>

mod support;

use chasar_libzmq::{Context, Event, Kind, Monitor, Socket};
use std::time::Duration;
use support::*;

/// A publisher with a reader that holds two messages and asks for a sign of life each 50 ms.
fn stalled(context: &Context) -> (Socket, String, Socket, Monitor) {
    let (server, endpoint) = bound(context, Kind::XPub, |_| Ok(()));
    let reader = context.socket(Kind::Sub).expect("a socket");
    reader.set_receive_high_water_mark(1).expect("option");
    reader.set_heartbeat_interval(Duration::from_millis(50)).expect("option");
    reader.set_heartbeat_timeout(Duration::from_millis(100)).expect("option");
    reader.set_reconnect_interval(Duration::from_millis(20)).expect("option");
    reader.subscribe(b"").expect("option");
    let monitor = Monitor::watch(context, &reader, Event::DISCONNECTED).expect("a monitor");
    reader.connect(&endpoint).expect("an endpoint");
    until("its subscription", || server.recv().ok());
    for n in 0..20_u8 {
        server.send(&[n], false).expect("room");
    }
    (server, endpoint, reader, monitor)
}

#[test]
fn a_slow_reader_does_not_cut_itself_off() {
    let context = Context::new().expect("a context");
    let (_server, _, reader, monitor) = stalled(&context);
    assert!(stays(Duration::from_millis(800), || monitor.next().expect("no failure").is_none()), "cut off");
    for n in 0..20_u8 {
        assert_eq!(&*next(&reader)[0], &[n]);
    }
    assert_eq!(monitor.next().expect("no failure"), None);
}

#[test]
fn a_slow_reader_survives_the_end_of_its_peer_and_finds_the_next() {
    let context = Context::new().expect("a context");
    let (server, endpoint, reader, monitor) = stalled(&context);
    let mut server = Some(server);
    for round in 0..5 {
        while monitor.next().expect("no failure").is_some() {}
        drop(server.take());
        // Heartbeats find the connection broken, but with its queue full the reader does not come to see it.
        let unseen = stays(Duration::from_millis(150), || monitor.next().expect("no failure").is_none());
        assert!(unseen, "the reader was not stalled");
        let again = until("the port", || {
            let socket = context.socket(Kind::XPub).expect("a socket");
            socket.bind(&endpoint).is_ok().then_some(socket)
        });
        until("the reader to return", || {
            let _ = reader.recv();
            again.recv().ok()
        });
        for n in 0..20_u8 {
            again.send(&[100 + round, n], false).expect("room");
        }
        until("a message of this round", || reader.recv().ok().filter(|m| m.first() == Some(&(100 + round))));
        server = Some(again);
    }
}
