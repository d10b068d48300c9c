//! `query`, `query_range`, `query_exemplars`, `format_query`, `parse_query`.

use std::time::Instant;

use chasar_query::{Budget, Options, Output, Query};
use chasar_tsdb::Store;
use serde_json::{Value, json};

use super::gate::Stop;
use super::json;
use super::params::{Params, duration, invalid};
use super::reply::{Failure, Reply};
use crate::history::StoreSource;

/// Most points of a series, as Prometheus has it: an hour at a step of a third of a second.
const MAX_POINTS: i64 = 11_000;

pub(crate) fn instant(
    store: &Store,
    params: &Params,
    now_ms: i64,
    stop: &Stop<'_>,
    budget: &Budget,
) -> Result<Reply, Failure> {
    let at_ms = params.time("time", Some(now_ms))?;
    run(store, params, stop, budget, |query, source, options| query.instant(source, at_ms, options))
}

pub(crate) fn range(
    store: &Store,
    params: &Params,
    stop: &Stop<'_>,
    budget: &Budget,
) -> Result<Reply, Failure> {
    let (start_ms, end_ms) = (params.time("start", None)?, params.time("end", None)?);
    if end_ms < start_ms {
        return Err(invalid("end", "end timestamp must not be before start time"));
    }
    let step_ms = duration(params.get("step")).map_err(|e| invalid("step", &e))?;
    if step_ms <= 0 {
        let why = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(invalid("step", why));
    }
    if (end_ms - start_ms) / step_ms > MAX_POINTS {
        let why = "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query \
                   resolution (?step=XX)";
        return Err(Failure::bad_data(why));
    }
    run(store, params, stop, budget, |query, source, options| {
        query.range(source, start_ms, end_ms, step_ms, options)
    })
}

fn run(
    store: &Store,
    params: &Params,
    stop: &Stop<'_>,
    budget: &Budget,
    answer: impl FnOnce(&Query, &StoreSource<'_>, &Options<'_>) -> chasar_query::Result<Output>,
) -> Result<Reply, Failure> {
    let limit = params.limit("limit")?;
    let begun = Instant::now();
    let query = parsed(params)?;
    let mut options = Options { stop: Some(&stop), budget: Some(budget), ..Options::default() };
    if let text @ [_, ..] = params.get("lookback_delta").as_bytes() {
        let text = std::str::from_utf8(text).unwrap_or_default();
        let ms = duration(text)
            .map_err(|e| Failure::bad_data(format!("error parsing lookback delta duration: {e}")))?;
        // Zero means the usual.
        if ms > 0 {
            options.lookback_ms = ms;
        }
    }
    let stopped = || stop();
    let source = StoreSource::new(store, Some(&stopped));
    let output = answer(&query, &source, &options)?;
    let mut reply = Reply { data: vec![b'{'], warnings: output.warnings, infos: output.infos };
    if json::result(&output.value, limit, &mut reply.data) {
        reply.warnings.push("results truncated due to limit".into());
    }
    if !params.get("stats").is_empty() {
        let seconds = begun.elapsed().as_secs_f64();
        let stats = json!({
            "timings": {
                "evalTotalTime": seconds, "execQueueTime": 0.0, "execTotalTime": seconds,
                "innerEvalTime": seconds, "queryPreparationTime": 0.0, "resultSortTime": 0.0,
            },
            "samples": {"totalQueryableSamples": output.stats.samples, "peakSamples": output.stats.held},
            "series": output.stats.series,
            "tiers": output.stats.tiers,
        });
        reply.data.extend_from_slice(format!(",\"stats\":{stats}").as_bytes());
    }
    reply.data.push(b'}');
    Ok(reply)
}

fn parsed(params: &Params) -> Result<Query, Failure> {
    Ok(Query::parse(params.get("query"))?)
}

/// There are none: reports carry no traces.
pub(crate) fn exemplars(params: &Params) -> Result<Reply, Failure> {
    params.span()?;
    parsed(params)?;
    Ok(Reply::of(&json!([])))
}

pub(crate) fn format(params: &Params) -> Result<Reply, Failure> {
    Ok(Reply::of(&Value::from(parsed(params)?.formatted())))
}

pub(crate) fn tree(params: &Params) -> Result<Reply, Failure> {
    Ok(Reply { data: parsed(params)?.tree_json().into_bytes(), ..Reply::default() })
}
