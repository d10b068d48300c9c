//! Sets of labels, and what kind of number a metric is.

use std::fmt;
use std::sync::Arc;

use crate::bytes::{Malformed, Reader, put_text, put_varint};

/// The label that carries a metric's name.
pub const NAME: &str = "__name__";

/// Most labels a set may have.
pub const MAX_LABELS: usize = 64;

/// Most bytes a label's name and value may have, each.
pub const MAX_LABEL_BYTES: usize = 4096;

type Pair = (Box<str>, Box<str>);

/// A set of labels, sorted by name. Cheap to clone.
///
/// As in Prometheus' data model, a label with an empty value is the same as no label.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Arc<[Pair]>);

/// Why a set of labels is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// A label without a name.
    #[error("a label has no name")]
    NoName,
    /// The same name twice.
    #[error("the label {0} is there twice")]
    Twice(String),
    /// More than [`MAX_LABELS`] labels.
    #[error("{0} labels are more than {MAX_LABELS}")]
    TooMany(usize),
    /// A name or value longer than [`MAX_LABEL_BYTES`].
    #[error("a label has {0} bytes, more than {MAX_LABEL_BYTES}")]
    TooLong(usize),
}

impl Labels {
    /// Sorts the pairs and drops those with an empty value.
    ///
    /// # Errors
    /// When a name is empty or there twice, or a limit is broken.
    pub fn new<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Labels, LabelError> {
        let mut sorted: Vec<Pair> = Vec::new();
        for (name, value) in pairs {
            let (name, value) = (name.as_ref(), value.as_ref());
            if name.is_empty() {
                return Err(LabelError::NoName);
            }
            let long = name.len().max(value.len());
            if long > MAX_LABEL_BYTES {
                return Err(LabelError::TooLong(long));
            }
            if !value.is_empty() {
                sorted.push((name.into(), value.into()));
            }
        }
        if sorted.len() > MAX_LABELS {
            return Err(LabelError::TooMany(sorted.len()));
        }
        sorted.sort();
        if let Some(twice) = sorted.windows(2).find(|w| w[0].0 == w[1].0) {
            return Err(LabelError::Twice(twice[0].0.to_string()));
        }
        Ok(Labels(sorted.into()))
    }

    /// The set without labels.
    pub fn empty() -> Labels {
        Labels(Arc::new([]))
    }

    /// The value of a label; `None` when it is not there.
    pub fn get(&self, name: &str) -> Option<&str> {
        // Few labels: a walk is faster than bisection.
        self.0.iter().find(|(n, _)| &**n == name).map(|(_, v)| &**v)
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (&**n, &**v))
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The labels with these names, and the others.
    pub(crate) fn split(&self, names: &[String]) -> (Labels, Labels) {
        let (chosen, rest): (Vec<Pair>, Vec<Pair>) =
            self.0.iter().cloned().partition(|(n, _)| names.iter().any(|name| **name == **n));
        (Labels(chosen.into()), Labels(rest.into()))
    }

    /// This set with all labels of another; where both have a name, this one's value.
    pub(crate) fn with(&self, other: &Labels) -> Labels {
        let mut all = self.0.to_vec();
        all.extend(other.0.iter().filter(|(n, _)| self.get(n).is_none()).cloned());
        all.sort();
        Labels(all.into())
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.0.len() as u64);
        for (name, value) in self.iter() {
            put_text(out, name);
            put_text(out, value);
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Labels, Malformed> {
        let n = reader.count()?;
        let pairs = (0..n).map(|_| Ok((reader.text()?, reader.text()?))).collect::<Result<Vec<_>, _>>()?;
        Labels::new(pairs).map_err(|_| Malformed("a set of labels breaks the rules"))
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As in Prometheus' text: `name{label="value"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get(NAME).unwrap_or_default())?;
        let mut between = "{";
        for (name, value) in self.iter().filter(|(n, _)| *n != NAME) {
            write!(f, "{between}{name}={value:?}")?;
            between = ",";
        }
        if between == "," { f.write_str("}") } else { Ok(()) }
    }
}

/// What kind of number a metric is. It decides what the rollups keep of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Not known: rollups keep everything.
    #[default]
    Unknown,
    /// Goes up and down: rollups keep min, max, sum, count and last.
    Gauge,
    /// Only grows, apart from resets to zero: rollups keep count, first, last and resets.
    Counter,
}

impl Kind {
    pub(crate) fn code(self) -> u8 {
        match self {
            Kind::Unknown => 0,
            Kind::Gauge => 1,
            Kind::Counter => 2,
        }
    }

    pub(crate) fn from_code(code: u8) -> Result<Kind, Malformed> {
        match code {
            0 => Ok(Kind::Unknown),
            1 => Ok(Kind::Gauge),
            2 => Ok(Kind::Counter),
            _ => Err(Malformed("an unknown kind of metric")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_sorted_without_empty_values_and_print_as_prometheus_writes_them() {
        let labels = Labels::new([("mode", "user"), (NAME, "cpu"), ("empty", "")]).unwrap();
        assert_eq!(labels.to_string(), "cpu{mode=\"user\"}");
        assert_eq!(labels.get("empty"), None);
        assert_eq!(Labels::new([(NAME, "up")]).unwrap().to_string(), "up");
        let (chosen, rest) = labels.split(&["mode".into()]);
        assert_eq!(chosen.iter().collect::<Vec<_>>(), [("mode", "user")]);
        assert_eq!(rest.with(&chosen), labels);
    }

    #[test]
    fn sets_that_break_a_rule_are_refused() {
        assert_eq!(Labels::new([("a", "1"), ("a", "2")]), Err(LabelError::Twice("a".into())));
        assert_eq!(Labels::new([("", "1")]), Err(LabelError::NoName));
        assert_eq!(Labels::new([("a", "x".repeat(5000))]), Err(LabelError::TooLong(5000)));
        let many = (0..65).map(|i| (format!("l{i}"), "x"));
        assert_eq!(Labels::new(many), Err(LabelError::TooMany(65)));
    }

    #[test]
    fn sets_come_back_from_bytes() {
        let labels = Labels::new([(NAME, "äöü"), ("b", "\u{0}")]).unwrap();
        let mut out = Vec::new();
        labels.put(&mut out);
        assert_eq!(Labels::read(&mut Reader(&out)), Ok(labels));
        assert!(Labels::read(&mut Reader(&out[..out.len() - 1])).is_err());
    }
}
