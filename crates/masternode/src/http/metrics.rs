//! `/metrics`: the masternode about itself, and the newest samples of all nodes.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chasar_fleet::State as NodeState;
use chasar_tsdb::{Health, Store};
use tokio::sync::oneshot;

use super::choice::Choice;
use super::exposition::Exposition;
use super::{Sources, nodes, process};
use crate::history::{Newest, Question};
use crate::message::Counts;
use crate::printable::printable;
use crate::receive::Reason;

/// How long the history thread may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The exposition format's name.
pub(crate) const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(crate) async fn page(
    State(sources): State<Sources>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let (instance, job) = (query.get("instance"), query.get("job"));
    if let Some(unknown) = query.keys().find(|key| !["instance", "job"].contains(&key.as_str())) {
        let text = format!("/metrics knows ?instance= and ?job=, not {}\n", printable(unknown));
        return (StatusCode::BAD_REQUEST, text).into_response();
    }
    if let Some(job) = job.filter(|job| !["chasar", "masternode"].contains(&job.as_str())) {
        let text = format!("?job= is chasar (the nodes) or masternode, not {}\n", printable(job));
        return (StatusCode::BAD_REQUEST, text).into_response();
    }
    let of_itself = instance.is_none() && job.is_none_or(|job| job == "masternode");
    let of_nodes = job.is_none_or(|job| job == "chasar");
    let head = if of_itself {
        // The store is asked for its size, which waits while a commit is applied.
        let sources = sources.clone();
        let Ok(head) = tokio::task::spawn_blocking(move || render(&sources)).await else {
            return no_answer();
        };
        head
    } else {
        String::new()
    };
    let body = if of_nodes {
        let Some(newest) = newest(&sources, instance.cloned()).await else { return no_answer() };
        if let (Some(instance), true) = (instance, newest.is_empty()) {
            let text =
                format!("no node has the instance {}; up in /metrics lists them\n", printable(instance));
            return (StatusCode::NOT_FOUND, text).into_response();
        }
        nodes::Page { head, nodes: newest, choice: Choice::all(), now_ms: None }.body()
    } else {
        Body::from(head)
    };
    ([(header::CONTENT_TYPE, TEXT)], body).into_response()
}

/// The newest samples of nodes; nothing when the history thread does not answer in time: it waits for
/// a disk, or the masternode is stopping.
pub(crate) async fn newest(sources: &Sources, instance: Option<String>) -> Option<Vec<Newest>> {
    let (answer, reply) = oneshot::channel();
    sources.questions.try_send(Question::Newest { instance, answer }).ok()?;
    tokio::time::timeout(PATIENCE, reply).await.ok()?.ok()
}

/// What to say when there is nothing.
pub(crate) fn no_answer() -> Response {
    let text =
        "the newest samples are not to be had: the history waits for its disk, or the masternode stops\n";
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

fn render(sources: &Sources) -> String {
    let mut out = Exposition::default();
    out.family("chasar_build_info", "gauge", "Version of the masternode; always 1.");
    out.sample("chasar_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    fleet(&mut out, sources);
    ingest(&mut out, sources);
    stream(&mut out, sources);
    upstreams(&mut out, sources);
    own(&mut out, sources);
    out.0
}

fn upstreams(out: &mut Exposition, sources: &Sources) {
    if sources.upstreams.is_empty() {
        return;
    }
    out.family("chasar_upstream_connected", "gauge", "1 while the link to this upstream masternode is up.");
    for upstream in &sources.upstreams {
        let connected = u64::from(upstream.connected.load(Ordering::Relaxed));
        out.sample("chasar_upstream_connected", &[("upstream", &upstream.name)], connected);
    }
    out.family(
        "chasar_upstream_messages_total",
        "counter",
        "Messages that came from this upstream masternode.",
    );
    for upstream in &sources.upstreams {
        let messages = upstream.messages.get();
        out.sample("chasar_upstream_messages_total", &[("upstream", &upstream.name)], messages);
    }
    out.family(
        "chasar_upstream_refused_messages_total",
        "counter",
        "Messages of this upstream masternode dropped because they have not two frames within the limits.",
    );
    for upstream in &sources.upstreams {
        let refused = upstream.refused.get();
        out.sample("chasar_upstream_refused_messages_total", &[("upstream", &upstream.name)], refused);
    }
    out.family(
        "chasar_upstream_connects_total",
        "counter",
        "Times the link to this upstream masternode came up; each but the first was a gap.",
    );
    for upstream in &sources.upstreams {
        let connects = upstream.connects.get();
        out.sample("chasar_upstream_connects_total", &[("upstream", &upstream.name)], connects);
    }
}

fn fleet(out: &mut Exposition, sources: &Sources) {
    let published = sources.published.load();
    let fleet = &published.fleet;
    out.family("chasar_nodes", "gauge", "Nodes by state.");
    for state in NodeState::ALL {
        out.sample("chasar_nodes", &[("state", state.name())], fleet.totals.get(state));
    }
    let cloned = fleet.nodes.iter().filter(|n| n.cloned).count();
    out.gauge("chasar_nodes_cloned", "Running nodes that share their identity with another one.", cloned);
    let c = fleet.counters;
    out.counter(
        "chasar_reports_accepted_total",
        "Reports published, replayed ones included.",
        c.accepted_total,
    );
    out.counter("chasar_reports_replayed_total", "Reports published that came late.", c.replayed_total);
    out.counter(
        "chasar_reports_duplicate_total",
        "Reports dropped because they had come before.",
        c.duplicates_total,
    );
    out.counter("chasar_reports_lost_total", "Reports that never came and will not come.", c.lost_total);
    out.counter(
        "chasar_reports_recovered_total",
        "Reports that came after they were called lost.",
        c.recovered_total,
    );
    out.counters(
        "chasar_reports_refused_total",
        "Messages dropped because they are no reports or break a limit.",
        "reason",
        published.refused.iter().map(|(&reason, &n)| (reason, n)),
    );
    out.counters(
        "chasar_node_events_total",
        "State changes of nodes.",
        "event",
        published.events.iter().map(|(&event, &n)| (event, n)),
    );
    let missing = fleet.nodes.iter().fold(0u64, |sum, n| sum.saturating_add(n.missing));
    out.gauge("chasar_reports_missing", "Missing reports that may still come.", missing);
    out.gauge("chasar_missing_ranges", "Gaps that are kept in mind.", published.missing_ranges);
}

fn ingest(out: &mut Exposition, sources: &Sources) {
    let reports = sources.reports.read();
    out.counter(
        "chasar_ingest_messages_total",
        "Messages of two frames received.",
        reports.received_messages,
    );
    out.counter(
        "chasar_ingest_bytes_total",
        "Bytes received in frames, refused ones included.",
        reports.received_bytes,
    );
    out.counter(
        "chasar_ingest_waits_total",
        "Times ingest waited for the core; the sockets held the reports meanwhile.",
        sources.counts.ingest_waits.get(),
    );
    let both = [
        ("reports", Some(sources.report_connections.read())),
        ("stream", sources.stream_connections.as_ref().map(|c| c.read())),
    ];
    let both: Vec<_> = both.iter().filter_map(|(port, c)| Some((*port, (*c)?))).collect();
    out.family("chasar_connections", "gauge", "Open connections by port.");
    for (port, c) in &both {
        out.sample("chasar_connections", &[("port", port)], c.open());
    }
    out.counters(
        "chasar_connections_accepted_total",
        "Connections accepted by port.",
        "port",
        both.iter().map(|(port, c)| (*port, c.accepted)),
    );
    out.counters(
        "chasar_connections_ready_total",
        "Connections that completed their handshake by port.",
        "port",
        both.iter().map(|(port, c)| (*port, c.ready)),
    );
    let name = "chasar_connections_failed_total";
    out.family(name, "counter", "Connections given up by port and reason.");
    for (port, c) in &both {
        let reasons = [
            ("handshake", c.handshake_failed),
            ("protocol", c.protocol_failed),
            ("key", c.key_refused),
            ("too_large", c.too_large),
        ];
        for (reason, value) in reasons {
            out.sample(name, &[("port", port), ("reason", reason)], value);
        }
    }
}

fn stream(out: &mut Exposition, sources: &Sources) {
    out.counter(
        "chasar_stream_dropped_total",
        "Reports and events that were not published because the stream was too slow.",
        sources.counts.stream_dropped.get(),
    );
    let (Some(stream), Some(connections)) = (&sources.stream, &sources.stream_connections) else { return };
    let stream = stream.read();
    out.gauge("chasar_stream_subscribers", "Connected subscribers.", connections.read().open());
    out.counter(
        "chasar_stream_messages_total",
        "Messages published that somebody wanted.",
        stream.published_messages,
    );
    out.counter("chasar_stream_bytes_total", "Their bytes, each once.", stream.published_bytes);
    out.counter(
        "chasar_stream_lost_messages_total",
        "Messages that at least one slow subscriber may have lost.",
        stream.lost_messages,
    );
    out.counter("chasar_stream_overflows_total", "Times a subscriber's queue ran full.", stream.overflows);
    out.counters(
        "chasar_stream_refused_total",
        "Subscribers disconnected for their subscriptions.",
        "reason",
        [
            ("topic_too_long", stream.refused_topic_too_long),
            ("too_many_of_peer", stream.refused_too_many_of_peer),
            ("too_many_in_all", stream.refused_too_many_in_all),
        ],
    );
}

fn own(out: &mut Exposition, sources: &Sources) {
    let counts = &sources.counts;
    out.counter(
        "chasar_memory_written_bytes_total",
        "Bytes written to the memory of the fleet.",
        counts.memory_written_bytes.get(),
    );
    out.counter(
        "chasar_memory_errors_total",
        "Times the memory of the fleet could not be written.",
        counts.memory_errors.get(),
    );
    out.counter(
        "chasar_memory_dropped_total",
        "Batches that were not recorded in time.",
        counts.memory_dropped.get(),
    );
    out.counter("chasar_http_requests_total", "HTTP requests.", counts.http_requests.get());
    out.counter(
        "chasar_http_refused_total",
        "HTTP requests refused (host, origin, token).",
        counts.http_refused.get(),
    );
    out.counter(
        "chasar_history_dropped_total",
        "Reports the history never got because it was too slow.",
        counts.history_dropped.get(),
    );
    out.counter(
        "chasar_history_left_out_total",
        "Samples left out because a node has too many series, or all nodes have too many names.",
        counts.history_left_out.get(),
    );
    if sources.receiving.is_some() {
        receive(out, counts);
    }
    if let Some(store) = &sources.store {
        history(out, store, sources.counts.history_upkeep_ms.get());
    }
    super::remote::remote(out, &sources.remote);
    let now = sources.clock.now();
    let started = now.unix_ms as f64 / 1000.0 - now.monotonic.as_secs_f64();
    out.gauge("process_start_time_seconds", "When the masternode started, Unix time.", started);
    let usage = process::usage();
    if let Some(seconds) = usage.cpu_seconds {
        out.counter("process_cpu_seconds_total", "Processor time used.", seconds);
    }
    if let Some(bytes) = usage.resident_bytes {
        out.gauge("process_resident_memory_bytes", "Resident memory.", bytes);
    }
    if let Some(files) = usage.open_files {
        out.gauge("process_open_fds", "Open file descriptors.", files);
    }
}

/// What others send over HTTP.
fn receive(out: &mut Exposition, counts: &Counts) {
    out.counters(
        "chasar_receive_messages_total",
        "Messages that others sent, by what became of them.",
        "result",
        [
            ("stored", counts.receive_stored.get()),
            ("partly_stored", counts.receive_partial.get()),
            ("malformed", counts.receive_malformed.get()),
            ("put_off", counts.receive_busy.get()),
        ],
    );
    out.counter(
        "chasar_receive_samples_total",
        "Samples in them that are stored, those that were there before included.",
        counts.receive_samples.get(),
    );
    out.counters(
        "chasar_receive_samples_refused_total",
        "Samples in them that are not stored, by reason.",
        "reason",
        Reason::ALL.iter().zip(&counts.receive_refused).map(|(reason, n)| (reason.name(), n.get())),
    );
    out.counter(
        "chasar_receive_exemplars_total",
        "Exemplars in them; none are stored.",
        counts.receive_exemplars.get(),
    );
    out.gauge(
        "chasar_receive_series",
        "Series of which others sent samples lately.",
        counts.receive_series.get(),
    );
}

/// What the store says of itself (`chasar_tsdb::Stats`).
fn history(out: &mut Exposition, store: &Store, upkeep_ms: u64) {
    let stats = store.stats();
    let health = store.health();
    out.family("chasar_history_state", "gauge", "1 for the state the history is in.");
    for (state, is_it) in [
        ("good", matches!(health, Health::Good)),
        ("full", matches!(health, Health::Full(_))),
        ("read_only", matches!(health, Health::ReadOnly(_))),
        ("failing", !matches!(health, Health::Good | Health::Full(_) | Health::ReadOnly(_))),
    ] {
        out.sample("chasar_history_state", &[("state", state)], u8::from(is_it));
    }
    out.counter("chasar_history_samples_total", "Samples written.", stats.accepted_total);
    out.counters(
        "chasar_history_samples_dropped_total",
        "Samples that were not written.",
        "reason",
        [
            ("duplicate", stats.duplicates_total),
            ("too_old", stats.too_old_total),
            ("too_new", stats.too_new_total),
            ("memory_full", stats.refused_total),
            ("not_writable", stats.lost_total),
        ],
    );
    out.counter(
        "chasar_history_damaged_total",
        "Files and parts of files found damaged.",
        stats.damaged_total,
    );
    let tiers = [("raw", stats.raw), ("minute", stats.minute), ("hour", stats.hour)];
    out.family("chasar_history_files", "gauge", "Files by tier.");
    for (tier, of) in &tiers {
        out.sample("chasar_history_files", &[("tier", tier)], of.files);
    }
    out.family("chasar_history_size_bytes", "gauge", "Size of the files by tier.");
    for (tier, of) in &tiers {
        out.sample("chasar_history_size_bytes", &[("tier", tier)], of.bytes);
    }
    out.family("chasar_history_oldest_timestamp_seconds", "gauge", "Time of the oldest sample by tier.");
    for (tier, of) in &tiers {
        if let Some((oldest_ms, _)) = of.times_ms {
            out.sample(
                "chasar_history_oldest_timestamp_seconds",
                &[("tier", tier)],
                oldest_ms as f64 / 1000.0,
            );
        }
    }
    out.gauge("chasar_history_log_size_bytes", "Size of the logs.", stats.log_bytes);
    out.gauge(
        "chasar_history_memory_samples",
        "Samples in memory that are in no file but the log.",
        stats.head_samples,
    );
    out.gauge("chasar_history_memory_bytes", "Memory they take, about.", stats.head_bytes);
    out.gauge("chasar_history_metrics", "Metrics with their own labels.", stats.metrics);
    out.gauge("chasar_history_name_bytes", "Memory that the names of series take, about.", stats.name_bytes);
    out.gauge("chasar_history_sources", "Sources of samples: nodes, by the names they had.", stats.sources);
    out.counter(
        "chasar_history_upkeep_seconds_total",
        "Time spent writing, merging and removing files.",
        upkeep_ms as f64 / 1000.0,
    );
}
