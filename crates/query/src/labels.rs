//! Sets of labels, cheap to clone and to pass on.

use std::fmt;
use std::sync::Arc;

use crate::print::Quoted;

/// The label that carries a metric's name.
pub const NAME: &str = "__name__";

/// A label's name and value.
pub type Pair = (Arc<str>, Arc<str>);

/// A set of labels, sorted by name, without empty values. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Arc<[Pair]>);

impl Default for Labels {
    fn default() -> Labels {
        Labels(Arc::new([]))
    }
}

impl Labels {
    /// Sorts the pairs; those with an empty value are left out, and of a name that is there twice
    /// the first pair counts.
    pub fn new<N: Into<Arc<str>>, V: Into<Arc<str>>>(pairs: impl IntoIterator<Item = (N, V)>) -> Labels {
        Labels::from_pairs(pairs.into_iter().map(|(n, v)| (n.into(), v.into())).collect())
    }

    pub(crate) fn from_pairs(mut pairs: Vec<Pair>) -> Labels {
        pairs.retain(|(_, v)| !v.is_empty());
        if !pairs.is_sorted_by(|a, b| a.0 < b.0) {
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            pairs.dedup_by(|b, a| a.0 == b.0);
        }
        Labels(pairs.into())
    }

    /// The value of a label; `None` when it is not there.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| &**n == name).map(|(_, v)| &**v)
    }

    pub(crate) fn shared(&self, name: &str) -> Option<&Arc<str>> {
        self.0.iter().find(|(n, _)| &**n == name).map(|(_, v)| v)
    }

    /// The metric's name, empty when it has none.
    pub fn name(&self) -> &str {
        self.get(NAME).unwrap_or_default()
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (&**n, &**v))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Only the labels whose names fit.
    pub(crate) fn keep(&self, fits: impl Fn(&str) -> bool) -> Labels {
        if self.0.iter().all(|(n, _)| fits(n)) {
            return self.clone();
        }
        Labels(self.0.iter().filter(|(n, _)| fits(n)).cloned().collect())
    }

    /// Without the metric's name.
    pub(crate) fn nameless(&self) -> Labels {
        self.keep(|n| n != NAME)
    }

    /// With one label set, or removed by an empty value.
    pub(crate) fn with(&self, name: &Arc<str>, value: &Arc<str>) -> Labels {
        let mut pairs: Vec<Pair> = self.0.iter().filter(|(n, _)| n != name).cloned().collect();
        if !value.is_empty() {
            let at = pairs.partition_point(|(n, _)| n < name);
            pairs.insert(at, (name.clone(), value.clone()));
        }
        Labels(pairs.into())
    }
}

impl<N: Into<Arc<str>>, V: Into<Arc<str>>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Labels {
        Labels::new(pairs)
    }
}

/// A label's name as it is written: quoted when it is no plain identifier.
pub(crate) struct Name<'a>(pub(crate) &'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_plain(self.0) { f.write_str(self.0) } else { Quoted(self.0).fmt(f) }
    }
}

/// Whether a label's name needs no quotes.
pub(crate) fn is_plain(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// As Prometheus writes label sets in its messages: `{a="1", b="2"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, (name, value)) in self.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{}={}", Name(name), Quoted(value))?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
