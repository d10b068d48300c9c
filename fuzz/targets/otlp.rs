//! OpenTelemetry's metrics from anybody: what is read has names, and is bounded by the message.
#![no_main]

use chasar_otlp::{Limits, MetricKind, Rejection, Sink, read};

struct Check {
    samples: usize,
}

impl Sink for Check {
    fn sample(&mut self, labels: &[(&str, &str)], _: MetricKind, _: i64, _: f64) -> bool {
        self.samples += 1;
        let names = labels.iter().filter(|(name, _)| *name == "__name__");
        assert_eq!(names.count(), 1);
        for (i, (name, _)) in labels.iter().enumerate() {
            assert!(labels[..i].iter().all(|(before, _)| before != name), "{name} is there twice");
        }
        true
    }

    fn family(&mut self, _: &str, _: MetricKind, _: &str, _: &str) {}

    fn rejected(&mut self, _: Rejection, _: &str, points: u64) {
        assert!(points > 0);
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut check = Check { samples: 0 };
    if let Ok(summary) = read(bytes, &Limits::default(), &mut check) {
        assert!(summary.rejected <= summary.points);
        // A point of two bytes is at most three series and one for each bound of eight bytes.
        assert!(check.samples <= 4 * bytes.len() + 4);
    }
});
