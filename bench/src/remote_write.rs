//! Samples to other stores: Prometheus' remote write 1.0, and the little HTTP that it needs.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use chasar_remote_write::{Message, Sample, Version};
use chasar_tsdb::{ABSENT, Labels};

/// A message of remote write under construction.
pub struct Request(Message);

impl Default for Request {
    fn default() -> Request {
        Request(Message::new(Version::V1))
    }
}

impl Request {
    /// Adds samples of a series; those that are [`ABSENT`] are left out.
    pub fn series(&mut self, labels: &Labels, samples: impl Iterator<Item = (i64, f64)>) {
        let there = samples.filter(|(_, value)| value.to_bits() != ABSENT.to_bits());
        let samples = there.map(|(time_ms, value)| Sample { time_ms, value });
        self.0.series(labels.iter(), samples, None);
    }

    /// Samples in it so far.
    pub fn samples(&self) -> u64 {
        self.0.samples_total() as u64
    }

    /// The message as it is posted.
    fn body(&self) -> Vec<u8> {
        let (mut message, mut body) = (Vec::new(), Vec::new());
        self.0.write(&mut message);
        chasar_remote_write::pack(&message, &mut body);
        body
    }
}

/// A connection over which messages are sent.
pub struct Sender {
    stream: BufReader<TcpStream>,
    path: String,
}

impl Sender {
    /// Connects to a store that takes remote write at `path`.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub fn connect(address: SocketAddr, path: &str) -> io::Result<Sender> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Sender { stream: BufReader::new(stream), path: path.into() })
    }

    /// Sends a message and waits until it is taken.
    ///
    /// # Errors
    /// When the connection breaks or the store refuses.
    pub fn send(&mut self, request: &Request) -> io::Result<()> {
        let body = request.body();
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n\
             Content-Encoding: snappy\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: {}\r\n\r\n",
            self.path,
            body.len()
        );
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes())?;
        stream.write_all(&body)?;
        let mut status = String::new();
        self.stream.read_line(&mut status)?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut said = vec![0; length];
        self.stream.read_exact(&mut said)?;
        if status.split(' ').nth(1).is_some_and(|code| code.starts_with('2')) {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&said).into_owned();
        Err(io::Error::other(format!("remote write was refused: {}: {}", status.trim(), said.trim())))
    }
}

/// The body of the answer to a request without a body.
///
/// # Errors
/// When there is no answer, or it is not one of success.
pub fn ask(address: SocketAddr, method: &str, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split(' ').nth(1) {
        Some(code) if code.starts_with('2') => Ok(body.to_string()),
        _ => Err(io::Error::other(format!("{method} {path}: {}", head.lines().next().unwrap_or_default()))),
    }
}
