//! Any text is a query or refused with a place; what is a query ends within its limits, and gives
//! at an instant what it gives there in a range.
#![no_main]

use chasar_query::script::Memory;
use chasar_query::{Answered, Kind, Labels, Options, Query, STALE};

fn memory() -> Memory {
    let mut memory = Memory::default();
    for (name, host, step) in
        [("a", "x", 1.0), ("a", "y", -2.0), ("b_total", "x", 3.0), ("c_bucket", "x", 0.5)]
    {
        let value = |s: i64| match s {
            7 => f64::NAN,
            13 => STALE,
            19 => f64::INFINITY,
            s => (s % 23) as f64 * step,
        };
        let labels =
            Labels::new([("__name__", name), ("host", host), ("le", if step < 1.0 { "+Inf" } else { "" })]);
        memory.add(labels, (0..60).map(|s| (s * 10_000, value(s))));
    }
    memory
}

fn check(text: &str) {
    let query = match Query::parse(text) {
        Ok(query) => query,
        Err(error) => {
            assert!(error.kind == Kind::Parse && error.place.is_some());
            return;
        }
    };
    // Times after @ lose digits when they are far away.
    if !text.contains('@') {
        let line = query.to_string();
        let again = Query::parse(&line).unwrap_or_else(|e| panic!("{text:?} became {line:?}: {e}"));
        assert_eq!(again.tree_json(), query.tree_json(), "{text:?} became {line:?}");
    }
    let memory = memory();
    let options = Options { max_samples: 200_000, max_series: 1_000, ..Options::default() };
    let (start, step) = (60_000, 50_000);
    let range = query.range(&memory, start, start + 10 * step, step, &options);
    let instant = query.instant(&memory, start, &options);
    // start(), step() and the like know what they are in.
    let same =
        !["start", "end", "range", "step", "limit", "topk", "bottomk"].iter().any(|f| text.contains(f));
    if let (true, Ok(range), Ok(instant)) = (same, range, instant)
        && let (Answered::Matrix(series), Answered::Vector(samples)) = (range.value, instant.value)
    {
        let at_start = series.iter().filter(|s| s.samples.first().is_some_and(|(t, _)| *t == start)).count();
        assert_eq!(at_start, samples.len(), "{text}");
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        check(text);
    }
});
