//! Messages against an independent protobuf, both ways.

use chasar_remote_write::{
    FamilyMetadata, Item, Limits, Message, Metadata, MetricKind, Request, Sample, Version, put_label,
};
use proptest::prelude::*;
use prost::Message as _;

/// What the specification of 1.0 says, with what is not read of exemplars and histograms.
mod v1 {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct WriteRequest {
        #[prost(message, repeated, tag = "1")]
        pub(crate) timeseries: Vec<TimeSeries>,
        #[prost(message, repeated, tag = "3")]
        pub(crate) metadata: Vec<MetricMetadata>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct TimeSeries {
        #[prost(message, repeated, tag = "1")]
        pub(crate) labels: Vec<Label>,
        #[prost(message, repeated, tag = "2")]
        pub(crate) samples: Vec<super::ProstSample>,
        #[prost(message, repeated, tag = "3")]
        pub(crate) exemplars: Vec<Exemplar>,
        #[prost(message, repeated, tag = "4")]
        pub(crate) histograms: Vec<super::Histogram>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Label {
        #[prost(string, tag = "1")]
        pub(crate) name: String,
        #[prost(string, tag = "2")]
        pub(crate) value: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Exemplar {
        #[prost(message, repeated, tag = "1")]
        pub(crate) labels: Vec<Label>,
        #[prost(double, tag = "2")]
        pub(crate) value: f64,
        #[prost(int64, tag = "3")]
        pub(crate) timestamp: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct MetricMetadata {
        #[prost(int32, tag = "1")]
        pub(crate) r#type: i32,
        #[prost(string, tag = "2")]
        pub(crate) metric_family_name: String,
        #[prost(string, tag = "4")]
        pub(crate) help: String,
        #[prost(string, tag = "5")]
        pub(crate) unit: String,
    }
}

/// What the specification of 2.0 says.
mod v2 {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Request {
        #[prost(string, repeated, tag = "4")]
        pub(crate) symbols: Vec<String>,
        #[prost(message, repeated, tag = "5")]
        pub(crate) timeseries: Vec<TimeSeries>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct TimeSeries {
        #[prost(uint32, repeated, tag = "1")]
        pub(crate) labels_refs: Vec<u32>,
        #[prost(message, repeated, tag = "2")]
        pub(crate) samples: Vec<super::ProstSample>,
        #[prost(message, repeated, tag = "3")]
        pub(crate) histograms: Vec<super::Histogram>,
        #[prost(message, repeated, tag = "4")]
        pub(crate) exemplars: Vec<Exemplar>,
        #[prost(message, optional, tag = "5")]
        pub(crate) metadata: Option<Metadata>,
        #[prost(int64, tag = "6")]
        pub(crate) created_timestamp: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Exemplar {
        #[prost(uint32, repeated, tag = "1")]
        pub(crate) labels_refs: Vec<u32>,
        #[prost(double, tag = "2")]
        pub(crate) value: f64,
        #[prost(int64, tag = "3")]
        pub(crate) timestamp: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Metadata {
        #[prost(int32, tag = "1")]
        pub(crate) r#type: i32,
        #[prost(uint32, tag = "3")]
        pub(crate) help_ref: u32,
        #[prost(uint32, tag = "4")]
        pub(crate) unit_ref: u32,
    }

    /// The references one field each, as protobuf may also write them.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Unpacked {
        #[prost(uint32, repeated, packed = "false", tag = "1")]
        pub(crate) labels_refs: Vec<u32>,
        #[prost(message, repeated, tag = "2")]
        pub(crate) samples: Vec<super::ProstSample>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct UnpackedRequest {
        // The series first: protobuf does not say in which order fields come.
        #[prost(message, repeated, tag = "5")]
        pub(crate) timeseries: Vec<Unpacked>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Symbols {
        #[prost(string, repeated, tag = "4")]
        pub(crate) symbols: Vec<String>,
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ProstSample {
    #[prost(double, tag = "1")]
    pub(crate) value: f64,
    #[prost(int64, tag = "2")]
    pub(crate) timestamp: i64,
    /// Of later drafts of 2.0.
    #[prost(int64, tag = "3")]
    pub(crate) start_timestamp: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Histogram {
    #[prost(uint64, tag = "1")]
    pub(crate) count_int: u64,
    #[prost(double, tag = "3")]
    pub(crate) sum: f64,
    #[prost(int64, tag = "15")]
    pub(crate) timestamp: i64,
}

/// A series with what is said of it, as both messages can say it.
#[derive(Clone, Debug, PartialEq)]
struct Plain {
    labels: Vec<(String, String)>,
    samples: Vec<Sample>,
    metadata: Option<(MetricKind, String, String)>,
}

fn kinds() -> impl Strategy<Value = MetricKind> {
    use MetricKind::*;
    prop::sample::select(vec![Unknown, Counter, Gauge, Histogram, GaugeHistogram, Summary, Info, StateSet])
}

fn values() -> impl Strategy<Value = f64> {
    let special = [0.0, -0.0, f64::INFINITY, f64::NAN, f64::from_bits(0x7FF0_0000_0000_0002), 1.0];
    prop_oneof![prop::sample::select(special.to_vec()), any::<f64>()]
}

fn series() -> impl Strategy<Value = Plain> {
    let labels = prop::collection::vec(("[a-e]{0,3}", "\\PC{0,4}"), 0..8);
    let times = prop_oneof![Just(0), any::<i64>(), 1_700_000_000_000i64..1_800_000_000_000];
    let samples = prop::collection::vec((times, values()), 0..5);
    let metadata = prop::option::of((kinds(), "\\PC{0,5}", "[a-z]{0,3}"));
    (labels, samples, metadata).prop_map(|(labels, samples, metadata)| Plain {
        labels,
        samples: samples.into_iter().map(|(time_ms, value)| Sample { time_ms, value }).collect(),
        metadata,
    })
}

fn borrowed(labels: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    labels.iter().map(|(name, value)| (&**name, &**value))
}

fn said(metadata: &Option<(MetricKind, String, String)>) -> Option<Metadata<'_>> {
    metadata.as_ref().map(|(kind, help, unit)| Metadata { kind: *kind, help, unit })
}

fn sample(of: &ProstSample) -> Sample {
    Sample { time_ms: of.timestamp, value: of.value }
}

fn ours(series: &[Plain], version: Version) -> Vec<u8> {
    let mut message = Message::new(version);
    for one in series {
        message.series(borrowed(&one.labels), one.samples.iter().copied(), said(&one.metadata));
    }
    assert_eq!(message.series_total(), series.len());
    assert_eq!(message.samples_total(), series.iter().map(|s| s.samples.len()).sum::<usize>());
    let mut bytes = Vec::new();
    message.write(&mut bytes);
    assert_eq!(bytes.len(), message.bytes());
    bytes
}

fn read(version: Version, bytes: &[u8]) -> Vec<Plain> {
    let mut request = Request::new(version, bytes, &Limits::default()).unwrap();
    let mut found = Vec::new();
    while let Some(item) = request.next_item().unwrap() {
        let Item::Series(series) = item else { panic!("metadata of a metric") };
        assert_eq!(series.samples().count(), series.samples_total);
        found.push(Plain {
            labels: series.labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            samples: series.samples().collect(),
            metadata: series.metadata.map(|m| (m.kind, m.help.to_owned(), m.unit.to_owned())),
        });
    }
    found
}

fn theirs_v1(series: &[Plain]) -> v1::WriteRequest {
    let one = |plain: &Plain| v1::TimeSeries {
        labels: borrowed(&plain.labels)
            .map(|(name, value)| v1::Label { name: name.into(), value: value.into() })
            .collect(),
        samples: theirs_samples(plain),
        ..Default::default()
    };
    v1::WriteRequest { timeseries: series.iter().map(one).collect(), metadata: Vec::new() }
}

fn theirs_samples(plain: &Plain) -> Vec<ProstSample> {
    let one = |s: &Sample| ProstSample { value: s.value, timestamp: s.time_ms, start_timestamp: 0 };
    plain.samples.iter().map(one).collect()
}

/// Symbols without order or economy: every text anew.
fn theirs_v2(series: &[Plain]) -> v2::Request {
    let mut symbols = vec![String::new()];
    let mut symbol = |text: &str| {
        symbols.push(text.to_owned());
        symbols.len() as u32 - 1
    };
    let timeseries = series
        .iter()
        .map(|plain| v2::TimeSeries {
            labels_refs: borrowed(&plain.labels).flat_map(|(n, v)| [n, v]).map(&mut symbol).collect(),
            samples: theirs_samples(plain),
            metadata: plain.metadata.as_ref().map(|(kind, help, unit)| v2::Metadata {
                r#type: *kind as i32,
                help_ref: symbol(help),
                unit_ref: symbol(unit),
            }),
            ..Default::default()
        })
        .collect();
    v2::Request { symbols, timeseries }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ours_is_read_by_another_protobuf(series in prop::collection::vec(series(), 0..6)) {
        let read = v1::WriteRequest::decode(&*ours(&series, Version::V1)).unwrap();
        prop_assert_eq!(read.timeseries.len(), series.len());
        for (read, plain) in read.timeseries.iter().zip(&series) {
            let labels: Vec<_> = read.labels.iter().map(|l| (l.name.clone(), l.value.clone())).collect();
            prop_assert_eq!(&labels, &plain.labels);
            let samples: Vec<_> = read.samples.iter().map(sample).collect();
            prop_assert_eq!(&samples, &plain.samples);
        }
        let read = v2::Request::decode(&*ours(&series, Version::V2)).unwrap();
        prop_assert_eq!(&read.symbols[0], "");
        let mut once = read.symbols.clone();
        once.sort();
        once.dedup();
        prop_assert_eq!(once.len(), read.symbols.len());
        prop_assert_eq!(read.timeseries.len(), series.len());
        for (of, plain) in read.timeseries.iter().zip(&series) {
            let text = |place: u32| read.symbols[place as usize].clone();
            let labels: Vec<_> = of.labels_refs.chunks(2).map(|p| (text(p[0]), text(p[1]))).collect();
            prop_assert_eq!(&labels, &plain.labels);
            let samples: Vec<_> = of.samples.iter().map(sample).collect();
            prop_assert_eq!(&samples, &plain.samples);
            let metadata = of.metadata.as_ref().map(|m| (m.r#type, text(m.help_ref), text(m.unit_ref)));
            let wanted = plain.metadata.clone().map(|(kind, help, unit)| (kind as i32, help, unit));
            prop_assert_eq!(metadata, wanted);
        }
    }

    #[test]
    fn what_another_protobuf_writes_is_read(mut series in prop::collection::vec(series(), 0..6)) {
        // The other one takes minus zero for nothing to write.
        series.iter_mut().flat_map(|s| &mut s.samples).for_each(|s| s.value = if s.value == 0.0 { 0.0 } else { s.value });
        let nothing_said = |plain: &Plain| Plain { metadata: None, ..plain.clone() };
        let found = read(Version::V1, &theirs_v1(&series).encode_to_vec());
        prop_assert_eq!(found, series.iter().map(nothing_said).collect::<Vec<_>>());
        prop_assert_eq!(&read(Version::V2, &theirs_v2(&series).encode_to_vec()), &series);
        prop_assert_eq!(&read(Version::V2, &ours(&series, Version::V2)), &series);

        // Unpacked, and the series before the symbols.
        let packed = theirs_v2(&series);
        let unpacked = v2::UnpackedRequest {
            timeseries: packed
                .timeseries
                .iter()
                .map(|s| v2::Unpacked { labels_refs: s.labels_refs.clone(), samples: s.samples.clone() })
                .collect(),
        };
        let mut bytes = unpacked.encode_to_vec();
        bytes.extend(v2::Symbols { symbols: packed.symbols }.encode_to_vec());
        prop_assert_eq!(read(Version::V2, &bytes), series.iter().map(nothing_said).collect::<Vec<_>>());
    }

    #[test]
    fn prepared_series_are_the_same_series(series in prop::collection::vec(series(), 0..6)) {
        let (mut plain, mut written) = (Message::new(Version::V1), Message::new(Version::V1));
        let (mut named, mut placed) = (Message::new(Version::V2), Message::new(Version::V2));
        for one in &series {
            let samples = || one.samples.iter().copied();
            plain.series(borrowed(&one.labels), samples(), None);
            let (first, second) = one.labels.split_at(one.labels.len() / 2);
            let mut pieces = [Vec::new(), Vec::new()];
            for (piece, labels) in pieces.iter_mut().zip([first, second]) {
                borrowed(labels).for_each(|(name, value)| put_label(piece, name, value));
            }
            written.written_series(pieces.iter().map(|piece| &**piece), samples());
            named.series(borrowed(&one.labels), samples(), said(&one.metadata));
            let places: Vec<_> =
                borrowed(&one.labels).flat_map(|(n, v)| [n, v]).map(|text| placed.symbol(text)).collect();
            let metadata = said(&one.metadata)
                .map(|m| (m.kind, placed.symbol(m.help), placed.symbol(m.unit)));
            placed.symbol_series(places, samples(), metadata);
        }
        let bytes = |message: &Message| {
            let mut bytes = Vec::new();
            message.write(&mut bytes);
            bytes
        };
        prop_assert_eq!(bytes(&plain), bytes(&written));
        prop_assert_eq!(bytes(&named), bytes(&placed));
    }

    #[test]
    fn any_bytes_are_read_or_refused_as_another_protobuf_does(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0u8..0x30], 0..200),
    ) {
        let is_read = |version| {
            let mut request = Request::new(version, &bytes, &Limits::default())?;
            while request.next_item()?.is_some() {}
            Ok::<_, chasar_remote_write::Error>(())
        };
        // What ours takes the other one takes, but for what ours does not look into.
        if is_read(Version::V1).is_ok() && v1::WriteRequest::decode(&*bytes).is_err() {
            let outline = v1_outline::WriteRequest::decode(&*bytes);
            prop_assert!(outline.is_ok(), "{:?}", outline);
        }
        let _ = is_read(Version::V2);
    }
}

/// 1.0 as far as ours looks into it.
mod v1_outline {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct WriteRequest {
        #[prost(message, repeated, tag = "1")]
        pub(crate) timeseries: Vec<TimeSeries>,
        #[prost(message, repeated, tag = "3")]
        pub(crate) metadata: Vec<super::v1::MetricMetadata>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct TimeSeries {
        #[prost(message, repeated, tag = "1")]
        pub(crate) labels: Vec<super::v1::Label>,
        #[prost(message, repeated, tag = "2")]
        pub(crate) samples: Vec<Sample>,
        #[prost(bytes = "vec", repeated, tag = "3")]
        pub(crate) exemplars: Vec<Vec<u8>>,
        #[prost(bytes = "vec", repeated, tag = "4")]
        pub(crate) histograms: Vec<Vec<u8>>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Sample {
        #[prost(double, tag = "1")]
        pub(crate) value: f64,
        #[prost(int64, tag = "2")]
        pub(crate) timestamp: i64,
    }
}

#[test]
fn metadata_of_metrics_is_said_in_1_0() {
    let metadata = Metadata { kind: MetricKind::Counter, help: "Seconds.", unit: "seconds" };
    let mut message = Message::new(Version::V1);
    message.family("cpu_seconds_total", metadata);
    message.family("bare", Metadata::default());
    let mut bytes = Vec::new();
    message.write(&mut bytes);
    let read = v1::WriteRequest::decode(&*bytes).unwrap();
    let first = &read.metadata[0];
    assert_eq!((first.r#type, &*first.metric_family_name), (1, "cpu_seconds_total"));
    assert_eq!((&*first.help, &*first.unit), ("Seconds.", "seconds"));
    let mut request = Request::new(Version::V1, &bytes, &Limits::default()).unwrap();
    let mut found = Vec::new();
    while let Some(Item::Metadata(said)) = request.next_item().unwrap() {
        found.push(said);
    }
    let bare = FamilyMetadata { family: "bare", metadata: Metadata::default() };
    assert_eq!(found, [FamilyMetadata { family: "cpu_seconds_total", metadata }, bare]);
}

#[test]
fn histograms_and_exemplars_are_counted() {
    let histogram = Histogram { count_int: 1, sum: 2.0, timestamp: 3 };
    let label = v1::Label { name: "__name__".into(), value: "h".into() };
    let bytes = v1::WriteRequest {
        timeseries: vec![v1::TimeSeries {
            labels: vec![label],
            samples: Vec::new(),
            exemplars: vec![v1::Exemplar { labels: Vec::new(), value: 1.0, timestamp: 1 }; 3],
            histograms: vec![histogram.clone(); 2],
        }],
        metadata: Vec::new(),
    }
    .encode_to_vec();
    let counts = |version, bytes: &[u8]| {
        let mut request = Request::new(version, bytes, &Limits::default()).unwrap();
        let Some(Item::Series(series)) = request.next_item().unwrap() else { panic!("no series") };
        (series.samples_total, series.histograms_total, series.exemplars_total)
    };
    assert_eq!(counts(Version::V1, &bytes), (0, 2, 3));
    let bytes = v2::Request {
        symbols: vec![String::new()],
        timeseries: vec![v2::TimeSeries {
            histograms: vec![histogram; 2],
            exemplars: vec![v2::Exemplar { labels_refs: Vec::new(), value: 1.0, timestamp: 1 }; 3],
            created_timestamp: 5,
            samples: vec![ProstSample { value: 1.0, timestamp: 2, start_timestamp: 1 }],
            ..Default::default()
        }],
    }
    .encode_to_vec();
    assert_eq!(counts(Version::V2, &bytes), (1, 2, 3));
}
