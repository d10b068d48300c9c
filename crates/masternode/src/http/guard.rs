//! Who may ask: host names against DNS rebinding, the origin of browsers, the token; and the headers
//! that keep browsers from doing anything with an answer but show it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::message::Counts;

/// Open without a token, so that a load balancer can ask; the second is Prometheus's name for it.
const OPEN_PATHS: [&str; 2] = ["/health", "/-/healthy"];

/// What requests are checked against.
#[derive(Debug)]
pub(crate) struct Guard {
    token: Option<String>,
    /// Where the token is found, for people.
    whence: String,
    /// Host names besides IP addresses and `localhost`, in lower case.
    names: Vec<String>,
}

/// Why a request is refused.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    Host,
    Origin,
    Token,
}

impl Guard {
    pub(crate) fn new(token: Option<String>, whence: String, names: Vec<String>) -> Guard {
        let names = names.into_iter().map(|name| name.to_ascii_lowercase()).collect();
        Guard { token, whence, names }
    }

    fn check(&self, path: &str, authority: Option<&str>, headers: &HeaderMap) -> Result<(), Refusal> {
        // HTTP/1.1 demands the header; a target in absolute form counts in its place (RFC 9112, 3.2.2).
        let host = match authority {
            Some(host) => Some(host),
            None => text(headers, header::HOST),
        };
        let host = host.filter(|host| self.is_known(host)).ok_or(Refusal::Host)?;
        if headers.contains_key(header::ORIGIN) {
            let origin = text(headers, header::ORIGIN).unwrap_or_default();
            let of_origin = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            if of_origin.is_none_or(|authority| !authority.eq_ignore_ascii_case(host)) {
                return Err(Refusal::Origin);
            }
        }
        let Some(token) = self.token.as_deref().filter(|_| !OPEN_PATHS.contains(&path)) else {
            return Ok(());
        };
        let given = text(headers, header::AUTHORIZATION)
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, given)| given.trim());
        match given {
            Some(given) if same(given.as_bytes(), token.as_bytes()) => Ok(()),
            _ => Err(Refusal::Token),
        }
    }

    /// An IP address cannot be rebound; of names only ours are taken.
    fn is_known(&self, authority: &str) -> bool {
        let host = match authority.strip_prefix('[') {
            Some(v6) => match v6.split_once(']') {
                Some((v6, rest)) if rest.is_empty() || is_port(rest) => {
                    return v6.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6());
                }
                _ => return false,
            },
            None => match authority.split_once(':') {
                Some((host, port)) if is_port(&authority[authority.len() - port.len() - 1..]) => host,
                Some(_) => return false,
                None => authority,
            },
        };
        let name = host.to_ascii_lowercase();
        name == "localhost" || name.parse::<IpAddr>().is_ok() || self.names.contains(&name)
    }
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':').is_some_and(|digits| digits.parse::<u16>().is_ok())
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    // Two of them is a trick: who stands before us may have looked at the other one.
    if values.next().is_some() { None } else { value.to_str().ok() }
}

/// Compares in a time that depends on the lengths only, so that a token cannot be guessed by the clock.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0, |diff, (x, y)| diff | (x ^ y))) == 0
}

pub(crate) async fn check(guard: Arc<Guard>, counts: Arc<Counts>, request: Request, next: Next) -> Response {
    counts.http_requests.add(1);
    let authority = request.uri().authority().map(|a| a.as_str().to_owned());
    let refusal = guard.check(request.uri().path(), authority.as_deref(), request.headers()).err();
    let mut response = match refusal {
        None => next.run(request).await,
        Some(refusal) => {
            counts.http_refused.add(1);
            refused(&guard, &refusal)
        }
    };
    harden(response.headers_mut());
    response
}

fn refused(guard: &Guard, refusal: &Refusal) -> Response {
    match refusal {
        Refusal::Host => (
            StatusCode::FORBIDDEN,
            "This name is not known here. Ask by IP address, or give the name to the masternode as a host name.\n",
        )
            .into_response(),
        Refusal::Origin => {
            (StatusCode::FORBIDDEN, "Pages of other origins may not ask here.\n").into_response()
        }
        Refusal::Token => (
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, "Bearer realm=\"chasar\"")],
            format!(
                "A token is needed. It is {}.\nSend it as: Authorization: Bearer <token>\n",
                guard.whence
            ),
        )
            .into_response(),
    }
}

fn harden(headers: &mut HeaderMap) {
    let ours = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in ours {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(token: Option<&str>) -> Guard {
        Guard::new(token.map(Into::into), "here".into(), vec!["Mon.example".into()])
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn only_our_names_are_taken() {
        let guard = guard(None);
        for host in ["127.0.0.1", "127.0.0.1:7777", "localhost:1", "[::1]", "[::1]:7777", "mon.EXAMPLE:80"] {
            assert!(guard.is_known(host), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example", "[evil]", "[::1]x", "127.0.0.1:x", "::1", "a:b:1"]
        {
            assert!(!guard.is_known(host), "{host}");
        }
    }

    #[test]
    fn each_check_refuses_for_its_own_reason() {
        let open = guard(None);
        let host = ("host", "127.0.0.1:7777");
        assert_eq!(open.check("/", None, &headers(&[])), Err(Refusal::Host));
        assert_eq!(open.check("/", None, &headers(&[host, host])), Err(Refusal::Host));
        assert_eq!(open.check("/", Some("evil.example"), &headers(&[host])), Err(Refusal::Host));
        assert_eq!(open.check("/", None, &headers(&[host])), Ok(()));
        for origin in ["http://evil.example", "null", "http://127.0.0.1", "127.0.0.1:7777"] {
            assert_eq!(
                open.check("/", None, &headers(&[host, ("origin", origin)])),
                Err(Refusal::Origin),
                "{origin}"
            );
        }
        assert_eq!(open.check("/", None, &headers(&[host, ("origin", "http://127.0.0.1:7777")])), Ok(()));
    }

    #[test]
    fn the_token_opens_all_and_health_is_open() {
        let guard = guard(Some("0123456789abcdef"));
        let host = ("host", "localhost");
        let ask = |path, authorization| {
            guard.check(path, None, &headers(&[host, ("authorization", authorization)]))
        };
        assert_eq!(guard.check("/health", None, &headers(&[host])), Ok(()));
        assert_eq!(guard.check("/metrics", None, &headers(&[host])), Err(Refusal::Token));
        assert_eq!(ask("/metrics", "bearer 0123456789abcdef"), Ok(()));
        for wrong in
            ["Bearer 0123456789abcdeF", "Bearer ", "Bearer", "Basic 0123456789abcdef", "0123456789abcdef"]
        {
            assert_eq!(ask("/metrics", wrong), Err(Refusal::Token), "{wrong}");
        }
    }
}
