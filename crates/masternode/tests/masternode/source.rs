//! A store as the query engine reads it: rollups where they give the same, and where there is nothing else.

use std::sync::Arc;

use chasar_masternode::StoreSource;
use chasar_query::{Answer, Answered, Hints, Options, Output, Query, Request, Source};
use chasar_tsdb::storage::Disk;
use chasar_tsdb::{Kind, Labels, NAME, Store};

const HOUR_MS: i64 = 3_600_000;
/// Begins with an hour.
const BEGIN_MS: i64 = 1_700_000_000_000 / HOUR_MS * HOUR_MS;

/// Four hours of a gauge and a counter of two hosts, a sample each second or so.
fn store(folder: &std::path::Path, options: chasar_tsdb::Options) -> Store {
    let (store, _) = Store::open(Arc::new(Disk::open(folder).unwrap()), options).unwrap();
    let mut writer = store.writer().unwrap();
    let mut series = Vec::new();
    for instance in ["a", "b"] {
        for (name, kind) in [("load", Kind::Gauge), ("ticks_total", Kind::Counter)] {
            let labels = Labels::new([(NAME, name), ("instance", instance)]).unwrap();
            series.push(writer.series(&labels, kind));
        }
    }
    for second in 0..4 * 3600_i64 {
        // On the edge of minutes too, where it counts who has them.
        let now_ms = BEGIN_MS + second * 1000;
        for (i, series) in (0..).zip(&series) {
            if (second + i) % 7 != 0 {
                writer.sample(series, now_ms, ((second * 31 + i * 17) % 1000) as f64 / 4.0);
            }
        }
        if second % 120 == 119 {
            writer.commit(now_ms).unwrap();
            while store.maintain(now_ms).unwrap().more {}
        }
    }
    drop(writer);
    let end_ms = BEGIN_MS + 5 * HOUR_MS;
    while store.maintain(end_ms).unwrap().more {}
    store
}

/// The same source, told nothing of what samples are for.
struct Untold<'a>(StoreSource<'a>);

impl Source for Untold<'_> {
    fn select(&self, request: &Request<'_>) -> chasar_query::Result<Answer> {
        self.0.select(&Request { hints: Hints::default(), ..*request })
    }
}

fn range(source: &dyn Source, query: &str, start_ms: i64, step_ms: i64) -> Output {
    let end_ms = BEGIN_MS + 4 * HOUR_MS - 1;
    Query::parse(query).unwrap().range(source, start_ms, end_ms, step_ms, &Options::default()).unwrap()
}

#[test]
fn rollups_are_read_where_they_give_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), chasar_tsdb::Options::default());
    let source = StoreSource::new(&store, None);
    let untold = Untold(StoreSource::new(&store, None));
    let (minute, hour) = (60_000, HOUR_MS);
    for (query, start_ms, step_ms, tier) in [
        ("min_over_time(load[5m])", BEGIN_MS + hour - 1, minute, "minute"),
        ("max_over_time(load[1m])", BEGIN_MS + hour - 1, 5 * minute, "minute"),
        ("sum_over_time(load[1h])", BEGIN_MS + hour - 1, hour, "hour"),
        ("count_over_time(ticks_total[2h])", BEGIN_MS + 2 * hour - 1, hour, "hour"),
        // Counters keep no sums; other functions, edges and lengths need samples.
        ("sum_over_time(ticks_total[1h])", BEGIN_MS + hour - 1, hour, "raw"),
        ("avg_over_time(load[5m])", BEGIN_MS + hour - 1, minute, "raw"),
        ("min_over_time(load[5m])", BEGIN_MS + hour, minute, "raw"),
        ("min_over_time(load[90s])", BEGIN_MS + hour - 1, minute, "raw"),
        ("min_over_time(load[5m])", BEGIN_MS + hour - 1, 90_000, "raw"),
        ("load", BEGIN_MS + hour - 1, minute, "raw"),
    ] {
        let (told, plain) =
            (range(&source, query, start_ms, step_ms), range(&untold, query, start_ms, step_ms));
        assert_eq!(told.stats.tiers, [tier], "{query}");
        assert_eq!(plain.stats.tiers, ["raw"], "{query}");
        assert_eq!(told.value, plain.value, "{query}");
        assert!(told.warnings.is_empty(), "{query}: {:?}", told.warnings);
        let Answered::Matrix(series) = told.value else { panic!("{query} gives a matrix") };
        assert!(series.len() == 2 && series[0].samples.len() > 2, "{query}: {series:?}");
        if tier != "raw" {
            assert!(told.stats.samples * 10 < plain.stats.samples, "{query}: {:?}", told.stats);
        }
    }
}

#[test]
fn what_is_kept_as_rollups_only_is_there_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let options = chasar_tsdb::Options { raw_ms: HOUR_MS, ..chasar_tsdb::Options::default() };
    let store = store(folder.path(), options);
    let raw_ms = store.stats().raw.times_ms.unwrap().0;
    assert!(raw_ms > BEGIN_MS, "raw samples of the first hour are gone");
    let source = StoreSource::new(&store, None);
    let all = range(&source, "load{instance=\"a\"}", BEGIN_MS + 59_999, 60_000);
    assert_eq!(all.stats.tiers, ["raw, minute"]);
    assert!(
        all.warnings.iter().any(|w| w.contains("only the last value of each minute")),
        "{:?}",
        all.warnings
    );
    let Answered::Matrix(series) = all.value else { panic!("a matrix") };
    assert_eq!(series.len(), 1);
    assert_eq!(series[0].samples.len(), 240, "each minute has a value");
    for (at_ms, value) in &series[0].samples {
        // The last second of the minute, or the one before where that has no sample.
        let second = (at_ms + 1 - BEGIN_MS) / 1000 - 1;
        let second = if second % 7 == 0 { second - 1 } else { second };
        assert_eq!(*value, (second * 31 % 1000) as f64 / 4.0, "{at_ms}");
    }
    let new = range(&source, "load", raw_ms + HOUR_MS, 60_000);
    assert_eq!((new.stats.tiers, new.warnings), (vec!["raw"], vec![]));
}

#[test]
fn what_is_too_much_or_takes_too_long_ends() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), chasar_tsdb::Options::default());
    let stop = || true;
    let stopped = StoreSource::new(&store, Some(&stop));
    let query = Query::parse("load").unwrap();
    let error = query.instant(&stopped, BEGIN_MS, &Options::default()).unwrap_err();
    assert_eq!(error.kind, chasar_query::Kind::Timeout);
    let few = Options { max_samples: 1000, ..Options::default() };
    let query = Query::parse("sum_over_time(load[4h])").unwrap();
    let source = StoreSource::new(&store, None);
    let error = query.instant(&source, BEGIN_MS + 4 * HOUR_MS, &few).unwrap_err();
    assert_eq!(error.kind, chasar_query::Kind::Limit, "{error}");
    // Rollups are counted while they are read: 60 of each of two series.
    let minutes = Query::parse("min_over_time(load[1h])").unwrap();
    let few = Options { max_samples: 119, ..Options::default() };
    let error = minutes.instant(&source, BEGIN_MS + 2 * HOUR_MS - 60_001, &few).unwrap_err();
    assert_eq!(error.kind, chasar_query::Kind::Limit, "{error}");
}
