//! How scripts write series: `name{label="value"} 1 2+3x4 _ stale`.

use crate::labels::Labels;
use crate::parse;
use crate::source::STALE;

/// Most values of a series.
const MAX_VALUES: usize = 1_000_000;

/// A series of a script.
pub(super) struct Line {
    pub(super) labels: Labels,
    /// A value, or none, for each step.
    pub(super) values: Vec<Option<f64>>,
    /// Whether a native histogram is among the values.
    pub(super) native: bool,
}

/// Reads a line of a series.
pub(super) fn line(text: &str) -> Result<Line, String> {
    let end = description_end(text);
    let labels = labels(&text[..end])?;
    let (values, native) = values(&text[end..])?;
    Ok(Line { labels, values, native })
}

/// Reads `name{label="value"}`.
fn labels(text: &str) -> Result<Labels, String> {
    let matchers = parse::description(text.trim()).map_err(|e| format!("{text}: {e}"))?;
    Ok(Labels::new(matchers.into_iter().map(|m| (m.name, m.value))))
}

/// Where the labels end: after the brace that closes them, or the name.
fn description_end(text: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    let mut open = false;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(q), '\\') if q != '`' => escaped = true,
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '{') => open = true,
            (None, '}') => return at + 1,
            // A space between name and brace is fine.
            (None, c) if c.is_whitespace() && !open && !text[at..].trim_start().starts_with('{') => {
                return at;
            }
            (None, c) if c.is_whitespace() && !open && text[at..].trim_start().starts_with("{{") => {
                return at;
            }
            _ => {}
        }
    }
    text.len()
}

/// Reads values. Histograms become missing values.
fn values(text: &str) -> Result<(Vec<Option<f64>>, bool), String> {
    let mut out = Vec::new();
    let mut native = false;
    let mut rest = text.trim();
    while !rest.is_empty() {
        if rest.starts_with("{{") {
            native = true;
            // They may be added to and repeated: {{…}}+{{…}}x5
            let end = rest.rfind("}}").map_or(rest.len(), |e| e + 2);
            rest = rest[end..].find(char::is_whitespace).map_or("", |e| rest[end + e..].trim_start());
            continue;
        }
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        item(&rest[..end], &mut out).map_err(|e| format!("{}: {e}", &rest[..end]))?;
        rest = rest[end..].trim_start();
    }
    Ok((out, native))
}

/// `1`, `1x3`, `1+2x3`, `_`, `_x3`, `stale`.
fn item(text: &str, out: &mut Vec<Option<f64>>) -> Result<(), String> {
    let times = |text: &str| -> Result<usize, String> {
        let n = text.parse().map_err(|_| "not a number of times")?;
        if n > MAX_VALUES { Err("too many values".into()) } else { Ok(n) }
    };
    if let Some(rest) = text.strip_prefix('_') {
        let n = match rest.strip_prefix('x') {
            Some(n) => times(n)?,
            None if rest.is_empty() => 1,
            None => return Err("unknown value".into()),
        };
        out.extend(std::iter::repeat_n(None, n));
        return Ok(());
    }
    if let Some(rest) = text.strip_prefix("stale") {
        let n = rest.strip_prefix('x').map_or(Ok(1), |n| times(n).map(|n| n + 1))?;
        out.extend(std::iter::repeat_n(Some(STALE), n));
        return Ok(());
    }
    let (first, rest) = number(text)?;
    if rest.is_empty() {
        out.push(Some(first));
        return Ok(());
    }
    let (step, rest) = if rest.starts_with('x') { (0.0, rest) } else { number(rest)? };
    let n = rest.strip_prefix('x').ok_or("an x and how often is missing")?;
    let mut value = first;
    // Added up, as scripts were made by adding: 0.1 ten times is not quite 1.
    for _ in 0..=times(n)? {
        out.push(Some(value));
        value += step;
    }
    Ok(())
}

/// A number at the beginning, and what follows it.
fn number(text: &str) -> Result<(f64, &str), String> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sign = text.len() - unsigned.len();
    let lower = unsigned.to_ascii_lowercase();
    let len = if lower.starts_with("inf") || lower.starts_with("nan") {
        3
    } else {
        let bytes = lower.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let exponent = bytes[at] == b'e'
                && bytes.get(at + 1).is_some_and(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-'));
            if exponent {
                at += 2;
            } else if bytes[at].is_ascii_digit() || bytes[at] == b'.' {
                at += 1;
            } else {
                break;
            }
        }
        at
    };
    let end = sign + len;
    let number = text.get(..end).and_then(|t| t.parse().ok()).ok_or("not a number")?;
    Ok((number, &text[end..]))
}

/// A number by itself, also in hexadecimal.
pub(super) fn lone_number(text: &str) -> Option<f64> {
    let text = text.trim();
    if let Some(hex) = text.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok().map(|n| n as f64);
    }
    number(text).ok().filter(|(_, rest)| rest.is_empty()).map(|(n, _)| n)
}
