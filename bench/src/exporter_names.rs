//! The series of a recorded host under the names that node_exporter has for them, so that the queries
//! of dashboards find them.

use chasar_tsdb::{Kind, Labels, NAME};

use crate::history::Recording;

/// What dashboards ask of most comes first, then the rest by name.
const FIRST: [&str; 5] = ["cpu_times_", "cpu_", "memory_", "network_", "filesystems_"];
/// Of the recording itself and of single processes: no exporter of hosts has it.
const WITHOUT: [&str; 5] = ["agent_", "probes_", "process_", "cpu_times_guest", "disk_"];
/// Names that follow no rule.
const NAMES: [(&str, &str); 10] = [
    ("cpu_context_switches_total", "node_context_switches_total"),
    ("cpu_interrupts_total", "node_intr_total"),
    ("cpu_forks_total", "node_forks_total"),
    ("cpu_load1", "node_load1"),
    ("cpu_load5", "node_load5"),
    ("cpu_load15", "node_load15"),
    ("memory_mem_available_bytes", "node_memory_MemAvailable_bytes"),
    ("memory_mem_total_bytes", "node_memory_MemTotal_bytes"),
    ("memory_free_bytes", "node_memory_MemFree_bytes"),
    ("memory_cached_bytes", "node_memory_Cached_bytes"),
];
/// Lists: how their names begin, what they are called, and the label that tells their members apart.
const LISTS: [(&str, &str, &str); 4] = [
    ("network_interfaces_", "node_network_", "device"),
    ("filesystems_", "node_filesystem_", "mountpoint"),
    ("block_devices_", "node_disk_", "device"),
    ("cpu_", "node_cpu_", "cpu"),
];

/// `most` series of the recording, renamed.
pub fn dressed(recording: Recording, most: usize) -> Recording {
    let mut order: Vec<String> =
        recording.series.iter().map(|(l, _)| l.get(NAME).unwrap_or_default().to_owned()).collect();
    order.sort_by_key(|name| FIRST.iter().position(|f| name.starts_with(f)).unwrap_or(FIRST.len()));
    order.retain(|name| !WITHOUT.iter().any(|w| name.starts_with(w)));
    order.truncate(most);
    recording.chosen(most, |labels| {
        let name = labels.get(NAME).unwrap_or_default();
        order.iter().any(|o| o == name).then(|| renamed(labels, name)).flatten()
    })
}

fn renamed(labels: &Labels, name: &str) -> Option<(Labels, Kind)> {
    let index = labels.get("index0").unwrap_or_default();
    let mode = name.strip_prefix("cpu_times_").and_then(|rest| rest.strip_suffix("_seconds"));
    let pairs: Vec<(&str, String)> = if let Some(mode) = mode {
        vec![(NAME, "node_cpu_seconds_total".into()), ("cpu", index.into()), ("mode", mode.into())]
    } else if let Some((_, as_named)) = NAMES.iter().find(|(from, _)| *from == name) {
        vec![(NAME, (*as_named).into())]
    } else {
        let list = LISTS.iter().find(|(begin, ..)| !index.is_empty() && name.starts_with(begin));
        match list {
            Some((begin, new, label)) => {
                vec![(NAME, format!("{new}{}", &name[begin.len()..])), (label, index.into())]
            }
            None if index.is_empty() => vec![(NAME, format!("node_{name}"))],
            None => vec![(NAME, format!("node_{name}")), ("index", index.into())],
        }
    };
    let counts = pairs.first().is_some_and(|(_, name)| name.ends_with("_total"));
    let kind = if counts { Kind::Counter } else { Kind::Gauge };
    Some((Labels::new(pairs).ok()?, kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn what_panels_ask_for_is_among_two_hundred_series() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/history.txt.zst");
        let dressed = dressed(Recording::read(&path).unwrap(), 200);
        assert_eq!(dressed.series.len(), 200);
        assert!(dressed.rows.iter().all(|row| row.len() == 200));
        let with = |name: &str| dressed.series.iter().filter(|(l, _)| l.get(NAME) == Some(name)).count();
        assert_eq!(with("node_cpu_seconds_total"), 16);
        for name in ["node_load1", "node_memory_MemAvailable_bytes", "node_filesystem_avail_bytes"] {
            assert!(with(name) > 0, "{name}");
        }
        let mut names: Vec<String> = dressed.series.iter().map(|(l, _)| l.to_string()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 200, "no two series have the same labels");
    }
}
