//! Expressions, durations and numbers back to text.

mod expr;
mod tree;

use std::fmt::{self, Write as _};

pub(crate) use expr::{line, pretty};
pub(crate) use tree::tree;

/// A text in quotes, as PromQL and Go write it.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

/// A duration as PromQL writes it: `1h30m`.
pub(crate) fn duration(ms: i64) -> String {
    const UNITS: &[(&str, i64)] =
        &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    if ms == 0 {
        return "0s".into();
    }
    let mut out = String::new();
    if ms < 0 {
        out.push('-');
    }
    let mut rest = ms.unsigned_abs();
    for (exact, unit_ms) in [("y", 365 * 86_400_000), ("w", 7 * 86_400_000_u64)] {
        if rest.is_multiple_of(unit_ms) {
            return format!("{out}{}{exact}", rest / unit_ms);
        }
    }
    for (unit, unit_ms) in UNITS {
        let n = rest / unit_ms.unsigned_abs();
        if n > 0 {
            out.push_str(&format!("{n}{unit}"));
            rest %= unit_ms.unsigned_abs();
        }
    }
    out
}

/// A number as Prometheus writes it: `+Inf`, `-Inf`, `NaN`, otherwise digits without an exponent.
pub(crate) fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".into() } else { "-Inf".into() }
    } else {
        value.to_string()
    }
}
