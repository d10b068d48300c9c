//! Prints what the probes of this system read: one report as JSON, or with a number, the last of so many
//! samples a second apart and what they cost.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chasar_probes::{Config, Host, Now, ProcessList, Sampler};
use chasar_wire::Report;

fn main() {
    let samples = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1u32);
    let start = Instant::now();
    let now = || {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { unix_micros: unix.as_micros() as i64, monotonic: start.elapsed() }
    };
    let config = Config {
        host: Arc::new(Host::live()),
        monotonic: Arc::new(move || start.elapsed()),
        processes: ProcessList::default(),
    };
    let mut sampler = Sampler::new(config, &now());
    let mut report = Report::default();
    let mut took = Duration::ZERO;
    for _ in 0..samples {
        std::thread::sleep(Duration::from_secs(1));
        let began = Instant::now();
        sampler.sample(&now(), &mut report);
        took += began.elapsed();
    }
    let json = serde_json::to_string(&report).expect("a report is JSON");
    println!("{json}");
    if samples > 1 {
        println!("{} bytes; {:.0} us a sample", json.len(), took.as_secs_f64() * 1e6 / f64::from(samples));
    }
}
