//! `metadata` and `targets`: what metrics there are, and who sends them.

use std::ops::Range;

use chasar_wire::catalog;
use serde_json::{Map, Value, json};

use super::params::Params;
use super::reply::{Failure, Reply};
use crate::history::time::rfc3339;
use crate::history::{JOB, Newest};
use crate::http::Sources;
use crate::receive::Families;

/// The years 1 to 9999.
const YEARS_MS: Range<i64> = -62_135_596_800_000..253_402_300_800_000;

/// Of our own metrics, and of those that others send: two kinds where they disagree.
pub(crate) fn metadata(params: &Params, received: Option<&Families>) -> Result<Reply, Failure> {
    let (limit, wanted) = (params.limit("limit")?, params.get("metric"));
    params.limit("limit_per_metric")?;
    let up = ("up", "gauge", "1 while reports of the node come, else 0");
    let metrics = catalog::metrics().into_iter().map(|m| (m.name, m.kind.prometheus(), m.help, ""));
    let of_others = received.into_iter().flat_map(Families::iter);
    let of_others = of_others.map(|(name, f)| (name, f.kind, &*f.help, &*f.unit));
    let mut all = Map::new();
    let ours = metrics.chain([(up.0, up.1, up.2, "")]);
    let fitting = ours.chain(of_others).filter(|(name, ..)| wanted.is_empty() || *name == wanted);
    for (name, kind, help, unit) in fitting {
        let said = json!({"type": kind, "help": help, "unit": unit});
        if !all.contains_key(name) && all.len() >= limit {
            continue;
        }
        let Value::Array(before) = all.entry(name).or_insert_with(|| json!([])) else { continue };
        if !before.contains(&said) {
            before.push(said);
        }
    }
    Ok(Reply::of(&Value::Object(all)))
}

/// Nodes report by themselves; where Prometheus has what it scrapes there are the nodes.
pub(crate) fn targets(nodes: &[Newest], params: &Params, sources: &Sources) -> Result<Reply, Failure> {
    let state = params.get("state").to_ascii_lowercase();
    let pool = params.get("scrapePool");
    let active: Vec<Value> = nodes
        .iter()
        .filter(|_| state != "dropped" && (pool.is_empty() || pool == JOB))
        .map(|node| {
            // A node's clock can say anything, and Go reads years of four digits only.
            let at_ms = node.rows.iter().map(|row| row.at_ms).max().filter(|ms| YEARS_MS.contains(ms));
            let last = at_ms.map_or("0001-01-01T00:00:00Z".to_owned(), rfc3339);
            let (health, error) =
                if node.is_up { ("up", "") } else { ("down", "no reports of the node come") };
            json!({
                "discoveredLabels": {"__address__": &*node.instance, "job": JOB},
                "labels": {"instance": &*node.instance, "job": JOB},
                "scrapePool": JOB,
                "scrapeUrl": sources.addresses.reports.to_string(),
                "globalUrl": "",
                "lastError": error,
                "lastScrape": last,
                "lastScrapeDuration": 0.0,
                "health": health,
                "scrapeInterval": "1s",
                "scrapeTimeout": "1s",
            })
        })
        .collect();
    Ok(Reply::of(&json!({"activeTargets": active, "droppedTargets": [], "droppedTargetCounts": {}})))
}
