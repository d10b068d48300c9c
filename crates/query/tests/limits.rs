//! Hostile queries end with a limit's error, in little time and memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use chasar_query::{
    Answer, Answered, Budget, Fold, Kind, Labels, MAX_DEPTH, Options, Query, Read, Request, Result, Samples,
    Source, Take,
};

/// Many series with a sample a second.
struct Fleet {
    series: usize,
    times_ms: Arc<Vec<i64>>,
    values: Arc<Vec<f64>>,
    asked: AtomicUsize,
}

impl Fleet {
    fn new(series: usize, seconds: i64) -> Fleet {
        let times_ms = Arc::new((0..seconds).map(|s| s * 1000).collect());
        let values = Arc::new((0..seconds).map(|s| s as f64).collect());
        Fleet { series, times_ms, values, asked: AtomicUsize::new(0) }
    }
}

impl Source for Fleet {
    fn select(&self, _: &Request<'_>) -> Result<Answer> {
        self.asked.fetch_add(1, Relaxed);
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
    // Scalars are columns as well.
    let chain = ["1"; 60].join("^");
    for hostile in [
        format!("max_over_time(vector({chain}^time())[19999s:1s])"),
        format!("vector({}time())", "time() + ".repeat(60)),
        format!("vector(scalar(x{{i=\"1\"}}) {})", "+ pi()".repeat(60)),
    ] {
        let options = Options { max_samples: 30_000, ..Options::default() };
        let few = Fleet::new(1, 10);
        assert_eq!(kind(&hostile, &few, &options), Some(Kind::Limit), "{hostile}");
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

/// `many` has 100 series with all samples; each of 600 series of `one` has a sample at its own step.
struct Churn;

impl Source for Churn {
    fn select(&self, request: &Request<'_>) -> Result<Answer> {
        let all: Vec<i64> = (0..=600).map(|s| s * 1000).collect();
        let many = request.matchers.iter().any(|m| m.value == "many");
        let series = (0..if many { 100 } else { 600 })
            .map(|i| {
                let times_ms = if many { all.clone() } else { vec![i * 1000] };
                let labels = if many {
                    Labels::new([("i", i.to_string())])
                } else {
                    Labels::new([("pid", i.to_string())])
                };
                Samples { labels, values: Arc::new(vec![1.0; times_ms.len()]), times_ms: Arc::new(times_ms) }
            })
            .collect();
        Ok(Answer { series, tier: "raw", ..Answer::default() })
    }
}

#[test]
fn pairs_of_series_that_change_are_limited() {
    let run = |text: &str, options: &Options<'_>| {
        Query::parse(text).expect("valid").range(&Churn, 0, 600_000, 1_000, options)
    };
    let options = Options { max_samples: 1_000_000, lookback_ms: 500, ..Options::default() };
    let pairs =
        run("many * on () group_left (pid) one", &options).map(|o| o.stats).expect_err("60,000 series");
    assert_eq!(pairs.kind, Kind::Limit);
    let Answered::Matrix(series) = run("many * on () group_left () one", &options).expect("100 series").value
    else {
        panic!("a range query gives a matrix")
    };
    assert_eq!((series.len(), series[0].samples.len()), (100, 600));
    let asked = AtomicUsize::new(0);
    let stop = || asked.fetch_add(1, Relaxed) >= 6;
    let options = Options { lookback_ms: 500, stop: Some(&stop), ..Options::default() };
    // Nothing compares true, so nothing is held.
    let slow = run("many > on () group_left (pid) one", &options).map(|o| o.stats).expect_err("stopped");
    assert_eq!((slow.kind, asked.load(Relaxed)), (Kind::Timeout, 7));
}

#[test]
fn text_of_labels_is_limited() {
    let fleet = Fleet::new(100, 10);
    // Doubles the text of a label, which then is longer than any replacement of it may be.
    let doubled = |times: usize| {
        let (front, back) = ("label_join(".repeat(times), ", \"i\", \"-\", \"i\", \"i\")".repeat(times));
        format!("{front}x{back}")
    };
    let run = |text: &str, options: &Options<'_>| {
        let query = Query::parse(text).expect("valid");
        query.instant(&fleet, 0, options).map(|o| o.stats).map_err(|e| (e.kind, e.to_string()))
    };
    let small = Options { max_samples: 20_000, ..Options::default() };
    assert!(run(&doubled(3), &small).is_ok());
    assert_eq!(run(&doubled(10), &small).expect_err("more text than samples").0, Kind::Limit);
    let (kind, message) = run(&doubled(20), &Options::default()).expect_err("too long a value");
    assert!(kind == Kind::Execution && message.contains("a label's value has up to"), "{message}");
    let grown = format!("label_replace({}, \"j\", \"{}\", \"i\", \".*\")", doubled(12), "$0".repeat(10_000));
    let started = std::time::Instant::now();
    let (kind, message) = run(&grown, &Options::default()).expect_err("too long a value");
    assert!(kind == Kind::Execution && message.contains("more than 1048576"), "{message}");
    assert!(started.elapsed().as_secs() < 10, "it was made before it was refused");
    // Prometheus' users join labels of a few letters.
    let joined = "label_replace(x, \"j\", \"${1}-$1\", \"i\", \"(.*)\")";
    assert!(run(joined, &small).is_ok());
}

#[test]
fn notes_of_many_steps_are_limited() {
    let fleet = Fleet::new(2, 10);
    for text in [
        "quantile(2 + time(), x)",
        "quantile_over_time(2 + time(), x[5s])",
        "histogram_quantile(2 + time(), x)",
        "limit_ratio(2 + time(), x)",
    ] {
        let query = Query::parse(text).expect("valid");
        let output = query.range(&fleet, 0, 3_000_000, 1_000, &Options::default()).expect(text);
        assert_eq!(output.warnings.len(), 100, "{text}");
    }
}

/// A counter that loses more than whole numbers can tell, and values that overflow sums.
struct Huge;

impl Source for Huge {
    fn select(&self, _: &Request<'_>) -> Result<Answer> {
        let times_ms: Vec<i64> = (0..5_000).map(|s| s * 1000).collect();
        let values = times_ms.iter().map(|t| if t % 2_000 == 0 { 1.7e308 } else { 1e308 }).collect();
        let labels = Labels::new([("__name__", "x_total")]);
        let series = vec![Samples { labels, times_ms: Arc::new(times_ms), values: Arc::new(values) }];
        Ok(Answer { series, tier: "raw", ..Answer::default() })
    }
}

#[test]
fn windows_that_cannot_slide_ask_for_time() {
    for text in ["rate(x_total[1h])", "avg_over_time(x_total[1h])"] {
        let asked = AtomicUsize::new(0);
        let stop = || asked.fetch_add(1, Relaxed) >= 2;
        let options = Options { stop: Some(&stop), ..Options::default() };
        let query = Query::parse(text).expect("valid");
        let error = query.range(&Huge, 0, 4_999_000, 1_000, &options).map(|o| o.stats).expect_err(text);
        assert_eq!((error.kind, asked.load(Relaxed)), (Kind::Timeout, 3), "{text}");
    }
    let query = Query::parse("avg_over_time(x_total[1m])").expect("valid");
    let output = query.range(&Huge, 60_000, 120_000, 1_000, &Options::default()).expect("it runs");
    let Answered::Matrix(series) = output.value else { panic!("a range query gives a matrix") };
    assert!(series[0].samples.iter().all(|(_, v)| (1.34e308..1.36e308).contains(v)), "{:?}", series[0]);
}

/// Answers while others are under way: it asks what else holds, as many queries at once would.
struct Beside<'a> {
    fleet: Fleet,
    budget: &'a Budget,
    held: AtomicU64,
}

impl Source for Beside<'_> {
    fn select(&self, request: &Request<'_>) -> Result<Answer> {
        self.held.fetch_max(self.budget.held(), Relaxed);
        self.fleet.select(request)
    }
}

#[test]
fn all_queries_together_hold_so_much_and_give_it_back() {
    let budget = Budget::new(150_000);
    let options = Options { budget: Some(&budget), ..Options::default() };
    let fleet = || Fleet::new(100, 600);
    // 60,000 read and 60,100 made; none of it stays.
    for _ in 0..5 {
        assert_eq!(kind("x", &fleet(), &options), None);
        assert_eq!(budget.held(), 0);
    }
    // Another query holds 40,000 of them.
    let other = Budget::new(u64::MAX);
    let beside = Beside { fleet: fleet(), budget: &budget, held: AtomicU64::new(0) };
    let run = |text: &str, source: &dyn Source, options: &Options<'_>| {
        Query::parse(text).expect("valid").range(source, 0, 600_000, 1_000, options).map_err(|e| e.kind)
    };
    // What the left side made is held while the right side is read.
    assert_eq!(run("x + on (i) max_over_time({i=~\".+\"}[1s])", &beside, &options).err(), Some(Kind::Busy));
    assert_eq!(beside.held.load(Relaxed), 601 + 60_100, "the step column and the left side");
    assert_eq!(budget.held(), 0, "what failed holds nothing");
    let wide = Options { budget: Some(&other), ..Options::default() };
    assert!(run("x + on (i) max_over_time({i=~\".+\"}[1s])", &beside, &wide).is_ok());
    assert_eq!(other.held(), 0);
}

/// Hands on a series at a time, from two threads.
struct Threads(usize);

impl Source for Threads {
    fn select(&self, _: &Request<'_>) -> Result<Answer> {
        panic!("all at once is more than is allowed")
    }

    fn stream(&self, request: &Request<'_>, take: &Take<'_>) -> Result<Read> {
        let part = |first: usize| -> Result<()> {
            for at in (first..self.0).step_by(2).rev() {
                let one = Fleet::new(1, 600).select(request)?.series.remove(0);
                let labels = Labels::new([("__name__", "x".to_string()), ("i", format!("{at:04}"))]);
                take(at, vec![Samples { labels, ..one }], false)?;
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let beside = scope.spawn(|| part(1));
            part(0)?;
            beside.join().expect("it does not panic")
        })?;
        Ok(Read { tier: "raw", ..Read::default() })
    }
}

#[test]
fn series_are_worked_on_as_they_come_and_put_in_order() {
    let options = Options { max_samples: 4_000, ..Options::default() };
    let query = Query::parse("max_over_time(x[10s])").expect("valid");
    let output = query.range(&Threads(1_000), 100_000, 101_000, 1_000, &options).expect("600,000 pass by");
    assert_eq!((output.stats.samples, output.stats.series), (600_000, 1_000));
    // A column of values for each, and what two threads have at hand.
    assert!(output.stats.held <= 2 + 2_000 + 2 * 600, "{}", output.stats.held);
    let Answered::Matrix(series) = output.value else { panic!("a range query gives a matrix") };
    let names: Vec<_> = series.iter().map(|s| s.labels.get("i").unwrap_or_default().to_owned()).collect();
    assert_eq!(names, (0..1_000).map(|at| format!("{at:04}")).collect::<Vec<_>>());
    let sum = Query::parse("sum(rate(x[10s]))").expect("valid");
    let sum = sum.instant(&Threads(1_000), 300_000, &options).expect("one column").value;
    let Answered::Vector(sum) = sum else { panic!("an instant vector") };
    assert!((sum[0].value - 1_000.0).abs() < 1e-6, "{sum:?}");
    // More than is allowed at a time is refused as it comes.
    let tight = Options { max_samples: 1_000, ..Options::default() };
    let refused = query.range(&Threads(1_000), 100_000, 101_000, 1_000, &tight).map(|o| o.stats);
    assert_eq!(refused.expect_err("2,000 values are made").kind, Kind::Limit);
}

#[test]
fn time_runs_out() {
    let fleet = Fleet::new(1000, 600);
    let asked = AtomicUsize::new(0);
    let stop = || asked.fetch_add(1, Relaxed) >= 2;
    for slow in [
        "quantile_over_time(0.5, x[5m])",
        "deriv(x[5m])",
        "sum by (i) (x) / x",
        "topk(10, x)",
        "x and on () x",
        "label_replace(x, \"i\", \"$1\", \"i\", \"(.*)\")",
        "mad_over_time(x[5m])",
    ] {
        asked.store(0, Relaxed);
        let options = Options { stop: Some(&stop), ..Options::default() };
        assert_eq!(kind(slow, &fleet, &options), Some(Kind::Timeout), "{slow}");
        assert_eq!(asked.load(Relaxed), 3, "{slow}: it went on after it was stopped");
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
    assert_eq!(fleet.asked.load(Relaxed), 4, "the same selector is read once a query");
}

#[test]
fn patterns_are_limited() {
    for pattern in ["(a{1000}){1000}", "(", "[z-a]"] {
        let error = Query::parse(&format!("x{{i=~\"{pattern}\"}}")).expect_err(pattern);
        assert!(error.place.is_some_and(|p| p == (1, 3)), "{error}");
    }
    let text = "a".repeat(chasar_query::MAX_TEXT_BYTES + 1);
    assert!(Query::parse(&text).is_err());
    // Of different patterns a query has 64, of large ones fewer; the same one counts once.
    let many = |count: usize, pattern: &dyn Fn(usize) -> String| {
        let selectors: Vec<String> = (0..count).map(|i| format!("x{{i=~\"{}\"}}", pattern(i))).collect();
        Query::parse(&format!("min_of(0, 1) + ({})", selectors.join(" or "))).map(drop)
    };
    let small = |i: usize| format!("web.*{i}");
    assert!(many(64, &small).is_ok());
    let error = many(65, &small).expect_err("too many");
    assert!(error.to_string().contains("regular expressions of the query compile to more"), "{error}");
    let large = |i: usize| format!("[a-z]{{{}}}", 7_000 + i);
    assert!(many(1, &large).is_ok() && many(10, &large).is_err());
    assert!(many(90, &|_| "[a-z]{7000}".into()).is_ok());
    let fleet = Fleet::new(1, 10);
    let replaced = |count: usize| {
        let calls: Vec<String> =
            (0..count).map(|i| format!("label_replace(x, \"a\", \"\", \"i\", \"{i}.*\")")).collect();
        let text = calls.join(" or ");
        Query::parse(&text).expect("valid").instant(&fleet, 0, &Options::default())
    };
    assert!(replaced(64).is_ok());
    let error = replaced(65).map(|o| o.stats).expect_err("too many");
    assert!(error.to_string().contains("regular expressions of the query compile to more"), "{error}");
}

/// Gives sums of minutes where it may.
struct Rolled;

impl Source for Rolled {
    fn select(&self, request: &Request<'_>) -> Result<Answer> {
        let raw: Vec<(i64, f64)> = (0..3600).map(|s| (s * 1000, (s % 7) as f64)).collect();
        let labels = Labels::new([("__name__", "x")]);
        let minutes = |ms: i64| ms % 60_000 == 0;
        let hints = request.hints;
        // Windows are open on the left, so minutes are as well.
        let whole = minutes(hints.range_ms) && minutes(hints.step_ms) && minutes(hints.first_ms);
        let (tier, folded, samples) = match hints.fold.filter(|_| whole) {
            None => ("raw", false, raw),
            Some(fold) => {
                let of = |minute: &[(i64, f64)]| {
                    let values = minute.iter().map(|(_, v)| *v);
                    match fold {
                        Fold::Min => values.fold(f64::INFINITY, f64::min),
                        Fold::Max => values.fold(f64::NEG_INFINITY, f64::max),
                        Fold::Sum => values.sum(),
                        Fold::Count => values.count() as f64,
                    }
                };
                let chunks = raw[1..].chunks(60).map(|m| (m[m.len() - 1].0, of(m)));
                ("minute", true, chunks.collect())
            }
        };
        let (times, values) = samples.into_iter().unzip();
        let series = vec![Samples { labels, times_ms: Arc::new(times), values: Arc::new(values) }];
        Ok(Answer { series, tier, folded, ..Answer::default() })
    }
}

#[test]
fn rolled_up_data_gives_the_same() {
    for name in ["min", "max", "sum", "count"] {
        let text = format!("{name}_over_time(x[5m])");
        let query = Query::parse(&text).expect("valid");
        let run =
            |step| query.range(&Rolled, 600_000, 3_000_000, step, &Options::default()).expect("it runs");
        let (rolled, exact) = (run(60_000), run(30_000));
        assert_eq!((rolled.stats.tiers, exact.stats.tiers), (vec!["minute"], vec!["raw"]), "{text}");
        let (Answered::Matrix(rolled), Answered::Matrix(exact)) = (rolled.value, exact.value) else {
            panic!("a range query gives a matrix")
        };
        for (time, value) in &rolled[0].samples {
            assert!(exact[0].samples.contains(&(*time, *value)), "{text} at {time}: {value}");
        }
    }
    // An average cannot be made of averages, nor can two functions share what is folded for one.
    for text in ["avg_over_time(x[5m])", "min_over_time(x[5m]) + max_over_time(x[5m])", "x"] {
        let output = Query::parse(text).expect("valid").instant(&Rolled, 600_000, &Options::default());
        assert_eq!(output.expect("it runs").stats.tiers, ["raw"], "{text}");
    }
}
