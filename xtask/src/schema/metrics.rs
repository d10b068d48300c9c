//! `docs/metrics.md`: the list of metrics as a page.

use chasar_wire::catalog::{self, Kind};

/// The page.
pub(super) fn page() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         <!-- Made by `cargo xtask schema` from the catalog in `crates/wire/src/catalog`. -->\n\n\
         What a report becomes as series. Names, labels and units are node_exporter's wherever it has the number;\n\
         `chasar_…` otherwise. Beside the labels below every series has `instance`, the host name made unique, and\n\
         `job=\"chasar\"`; `up` is 1 for each node that reports and 0 for one that does not. A number that a host does\n\
         not have is no series.\n\n\
         The masternode's `/metrics` has the newest of all nodes, beside its own; `?instance=` gives one node,\n\
         `?job=chasar` the nodes only, `?job=masternode` the masternode only. For Prometheus:\n\n\
         ```yaml\n\
         scrape_configs:\n  - job_name: chasar\n    scrape_interval: 1s\n    honor_labels: true\n    \
         static_configs: [{targets: [\"masternode.example:7777\"]}]\n    \
         # authorization: {credentials_file: http_token}   # when the masternode wants its token\n\
         ```\n\n\
         | metric | type | unit | labels | meaning |\n| --- | --- | --- | --- | --- |\n",
    );
    for metric in catalog::metrics() {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Info => "info",
        };
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, unit, help) = (metric.name, metric.unit(), metric.help);
        page += &format!("| `{name}` | {kind} | {unit} | {} | {help} |\n", labels.join(", "));
    }
    page
}
