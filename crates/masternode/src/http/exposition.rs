//! Prometheus's text exposition format 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::{Display, Write};

/// Writes families in the exposition format.
#[derive(Debug, Default)]
pub(crate) struct Exposition(pub(crate) String);

pub(crate) type Labels<'a> = &'a [(&'a str, &'a str)];

impl Exposition {
    pub(crate) fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.0.push_str("# HELP ");
        self.0.push_str(name);
        self.0.push(' ');
        escape(help, false, &mut self.0);
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "\n# TYPE {name} {kind}");
    }

    pub(crate) fn sample(&mut self, name: &str, labels: Labels<'_>, value: impl Display) {
        self.series(name, labels.iter().copied());
        let _ = writeln!(self.0, " {value}");
    }

    /// The name and labels of a sample, without its value.
    pub(crate) fn series<'n, 'v>(
        &mut self,
        name: &str,
        labels: impl IntoIterator<Item = (&'n str, &'v str)>,
    ) {
        self.0.push_str(name);
        let mut between = '{';
        for (label, text) in labels {
            self.0.push(between);
            self.0.push_str(label);
            self.0.push_str("=\"");
            escape(text, true, &mut self.0);
            self.0.push('"');
            between = ',';
        }
        if between == ',' {
            self.0.push('}');
        }
    }

    pub(crate) fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }

    pub(crate) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    pub(crate) fn counters<'a, V: Display>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'a str, V)>,
    ) {
        self.family(name, "counter", help);
        for (text, value) in values {
            self.sample(name, &[(label, text)], value);
        }
    }
}

/// Backslash, line feed, and in label values the double quote (exposition format, "Comments, help
/// text, and type information").
fn escape(text: &str, quote: bool, out: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quote => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

/// A value as the format writes it: `+Inf`, `-Inf` and `NaN` have their own words.
pub(crate) struct Value(pub(crate) f64);

impl Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            // Shortest text that reads back as the same number; Rust writes NaN as the format does.
            value => write!(f, "{value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_break_a_line_is_escaped() {
        let mut out = Exposition::default();
        out.family("m", "gauge", "a \\ \"b\"\nc");
        out.sample("m", &[("l", "x\"y\\z\n"), ("k", "v")], 1.5);
        out.sample("m", &[], 2);
        assert_eq!(
            out.0,
            "# HELP m a \\\\ \"b\"\\nc\n# TYPE m gauge\nm{l=\"x\\\"y\\\\z\\n\",k=\"v\"} 1.5\nm 2\n"
        );
    }

    #[test]
    fn values_are_written_as_the_format_wants_them() {
        let texts = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e300, 0.1, 12_345_678_901_234_567.0];
        let texts = texts.map(|value| Value(value).to_string());
        assert_eq!(texts[..3], ["+Inf", "-Inf", "NaN"]);
        assert_eq!(texts[3].parse(), Ok(1e300));
        assert_eq!(texts[4..], ["0.1", "12345678901234568"]);
    }
}
