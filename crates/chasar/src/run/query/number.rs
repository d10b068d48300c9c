//! Numbers: for people rounded, for programs with every digit.

/// The text that Prometheus' API has for a value: the shortest that gives it back, never with an exponent.
pub(super) fn exact(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}

/// Six digits that count; whole numbers and the thousandths of large ones stay.
pub(super) fn rounded(value: f64) -> String {
    if !value.is_finite() || value == 0.0 {
        return exact(value);
    }
    let magnitude = value.abs().log10().floor() as i32;
    if !(-5..15).contains(&magnitude) {
        let text = format!("{value:.5e}");
        let Some((digits, exponent)) = text.split_once('e') else { return text };
        return format!("{}e{exponent}", bare(digits));
    }
    let decimals = (5 - magnitude).max(3) as usize;
    bare(&format!("{value:.decimals$}")).to_owned()
}

/// Without zeros at the end that say nothing.
fn bare(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// Powers of 1000 and their letters.
const PREFIXES: [(f64, &str); 4] = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];

/// Three or four digits and a letter for thousands, millions, ...: `1.53G`.
pub(super) fn short(value: f64) -> String {
    if !value.is_finite() {
        return exact(value);
    }
    let size = value.abs();
    if size < 10_000.0 {
        let decimals = match size {
            s if s >= 1000.0 => 0,
            s if s >= 100.0 => 1,
            s if s >= 10.0 => 2,
            s if s >= 0.1 => 3,
            s if s >= 0.001 || s == 0.0 => 5,
            _ => return format!("{value:.1e}"),
        };
        return bare(&format!("{value:.decimals$}")).to_owned();
    }
    let Some((by, letter)) = PREFIXES.iter().find(|(by, _)| size >= *by).filter(|(by, _)| size / by < 1e4)
    else {
        return format!("{value:.2e}");
    };
    let value = value / by;
    let decimals = if value.abs() >= 100.0 { 1 } else { 2 };
    format!("{}{letter}", bare(&format!("{value:.decimals$}")))
}

/// Marks of an axis.
#[derive(Debug, PartialEq)]
pub(super) struct Marks {
    /// From the lowest to the highest; the axis is from the first to the last.
    pub(super) values: Vec<f64>,
    /// What is written at each.
    pub(super) texts: Vec<String>,
}

/// Round marks around all of `low..=high`, at most `most` (three at least).
pub(super) fn marks(low: f64, high: f64, most: usize) -> Marks {
    // Halved before the difference is taken, which for the largest numbers would be infinite.
    let span = (high / 2.0 - low / 2.0) * 2.0;
    let (low, high) = match span {
        s if s.is_finite() && s > (low.abs().max(high.abs()) * 1e-12).max(f64::MIN_POSITIVE) => (low, high),
        // A line that does not move is seen against zero.
        s if s.is_finite() && (low, high) == (0.0, 0.0) => (-1.0, 1.0),
        s if s.is_finite() => (low.min(0.0), high.max(0.0)),
        // Beyond what an axis can be divided into.
        _ => {
            return Marks {
                values: vec![low, high],
                texts: vec![format!("{low:.1e}"), format!("{high:.1e}")],
            };
        }
    };
    let most = most.max(3) as f64;
    let rough = (high - low) / (most - 1.0);
    let power = 10f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0].map(|n| n * power);
    let count = |step: f64| (high / step).ceil() - (low / step).floor() + 1.0;
    let step = steps.into_iter().find(|step| count(*step) <= most).unwrap_or(steps[5]);
    let (first, last) = ((low / step).floor(), (high / step).ceil());
    let values: Vec<f64> =
        (0..=(last - first).min(most) as u32).map(|n| (first + f64::from(n)) * step).collect();
    let texts = texts(&values, step);
    Marks { values, texts }
}

fn texts(values: &[f64], step: f64) -> Vec<String> {
    let largest = values.iter().fold(0f64, |l, v| l.max(v.abs()));
    if !(1e-3..1e16).contains(&largest) {
        return values.iter().map(|v| if *v == 0.0 { "0".to_owned() } else { format!("{v:.1e}") }).collect();
    }
    let decimals = |by: f64| (-(step / by * 1.000_001).log10().floor()).clamp(0.0, 12.0) as usize;
    let (by, letter) =
        PREFIXES.into_iter().find(|(by, _)| largest >= *by && largest >= 10_000.0).unwrap_or((1.0, ""));
    // Where the marks differ only far behind the point, the letter makes it no shorter.
    let (by, letter) = if decimals(by) > 3 { (1.0, "") } else { (by, letter) };
    let text = |v: f64| {
        let text = format!("{:.*}", decimals(by), v / by);
        if v == 0.0 { "0".to_owned() } else { format!("{text}{letter}") }
    };
    values.iter().map(|v| text(*v)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_for_people() {
        for (value, text) in [
            (0.0, "0"),
            (1.0 / 3.0, "0.333333"),
            (-2.5, "-2.5"),
            (16_777_216_000.0, "16777216000"),
            (1_700_000_000.25, "1700000000.25"),
            (123_456.789_4, "123456.789"),
            (0.000_012_345_678, "0.0000123457"),
            (1.5e-9, "1.5e-9"),
            (1e300, "1e300"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(rounded(value), text);
        }
        for (value, text) in [
            (0.0, "0"),
            (0.25, "0.25"),
            (4096.0, "4096"),
            (16_777_216_000.0, "16.78G"),
            (123_456.0, "123.5k"),
            (-15_000.0, "-15k"),
            (1e-7, "1.0e-7"),
            (1e20, "1.00e20"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(short(value), text);
        }
        assert_eq!([exact(1e21), exact(0.1 + 0.2)], ["1000000000000000000000", "0.30000000000000004"]);
    }

    #[test]
    fn marks_are_round() {
        for (low, high, most, texts) in [
            (0.0, 1.0, 6, &["0", "0.2", "0.4", "0.6", "0.8", "1.0"][..]),
            (3.2, 9.7, 5, &["2", "4", "6", "8", "10"]),
            (0.0, 17e9, 5, &["0", "5G", "10G", "15G", "20G"]),
            (5.0, 5.0, 4, &["0", "2", "4", "6"]),
            (0.0, 0.0, 3, &["-1", "0", "1"]),
            (-30_000.0, 5_000.0, 5, &["-30k", "-20k", "-10k", "0", "10k"]),
            (
                1_700_000_000.0,
                1_700_000_004.0,
                5,
                &["1700000000", "1700000001", "1700000002", "1700000003", "1700000004"],
            ),
            (0.0, 4e-6, 3, &["0", "2.0e-6", "4.0e-6"]),
            (f64::MIN, f64::MAX, 3, &["-1.8e308", "1.8e308"]),
        ] {
            assert_eq!(marks(low, high, most).texts, texts, "{low} {high}");
        }
    }

    proptest! {
        #[test]
        fn marks_are_around_everything(a in any::<f64>(), b in any::<f64>(), most in 0usize..12) {
            prop_assume!(a.is_finite() && b.is_finite());
            let (low, high) = (a.min(b), a.max(b));
            let marks = marks(low, high, most);
            prop_assert!((2..=most.max(3) + 1).contains(&marks.values.len()), "{marks:?}");
            prop_assert!(marks.values.is_sorted(), "{marks:?}");
            let slack = low.abs().max(high.abs()) * 1e-9;
            prop_assert!(marks.values[0] - slack <= low && high <= marks.values[marks.values.len() - 1] + slack, "{marks:?}");
        }

        #[test]
        fn the_rounded_is_near(value in any::<f64>()) {
            prop_assume!(value.is_finite());
            let back: f64 = rounded(value).parse().unwrap();
            prop_assert!((back - value).abs() <= value.abs() * 1e-5, "{value} {}", rounded(value));
            let _ = short(value);
        }
    }
}
