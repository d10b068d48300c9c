//! `series`, `labels` and `label/<name>/values`.

use std::collections::BTreeSet;

use chasar_tsdb::{Error, Labels, Matcher, NAME, Selection, Snapshot, Store};

use super::gate::Stop;
use super::json;
use super::params::{Params, invalid};
use super::reply::{Failure, Reply};
use crate::history::{store_matcher, warnings};
use crate::http::choice::MAX_SELECTORS;

/// Most series of an answer, as of a query.
const MAX_SERIES: usize = 1_000_000;

pub(crate) fn series(store: &Store, params: &Params, stop: &Stop<'_>) -> Result<Reply, Failure> {
    let selectors = selectors(params)?;
    if selectors.is_empty() {
        return Err(Failure::bad_data("no match[] parameter provided"));
    }
    let mut found = Found::read(store, params, &selectors, stop)?;
    let limit = params.limit("limit")?;
    found.reply(limit, |all, out| {
        for (i, labels) in all.iter().take(limit).enumerate() {
            if i > 0 {
                out.push(b',');
            }
            json::pairs(labels.iter(), out);
        }
        all.len()
    })
}

pub(crate) fn names(store: &Store, params: &Params, stop: &Stop<'_>) -> Result<Reply, Failure> {
    let selectors = selectors(params)?;
    let limit = params.limit("limit")?;
    if selectors.is_empty() {
        params.span()?;
        return Ok(texts(store.snapshot().label_names(), limit, Vec::new()));
    }
    let found = Found::read(store, params, &selectors, stop)?;
    let names = found.series.iter().flat_map(|l| l.iter().map(|(name, _)| name.to_owned())).collect();
    Ok(texts(names, limit, found.warnings))
}

pub(crate) fn values(store: &Store, label: &str, params: &Params, stop: &Stop<'_>) -> Result<Reply, Failure> {
    if label.is_empty() {
        return Err(Failure::bad_data(format!("invalid label name: {label:?}")));
    }
    let selectors = selectors(params)?;
    let limit = params.limit("limit")?;
    if selectors.is_empty() {
        params.span()?;
        return Ok(texts(store.snapshot().label_values(label), limit, Vec::new()));
    }
    let found = Found::read(store, params, &selectors, stop)?;
    let values = found.series.iter().filter_map(|l| l.get(label).map(str::to_owned)).collect();
    Ok(texts(values, limit, found.warnings))
}

/// How many series of the newest minutes each metric has.
pub(crate) fn counts(
    store: &Store,
    from_ms: i64,
    to_ms: i64,
    stop: &Stop<'_>,
) -> Result<Vec<(String, u64)>, Failure> {
    let found = read(store.snapshot(), &[], (from_ms, to_ms), 0, stop)?;
    let mut counts = std::collections::HashMap::<String, u64>::new();
    for labels in found.series {
        *counts.entry(labels.get(NAME).unwrap_or_default().to_owned()).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(counts)
}

fn selectors(params: &Params) -> Result<Vec<Vec<Matcher>>, Failure> {
    let texts: Vec<&str> = params.all("match[]").collect();
    if texts.len() > MAX_SELECTORS {
        return Err(invalid("match[]", &format!("a request may have {MAX_SELECTORS} selectors")));
    }
    let read = |text: &&str| {
        let matchers = chasar_query::parse_selector(text).map_err(|e| invalid("match[]", &e.to_string()))?;
        Ok(matchers.iter().map(store_matcher).collect::<Result<_, _>>()?)
    };
    texts.iter().map(read).collect()
}

/// Series that fit, as long as somebody waits and they are not too many with those `before`.
fn read(
    snapshot: Snapshot,
    matchers: &[Matcher],
    (from_ms, to_ms): (i64, i64),
    before: usize,
    stop: &Stop<'_>,
) -> Result<Selection<Labels>, Failure> {
    let mut too_many = false;
    let found = snapshot.series(matchers, from_ms, to_ms, |found| {
        too_many = found + before > MAX_SERIES;
        !too_many && !stop()
    });
    match found {
        Err(Error::Ended) if too_many => {
            Err(Failure::execution(format!("more than {MAX_SERIES} series fit; choose fewer of them")))
        }
        Err(Error::Ended) => Err(Failure::timeout("it took too long, or nobody waited for it any more")),
        other => super::read(other),
    }
}

/// Series that fit one of the selectors.
struct Found {
    series: BTreeSet<Labels>,
    warnings: Vec<String>,
}

impl Found {
    fn read(
        store: &Store,
        params: &Params,
        selectors: &[Vec<Matcher>],
        stop: &Stop<'_>,
    ) -> Result<Found, Failure> {
        let (from_ms, to_ms) = params.span()?;
        let snapshot = store.snapshot();
        let mut found = Found { series: BTreeSet::new(), warnings: Vec::new() };
        for matchers in selectors {
            let some = read(snapshot.clone(), matchers, (from_ms, to_ms), found.series.len(), stop)?;
            found.warnings.extend(warnings(&some));
            found.series.extend(some.series);
        }
        Ok(found)
    }

    fn reply(
        &mut self,
        limit: usize,
        write: impl FnOnce(&BTreeSet<Labels>, &mut Vec<u8>) -> usize,
    ) -> Result<Reply, Failure> {
        let mut data = vec![b'['];
        let count = write(&self.series, &mut data);
        data.push(b']');
        let mut warnings = std::mem::take(&mut self.warnings);
        truncated(count, limit, &mut warnings);
        Ok(Reply { data, warnings, infos: Vec::new() })
    }
}

fn texts(all: BTreeSet<String>, limit: usize, mut warnings: Vec<String>) -> Reply {
    truncated(all.len(), limit, &mut warnings);
    let mut data = vec![b'['];
    for (i, text) in all.iter().take(limit).enumerate() {
        if i > 0 {
            data.push(b',');
        }
        json::text(text, &mut data);
    }
    data.push(b']');
    Reply { data, warnings, infos: Vec::new() }
}

fn truncated(count: usize, limit: usize, warnings: &mut Vec<String>) {
    if count > limit {
        warnings.push("results truncated due to limit".into());
    }
}
