//! How long queries over series in memory take: `cargo run --release -p chasar-query --example speed`.
#![allow(clippy::print_stdout, reason = "a program that prints its figures")]

use std::sync::Arc;
use std::time::Instant;

use chasar_query::{Answer, Labels, Options, Query, Request, Result, Samples, Source};

const SERIES: usize = 1000;
const SECONDS: i64 = 3600;

struct Fleet(Vec<Samples>);

impl Source for Fleet {
    fn select(&self, request: &Request<'_>) -> Result<Answer> {
        let fits = |s: &&Samples| {
            request.matchers.iter().all(|m| m.matches(s.labels.get(&m.name).unwrap_or_default()))
        };
        Ok(Answer { series: self.0.iter().filter(fits).cloned().collect(), tier: "raw", ..Answer::default() })
    }
}

fn main() -> Result<()> {
    let times_ms: Arc<Vec<i64>> = Arc::new((0..=SECONDS).map(|s| s * 1000).collect());
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / 1e4
    };
    let mut fleet = Vec::new();
    for (name, counter) in [("load", false), ("cpu_seconds_total", true)] {
        for node in 0..SERIES {
            let mut sum = 0.0;
            let values = times_ms.iter().map(|_| {
                let value = random();
                sum += value;
                if counter { sum } else { value }
            });
            let labels = Labels::new([
                ("__name__", name.to_string()),
                ("instance", format!("node{node:04}")),
                ("dc", format!("dc{}", node % 10)),
            ]);
            fleet.push(Samples { labels, times_ms: times_ms.clone(), values: Arc::new(values.collect()) });
        }
    }
    let fleet = Fleet(fleet);
    let end = SECONDS * 1000;
    for (text, step_ms) in [
        ("load", 0),
        ("load", 15_000),
        ("rate(cpu_seconds_total[1m])", 0),
        ("rate(cpu_seconds_total[5m])", 15_000),
        ("sum by (dc) (rate(cpu_seconds_total[1m]))", 1_000),
        ("avg(load)", 1_000),
        ("sum by (dc) (load)", 1_000),
        ("stddev(load)", 1_000),
        ("quantile(0.9, load)", 1_000),
        ("topk(5, load)", 1_000),
        ("topk(5, load)", 15_000),
        ("count_values(\"v\", round(load / 200))", 15_000),
        ("avg_over_time(load[5m])", 1_000),
        ("max_over_time(load[5m])", 1_000),
        ("stddev_over_time(load[5m])", 1_000),
        ("quantile_over_time(0.99, load[5m])", 15_000),
        ("quantile_over_time(0.99, load[5m])", 1_000),
        ("deriv(load[5m])", 15_000),
        ("load / on (instance) cpu_seconds_total", 1_000),
        ("load > 800 and on (dc) cpu_seconds_total > 5", 1_000),
        ("max_over_time(rate(cpu_seconds_total[1m])[10m:10s])", 15_000),
    ] {
        let query = Query::parse(text)?;
        let mut best = f64::MAX;
        let mut held = 0;
        for _ in 0..3 {
            let begin = Instant::now();
            let options = Options { max_samples: 1_000_000_000, ..Options::default() };
            let output = match step_ms {
                0 => query.instant(&fleet, end, &options)?,
                step => query.range(&fleet, 0, end, step, &options)?,
            };
            best = best.min(begin.elapsed().as_secs_f64() * 1000.0);
            held = output.stats.held;
        }
        println!("{best:>9.2} ms  {held:>10} held  step {:>2} s  {text}", step_ms / 1000);
    }
    Ok(())
}
