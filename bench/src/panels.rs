//! What dashboards ask: the queries that stores are compared on, and those of one dashboard.

use crate::http_client::escaped;
use crate::query_data::Size;

/// A query over HTTP.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What it stands for.
    pub what: &'static str,
    /// In PromQL.
    pub query: String,
    /// Length and step in seconds; none: the instant at which all stopped.
    pub range: Option<(i64, i64)>,
}

impl Panel {
    fn instant(what: &'static str, query: impl Into<String>) -> Panel {
        Panel { what, query: query.into(), range: None }
    }

    fn range(what: &'static str, query: impl Into<String>, range: (i64, i64)) -> Panel {
        Panel { what, query: query.into(), range: Some(range) }
    }

    /// The path to ask for when `end_ms` is the end, or the instant.
    pub fn path(&self, end_ms: i64) -> String {
        let (query, end) = (escaped(&self.query), end_ms / 1000);
        match self.range {
            None => format!("/api/v1/query?query={query}&time={end}"),
            Some((length, step)) => {
                format!("/api/v1/query_range?query={query}&start={}&end={end}&step={step}", end - length)
            }
        }
    }
}

/// All that stores are compared on.
pub fn compared(size: Size) -> Vec<Panel> {
    let node = r#"instance="node-00007""#;
    let long = format!(r#"instance="{}""#, size.long_node());
    let (hour, day) = ((size.seconds, 15), (size.long_seconds, 60));
    vec![
        Panel::instant("instant, one series", format!("node_load1{{{node}}}")),
        Panel::instant("instant, one metric of all nodes", "node_load1"),
        Panel::instant("instant, rate of all nodes", "rate(node_context_switches_total[1m])"),
        Panel::instant("instant, topk of all nodes", "topk(10, node_load1)"),
        Panel::instant("instant, sum by mode of rates", "sum by (mode) (rate(node_cpu_seconds_total[1m]))"),
        Panel::instant("instant, samples of an hour", format!("node_memory_MemFree_bytes{{{node}}}[1h]")),
        Panel::range("one series", format!("node_load1{{{node}}}"), hour),
        Panel::range("all series of a node", format!("{{{node}}}"), hour),
        Panel::range("one metric of all nodes", "node_load1", hour),
        Panel::range("rate, one node", format!("rate(node_network_receive_bytes_total{{{node}}}[1m])"), hour),
        Panel::range("rate, all nodes", "rate(node_context_switches_total[1m])", hour),
        Panel::range(
            "sum by mode of rates, one node",
            format!("sum by (mode) (rate(node_cpu_seconds_total{{{node}}}[1m]))"),
            hour,
        ),
        Panel::range(
            "sum by mode of rates, all nodes",
            "sum by (mode) (rate(node_cpu_seconds_total[1m]))",
            hour,
        ),
        Panel::range(
            "processor used, all nodes",
            r#"100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m])))"#,
            (size.seconds, 60),
        ),
        Panel::range(
            "memory used, all nodes",
            "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes",
            (size.seconds, 60),
        ),
        Panel::range("topk, all nodes", "topk(10, node_load1)", hour),
        Panel::range("topk of rates, all nodes", "topk(10, rate(node_context_switches_total[1m]))", hour),
        Panel::range("quantile of all nodes", "quantile(0.95, node_load1)", hour),
        Panel::range(
            "quantile_over_time, one node",
            format!("quantile_over_time(0.95, node_pressure_cpu_some_avg10_percent{{{node}}}[5m])"),
            hour,
        ),
        Panel::range("quantile_over_time, all nodes", "quantile_over_time(0.95, node_load1[5m])", hour),
        Panel::range("max_over_time, all nodes", "max_over_time(node_load1[5m])", hour),
        Panel::range("a day of one node", format!("node_load1{{{long}}}"), day),
        Panel::range(
            "a day of one node, all memory",
            format!(r#"{{__name__=~"node_memory_.*",{long}}}"#),
            day,
        ),
        Panel::range("a day of one node, rates", format!("rate(node_cpu_seconds_total{{{long}}}[5m])"), day),
        Panel::range(
            "a day of one node, quantile_over_time",
            format!("quantile_over_time(0.95, node_load1{{{long}}}[5m])"),
            day,
        ),
    ]
}

/// The panels of a dashboard of one node: its last hour, 15 s a step.
pub fn dashboard(instance: &str, seconds: i64) -> Vec<Panel> {
    let node = format!(r#"instance="{instance}""#);
    let queries = [
        format!(r#"100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{{mode="idle",{node}}}[1m])))"#),
        format!("sum by (mode) (rate(node_cpu_seconds_total{{{node}}}[1m]))"),
        format!("node_load1{{{node}}}"),
        format!("node_load5{{{node}}}"),
        format!(
            "100 * (1 - node_memory_MemAvailable_bytes{{{node}}} / node_memory_MemTotal_bytes{{{node}}})"
        ),
        format!(
            "node_memory_MemFree_bytes{{{node}}} + node_memory_Cached_bytes{{{node}}} + node_memory_buffers_bytes{{{node}}}"
        ),
        format!("rate(node_network_receive_bytes_total{{{node}}}[1m]) * 8"),
        format!("rate(node_network_transmit_bytes_total{{{node}}}[1m]) * 8"),
        format!("rate(node_context_switches_total{{{node}}}[1m])"),
        format!("rate(node_intr_total{{{node}}}[1m])"),
        format!("100 * (1 - node_filesystem_avail_bytes{{{node}}} / node_filesystem_size_bytes{{{node}}})"),
        format!("max_over_time(node_load1{{{node}}}[5m])"),
    ];
    queries.into_iter().map(|query| Panel::range("panel", query, (seconds, 15))).collect()
}
