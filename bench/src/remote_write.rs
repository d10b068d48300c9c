//! Samples to other stores: Prometheus' remote write 1.0, and the little HTTP that it needs.
//!
//! Snappy may say everything as literals, so nothing is compressed and no processor time of ours
//! stands between the stores.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use chasar_tsdb::{ABSENT, Labels};

/// A message of remote write under construction.
#[derive(Default)]
pub struct Request {
    body: Vec<u8>,
    samples: u64,
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn bytes(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

impl Request {
    /// Adds samples of a series; those that are [`ABSENT`] are left out.
    pub fn series(&mut self, labels: &Labels, samples: impl Iterator<Item = (i64, f64)>) {
        let mut series = Vec::new();
        for (name, value) in labels.iter() {
            let mut label = Vec::new();
            bytes(&mut label, 1, name.as_bytes());
            bytes(&mut label, 2, value.as_bytes());
            bytes(&mut series, 1, &label);
        }
        for (time_ms, value) in samples.filter(|s| s.1.to_bits() != ABSENT.to_bits()) {
            let mut sample = vec![1 << 3 | 1];
            sample.extend_from_slice(&value.to_le_bytes());
            sample.push(2 << 3);
            varint(&mut sample, time_ms as u64);
            bytes(&mut series, 2, &sample);
            self.samples += 1;
        }
        bytes(&mut self.body, 1, &series);
    }

    /// Samples in it so far.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// The message as snappy: its length, then literals of up to 64 KiB.
    fn snappy(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.body.len() + self.body.len() / 1000 + 16);
        varint(&mut out, self.body.len() as u64);
        for literal in self.body.chunks(1 << 16) {
            out.push(61 << 2);
            out.extend_from_slice(&((literal.len() - 1) as u16).to_le_bytes());
            out.extend_from_slice(literal);
        }
        out
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
        let body = request.snappy();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_the_bytes_of_the_standard() {
        let labels = Labels::new([("__name__", "up"), ("job", "a")]).unwrap();
        let mut request = Request::default();
        request.series(&labels, [(1, 1.0), (2, ABSENT), (300, 0.5)].into_iter());
        assert_eq!(request.samples(), 2);
        let series = b"\x0a\x0e\x0a\x08__name__\x12\x02up\x0a\x08\x0a\x03job\x12\x01a\
            \x12\x0b\x09\0\0\0\0\0\0\xf0\x3f\x10\x01\x12\x0c\x09\0\0\0\0\0\0\xe0\x3f\x10\xac\x02";
        assert_eq!(request.body[..2], [0x0a, series.len() as u8]);
        assert_eq!(request.body[2..], series[..]);
        let packed = request.snappy();
        assert_eq!(packed[..4], [request.body.len() as u8, 61 << 2, request.body.len() as u8 - 1, 0]);
        assert_eq!(packed[4..], request.body[..]);
    }
}
