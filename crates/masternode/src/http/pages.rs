//! The pages but `/metrics`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Sources;

/// A core that published nothing for so long is stuck.
const STUCK: Duration = Duration::from_secs(5);

pub(crate) async fn index(State(sources): State<Sources>) -> String {
    let addresses = &sources.addresses;
    let stream = addresses.stream.as_ref().map_or("off".to_owned(), |endpoint| endpoint.to_string());
    format!(
        "Chasar masternode\n\n\
         /health     ok while the masternode works; also /-/healthy\n\
         /ready      ok while it takes reports; also /-/ready\n\
         /metrics    the masternode and the newest samples of all nodes, for Prometheus; ?instance= ?job=\n\
         /federate   chosen samples with their times, for another Prometheus; ?match[]=\n\
         /api/fleet  every node, as JSON\n\
         /api/v1/    PromQL over the history, as Prometheus has it: the address for Grafana and promtool\n\n\
         reports in  {}\n\
         stream out  {stream}\n",
        addresses.reports
    )
}

pub(crate) async fn health(State(sources): State<Sources>) -> Response {
    let age = sources.clock.now().monotonic.saturating_sub(sources.published.load().at);
    if age < STUCK {
        return "ok\n".into_response();
    }
    let text = format!("the fleet was last updated {:.1} s ago\n", age.as_secs_f64());
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

pub(crate) async fn ready(sources: State<Sources>) -> Response {
    if sources.flags.stopping.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    health(sources).await
}

pub(crate) async fn fleet(State(sources): State<Sources>) -> Response {
    let published = sources.published.load_full();
    let json = serde_json::to_vec(&published.fleet).expect("a snapshot always has a JSON form");
    ([(header::CONTENT_TYPE, "application/json")], json).into_response()
}

pub(crate) async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "There is no such page. / lists them.\n").into_response()
}

pub(crate) async fn method_not_allowed() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, "Pages can only be read (GET).\n").into_response()
}
