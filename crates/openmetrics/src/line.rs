//! One line of text and what it means.

use std::borrow::Cow;

use crate::{Kind, Type};

/// Which text it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OpenMetrics 1.0: times are seconds, `# EOF` ends it.
    OpenMetrics,
    /// Prometheus' text format 0.0.4: times are integer milliseconds, comments are free.
    Prometheus,
}

/// One number at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample<'a> {
    /// The metric's name.
    pub name: Cow<'a, str>,
    /// Its labels as they stand there: names may come twice.
    pub labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The value; every NaN is the same one.
    pub value: f64,
    /// Unix milliseconds, where a time is said.
    pub time_ms: Option<i64>,
    /// What the type of its family says.
    pub kind: Kind,
}

/// What a line says.
#[derive(Debug, PartialEq)]
pub(crate) enum Line<'a> {
    /// Nothing that matters here: a blank line, help, unit or comment.
    Nothing,
    Type(Cow<'a, str>, Type),
    End,
    Sample(Sample<'a>),
}

/// Where in a line reading stopped, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// Bytes before it.
    pub(crate) at: usize,
    pub(crate) what: &'static str,
}

/// Times beyond it have no exact milliseconds as `f64`, and are far from any calendar.
const MAX_TIME_MS: i64 = 1 << 53;

/// Most labels of a sample; whoever has more has an error in the quotes.
const MAX_LABELS: usize = 256;

struct Cursor<'a> {
    line: &'a str,
    at: usize,
}

/// Reads a line without its end.
pub(crate) fn read(line: &str, dialect: Dialect) -> Result<Line<'_>, Wrong> {
    let mut cursor = Cursor { line, at: 0 };
    cursor.blanks();
    if cursor.rest().is_empty() {
        return Ok(Line::Nothing);
    }
    if cursor.rest().starts_with('#') {
        return cursor.comment(dialect);
    }
    cursor.sample(dialect).map(Line::Sample)
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.line[self.at..]
    }

    fn wrong<T>(&self, what: &'static str) -> Result<T, Wrong> {
        Err(Wrong { at: self.at, what })
    }

    /// Whether there were any.
    fn blanks(&mut self) -> bool {
        let before = self.at;
        self.at += self.rest().bytes().take_while(|b| matches!(b, b' ' | b'\t')).count();
        self.at > before
    }

    /// Everything up to the next blank.
    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find([' ', '\t']).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn takes(&mut self, c: char) -> bool {
        let takes = self.rest().starts_with(c);
        if takes {
            self.at += c.len_utf8();
        }
        takes
    }

    /// A name without quotes: letters, digits, underscores, and colons in those of metrics.
    fn bare(&mut self, colons: bool) -> &'a str {
        let rest = self.rest();
        let fits = |(at, b): (usize, u8)| {
            b.is_ascii_alphabetic() || b == b'_' || (colons && b == b':') || (at > 0 && b.is_ascii_digit())
        };
        let end = rest.bytes().enumerate().take_while(|c| fits(*c)).count();
        self.at += end;
        &rest[..end]
    }

    /// A text in quotes; the cursor is at the first. `\\`, `\"` and `\n` are escapes; Prometheus keeps
    /// other backslashes, and so do we.
    fn quoted(&mut self) -> Result<Cow<'a, str>, Wrong> {
        let begin = self.at;
        self.at += 1;
        let rest = self.rest();
        let mut escaped: Option<String> = None;
        let mut from = 0;
        let bytes = rest.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            match bytes[at] {
                b'"' => {
                    self.at += at + 1;
                    return Ok(match escaped {
                        None => Cow::Borrowed(&rest[..at]),
                        Some(text) => Cow::Owned(text + &rest[from..at]),
                    });
                }
                b'\\' => {
                    let c = match bytes.get(at + 1) {
                        Some(b'\\') => '\\',
                        Some(b'"') => '"',
                        Some(b'n') => '\n',
                        _ => {
                            at += 1;
                            continue;
                        }
                    };
                    let text = escaped.get_or_insert_default();
                    text.push_str(&rest[from..at]);
                    text.push(c);
                    at += 2;
                    from = at;
                }
                _ => at += 1,
            }
        }
        Err(Wrong { at: begin, what: "a quote is not closed" })
    }

    fn comment(&mut self, dialect: Dialect) -> Result<Line<'a>, Wrong> {
        if dialect == Dialect::OpenMetrics && self.rest().trim_end_matches([' ', '\t']) == "# EOF" {
            return Ok(Line::End);
        }
        self.at += 1;
        if !self.blanks() || self.word() != "TYPE" {
            return Ok(Line::Nothing);
        }
        self.blanks();
        let name = if self.rest().starts_with('"') { self.quoted()? } else { Cow::Borrowed(self.word()) };
        self.blanks();
        match Type::of(self.word()) {
            Some(of) if !name.is_empty() => Ok(Line::Type(name, of)),
            _ => self.wrong("a TYPE wants a name and one of counter, gauge, histogram, summary, unknown"),
        }
    }

    fn sample(&mut self, dialect: Dialect) -> Result<Sample<'a>, Wrong> {
        let mut name = Cow::Borrowed(self.bare(true));
        self.blanks();
        let mut labels = Vec::new();
        if self.takes('{') {
            self.labels(&mut name, &mut labels)?;
            self.blanks();
        } else if self.at == name.len() && !name.is_empty() && !self.rest().is_empty() {
            return self.wrong("a metric's name has a character that it must not have");
        }
        if name.is_empty() {
            return self.wrong("a line begins with the name of a metric, with { or with #");
        }
        let begin = self.at;
        let word = self.word();
        let Some(value) = number(word) else {
            return Err(Wrong {
                at: begin,
                what: if word.is_empty() { "there is no value" } else { "the value is no number" },
            });
        };
        self.blanks();
        let mut time_ms = None;
        let begin = self.at;
        if !self.rest().is_empty() && !self.rest().starts_with('#') {
            let word = self.word();
            let time = match dialect {
                Dialect::OpenMetrics => seconds(word),
                Dialect::Prometheus => word.parse().ok(),
            };
            match time.filter(|t: &i64| t.unsigned_abs() <= MAX_TIME_MS.unsigned_abs()) {
                Some(time) => time_ms = Some(time),
                None => {
                    let what = match dialect {
                        Dialect::OpenMetrics => "the time is no number of seconds since 1970",
                        Dialect::Prometheus => "the time is no whole number of milliseconds since 1970",
                    };
                    return Err(Wrong { at: begin, what });
                }
            }
            self.blanks();
        }
        // What follows a # is an exemplar.
        let exemplar = dialect == Dialect::OpenMetrics && self.rest().starts_with('#');
        if !exemplar && !self.rest().is_empty() {
            return self.wrong("there is more than a value and a time");
        }
        Ok(Sample { name, labels, value, time_ms, kind: Kind::Unknown })
    }

    /// What stands in braces; the first is taken.
    fn labels(
        &mut self,
        name: &mut Cow<'a, str>,
        labels: &mut Vec<(Cow<'a, str>, Cow<'a, str>)>,
    ) -> Result<(), Wrong> {
        loop {
            self.blanks();
            if self.takes('}') {
                return Ok(());
            }
            let begin = self.at;
            let quoted = self.rest().starts_with('"');
            let label = if quoted { self.quoted()? } else { Cow::Borrowed(self.bare(false)) };
            if label.is_empty() {
                return Err(Wrong { at: begin, what: "a label has no name" });
            }
            self.blanks();
            if self.takes('=') {
                self.blanks();
                if !self.rest().starts_with('"') {
                    return self.wrong("a label's value wants quotes");
                }
                if labels.len() == MAX_LABELS {
                    return self.wrong("there are too many labels");
                }
                let value = self.quoted()?;
                labels.push((label, value));
            } else if quoted && name.is_empty() {
                *name = label;
            } else {
                return self.wrong("a label wants = and a value");
            }
            self.blanks();
            if !self.takes(',') && !self.rest().starts_with('}') {
                return self.wrong("after a label comes a comma or }");
            }
        }
    }
}

/// A value as both formats write it.
fn number(word: &str) -> Option<f64> {
    let value: f64 = word.parse().ok()?;
    // Payloads and signs of NaN have no text.
    Some(if value.is_nan() { f64::NAN } else { value })
}

/// Seconds as milliseconds, exactly where they are written as a decimal, else to the nearest.
fn seconds(word: &str) -> Option<i64> {
    let (negative, digits) = match word.as_bytes().first()? {
        b'-' => (true, &word[1..]),
        b'+' => (false, &word[1..]),
        _ => (false, word),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 15 || !plain(whole) || !plain(fraction) {
        let ms = (word.parse::<f64>().ok()? * 1000.0).round();
        return (ms.abs() <= MAX_TIME_MS as f64).then_some(ms as i64);
    }
    let mut ms = whole.parse::<i64>().ok()? * 1000;
    let digit = |at: usize| fraction.as_bytes().get(at).map_or(0, |b| i64::from(b - b'0'));
    ms += digit(0) * 100 + digit(1) * 10 + digit(2) + i64::from(digit(3) >= 5);
    Some(if negative { -ms } else { ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(line: &str, dialect: Dialect) -> String {
        match read(line, dialect) {
            Ok(Line::Sample(s)) => {
                let labels: Vec<String> = s.labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
                format!("{}[{}] {:?} {:?}", s.name, labels.join(","), s.value, s.time_ms)
            }
            Ok(other) => format!("{other:?}"),
            Err(wrong) => format!("at {}: {}", wrong.at, wrong.what),
        }
    }

    #[test]
    fn openmetrics_lines() {
        for (line, expected) in [
            ("a 1", "a[] 1.0 None"),
            ("a:b_2 -1.5e3 1700000000", "a:b_2[] -1500.0 Some(1700000000000)"),
            ("a{} 1 0.001", "a[] 1.0 Some(1)"),
            ("a{b=\"c\"} +Inf -1.5", "a[b=c] inf Some(-1500)"),
            (
                "a{b=\"c\",d=\"\\\\ \\\" \\n \\x é\"} NaN 1.7e9",
                "a[b=c,d=\\ \" \n \\x é] NaN Some(1700000000000)",
            ),
            ("a{b=\"c\",} 1", "a[b=c] 1.0 None"),
            ("  a { b = \"c\" , }  1\t2  ", "a[b=c] 1.0 Some(2000)"),
            ("{\"a.b\",\"c d\"=\"e\"} 1", "a.b[c d=e] 1.0 None"),
            ("a_bucket{le=\"1\"} 5 # {trace_id=\"x\"} 0.67", "a_bucket[le=1] 5.0 None"),
            ("a_bucket{le=\"1\"} 5 7 # {trace_id=\"x\"} 0.67 1.5", "a_bucket[le=1] 5.0 Some(7000)"),
            ("a 1 1700000000.1234", "a[] 1.0 Some(1700000000123)"),
            ("a 1 1700000000.9996", "a[] 1.0 Some(1700000001000)"),
            ("", "Nothing"),
            ("# EOF", "End"),
            ("# HELP a b", "Nothing"),
            ("# UNIT a seconds", "Nothing"),
            ("# TYPE a counter", "Type(\"a\", Counter)"),
            ("# TYPE \"a b\" gauge", "Type(\"a b\", Gauge)"),
            (
                "# TYPE a thing",
                "at 14: a TYPE wants a name and one of counter, gauge, histogram, summary, unknown",
            ),
            ("a", "at 1: there is no value"),
            ("a b", "at 2: the value is no number"),
            ("a-b 1", "at 1: a metric's name has a character that it must not have"),
            ("1a 1", "at 0: a line begins with the name of a metric, with { or with #"),
            ("{a=\"b\"} 1", "at 8: a line begins with the name of a metric, with { or with #"),
            ("a{b=\"c} 1", "at 4: a quote is not closed"),
            ("a{b=c} 1", "at 4: a label's value wants quotes"),
            ("a{b} 1", "at 3: a label wants = and a value"),
            ("a{=\"b\"} 1", "at 2: a label has no name"),
            ("a{b=\"c\" d=\"e\"} 1", "at 8: after a label comes a comma or }"),
            ("a{b=\"c\"", "at 7: after a label comes a comma or }"),
            ("a 1 soon", "at 4: the time is no number of seconds since 1970"),
            ("a 1 1e300", "at 4: the time is no number of seconds since 1970"),
            ("a 1 2 3", "at 6: there is more than a value and a time"),
        ] {
            assert_eq!(sample(line, Dialect::OpenMetrics), expected, "{line}");
        }
    }

    #[test]
    fn lines_of_prometheus() {
        for (line, expected) in [
            ("a 1 1700000000250", "a[] 1.0 Some(1700000000250)"),
            ("a 1 1.5", "at 4: the time is no whole number of milliseconds since 1970"),
            ("a 1 -9223372036854775808", "at 4: the time is no whole number of milliseconds since 1970"),
            ("# anything", "Nothing"),
            ("# EOF", "Nothing"),
            ("#", "Nothing"),
            ("# TYPE a untyped", "Type(\"a\", Unknown)"),
            ("a 1 # no exemplars here", "at 4: there is more than a value and a time"),
        ] {
            assert_eq!(sample(line, Dialect::Prometheus), expected, "{line}");
        }
    }
}
