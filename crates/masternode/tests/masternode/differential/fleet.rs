//! What is stored and asked: series with gaps, resets and ends, and hundreds of queries over them.

use chasar_query::STALE;
use chasar_tsdb::Kind;

/// Seconds of samples.
pub(super) const SECONDS: i64 = 1_500;
/// The first sample, not on a whole second.
pub(super) const BEGIN_MS: i64 = 1_700_000_000_137;

/// A series.
pub(super) struct One {
    pub(super) name: &'static str,
    pub(super) labels: Vec<(&'static str, String)>,
    pub(super) kind: Kind,
    pub(super) samples: Vec<(i64, f64)>,
}

/// Counters that begin anew, gauges with gaps, a histogram, ones that say something in labels.
pub(super) fn fleet() -> Vec<One> {
    let mut state = 7_u64;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut all = Vec::new();
    let mut add =
        |name, labels: &[(&'static str, &str)], kind, mut value: Box<dyn FnMut(i64) -> Option<f64>>| {
            let samples = (0..SECONDS).filter_map(|s| Some((BEGIN_MS + s * 1000, value(s)?))).collect();
            let labels = labels.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
            all.push(One { name, labels, kind, samples });
        };
    for (at, instance) in ["a", "b", "c"].into_iter().enumerate() {
        let seed = random(1000) as i64;
        for (code, step) in [("200", 7), ("404", 2), ("500", 1)] {
            let labels = [("instance", instance), ("job", "chasar"), ("code", code)];
            let mut total = 0.0;
            let reset = 300 + 211 * at as i64 + 100 * step;
            let value = move |s: i64| {
                if s % reset == reset - 1 {
                    total = 0.0;
                }
                total += ((s * 7919 + seed) % (step * 3)) as f64;
                Some(total)
            };
            add("requests_total", &labels, Kind::Counter, Box::new(value));
        }
        for zone in ["cpu", "disk"] {
            let labels = [("instance", instance), ("job", "chasar"), ("zone", zone)];
            let gap = 400 + 100 * at as i64;
            let value = move |s: i64| {
                // Longer than a lookback of five minutes for one of them.
                let there = !(gap..gap + 50 * (at as i64 * 4 + 1)).contains(&s);
                // One says that it ends, the others just stop.
                if s == gap && at == 1 {
                    return Some(STALE);
                }
                there.then(|| ((s + seed) as f64 / 37.0).sin() * 20.0 + 45.0 - zone.len() as f64)
            };
            add("temperature", &labels, Kind::Gauge, Box::new(value));
        }
        for (le, part) in [("0.1", 2), ("0.5", 5), ("2.5", 9), ("+Inf", 10)] {
            let labels = [("instance", instance), ("job", "chasar"), ("le", le)];
            let value = move |s: i64| Some(((s + 1) * part * (at as i64 + 1) / 10) as f64);
            add("latency_bucket", &labels, Kind::Counter, Box::new(value));
        }
        let labels =
            [("instance", instance), ("job", "chasar"), ("version", if at == 0 { "1" } else { "2" })];
        add("build", &labels, Kind::Gauge, Box::new(|_| Some(1.0)));
    }
    all
}

pub(super) fn queries() -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let plain = [
        "requests_total",
        r#"temperature{zone="cpu"}"#,
        r#"{__name__=~"te.*|build",instance!="a"}"#,
        r#"requests_total{code!~"4.."}"#,
    ];
    let ranges = ["10s", "1m", "5m", "437s"];
    for function in ["sum", "avg", "min", "max", "count", "last", "present", "stddev", "stdvar"] {
        for range in ranges {
            for selector in plain {
                all.push(format!("{function}_over_time({selector}[{range}])"));
            }
        }
    }
    for function in ["rate", "increase", "delta", "irate", "idelta", "changes", "resets", "deriv"] {
        for range in ranges {
            for selector in ["requests_total", "temperature", r#"requests_total{instance="b"} offset 2m"#] {
                let (selector, offset) = selector.split_once(" offset").unwrap_or((selector, ""));
                let offset = if offset.is_empty() { String::new() } else { format!(" offset{offset}") };
                all.push(format!("{function}({selector}[{range}]{offset})"));
            }
        }
    }
    for aggregation in ["sum", "avg", "min", "max", "count", "stddev", "stdvar", "group"] {
        for grouping in ["", " by (instance)", " without (code, zone)", " by (code, nothing)"] {
            for inner in ["requests_total", "temperature", "rate(requests_total[1m])"] {
                all.push(format!("{aggregation}{grouping} ({inner})"));
            }
        }
    }
    for q in ["-1", "0", "0.37", "0.99", "1", "2"] {
        all.push(format!("quantile by (instance) ({q}, temperature)"));
        all.push(format!("quantile_over_time({q}, temperature[2m])"));
        all.push(format!("histogram_quantile({q}, rate(latency_bucket[2m]))"));
        all.push(format!("histogram_quantile({q}, sum by (le) (latency_bucket))"));
        all.push(format!("predict_linear(temperature[3m], {q} * 60)"));
    }
    for operator in ["+", "-", "*", "/", "%", "^", "==", "!=", ">", "<=", "> bool", "atan2"] {
        all.push(format!("temperature {operator} 40"));
        all.push(format!("3 {operator} temperature"));
        all.push(format!(r#"temperature{{zone="cpu"}} {operator} on (instance) temperature{{zone="disk"}}"#));
        all.push(format!("requests_total {operator} on (instance) group_left (version) build"));
        all.push(format!("requests_total {operator} ignoring (code) requests_total{{code=\"200\"}}"));
    }
    for operator in ["and", "or", "unless"] {
        all.push(format!("temperature {operator} on (instance) build{{version=\"2\"}}"));
        all.push(format!("requests_total > 900 {operator} requests_total{{code=\"200\"}}"));
    }
    for function in [
        "abs",
        "ceil",
        "floor",
        "exp",
        "ln",
        "log2",
        "log10",
        "sqrt",
        "sgn",
        "round",
        "sin",
        "cos",
        "tan",
        "atan",
        "sinh",
        "deg",
        "rad",
        "absent",
        "scalar",
        "timestamp",
        "minute",
        "hour",
        "day_of_week",
        "days_in_month",
    ] {
        all.push(format!(r#"{function}(temperature{{zone="cpu",instance="b"}})"#));
    }
    all.extend(
        [
            "topk(2, requests_total)",
            "bottomk by (instance) (1, temperature)",
            "count_values by (instance) (\"n\", round(temperature, 10))",
            "clamp(temperature, 30, 50)",
            "clamp_min(temperature, 44)",
            "label_replace(temperature, \"x\", \"$1-y\", \"instance\", \"(.*)\")",
            "label_join(temperature, \"x\", \"/\", \"instance\", \"zone\")",
            "absent_over_time(temperature{instance=\"c\",zone=\"cpu\"}[20s])",
            "absent(nothing{a=\"b\"})",
            "vector(time())",
            "-temperature",
            "temperature @ 1700000500",
            "temperature @ end()",
            "rate(requests_total[1m] @ start())",
            "temperature offset -30s",
            "max_over_time(rate(requests_total[1m])[5m:7s])",
            "sum_over_time(temperature[3m:11s] offset 1m)",
            "avg_over_time((temperature * 2)[2m:])",
            "sum(rate(requests_total{code=~\"5..\"}[1m])) / sum(rate(requests_total[1m]))",
            "1 - avg by (instance) (rate(requests_total{code=\"200\"}[1m]))",
            // What cannot be answered is refused alike.
            "requests_total + on (instance) temperature",
            "requests_total{",
            "rate(temperature)",
            "sum(temperature[1m])",
            "nothing(temperature)",
            "label_replace(temperature, \"a b\", \"\", \"x\", \"\")",
            "\"text\"",
        ]
        .map(str::to_owned),
    );
    all
}
