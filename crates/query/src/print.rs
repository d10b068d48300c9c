//! Expressions back to text.

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
