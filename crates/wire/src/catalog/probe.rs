//! Series of how the probes fared.

use super::{Metric, Sink, metrics_of, read_all, readings};
use crate::family::{Outcome, ProbeStatus, ProbeStatuses};

readings! {
    ALL of ProbeStatus, labels &["probe"];
    "chasar_probe_success" Gauge "1 when a probe gave values, 0 when it failed; none where there is nothing to read" => |p| match p.outcome {
        Outcome::Fresh => Some(true),
        Outcome::Failed(_) => Some(false),
        Outcome::NothingHere(_) => None,
    };
    "chasar_probe_duration_seconds" Gauge "How long the reading took" => |p| p.duration_seconds;
    "chasar_probe_age_seconds" Gauge "How old the values are, of sources too slow to read each time" => |p| p.age_seconds;
}

pub(super) fn walk(probes: &ProbeStatuses, sink: &mut impl Sink) {
    for (name, status) in &probes.0 {
        read_all(ALL, status, &[name], sink);
    }
}

pub(super) fn metrics(all: &mut Vec<&'static Metric>) {
    all.extend(metrics_of(ALL));
}
