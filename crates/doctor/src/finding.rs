//! What a check says: what was looked at, what was found, why it matters, what to do.

use std::fmt;

use serde::Serialize;

use crate::catalog;

/// Whether something has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is as it should be.
    Fine,
    /// Worth knowing: it may become trouble, or could not be looked at.
    Note,
    /// It does not work as it should.
    Wrong,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What, in words.
    pub text: String,
    /// The command that does it, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// What a check found. Texts may hold what other hosts said: whoever shows them makes them harmless.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A stable name for programs, one of those in [`catalog::CODES`].
    pub code: &'static str,
    /// Whether something has to be done.
    pub verdict: Verdict,
    /// What was looked at.
    pub looked_at: String,
    /// What was found, as a sentence.
    pub found: String,
    /// Why it matters, as a sentence; empty for what is fine.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// What to do, the likeliest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remedy: Vec<Step>,
}

impl Finding {
    fn new(
        code: &'static str,
        verdict: Verdict,
        looked_at: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Finding {
        debug_assert!(catalog::CODES.iter().any(|(known, _)| *known == code), "{code} is not in the catalog");
        Finding {
            code,
            verdict,
            looked_at: looked_at.to_string(),
            found: found.to_string(),
            why: String::new(),
            remedy: Vec::new(),
        }
    }

    /// It is as it should be.
    pub(crate) fn fine(
        code: &'static str,
        looked_at: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Finding {
        Finding::new(code, Verdict::Fine, looked_at, found)
    }

    /// Worth knowing.
    pub(crate) fn note(
        code: &'static str,
        looked_at: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Finding {
        Finding::new(code, Verdict::Note, looked_at, found)
    }

    /// It does not work as it should.
    pub(crate) fn wrong(
        code: &'static str,
        looked_at: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Finding {
        Finding::new(code, Verdict::Wrong, looked_at, found)
    }

    /// Why it matters.
    #[must_use]
    pub(crate) fn because(mut self, why: impl fmt::Display) -> Finding {
        self.why = why.to_string();
        self
    }

    /// What to do, in words.
    #[must_use]
    pub(crate) fn advise(mut self, text: impl fmt::Display) -> Finding {
        self.remedy.push(Step { text: text.to_string(), command: None });
        self
    }

    /// What to do, with the command that does it.
    #[must_use]
    pub(crate) fn run(mut self, text: impl fmt::Display, command: impl fmt::Display) -> Finding {
        self.remedy.push(Step { text: text.to_string(), command: Some(command.to_string()) });
        self
    }
}

/// `1 thing`, `2 things`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// A word of a shell command, quoted where it has to be.
#[must_use]
pub fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A length of time for people.
pub(crate) fn span(seconds: f64) -> String {
    match seconds.abs() {
        s if s < 0.001 => format!("{:.0} µs", s * 1e6),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3_600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}

/// A number of bytes for people.
pub(crate) fn bytes(number: u64) -> String {
    let number = number as f64;
    match number {
        n if n < 1024.0 => format!("{n} bytes"),
        n if n < 1024.0 * 1024.0 => format!("{:.0} KiB", n / 1024.0),
        n if n < f64::from(1 << 30) => format!("{:.0} MiB", n / f64::from(1 << 20)),
        n => format!("{:.1} GiB", n / f64::from(1 << 30)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_command_stay_words() {
        assert_eq!(shell("/var/lib/chasar"), "/var/lib/chasar");
        assert_eq!(shell("a b"), "'a b'");
        assert_eq!(shell("it's; rm"), r"'it'\''s; rm'");
        assert_eq!(shell(""), "''");
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!((count(1, "node"), count(2, "node")), ("1 node".into(), "2 nodes".into()));
        for (seconds, text) in [
            (0.0004, "400 µs"),
            (0.25, "250 ms"),
            (-3.25, "3.2 s"),
            (90.0, "90 s"),
            (600.0, "10 min"),
            (86_400.0, "24 h"),
            (900_000.0, "10 days"),
        ] {
            assert_eq!(span(seconds), text);
        }
        for (number, text) in [(5, "5 bytes"), (2048, "2 KiB"), (3 << 20, "3 MiB"), (3 << 29, "1.5 GiB")] {
            assert_eq!(bytes(number), text);
        }
    }
}
