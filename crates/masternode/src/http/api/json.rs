//! Results of queries as JSON, written straight into bytes: there can be millions of samples.

use std::io::Write;

use chasar_query::{Answered, Labels};

/// `"resultType":…,"result":…`, and whether series beyond `limit` were left out.
pub(crate) fn result(value: &Answered, limit: usize, out: &mut Vec<u8>) -> bool {
    let kind = match value {
        Answered::Scalar { .. } => "scalar",
        Answered::Text { .. } => "string",
        Answered::Vector(_) => "vector",
        Answered::Matrix(_) => "matrix",
    };
    // Writing to memory cannot fail.
    let _ = write!(out, "\"resultType\":\"{kind}\",\"result\":");
    match value {
        Answered::Scalar { time_ms, value } => {
            sample(*time_ms, *value, out);
            false
        }
        Answered::Text { time_ms, value } => {
            out.push(b'[');
            time(*time_ms, out);
            out.push(b',');
            text(value, out);
            out.push(b']');
            false
        }
        Answered::Vector(samples) => list(samples, limit, out, |one, out| {
            out.extend_from_slice(b"{\"metric\":");
            labels(&one.labels, out);
            out.extend_from_slice(b",\"value\":");
            sample(one.time_ms, one.value, out);
            out.push(b'}');
        }),
        Answered::Matrix(series) => list(series, limit, out, |one, out| {
            out.extend_from_slice(b"{\"metric\":");
            labels(&one.labels, out);
            out.extend_from_slice(b",\"values\":");
            list(&one.samples, usize::MAX, out, |(at, value), out| sample(*at, *value, out));
            out.push(b'}');
        }),
    }
}

/// A list of at most so many, and whether some were left out.
fn list<T>(all: &[T], limit: usize, out: &mut Vec<u8>, each: impl Fn(&T, &mut Vec<u8>)) -> bool {
    out.push(b'[');
    for (i, one) in all.iter().take(limit).enumerate() {
        if i > 0 {
            out.push(b',');
        }
        each(one, out);
    }
    out.push(b']');
    all.len() > limit
}

fn labels(labels: &Labels, out: &mut Vec<u8>) {
    pairs(labels.iter(), out);
}

/// Names and values as an object.
pub(crate) fn pairs<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (i, (name, value)) in pairs.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        text(name, out);
        out.push(b':');
        text(value, out);
    }
    out.push(b'}');
}

pub(crate) fn text(text: &str, out: &mut Vec<u8>) {
    // Hosts say what they like in labels.
    let _ = serde_json::to_writer(out, text);
}

fn sample(time_ms: i64, value: f64, out: &mut Vec<u8>) {
    out.push(b'[');
    time(time_ms, out);
    out.extend_from_slice(b",\"");
    number(value, out);
    out.extend_from_slice(b"\"]");
}

/// Seconds, with three decimals when they are not whole.
fn time(ms: i64, out: &mut Vec<u8>) {
    let (seconds, rest) = (ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000);
    if ms < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(itoa::Buffer::new().format(seconds).as_bytes());
    if rest > 0 {
        let digit = |n: u64| b'0' + (n % 10) as u8;
        out.extend_from_slice(&[b'.', digit(rest / 100), digit(rest / 10), digit(rest)]);
    }
}

/// A number as Prometheus writes it: the shortest digits that read back as the same, with an exponent
/// of at least two digits below 1e-6 and from 1e21 on.
fn number(value: f64, out: &mut Vec<u8>) {
    let size = value.abs();
    // Most are in the middle, where no exponent is written by anyone.
    if (1e-4..1e15).contains(&size) {
        if value as i64 as f64 == value {
            out.extend_from_slice(itoa::Buffer::new().format(value as i64).as_bytes());
        } else {
            out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
        }
        return;
    }
    let _ = if value.is_nan() {
        out.write_all(b"NaN")
    } else if value.is_infinite() {
        out.write_all(if value > 0.0 { b"+Inf" } else { b"-Inf" })
    } else if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        write!(out, "{digits}e{sign}{exponent:0>2}")
    } else {
        write!(out, "{value}")
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(of: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        of(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_and_times_are_written_as_prometheus_writes_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.5, "1.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e-6, "0.000001"),
            (9.5e-7, "9.5e-07"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (-2.5e100, "-2.5e+100"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(written(|out| number(value, out)), text);
        }
        let mut random = 1_u64;
        for i in 0..100_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let whole = (random >> 40) as f64;
            for value in
                [whole, whole / 1000.0, -whole / 7.0, whole * 1e9, f64::from_bits(random), whole / 1e12]
            {
                if !value.is_finite() {
                    continue;
                }
                let text = written(|out| number(value, out));
                assert_eq!(text.parse::<f64>().map(f64::to_bits).ok(), Some(value.to_bits()), "{value} {i}");
                if (1e-6..1e21).contains(&value.abs()) {
                    // Halfway between two shortest texts either will do.
                    assert_eq!(text.len(), value.to_string().len(), "{text} {value}");
                }
            }
        }
        for (ms, text) in [(0, "0"), (1500, "1.500"), (1_700_000_000_007, "1700000000.007"), (-1, "-0.001")] {
            assert_eq!(written(|out| time(ms, out)), text);
        }
    }

    #[test]
    fn hostile_labels_are_escaped() {
        let labels = [("a\"b", "c\n\u{0}\\")];
        let json = written(|out| pairs(labels.into_iter(), out));
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["a\"b"], "c\n\u{0}\\");
    }
}
