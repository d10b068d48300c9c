//! Where others send samples: `/api/v1/write`, Prometheus' remote write
//! [1.0](https://prometheus.io/docs/specs/prw/remote_write_spec/) and
//! [2.0](https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/), and `/api/v1/otlp/v1/metrics`,
//! [OpenTelemetry](https://opentelemetry.io/docs/specs/otlp/) over HTTP, where Prometheus has it too.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use chasar_remote_write::{Limits, Version};
use tokio::sync::{Semaphore, oneshot};

use super::Sources;
use super::listener::Busy;
use crate::message::Counts;
use crate::receive::{Delivery, Format, Reason, Receiving, Verdict};

const OTLP_PATH: &str = "/api/v1/otlp/v1/metrics";
const PROTOBUF: &str = "application/x-protobuf";
/// Memory for bodies that wait, KiB.
const ROOM_KIB: u32 = 64 << 10;
/// A body waits so long for room, and so long in the queue; then its sender is told to come again.
const WAIT: Duration = Duration::from_secs(5);
/// After that the store does not answer: it waits for its disk.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// When who is put off may come again, seconds.
const AGAIN_SECONDS: u64 = 5;

pub(crate) fn routes() -> Router<Sources> {
    let room = Arc::new(Semaphore::new(ROOM_KIB as usize));
    let mut router = Router::new();
    for (path, format) in [("/api/v1/write", write_format as Negotiate), (OTLP_PATH, otlp_format)] {
        let room = room.clone();
        let take =
            move |State(sources): State<Sources>, ConnectInfo(busy): ConnectInfo<Busy>, request: Request| {
                receive(sources, busy, room.clone(), format, request)
            };
        router = router.route(path, post(take));
    }
    router
}

async fn receive(
    sources: Sources,
    busy: Busy,
    room: Arc<Semaphore>,
    negotiate: Negotiate,
    request: Request,
) -> Response {
    let Some(receiving) = &sources.receiving else { return not_received(&sources) };
    let format = match negotiate(request.headers()) {
        Ok(format) => format,
        Err(why) => return (StatusCode::UNSUPPORTED_MEDIA_TYPE, why).into_response(),
    };
    let verdict = match deliver(receiving, room, busy, format, request).await {
        Ok(verdict) => verdict,
        Err(response) => return response,
    };
    count(&sources.counts, &verdict);
    match format {
        Format::Write(version) => answer(&verdict, version),
        Format::Otlp { .. } => otlp_answer(&verdict),
    }
}

fn not_received(sources: &Sources) -> Response {
    let text = if sources.store.is_some() {
        "this masternode takes no samples of others; start it with --receive\n"
    } else {
        "this masternode keeps no history (--history off), so it takes no samples of others\n"
    };
    (StatusCode::NOT_FOUND, text).into_response()
}

/// Which message it is, by its headers.
type Negotiate = fn(&HeaderMap) -> Result<Format, String>;

/// Media type and coding of a body.
fn kind_and_coding(headers: &HeaderMap) -> (&str, &str) {
    let of = |name| headers.get(name).map_or("", |value: &HeaderValue| value.to_str().unwrap_or("?"));
    (of(header::CONTENT_TYPE), of(header::CONTENT_ENCODING))
}

fn write_format(headers: &HeaderMap) -> Result<Format, String> {
    let (kind, coding) = kind_and_coding(headers);
    // Old senders of 1.0 do not say that it is packed.
    if !coding.is_empty() && !coding.eq_ignore_ascii_case("snappy") {
        return Err("the body has to be packed with snappy (Content-Encoding: snappy)\n".into());
    }
    let (v1, v2) = (Version::V1.content_type(), Version::V2.content_type());
    let wanted = || format!("the body has to be {v2} or {v1}\n");
    Version::of_content_type(kind).map(Format::Write).ok_or_else(wanted)
}

fn otlp_format(headers: &HeaderMap) -> Result<Format, String> {
    let (kind, coding) = kind_and_coding(headers);
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case(PROTOBUF) {
        return Err(format!("the body has to be {PROTOBUF}, JSON is not read (encoding: proto)\n"));
    }
    match coding.to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(Format::Otlp { gzip: false }),
        "gzip" => Ok(Format::Otlp { gzip: true }),
        _ => Err("the body may be packed with gzip, or not at all\n".into()),
    }
}

/// Hands the body over, and waits for what becomes of it.
async fn deliver(
    receiving: &Receiving,
    room: Arc<Semaphore>,
    busy: Busy,
    format: Format,
    request: Request,
) -> Result<Verdict, Response> {
    let most = Limits::default().packed_bytes;
    let too_large = || {
        let text = format!("the body has more than {most} bytes; send smaller batches\n");
        (StatusCode::PAYLOAD_TOO_LARGE, text).into_response()
    };
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length: usize = length.and_then(|l| l.to_str().ok()?.parse().ok()).unwrap_or(most);
    if length > most {
        return Err(too_large());
    }
    let kib = u32::try_from(length.div_ceil(1024)).unwrap_or(ROOM_KIB).clamp(1, ROOM_KIB);
    // Only for as long as somebody waits: bodies that come slowly end with their connection.
    let Ok(Ok(room)) = tokio::time::timeout(WAIT, room.acquire_many_owned(kib)).await else {
        return Ok(Verdict::busy("too much is being received; try again later"));
    };
    let body: Body = request.into_body();
    let body = to_bytes(body, most).await.map_err(|_| too_large())?;
    let _held = busy.hold();
    let (answer, verdict) = oneshot::channel();
    let delivery = Delivery { format, body: body.into(), answer, _room: room };
    if receiving.deliveries.send_timeout(delivery, WAIT).await.is_err() {
        return Ok(Verdict::busy("too much is being received; try again later"));
    }
    let answered = tokio::time::timeout(ANSWER_WITHIN, verdict).await;
    let silent = "the history does not answer: it waits for its disk, or the masternode stops";
    Ok(answered.ok().and_then(Result::ok).unwrap_or_else(|| Verdict::busy(silent)))
}

fn count(counts: &Counts, verdict: &Verdict) {
    match verdict {
        Verdict::Busy(_) => counts.receive_busy.add(1),
        Verdict::Malformed(_) => counts.receive_malformed.add(1),
        Verdict::Stored { samples, refused, exemplars, .. } => {
            let of = if refused.is_empty() { &counts.receive_stored } else { &counts.receive_partial };
            of.add(1);
            counts.receive_samples.add(*samples);
            counts.receive_exemplars.add(*exemplars);
            for (count, reason) in counts.receive_refused.iter().zip(Reason::ALL) {
                count.add(refused.of(reason));
            }
        }
    }
}

/// What a sender is told. 400 says that the same must not be sent again; with it 2.0 wants to know how
/// much was written.
fn answer(verdict: &Verdict, version: Version) -> Response {
    let (status, text, written) = match verdict {
        Verdict::Stored { samples, refused, .. } if refused.is_empty() => {
            (StatusCode::NO_CONTENT, String::new(), *samples)
        }
        Verdict::Stored { samples, refused, .. } => {
            let text = format!("{} samples are stored, {} are not:\n{refused}\n", samples, refused.total());
            (StatusCode::BAD_REQUEST, text, *samples)
        }
        Verdict::Malformed(why) => (StatusCode::BAD_REQUEST, format!("{why}\n"), 0),
        Verdict::Busy(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"), 0),
    };
    let mut response = if text.is_empty() { status.into_response() } else { (status, text).into_response() };
    let headers = response.headers_mut();
    if version == Version::V2 {
        for (what, count) in [("samples", written), ("histograms", 0), ("exemplars", 0)] {
            let name = format!("x-prometheus-remote-write-{what}-written");
            if let Ok(name) = HeaderName::try_from(name) {
                headers.insert(name, count.into());
            }
        }
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, AGAIN_SECONDS.into());
    }
    response
}

/// What a sender of OpenTelemetry is told
/// (<https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>): a part that is rejected is no error.
fn otlp_answer(verdict: &Verdict) -> Response {
    let (status, body) = match verdict {
        Verdict::Stored { refused, rejected_points, .. } => {
            (StatusCode::OK, chasar_otlp::response(*rejected_points, &refused.to_string()))
        }
        Verdict::Malformed(why) => (StatusCode::BAD_REQUEST, chasar_otlp::failure(why)),
        Verdict::Busy(why) => (StatusCode::SERVICE_UNAVAILABLE, chasar_otlp::failure(why)),
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROTOBUF));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, AGAIN_SECONDS.into());
    }
    response
}
