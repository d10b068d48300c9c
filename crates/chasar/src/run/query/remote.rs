//! A query over Prometheus' HTTP API.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::net::ToSocketAddrs;
use std::time::Duration;

use chasar_doctor::http::{self, Answer};
use chasar_query::{Answered, Labels, Sample, Series};
use serde::Deserialize;

use super::{Found, Times};
use crate::args::Url;
use crate::exit::Failure;
use crate::run::watch::address_text;

/// Prometheus gives up after two minutes by default, and then there is an answer.
const PATIENCE: Duration = Duration::from_secs(130);
/// Most of an answer that is no JSON which is shown.
const SHOWN: usize = 200;

/// Asks.
///
/// # Errors
/// When nobody answers, or the answer says that it failed.
pub(super) fn ask(url: &Url, token: Option<&str>, text: &str, times: Times) -> Result<Found, Failure> {
    let mut form = String::from("query=");
    encode(text, &mut form);
    let page = match times {
        Times::Now => "query",
        Times::At(ms) => {
            let _ = write!(form, "&time={}", seconds(ms));
            "query"
        }
        Times::Range { from_ms, to_ms, step_ms } => {
            let (from, to, step) = (seconds(from_ms), seconds(to_ms), seconds(step_ms));
            let _ = write!(form, "&start={from}&end={to}&step={step}");
            "query_range"
        }
    };
    let place = format!("http://{}{}", address_text(&url.host, url.port), url.prefix);
    let answer = post(url, &format!("{}/api/v1/{page}", url.prefix), &form, token)
        .map_err(|why| Failure::new(format_args!("{place} does not answer: {why}; is the masternode there? --url names another one, --folder reads a folder of history")))?;
    read(&answer).map_err(|wrong| wrong.failure(&place, token.is_some()))
}

fn post(url: &Url, path: &str, form: &str, token: Option<&str>) -> Result<Answer, String> {
    let mut why = format!("{} has no address", url.host);
    let addresses = (url.host.as_str(), url.port).to_socket_addrs().map_err(|e| e.to_string())?;
    for address in addresses {
        match http::post(address, path, form, token, PATIENCE) {
            Ok(answer) => return Ok(answer),
            Err(e) if e.kind() == ErrorKind::TimedOut => why = "no answer in time".to_owned(),
            Err(e) => why = e.to_string(),
        }
    }
    Err(why)
}

/// Unix seconds as the API takes them, exact to the millisecond.
pub(super) fn seconds(ms: i64) -> String {
    let (sign, ms) = (if ms < 0 { "-" } else { "" }, ms.unsigned_abs());
    let text = format!("{sign}{}.{:03}", ms / 1000, ms % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A value of a form (WHATWG URL, 5.2: all but a few characters in percents).
fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._*".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// Why an answer is none.
#[derive(Debug, PartialEq, Eq)]
enum Wrong {
    /// The server says what is wrong: kind and text.
    Told(String, String),
    /// Another status, with the beginning of its text.
    Status(u16, String),
    /// No answer of this API.
    Unreadable(String),
}

impl Wrong {
    fn failure(self, place: &str, with_token: bool) -> Failure {
        match self {
            Wrong::Told(kind, text) if kind == "bad_data" => Failure::wrong(text),
            Wrong::Told(kind, text) => Failure::new(format_args!("{kind}: {text}")),
            Wrong::Status(401, _) if with_token => {
                Failure::new(format_args!("{place} does not take the token of --token-file"))
            }
            Wrong::Status(401, _) => {
                Failure::new(format_args!("{place} wants a token; give its file with --token-file"))
            }
            Wrong::Status(404, _) => Failure::new(format_args!(
                "{place} knows no PromQL (404): it is no masternode, or one of before"
            )),
            Wrong::Status(status, text) => Failure::new(format_args!("{place} refuses ({status}): {text}")),
            Wrong::Unreadable(why) => {
                Failure::new(format_args!("{place} answers with something else than Prometheus' API: {why}"))
            }
        }
    }
}

#[derive(Deserialize)]
struct Reply {
    status: String,
    data: Option<Data>,
    #[serde(default, rename = "errorType")]
    kind: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    infos: Vec<String>,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Scalar(Point),
    String(Point),
    Vector(Vec<One>),
    Matrix(Vec<Many>),
}

/// Unix seconds, and a value as text.
#[derive(Deserialize)]
struct Point(f64, String);

#[derive(Deserialize)]
struct One {
    metric: BTreeMap<String, String>,
    value: Point,
}

#[derive(Deserialize)]
struct Many {
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<Point>,
}

impl Point {
    /// JSON has whole milliseconds, written in seconds.
    fn time_ms(&self) -> i64 {
        (self.0 * 1000.0).round() as i64
    }

    fn number(&self) -> Result<f64, Wrong> {
        self.1.parse().map_err(|_| Wrong::Unreadable(format!("a value is {:?}", cut(&self.1))))
    }

    fn pair(&self) -> Result<(i64, f64), Wrong> {
        Ok((self.time_ms(), self.number()?))
    }
}

fn cut(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim();
    line.chars().take(SHOWN).collect()
}

fn read(answer: &Answer) -> Result<Found, Wrong> {
    let status = || Wrong::Status(answer.status, cut(&answer.text()));
    let reply: Reply = match serde_json::from_slice(&answer.body) {
        Ok(reply) => reply,
        Err(_) if answer.status != 200 => return Err(status()),
        Err(e) => return Err(Wrong::Unreadable(e.to_string())),
    };
    if reply.status != "success" {
        return Err(if reply.error.is_empty() { status() } else { Wrong::Told(reply.kind, reply.error) });
    }
    let labels = |metric: BTreeMap<String, String>| Labels::new(metric);
    let value = match reply.data.ok_or_else(|| Wrong::Unreadable("there is no data in it".to_owned()))? {
        Data::Scalar(point) => Answered::Scalar { time_ms: point.time_ms(), value: point.number()? },
        Data::String(point) => Answered::Text { time_ms: point.time_ms(), value: point.1 },
        Data::Vector(all) => Answered::Vector(
            all.into_iter()
                .map(|one| {
                    let (time_ms, value) = one.value.pair()?;
                    Ok(Sample { labels: labels(one.metric), time_ms, value })
                })
                .collect::<Result<_, _>>()?,
        ),
        Data::Matrix(all) => Answered::Matrix(
            all.into_iter()
                .map(|many| {
                    let samples = many.values.iter().map(Point::pair).collect::<Result<_, _>>()?;
                    Ok(Series { labels: labels(many.metric), samples })
                })
                .collect::<Result<_, _>>()?,
        ),
    };
    Ok(Found { value, warnings: reply.warnings, infos: reply.infos })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer::parse(format!("HTTP/1.1 {status} x\r\n\r\n{body}").as_bytes()).unwrap()
    }

    #[test]
    fn answers_of_every_type() {
        let of = |data: &str| {
            read(&answer(200, &format!(r#"{{"status":"success","data":{data}}}"#))).unwrap().value
        };
        assert_eq!(
            of(r#"{"resultType":"scalar","result":[1.25,"-Inf"]}"#),
            Answered::Scalar { time_ms: 1250, value: f64::NEG_INFINITY }
        );
        assert_eq!(
            of(r#"{"resultType":"string","result":[1,"a"]}"#),
            Answered::Text { time_ms: 1000, value: "a".into() }
        );
        let labels = Labels::new([("__name__", "up"), ("a", "b")]);
        assert_eq!(
            of(
                r#"{"resultType":"vector","result":[{"metric":{"a":"b","__name__":"up"},"value":[1,"+Inf"]}]}"#
            ),
            Answered::Vector(vec![Sample { labels: labels.clone(), time_ms: 1000, value: f64::INFINITY }])
        );
        assert_eq!(
            of(
                r#"{"resultType":"matrix","result":[{"metric":{"a":"b","__name__":"up"},"values":[[1,"1"],[2.001,"1e3"]]}]}"#
            ),
            Answered::Matrix(vec![Series { labels, samples: vec![(1000, 1.0), (2001, 1000.0)] }])
        );
    }

    #[test]
    fn answers_that_are_none() {
        let of = |status, body: &str| read(&answer(status, body)).err().unwrap();
        assert_eq!(
            of(422, r#"{"status":"error","errorType":"execution","error":"too much"}"#),
            Wrong::Told("execution".into(), "too much".into())
        );
        assert_eq!(of(403, "This name is\nnot known"), Wrong::Status(403, "This name is".into()));
        for body in [
            "",
            "<html>",
            "[]",
            r#"{"status":"success"}"#,
            r#"{"status":"success","data":{"resultType":"scalar","result":[1,"x"]}}"#,
        ] {
            assert!(matches!(of(200, body), Wrong::Unreadable(_)), "{body}");
        }
    }

    #[test]
    fn times_are_exact() {
        for (ms, text) in [(0, "0"), (1_700_000_000_250, "1700000000.25"), (-1_500, "-1.5"), (10_000, "10")] {
            assert_eq!(seconds(ms), text);
        }
    }

    proptest! {
        #[test]
        fn forms_are_plain_and_nothing_breaks_the_reader(text: String, body: String, ms: i64) {
            let mut form = String::new();
            encode(&text, &mut form);
            prop_assert!(form.bytes().all(|b| b.is_ascii_graphic() && b != b'&' && b != b'='));
            let _ = read(&answer(200, &body));
            let _ = seconds(ms);
        }
    }
}
