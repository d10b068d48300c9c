//! Peers that speak just enough ZMTP 3.0 (RFC 23, NULL mechanism) to be ten thousand nodes in one thread.
//!
//! A libzmq socket costs two descriptors and a share of an I/O thread; the load generator is to cost
//! little beside what it measures, so it writes the frames itself.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Bytes that wait because the peer does not read; beyond this a report is dropped and counted.
const MAX_WAITING_BYTES: usize = 256 << 10;

/// One PUB connection to a bound SUB socket.
pub struct Publisher {
    stream: TcpStream,
    waiting: Vec<u8>,
    written: usize,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The kernel has it, or it waits in a bounded buffer.
    Taken,
    /// The peer is too slow; the message was dropped.
    Dropped,
}

impl Publisher {
    /// Connects, shakes hands and waits for the peer's subscription to everything.
    ///
    /// # Errors
    /// When the peer cannot be reached or does not speak ZMTP 3 with the NULL mechanism.
    pub fn connect(address: SocketAddr) -> io::Result<Publisher> {
        let mut stream = shake_hands(address, "PUB")?;
        // The peer's READY, then its subscription: a message of one frame, 0x01 and the topic.
        let mut body = Vec::new();
        loop {
            let flags = read_frame(&mut stream, &mut body)?;
            if flags & 0x04 == 0 && body.first() == Some(&1) {
                break;
            }
            if flags & 0x04 != 0 && body.starts_with(b"\x05ERROR") {
                return Err(io::Error::new(ErrorKind::ConnectionRefused, "the peer refused the handshake"));
            }
            if flags & 0x04 != 0 && body.starts_with(b"\x09SUBSCRIBE") {
                break;
            }
        }
        stream.set_nonblocking(true)?;
        Ok(Publisher { stream, waiting: Vec::new(), written: 0 })
    }

    /// Sends one message of two frames without blocking.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn send(&mut self, topic: &[u8], body: &[u8]) -> io::Result<Sent> {
        self.flush()?;
        if self.waiting.len() - self.written > MAX_WAITING_BYTES {
            return Ok(Sent::Dropped);
        }
        if self.written == self.waiting.len() {
            self.waiting.clear();
            self.written = 0;
        }
        frame(&mut self.waiting, 0x01, topic);
        frame(&mut self.waiting, 0x00, body);
        self.flush()?;
        Ok(Sent::Taken)
    }

    /// Writes what waits, as far as the kernel takes it.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn flush(&mut self) -> io::Result<()> {
        while self.written < self.waiting.len() {
            match self.stream.write(&self.waiting[self.written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => self.written += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// One SUB connection to a bound PUB socket.
pub struct Subscriber {
    stream: BufReader<TcpStream>,
    topic: Vec<u8>,
    body: Vec<u8>,
}

impl Subscriber {
    /// Connects and subscribes to a prefix of topics.
    ///
    /// # Errors
    /// When the peer cannot be reached or does not speak ZMTP 3 with the NULL mechanism.
    pub fn connect(address: SocketAddr, prefix: &[u8]) -> io::Result<Subscriber> {
        let mut stream = shake_hands(address, "SUB")?;
        let mut subscription = Vec::new();
        frame(&mut subscription, 0x00, &[&[1], prefix].concat());
        stream.write_all(&subscription)?;
        stream.set_read_timeout(Some(Duration::from_millis(200)))?;
        Ok(Subscriber {
            stream: BufReader::with_capacity(1 << 20, stream),
            topic: Vec::new(),
            body: Vec::new(),
        })
    }

    /// The next message, topic and body; `None` when none came within 200 ms.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn receive(&mut self) -> io::Result<Option<(&[u8], &[u8])>> {
        match self.stream.fill_buf() {
            Ok([]) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(None),
            Err(e) => return Err(e),
        }
        loop {
            let flags = read_frame(&mut self.stream, &mut self.topic)?;
            if flags & 0x04 != 0 {
                continue;
            }
            if flags & 0x01 != 0 {
                read_frame(&mut self.stream, &mut self.body)?;
            }
            return Ok(Some((&self.topic, &self.body)));
        }
    }
}

/// Connects and does the NULL handshake up to our READY.
fn shake_hands(address: SocketAddr, socket_type: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut greeting = [0u8; 64];
    greeting[0] = 0xFF;
    greeting[9] = 0x7F;
    greeting[10] = 3;
    greeting[12..16].copy_from_slice(b"NULL");
    stream.write_all(&greeting)?;
    let mut theirs = [0u8; 64];
    stream.read_exact(&mut theirs)?;
    if theirs[0] != 0xFF || theirs[10] < 3 || &theirs[12..16] != b"NULL" {
        return Err(io::Error::new(ErrorKind::InvalidData, "the peer does not speak ZMTP 3 with NULL"));
    }
    let mut ready = [b"\x05READY\x0bSocket-Type\x00\x00\x00\x03", socket_type.as_bytes()].concat();
    ready.splice(0..0, [0x04, ready.len() as u8]);
    stream.write_all(&ready)?;
    Ok(stream)
}

fn frame(out: &mut Vec<u8>, more: u8, body: &[u8]) {
    if body.len() < 256 {
        out.extend([more, body.len() as u8]);
    } else {
        out.push(more | 0x02);
        out.extend((body.len() as u64).to_be_bytes());
    }
    out.extend(body);
}

fn read_frame(stream: &mut impl Read, body: &mut Vec<u8>) -> io::Result<u8> {
    let mut flags = [0u8; 1];
    whole(stream, &mut flags)?;
    let size = if flags[0] & 0x02 == 0 {
        let mut size = [0u8; 1];
        whole(stream, &mut size)?;
        u64::from(size[0])
    } else {
        let mut size = [0u8; 8];
        whole(stream, &mut size)?;
        u64::from_be_bytes(size)
    };
    if size > 2 << 20 {
        return Err(io::Error::new(ErrorKind::InvalidData, "a frame of more than 2 MiB"));
    }
    body.resize(size as usize, 0);
    whole(stream, body)?;
    Ok(flags[0])
}

/// Reads all of `buffer`, waiting for the peer in the middle of a frame.
fn whole(stream: &mut impl Read, mut buffer: &mut [u8]) -> io::Result<()> {
    while !buffer.is_empty() {
        match stream.read(buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => buffer = &mut buffer[n..],
            Err(e)
                if matches!(
                    e.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
