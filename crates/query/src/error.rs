//! What can be wrong with a query, and where in its text.

use std::fmt;

/// A stretch of the query's text, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Span {
        let short = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Span { start: short(start), end: short(end) }
    }

    /// From the beginning of this to the end of another.
    pub(crate) fn to(self, other: Span) -> Span {
        Span { start: self.start, end: other.end.max(self.start) }
    }

    /// Line and column of its beginning, counted from 1; columns in bytes, as Prometheus does.
    pub fn place(self, text: &str) -> (usize, usize) {
        let before = &text.as_bytes()[..text.len().min(self.start as usize)];
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
        (line, column)
    }
}

/// What kind of problem it is; an HTTP API answers each with another status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The text is no valid query (`bad_data`, 400).
    Parse,
    /// The query cannot be answered from these series (`execution`, 422).
    Execution,
    /// A limit was reached: samples, series (`execution`, 422).
    Limit,
    /// All queries together hold too much; in a moment it may be answered (`unavailable`, 503).
    Busy,
    /// Time ran out (`timeout`, 503).
    Timeout,
    /// The source could not read (`internal`, 500).
    Source,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// What kind of problem.
    pub kind: Kind,
    /// What is wrong.
    pub message: String,
    /// Which part of the text is to blame, if one is.
    pub span: Option<Span>,
    /// Line and column of that part, counted from 1.
    pub place: Option<(usize, usize)>,
}

/// The result of what can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A problem of a source, for its implementations.
    pub fn source(message: impl Into<String>) -> Error {
        Error { kind: Kind::Source, message: message.into(), span: None, place: None }
    }

    pub(crate) fn parse(span: Span, message: impl Into<String>) -> Error {
        Error { kind: Kind::Parse, message: message.into(), span: Some(span), place: None }
    }

    pub(crate) fn execution(span: Span, message: impl Into<String>) -> Error {
        Error { kind: Kind::Execution, message: message.into(), span: Some(span), place: None }
    }

    pub(crate) fn limit(message: impl Into<String>) -> Error {
        Error { kind: Kind::Limit, message: message.into(), span: None, place: None }
    }

    /// Says line and column, which only who has the text knows.
    pub(crate) fn placed(mut self, text: &str) -> Error {
        if self.place.is_none() {
            self.place = self.span.map(|s| s.place(text));
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind == Kind::Parse {
            if let Some((line, column)) = self.place {
                write!(f, "{line}:{column}: ")?;
            }
            f.write_str("parse error: ")?;
        }
        f.write_str(&self.message)
    }
}
