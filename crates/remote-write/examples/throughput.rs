//! How fast messages are written, packed, unpacked and read: `cargo run --release --example throughput`.

use std::time::Instant;

use chasar_remote_write::{Item, Limits, Message, MetricKind, Request, Sample, Version, put_label, unpack};

/// Series of a message, one sample each, as a sender of many nodes has them.
const SERIES: usize = 10_000;
const ROUNDS: u32 = 100;

#[expect(clippy::print_stdout, reason = "what is measured is printed")]
fn main() {
    let series: Vec<Vec<(String, String)>> = (0..SERIES)
        .map(|i| {
            let pairs = [
                ("__name__", format!("node_some_metric_{}_total", i % 50)),
                ("cpu", (i % 8).to_string()),
                ("instance", format!("web-{}", i / 200)),
                ("job", "chasar".into()),
                ("mode", ["user", "system", "idle", "iowait"][i % 4].into()),
            ];
            pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
        })
        .collect();
    let sample = |i: usize, round: u32| Sample {
        time_ms: 1_700_000_000_000 + i64::from(round) * 1_000 + (i / 200) as i64,
        value: (i as f64).sqrt() * 1000.0 + f64::from(round) * 0.25,
    };
    let limits = Limits::default();
    for version in [Version::V1, Version::V2] {
        let mut message = Message::new(version);
        let mut body = Vec::new();
        let per_second =
            |begun: Instant| f64::from(ROUNDS) * SERIES as f64 / begun.elapsed().as_secs_f64() / 1e6;
        let begun = Instant::now();
        for round in 0..ROUNDS {
            message.clear();
            body.clear();
            for (i, labels) in series.iter().enumerate() {
                message.series(labels.iter().map(|(n, v)| (&**n, &**v)), [sample(i, round)], None);
            }
            message.pack(&mut body);
        }
        let plain = per_second(begun);
        let written: Vec<Vec<u8>> = series
            .iter()
            .map(|labels| {
                let mut out = Vec::new();
                labels.iter().for_each(|(n, v)| put_label(&mut out, n, v));
                out
            })
            .collect();
        let begun = Instant::now();
        for round in 0..ROUNDS {
            message.clear();
            body.clear();
            match version {
                Version::V1 => {
                    for (i, labels) in written.iter().enumerate() {
                        message.written_series([&**labels], [sample(i, round)]);
                    }
                }
                Version::V2 => {
                    for (i, labels) in series.iter().enumerate() {
                        let refs: Vec<u32> =
                            labels.iter().flat_map(|(n, v)| [message.symbol(n), message.symbol(v)]).collect();
                        message.symbol_series(refs, [sample(i, round)], Some((MetricKind::Counter, 0, 0)));
                    }
                }
            }
            message.pack(&mut body);
        }
        let prepared = per_second(begun);
        let mut bytes = Vec::new();
        let begun = Instant::now();
        let mut sum = 0.0;
        for _ in 0..ROUNDS {
            unpack(&body, &limits, &mut bytes).expect("a block");
            let mut request = Request::new(version, &bytes, &limits).expect("a message");
            while let Some(Item::Series(series)) = request.next_item().expect("a message") {
                sum += series.samples().map(|s| s.value).sum::<f64>();
            }
        }
        let read = per_second(begun);
        println!(
            "{version:?}: {plain:.2} M samples/s written and packed, {prepared:.2} prepared, {read:.2} unpacked and read; \
             {:.2} bytes a sample packed, {:.2} unpacked ({sum:e})",
            body.len() as f64 / SERIES as f64,
            message.bytes() as f64 / SERIES as f64,
        );
    }
}
