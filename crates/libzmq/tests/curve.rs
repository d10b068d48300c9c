//! CURVE against pyzmq, and who is let in.
//!
//! **The trap:** CURVE proves that a peer owns its key, not that the key is welcome. That is asked of a ZAP
//! handler, and when none answers, every key is welcome, unless `ZMQ_ZAP_ENFORCE_DOMAIN` is set.

mod support;

use chasar_libzmq::{
    Context, Event, Key, Kind, Monitor, Socket, curve_keypair, curve_public, end_connection, z85_decode,
    z85_encode,
};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use support::*;

/// Answers for the keys that are welcome, as RFC 27 has it; ends with the context.
struct Zap {
    welcome: Arc<Mutex<HashSet<Key>>>,
    thread: Option<JoinHandle<()>>,
}

impl Zap {
    fn start(context: &Context) -> Self {
        let welcome = Arc::<Mutex<HashSet<Key>>>::default();
        let theirs = Arc::clone(&welcome);
        let socket = context.socket(Kind::Rep).expect("a socket");
        socket.bind("inproc://zeromq.zap.01").expect("nobody else answers");
        let thread = std::thread::spawn(move || {
            while let Ok(version) = socket.recv_wait() {
                let mut frames = vec![version.to_vec()];
                while socket.receive_more().expect("open") {
                    frames.push(socket.recv().expect("the rest").to_vec());
                }
                let key: Option<Key> = frames.get(6).and_then(|k| k.as_slice().try_into().ok());
                let curve = frames.get(5).is_some_and(|m| m == b"CURVE");
                let known = curve && key.is_some_and(|k| theirs.lock().expect("whole").contains(&k));
                let status: &[u8] = if known { b"200" } else { b"400" };
                let name = key.map(|k| z85_encode(&k).expect("a key")).unwrap_or_default();
                let reply: [&[u8]; 6] = [b"1.0", &frames[1], status, b"", name.as_bytes(), b""];
                for (i, frame) in reply.iter().enumerate() {
                    socket.send(frame, i < 5).expect("answered");
                }
            }
        });
        Self { welcome, thread: Some(thread) }
    }

    fn welcome(&self, key: Key) {
        self.welcome.lock().expect("whole").insert(key);
    }

    fn refuse(&self, key: &Key) {
        self.welcome.lock().expect("whole").remove(key);
    }
}

struct Server {
    context: Context,
    socket: Socket,
    endpoint: String,
    public: Key,
    monitor: Monitor,
}

/// A SUB server with keys; `enforce` as `ZMQ_ZAP_ENFORCE_DOMAIN`.
fn server(context: &Context, enforce: bool) -> Server {
    let (public, secret) = curve_keypair().expect("keys");
    let socket = context.socket(Kind::Sub).expect("a socket");
    socket.set_curve_server(true).expect("option");
    socket.set_curve_secret_key(&secret).expect("option");
    socket.set_zap_domain("nodes").expect("option");
    socket.set_zap_enforce_domain(enforce).expect("option");
    socket.subscribe(b"").expect("option");
    let monitor = Monitor::watch(context, &socket, Event::ALL_BUT_ACCEPT_FAILED).expect("a monitor");
    socket.bind("tcp://127.0.0.1:*").expect("a free port");
    let endpoint = socket.last_endpoint().expect("an endpoint");
    assert_eq!(socket.zap_enforce_domain().expect("option"), enforce);
    Server { context: context.clone(), socket, endpoint, public, monitor }
}

fn python_publisher(server: &Server, keys: Option<(Key, Key)>) -> Peer {
    let server_key = z85_encode(&server.public).expect("a key");
    let (secret, public) = keys.map_or(("-".into(), "-".into()), |(public, secret)| {
        (z85_encode(&secret).expect("a key"), z85_encode(&public).expect("a key"))
    });
    let peer = Peer::start("curve.py", &["connect", "pub", &server.endpoint, &server_key, &secret, &public]);
    assert_eq!(peer.line(), "started");
    peer
}

/// Waits for an event and gives its value, serving the socket meanwhile.
fn event(server: &Server, number: u16) -> u32 {
    until("a connection event", || {
        let _ = server.socket.readable();
        let event = server.monitor.next().expect("no failure")?;
        (event.number == number).then_some(event.value)
    })
}

#[test]
fn a_welcome_key_from_python_is_let_in_and_named() {
    let context = Context::new().expect("a context");
    let zap = Zap::start(&context);
    let server = server(&context, true);
    let (public, secret) = curve_keypair().expect("keys");
    zap.welcome(public);
    let _peer = python_publisher(&server, Some((public, secret)));
    let frames = next(&server.socket);
    assert_eq!(&*frames[1], b"from python");
    for frame in &frames {
        assert_eq!(frame.gets(c"User-Id"), Some(z85_encode(&public).expect("a key").as_str()));
        assert_eq!(frame.gets(c"Peer-Address"), Some("127.0.0.1"));
        assert!(frame.fd().is_some());
    }
    assert_eq!(server.socket.mechanism().expect("option"), 2);
}

#[test]
fn an_unknown_key_is_refused() {
    let context = Context::new().expect("a context");
    let _zap = Zap::start(&context);
    let server = server(&context, true);
    let _unknown = python_publisher(&server, Some(curve_keypair().expect("keys")));
    assert_eq!(event(&server, Event::HANDSHAKE_FAILED_AUTH), 400);
    assert!(stays(Duration::from_millis(500), || server.socket.recv().is_err()), "nothing came through");
}

#[test]
fn a_peer_without_keys_is_refused() {
    let context = Context::new().expect("a context");
    let _zap = Zap::start(&context);
    let server = server(&context, true);
    let _keyless = python_publisher(&server, None);
    // Both ends see that the mechanisms differ; which of them says so first is chance.
    event(&server, Event::DISCONNECTED);
    assert!(stays(Duration::from_millis(500), || server.socket.recv().is_err()), "nothing came through");
}

/// The trap, asserted as it is: no handler, and any key is let in.
#[test]
fn without_a_handler_any_key_is_let_in_unless_the_domain_is_enforced() {
    let context = Context::new().expect("a context");
    let open = server(&context, false);
    let _stranger = python_publisher(&open, Some(curve_keypair().expect("keys")));
    let frames = next(&open.socket);
    assert_eq!(&*frames[1], b"from python");
    assert_eq!(frames[1].gets(c"User-Id"), None, "who reads must drop what has no name");

    let closed = server(&context, true);
    let _stranger = python_publisher(&closed, Some(curve_keypair().expect("keys")));
    // Not the disconnect: libzmq now and then leaves such a peer hanging until its handshake time is over.
    event(&closed, Event::HANDSHAKE_FAILED_NO_DETAIL);
    assert!(stays(Duration::from_millis(500), || closed.socket.recv().is_err()), "nothing came through");
}

/// The handler is asked at the handshake only; to take a key back its connection has to be ended.
#[test]
fn a_revoked_key_is_out_once_its_connection_is_ended() {
    let context = Context::new().expect("a context");
    let zap = Zap::start(&context);
    let server = server(&context, true);
    let (public, secret) = curve_keypair().expect("keys");
    zap.welcome(public);
    let _peer = python_publisher(&server, Some((public, secret)));
    next(&server.socket);
    zap.refuse(&public);
    let mut frames = Vec::new();
    for _ in 0..10 {
        frames = next(&server.socket);
    }
    assert_eq!(&*frames[1], b"from python", "still in, as documented");
    let fd = frames[1].fd().expect("a descriptor");
    let port = server.endpoint.rsplit(':').next().expect("a port").parse().expect("a port");
    assert!(end_connection(fd, port).expect("no failure"));
    assert_eq!(event(&server, Event::HANDSHAKE_FAILED_AUTH), 400);
    while server.socket.recv().is_ok() {}
    assert!(stays(Duration::from_millis(500), || server.socket.recv().is_err()), "nothing came through");
}

#[test]
fn our_client_speaks_with_a_python_server_and_only_with_the_right_one() {
    let context = Context::new().expect("a context");
    let (server_public, server_secret) = curve_keypair().expect("keys");
    let text = |key: &Key| z85_encode(key).expect("a key");
    let server =
        Peer::start("curve.py", &["bind", "sub", "-", "-", &text(&server_secret), &text(&server_public)]);
    let endpoint = server.line();
    let (public, secret) = curve_keypair().expect("keys");
    let client = |server_key: &Key| {
        let socket = context.socket(Kind::XPub).expect("a socket");
        socket.set_curve_server_key(server_key).expect("option");
        socket.set_curve_public_key(&public).expect("option");
        socket.set_curve_secret_key(&secret).expect("option");
        socket.connect(&endpoint).expect("an endpoint");
        socket
    };
    let wrong = client(&curve_keypair().expect("keys").0);
    let right = client(&server_public);
    assert_eq!(&*next(&right)[0], b"\x01", "its subscription");
    right.send(b"status", true).expect("sent");
    right.send(b"from rust", false).expect("sent");
    assert_eq!(server.line(), "status from rust");
    assert!(wrong.recv().is_err(), "no subscription came from a server that could not prove its key");
}

#[test]
fn keys_survive_their_text() {
    let (public, secret) = curve_keypair().expect("keys");
    assert_ne!(public, secret);
    assert_eq!(curve_public(&secret).expect("derived"), public);
    assert_eq!(z85_decode(&z85_encode(&public).expect("text")).expect("a key"), public);
    for bad in ["", "short", &"~".repeat(40), &"\0".repeat(40), &"ü".repeat(20)] {
        assert!(z85_decode(bad).is_err(), "{bad:?}");
    }
}

impl Drop for Zap {
    fn drop(&mut self) {
        // The handler ends when its context does; the server's handle shuts it down.
        drop(self.thread.take());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.context.shutdown();
    }
}
