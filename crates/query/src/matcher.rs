//! Conditions on labels.

use std::fmt;

use regex::{Regex, RegexBuilder};

use crate::labels::Name;
use crate::print::Quoted;

/// Most bytes a pattern may compile to; larger ones are refused.
const MAX_PATTERN_BYTES: usize = 1 << 20;

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
        let value = value.into();
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Match | MatchOp::NoMatch => Some(whole_value(&value)?),
        };
        Ok(Matcher { name: name.into(), op, value, regex })
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

/// A regular expression that has to match a whole value; `.` matches newlines, as in Prometheus.
pub(crate) fn whole_value(pattern: &str) -> std::result::Result<Regex, String> {
    let build = |text: &str| {
        let mut builder = RegexBuilder::new(text);
        builder.size_limit(MAX_PATTERN_BYTES).build().map_err(|e| match e {
            regex::Error::CompiledTooBig(limit) => {
                format!("the regular expression compiles to more than {limit} bytes")
            }
            other => format!("error parsing regexp: {other}"),
        })
    };
    // By itself first: a parenthesis too many would end the group around it.
    build(pattern)?;
    build(&format!("^(?s:{pattern})$"))
}
