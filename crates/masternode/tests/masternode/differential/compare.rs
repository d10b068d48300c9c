//! Answers of two servers side by side.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;

use super::engine::get;

/// Results may differ by so much of their size, and by so little at all.
const RELATIVE: f64 = 1e-9;
const ABSOLUTE: f64 = 1e-9;

/// A result: each series with its points.
pub(super) type Points = BTreeMap<String, Vec<(f64, f64)>>;
/// A result, or the status and kind of an error.
pub(super) type Answer = Result<Points, (u16, String)>;

pub(super) fn points(address: SocketAddr, path: &str) -> Answer {
    let (status, body) = get(address, path);
    let mut answer: Value = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{path}: {e}: {body}"));
    if status != 200 {
        return Err((status, answer["errorType"].to_string()));
    }
    let point =
        |p: &Value| (p[0].as_f64().unwrap(), p[1].as_str().unwrap().parse::<f64>().unwrap_or(f64::NAN));
    let data = answer["data"].take();
    if data["resultType"] == "scalar" || data["resultType"] == "string" {
        return Ok(BTreeMap::from([(data["resultType"].to_string(), vec![point(&data["result"])])]));
    }
    let series = data["result"].as_array().unwrap().iter().map(|one| {
        let values = match one.get("values") {
            Some(values) => values.as_array().unwrap().iter().map(point).collect(),
            None => vec![point(&one["value"])],
        };
        (one["metric"].to_string(), values)
    });
    Ok(series.collect())
}

fn same(ours: f64, theirs: f64) -> bool {
    let close = (ours - theirs).abs() <= RELATIVE * ours.abs().max(theirs.abs()) + ABSOLUTE;
    close || ours == theirs || (ours.is_nan() && theirs.is_nan())
}

pub(super) fn difference(ours: &Answer, theirs: &Answer) -> Option<String> {
    let (ours, theirs) = match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (Err(ours), Err(theirs)) if ours == theirs => return None,
        other => return Some(format!("{other:?}").chars().take(400).collect()),
    };
    if !ours.keys().eq(theirs.keys()) {
        return Some(format!("series {:?}\n  theirs {:?}", ours.keys(), theirs.keys()));
    }
    ours.iter().zip(theirs.values()).find_map(|((name, ours), theirs)| {
        let differ = ours.iter().zip(theirs).find(|(a, b)| a.0 != b.0 || !same(a.1, b.1));
        match differ {
            Some((a, b)) => Some(format!("{name}: {a:?}, theirs {b:?}")),
            None if ours.len() != theirs.len() => {
                Some(format!("{name}: {} points, theirs {}", ours.len(), theirs.len()))
            }
            None => None,
        }
    })
}

/// What MetricsQL would say with the same in mind: its errors are of one kind, what is not a number is
/// not there, and a scalar is a series without labels.
pub(super) fn as_metrics_ql(answer: Answer, keeps_name: bool) -> Answer {
    let points = answer.map_err(|_| (422, String::new()))?;
    let named = |name: String| match serde_json::from_str::<Value>(&name) {
        Ok(Value::Object(mut labels)) => {
            if keeps_name {
                labels.remove("__name__");
            }
            Value::Object(labels).to_string()
        }
        _ => "{}".to_owned(),
    };
    let numbers = |points: Vec<(f64, f64)>| -> Vec<_> {
        points.into_iter().filter(|(_, value)| !value.is_nan()).collect()
    };
    let all = points.into_iter().map(|(name, points)| (named(name), numbers(points)));
    Ok(all.filter(|(_, points)| !points.is_empty()).collect())
}
