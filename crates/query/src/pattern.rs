//! Regular expressions as Prometheus takes them (RE2's syntax, as in Go), for the crate `regex`.

use std::collections::HashMap;

use regex::{Regex, RegexBuilder};

/// Most bytes a pattern may compile to; larger ones are refused.
const MAX_COMPILED_BYTES: usize = 1 << 20;

/// Most bytes that all patterns of a query may compile to.
const MAX_QUERY_BYTES: usize = 4 << 20;

/// What a pattern counts at least, so that a query has 64 different ones at most.
const LEAST_BYTES: usize = 64 << 10;

/// Why a pattern is refused.
pub(crate) enum Refused {
    /// It is no regular expression.
    Wrong(String),
    /// It, or all of a query together, compile to too much.
    Large(String),
}

impl From<Refused> for String {
    fn from(refused: Refused) -> String {
        match refused {
            Refused::Wrong(message) | Refused::Large(message) => message,
        }
    }
}

/// The patterns of one query: each is compiled once, and all together only to so much.
#[derive(Debug)]
pub(crate) struct Patterns {
    known: HashMap<String, Regex>,
    left_bytes: usize,
}

impl Default for Patterns {
    fn default() -> Patterns {
        Patterns { known: HashMap::new(), left_bytes: MAX_QUERY_BYTES }
    }
}

impl Patterns {
    /// A regular expression that has to match a whole value; `.` matches newlines, as in Prometheus.
    pub(crate) fn whole_value(&mut self, pattern: &str) -> std::result::Result<Regex, Refused> {
        if let Some(regex) = self.known.get(pattern) {
            return Ok(regex.clone());
        }
        let (regex, bytes) = compiled(pattern, self.left_bytes)?;
        self.left_bytes -= bytes;
        self.known.insert(pattern.into(), regex.clone());
        Ok(regex)
    }
}

/// A pattern, and how many bytes it counts. What it compiles to cannot be asked for, so it is tried
/// with limits that double.
fn compiled(pattern: &str, left_bytes: usize) -> std::result::Result<(Regex, usize), Refused> {
    let wrong = |e: regex::Error| Refused::Wrong(format!("error parsing regexp: {e}"));
    let text = translated(pattern);
    if closes_too_much(&text) {
        return Err(Refused::Wrong(format!("error parsing regexp: unexpected ): `{pattern}`")));
    }
    let whole = format!("^(?s:{text})$");
    let mut limit = LEAST_BYTES;
    loop {
        if limit > left_bytes {
            let message =
                format!("the regular expressions of the query compile to more than {MAX_QUERY_BYTES} bytes");
            return Err(Refused::Large(message));
        }
        match RegexBuilder::new(&whole).size_limit(limit).build() {
            Ok(regex) => return Ok((regex, limit)),
            Err(regex::Error::CompiledTooBig(_)) if limit < MAX_COMPILED_BYTES => limit *= 2,
            Err(regex::Error::CompiledTooBig(_)) => {
                let message = format!("the regular expression compiles to more than {limit} bytes");
                return Err(Refused::Large(message));
            }
            // Said of the pattern by itself, as it was given.
            Err(e) => {
                let alone = RegexBuilder::new(&text).size_limit(limit).build();
                return Err(wrong(alone.err().unwrap_or(e)));
            }
        }
    }
}

/// Whether a parenthesis closes what the pattern did not open: it would end the group around it.
fn closes_too_much(translated: &str) -> bool {
    let (mut groups, mut classes) = (0_usize, 0_usize);
    let mut chars = translated.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '[' => classes += 1,
            ']' => classes = classes.saturating_sub(1),
            '(' if classes == 0 => groups += 1,
            ')' if classes == 0 && groups == 0 => return true,
            ')' if classes == 0 => groups -= 1,
            _ => {}
        }
    }
    false
}

/// What RE2 reads otherwise than the crate: braces that are no repetition are braces, brackets
/// within classes are brackets, `\d`, `\w` and `\s` know ASCII only, and `\Q…\E` quotes.
pub(crate) fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = after;
        match c {
            '\\' => {
                let Some(escaped) = after.chars().next() else {
                    out.push('\\');
                    break;
                };
                rest = &after[escaped.len_utf8()..];
                if escaped == 'Q' {
                    let quoted = rest.find("\\E").unwrap_or(rest.len());
                    out.push_str(&regex::escape(&rest[..quoted]));
                    rest = rest[quoted..].strip_prefix("\\E").unwrap_or_default();
                } else {
                    escape(escaped, in_class, &mut out);
                    // What these braces hold is a name or a number.
                    let named = matches!(escaped, 'p' | 'P' | 'x') && rest.starts_with('{');
                    if let Some(end) = named.then(|| rest.find('}')).flatten() {
                        out.push_str(&rest[..=end]);
                        rest = &rest[end + 1..];
                    }
                }
            }
            '[' if !in_class => {
                in_class = true;
                out.push('[');
                if let Some(negated) = rest.strip_prefix('^') {
                    out.push('^');
                    rest = negated;
                }
                // A closing bracket that comes first is one of the class.
                if let Some(bracket) = rest.strip_prefix(']') {
                    out.push_str("\\]");
                    rest = bracket;
                }
            }
            '[' => match after.find(":]").filter(|_| after.starts_with(':')) {
                Some(end) => {
                    out.push('[');
                    out.push_str(&after[..end + 2]);
                    rest = &after[end + 2..];
                }
                None => out.push_str("\\["),
            },
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            // Twice they would be operators on classes.
            '&' | '~' if in_class => {
                out.push('\\');
                out.push(c);
            }
            '-' if in_class && after.starts_with('-') => out.push_str("\\-"),
            '{' if !in_class && !repeats(after) => out.push_str("\\{"),
            c => out.push(c),
        }
    }
    out
}

/// What follows a backslash.
fn escape(escaped: char, in_class: bool, out: &mut String) {
    let class = match escaped.to_ascii_lowercase() {
        'd' => "0-9",
        'w' => "0-9A-Za-z_",
        's' => "\\t\\n\\f\\r ",
        _ => "",
    };
    let negated = escaped.is_ascii_uppercase();
    match (class, in_class) {
        ("", _) if escaped == 'b' && !in_class => out.push_str("(?-u:\\b)"),
        ("", _) => {
            out.push('\\');
            out.push(escaped);
        }
        (class, true) if !negated => out.push_str(class),
        (class, _) => out.push_str(&format!("[{}{class}]", if negated { "^" } else { "" })),
    }
}

/// Whether this, after a brace, makes it a repetition: `2}`, `2,}`, `2,3}`.
fn repeats(after: &str) -> bool {
    let Some((inside, _)) = after.split_once('}') else { return false };
    let (from, to) = inside.split_once(',').unwrap_or((inside, ""));
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    !from.is_empty() && number(from) && number(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_go() {
        for (pattern, fits, fails) in [
            ("a{2}", "aa", "a{2}"),
            ("a{2,}|b{1,2}", "aaa", "a"),
            ("a{", "a{", "a"),
            ("{x}", "{x}", "x"),
            ("a{,2}", "a{,2}", "aa"),
            ("[[a]+", "[a", "b"),
            ("[]a]+", "]a", "b"),
            ("[^]a]", "b", "]"),
            ("[[:digit:]-]+", "1-2", "a"),
            ("[a&&b]+", "a&b", "c"),
            (r"\d+", "12", "٣"),
            (r"[\d.]+", "1.2", "٣"),
            (r"\w\W\S", "a-b", "ä-b"),
            (r"[^\D]", "1", "a"),
            (r"\Qa.b[\E+", "a.b[", "axb["),
            (r"\bfoo\b.*", "foo bar", "foobar"),
            (r"\p{Greek}+", "αβ", "ab"),
            (r"[\P{L}]\x{e4}", "1ä", "aä"),
            ("a.c", "a\nc", "abbc"),
            ("(?i)ABC|d", "abc", "e"),
            (r"[)\](]+\)(a|(b))", ")](])b", "]"),
        ] {
            let regex = compiled(pattern, MAX_QUERY_BYTES)
                .unwrap_or_else(|e| panic!("{pattern}: {}", String::from(e)))
                .0;
            assert!(regex.is_match(fits), "{pattern} does not match {fits:?}");
            assert!(!regex.is_match(fails), "{pattern} matches {fails:?}");
        }
        for wrong in ["(", "a)(b", "[a", "*", r"\", "(a{1000}){1000}", r"[)]a)(b", r"\(a)(b"] {
            assert!(compiled(wrong, MAX_QUERY_BYTES).is_err(), "{wrong} is accepted");
        }
    }
}
