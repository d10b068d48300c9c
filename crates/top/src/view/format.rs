//! Numbers as short text of a known width.

use std::time::Duration;

/// What stands for a value that is not known.
pub(crate) const UNKNOWN: &str = "–";

/// A value, or [`UNKNOWN`].
pub(crate) fn or_unknown<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), show)
}

/// `7.3`, `100`: a percentage in at most four columns.
pub(crate) fn percent(value: f64) -> String {
    short(value, "")
}

/// A load average in at most five columns.
pub(crate) fn load(value: f64) -> String {
    if !value.is_finite() {
        return UNKNOWN.to_owned();
    }
    match value {
        v if v < 99.995 => format!("{v:.2}"),
        v if v < 99_999.5 => format!("{v:.0}"),
        _ => "99999".to_owned(),
    }
}

/// A number of things in at most five columns.
pub(crate) fn count(value: u64) -> String {
    if value < 100_000 {
        value.to_string()
    } else {
        scaled(value as f64, 1000.0, ["", "k", "M", "G", "T", "P", "E"])
    }
}

/// Bytes with a binary prefix (K is 1024) in at most five columns: `0`, `950`, `1.2K`, `34M`, `1023G`.
pub(crate) fn bytes(value: f64) -> String {
    scaled(value, 1024.0, ["", "K", "M", "G", "T", "P", "E"])
}

fn scaled(value: f64, base: f64, prefixes: [&str; 7]) -> String {
    if !value.is_finite() || value < 0.0 {
        return UNKNOWN.to_owned();
    }
    let mut value = value;
    let mut at = 0;
    while value.round() >= base && at + 1 < prefixes.len() {
        value /= base;
        at += 1;
    }
    if at == 0 { format!("{value:.0}") } else { short(value, prefixes[at]) }
}

/// One decimal below 10 (or below 100 without a unit), none above.
fn short(value: f64, unit: &str) -> String {
    if !value.is_finite() {
        return UNKNOWN.to_owned();
    }
    // A unit or a minus takes the column of a digit.
    let with_decimal = if unit.is_empty() && value >= 0.0 { 99.95 } else { 9.95 };
    if value.abs() < with_decimal {
        format!("{value:.1}{unit}")
    } else {
        // Nobody means more than four digits here; a hostile number does not widen the column.
        format!("{:.0}{unit}", value.clamp(-999.0, 9999.0))
    }
}

/// A long time in at most six columns: `45s`, `12m30s`, `5h12m`, `3d04h`, `412d`.
pub(crate) fn uptime(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return UNKNOWN.to_owned();
    }
    let s = seconds as u64;
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m{:02}s", s / 60, s % 60),
        3600..86_400 => format!("{}h{:02}m", s / 3600, s / 60 % 60),
        86_400..8_640_000 => format!("{}d{:02}h", s / 86_400, s / 3600 % 24),
        _ => format!("{}d", (s / 86_400).min(99_999)),
    }
}

/// A short time in at most four columns: `0.4s`, `12s`, `3m`, `2h`, `9d`.
pub(crate) fn age(age: Duration) -> String {
    let s = age.as_secs_f64();
    match s {
        s if s < 9.95 => format!("{s:.1}s"),
        s if s < 99.5 => format!("{s:.0}s"),
        s if s < 5940.0 => format!("{:.0}m", s / 60.0),
        s if s < 356_400.0 => format!("{:.0}h", s / 3600.0),
        s => format!("{:.0}d", (s / 86_400.0).min(999.0)),
    }
}

/// A row of bars, the newest at the right end; `values` run from 0 to 100.
pub(crate) fn sparkline<'a>(
    values: impl DoubleEndedIterator<Item = &'a Option<f64>>,
    width: usize,
) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let mut bars: Vec<char> = values
        .rev()
        .take(width)
        .map(|value| match value {
            Some(v) if v.is_finite() => BARS[((v / 12.5).max(0.0) as usize).min(7)],
            _ => ' ',
        })
        .collect();
    bars.resize(width, ' ');
    bars.iter().rev().collect()
}

/// A bar of `width` columns, `percent` of it filled.
pub(crate) fn bar(percent: f64, width: usize) -> (String, String) {
    let filled = (percent.clamp(0.0, 100.0) / 100.0 * width as f64).round() as usize;
    ("■".repeat(filled), "·".repeat(width - filled))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (950.4, "950"),
            (1023.6, "1.0K"),
            (1234.0, "1.2K"),
            (35_000_000.0, "33M"),
            (1.5e12, "1.4T"),
            (f64::NAN, "–"),
            (-1.0, "–"),
        ] {
            assert_eq!(bytes(value), text);
        }
        assert_eq!(
            [percent(0.0), percent(99.94), percent(99.96), percent(1e300)],
            ["0.0", "99.9", "100", "9999"]
        );
        assert_eq!([load(0.5), load(128.4), load(1e9)], ["0.50", "128", "99999"]);
        assert_eq!([count(99_999), count(1_234_567)], ["99999", "1.2M"]);
        assert_eq!(
            [45.9, 750.0, 18_720.0, 273_600.0, 35_596_800.0, 1e30].map(uptime),
            ["45s", "12m30s", "5h12m", "3d04h", "412d", "99999d"]
        );
        let ages = [0.42, 12.0, 99.6, 7200.0, 864_000.0].map(|s| age(Duration::from_secs_f64(s)));
        assert_eq!(ages, ["0.4s", "12s", "2m", "2h", "10d"]);
    }

    #[test]
    fn bars_end_at_the_right() {
        let values = [Some(0.0), None, Some(50.0), Some(100.0), Some(1e9)];
        assert_eq!(sparkline(values.iter(), 7), "  ▁ ▅██");
        assert_eq!(sparkline(values.iter(), 2), "██");
        assert_eq!(bar(50.0, 4), ("■■".into(), "··".into()));
        assert_eq!(bar(-5.0, 2), (String::new(), "··".into()));
    }

    #[test]
    fn a_minus_has_its_column() {
        assert_eq!([percent(-9.94), percent(-19.5), percent(-1e9)], ["-9.9", "-20", "-999"]);
    }

    proptest! {
        #[test]
        fn columns_are_never_passed(value in prop::num::f64::ANY, n in any::<u64>()) {
            let wide = |text: String| crate::text::columns(&text);
            prop_assert!(wide(percent(value)) <= 4);
            prop_assert!(wide(load(value.abs())) <= 5);
            prop_assert!(wide(bytes(value)) <= 5);
            prop_assert!(wide(count(n)) <= 5);
            prop_assert!(wide(uptime(value)) <= 6);
            prop_assert!(wide(age(Duration::from_secs(n))) <= 4);
        }
    }
}
