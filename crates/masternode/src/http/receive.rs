//! Where others send samples: `/api/v1/write`, Prometheus' remote write
//! [1.0](https://prometheus.io/docs/specs/prw/remote_write_spec/) and
//! [2.0](https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/), and `/api/v1/otlp/v1/metrics`,
//! [OpenTelemetry](https://opentelemetry.io/docs/specs/otlp/) over HTTP, where Prometheus has it too.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use chasar_remote_write::{Limits, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::Sources;
use super::listener::Busy;
use crate::message::Counts;
use crate::receive::{Delivery, Format, Reason, Receiving, Verdict};

const OTLP_PATH: &str = "/api/v1/otlp/v1/metrics";
const PROTOBUF: &str = "application/x-protobuf";
/// Memory for bodies that wait, KiB.
const ROOM_KIB: u32 = 64 << 10;
/// Of a body whose length is not said, room for so much more is taken at a time, bytes.
const STEP_BYTES: usize = 256 << 10;
/// So much of a body that is refused is read, so that its sender, which writes first, reads the answer.
const DRAINED_BYTES: usize = 64 << 20;
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
    let (head, mut body) = request.into_parts();
    let is_otlp = head.uri.path() == OTLP_PATH;
    let Some(receiving) = &sources.receiving else {
        drain(body).await;
        return refuse(is_otlp, StatusCode::NOT_FOUND, not_received(&sources));
    };
    let delivered = match negotiate(&head.headers) {
        Ok(format) => {
            let delivered = deliver(receiving, room, busy, format, &head.headers, &mut body).await;
            delivered.map(|verdict| (format, verdict))
        }
        Err(why) => Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, why)),
    };
    let (format, verdict) = match delivered {
        Ok(delivered) => delivered,
        Err((status, why)) => {
            sources.counts.receive_malformed.add(1);
            drain(body).await;
            return refuse(is_otlp, status, &why);
        }
    };
    count(&sources.counts, &verdict);
    match format {
        Format::Write(version) => answer(&verdict, version),
        Format::Otlp { .. } => otlp_answer(&verdict),
    }
}

fn not_received(sources: &Sources) -> &'static str {
    if sources.store.is_some() {
        "this masternode takes no samples of others; start it with --receive\n"
    } else {
        "this masternode keeps no history (--history off), so it takes no samples of others\n"
    }
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
    headers: &HeaderMap,
    body: &mut Body,
) -> Result<Verdict, (StatusCode, String)> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|l| l.to_str().ok()?.parse().ok());
    let (body, room) = match read(body, length, room, &busy).await {
        Ok(read) => read,
        Err(NotRead::NoRoom) => return Ok(Verdict::busy("too much is being received; try again later")),
        Err(NotRead::TooLarge(most)) => {
            let why = format!("the body has more than {most} bytes; send smaller batches\n");
            return Err((StatusCode::PAYLOAD_TOO_LARGE, why));
        }
        Err(NotRead::Broken(why)) => return Ok(Verdict::Malformed(format!("the body is not whole: {why}"))),
    };
    let _held = busy.hold();
    let (answer, verdict) = oneshot::channel();
    let delivery = Delivery { format, body, answer, _room: room };
    if receiving.deliveries.send_timeout(delivery, WAIT).await.is_err() {
        return Ok(Verdict::busy("too much is being received; try again later"));
    }
    let answered = tokio::time::timeout(ANSWER_WITHIN, verdict).await;
    let silent = "the history does not answer: it waits for its disk, or the masternode stops";
    Ok(answered.ok().and_then(Result::ok).unwrap_or_else(|| Verdict::busy(silent)))
}

/// Why a body is not there.
enum NotRead {
    NoRoom,
    TooLarge(usize),
    Broken(String),
}

/// Reads a body, with room for what it takes: for all of it before, or for what came.
async fn read(
    body: &mut Body,
    length: Option<usize>,
    room: Arc<Semaphore>,
    busy: &Busy,
) -> Result<(Vec<u8>, OwnedSemaphorePermit), NotRead> {
    let most = Limits::default().packed_bytes;
    if length.is_some_and(|length| length > most) {
        return Err(NotRead::TooLarge(most));
    }
    let mut had = length.unwrap_or(STEP_BYTES);
    let mut permit = take_room(&room, had, busy).await?;
    let mut all = Vec::with_capacity(length.unwrap_or_default());
    while let Some(piece) = next(body).await {
        let piece = piece.map_err(|error| NotRead::Broken(error.to_string()))?;
        if all.len() + piece.len() > most {
            return Err(NotRead::TooLarge(most));
        }
        while all.len() + piece.len() > had {
            permit.merge(take_room(&room, STEP_BYTES, busy).await?);
            had += STEP_BYTES;
        }
        all.extend_from_slice(&piece);
    }
    Ok((all, permit))
}

/// While it waits the sender is not slow, so its connection is held; who waits too long has to come again.
async fn take_room(
    room: &Arc<Semaphore>,
    bytes: usize,
    busy: &Busy,
) -> Result<OwnedSemaphorePermit, NotRead> {
    let _held = busy.hold();
    let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(ROOM_KIB).clamp(1, ROOM_KIB);
    let permit = tokio::time::timeout(WAIT, room.clone().acquire_many_owned(kib)).await;
    permit.ok().and_then(Result::ok).ok_or(NotRead::NoRoom)
}

/// The next piece of a body; trailers are none.
async fn next(body: &mut Body) -> Option<Result<Bytes, axum::Error>> {
    loop {
        match poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await? {
            Ok(frame) => match frame.into_data() {
                Ok(piece) => return Some(Ok(piece)),
                Err(_) => continue,
            },
            Err(error) => return Some(Err(error)),
        }
    }
}

/// Reads what is left of a body that is refused; one that comes slowly ends with its connection.
async fn drain(mut body: Body) {
    let mut left = DRAINED_BYTES;
    while let Some(Ok(piece)) = next(&mut body).await {
        match left.checked_sub(piece.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// An answer to what is not read at all; OpenTelemetry wants each as a message.
fn refuse(is_otlp: bool, status: StatusCode, why: &str) -> Response {
    if !is_otlp {
        return (status, why.to_owned()).into_response();
    }
    let mut response = (status, chasar_otlp::failure(why.trim_end())).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROTOBUF));
    response
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
