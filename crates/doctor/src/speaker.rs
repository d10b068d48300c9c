//! Who answers on a port: ZMTP spoken by hand, and what other protocols are known by.
//!
//! libzmq only says that a handshake failed. Here the greeting of ZMTP 3.0 (RFC 23) is sent by hand and what comes
//! back is looked at. Who says nothing to it is asked again in HTTP, then in TLS.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::http::Answer;

/// How long to wait for a first word.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Most bytes of an answer that are looked at.
const MOST: usize = 16 << 10;
/// Length of a greeting of ZMTP 3.
const GREETING: usize = 64;
/// So much of it has to be told before the other side goes on (RFC 23, "Version negotiation").
const SIGNATURE_AND_VERSION: usize = 11;

/// Who answers on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// A ZeroMQ socket of today.
    Zmtp(Zmtp),
    /// A ZeroMQ library from before 2013: ZMTP 1 or 2.
    OldZmtp,
    /// A web server; the text names it where it names itself.
    Http {
        /// The `Server` header.
        server: Option<String>,
        /// Whether it is the HTTP port of a masternode.
        masternode: bool,
    },
    /// Something that wants TLS.
    Tls,
    /// An SSH server, with its banner.
    Ssh(String),
    /// Something that says this.
    Banner(String),
    /// Something that answers in bytes nobody knows.
    Bytes(usize),
    /// Something that takes connections and says nothing.
    Silent,
    /// Something that takes connections and closes them.
    Closed,
}

/// What a ZeroMQ socket says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Zmtp {
    /// Version of the protocol, major and minor.
    pub(crate) version: (u8, u8),
    /// Security mechanism: `NULL` is in clear.
    pub(crate) mechanism: String,
    /// How the handshake went on; `None` for a mechanism we have no key for.
    pub(crate) shake: Option<Shake>,
}

/// How a handshake without keys went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shake {
    /// It told its socket type.
    Ready {
        /// Such as `SUB`.
        socket_type: String,
        /// Whether it asked for messages; only SUB sockets do.
        subscribed: bool,
    },
    /// It refused, with these words.
    Refused(String),
    /// It closed the connection or fell silent.
    Broken,
}

/// Asks who listens at `address`, as a socket of type `ours` would.
///
/// # Errors
/// When there is no connection: refused, timed out, no route.
pub(crate) fn ask(address: SocketAddr, ours: &str, connect_within: Duration) -> io::Result<Speaker> {
    let stream = TcpStream::connect_timeout(&address, connect_within)?;
    let first = greet(stream, ours);
    let unsure = matches!(first, Speaker::Silent | Speaker::Closed | Speaker::Bytes(_));
    if !unsure && !matches!(first, Speaker::Http { .. }) {
        return Ok(first);
    }
    // A web server that complained about our greeting says more when asked properly.
    let question = format!("GET / HTTP/1.0\r\nHost: {address}\r\n\r\n");
    let over_http = say(address, question.as_bytes()).map_or(Speaker::Silent, |bytes| recognise(&bytes));
    if !matches!(over_http, Speaker::Silent | Speaker::Closed | Speaker::Bytes(_)) {
        return Ok(over_http);
    }
    let over_tls = say(address, &client_hello()).map_or(Speaker::Silent, |bytes| recognise(&bytes));
    Ok(if over_tls == Speaker::Tls { over_tls } else { first })
}

/// Connects, says `words` and takes what comes.
fn say(address: SocketAddr, words: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(words)?;
    let mut bytes = Vec::new();
    let ended = hear(&mut stream, &mut bytes, MOST, PATIENCE);
    if bytes.is_empty() && ended { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(bytes) }
}

/// Reads until there are `most` bytes, the time is over, or the peer closes, which is then `true`.
fn hear(stream: &mut TcpStream, bytes: &mut Vec<u8>, most: usize, within: Duration) -> bool {
    let until = Instant::now() + within;
    let mut chunk = [0; 1024];
    while bytes.len() < most {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return false;
        }
        let want = chunk.len().min(most - bytes.len());
        match stream.read(&mut chunk[..want]) {
            Ok(0) => return true,
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return !matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }
    false
}

/// Greets as ZMTP 3.0 does and goes on as far as the other side comes along.
fn greet(mut stream: TcpStream, ours: &str) -> Speaker {
    let _ = stream.set_nodelay(true);
    let _ = stream.set_write_timeout(Some(PATIENCE));
    let greeting = greeting();
    let (beginning, rest) = greeting.split_at(SIGNATURE_AND_VERSION);
    if stream.write_all(beginning).is_err() {
        return Speaker::Closed;
    }
    let mut bytes = Vec::new();
    // Who wants keys hangs up on our mechanism, so it is kept back until theirs has come.
    let mut ended = hear(&mut stream, &mut bytes, GREETING, PATIENCE / 2);
    if !ended {
        let sent = stream.write_all(rest).is_ok();
        ended = hear(&mut stream, &mut bytes, GREETING, if sent { PATIENCE } else { Duration::ZERO });
    }
    let mut speaker = match recognise(&bytes) {
        Speaker::Silent if ended => Speaker::Closed,
        other => other,
    };
    if let Speaker::Zmtp(zmtp) = &mut speaker
        && zmtp.mechanism == "NULL"
    {
        zmtp.shake = Some(shake(&mut stream, ours).unwrap_or(Shake::Broken));
    }
    speaker
}

/// The handshake of the mechanism NULL, and the first thing a SUB socket says.
fn shake(stream: &mut TcpStream, ours: &str) -> io::Result<Shake> {
    // Who does not go with our type hangs up on it, so theirs is waited for first.
    let first = frame(stream, PATIENCE / 2);
    stream.write_all(&ready(ours))?;
    let (flags, body) = first.or_else(|_| frame(stream, PATIENCE))?;
    let answer = read_command(flags, &body);
    let Shake::Ready { socket_type, .. } = &answer else { return Ok(answer) };
    if socket_type != "SUB" && socket_type != "XSUB" {
        return Ok(answer);
    }
    // A SUB socket tells at once what it wants; libzmq of before 4.2 does so a moment later.
    let subscribed = frame(stream, PATIENCE).is_ok_and(|(flags, body)| is_subscription(flags, &body));
    Ok(Shake::Ready { socket_type: socket_type.clone(), subscribed })
}

/// Reads one short frame: flags and body.
fn frame(stream: &mut TcpStream, within: Duration) -> io::Result<(u8, Vec<u8>)> {
    let until = Instant::now() + within;
    let mut part = |most| -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        hear(stream, &mut bytes, most, until.saturating_duration_since(Instant::now()));
        if bytes.len() == most { Ok(bytes) } else { Err(ErrorKind::UnexpectedEof.into()) }
    };
    let head = part(2)?;
    // Handshakes fit short frames (one byte of length); who sends more here is nobody we know.
    if head[0] & 0x02 != 0 {
        return Err(ErrorKind::InvalidData.into());
    }
    Ok((head[0], part(usize::from(head[1]))?))
}

/// The greeting of a peer that wants no security.
fn greeting() -> [u8; GREETING] {
    let mut greeting = [0; GREETING];
    (greeting[0], greeting[9], greeting[10]) = (0xFF, 0x7F, 3);
    greeting[12..16].copy_from_slice(b"NULL");
    greeting
}

/// The command READY with a socket type.
fn ready(socket_type: &str) -> Vec<u8> {
    let mut body = b"\x05READY\x0bSocket-Type".to_vec();
    body.extend((socket_type.len() as u32).to_be_bytes());
    body.extend(socket_type.as_bytes());
    [&[0x04, body.len() as u8], body.as_slice()].concat()
}

/// What a READY or ERROR command says.
fn read_command(flags: u8, body: &[u8]) -> Shake {
    if flags & 0x04 == 0 {
        return Shake::Broken;
    }
    if let Some(mut rest) = body.strip_prefix(b"\x05READY") {
        while let Some((name, value, after)) = property(rest) {
            if name.eq_ignore_ascii_case(b"Socket-Type") {
                let socket_type = String::from_utf8_lossy(value).into_owned();
                return Shake::Ready { socket_type, subscribed: false };
            }
            rest = after;
        }
        return Shake::Broken;
    }
    match body.strip_prefix(b"\x05ERROR") {
        Some(rest) => Shake::Refused(String::from_utf8_lossy(rest.get(1..).unwrap_or_default()).into_owned()),
        None => Shake::Broken,
    }
}

/// One property of READY: name, value, and what is behind them.
fn property(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    Some((name, value, rest))
}

/// A subscription is a message that begins with 1 (ZMTP 3.0) or the command SUBSCRIBE (3.1).
fn is_subscription(flags: u8, body: &[u8]) -> bool {
    if flags & 0x04 == 0 { body.first() == Some(&1) } else { body.starts_with(b"\x09SUBSCRIBE") }
}

/// Who begins to speak like this.
fn recognise(bytes: &[u8]) -> Speaker {
    if bytes.is_empty() {
        return Speaker::Silent;
    }
    if bytes[0] == 0xFF && bytes.get(9).is_none_or(|b| b & 1 == 1) {
        return match (bytes.get(10), bytes.get(11), bytes.get(12..32)) {
            (Some(major @ 3..), Some(minor), Some(mechanism)) => {
                let end = mechanism.iter().position(|b| *b == 0).unwrap_or(mechanism.len());
                let mechanism = String::from_utf8_lossy(&mechanism[..end]).into_owned();
                Speaker::Zmtp(Zmtp { version: (*major, *minor), mechanism, shake: None })
            }
            (Some(0..3), ..) => Speaker::OldZmtp,
            _ => Speaker::Bytes(bytes.len()),
        };
    }
    // ZMTP 1.0 begins with the frame of an empty identity.
    if bytes.starts_with(&[1, 0]) {
        return Speaker::OldZmtp;
    }
    // A record of type alert or handshake, version 3.x (RFC 8446, 5.1).
    if matches!(bytes[0], 0x15 | 0x16) && bytes.get(1) == Some(&3) {
        return Speaker::Tls;
    }
    if bytes.starts_with(b"SSH-") {
        return Speaker::Ssh(first_line(bytes));
    }
    if let Some(answer) = Answer::parse(bytes) {
        let text = answer.text();
        let masternode = text.starts_with("Chasar masternode")
            || answer.header("www-authenticate").is_some_and(|v| v.contains("realm=\"chasar\""));
        return Speaker::Http { server: answer.header("server").map(str::to_owned), masternode };
    }
    // A web server of HTTP/0.9, or one that answers nonsense with a page.
    if bytes.starts_with(b"<") && String::from_utf8_lossy(bytes).to_ascii_lowercase().contains("html") {
        return Speaker::Http { server: None, masternode: false };
    }
    let text = bytes.iter().filter(|b| b.is_ascii_graphic() || b" \t\r\n".contains(b)).count();
    if text * 10 >= bytes.len() * 9 {
        Speaker::Banner(first_line(bytes))
    } else {
        Speaker::Bytes(bytes.len())
    }
}

fn first_line(bytes: &[u8]) -> String {
    let line = bytes.split(|b| *b == b'\n').find(|l| !l.trim_ascii().is_empty()).unwrap_or_default();
    String::from_utf8_lossy(line).trim().chars().take(80).collect()
}

/// A ClientHello of TLS 1.2 (RFC 5246, 7.4.1.2): enough for any server to answer, if only with an alert.
fn client_hello() -> Vec<u8> {
    let mut hello = vec![3, 3];
    hello.extend([0x43; 32]);
    hello.extend([0, 0, 4, 0xC0, 0x2F, 0, 0x2F, 1, 0]);
    let mut handshake = vec![1, 0, 0, hello.len() as u8];
    handshake.extend(hello);
    [&[0x16, 3, 1, 0, handshake.len() as u8], handshake.as_slice()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::TcpListener;
    use std::thread;

    fn zmtp(mechanism: &str) -> Speaker {
        Speaker::Zmtp(Zmtp { version: (3, 1), mechanism: mechanism.into(), shake: None })
    }

    fn greeting_of(major: u8, mechanism: &[u8]) -> Vec<u8> {
        let mut bytes = greeting().to_vec();
        bytes[10..12].copy_from_slice(&[major, 1]);
        bytes[12..32].fill(0);
        bytes[12..12 + mechanism.len()].copy_from_slice(mechanism);
        bytes
    }

    #[test]
    fn each_protocol_is_known_by_its_first_bytes() {
        for (bytes, speaker) in [
            (greeting_of(3, b"NULL"), zmtp("NULL")),
            (greeting_of(3, b"CURVE"), zmtp("CURVE")),
            (greeting_of(1, b""), Speaker::OldZmtp),
            (b"\x01\x00".to_vec(), Speaker::OldZmtp),
            (b"\x15\x03\x01\x00\x02\x02\x46".to_vec(), Speaker::Tls),
            (b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec(), Speaker::Ssh("SSH-2.0-OpenSSH_9.2p1".into())),
            (b"220 mail.example ESMTP\r\n".to_vec(), Speaker::Banner("220 mail.example ESMTP".into())),
            (b"\x4a\0\0\0\x0a\x08\0\x01\x02\x03".to_vec(), Speaker::Bytes(10)),
            (b"\xff\0\0".to_vec(), Speaker::Bytes(3)),
            (Vec::new(), Speaker::Silent),
        ] {
            assert_eq!(recognise(&bytes), speaker, "{bytes:?}");
        }
        for (bytes, server, masternode) in [
            (&b"HTTP/1.0 404 Nothing\r\nServer: nginx\r\n\r\n"[..], Some("nginx"), false),
            (b"HTTP/1.1 200 OK\r\n\r\nChasar masternode\n", None, true),
            (b"HTTP/1.1 401 No\r\nwww-authenticate: Bearer realm=\"chasar\"\r\n\r\n", None, true),
            (b"<!DOCTYPE HTML>\n<html>", None, false),
        ] {
            let server = server.map(str::to_owned);
            assert_eq!(recognise(bytes), Speaker::Http { server, masternode });
        }
    }

    #[test]
    fn commands_are_read() {
        let ready = |t: &str| super::ready(t)[2..].to_vec();
        let types = |body: &[u8]| match read_command(4, body) {
            Shake::Ready { socket_type, .. } => socket_type,
            other => format!("{other:?}"),
        };
        assert_eq!(types(&ready("SUB")), "SUB");
        // Another property before it.
        let odd = [b"\x05READY\x01a\0\0\0\x02xy".as_slice(), &ready("XPUB")[6..]].concat();
        assert_eq!(types(&odd), "XPUB");
        assert_eq!(read_command(4, b"\x05ERROR\x03bad"), Shake::Refused("bad".into()));
        for (flags, body) in [(0, &b"\x05READY"[..]), (4, b"\x05READY"), (4, b"\x05READY\xff"), (4, b"")] {
            assert_eq!(read_command(flags, body), Shake::Broken, "{body:?}");
        }
        assert!(is_subscription(0, &[1]) && is_subscription(4, b"\x09SUBSCRIBE"));
        assert!(!is_subscription(0, &[0]) && !is_subscription(0, &[]));
    }

    /// A server that handles each connection with `talk`.
    fn server(talk: fn(&mut TcpStream)) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                thread::spawn(move || talk(&mut stream));
            }
        });
        address
    }

    fn asked(talk: fn(&mut TcpStream)) -> Speaker {
        ask(server(talk), "PUB", PATIENCE).expect("a connection")
    }

    #[test]
    fn servers_are_told_apart() {
        // Waits for lines, as most web servers do: our greeting has none.
        let web = asked(|stream| {
            let (mut seen, mut byte) = (Vec::new(), [0]);
            while !seen.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                seen.push(byte[0]);
            }
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nServer: S\r\n\r\n");
        });
        assert_eq!(web, Speaker::Http { server: Some("S".into()), masternode: false });
        let tls = asked(|stream| {
            let mut record = [0; 5];
            let _ = stream.read_exact(&mut record);
            if record[..3] == [0x16, 3, 1] {
                let mut rest = vec![0; usize::from(record[4])];
                let _ = stream.read_exact(&mut rest);
                let _ = stream.write_all(&[0x15, 3, 1, 0, 2, 2, 40]);
            }
        });
        assert_eq!(tls, Speaker::Tls);
        assert_eq!(asked(|_| {}), Speaker::Closed);
        let silent = asked(|stream| {
            let _ = stream.read_to_end(&mut Vec::new());
        });
        assert_eq!(silent, Speaker::Silent);
    }

    #[test]
    fn sockets_of_zeromq_tell_their_type() {
        fn socket(stream: &mut TcpStream, socket_type: &str, then: &[u8]) {
            let _ = stream.write_all(&greeting());
            let _ = stream.read_exact(&mut [0; GREETING]);
            let _ = stream.write_all(&ready(socket_type));
            let _ = stream.write_all(then);
            let _ = stream.read_to_end(&mut Vec::new());
        }
        let shake = |speaker| match speaker {
            Speaker::Zmtp(zmtp) => zmtp.shake,
            other => panic!("{other:?}"),
        };
        let told = |socket_type: &str, subscribed| {
            Some(Shake::Ready { socket_type: socket_type.to_owned(), subscribed })
        };
        assert_eq!(shake(asked(|s| socket(s, "SUB", &[0, 1, 1]))), told("SUB", true));
        assert_eq!(shake(asked(|s| socket(s, "SUB", &[]))), told("SUB", false));
        assert_eq!(shake(asked(|s| socket(s, "XPUB", &[]))), told("XPUB", false));
    }

    #[test]
    fn nobody_there_is_an_error() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(ask(address, "PUB", PATIENCE).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }

    proptest! {
        #[test]
        fn whatever_is_said_is_somebody(bytes: Vec<u8>, flags: u8) {
            let _ = recognise(&bytes);
            let _ = recognise(&[&greeting()[..11], &bytes].concat());
            let _ = read_command(flags, &[b"\x05READY".as_slice(), &bytes].concat());
            let _ = is_subscription(flags, &bytes);
        }
    }
}
