//! Parameters of a request: of its query string and of a posted form, as Prometheus reads them.

use std::time::Duration;

use axum::Form;
use axum::extract::{FromRequest, Query, Request};
use axum::http::{Method, header};

use super::gate::TIMEOUT;
use super::reply::Failure;
use crate::history::time::from_rfc3339;

/// What Prometheus' Go client sends for the beginning and the end of time.
const FIRST_TIME: &str = "-292273086-05-16T16:47:06Z";
const LAST_TIME: &str = "292277025-08-18T07:12:54.999999999Z";
/// Times further away are as far as these, milliseconds: far enough from the end to reckon with.
const FARTHEST_MS: i64 = 1 << 53;

/// Names and values.
#[derive(Debug)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) async fn read(request: Request) -> Result<Params, Failure> {
        let Query(of_uri) = Query::<Vec<(String, String)>>::try_from_uri(request.uri())
            .map_err(|e| Failure::bad_data(format!("error parsing form values: {e}")))?;
        let is_form = request.headers().get(header::CONTENT_TYPE).is_some_and(|kind| {
            kind.to_str()
                .is_ok_and(|kind| kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded"))
        });
        let mut all = Vec::new();
        if request.method() == Method::POST && is_form {
            let Form(of_form) = Form::<Vec<(String, String)>>::from_request(request, &())
                .await
                .map_err(|e| Failure::bad_data(format!("error parsing form values: {e}")))?;
            all = of_form;
        }
        all.extend(of_uri);
        Ok(Params(all))
    }

    /// The first value, empty when there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// A time, Unix milliseconds.
    pub(crate) fn time(&self, name: &str, otherwise: Option<i64>) -> Result<i64, Failure> {
        match (self.get(name), otherwise) {
            ("", Some(otherwise)) => Ok(otherwise),
            (text, _) => time(text).map_err(|e| invalid(name, &e)),
        }
    }

    /// First and last millisecond of what is asked for: everything when nothing is said.
    pub(crate) fn span(&self) -> Result<(i64, i64), Failure> {
        let span = (self.time("start", Some(-FARTHEST_MS))?, self.time("end", Some(FARTHEST_MS))?);
        if span.1 < span.0 {
            return Err(invalid("end", "end timestamp must not be before start time"));
        }
        Ok(span)
    }

    /// How many may be in an answer; `usize::MAX` when nothing is said.
    pub(crate) fn limit(&self, name: &str) -> Result<usize, Failure> {
        match self.get(name) {
            "" | "0" => Ok(usize::MAX),
            text => text.parse().map_err(|_| {
                Failure::bad_data(format!("invalid parameter {name:?}: {name} must be non-negative"))
            }),
        }
    }

    pub(crate) fn timeout(&self) -> Result<Duration, Failure> {
        match self.get("timeout") {
            "" => Ok(TIMEOUT),
            text => {
                let ms = duration(text).map_err(|e| invalid("timeout", &e))?;
                Ok(TIMEOUT.min(Duration::from_millis(ms.try_into().unwrap_or(0))))
            }
        }
    }
}

/// A parameter that is wrong, in Prometheus' words.
pub(crate) fn invalid(name: &str, why: &str) -> Failure {
    Failure::bad_data(format!("invalid parameter {name:?}: {why}"))
}

/// A time in Unix seconds, or as RFC 3339.
fn time(text: &str) -> Result<i64, String> {
    if let Ok(seconds) = text.parse::<f64>()
        && seconds.is_finite()
    {
        return Ok(((seconds * 1000.0).round() as i64).clamp(-FARTHEST_MS, FARTHEST_MS));
    }
    match text {
        FIRST_TIME => Ok(-FARTHEST_MS),
        LAST_TIME => Ok(FARTHEST_MS),
        _ => from_rfc3339(text).ok_or_else(|| format!("cannot parse {text:?} to a valid timestamp")),
    }
}

/// A duration in seconds, or as PromQL writes it, in milliseconds.
pub(crate) fn duration(text: &str) -> Result<i64, String> {
    let wrong = || format!("cannot parse {text:?} to a valid duration");
    if let Ok(seconds) = text.parse::<f64>() {
        let ms = seconds * 1000.0;
        if ms.is_finite() && ms.abs() <= FARTHEST_MS as f64 {
            return Ok(ms as i64);
        }
        return Err(format!("cannot parse {text:?} to a valid duration. It overflows int64"));
    }
    chasar_query::duration_ms(text).filter(|ms| *ms <= FARTHEST_MS).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_and_durations_are_read_as_prometheus_reads_them() {
        assert_eq!(time("1435781430.781"), Ok(1_435_781_430_781));
        assert_eq!(time("-1"), Ok(-1000));
        assert_eq!(time("2015-07-01T20:10:30.781Z"), Ok(1_435_781_430_781));
        assert_eq!(time(FIRST_TIME), Ok(-FARTHEST_MS));
        for wrong in ["", "abc", "NaN", "Inf", "2015-07-01"] {
            assert_eq!(time(wrong), Err(format!("cannot parse {wrong:?} to a valid timestamp")));
        }
        assert_eq!(duration("15"), Ok(15_000));
        assert_eq!(duration("0.5"), Ok(500));
        assert_eq!(duration("1h30m500ms"), Ok(5_400_500));
        assert_eq!(duration("1w"), Ok(604_800_000));
        for wrong in ["", "1", "m", "1x", "1m1h", "1m1m", "1é", "9223372036854775807w", "Inf", "1e300"] {
            assert_eq!(duration(wrong).is_ok(), wrong == "1", "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in ".{0,20}") {
            let _ = (time(&text), duration(&text));
        }
    }
}
