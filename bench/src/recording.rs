//! A recording of a real host, played as any number of nodes whose values never repeat.
//!
//! `bench/data/host.jsonl.zst` has successive reports of one busy host. Each simulated node starts
//! somewhere else in it and runs round; counters go on growing from lap to lap and begin at another
//! height for each node, gauges are scaled differently by node and lap. The text is split into
//! literals and numbers once, so playing a report is a copy with some numbers rewritten.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;

use crate::json::Json;

/// A recording, ready to be played.
pub struct Recording {
    reports: Vec<Vec<Token>>,
}

/// Who plays, and when.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// Number of the node.
    pub node: u64,
    /// Its session.
    pub session: &'a str,
    /// Its sequence number.
    pub sequence: u64,
    /// Unix milliseconds.
    pub now_ms: i64,
}

enum Token {
    Literal(Vec<u8>),
    /// A counter.
    Counter(Counter),
    /// A counter of seconds with two decimals, in hundredths.
    CentiCounter(Counter),
    /// A gauge of whole units.
    Gauge(u64),
    /// A share in percent, in hundredths.
    Percent(u64),
    Special(Special),
}

#[derive(Clone, Copy)]
struct Counter {
    value: u64,
    /// The value in the first report; a node's counter begins at up to half of it more.
    first: u64,
    /// What it gains from one lap to the next.
    growth: u64,
}

impl Counter {
    fn at(self, height: u64, lap: u64) -> u64 {
        self.value + height % (self.first / 2 + 1) + lap * self.growth
    }
}

#[derive(Clone, Copy)]
enum Special {
    NodeId,
    Session,
    Sequence,
    SampledAt,
    Hostname,
    Clock,
}

impl Recording {
    /// Reads a recording: zstd over JSON lines.
    ///
    /// # Errors
    /// When the file is missing or has no reports.
    pub fn read(path: &Path) -> io::Result<Recording> {
        Recording::read_without(path, &[])
    }

    /// Reads a recording and leaves out what its reports have under these keys: hosts that tell less.
    ///
    /// # Errors
    /// As [`Recording::read`].
    pub fn read_without(path: &Path, keys: &[String]) -> io::Result<Recording> {
        let text = zstd::decode_all(std::fs::File::open(path)?)?;
        let reports: Vec<&[u8]> = text.split(|b| *b == b'\n').filter(|line| !line.is_empty()).collect();
        Recording::of(&reports, keys)
            .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))
    }

    /// Prepares successive reports of one host, each a JSON text.
    ///
    /// # Errors
    /// When one is no JSON, or there are none.
    pub fn new(reports: &[impl AsRef<[u8]>]) -> io::Result<Recording> {
        Recording::of(reports, &[])
    }

    fn of(reports: &[impl AsRef<[u8]>], without: &[String]) -> io::Result<Recording> {
        let mut reports = reports
            .iter()
            .map(|text| serde_json::from_slice(text.as_ref()))
            .collect::<Result<Vec<Json>, _>>()?;
        for report in &mut reports {
            if let Json::Object(members) = report {
                members.retain(|(key, _)| !without.contains(key));
            }
        }
        let (Some(first), Some(last)) = (reports.first(), reports.last()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no reports"));
        };
        let (first, last) = (numbers(first), numbers(last));
        let ends = |path: &str| match (first.get(path), last.get(path)) {
            (Some(a), Some(b)) => (*a, (b - a).max(0.0)),
            _ => (0.0, 0.0),
        };
        let reports = reports
            .iter()
            .map(|report| {
                let mut tokens = vec![Token::Literal(Vec::new())];
                tokenize(report, &mut String::new(), &ends, &mut tokens);
                tokens
            })
            .collect();
        Ok(Recording { reports })
    }

    /// Writes the report of `moment` into `out`, replacing what was there.
    pub fn play(&self, moment: &Moment<'_>, out: &mut Vec<u8>) {
        out.clear();
        let length = self.reports.len() as u64;
        let position = moment.sequence + mix(moment.node) % length;
        let (lap, tokens) = (position / length, &self.reports[(position % length) as usize]);
        // Heights and scales of this node, and of this lap of it.
        let height = mix(moment.node ^ 0x9E37) >> 28;
        let scale = 750 + mix(moment.node << 20 ^ lap) % 251;
        let mut itoa = itoa::Buffer::new();
        for token in tokens {
            match token {
                Token::Literal(text) => out.extend_from_slice(text),
                Token::Counter(counter) => {
                    out.extend_from_slice(itoa.format(counter.at(height, lap)).as_bytes())
                }
                Token::CentiCounter(counter) => centi(counter.at(height, lap), out, &mut itoa),
                Token::Gauge(value) => out.extend_from_slice(itoa.format(value * scale / 1000).as_bytes()),
                Token::Percent(value) => centi(value * scale / 1000, out, &mut itoa),
                Token::Special(special) => write_special(*special, moment, out),
            }
        }
    }
}

fn write_special(special: Special, moment: &Moment<'_>, out: &mut Vec<u8>) {
    let written = match special {
        Special::NodeId => write!(out, "\"{}\"", node_id(moment.node)),
        Special::Session => write!(out, "\"{}\"", moment.session),
        Special::Sequence => write!(out, "{}", moment.sequence),
        Special::SampledAt => write!(out, "{}", moment.now_ms),
        Special::Hostname => write!(out, "\"node-{:05}\"", moment.node),
        Special::Clock => {
            let (day, ms) = (moment.now_ms.div_euclid(86_400_000), moment.now_ms.rem_euclid(86_400_000));
            let (y, m, d) = civil(day);
            let (h, min, s, ms) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000);
            write!(out, "\"{y:04}-{m:02}-{d:02} {h:02}:{min:02}:{s:02}.{ms:03}000\"")
        }
    };
    written.expect("a Vec takes everything");
}

/// The identity of a simulated node.
pub fn node_id(node: u64) -> String {
    format!("{:016x}{:016x}", mix(node), node)
}

/// The number of the simulated node with this identity.
pub fn node_number(node_id: &str) -> Option<u64> {
    u64::from_str_radix(node_id.get(16..32)?, 16).ok()
}

fn centi(value: u64, out: &mut Vec<u8>, itoa: &mut itoa::Buffer) {
    out.extend_from_slice(itoa.format(value / 100).as_bytes());
    let rest = (value % 100) as u8;
    out.extend_from_slice(&[b'.', b'0' + rest / 10, b'0' + rest % 10]);
}

/// A well-mixed 64-bit hash (the finaliser of SplitMix64).
fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Year, month and day of a day number since 1970-01-01 (proleptic Gregorian calendar).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// All numbers of a report by path.
fn numbers(report: &Json) -> HashMap<String, f64> {
    fn walk(value: &Json, path: &mut String, found: &mut HashMap<String, f64>) {
        match value {
            Json::Number(n) => {
                found.insert(path.clone(), n.as_f64().unwrap_or(0.0));
            }
            Json::Object(map) => {
                for (key, inner) in map {
                    descend(path, key, |path| walk(inner, path, found));
                }
            }
            Json::Array(list) => {
                for (i, inner) in list.iter().enumerate() {
                    descend(path, &i.to_string(), |path| walk(inner, path, found));
                }
            }
            _ => {}
        }
    }
    let mut found = HashMap::new();
    walk(report, &mut String::new(), &mut found);
    found
}

fn descend(path: &mut String, key: &str, then: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push('/');
    path.push_str(key);
    then(path);
    path.truncate(length);
}

fn literal(tokens: &mut Vec<Token>, text: &[u8]) {
    if let Some(Token::Literal(last)) = tokens.last_mut() {
        last.extend_from_slice(text);
    } else {
        tokens.push(Token::Literal(text.to_vec()));
    }
}

fn tokenize(value: &Json, path: &mut String, ends: &impl Fn(&str) -> (f64, f64), tokens: &mut Vec<Token>) {
    let special = match path.as_str() {
        "/node_id" => Some(Special::NodeId),
        "/session" => Some(Special::Session),
        "/sequence" => Some(Special::Sequence),
        "/sampled_at_ms" => Some(Special::SampledAt),
        "/hostname" => Some(Special::Hostname),
        "/computer_utc_clock" | "/computer_clock" => Some(Special::Clock),
        _ => None,
    };
    if let Some(special) = special {
        tokens.push(Token::Special(special));
        return;
    }
    match value {
        Json::Object(map) => {
            literal(tokens, b"{");
            // What a recorded node said of its own replay does not hold for ours.
            for (i, (key, inner)) in map.iter().filter(|(k, _)| k != "replay" && k != "leaving").enumerate() {
                if i > 0 {
                    literal(tokens, b",");
                }
                literal(tokens, format!("{}:", serde_json::Value::from(key.as_str())).as_bytes());
                descend(path, key, |path| tokenize(inner, path, ends, tokens));
            }
            literal(tokens, b"}");
        }
        Json::Array(list) => {
            literal(tokens, b"[");
            for (i, inner) in list.iter().enumerate() {
                if i > 0 {
                    literal(tokens, b",");
                }
                descend(path, &i.to_string(), |path| tokenize(inner, path, ends, tokens));
            }
            literal(tokens, b"]");
        }
        Json::Number(n) => match kind(path) {
            Kind::Counter if n.is_u64() => {
                let (first, growth) = ends(path);
                let (first, growth) = (first as u64, growth as u64);
                tokens.push(Token::Counter(Counter { value: n.as_u64().unwrap_or(0), first, growth }));
            }
            Kind::Counter => {
                let hundredths = |x: f64| (x * 100.0).round().max(0.0) as u64;
                let (first, growth) = ends(path);
                let (first, growth) = (hundredths(first), hundredths(growth));
                let value = hundredths(n.as_f64().unwrap_or(0.0));
                tokens.push(Token::CentiCounter(Counter { value, first, growth }));
            }
            Kind::Gauge if n.is_u64() => tokens.push(Token::Gauge(n.as_u64().unwrap_or(0))),
            Kind::Percent | Kind::Gauge => {
                tokens.push(Token::Percent((n.as_f64().unwrap_or(0.0) * 100.0).round().max(0.0) as u64));
            }
            Kind::Fixed => literal(tokens, n.to_string().as_bytes()),
        },
        Json::Other(other) => literal(tokens, other.to_string().as_bytes()),
    }
}

enum Kind {
    Counter,
    Gauge,
    Percent,
    Fixed,
}

/// What a number is, by the conventions of the report's names.
fn kind(path: &str) -> Kind {
    // List items are named by their list.
    let name = path.rsplit('/').find(|part| part.parse::<usize>().is_err()).unwrap_or_default();
    if name.ends_with("_total") || path.starts_with("/cpu/times/") {
        Kind::Counter
    } else if name.contains("percent") || name.starts_with("load") {
        Kind::Percent
    } else if name.contains("used")
        || name.contains("free")
        || name.contains("avail")
        || name.contains("cached")
        || name.contains("resident")
        || name.starts_with("active")
        || name.starts_with("inactive")
    {
        Kind::Gauge
    } else {
        Kind::Fixed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording() -> Recording {
        let report = |i: u64| {
            serde_json::json!({
                "hostname": "h", "node_id": "n", "session": "s", "sequence": i, "sampled_at_ms": 1, "schema": 2,
                "computer_utc_clock": "x",
                "cpu": {"percent_used": [12.5], "core": [0], "times": {"user_seconds": [10.25 + i as f64]}},
                "paging": {"faults_total": 100 * i},
                "memory": {"total_bytes": 1000, "total_bytes_used": 500},
            })
            .to_string()
        };
        Recording::new(&[report(1), report(2), report(3)]).unwrap()
    }

    fn play(node: u64, sequence: u64) -> (Vec<u8>, chasar_wire::Report) {
        let mut out = Vec::new();
        recording().play(&Moment { node, session: "s1", sequence, now_ms: 1_700_000_000_123 }, &mut out);
        let report = chasar_wire::decode(&out).unwrap();
        (out, report)
    }

    #[test]
    fn reports_are_whole_and_honest() {
        let (_, report) = play(7, 4);
        assert_eq!(report.hostname, "node-00007");
        assert_eq!(report.node_id.as_deref().and_then(node_number), Some(7));
        assert_eq!((report.sequence, report.session.as_deref()), (Some(4), Some("s1")));
        assert_eq!(report.computer_utc_clock, "2023-11-14 22:13:20.123000");
        assert_eq!(report.memory.total_bytes, Some(1000));
    }

    #[test]
    fn counters_never_fall_and_texts_never_repeat() {
        for node in 0..50 {
            let mut faults = 0;
            let mut seen = std::collections::HashSet::new();
            for sequence in 0..20 {
                let (text, report) = play(node, sequence);
                let now = report.paging.unwrap().faults_total.unwrap();
                assert!(now >= faults, "node {node}, sequence {sequence}: {now} after {faults}");
                faults = now;
                assert!(seen.insert(text));
            }
        }
    }
}
