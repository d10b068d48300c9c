//! A peer that speaks ZMTP by hand, rightly or wrongly: bytes on a TCP connection.
//!
//! ZMTP 3.0, RFC 23: a greeting of 64 bytes, a READY command from each side, then frames. libzmq cannot be made
//! to misbehave, so what a masternode bears from strangers is tried with this.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// One connection.
#[derive(Debug)]
pub struct Connection {
    /// The bytes below.
    pub stream: TcpStream,
}

/// The greeting of a peer that wants no security (mechanism NULL).
pub fn greeting() -> [u8; 64] {
    let mut greeting = [0; 64];
    (greeting[0], greeting[9], greeting[10]) = (0xFF, 0x7F, 3);
    greeting[12..16].copy_from_slice(b"NULL");
    greeting
}

/// The bytes of a READY command with a socket type.
pub fn ready(socket_type: &str) -> Vec<u8> {
    let mut body = b"\x05READY\x0bSocket-Type".to_vec();
    body.extend((socket_type.len() as u32).to_be_bytes());
    body.extend(socket_type.as_bytes());
    let mut command = vec![0x04, body.len() as u8];
    command.extend(body);
    command
}

/// The bytes of a frame.
pub fn frame(more: bool, body: &[u8]) -> Vec<u8> {
    let mut bytes = frame_head(more, body.len() as u64);
    bytes.extend(body);
    bytes
}

/// The head of a frame that claims to have `length` bytes.
pub fn frame_head(more: bool, length: u64) -> Vec<u8> {
    if length < 256 {
        return vec![u8::from(more), length as u8];
    }
    let mut bytes = vec![u8::from(more) | 0x02];
    bytes.extend(length.to_be_bytes());
    bytes
}

impl Connection {
    /// Connects, and says nothing.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.set_write_timeout(Some(Duration::from_secs(10)))?;
        Ok(Connection { stream })
    }

    /// Connects and shakes hands as a socket of this type.
    ///
    /// # Errors
    /// When the peer does not answer as ZMTP asks.
    pub fn shaken(address: SocketAddr, socket_type: &str) -> io::Result<Connection> {
        let mut connection = Connection::open(address)?;
        connection.stream.write_all(&greeting())?;
        let mut theirs = [0; 64];
        connection.stream.read_exact(&mut theirs)?;
        connection.stream.write_all(&ready(socket_type))?;
        let (flags, body) = connection.read_frame()?;
        if flags & 0x04 == 0 || !body.starts_with(b"\x05READY") {
            return Err(io::Error::other(format!("no READY: {flags:#x} {body:?}")));
        }
        Ok(connection)
    }

    /// Sends a message of these frames.
    ///
    /// # Errors
    /// When the peer hung up.
    pub fn send(&mut self, frames: &[&[u8]]) -> io::Result<()> {
        let last = frames.len().saturating_sub(1);
        let message: Vec<u8> =
            frames.iter().enumerate().flat_map(|(i, body)| frame(i < last, body)).collect();
        self.stream.write_all(&message)
    }

    /// Subscribes: for sockets of type SUB.
    ///
    /// # Errors
    /// When the peer hung up.
    pub fn subscribe(&mut self, topic: &[u8]) -> io::Result<()> {
        self.send(&[&[&[1], topic].concat()])
    }

    /// Reads one frame: flags and body.
    ///
    /// # Errors
    /// When the peer hung up or says nothing.
    pub fn read_frame(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut flags = [0; 1];
        self.stream.read_exact(&mut flags)?;
        let length = if flags[0] & 0x02 == 0 {
            let mut length = [0; 1];
            self.stream.read_exact(&mut length)?;
            u64::from(length[0])
        } else {
            let mut length = [0; 8];
            self.stream.read_exact(&mut length)?;
            u64::from_be_bytes(length)
        };
        let mut body = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.stream.read_exact(&mut body)?;
        Ok((flags[0], body))
    }

    /// Whether the peer hung up within `patience`; what it says until then is read and forgotten.
    pub fn is_closed(&mut self, patience: Duration) -> bool {
        self.stream.set_read_timeout(Some(patience)).expect("a timeout above zero");
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(e) => return !matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
            }
        }
    }
}
