//! Just enough of an HTTP client to ask a masternode: one question, one answer, everything bounded.
//!
//! HTTP/1.0 is asked for, so that the answer ends with its connection and never comes in chunks (RFC 9112, 7.1).

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// 20,000 nodes are some 16 MiB of JSON.
const MAX_ANSWER_BYTES: u64 = 64 << 20;
/// How long a page may take; the largest is built in a fraction of a second.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Header lines as they came.
    head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim().eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Reads an answer; `None` when it is not HTTP.
    pub fn parse(bytes: &[u8]) -> Option<Answer> {
        let rest = bytes.strip_prefix(b"HTTP/")?;
        let end = rest.windows(4).position(|w| w == b"\r\n\r\n").map(|at| (at, at + 4));
        let (head_end, body_start) = end.unwrap_or((rest.len(), rest.len()));
        let head = String::from_utf8_lossy(rest.get(..head_end)?).into_owned();
        let status = head.split_ascii_whitespace().nth(1)?.parse().ok()?;
        let body = rest.get(body_start..)?.to_vec();
        Some(Answer { status, head, body })
    }
}

/// Asks for a page. The `Host` header is the address: a masternode takes any address, and only names it knows.
///
/// # Errors
/// When nobody answers in time, or what answers is not HTTP (`InvalidData`).
pub fn get(address: SocketAddr, path: &str, token: Option<&str>) -> io::Result<Answer> {
    ask(address, "GET", path, None, token, PATIENCE)
}

/// Sends a form (`application/x-www-form-urlencoded`), and waits so long for all of the answer.
///
/// # Errors
/// As [`get`].
pub fn post(
    address: SocketAddr,
    path: &str,
    form: &str,
    token: Option<&str>,
    patience: Duration,
) -> io::Result<Answer> {
    ask(address, "POST", path, Some(form), token, patience)
}

fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    form: Option<&str>,
    token: Option<&str>,
    patience: Duration,
) -> io::Result<Answer> {
    let until = Instant::now() + patience;
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let authorization = token.map(|t| format!("Authorization: Bearer {t}\r\n")).unwrap_or_default();
    let content = form.map_or(String::new(), |form| {
        format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n", form.len())
    });
    let head = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\n{authorization}{content}\r\n");
    stream.write_all((head + form.unwrap_or_default()).as_bytes())?;
    let bytes = read_until(&mut stream, until, MAX_ANSWER_BYTES)?;
    Answer::parse(&bytes).ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "what answers is not HTTP"))
}

/// Reads to the end of the connection, at most so long and so much.
fn read_until(stream: &mut TcpStream, until: Instant, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 << 10];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(bytes),
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            // A server may reset a connection whose answer is complete.
            Err(e) if e.kind() == ErrorKind::ConnectionReset && !bytes.is_empty() => return Ok(bytes),
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Err(ErrorKind::TimedOut.into()),
            Err(e) => return Err(e),
        }
        if bytes.len() as u64 > most {
            return Err(io::Error::new(ErrorKind::FileTooLarge, "the answer is too long"));
        }
    }
}

/// Unix seconds of an HTTP date as RFC 9110, 5.6.7 wants servers to write it: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) fn date_seconds(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_once(", ")?.1.split(' ');
    let day: i64 = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|m| *m == month)? as i64 + 1;
    let year: i64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(|n| n.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if words.next() != Some("GMT") || !(1970..=9999).contains(&year) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970-01-01 in the proleptic Gregorian calendar, with years that begin in March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    let in_day = hour * 3_600 + minute * 60 + second;
    (0..=86_400).contains(&in_day).then_some(days * 86_400 + in_day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn answers_are_read() {
        let answer = Answer::parse(b"HTTP/1.1 200 OK\r\nDATE: now \r\nx: y\r\n\r\nok\n").unwrap();
        assert_eq!((answer.status, answer.header("date"), answer.text()), (200, Some("now"), "ok\n".into()));
        assert_eq!(answer.header("z"), None);
        assert_eq!(Answer::parse(b"SSH-2.0"), None);
        assert_eq!(Answer::parse(b"HTTP/1.1 x"), None);
    }

    #[test]
    fn dates_of_servers() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Thu, 29 Feb 2024 23:59:59 GMT", Some(1_709_251_199)),
            ("Fri, 01 Mar 2024 00:00:00 GMT", Some(1_709_251_200)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("", None),
        ] {
            assert_eq!(date_seconds(text), seconds, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_breaks_the_readers(bytes: Vec<u8>, text: String) {
            let _ = Answer::parse(&bytes);
            let _ = Answer::parse(&[b"HTTP/".as_slice(), &bytes].concat());
            let _ = date_seconds(&text);
        }
    }
}
