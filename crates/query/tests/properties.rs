//! Properties that hold for any series: a range query is its instants, windows are what a walk over
//! the samples finds, and vectors match as comparing every pair says.

use chasar_query::script::Memory;
use chasar_query::{Answered, Labels, Options, Query, STALE, is_stale};
use proptest::prelude::*;

type Samples = Vec<(i64, f64)>;

/// Samples some seconds apart, with all that is special about floats and counters.
fn samples() -> impl Strategy<Value = Samples> {
    let value = prop_oneof![
        20 => (-1000..1000_i32).prop_map(f64::from),
        4 => (0..100_i32).prop_map(|v| f64::from(v) / 8.0),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(f64::NEG_INFINITY),
        2 => Just(STALE),
    ];
    prop::collection::vec((1..40_i64, value), 0..80).prop_map(|gaps| {
        let mut time = 0;
        gaps.into_iter()
            .map(|(gap, value)| {
                time += gap * 500;
                (time, value)
            })
            .collect()
    })
}

fn memory(series: &[Samples]) -> Memory {
    let mut memory = Memory::default();
    for (at, samples) in series.iter().enumerate() {
        let labels = [
            ("__name__", if at % 3 == 2 { "n" } else { "m" }.to_string()),
            ("i", at.to_string()),
            ("g", (at % 2).to_string()),
        ];
        memory.add(Labels::new(labels), samples.iter().copied());
    }
    memory
}

fn close(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-7 * (1.0 + a.abs().max(b.abs()))
}

const EXPRESSIONS: &[&str] = &[
    "m",
    "m offset 7s",
    "m @ 60",
    "rate(m[1m])",
    "increase(m[1m] offset 3s)",
    "delta(m[40s])",
    "irate(m[1m])",
    "idelta(m[1m])",
    "changes(m[1m])",
    "resets(m[1m])",
    "sum_over_time(m[1m])",
    "avg_over_time(m[1m])",
    "min_over_time(m[1m])",
    "max_over_time(m[1m])",
    "count_over_time(m[1m])",
    "present_over_time(m[10s])",
    "last_over_time(m[1m])",
    "first_over_time(m[1m])",
    "stddev_over_time(m[1m])",
    "stdvar_over_time(m[1m])",
    "mad_over_time(m[1m])",
    "quantile_over_time(0.3, m[1m])",
    "quantile_over_time(0.3, m[3s])",
    "ts_of_min_over_time(m[1m])",
    "ts_of_max_over_time(m[1m])",
    "deriv(m[1m])",
    "predict_linear(m[1m], 60)",
    "double_exponential_smoothing(m[1m], 0.5, 0.3)",
    "absent(m)",
    "absent_over_time(m[5s])",
    "timestamp(m)",
    "sum(m)",
    "avg by (g) (m)",
    "min by (g) (m)",
    "max without (i) (m)",
    "stddev(m)",
    "count_values(\"v\", m > 0)",
    "topk(2, m)",
    "bottomk by (g) (1, m)",
    "limitk(2, m)",
    "limit_ratio(0.5, m)",
    "quantile(0.7, m)",
    "m > 10",
    "m > bool 10",
    "m + on (i) m",
    "m and on (g) n",
    "m unless on (g) n",
    "m or n",
    "m * on (g) group_left () sum by (g) (n)",
    "m + on (i) fill (1) n",
    "max_over_time(m[40s:5s])",
    "sum_over_time(rate(m[20s])[40s:7s] offset 3s)",
    "scalar(n)",
    "time() + step() * 0",
];

fn values_at(output: &Answered, time_ms: i64) -> Vec<(Labels, f64)> {
    let mut found: Vec<(Labels, f64)> = match output {
        Answered::Scalar { value, .. } => vec![(Labels::default(), *value)],
        Answered::Vector(samples) => samples.iter().map(|s| (s.labels.clone(), s.value)).collect(),
        Answered::Matrix(series) => series
            .iter()
            .flat_map(|s| {
                s.samples.iter().filter(|(t, _)| *t == time_ms).map(|(_, v)| (s.labels.clone(), *v))
            })
            .collect(),
        Answered::Text { .. } => Vec::new(),
    };
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_range_is_its_instants(series in prop::collection::vec(samples(), 1..6), step in 1..20_i64) {
        let memory = memory(&series);
        let options = Options::default();
        let (start, end) = (1_000, 300_000);
        let step = step * 1_000;
        for text in EXPRESSIONS {
            let query = Query::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            let range = query.range(&memory, start, end, step, &options);
            let range = range.unwrap_or_else(|e| panic!("{text}: {e}"));
            for time in (start..=end).step_by(step as usize) {
                let instant = query.instant(&memory, time, &options);
                let instant = instant.unwrap_or_else(|e| panic!("{text}: {e}"));
                let (one, many) = (values_at(&instant.value, time), values_at(&range.value, time));
                let same = one.len() == many.len()
                    && one.iter().zip(&many).all(|(a, b)| a.0 == b.0 && close(a.1, b.1));
                prop_assert!(same, "{text} at {time}: {one:?} as an instant, {many:?} in a range");
            }
        }
    }

    #[test]
    fn windows_are_what_a_walk_finds(samples in samples(), step in 1..10_i64, range in 1..90_i64) {
        let memory = memory(std::slice::from_ref(&samples));
        let (step, range, end) = (step * 1_000, range * 1_000, 200_000);
        type Naive = fn(&[f64]) -> f64;
        let naive: [(&str, Naive); 5] = [
            ("count", |v| v.len() as f64),
            ("sum", |v| v.iter().sum()),
            ("min", |v| v.iter().copied().fold(f64::NAN, f64::min)),
            ("max", |v| v.iter().copied().fold(f64::NAN, f64::max)),
            ("last", |v| v[v.len() - 1]),
        ];
        for (name, of) in naive {
            let query = Query::parse(&format!("{name}_over_time(m[{range}ms])")).expect("it is valid");
            let output = query.range(&memory, 0, end, step, &Options::default()).expect("it runs");
            for time in (0..=end).step_by(step as usize) {
                let inside: Vec<f64> = samples
                    .iter()
                    .filter(|(t, v)| *t > time - range && *t <= time && !is_stale(*v))
                    .map(|(_, v)| *v)
                    .collect();
                let got: Vec<f64> = values_at(&output.value, time).into_iter().map(|(_, v)| v).collect();
                let wanted: Vec<f64> = if inside.is_empty() { Vec::new() } else { vec![of(&inside)] };
                let same = got.len() == wanted.len() && got.iter().zip(&wanted).all(|(a, b)| close(*a, *b));
                prop_assert!(same, "{name} at {time}: {got:?}, not {wanted:?} of {inside:?}");
            }
        }
    }

    #[test]
    fn vectors_match_as_every_pair_says(
        left in prop::collection::btree_map((0..3_u8, 0..3_u8), -5..5_i32, 0..9),
        right in prop::collection::btree_map((0..3_u8, 0..3_u8), -5..5_i32, 0..9),
        on in 0..3_usize,
    ) {
        let mut memory = Memory::default();
        for (name, side) in [("l", &left), ("r", &right)] {
            for ((a, b), value) in side {
                let labels = [("__name__", name.to_string()), ("a", a.to_string()), ("b", b.to_string())];
                memory.add(Labels::new(labels), [(0, f64::from(*value))]);
            }
        }
        let key = |(a, b): &(u8, u8)| match on { 0 => (*a, 9), 1 => (9, *b), _ => (*a, *b) };
        let names = ["a", "b", "a, b"][on];
        let run = |op: &str| {
            let text = format!("l {op} r");
            Query::parse(&text).expect("it is valid").instant(&memory, 0, &Options::default())
        };
        let count = |output: &Answered| values_at(output, 0).len();

        let matched = left.keys().filter(|l| right.keys().any(|r| key(r) == key(l))).count();
        let both = run(&format!("and on ({names})")).expect("sets always work");
        prop_assert_eq!(count(&both.value), matched);
        let lonely = run(&format!("unless on ({names})")).expect("sets always work");
        prop_assert_eq!(count(&lonely.value), left.len() - matched);
        let unmatched = right.keys().filter(|r| !left.keys().any(|l| key(r) == key(l))).count();
        let either = run(&format!("or on ({names})")).expect("sets always work");
        prop_assert_eq!(count(&either.value), left.len() + unmatched);

        let twice = |side: &std::collections::BTreeMap<(u8, u8), i32>| {
            side.keys().any(|x| side.keys().any(|y| x < y && key(x) == key(y)))
        };
        let grouped = run(&format!("- on ({names}) group_left ()"));
        if left.is_empty() || right.is_empty() {
            prop_assert_eq!(count(&grouped.expect("nothing matches nothing").value), 0);
        } else if twice(&right) {
            prop_assert!(grouped.is_err(), "duplicates on the one side must fail");
        } else {
            let got = values_at(&grouped.expect("the one side is unique").value, 0);
            let mut wanted = Vec::new();
            for (l, value) in &left {
                for (_, other) in right.iter().filter(|(r, _)| key(r) == key(l)) {
                    wanted.push((
                        Labels::new([("a", l.0.to_string()), ("b", l.1.to_string())]),
                        f64::from(value - other),
                    ));
                }
            }
            wanted.sort_by(|a, b| a.0.cmp(&b.0));
            prop_assert_eq!(got, wanted);
        }
    }

    #[test]
    fn the_best_are_what_sorting_finds(values in prop::collection::vec(-20..20_i32, 1..60), k in 0..40_usize) {
        let mut memory = Memory::default();
        for (at, value) in values.iter().enumerate() {
            let value = if *value == -20 { f64::NAN } else { f64::from(*value) };
            memory.add(Labels::new([("__name__", "x".to_string()), ("i", format!("{at:03}"))]), [(0, value)]);
        }
        let mut sorted: Vec<i32> = values.clone();
        for (name, largest) in [("topk", true), ("bottomk", false)] {
            // NaN comes last in both.
            let key = |v: &i32| (*v == -20, if largest { -*v } else { *v });
            sorted.sort_by_key(key);
            let query = Query::parse(&format!("{name}({k}, x)")).expect("it is valid");
            let output = query.instant(&memory, 0, &Options::default()).expect("it runs");
            let Answered::Vector(samples) = output.value else { panic!("not a vector") };
            let got: Vec<i32> =
                samples.iter().map(|s| if s.value.is_nan() { -20 } else { s.value as i32 }).collect();
            prop_assert_eq!(&got[..], &sorted[..k.min(sorted.len())], "{}", name);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[a-z(){}\\[\\]\"'=~!<>+*/^%@:, 0-9.\\-]{0,60}") {
        if let Err(error) = Query::parse(&text) {
            prop_assert!(error.place.is_some(), "{text:?}: {error} has no place");
        }
    }
}
