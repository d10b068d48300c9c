//! Answers and errors in Prometheus' envelope.

use std::io::Write;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

/// Smaller bodies are not worth compressing.
const WORTH_BYTES: usize = 1 << 10;

/// The answer to a request.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    /// JSON.
    pub(crate) data: Vec<u8>,
    pub(crate) warnings: Vec<String>,
    pub(crate) infos: Vec<String>,
}

impl Reply {
    pub(crate) fn of(data: &Value) -> Reply {
        Reply { data: data.to_string().into_bytes(), ..Reply::default() }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: &'static str,
    status: StatusCode,
    message: String,
}

impl Failure {
    fn new(kind: &'static str, status: StatusCode, message: impl Into<String>) -> Failure {
        Failure { kind, status, message: message.into() }
    }

    pub(crate) fn bad_data(message: impl Into<String>) -> Failure {
        Failure::new("bad_data", StatusCode::BAD_REQUEST, message)
    }

    /// It is asked for as it should be, and still has no answer.
    pub(crate) fn execution(message: impl Into<String>) -> Failure {
        Failure::new("execution", StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Failure {
        Failure::new("not_found", StatusCode::NOT_FOUND, message)
    }

    pub(crate) fn timeout(message: impl Into<String>) -> Failure {
        Failure::new("timeout", StatusCode::SERVICE_UNAVAILABLE, message)
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Failure {
        Failure::new("unavailable", StatusCode::SERVICE_UNAVAILABLE, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Failure {
        Failure::new("internal", StatusCode::INTERNAL_SERVER_ERROR, message)
    }
}

/// A query that has no answer; the status depends on whose fault it is.
impl From<chasar_query::Error> for Failure {
    fn from(error: chasar_query::Error) -> Failure {
        use chasar_query::Kind;
        let message = error.to_string();
        match error.kind {
            Kind::Parse => super::params::invalid("query", &message),
            Kind::Execution | Kind::Limit => Failure::execution(message),
            Kind::Timeout => Failure::timeout(message),
            Kind::Busy => Failure::unavailable(message),
            _ => Failure::internal(message),
        }
    }
}

/// Whether gzip may be sent (RFC 9110, 12.5.3); a quality of zero means not.
pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok());
    values.flat_map(|v| v.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let refused = |q: &str| q.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()) == Some(0.0);
        named && !parts.any(refused)
    })
}

pub(crate) fn response(result: Result<Reply, Failure>, gzip: bool) -> Response {
    let (status, body) = match result {
        Ok(reply) => {
            // In place: an answer can have many megabytes.
            let mut body = reply.data;
            body.splice(0..0, b"{\"status\":\"success\",\"data\":".iter().copied());
            for (name, texts) in [("warnings", &reply.warnings), ("infos", &reply.infos)] {
                if !texts.is_empty() {
                    let texts = Value::from(texts.clone());
                    body.extend_from_slice(format!(",\"{name}\":{texts}").as_bytes());
                }
            }
            body.push(b'}');
            (StatusCode::OK, body)
        }
        Err(failure) => {
            let (kind, error) = (failure.kind, Value::from(failure.message));
            let body = format!("{{\"status\":\"error\",\"errorType\":\"{kind}\",\"error\":{error}}}");
            (failure.status, body.into_bytes())
        }
    };
    let is_large = body.len() >= WORTH_BYTES;
    let zipped = (gzip && is_large).then(|| zip(&body)).flatten();
    let is_zipped = zipped.is_some();
    let mut response = Response::new(Body::from(zipped.unwrap_or(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if is_zipped {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn zip(body: &[u8]) -> Option<Vec<u8>> {
    // The fastest level: numbers shrink to a fifth with it, and little more with others.
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_only_when_it_is_taken() {
        for (value, takes) in
            [("gzip", true), ("deflate, GZIP;q=0.5", true), ("gzip;q=0", false), ("br", false), ("", false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(takes_gzip(&headers), takes, "{value}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
