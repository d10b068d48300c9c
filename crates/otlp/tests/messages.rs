//! Messages that another protobuf writes, read as series.

use std::collections::BTreeMap;

use chasar_otlp::{Error, Limits, MetricKind, Rejection, Sink, Summary, read};
use proptest::prelude::*;
use prost::Message;

/// `opentelemetry.proto.metrics.v1`, as much of it as is needed.
mod proto {
    use prost::{Message, Oneof};

    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Request {
        #[prost(message, repeated, tag = "1")]
        pub(crate) resource_metrics: Vec<ResourceMetrics>,
    }
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct ResourceMetrics {
        #[prost(message, optional, tag = "1")]
        pub(crate) resource: Option<Resource>,
        #[prost(message, repeated, tag = "2")]
        pub(crate) scope_metrics: Vec<ScopeMetrics>,
    }
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Resource {
        #[prost(message, repeated, tag = "1")]
        pub(crate) attributes: Vec<KeyValue>,
    }
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct ScopeMetrics {
        #[prost(message, repeated, tag = "2")]
        pub(crate) metrics: Vec<Metric>,
    }
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Metric {
        #[prost(string, tag = "1")]
        pub(crate) name: String,
        #[prost(string, tag = "2")]
        pub(crate) description: String,
        #[prost(string, tag = "3")]
        pub(crate) unit: String,
        #[prost(oneof = "Data", tags = "5, 7, 9, 10, 11")]
        pub(crate) data: Option<Data>,
    }
    #[derive(Clone, PartialEq, Oneof)]
    pub(crate) enum Data {
        #[prost(message, tag = "5")]
        Gauge(Numbers),
        #[prost(message, tag = "7")]
        Sum(Numbers),
        #[prost(message, tag = "9")]
        Histogram(Histograms),
        #[prost(message, tag = "10")]
        Exponential(Histograms),
        #[prost(message, tag = "11")]
        Summary(Summaries),
    }
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Numbers {
        #[prost(message, repeated, tag = "1")]
        pub(crate) points: Vec<Number>,
        #[prost(int32, tag = "2")]
        pub(crate) temporality: i32,
        #[prost(bool, tag = "3")]
        pub(crate) is_monotonic: bool,
    }
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Number {
        #[prost(message, repeated, tag = "7")]
        pub(crate) attributes: Vec<KeyValue>,
        #[prost(fixed64, tag = "3")]
        pub(crate) time_unix_nano: u64,
        #[prost(oneof = "Value", tags = "4, 6")]
        pub(crate) value: Option<Value>,
        #[prost(uint32, tag = "8")]
        pub(crate) flags: u32,
    }
    #[derive(Clone, Copy, PartialEq, Oneof)]
    pub(crate) enum Value {
        #[prost(double, tag = "4")]
        Double(f64),
        #[prost(sfixed64, tag = "6")]
        Int(i64),
    }
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Histograms {
        #[prost(message, repeated, tag = "1")]
        pub(crate) points: Vec<Histogram>,
        #[prost(int32, tag = "2")]
        pub(crate) temporality: i32,
    }
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Histogram {
        #[prost(message, repeated, tag = "9")]
        pub(crate) attributes: Vec<KeyValue>,
        #[prost(fixed64, tag = "3")]
        pub(crate) time_unix_nano: u64,
        #[prost(fixed64, tag = "4")]
        pub(crate) count: u64,
        #[prost(double, optional, tag = "5")]
        pub(crate) sum: Option<f64>,
        #[prost(fixed64, repeated, tag = "6")]
        pub(crate) bucket_counts: Vec<u64>,
        #[prost(double, repeated, tag = "7")]
        pub(crate) explicit_bounds: Vec<f64>,
        #[prost(uint32, tag = "10")]
        pub(crate) flags: u32,
    }
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Summaries {
        #[prost(message, repeated, tag = "1")]
        pub(crate) points: Vec<Summary>,
    }
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Summary {
        #[prost(fixed64, tag = "3")]
        pub(crate) time_unix_nano: u64,
        #[prost(fixed64, tag = "4")]
        pub(crate) count: u64,
        #[prost(double, tag = "5")]
        pub(crate) sum: f64,
        #[prost(message, repeated, tag = "6")]
        pub(crate) quantiles: Vec<Quantile>,
    }
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Quantile {
        #[prost(double, tag = "1")]
        pub(crate) quantile: f64,
        #[prost(double, tag = "2")]
        pub(crate) value: f64,
    }
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct KeyValue {
        #[prost(string, tag = "1")]
        pub(crate) key: String,
        #[prost(message, optional, tag = "2")]
        pub(crate) value: Option<AnyValue>,
    }
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct AnyValue {
        #[prost(string, optional, tag = "1")]
        pub(crate) text: Option<String>,
    }
}

use proto::{Data, Metric, Number, Numbers, Value};

/// Everything that was handed over, as text.
#[derive(Default)]
struct Seen {
    samples: Vec<String>,
    kinds: BTreeMap<String, MetricKind>,
    families: Vec<String>,
    rejected: Vec<(Rejection, String, u64)>,
    refuses: Option<&'static str>,
}

impl Sink for Seen {
    fn sample(&mut self, labels: &[(&str, &str)], kind: MetricKind, time_ms: i64, value: f64) -> bool {
        let mut sorted: Vec<_> = labels.to_vec();
        sorted.sort_unstable();
        let text: Vec<String> = sorted.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let text = text.join(" ");
        if self.refuses.is_some_and(|part| text.contains(part)) {
            return false;
        }
        self.kinds.insert(sorted.iter().find(|(n, _)| *n == "__name__").unwrap().1.to_owned(), kind);
        self.samples.push(format!("{text} {value} @{time_ms}"));
        true
    }

    fn family(&mut self, name: &str, kind: MetricKind, help: &str, unit: &str) {
        self.families.push(format!("{name} {} {help} {unit}", kind.name()));
    }

    fn rejected(&mut self, why: Rejection, name: &str, points: u64) {
        self.rejected.push((why, name.to_owned(), points));
    }
}

const NANOS: u64 = 1_700_000_000_123_456_789;

fn attributes(pairs: &[(&str, &str)]) -> Vec<proto::KeyValue> {
    let value = |text: &str| Some(proto::AnyValue { text: Some(text.to_owned()) });
    pairs.iter().map(|(key, text)| proto::KeyValue { key: (*key).to_owned(), value: value(text) }).collect()
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric { name: name.into(), description: "Help.".into(), unit: unit.into(), data: Some(data) }
}

fn request(resource: &[(&str, &str)], metrics: Vec<Metric>) -> Vec<u8> {
    let resource = Some(proto::Resource { attributes: attributes(resource) });
    let scope_metrics = vec![proto::ScopeMetrics { metrics }];
    proto::Request { resource_metrics: vec![proto::ResourceMetrics { resource, scope_metrics }] }
        .encode_to_vec()
}

fn seen(message: &[u8]) -> (Seen, Summary) {
    let mut seen = Seen::default();
    let summary = read(message, &Limits::default(), &mut seen).unwrap();
    (seen, summary)
}

fn number(pairs: &[(&str, &str)], value: Value) -> Number {
    Number { attributes: attributes(pairs), time_unix_nano: NANOS, value: Some(value), flags: 0 }
}

#[test]
fn numbers_are_series_with_job_and_instance() {
    let points = vec![number(&[("http.method", "GET"), ("job", "x")], Value::Int(-3))];
    let gauge = Data::Gauge(Numbers { points, temporality: 0, is_monotonic: false });
    let points = vec![number(&[], Value::Double(0.5))];
    let counter = Data::Sum(Numbers { points: points.clone(), temporality: 2, is_monotonic: true });
    let up_down = Data::Sum(Numbers { points, temporality: 2, is_monotonic: false });
    let resource = [
        ("service.name", "shop"),
        ("service.namespace", "eu"),
        ("service.instance.id", "i-1"),
        ("host.name", "web"),
    ];
    let metrics = vec![metric("a.b", "1", gauge), metric("done", "s", counter), metric("open", "", up_down)];
    let (seen, summary) = seen(&request(&resource, metrics));
    assert_eq!(
        seen.samples,
        [
            "__name__=a_b_ratio http_method=GET instance=i-1 job=eu/shop -3 @1700000000123",
            "__name__=done_seconds_total instance=i-1 job=eu/shop 0.5 @1700000000123",
            "__name__=open instance=i-1 job=eu/shop 0.5 @1700000000123",
            "__name__=target_info host_name=web instance=i-1 job=eu/shop 1 @1700000000123",
        ]
    );
    assert_eq!(
        seen.families,
        ["a_b_ratio gauge Help. 1", "done_seconds_total counter Help. s", "open gauge Help. "]
    );
    assert_eq!(seen.kinds["done_seconds_total"], MetricKind::Counter);
    assert_eq!(summary, Summary { points: 3, rejected: 0 });
}

#[test]
fn histograms_and_summaries_are_several_series() {
    let point = proto::Histogram {
        time_unix_nano: NANOS,
        count: 10,
        sum: Some(12.5),
        bucket_counts: vec![4, 5, 1],
        explicit_bounds: vec![0.1, 10.0],
        attributes: attributes(&[("le", "mine"), ("path", "/")]),
        flags: 0,
    };
    let ended =
        proto::Histogram { flags: 1, bucket_counts: vec![], explicit_bounds: vec![], ..point.clone() };
    let histogram = Data::Histogram(proto::Histograms { points: vec![point], temporality: 2 });
    let quantiles = vec![proto::Quantile { quantile: 0.99, value: 7.0 }];
    let summary = proto::Summary { time_unix_nano: NANOS, count: 3, sum: 4.0, quantiles };
    let summary = Data::Summary(proto::Summaries { points: vec![summary] });
    let (seen, total) = seen(&request(&[], vec![metric("d", "s", histogram), metric("q", "", summary)]));
    let expected = [
        "__name__=d_seconds_sum le=mine path=/ 12.5",
        "__name__=d_seconds_count le=mine path=/ 10",
        "__name__=d_seconds_bucket le=0.1 path=/ 4",
        "__name__=d_seconds_bucket le=10 path=/ 9",
        "__name__=d_seconds_bucket le=+Inf path=/ 10",
        "__name__=q_sum 4",
        "__name__=q_count 3",
        "__name__=q quantile=0.99 7",
    ];
    assert_eq!(seen.samples, expected.map(|text| format!("{text} @1700000000123")));
    assert_eq!(total, Summary { points: 2, rejected: 0 });

    let histogram = Data::Histogram(proto::Histograms { points: vec![ended], temporality: 2 });
    let mut stale = Vec::new();
    struct Bits<'a>(&'a mut Vec<u64>);
    impl Sink for Bits<'_> {
        fn sample(&mut self, _: &[(&str, &str)], _: MetricKind, _: i64, value: f64) -> bool {
            self.0.push(value.to_bits());
            true
        }
        fn family(&mut self, _: &str, _: MetricKind, _: &str, _: &str) {}
        fn rejected(&mut self, _: Rejection, _: &str, _: u64) {}
    }
    let message = request(&[], vec![metric("d", "s", histogram)]);
    read(&message, &Limits::default(), &mut Bits(&mut stale)).unwrap();
    assert_eq!(stale, [0x7ff0_0000_0000_0002; 3]);
}

#[test]
fn what_has_no_place_is_rejected_and_counted() {
    let points = vec![number(&[], Value::Int(1)), number(&[], Value::Int(2))];
    let delta = Data::Sum(Numbers { points, temporality: 1, is_monotonic: true });
    let points = vec![proto::Histogram { time_unix_nano: NANOS, ..Default::default() }];
    let exponential = Data::Exponential(proto::Histograms { points, temporality: 2 });
    let points = vec![number(&[("k", "bad")], Value::Int(1)), number(&[("k", "good")], Value::Int(2))];
    let gauge = Data::Gauge(Numbers { points, temporality: 0, is_monotonic: false });
    let points = vec![proto::Histogram { time_unix_nano: NANOS, ..Default::default() }];
    let unsaid = Data::Histogram(proto::Histograms { points, temporality: 0 });
    let message = request(
        &[],
        vec![
            metric("d", "", delta),
            metric("e", "", exponential),
            metric("u", "", unsaid),
            metric("g", "", gauge),
        ],
    );
    let mut seen = Seen { refuses: Some("k=bad"), ..Seen::default() };
    let summary = read(&message, &Limits::default(), &mut seen).unwrap();
    assert_eq!(
        seen.rejected,
        [
            (Rejection::Delta, "d_total".to_owned(), 2),
            (Rejection::Exponential, "e".to_owned(), 1),
            (Rejection::Temporality, "u".to_owned(), 1),
        ]
    );
    assert_eq!(seen.samples, ["__name__=g k=good 2 @1700000000123"]);
    assert_eq!(summary, Summary { points: 6, rejected: 5 });
}

#[test]
fn what_is_said_of_a_resource_has_the_time_of_a_point_that_was_taken() {
    let later = Number { time_unix_nano: 2 * NANOS, ..number(&[("k", "bad")], Value::Int(1)) };
    let points = vec![later, number(&[], Value::Int(2))];
    let gauge =
        |points| metric("g", "", Data::Gauge(Numbers { points, temporality: 0, is_monotonic: false }));
    let of = [("service.name", "shop"), ("region", "eu")];
    for (points, times) in [(points.clone(), 2), (points[..1].to_vec(), 0)] {
        let mut seen = Seen { refuses: Some("k=bad"), ..Seen::default() };
        read(&request(&of, vec![gauge(points)]), &Limits::default(), &mut seen).unwrap();
        let all_then = seen.samples.iter().all(|sample| sample.ends_with("@1700000000123"));
        assert!(all_then && seen.samples.len() == times, "{:?}", seen.samples);
    }
}

#[test]
fn limits_are_kept() {
    let points = vec![number(&[("a", "1"), ("b", "2"), ("c", "3")], Value::Int(1)); 3];
    let gauge = Data::Gauge(Numbers { points, temporality: 0, is_monotonic: false });
    let message = request(&[], vec![metric("g", "", gauge)]);
    let wide = Limits::default();
    for (limits, what) in [
        (Limits { message_bytes: message.len() - 1, ..wide }, "bytes"),
        (Limits { points: 2, ..wide }, "points"),
        (Limits { samples: 2, ..wide }, "samples"),
    ] {
        match read(&message, &limits, &mut Seen::default()) {
            Err(Error::TooMany { what: said, .. }) => assert_eq!(said, what),
            other => panic!("{what}: {other:?}"),
        }
    }
    let message = request(&[("a", "1"), ("b", "2"), ("c", "3")], Vec::new());
    let limits = Limits { attributes: 2, ..wide };
    assert!(matches!(read(&message, &limits, &mut Seen::default()), Err(Error::TooMany { .. })));
}

#[test]
fn a_point_beyond_the_limits_is_rejected_and_the_next_one_is_read() {
    let gauge = |points| Data::Gauge(Numbers { points, temporality: 0, is_monotonic: false });
    let (wide, good) =
        (number(&[("a", "1"), ("b", "2"), ("c", "3")], Value::Int(1)), number(&[], Value::Int(2)));
    let bounds = proto::Histogram { explicit_bounds: vec![0.0; 5], ..Default::default() };
    let counts = proto::Histogram { bucket_counts: vec![0; 5], ..Default::default() };
    let points = vec![bounds, counts];
    let histogram = Data::Histogram(proto::Histograms { points, temporality: 2 });
    let point = proto::Summary { quantiles: vec![proto::Quantile::default(); 5], ..Default::default() };
    let quantiles = Data::Summary(proto::Summaries { points: vec![point] });
    let long = "x".repeat(2_000);
    let message = request(
        &[],
        vec![
            metric("h", "", histogram),
            metric("s", "", quantiles),
            metric(&long, "", gauge(vec![good.clone()])),
            metric("g", "", gauge(vec![wide, good])),
        ],
    );
    let limits = Limits { attributes: 2, parts: 4, ..Limits::default() };
    let mut seen = Seen::default();
    let summary = read(&message, &limits, &mut seen).unwrap();
    assert_eq!(seen.samples, ["__name__=g 2 @1700000000123"]);
    assert_eq!(summary, Summary { points: 6, rejected: 5 });
    let said: Vec<_> = seen.rejected.iter().map(|(why, name, points)| (*why, &name[..1], *points)).collect();
    let limits = |name| (Rejection::Limits, name, 1);
    assert_eq!(said, [limits("h"), limits("h"), limits("s"), limits("x"), limits("g")]);
}

/// Counts, and remembers nothing.
#[derive(Default)]
struct Counting(usize);

impl Sink for Counting {
    fn sample(&mut self, _: &[(&str, &str)], _: MetricKind, _: i64, _: f64) -> bool {
        self.0 += 1;
        true
    }

    fn family(&mut self, _: &str, _: MetricKind, _: &str, _: &str) {}

    fn rejected(&mut self, _: Rejection, _: &str, _: u64) {}
}

#[test]
fn samples_of_two_bytes_are_no_bomb() {
    let limits = Limits::default();
    // Each quantile is an empty message: a tag and a length of 0.
    let quantiles = vec![proto::Quantile::default(); limits.parts];
    let point = proto::Summary { quantiles, ..Default::default() };
    let points = vec![point; limits.samples / limits.parts + 1];
    let message = request(&[], vec![metric("s", "", Data::Summary(proto::Summaries { points }))]);
    assert!(message.len() < 3 * limits.samples);
    let mut counting = Counting::default();
    match read(&message, &limits, &mut counting) {
        Err(Error::TooMany { what: "samples", .. }) => assert_eq!(counting.0, limits.samples),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes, &Limits::default(), &mut Seen::default());
    }

    #[test]
    fn a_changed_message_is_no_panic(at in 0_usize..1_000, byte: u8) {
        let points = vec![number(&[("a", "1")], Value::Double(1.0)); 2];
        let sum = Data::Sum(Numbers { points, temporality: 2, is_monotonic: true });
        let mut message = request(&[("service.name", "x"), ("y", "z")], vec![metric("g", "By/s", sum)]);
        let at = at % message.len();
        message[at] = byte;
        let _ = read(&message, &Limits::default(), &mut Seen::default());
    }
}
