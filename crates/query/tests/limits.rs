//! Hostile queries end with a limit's error, in little time and memory.

use std::cell::Cell;
use std::sync::Arc;

use chasar_query::{
    Answer, Answered, Kind, Labels, MAX_DEPTH, Options, Query, Request, Result, Samples, Source,
};

/// Many series with a sample a second.
struct Fleet {
    series: usize,
    times_ms: Arc<Vec<i64>>,
    values: Arc<Vec<f64>>,
    asked: Cell<usize>,
}

impl Fleet {
    fn new(series: usize, seconds: i64) -> Fleet {
        let times_ms = Arc::new((0..seconds).map(|s| s * 1000).collect());
        let values = Arc::new((0..seconds).map(|s| s as f64).collect());
        Fleet { series, times_ms, values, asked: Cell::new(0) }
    }
}

impl Source for Fleet {
    fn select(&self, _: &Request<'_>) -> Result<Answer> {
        self.asked.set(self.asked.get() + 1);
        let series = (0..self.series)
            .map(|i| Samples {
                labels: Labels::new([("__name__", "x".to_string()), ("i", i.to_string())]),
                times_ms: self.times_ms.clone(),
                values: self.values.clone(),
            })
            .collect();
        Ok(Answer { series, tier: "raw", ..Answer::default() })
    }
}

fn kind(text: &str, source: &Fleet, options: &Options<'_>) -> Option<Kind> {
    let query = Query::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    query.range(source, 0, 600_000, 1_000, options).err().map(|e| e.kind)
}

#[test]
fn samples_and_series_are_limited() {
    let fleet = Fleet::new(100, 600);
    let tight = Options { max_samples: 100_000, ..Options::default() };
    assert_eq!(kind("x", &fleet, &tight), Some(Kind::Limit), "60,000 read and 60,100 made");
    assert_eq!(kind("sum(x)", &fleet, &Options { max_series: 99, ..Options::default() }), Some(Kind::Limit));
    assert_eq!(kind("sum(x)", &fleet, &Options::default()), None);
    for hostile in [
        "sum_over_time(x[1000y:1ms])",
        "sum_over_time(vector(1)[1000y:1ms])",
        "max_over_time(max_over_time(max_over_time(x[1h:1ms])[1h:1ms])[1h:1ms])",
        "count_values by (i) (\"v\", x)",
        "(((x + x) + (x + x)) + ((x + x) + (x + x))) + (((x + x) + (x + x)) + ((x + x) + (x + x)))",
    ] {
        let options = Options { max_samples: 1_000_000, ..Options::default() };
        assert_eq!(kind(hostile, &fleet, &options), Some(Kind::Limit), "{hostile}");
    }
    let huge = Query::parse("1").expect("valid").range(&fleet, 0, i64::MAX, 1, &Options::default());
    assert_eq!(huge.expect_err("too many steps").kind, Kind::Limit);
    let backwards =
        Query::parse("1").expect("valid").range(&fleet, i64::MAX, i64::MIN, 1, &Options::default());
    assert!(backwards.is_err());
    for at in [i64::MIN, i64::MAX] {
        for text in
            ["x", "rate(x[5m] offset -1000y)", "max_over_time(x[1h:1m] offset 1000y)", "x @ -99999999999"]
        {
            let _ = Query::parse(text).expect("valid").instant(&fleet, at, &Options::default());
        }
    }
}

#[test]
fn time_runs_out() {
    let fleet = Fleet::new(1000, 600);
    let asked = Cell::new(0);
    let stop = || {
        asked.set(asked.get() + 1);
        asked.get() > 2
    };
    for slow in [
        "quantile_over_time(0.5, x[5m])",
        "deriv(x[5m])",
        "sum by (i) (x) / x",
        "topk(10, x)",
        "x and on () x",
        "label_replace(x, \"i\", \"$1\", \"i\", \"(.*)\")",
        "mad_over_time(x[5m])",
    ] {
        asked.set(0);
        let options = Options { stop: Some(&stop), ..Options::default() };
        assert_eq!(kind(slow, &fleet, &options), Some(Kind::Timeout), "{slow}");
        assert_eq!(asked.get(), 3, "{slow}: it went on after it was stopped");
    }
}

#[test]
fn depth_is_limited_before_the_stack_is() {
    let deep = [
        format!("{}1{}", "(".repeat(30_000), ")".repeat(30_000)),
        format!("{}x", "-".repeat(60_000)),
        format!("1{}", "+1".repeat(30_000)),
        format!("2{}", "^2".repeat(30_000)),
        "sum(".repeat(15_000),
        format!("x{}", "[1m:1m]".repeat(9_000)),
        "{".repeat(60_000),
    ];
    for text in deep {
        assert_eq!(Query::parse(&text).expect_err("too deep").kind, Kind::Parse);
    }
    // As deep as may be, evaluated.
    let fleet = Fleet::new(1, 10);
    let n = MAX_DEPTH - 1;
    for text in [
        format!("{}x{}", "(".repeat(n), ")".repeat(n)),
        format!("{}x", "-".repeat(n)),
        format!("x{}", " + x".repeat(n)),
        format!("{}x{}", "sum(".repeat(n), ")".repeat(n)),
    ] {
        let query = Query::parse(&text).unwrap_or_else(|e| panic!("{e}"));
        let output = query.instant(&fleet, 9_000, &Options::default()).unwrap_or_else(|e| panic!("{e}"));
        assert!(matches!(output.value, Answered::Vector(v) if v.len() == 1));
    }
    assert_eq!(fleet.asked.get(), 4, "the same selector is read once a query");
}

#[test]
fn patterns_are_limited() {
    for pattern in ["(a{1000}){1000}", "(", "[z-a]"] {
        let error = Query::parse(&format!("x{{i=~\"{pattern}\"}}")).expect_err(pattern);
        assert!(error.place.is_some_and(|p| p == (1, 3)), "{error}");
    }
    let text = "a".repeat(chasar_query::MAX_TEXT_BYTES + 1);
    assert!(Query::parse(&text).is_err());
}
