//! The shapes that exported samples take.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use chasar_openmetrics::{END, Kind, put_family, put_series, put_time, put_value};
use chasar_tsdb::{NAME, Series};
use chasar_wire::catalog;

/// Text is handed on in pieces of about this size.
const PIECE_BYTES: usize = 1 << 16;

/// Takes a piece of text and empties it.
pub(super) type Put<'a> = dyn FnMut(&mut String) -> io::Result<()> + 'a;

/// A way to write series.
pub(super) trait Shape {
    /// What comes before all.
    fn begin(&mut self, _: &mut String) {}

    /// A series that has a name and samples.
    fn series(&mut self, series: &Series, buffer: &mut String, put: &mut Put<'_>) -> io::Result<()>;

    /// What comes after all.
    fn end(&mut self, _: &mut String) {}
}

/// OpenMetrics 1.0.
pub(super) struct OpenMetrics {
    /// All names there are.
    names: BTreeSet<String>,
    catalog: BTreeMap<&'static str, &'static catalog::Metric>,
    /// The family whose series are being written.
    family: Option<String>,
}

impl OpenMetrics {
    pub(super) fn new(names: BTreeSet<String>) -> OpenMetrics {
        let catalog = catalog::metrics().into_iter().map(|metric| (metric.name, metric)).collect();
        OpenMetrics { names, catalog, family: None }
    }

    fn family(&mut self, name: &str, kind: chasar_tsdb::Kind, buffer: &mut String) {
        if self.family.as_deref() == Some(name) {
            return;
        }
        let metric = self.catalog.get(name);
        let mut kind = match (metric.map(|m| m.kind), kind) {
            (Some(catalog::Kind::Counter), _) | (None, chasar_tsdb::Kind::Counter) => Kind::Counter,
            (Some(_), _) | (None, chasar_tsdb::Kind::Gauge) => Kind::Gauge,
            (None, chasar_tsdb::Kind::Unknown) => Kind::Unknown,
        };
        // The family of a counter is named without its _total: another one may have that name.
        if name.strip_suffix("_total").is_some_and(|family| self.names.contains(family)) {
            kind = Kind::Unknown;
        }
        put_family(buffer, name, kind, metric.map_or("", |m| m.unit()), metric.map_or("", |m| m.help));
        self.family = Some(name.to_owned());
    }
}

impl Shape for OpenMetrics {
    fn series(&mut self, series: &Series, buffer: &mut String, put: &mut Put<'_>) -> io::Result<()> {
        let name = series.labels.get(NAME).unwrap_or_default();
        self.family(name, series.kind, buffer);
        let mut head = String::new();
        put_series(&mut head, name, series.labels.iter().filter(|(label, _)| *label != NAME));
        for (time, value) in series.times_ms.iter().zip(&series.values) {
            buffer.push_str(&head);
            put_value(buffer, *value);
            buffer.push(' ');
            put_time(buffer, *time);
            buffer.push('\n');
            if buffer.len() >= PIECE_BYTES {
                put(buffer)?;
            }
        }
        Ok(())
    }

    fn end(&mut self, buffer: &mut String) {
        buffer.push_str(END);
    }
}

/// A line for each sample, a column for each label (RFC 4180).
pub(super) struct Csv {
    labels: Vec<String>,
}

impl Csv {
    pub(super) fn new(mut names: BTreeSet<String>) -> Csv {
        names.remove(NAME);
        Csv { labels: names.into_iter().collect() }
    }
}

impl Shape for Csv {
    fn begin(&mut self, buffer: &mut String) {
        put_columns(buffer, self.labels.iter().map(String::as_str));
    }

    fn series(&mut self, series: &Series, buffer: &mut String, put: &mut Put<'_>) -> io::Result<()> {
        let mut tail = String::from(",");
        put_cell(&mut tail, series.labels.get(NAME).unwrap_or_default());
        for label in &self.labels {
            tail.push(',');
            put_cell(&mut tail, series.labels.get(label).unwrap_or_default());
        }
        tail.push_str("\r\n");
        for (time, value) in series.times_ms.iter().zip(&series.values) {
            buffer.push_str(&time.to_string());
            buffer.push(',');
            // A plus in front would make a formula of it.
            if *value == f64::INFINITY {
                buffer.push_str("Inf")
            } else {
                put_value(buffer, *value)
            }
            buffer.push_str(&tail);
            if buffer.len() >= PIECE_BYTES {
                put(buffer)?;
            }
        }
        Ok(())
    }
}

/// Begins CSV: names of the columns. No label has the name of another column, and no two have the same.
pub(in crate::run) fn put_columns<'a>(out: &mut String, labels: impl Iterator<Item = &'a str>) {
    const PREFIX: &str = "label_";
    out.push_str("time_ms,value,");
    out.push_str(NAME);
    for label in labels {
        out.push(',');
        if ["time_ms", "value"].contains(&label.trim_start_matches(PREFIX)) {
            out.push_str(PREFIX);
        }
        put_cell(out, label);
    }
    out.push_str("\r\n");
}

/// A text of a host as a cell that no spreadsheet takes for a formula.
pub(in crate::run) fn put_cell(out: &mut String, text: &str) {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let quotes = formula || text.contains([',', '"', '\n', '\r']);
    if quotes {
        out.push('"');
    }
    if formula {
        out.push('\'');
    }
    out.push_str(&text.replace('"', "\"\""));
    if quotes {
        out.push('"');
    }
}

/// A line of JSON for each series.
pub(super) struct Json;

impl Shape for Json {
    fn series(&mut self, series: &Series, buffer: &mut String, put: &mut Put<'_>) -> io::Result<()> {
        buffer.push_str("{\"metric\":{");
        for (at, (name, value)) in series.labels.iter().enumerate() {
            if at > 0 {
                buffer.push(',');
            }
            put_text(buffer, name)?;
            buffer.push(':');
            put_text(buffer, value)?;
        }
        buffer.push_str("},\"values\":[");
        for (at, value) in series.values.iter().enumerate() {
            if at > 0 {
                buffer.push(',');
            }
            match *value {
                v if v.is_nan() => buffer.push_str("null"),
                f64::INFINITY => buffer.push_str("\"Infinity\""),
                f64::NEG_INFINITY => buffer.push_str("\"-Infinity\""),
                v => put_value(buffer, v),
            }
            if buffer.len() >= PIECE_BYTES {
                put(buffer)?;
            }
        }
        buffer.push_str("],\"timestamps\":[");
        for (at, time) in series.times_ms.iter().enumerate() {
            if at > 0 {
                buffer.push(',');
            }
            buffer.push_str(&time.to_string());
            if buffer.len() >= PIECE_BYTES {
                put(buffer)?;
            }
        }
        buffer.push_str("]}\n");
        Ok(())
    }
}

fn put_text(out: &mut String, text: &str) -> io::Result<()> {
    out.push_str(&serde_json::to_string(text)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chasar_tsdb::Labels;

    fn shaped(mut shape: impl Shape, all: &[Series]) -> String {
        let mut buffer = String::new();
        shape.begin(&mut buffer);
        for series in all {
            shape.series(series, &mut buffer, &mut |_| Ok(())).unwrap();
        }
        shape.end(&mut buffer);
        buffer
    }

    fn series(pairs: &[(&str, &str)], kind: chasar_tsdb::Kind, values: &[f64]) -> Series {
        Series {
            labels: Labels::new(pairs.iter().copied()).unwrap(),
            kind,
            times_ms: (0..).map(|i| 1_700_000_000_250 + i * 1000).take(values.len()).collect(),
            values: values.to_vec(),
        }
    }

    #[test]
    fn openmetrics_has_what_the_catalog_knows_and_no_counter_that_is_not_named_so() {
        use chasar_tsdb::Kind::{Counter, Gauge, Unknown};
        let all = [
            series(&[(NAME, "mine")], Gauge, &[1.0]),
            series(&[(NAME, "mine_total")], Counter, &[1.0]),
            series(&[(NAME, "node_cpu_seconds_total"), ("cpu", "0")], Unknown, &[1.5]),
            series(&[(NAME, "other_total"), ("instance", "a\"b")], Counter, &[2.0, f64::NAN]),
            series(&[(NAME, "ticks")], Counter, &[3.0]),
        ];
        let names = all.iter().map(|s| s.labels.get(NAME).unwrap().to_owned()).collect();
        let text = shaped(OpenMetrics::new(names), &all);
        let help = catalog::metrics().into_iter().find(|m| m.name == "node_cpu_seconds_total").unwrap().help;
        assert_eq!(
            text,
            format!(
                "# TYPE mine gauge\nmine 1 1700000000.250\n\
                 # TYPE mine_total unknown\nmine_total 1 1700000000.250\n\
                 # TYPE node_cpu_seconds counter\n# UNIT node_cpu_seconds seconds\n# HELP node_cpu_seconds {help}\n\
                 node_cpu_seconds_total{{cpu=\"0\"}} 1.5 1700000000.250\n\
                 # TYPE other counter\nother_total{{instance=\"a\\\"b\"}} 2 1700000000.250\n\
                 other_total{{instance=\"a\\\"b\"}} NaN 1700000001.250\n\
                 # TYPE ticks unknown\nticks 3 1700000000.250\n# EOF\n"
            )
        );
    }

    #[test]
    fn cells_are_no_formulas() {
        let all = [series(
            &[(NAME, "load"), ("a", "=HYPERLINK(\"http://x\")"), ("c", "x,y")],
            chasar_tsdb::Kind::Gauge,
            &[-0.5, f64::INFINITY],
        )];
        let names = ["a", "b", "c", NAME].map(String::from).into();
        assert_eq!(
            shaped(Csv::new(names), &all),
            "time_ms,value,__name__,a,b,c\r\n\
             1700000000250,-0.5,load,\"'=HYPERLINK(\"\"http://x\"\")\",,\"x,y\"\r\n\
             1700000001250,Inf,load,\"'=HYPERLINK(\"\"http://x\"\")\",,\"x,y\"\r\n"
        );
    }

    #[test]
    fn columns_have_names_of_their_own() {
        let mut text = String::new();
        put_columns(&mut text, ["label_value", "name", "time_ms", "value", "value2"].into_iter());
        assert_eq!(
            text,
            "time_ms,value,__name__,label_label_value,name,label_time_ms,label_value,value2\r\n"
        );
    }

    #[test]
    fn lines_of_json_are_json() {
        let values = [1.0, 1e300, f64::NAN, f64::NEG_INFINITY];
        let text =
            shaped(Json, &[series(&[(NAME, "a"), ("b", "\u{1b}\"")], chasar_tsdb::Kind::Gauge, &values)]);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["metric"]["b"], "\u{1b}\"");
        assert_eq!(line["values"], serde_json::json!([1, 1e300, null, "-Infinity"]));
        assert_eq!(line["timestamps"][3], 1_700_000_003_250_i64);
    }
}
