//! `/federate`: chosen series of all nodes with the times of their samples, as Prometheus has it
//! (<https://prometheus.io/docs/prometheus/latest/federation/>).

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::choice::Choice;
use super::metrics::{TEXT, newest, no_answer};
use super::{Sources, nodes};
use crate::printable::printable;

pub(crate) async fn page(
    State(sources): State<Sources>,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    if let Some((unknown, _)) = query.iter().find(|(key, _)| key != "match[]") {
        let text = format!("/federate knows ?match[]=, not {}\n", printable(unknown));
        return (StatusCode::BAD_REQUEST, text).into_response();
    }
    let choice = match Choice::of(query.iter().map(|(_, selector)| selector.as_str())) {
        Ok(choice) => choice,
        Err(problem) => {
            return (StatusCode::BAD_REQUEST, format!("match[]: {}\n", printable(&problem))).into_response();
        }
    };
    let Some(nodes) = newest(&sources, None).await else { return no_answer() };
    let now_ms = Some(sources.clock.now().unix_ms);
    let body = nodes::Page { head: String::new(), nodes, choice, now_ms }.body();
    ([(header::CONTENT_TYPE, TEXT)], body).into_response()
}
