//! Writing OpenMetrics: families, series, samples.

use std::fmt::Write;

use crate::Kind;

/// The last line.
pub const END: &str = "# EOF\n";

/// Appends what is said of a family before its samples: type, unit and help. `name` is that of the
/// samples; a counter whose samples do not end in `_total`, as the format asks, becomes unknown. The
/// unit is left out where it is not the end of the family's name.
pub fn put_family(out: &mut String, name: &str, kind: Kind, unit: &str, help: &str) {
    let (family, word) = match (kind, name.strip_suffix("_total")) {
        (Kind::Counter, Some(family)) if !family.is_empty() => (family, "counter"),
        (Kind::Gauge, _) => (name, "gauge"),
        _ => (name, "unknown"),
    };
    let mut put = |keyword: &str, text: &str| {
        out.push_str("# ");
        out.push_str(keyword);
        out.push(' ');
        put_name(out, family);
        out.push(' ');
        put_escaped(out, text);
        out.push('\n');
    };
    put("TYPE", word);
    let has_unit = family.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'));
    if has_unit && !unit.is_empty() {
        put("UNIT", unit);
    }
    if !help.is_empty() {
        put("HELP", help);
    }
}

/// Appends a series as it stands before each of its samples: `name{label="value"}` and a blank.
pub fn put_series<'a>(out: &mut String, name: &str, labels: impl IntoIterator<Item = (&'a str, &'a str)>) {
    let bare = is_bare(name, true);
    if bare {
        out.push_str(name);
    }
    let mut between = "{";
    if !bare {
        out.push_str("{\"");
        put_escaped(out, name);
        out.push('"');
        between = ",";
    }
    for (label, value) in labels {
        out.push_str(between);
        if is_bare(label, false) {
            out.push_str(label);
        } else {
            out.push('"');
            put_escaped(out, label);
            out.push('"');
        }
        out.push_str("=\"");
        put_escaped(out, value);
        out.push('"');
        between = ",";
    }
    out.push_str(if between == "," { "} " } else { " " });
}

/// Appends labels alone, in braces: `{label="value"}`.
pub fn put_labels<'a>(out: &mut String, labels: impl IntoIterator<Item = (&'a str, &'a str)>) {
    let begin = out.len();
    put_series(out, "x", labels);
    out.remove(begin);
    out.pop();
}

/// Appends a value so that reading it gives it back bit for bit, apart from NaNs, which are all one.
pub fn put_value(out: &mut String, value: f64) {
    // Writing to a String does not fail.
    let _ = if value.is_nan() {
        write!(out, "NaN")
    } else if value.is_infinite() {
        write!(out, "{}", if value > 0.0 { "+Inf" } else { "-Inf" })
    } else if value == 0.0 || (1e-5..1e17).contains(&value.abs()) {
        write!(out, "{value}")
    } else {
        write!(out, "{value:e}")
    };
}

/// Appends a time of Unix milliseconds in seconds.
pub fn put_time(out: &mut String, time_ms: i64) {
    let (sign, ms) = (if time_ms < 0 { "-" } else { "" }, time_ms.unsigned_abs());
    let (seconds, rest) = (ms / 1000, ms % 1000);
    let _ = if rest == 0 { write!(out, "{sign}{seconds}") } else { write!(out, "{sign}{seconds}.{rest:03}") };
}

fn put_name(out: &mut String, name: &str) {
    if is_bare(name, true) {
        out.push_str(name);
    } else {
        out.push('"');
        put_escaped(out, name);
        out.push('"');
    }
}

fn put_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

/// Whether a name needs no quotes.
fn is_bare(name: &str, colons: bool) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || (colons && b == b':');
    !name.is_empty() && name.bytes().all(fits) && !name.as_bytes()[0].is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(name: &str, kind: Kind, unit: &str, help: &str) -> String {
        let mut out = String::new();
        put_family(&mut out, name, kind, unit, help);
        out
    }

    #[test]
    fn families() {
        assert_eq!(
            family("cpu_seconds_total", Kind::Counter, "seconds", "Time \"spent\"\\"),
            "# TYPE cpu_seconds counter\n# UNIT cpu_seconds seconds\n# HELP cpu_seconds Time \\\"spent\\\"\\\\\n"
        );
        assert_eq!(family("load", Kind::Gauge, "seconds", ""), "# TYPE load gauge\n");
        assert_eq!(family("ticks", Kind::Counter, "", ""), "# TYPE ticks unknown\n");
        assert_eq!(family("a b", Kind::Unknown, "", ""), "# TYPE \"a b\" unknown\n");
    }

    #[test]
    fn series_values_and_times() {
        let mut out = String::new();
        put_series(&mut out, "up", []);
        put_value(&mut out, 1.0);
        out.push(' ');
        put_time(&mut out, -1_050);
        put_series(&mut out, "a.b", [("c", "d\"\n"), ("e f", "")]);
        assert_eq!(out, "up 1 -1.050{\"a.b\",c=\"d\\\"\\n\",\"e f\"=\"\"} ");
        for (value, text) in
            [(0.1, "0.1"), (-0.0, "-0"), (1e300, "1e300"), (5e-324, "5e-324"), (1e16, "10000000000000000")]
        {
            let mut out = String::new();
            put_value(&mut out, value);
            assert_eq!(out, text);
        }
        let mut out = String::new();
        put_labels(&mut out, [("a", "b")]);
        put_labels(&mut out, []);
        assert_eq!(out, "{a=\"b\"}");
    }
}
