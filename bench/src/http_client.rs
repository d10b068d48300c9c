//! A connection over which one HTTP request follows the other, as a dashboard keeps it open.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A connection that is kept.
pub struct Client {
    stream: BufReader<TcpStream>,
    line: String,
}

/// An answer: its status and body.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// All of its body.
    pub body: Vec<u8>,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Client { stream: BufReader::with_capacity(1 << 16, stream), line: String::new() })
    }

    fn line(&mut self) -> io::Result<&str> {
        self.line.clear();
        if self.stream.read_line(&mut self.line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(self.line.trim_end())
    }

    /// Asks for a path and reads the answer to its end. Nothing is compressed.
    ///
    /// # Errors
    /// When the connection ends, or the answer is none of HTTP.
    pub fn get(&mut self, path: &str) -> io::Result<Answer> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes())?;
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("{path}: {what}"));
        let status = self.line()?.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| wrong("no status"))?;
        let (mut length, mut chunked) = (None, false);
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let Some((name, value)) = line.split_once(':') else { continue };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse::<usize>().ok();
            }
            chunked |= name.eq_ignore_ascii_case("transfer-encoding") && value.contains("chunked");
        }
        let mut body = Vec::new();
        if !chunked {
            body.resize(length.ok_or_else(|| wrong("no length"))?, 0);
            self.stream.read_exact(&mut body)?;
            return Ok(Answer { status, body });
        }
        loop {
            let size = self.line()?.split(';').next().unwrap_or_default().to_owned();
            let size = usize::from_str_radix(size.trim(), 16).map_err(|_| wrong("no size of a chunk"))?;
            let from = body.len();
            body.resize(from + size, 0);
            self.stream.read_exact(&mut body[from..])?;
            self.line()?;
            if size == 0 {
                return Ok(Answer { status, body });
            }
        }
    }
}

/// A text as part of a query string (RFC 3986, 2.1).
pub fn escaped(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn answers_with_a_length_and_in_chunks_are_read_one_after_the_other() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = BufReader::new(stream.try_clone().unwrap());
            for answer in [
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
                "HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\nxy",
            ] {
                let mut line = String::new();
                while asked.read_line(&mut line).unwrap() > 2 {
                    line.clear();
                }
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let mut client = Client::connect(address).unwrap();
        let first = client.get("/a").unwrap();
        assert_eq!((first.status, &first.body[..]), (200, &b"abc0123456789"[..]));
        let second = client.get("/b").unwrap();
        assert_eq!((second.status, &second.body[..]), (503, &b"xy"[..]));
        server.join().unwrap();
        assert_eq!(escaped("a{b=\"ü\"}"), "a%7Bb%3D%22%C3%BC%22%7D");
    }
}
