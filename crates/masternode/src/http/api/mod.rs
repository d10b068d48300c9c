//! The HTTP API of Prometheus (<https://prometheus.io/docs/prometheus/latest/querying/api/>) over the
//! history, so that what speaks to a Prometheus speaks to a masternode. Deviations are in `docs/api.md`.

mod fleet;
mod gate;
mod json;
mod params;
mod query;
mod reply;
mod series;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, RawPathParams, Request, State};
use axum::response::Response;
use axum::routing::{MethodFilter, on};

use super::Sources;
use super::listener::Busy;
use gate::{Gate, Stop};
use params::Params;
use reply::{Failure, Reply};

/// Most bytes of a form; a query has at most 64 KiB.
const MAX_FORM_BYTES: usize = 1 << 20;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Query,
    QueryRange,
    QueryExemplars,
    FormatQuery,
    ParseQuery,
    Series,
    Labels,
    LabelValues,
    Metadata,
    Targets,
    TargetsMetadata,
    Rules,
    Alerts,
    Alertmanagers,
    BuildInfo,
    RuntimeInfo,
    Tsdb,
    Flags,
    Config,
    Unknown,
}

/// The paths below `/api/v1`, and whether a form may be posted, as Prometheus has it.
const ENDPOINTS: &[(&str, Endpoint, bool)] = &[
    ("/api/v1/query", Endpoint::Query, true),
    ("/api/v1/query_range", Endpoint::QueryRange, true),
    ("/api/v1/query_exemplars", Endpoint::QueryExemplars, true),
    ("/api/v1/format_query", Endpoint::FormatQuery, true),
    ("/api/v1/parse_query", Endpoint::ParseQuery, true),
    ("/api/v1/series", Endpoint::Series, true),
    ("/api/v1/labels", Endpoint::Labels, true),
    ("/api/v1/label/{name}/values", Endpoint::LabelValues, false),
    ("/api/v1/metadata", Endpoint::Metadata, false),
    ("/api/v1/targets", Endpoint::Targets, false),
    ("/api/v1/targets/metadata", Endpoint::TargetsMetadata, false),
    ("/api/v1/rules", Endpoint::Rules, false),
    ("/api/v1/alerts", Endpoint::Alerts, false),
    ("/api/v1/alertmanagers", Endpoint::Alertmanagers, false),
    ("/api/v1/status/buildinfo", Endpoint::BuildInfo, false),
    ("/api/v1/status/runtimeinfo", Endpoint::RuntimeInfo, false),
    ("/api/v1/status/tsdb", Endpoint::Tsdb, false),
    ("/api/v1/status/flags", Endpoint::Flags, false),
    ("/api/v1/status/config", Endpoint::Config, false),
    ("/api/v1/{*unknown}", Endpoint::Unknown, true),
];

/// All routes. `started_ms` is when the masternode started.
pub(crate) fn routes(started_ms: i64) -> Router<Sources> {
    let gate = Arc::new(Gate::new());
    let mut router = Router::new();
    for (path, endpoint, post) in ENDPOINTS {
        let methods = if *post { MethodFilter::GET.or(MethodFilter::POST) } else { MethodFilter::GET };
        let gate = gate.clone();
        let handler = move |State(sources): State<Sources>,
                            ConnectInfo(busy): ConnectInfo<Busy>,
                            path: RawPathParams,
                            request: Request| {
            let label = path.iter().find(|(name, _)| *name == "name").map(|(_, value)| value.to_owned());
            let asked = Asked { endpoint: *endpoint, label, started_ms };
            answer(asked, sources, gate.clone(), busy, request)
        };
        router = router.route(path, on(methods, handler));
    }
    router.layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
}

struct Asked {
    endpoint: Endpoint,
    /// The label in the path.
    label: Option<String>,
    started_ms: i64,
}

async fn answer(asked: Asked, sources: Sources, gate: Arc<Gate>, busy: Busy, request: Request) -> Response {
    let gzip = reply::takes_gzip(request.headers());
    let params = match Params::read(request).await {
        Ok(params) => params,
        Err(failure) => return Err(failure).into_response(gzip),
    };
    // What needs the history thread is asked for before.
    let newest = match asked.endpoint {
        Endpoint::Targets => super::metrics::newest(&sources, None).await,
        _ => Some(Vec::new()),
    };
    let Some(newest) = newest else {
        let failure = Failure::unavailable("the history is busy; try again in a moment");
        return Err(failure).into_response(gzip);
    };
    let timeout = match params.timeout() {
        Ok(timeout) => timeout,
        Err(failure) => return Err(failure).into_response(gzip),
    };
    let budget = gate.budget();
    let work = move |stop: &Stop<'_>| {
        let now_ms = sources.clock.now().unix_ms;
        let store = || sources.store.as_ref().ok_or_else(no_history);
        let result = match asked.endpoint {
            Endpoint::Query => {
                store().and_then(|store| query::instant(store, &params, now_ms, stop, &budget))
            }
            Endpoint::QueryRange => store().and_then(|store| query::range(store, &params, stop, &budget)),
            Endpoint::QueryExemplars => query::exemplars(&params),
            Endpoint::FormatQuery => query::format(&params),
            Endpoint::ParseQuery => query::tree(&params),
            Endpoint::Series => store().and_then(|store| series::series(store, &params, stop)),
            Endpoint::Labels => store().and_then(|store| series::names(store, &params, stop)),
            Endpoint::LabelValues => {
                let label = asked.label.as_deref().unwrap_or_default();
                store().and_then(|store| series::values(store, label, &params, stop))
            }
            Endpoint::Metadata => {
                let received = sources.receiving.as_ref().map(|receiving| receiving.families.load());
                fleet::metadata(&params, received.as_ref().map(|families| &***families))
            }
            Endpoint::Targets => fleet::targets(&newest, &params, &sources),
            Endpoint::TargetsMetadata => Ok(Reply::of(&serde_json::json!([]))),
            Endpoint::Rules => Ok(Reply::of(&serde_json::json!({"groups": []}))),
            Endpoint::Alerts => Ok(Reply::of(&serde_json::json!({"alerts": []}))),
            Endpoint::Alertmanagers => {
                Ok(Reply::of(&serde_json::json!({"activeAlertmanagers": [], "droppedAlertmanagers": []})))
            }
            Endpoint::BuildInfo => Ok(status::build()),
            Endpoint::RuntimeInfo => Ok(status::runtime(sources.store.as_ref(), asked.started_ms)),
            Endpoint::Tsdb => store().and_then(|store| status::tsdb(store, &params, now_ms, stop)),
            Endpoint::Flags => Ok(status::flags()),
            Endpoint::Config => Ok(status::config()),
            Endpoint::Unknown => {
                Err(Failure::not_found("there is no such part of the API; docs/api.md lists them"))
            }
        };
        result.into_response(gzip)
    };
    gate.run(busy, timeout, work).await.unwrap_or_else(|failure| Err(failure).into_response(gzip))
}

fn no_history() -> Failure {
    Failure::unavailable("the masternode keeps no history (--history off), so there is nothing to query")
}

/// A result as a response.
trait IntoResponse {
    fn into_response(self, gzip: bool) -> Response;
}

impl IntoResponse for Result<Reply, Failure> {
    fn into_response(self, gzip: bool) -> Response {
        reply::response(self, gzip)
    }
}

/// What a selection could not read.
fn read<T>(result: Result<T, chasar_tsdb::Error>) -> Result<T, Failure> {
    result.map_err(|error| Failure::internal(error.to_string()))
}
