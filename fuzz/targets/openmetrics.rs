//! Text from anybody: what is read as a sample is the same when it is written and read again.
#![no_main]

use chasar_openmetrics::{Dialect, END, Found, Reader, put_series, put_time, put_value};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let dialect = if first & 1 == 0 { Dialect::OpenMetrics } else { Dialect::Prometheus };
    let mut reader = Reader::new(bytes, dialect);
    while let Some(found) = reader.next_found().expect("memory is readable") {
        let Found::Sample(sample) = found else { continue };
        let mut text = String::new();
        put_series(&mut text, &sample.name, sample.labels.iter().map(|(n, v)| (&**n, &**v)));
        put_value(&mut text, sample.value);
        if let Some(time) = sample.time_ms {
            text.push(' ');
            put_time(&mut text, time);
        }
        text.push('\n');
        text.push_str(END);
        let mut again = Reader::new(text.as_bytes(), Dialect::OpenMetrics);
        let found = again.next_found().expect("memory is readable");
        let Some(Found::Sample(same)) = found else { panic!("{found:?} of {text}") };
        assert_eq!((&same.name, &same.labels, same.time_ms), (&sample.name, &sample.labels, sample.time_ms));
        assert_eq!(same.value.to_bits(), sample.value.to_bits());
    }
    assert_eq!(reader.bytes(), bytes.len() as u64);
});
