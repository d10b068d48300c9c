//! Prometheus' HTTP API over the history: shapes, errors, limits, and clients made for Prometheus.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use chasar_masternode::Masternode;
use serde_json::{Value, json};

use crate::site::{Answer, PATIENCE, Site, ask, config, report, until};

/// What a host can say as its name.
const HOSTILE: &str = "a\"b\\c\n{d}";

struct Asked {
    site: Site,
    /// When the first sample was taken, on a whole second.
    begin_ms: i64,
}

/// Two nodes that said 10 seconds of numbers, all of them stored.
fn asked() -> Asked {
    let site = Site::start();
    let mut node = site.node();
    let now_ms = report("x", "s", 0).sampled_at_ms.unwrap();
    let begin_ms = now_ms / 1000 * 1000 - 20_000;
    for i in 0..10 {
        for (id, name) in [("n1", "alpha"), ("n2", HOSTILE)] {
            let mut report = report(id, "s", i);
            report.hostname = name.into();
            report.sampled_at_ms = Some(begin_ms + i64::try_from(i).unwrap() * 1000);
            report.disk.total_bytes = Some(100 + i);
            node.report(&report);
        }
    }
    let asked = Asked { site, begin_ms };
    until("all samples in the store", || {
        let count = asked.value("sum(count_over_time(chasar_root_disk_size_bytes[1m]))");
        if count == json!("20") { Ok(()) } else { Err(count.to_string()) }
    });
    asked
}

impl Asked {
    fn json(&self, path: &str) -> (u16, Value) {
        read(&self.site.get(path, ""))
    }

    #[track_caller]
    fn data(&self, path: &str) -> Value {
        let (status, mut answer) = self.json(path);
        assert_eq!((status, &answer["status"]), (200, &json!("success")), "{path}: {answer}");
        answer["data"].take()
    }

    /// The value of a query that gives one, at the last sample: seconds later the nodes are down and
    /// their series have ended.
    fn value(&self, query: &str) -> Value {
        let at = self.begin() + 9;
        let data = self.data(&format!("/api/v1/query?query={}&time={at}", encoded(query)));
        data.pointer("/result/0/value/1").cloned().unwrap_or_default()
    }

    fn post(&self, path: &str, form: &str, headers: &str) -> Answer {
        let address = self.site.running.addresses().http.unwrap();
        let length = form.len();
        ask(
            address,
            &format!(
                "POST {path} HTTP/1.0\r\nHost: {address}\r\n{headers}Content-Type: application/x-www-form-urlencoded\r\n\
                 Content-Length: {length}\r\n\r\n{form}"
            ),
        )
    }

    fn begin(&self) -> i64 {
        self.begin_ms / 1000
    }
}

fn read(answer: &Answer) -> (u16, Value) {
    assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    (answer.status, serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{e}: {answer:?}")))
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

#[test]
fn queries_have_prometheus_shapes() {
    let asked = asked();
    let at = asked.begin() + 5;
    let name = encoded(r#"chasar_root_disk_size_bytes{instance="alpha"}"#);
    assert_eq!(
        asked.data(&format!("/api/v1/query?query={name}&time={at}.5")),
        json!({"resultType": "vector", "result": [{
            "metric": {"__name__": "chasar_root_disk_size_bytes", "instance": "alpha", "job": "chasar"},
            "value": [at as f64 + 0.5, "105"],
        }]})
    );
    // The text itself: whole seconds have no decimals, others three.
    let body = asked.site.get(&format!("/api/v1/query?query={name}&time={at}.5"), "").body;
    assert!(body.contains(&format!("[{at}.500,\"105\"]")), "{body}");
    let (from, to) = (asked.begin(), asked.begin() + 4);
    let range = format!("/api/v1/query_range?query={name}&start={from}&end={to}&step=2");
    assert_eq!(
        asked.data(&range),
        json!({"resultType": "matrix", "result": [{
            "metric": {"__name__": "chasar_root_disk_size_bytes", "instance": "alpha", "job": "chasar"},
            "values": [[from, "100"], [from + 2, "102"], [from + 4, "104"]],
        }]})
    );
    assert_eq!(
        asked.data("/api/v1/query?query=1%2B1&time=10"),
        json!({"resultType": "scalar", "result": [10, "2"]})
    );
    assert_eq!(
        asked.data("/api/v1/query?query=%22x%22&time=1970-01-01T00:00:10Z"),
        json!({"resultType": "string", "result": [10, "x"]})
    );
    assert_eq!(
        asked.data("/api/v1/query?query=vector(1)/0&time=10")["result"][0]["value"],
        json!([10, "+Inf"])
    );
    let empty = json!({"resultType": "vector", "result": []});
    assert_eq!(asked.data("/api/v1/query?query=nothing"), empty);
    let window = encoded(r#"chasar_root_disk_size_bytes{instance="alpha"}[3s]"#);
    let raw = asked.data(&format!("/api/v1/query?query={window}&time={}", from + 3));
    assert_eq!(raw["result"][0]["values"], json!([[from + 1, "101"], [from + 2, "102"], [from + 3, "103"]]));
    // Names of hosts come back as they are.
    let hostile = asked.value("count by (instance) (chasar_root_disk_size_bytes{instance!=\"alpha\"})");
    assert_eq!(hostile, json!("1"));
    let stats = asked.data(&format!("{range}&stats=all"))["stats"].take();
    assert_eq!((&stats["tiers"], &stats["series"]), (&json!(["raw"]), &json!(1)));
    assert!(stats["samples"]["totalQueryableSamples"].as_u64() >= Some(5), "{stats}");
    assert!(stats["timings"]["evalTotalTime"].is_number(), "{stats}");
    let (_, limited) =
        asked.json(&format!("/api/v1/query?query=chasar_root_disk_size_bytes&time={at}&limit=1"));
    assert_eq!(limited["data"]["result"].as_array().unwrap().len(), 1);
    assert_eq!(limited["warnings"], json!(["results truncated due to limit"]));
    let (_, informed) =
        asked.json(&format!("/api/v1/query?query=rate(chasar_root_disk_size_bytes%5B9s%5D)&time={at}"));
    assert!(
        informed["infos"][0].as_str().is_some_and(|i| i.contains("might not be a counter")),
        "{informed}"
    );
}

#[test]
fn errors_say_what_is_wrong_with_prometheus_status() {
    let asked = asked();
    let range = |rest: &str| format!("/api/v1/query_range?query=up&{rest}");
    for (path, status, kind, words) in [
        ("/api/v1/query?query=up%7B".to_owned(), 400, "bad_data", "invalid parameter \"query\": 1:"),
        ("/api/v1/query".to_owned(), 400, "bad_data", "invalid parameter \"query\""),
        (
            "/api/v1/query?query=up&time=x".to_owned(),
            400,
            "bad_data",
            "invalid parameter \"time\": cannot parse \"x\" to a valid timestamp",
        ),
        (
            "/api/v1/query?query=up&timeout=x".to_owned(),
            400,
            "bad_data",
            "cannot parse \"x\" to a valid duration",
        ),
        ("/api/v1/query?query=up&timeout=0".to_owned(), 503, "timeout", "timed out"),
        ("/api/v1/query?query=up&limit=-1".to_owned(), 400, "bad_data", "limit"),
        ("/api/v1/query?query=up&lookback_delta=x".to_owned(), 400, "bad_data", "lookback delta"),
        (range("start=0&end=10"), 400, "bad_data", "invalid parameter \"step\""),
        (range("start=0&end=10&step=0"), 400, "bad_data", "zero or negative query resolution step"),
        (range("start=10&end=0&step=1"), 400, "bad_data", "end timestamp must not be before start time"),
        (range("start=0&end=11001&step=1"), 400, "bad_data", "exceeded maximum resolution of 11,000 points"),
        (
            format!(
                "/api/v1/query?time={}&query={}",
                asked.begin() + 5,
                encoded("chasar_root_disk_size_bytes + on(job) chasar_root_disk_size_bytes")
            ),
            422,
            "execution",
            "many-to-many matching not allowed",
        ),
        (
            "/api/v1/query?query=count_over_time(up%5B10y:1ms%5D)".to_owned(),
            422,
            "execution",
            "too many samples",
        ),
        ("/api/v1/series".to_owned(), 400, "bad_data", "no match[] parameter provided"),
        ("/api/v1/series?match[]=%7B%7D".to_owned(), 400, "bad_data", "match[]"),
        ("/api/v1/labels?start=2&end=1".to_owned(), 400, "bad_data", "before start"),
        ("/api/v1/nothing".to_owned(), 404, "not_found", "docs/api.md"),
    ] {
        let (got, answer) = asked.json(&path);
        assert_eq!(
            (got, &answer["status"], &answer["errorType"]),
            (status, &json!("error"), &json!(kind)),
            "{path}: {answer}"
        );
        assert!(answer["error"].as_str().unwrap().contains(words), "{path}: {answer}");
    }
    // Exactly as many points as may be.
    asked.data(&range("start=0&end=11000&step=1"));
    let big = format!("query={}", "1%2B".repeat(500_000));
    let (status, answer) = read(&asked.post("/api/v1/query", &big, ""));
    assert_eq!((status, &answer["errorType"]), (400, &json!("bad_data")), "{answer}");
}

#[test]
fn forms_are_taken_from_no_other_origin() {
    let asked = asked();
    let (status, answer) = read(&asked.post("/api/v1/query", "query=1%2B1&time=10", ""));
    assert_eq!((status, &answer["data"]["result"][1]), (200, &json!("2")), "{answer}");
    // The form comes before the address.
    let (_, answer) = read(&asked.post("/api/v1/query?query=3&time=1", "query=4", ""));
    assert_eq!(answer["data"]["result"], json!([1, "4"]));
    assert_eq!(asked.post("/api/v1/query", "query=1", "Origin: http://evil.example\r\n").status, 403);
    assert_eq!(asked.post("/api/v1/metadata", "", "").status, 405);
}

#[test]
fn series_labels_and_values_honour_matchers_times_and_limits() {
    let asked = asked();
    let one = json!({"__name__": "chasar_root_disk_size_bytes", "instance": "alpha", "job": "chasar"});
    let alpha = encoded(r#"chasar_root_disk_size_bytes{instance="alpha"}"#);
    assert_eq!(asked.data(&format!("/api/v1/series?match[]={alpha}")), json!([one]));
    let both = asked.data(&format!("/api/v1/series?match[]={alpha}&match[]=chasar_root_disk_size_bytes"));
    assert_eq!(both.as_array().unwrap().len(), 2, "each once: {both}");
    assert!(both.as_array().unwrap().iter().any(|s| s["instance"] == HOSTILE), "{both}");
    assert_eq!(asked.data(&format!("/api/v1/series?match[]={alpha}&end=1000")), json!([]));
    let now = asked.begin() + 100;
    let recent = format!("/api/v1/series?match[]={alpha}&start={}&end={now}", asked.begin());
    assert_eq!(asked.data(&recent), json!([one]));

    assert_eq!(
        asked.data(&format!("/api/v1/labels?match[]={alpha}")),
        json!(["__name__", "instance", "job"])
    );
    let all = asked.data("/api/v1/labels");
    assert!(all.as_array().unwrap().contains(&json!("instance")), "{all}");
    let values = "/api/v1/label/instance/values";
    assert_eq!(asked.data(values), json!([HOSTILE, "alpha"]));
    assert_eq!(asked.data(&format!("{values}?match[]={alpha}")), json!(["alpha"]));
    assert_eq!(asked.data("/api/v1/label/nothing/values"), json!([]));
    let (_, limited) = asked.json(&format!("{values}?limit=1"));
    assert_eq!(
        (&limited["data"], &limited["warnings"][0]),
        (&json!([HOSTILE]), &json!("results truncated due to limit"))
    );
    let names = asked.data("/api/v1/label/__name__/values");
    assert!(names.as_array().unwrap().contains(&json!("up")), "{names}");
}

#[test]
fn the_masternode_tells_of_itself_as_prometheus_does() {
    let asked = asked();
    assert!(asked.data("/api/v1/status/buildinfo")["version"].as_str().unwrap().starts_with("3."));
    assert_eq!(asked.data("/api/v1/status/flags")["query.lookback-delta"], "300s");
    assert_eq!(asked.data("/api/v1/status/runtimeinfo")["corruptionCount"], 0);
    assert!(asked.data("/api/v1/status/config")["yaml"].is_string());
    let head = asked.data("/api/v1/status/tsdb?limit=1");
    assert!(head["headStats"]["numSeries"].as_u64() > Some(2), "{head}");
    assert_eq!(head["seriesCountByMetricName"].as_array().unwrap().len(), 1, "{head}");
    let metadata = asked.data("/api/v1/metadata?metric=up");
    assert_eq!(metadata["up"][0]["type"], "gauge");
    assert_eq!(metadata.as_object().unwrap().len(), 1);
    assert!(asked.data("/api/v1/metadata").as_object().unwrap().len() > 100);
    assert_eq!(asked.data("/api/v1/rules"), json!({"groups": []}));
    assert_eq!(asked.data("/api/v1/alerts"), json!({"alerts": []}));
    assert_eq!(asked.data("/api/v1/query_exemplars?query=up"), json!([]));
    assert_eq!(asked.data("/api/v1/format_query?query=sum(up)by(job)"), "sum by (job) (up)");
    assert_eq!(asked.data("/api/v1/parse_query?query=1")["type"], "numberLiteral");
    let targets = asked.data("/api/v1/targets?state=active");
    let targets = targets["activeTargets"].as_array().unwrap();
    assert_eq!(targets.len(), 2);
    for target in targets {
        assert!(["up", "down"].contains(&target["health"].as_str().unwrap()), "{target}");
        assert_eq!(target["labels"]["job"], "chasar");
    }
    assert_eq!(asked.data("/api/v1/targets?state=dropped")["activeTargets"], json!([]));
}

#[test]
fn long_answers_are_packed_when_asked_for() {
    let asked = asked();
    let address = asked.site.running.addresses().http.unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request =
        format!("GET /api/v1/metadata HTTP/1.0\r\nHost: {address}\r\nAccept-Encoding: deflate, gzip\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let head = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let (head, body) = (String::from_utf8_lossy(&answer[..head]).to_lowercase(), &answer[head + 4..]);
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let mut text = String::new();
    flate2::read::GzDecoder::new(body).read_to_string(&mut text).unwrap();
    assert_eq!(text, asked.site.get("/api/v1/metadata", "").body);
    assert!(text.len() > 4 * body.len(), "{} of {}", body.len(), text.len());
    let short = asked.site.get("/api/v1/query?query=1", "Accept-Encoding: gzip\r\n");
    assert!(!short.head.contains("content-encoding"), "{}", short.head);
}

#[test]
fn without_history_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut without = config(folder.path());
    without.history = None;
    let asked = Asked { site: Site { running: Masternode::start(without).unwrap(), folder }, begin_ms: 0 };
    for path in ["query?query=1", "query_range?query=1&start=0&end=1&step=1", "labels", "series?match[]=up"] {
        let (status, answer) = asked.json(&format!("/api/v1/{path}"));
        assert_eq!((status, &answer["errorType"]), (503, &json!("unavailable")), "{answer}");
        assert!(answer["error"].as_str().unwrap().contains("--history off"), "{answer}");
    }
    asked.data("/api/v1/status/buildinfo");
    asked.data("/api/v1/metadata");
}

/// What Grafana's Prometheus data source asks for: the test button, the version, the metric browser,
/// a variable, a panel whose times are multiples of the step.
#[test]
fn grafana_gets_what_its_data_source_asks_for() {
    let asked = asked();
    let (status, answer) = read(&asked.post("/api/v1/query", "query=1%2B1&time=1700000000.123", ""));
    assert_eq!((status, &answer["data"]["result"]), (200, &json!([1_700_000_000.123, "2"])));
    assert!(asked.data("/api/v1/status/buildinfo")["version"].is_string());
    let (start, end) = (asked.begin() - 3600, asked.begin() + 60);
    let names = asked.data(&format!("/api/v1/label/__name__/values?start={start}&end={end}"));
    assert!(names.as_array().unwrap().contains(&json!("chasar_root_disk_size_bytes")), "{names}");
    let form = format!("match%5B%5D=chasar_root_disk_size_bytes&start={start}&end={end}");
    let (_, series) = read(&asked.post("/api/v1/series", &form, ""));
    assert_eq!(series["data"].as_array().unwrap().len(), 2, "{series}");
    let of =
        format!("/api/v1/label/instance/values?start={start}&end={end}&match[]=chasar_root_disk_size_bytes");
    assert_eq!(asked.data(&of), json!([HOSTILE, "alpha"]));
    assert!(asked.data("/api/v1/metadata?limit=5000").as_object().unwrap().contains_key("up"));
    let (start, end) = (start / 15 * 15, end / 15 * 15);
    let query = encoded("avg_over_time(chasar_root_disk_size_bytes{instance=\"alpha\"}[1m])");
    let form = format!("query={query}&start={start}&end={end}&step=15");
    let (_, panel) = read(&asked.post("/api/v1/query_range", &form, ""));
    let values = panel["data"]["result"][0]["values"].as_array().unwrap();
    assert!(!values.is_empty() && values.iter().all(|v| v[0].as_i64().unwrap() % 15 == 0), "{panel}");
    assert_eq!(values.last().unwrap()[1], "104.5");
}

#[test]
fn promtool_takes_it_for_a_prometheus() {
    let promtool = std::env::var_os("CHASAR_TEST_PROMTOOL").unwrap_or("promtool".into());
    let asked = asked();
    let url = format!("http://{}", asked.site.running.addresses().http.unwrap());
    let run = |words: &[&str]| {
        let output = Command::new(&promtool).args(words).output().unwrap_or_else(|e| {
            panic!("promtool (Debian's package prometheus) cannot be run: {e}; cargo xtask test prepares it")
        });
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{words:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    };
    let at = (asked.begin() + 5).to_string();
    let name = r#"chasar_root_disk_size_bytes{instance="alpha"}"#;
    let instant = run(&["query", "instant", "--time", &at, &url, name]);
    assert_eq!(
        instant.trim(),
        format!(r#"chasar_root_disk_size_bytes{{instance="alpha", job="chasar"}} => 105 @[{at}]"#)
    );
    let (from, to) = (asked.begin().to_string(), (asked.begin() + 2).to_string());
    let range = run(&["query", "range", "--start", &from, "--end", &to, "--step", "1s", &url, name]);
    assert!(range.contains("100 @[") && range.contains("102 @[") && !range.contains("103 @["), "{range}");
    let series = run(&["query", "series", "--match", name, "--start", &from, "--end", &to, &url]);
    assert_eq!(series.trim(), r#"{__name__="chasar_root_disk_size_bytes", instance="alpha", job="chasar"}"#);
    let labels = run(&["query", "labels", &url, "job"]);
    assert_eq!(labels.trim(), "chasar");
}

/// Queries that are far too dear end with an error, and neither reports nor other requests wait.
#[test]
fn dear_queries_keep_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let mut impatient = config(folder.path());
    // An answer may take longer than a client may be silent.
    impatient.http.as_mut().unwrap().idle_timeout = std::time::Duration::from_secs(2);
    let site = Site { running: Masternode::start(impatient).unwrap(), folder };
    let address = site.running.addresses().http.unwrap();
    let one = "mad_over_time(vector(time())[10000s:1s])";
    let (dear, huge) = (encoded(&[one; 9].join("+")), encoded("sum_over_time(vector(1)[1y:1ms])"));
    let path = |query| format!("/api/v1/query_range?query={query}&start=0&end=10999&step=1&timeout=5s");
    let wanted =
        [(path(&dear), 503, "timeout"), (path(&dear), 503, "timeout"), (path(&huge), 422, "execution")];
    std::thread::scope(|scope| {
        let asking: Vec<_> = wanted
            .iter()
            .map(|(path, ..)| {
                let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
                scope.spawn(move || read(&ask(address, &request)))
            })
            .collect();
        let mut node = site.node();
        let mut slowest = std::time::Duration::ZERO;
        let mut sequence = 0;
        while asking.iter().any(|a| !a.is_finished()) {
            node.report(&report("n1", "s", sequence));
            sequence += 1;
            let begun = std::time::Instant::now();
            assert_eq!(site.get("/health", "").status, 200);
            slowest = slowest.max(begun.elapsed());
        }
        assert!(slowest < std::time::Duration::from_secs(4), "another request took {slowest:?}");
        for (asked, (path, status, kind)) in asking.into_iter().zip(&wanted) {
            let (got, answer) = asked.join().unwrap();
            assert_eq!((got, &answer["errorType"]), (*status, &json!(kind)), "{path}: {answer}");
        }
        until("all reports", || {
            let accepted = site.metric("chasar_reports_accepted_total");
            if accepted == sequence as f64 { Ok(()) } else { Err(format!("{accepted} of {sequence}")) }
        });
    });
}
