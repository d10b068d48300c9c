//! The threads that speak HTTP with a target: a request at a time each.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use chasar_remote_write::{Item, Limits, Message, Request, Version, unpack};
use crossbeam_channel::{Receiver, Sender};
use ureq::Agent;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use super::config::{RemoteAuth, RemoteWriteConfig};
use super::flow::Answer;
use crate::printable::printable;

/// Of an error's text, which is of use to people.
const MAX_ANSWER: u64 = 64 << 10;
/// How old what was read from the files of secrets may be.
const SECRET_AGE: Duration = Duration::from_secs(30);
/// In 1.0, a metric's metadata is sent again after so long.
const METADATA_AGE: Duration = Duration::from_secs(300);
const WRITTEN: &str = "X-Prometheus-Remote-Write-Samples-Written";

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) version: Version,
    /// A message of 2.0, packed.
    pub(super) body: Arc<Vec<u8>>,
    pub(super) samples: u32,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) lane: u16,
    pub(super) version: Version,
    pub(super) answer: Answer,
    pub(super) sent_bytes: usize,
}

/// One connection.
pub(super) struct Poster {
    pub(super) lane: u16,
    pub(super) jobs: Receiver<Job>,
    pub(super) replies: Sender<Reply>,
    pub(super) client: Client,
}

impl Poster {
    pub(super) fn run(mut self) {
        for job in self.jobs {
            let Job { version, body, samples } = job;
            let (answer, sent_bytes) = self.client.post(version, &body, samples);
            if self.replies.send(Reply { lane: self.lane, version, answer, sent_bytes }).is_err() {
                return;
            }
        }
    }
}

/// A target as HTTP knows it.
pub(super) struct Client {
    config: RemoteWriteConfig,
    agent: Agent,
    authorization: Option<(Instant, String)>,
    /// 1.0: the metrics whose metadata was taken since, sorted.
    said: (Instant, Vec<String>),
    bytes: Vec<u8>,
}

impl Client {
    /// # Errors
    /// When the file of authorities cannot be used.
    pub(super) fn new(config: &RemoteWriteConfig) -> Result<Client, String> {
        let roots = match &config.ca_file {
            None => RootCerts::WebPki,
            Some(path) => authorities(path)?,
        };
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_global(Some(config.timeout))
            .max_idle_connections(1)
            .user_agent(concat!("chasar/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build()
            .new_agent();
        let said = (Instant::now(), Vec::new());
        Ok(Client { config: config.clone(), agent, authorization: None, said, bytes: Vec::new() })
    }

    /// What the target says to a batch, and how many bytes were sent.
    pub(super) fn post(&mut self, version: Version, body: &[u8], samples: u32) -> (Answer, usize) {
        let later = |why: String| (Answer::Later { after: None, why }, 0);
        let authorization = match self.authorization() {
            Ok(authorization) => authorization,
            Err(why) => return later(why),
        };
        let older;
        let mut names = Vec::new();
        let body = match version {
            Version::V2 => body,
            Version::V1 => {
                (older, names) = match self.as_v1(body) {
                    Ok(made) => made,
                    // Ours, and checked when it was read: a bug, but no reason to send nothing any more.
                    Err(why) => return (Answer::Refused { written: 0, is_odd: false, why }, 0),
                };
                &older
            }
        };
        let mut request = self
            .agent
            .post(&self.config.url)
            .header("Content-Type", version.content_type())
            .header("Content-Encoding", "snappy")
            .header("X-Prometheus-Remote-Write-Version", version.header());
        for (name, value) in &self.config.headers {
            request = request.header(name, value);
        }
        if let Some(authorization) = authorization {
            request = request.header("Authorization", authorization);
        }
        let mut response = match request.send(body) {
            Ok(response) => response,
            Err(cause) => return later(format!("{cause}")),
        };
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name)?.to_str().ok();
        let written = header(WRITTEN).and_then(|text| text.trim().parse::<u64>().ok());
        let written = written.map(|written| u32::try_from(written).unwrap_or(u32::MAX));
        let after = header("Retry-After").and_then(|text| retry_after(text, SystemTime::now()));
        let mut text = Vec::new();
        // Read, so that the connection is of use for the next one.
        let _ = response.body_mut().as_reader().take(MAX_ANSWER).read_to_end(&mut text);
        let first = String::from_utf8_lossy(&text);
        let first = first.lines().next().unwrap_or_default().chars().take(300).collect::<String>();
        let why = || format!("it answers {status}: {}", printable(first.trim()));
        let used = if status == 401 { self.authorization.take() } else { None };
        let answer = match (status, version) {
            // Without the header it took the message for one of 1.0, and for an empty one.
            (200..=299, Version::V2) => match written {
                Some(written) => Answer::Taken { written },
                None if samples == 0 => Answer::Taken { written: 0 },
                None => Answer::Unknown,
            },
            (200..=299, Version::V1) => Answer::Taken { written: samples },
            (415 | 501, Version::V2) => Answer::Unknown,
            // What was read a while ago may have been changed since.
            (401, _) if self.has_new_secret(used) => Answer::Later { after: None, why: why() },
            (429 | 300..=399 | 500.., _) => Answer::Later { after, why: why() },
            _ => Answer::Refused {
                written: written.unwrap_or(0),
                is_odd: written.is_none() && matches!(status, 400 | 406 | 422),
                why: why(),
            },
        };
        if matches!(answer, Answer::Taken { .. }) {
            self.said.1.extend(names);
            self.said.1.sort_unstable();
        }
        (answer, body.len())
    }

    /// Whether the files of secrets say something else by now.
    fn has_new_secret(&mut self, used: Option<(Instant, String)>) -> bool {
        used.is_some_and(|(_, used)| match self.authorization() {
            Ok(now) => now.is_some_and(|now| now != used),
            // It may be there again in a moment.
            Err(_) => true,
        })
    }

    fn authorization(&mut self) -> Result<Option<String>, String> {
        let Some(auth) = &self.config.auth else { return Ok(None) };
        if let Some((read, text)) = &self.authorization
            && read.elapsed() < SECRET_AGE
        {
            return Ok(Some(text.clone()));
        }
        let text = match auth {
            RemoteAuth::Basic { user, password_file } => {
                format!("Basic {}", base64(format!("{user}:{}", secret(password_file)?).as_bytes()))
            }
            RemoteAuth::Bearer { token_file } => format!("Bearer {}", secret(token_file)?),
        };
        self.authorization = Some((Instant::now(), text.clone()));
        Ok(Some(text))
    }

    /// The same samples as a message of 1.0, and the metrics whose metadata is in it.
    fn as_v1(&mut self, body: &[u8]) -> Result<(Vec<u8>, Vec<String>), String> {
        // They are ours: as large as they are.
        let limits = Limits {
            packed_bytes: usize::MAX,
            message_bytes: usize::MAX,
            series: usize::MAX,
            labels: usize::MAX,
            symbols: usize::MAX,
            samples: usize::MAX,
        };
        if self.said.0.elapsed() >= METADATA_AGE {
            self.said = (Instant::now(), Vec::new());
        }
        let wrong = |e: chasar_remote_write::Error| format!("a batch cannot be read: {e}");
        unpack(body, &limits, &mut self.bytes).map_err(wrong)?;
        let mut request = Request::new(Version::V2, &self.bytes, &limits).map_err(wrong)?;
        let mut message = Message::new(Version::V1);
        let mut names: Vec<String> = Vec::new();
        let is_in = |names: &[String], name: &str| names.binary_search_by(|said| said.as_str().cmp(name));
        while let Some(item) = request.next_item().map_err(wrong)? {
            let Item::Series(series) = item else { continue };
            message.series(series.labels.iter().copied(), series.samples(), None);
            let name = series.labels.iter().find(|(name, _)| *name == chasar_query::NAME);
            if let (Some((_, name)), Some(metadata)) = (name, series.metadata)
                && is_in(&self.said.1, name).is_err()
                && let Err(at) = is_in(&names, name)
            {
                names.insert(at, (*name).to_owned());
                message.family(name, metadata);
            }
        }
        let mut body = Vec::new();
        message.pack(&mut body);
        Ok((body, names))
    }
}

fn authorities(path: &Path) -> Result<RootCerts, String> {
    let text = fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let certificates: Vec<_> = parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(format!("{} has no certificate (-----BEGIN CERTIFICATE-----)", path.display()));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

/// What stands in a file of a secret, without the line break that editors add.
fn secret(path: &Path) -> Result<String, String> {
    let text = fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let text = text.trim();
    if text.is_empty() || text.len() > 16 << 10 || !text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
        return Err(format!("{} has no secret that can stand in a header", path.display()));
    }
    Ok(text.to_owned())
}

/// Seconds, or a date (RFC 9110, 10.2.3).
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
    let now = jiff::Timestamp::try_from(now).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |group: u32, shift: u32| char::from(DIGITS[(group >> shift & 63) as usize]);
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let group = (0..3).fold(0, |group, i| group << 8 | u32::from(*chunk.get(i).unwrap_or(&0)));
        let digits = [digit(group, 18), digit(group, 12), digit(group, 6), digit(group, 0)];
        out.extend(&digits[..=chunk.len()]);
        out.extend(std::iter::repeat_n('=', 3 - chunk.len()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (text, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("\u{ff}?", "w78/"),
        ] {
            assert_eq!(base64(text.as_bytes()), coded);
        }
    }

    #[test]
    fn a_wish_to_wait_is_understood() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_700);
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(retry_after(date, now), Some(Duration::from_secs(77)));
        assert_eq!(retry_after(date, now + Duration::from_secs(1_000)), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }

    #[test]
    fn a_message_of_2_0_becomes_one_of_1_0_with_metadata_once() {
        let (url, thread) = server(&["503 Later", "204 Fine", "204 Fine"]);
        let mut client = Client::new(&RemoteWriteConfig::new("a", url)).unwrap();
        let metadata = chasar_remote_write::Metadata {
            kind: chasar_remote_write::MetricKind::Counter,
            help: "Help",
            unit: "seconds",
        };
        let sample = chasar_remote_write::Sample { time_ms: 5, value: 0.5 };
        let mut message = Message::new(Version::V2);
        for mode in ["idle", "user"] {
            message.series([(chasar_query::NAME, "cpu"), ("mode", mode)], [sample], Some(metadata));
        }
        let mut body = Vec::new();
        message.pack(&mut body);
        assert!(matches!(client.post(Version::V1, &body, 2).0, Answer::Later { .. }));
        (0..2).for_each(|_| assert_eq!(client.post(Version::V1, &body, 2).0, Answer::Taken { written: 2 }));
        let sent = thread.join().unwrap();
        let read = |packed: &[u8]| {
            let mut bytes = Vec::new();
            unpack(packed, &Limits::default(), &mut bytes).unwrap();
            let mut request = Request::new(Version::V1, &bytes, &Limits::default()).unwrap();
            let mut found = Vec::new();
            while let Some(item) = request.next_item().unwrap() {
                found.push(match item {
                    Item::Series(series) => format!("{:?} {:?}", series.labels, series.samples().next()),
                    Item::Metadata(said) => format!("{said:?}"),
                });
            }
            found
        };
        let first = read(&sent[0].1);
        assert_eq!(first.len(), 3, "{first:?}");
        assert!(first[1].contains("user") && first[1].contains("0.5"), "{first:?}");
        assert!(first[2].contains("Counter") && first[2].contains("seconds"), "{first:?}");
        // What was not taken is sent again, the same; and metadata that was taken is not.
        assert_eq!(sent[0].1, sent[1].1);
        assert_eq!(read(&sent[2].1).len(), 2);
    }

    /// `Authorization` and the body of a request.
    type Came = (Option<String>, Vec<u8>);

    /// Answers requests one after the other; says what came.
    fn server(answers: &'static [&'static str]) -> (String, std::thread::JoinHandle<Vec<Came>>) {
        use std::io::{BufRead, BufReader, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let mut came = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut secret, mut len) = (None, 0);
                for line in reader.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()) {
                    let (name, value) = line.split_once(": ").unwrap_or_default();
                    match &*name.to_ascii_lowercase() {
                        "authorization" => secret = Some(value.to_owned()),
                        "content-length" => len = value.parse().unwrap(),
                        _ => {}
                    }
                }
                let mut body = vec![0; len];
                reader.read_exact(&mut body).unwrap();
                came.push((secret, body));
                let head = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                stream.write_all(head.as_bytes()).unwrap();
            }
            came
        });
        (url, thread)
    }

    #[test]
    fn a_token_that_was_changed_costs_no_samples() {
        let (url, thread) = server(&["204 Fine", "401 No", "204 Fine", "401 No"]);
        let folder = tempfile::tempdir().unwrap();
        let token_file = folder.path().join("token");
        fs::write(&token_file, "old").unwrap();
        let auth = Some(RemoteAuth::Bearer { token_file: token_file.clone() });
        let mut client =
            Client::new(&RemoteWriteConfig { auth, ..RemoteWriteConfig::new("a", url) }).unwrap();
        let mut body = Vec::new();
        Message::new(Version::V2).pack(&mut body);
        let mut post = || client.post(Version::V1, &body, 5).0;
        assert_eq!(post(), Answer::Taken { written: 5 });
        fs::write(&token_file, "new\n").unwrap();
        assert!(matches!(post(), Answer::Later { after: None, .. }));
        assert_eq!(post(), Answer::Taken { written: 5 });
        // The one that it does not know is the one that the file says.
        assert!(matches!(post(), Answer::Refused { written: 0, is_odd: false, .. }));
        let secrets: Vec<_> = thread.join().unwrap().into_iter().filter_map(|(secret, _)| secret).collect();
        assert_eq!(secrets, ["Bearer old", "Bearer old", "Bearer new", "Bearer new"]);
    }

    #[test]
    fn answers_are_understood() {
        let (url, thread) = server(&[
            "204 Fine\r\nX-Prometheus-Remote-Write-Samples-Written: 3",
            "200 Fine",
            "415 No",
            "501 No",
            "501 No",
            "302 There",
            "429 Wait\r\nRetry-After: 7",
            "400 No",
            "404 No",
        ]);
        let mut client = Client::new(&RemoteWriteConfig::new("a", url)).unwrap();
        let mut body = Vec::new();
        Message::new(Version::V2).pack(&mut body);
        let mut post = |version| client.post(version, &body, 5).0;
        assert_eq!(post(Version::V2), Answer::Taken { written: 3 });
        for _ in 0..3 {
            assert_eq!(post(Version::V2), Answer::Unknown);
        }
        // Who does not know 1.0 either may be in the making.
        assert!(matches!(post(Version::V1), Answer::Later { after: None, .. }));
        assert!(matches!(post(Version::V2), Answer::Later { after: None, .. }));
        let seven = Some(Duration::from_secs(7));
        assert!(matches!(post(Version::V2), Answer::Later { after, .. } if after == seven));
        assert!(matches!(post(Version::V2), Answer::Refused { is_odd: true, .. }));
        assert!(matches!(post(Version::V2), Answer::Refused { is_odd: false, .. }));
        thread.join().unwrap();
    }
}
