//! Conditions on labels.

use std::fmt;

use regex::Regex;

use crate::labels::Name;
use crate::pattern::{Patterns, translated};
use crate::print::Quoted;

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, the whole value
    Match,
    /// `!~`, the whole value
    NoMatch,
}

impl MatchOp {
    /// As it is written.
    pub fn sign(self) -> &'static str {
        match self {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Match => "=~",
            MatchOp::NoMatch => "!~",
        }
    }
}

/// A condition on one label. A label that is not there has the empty value.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// The label.
    pub name: String,
    /// How its value is compared.
    pub op: MatchOp,
    /// With what: a value, or a regular expression for the whole value.
    pub value: String,
    regex: Option<Regex>,
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Matcher) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl Eq for Matcher {}

impl Matcher {
    /// A condition; patterns are compiled here.
    ///
    /// # Errors
    /// What is wrong with the pattern: it is no regular expression, or compiles to more than 1 MiB.
    pub fn new(
        name: impl Into<String>,
        op: MatchOp,
        value: impl Into<String>,
    ) -> std::result::Result<Matcher, String> {
        Matcher::within(name.into(), op, value.into(), &mut Patterns::default())
    }

    /// As [`Matcher::new`], of a query's patterns.
    pub(crate) fn within(
        name: String,
        op: MatchOp,
        value: String,
        patterns: &mut Patterns,
    ) -> std::result::Result<Matcher, String> {
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Match | MatchOp::NoMatch => Some(patterns.whole_value(&value)?),
        };
        Ok(Matcher { name, op, value, regex })
    }

    /// The pattern in the syntax of the crate `regex`, for sources that match by themselves; it has
    /// to match the whole value. `None` where a value is compared.
    pub fn pattern(&self) -> Option<String> {
        self.regex.as_ref().map(|_| translated(&self.value))
    }

    /// Whether a value fits.
    pub fn matches(&self, value: &str) -> bool {
        match (self.op, &self.regex) {
            (MatchOp::NotEqual, _) => value != self.value,
            (MatchOp::Match, Some(regex)) => regex.is_match(value),
            (MatchOp::NoMatch, Some(regex)) => !regex.is_match(value),
            _ => value == self.value,
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", Name(&self.name), self.op.sign(), Quoted(&self.value))
    }
}
