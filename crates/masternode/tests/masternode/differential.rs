//! The same samples in Debian's Prometheus and in a masternode's history: hundreds of queries over
//! both HTTP APIs give the same.
//!
//! Prometheus 2 includes the beginning of a window, Prometheus 3 (and so we) not; no sample here lies on
//! the edge of a window, so that it makes no difference. Names that only one of them knows are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use chasar_masternode::{Masternode, Running};
use chasar_tsdb::storage::Disk;
use chasar_tsdb::{Kind, Labels, NAME, Store};
use serde_json::Value;

use crate::site::{ask, config, until};

/// Seconds of samples.
const SECONDS: i64 = 1_500;
/// The first sample, not on a whole second.
const BEGIN_MS: i64 = 1_700_000_000_137;
/// Results may differ by so much of their size, and by so little at all.
const RELATIVE: f64 = 1e-9;
const ABSOLUTE: f64 = 1e-9;

/// What Prometheus 3 does otherwise than 2.42, and why; everything else has to be the same.
const KNOWN: &[(&str, &str)] = &[
    ("rate(requests_total[5m])", NEAR_ZERO),
    ("rate(requests_total[437s])", NEAR_ZERO),
    ("increase(requests_total[5m])", NEAR_ZERO),
    ("increase(requests_total[437s])", NEAR_ZERO),
    ("rate(temperature[437s])", NEAR_ZERO),
    ("increase(temperature[437s])", NEAR_ZERO),
    ("temperature atan2 40", ATAN2),
    ("3 atan2 temperature", ATAN2),
    ("requests_total atan2 on (instance) group_left (version) build", ATAN2),
    ("label_replace(temperature, \"a b\", \"\", \"x\", \"\")", "names of labels may be any text"),
    ("requests_total == ignoring (code) requests_total{code=\"200\"}", CARDINALITY),
    ("requests_total > ignoring (code) requests_total{code=\"200\"}", CARDINALITY),
];
const CARDINALITY: &str = "several on one side are an error before it is looked at which compare true";
const NEAR_ZERO: &str = "a counter that begins within the window is extrapolated back by half a step at most";
const ATAN2: &str = "the result of atan2 has no name";

struct One {
    name: &'static str,
    labels: Vec<(&'static str, String)>,
    kind: Kind,
    samples: Vec<(i64, f64)>,
}

/// Counters that begin anew, gauges with gaps, a histogram, ones that say something in labels.
fn fleet() -> Vec<One> {
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

fn queries() -> Vec<String> {
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

/// Prometheus with these samples as a block.
struct Prometheus {
    address: SocketAddr,
    child: Child,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    fn start(folder: &Path, fleet: &[One]) -> Prometheus {
        let mut text = String::new();
        let mut families: BTreeMap<&str, Vec<&One>> = BTreeMap::new();
        fleet.iter().for_each(|one| families.entry(one.name).or_default().push(one));
        for (name, series) in families {
            writeln!(text, "# TYPE {name} unknown").unwrap();
            for one in series {
                let labels: Vec<String> = one.labels.iter().map(|(n, v)| format!("{n}=\"{v}\"")).collect();
                for (time, value) in &one.samples {
                    let (seconds, ms) = (time / 1000, time % 1000);
                    writeln!(text, "{name}{{{}}} {value} {seconds}.{ms:03}", labels.join(",")).unwrap();
                }
            }
        }
        text.push_str("# EOF\n");
        let (input, data, empty) = (folder.join("samples"), folder.join("data"), folder.join("empty.yml"));
        std::fs::write(&input, text).unwrap();
        std::fs::write(&empty, "{}").unwrap();
        let mut promtool = program("CHASAR_TEST_PROMTOOL", "promtool");
        let made = promtool.args(["tsdb", "create-blocks-from", "openmetrics", "-q"]).args([&input, &data]);
        let made = made.output().expect("promtool runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut child = program("CHASAR_TEST_PROMETHEUS", "prometheus")
            .arg(format!("--config.file={}", empty.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .args(["--web.listen-address=127.0.0.1:0", "--storage.tsdb.retention.time=100y"])
            .arg(format!("--web.console.templates={}", folder.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Prometheus runs; cargo xtask test prepares it");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut before = Vec::new();
        let address = lines.by_ref().find_map(|line| {
            let address =
                line.split_once("\"Listening on\" address=").and_then(|(_, rest)| rest.trim().parse().ok());
            before.push(line);
            address
        });
        let address = address.unwrap_or_else(|| panic!("Prometheus did not come up: {before:#?}"));
        // It must not wait for somebody who reads what it says.
        std::thread::spawn(move || lines.for_each(drop));
        let prometheus = Prometheus { address, child };
        until("Prometheus to be ready", || match get(address, "/-/ready") {
            (200, _) => Ok(()),
            (status, body) => Err(format!("{status} {body}")),
        });
        prometheus
    }
}

fn program(variable: &str, name: &str) -> Command {
    Command::new(std::env::var_os(variable).unwrap_or(name.into()))
}

fn masternode(folder: &Path, fleet: &[One]) -> Running {
    let mut config = config(folder);
    let history = config.history.as_mut().unwrap();
    let ever = Duration::from_secs(100 * 365 * 86_400);
    (history.raw, history.minutes, history.hours) = (ever, ever, ever);
    std::fs::create_dir_all(&history.folder).unwrap();
    let (store, _) = Store::open(Arc::new(Disk::open(&history.folder).unwrap()), history.options()).unwrap();
    let mut writer = store.writer().unwrap();
    let mut handles = Vec::new();
    for one in fleet {
        let labels = one.labels.iter().map(|(n, v)| (*n, v.as_str())).chain([(NAME, one.name)]);
        handles.push((writer.series(&Labels::new(labels).unwrap(), one.kind), one.samples.iter().peekable()));
    }
    for second in 0..SECONDS {
        let now_ms = BEGIN_MS + second * 1000;
        for (series, samples) in &mut handles {
            if let Some((time, value)) = samples.next_if(|(time, _)| *time == now_ms) {
                writer.sample(series, *time, *value);
            }
        }
        // Most of it is in files then, the newest in the log.
        if second % 60 == 59 {
            writer.commit(now_ms).unwrap();
            store.maintain(now_ms).unwrap();
        }
    }
    writer.commit(BEGIN_MS + SECONDS * 1000).unwrap();
    drop(writer);
    drop(store);
    Masternode::start(config).unwrap()
}

fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let answer = ask(address, &format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n"));
    (answer.status, answer.body)
}

/// A result: each series with its points, or what kind of error there was.
type Points = BTreeMap<String, Vec<(f64, f64)>>;

fn points(address: SocketAddr, path: &str) -> Result<Points, (u16, String)> {
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

fn difference(
    ours: &Result<Points, (u16, String)>,
    theirs: &Result<Points, (u16, String)>,
) -> Option<String> {
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

#[test]
fn answers_are_those_of_prometheus() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = fleet();
    let prometheus = Prometheus::start(folder.path(), &fleet);
    let state = folder.path().join("masternode");
    let running = masternode(&state, &fleet);
    let address = running.addresses().http.unwrap();
    let (mut compared, mut numbers, mut wrong) = (0, 0, Vec::new());
    let mut seen = BTreeSet::new();
    for query in queries() {
        let text: String = query.bytes().map(|b| format!("%{b:02X}")).collect();
        // Off the grid of subqueries' steps, so that none of their points lies on an edge.
        let instant = format!("/api/v1/query?query={text}&time=1700000961.5");
        let range = format!("/api/v1/query_range?query={text}&start=1700000150.5&end=1700001790.5&step=77");
        for path in [instant, range] {
            let (ours, theirs) = (points(address, &path), points(prometheus.address, &path));
            compared += 1;
            numbers += theirs.as_ref().map_or(0, |t| t.values().map(Vec::len).sum());
            if let Some(difference) = difference(&ours, &theirs) {
                if let Some((known, _)) = KNOWN.iter().find(|(known, _)| *known == query) {
                    seen.insert(*known);
                    continue;
                }
                let kind = path[8..].split('?').next().unwrap_or_default().to_owned();
                wrong.push(format!("{kind} {query}: {difference}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
    let gone: Vec<_> = KNOWN.iter().filter(|(known, _)| !seen.contains(known)).collect();
    assert!(gone.is_empty(), "these do not differ any more: {gone:#?}");
    assert!(compared > 600 && numbers > 20_000, "only {numbers} numbers of {compared} queries");
    running.stop(Duration::from_secs(10)).unwrap();
}
