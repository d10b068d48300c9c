//! Regular expressions as Prometheus takes them (RE2's syntax, as in Go), for the crate `regex`.

use regex::{Regex, RegexBuilder};

/// Most bytes a pattern may compile to; larger ones are refused.
const MAX_COMPILED_BYTES: usize = 1 << 20;

/// A regular expression that has to match a whole value; `.` matches newlines, as in Prometheus.
pub(crate) fn whole_value(pattern: &str) -> std::result::Result<Regex, String> {
    let build = |text: &str| {
        let mut builder = RegexBuilder::new(text);
        builder.size_limit(MAX_COMPILED_BYTES).build().map_err(|e| match e {
            regex::Error::CompiledTooBig(limit) => {
                format!("the regular expression compiles to more than {limit} bytes")
            }
            other => format!("error parsing regexp: {other}"),
        })
    };
    let pattern = translated(pattern);
    // By itself first: a parenthesis too many would end the group around it.
    build(&pattern)?;
    build(&format!("^(?s:{pattern})$"))
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
            ("a.c", "a\nc", "abbc"),
            ("(?i)ABC|d", "abc", "e"),
        ] {
            let regex = whole_value(pattern).unwrap_or_else(|e| panic!("{pattern}: {e}"));
            assert!(regex.is_match(fits), "{pattern} does not match {fits:?}");
            assert!(!regex.is_match(fails), "{pattern} matches {fails:?}");
        }
        for wrong in ["(", "a)(b", "[a", "*", r"\", "(a{1000}){1000}"] {
            assert!(whole_value(wrong).is_err(), "{wrong} is accepted");
        }
    }
}
