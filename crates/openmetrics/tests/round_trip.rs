//! What is written is read back; whatever is read does not panic.

use chasar_openmetrics::{Dialect, END, Found, Kind, Reader, put_family, put_series, put_time, put_value};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_][a-z0-9_]{0,6}", "[a-z\"\\\\\n\t {}=,#.é\u{1b}]{1,8}"]
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        any::<u64>().prop_map(f64::from_bits),
        (-1_000_000i64..1_000_000).prop_map(|i| i as f64 / 100.0),
        Just(f64::INFINITY),
        Just(-0.0),
    ]
}

proptest! {
    #[test]
    fn samples_come_back(
        samples in prop::collection::vec(
            (text(), prop::collection::vec((text(), text()), 0..4), value(), -(1i64 << 52)..1i64 << 52),
            1..20,
        ),
        help: String,
    ) {
        let mut out = String::new();
        for (name, labels, value, time) in &samples {
            put_family(&mut out, name, Kind::Gauge, "", &help.replace('\r', ""));
            put_series(&mut out, name, labels.iter().map(|(n, v)| (n.as_str(), v.as_str())));
            put_value(&mut out, *value);
            out.push(' ');
            put_time(&mut out, *time);
            out.push('\n');
        }
        out.push_str(END);
        let mut reader = Reader::new(out.as_bytes(), Dialect::OpenMetrics);
        for (name, labels, value, time) in &samples {
            let found = reader.next_found().unwrap();
            let Some(Found::Sample(sample)) = found else { panic!("{found:?} in {out}") };
            prop_assert_eq!(sample.name.as_ref(), name);
            let read: Vec<(String, String)> =
                sample.labels.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
            prop_assert_eq!(&read, labels);
            let same = sample.value.to_bits() == value.to_bits() || (sample.value.is_nan() && value.is_nan());
            prop_assert!(same, "{} is not {}", sample.value, value);
            prop_assert_eq!(sample.time_ms, Some(*time));
            prop_assert_eq!(sample.kind, Kind::Gauge);
        }
        prop_assert!(reader.next_found().unwrap().is_none());
    }

    #[test]
    fn any_bytes_are_read_without_panic(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            "([a-c{}\"=,# \\\\\n0-9.eE+TYPEOF-]{0,12}\n?){0,12}".prop_map(String::into_bytes),
        ],
    ) {
        for dialect in [Dialect::OpenMetrics, Dialect::Prometheus] {
            let mut reader = Reader::new(&bytes[..], dialect);
            while reader.next_found().unwrap().is_some() {}
            prop_assert_eq!(reader.bytes(), bytes.len() as u64);
        }
    }
}
