//! `/metrics` about remote write.

use std::sync::Arc;

use super::exposition::Exposition;
use crate::remote::{State, Stats};

/// What is counted of each target.
pub(crate) fn remote(out: &mut Exposition, targets: &[(String, Arc<Stats>)]) {
    if targets.is_empty() {
        return;
    }
    out.family("chasar_remote_state", "gauge", "1 for the state that sending to a target is in.");
    for (target, stats) in targets {
        for (state, name) in State::ALL {
            let is_it = u8::from(stats.state().0 == state);
            out.sample("chasar_remote_state", &[("target", target), ("state", name)], is_it);
        }
    }
    out.family(
        "chasar_remote_version",
        "gauge",
        "Version of remote write that a target takes; 0 while that is not known.",
    );
    for (target, stats) in targets {
        out.sample("chasar_remote_version", &[("target", target)], stats.state().1);
    }
    type Read = fn(&Stats) -> u64;
    let counters: [(&str, &str, Read); 4] = [
        ("chasar_remote_samples_total", "Samples that a target took.", |stats| stats.sent.get()),
        ("chasar_remote_requests_total", "Requests to a target.", |stats| stats.requests.get()),
        ("chasar_remote_retries_total", "Requests that failed and are sent again.", |stats| {
            stats.retries.get()
        }),
        ("chasar_remote_sent_bytes_total", "Bytes of the requests' bodies.", |stats| stats.sent_bytes.get()),
    ];
    for (name, help, read) in counters {
        out.family(name, "counter", help);
        for (target, stats) in targets {
            out.sample(name, &[("target", target)], read(stats));
        }
    }
    let name = "chasar_remote_samples_dropped_total";
    out.family(name, "counter", "Samples that a target will not get.");
    for (target, stats) in targets {
        for (reason, count) in [
            ("queue_full", &stats.dropped_queue),
            ("refused", &stats.dropped_refused),
            ("disk", &stats.dropped_disk),
            ("behind", &stats.dropped_behind),
            ("time", &stats.dropped_time),
        ] {
            out.sample(name, &[("target", target), ("reason", reason)], count.get());
        }
    }
    let gauges: [(&str, &str, Read); 2] = [
        ("chasar_remote_waiting_samples", "Samples in the queue on disk.", |stats| stats.waiting.get()),
        ("chasar_remote_queue_bytes", "Size of the queue's files.", |stats| stats.queue_bytes.get()),
    ];
    for (name, help, read) in gauges {
        out.family(name, "gauge", help);
        for (target, stats) in targets {
            out.sample(name, &[("target", target)], read(stats));
        }
    }
}
