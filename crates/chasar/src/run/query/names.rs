//! Names of series: what they have in common, and by which labels they differ.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use chasar_query::{Labels, NAME};

/// The labels of several series.
#[derive(Debug)]
pub(super) struct Names {
    /// Labels that all have with one value, names first.
    common: Vec<(String, String)>,
    /// Names of the others, `__name__` first.
    pub(super) differing: Vec<String>,
}

impl Names {
    /// Of a single series nothing is common: its labels are what it is asked for.
    pub(super) fn of(all: &[&Labels]) -> Names {
        let names: BTreeSet<&str> =
            all.iter().flat_map(|labels| labels.iter().map(|(name, _)| name)).collect();
        let mut names: Vec<&str> = names.into_iter().collect();
        names.sort_by_key(|name| (*name != NAME, *name));
        let (mut common, mut differing) = (Vec::new(), Vec::new());
        for name in names {
            let first = all[0].get(name);
            match first {
                Some(value) if all.len() > 1 && all.iter().all(|labels| labels.get(name) == first) => {
                    common.push((name.to_owned(), value.to_owned()));
                }
                _ => differing.push(name.to_owned()),
            }
        }
        Names { common, differing }
    }

    /// What all have in common, as a selector.
    pub(super) fn common(&self) -> Option<String> {
        let pairs = self.common.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        (!self.common.is_empty()).then(|| selector(pairs))
    }

    /// By what a series differs, as a selector.
    pub(super) fn own(&self, labels: &Labels) -> String {
        selector(
            self.differing.iter().filter_map(|name| labels.get(name).map(|value| (name.as_str(), value))),
        )
    }
}

/// `name{label="value", …}`; a label's value is as it is, without escapes: for people.
pub(super) fn selector<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let (mut text, mut rest) = (String::new(), String::new());
    for (name, value) in pairs {
        if name == NAME {
            text.push_str(value);
        } else {
            let comma = if rest.is_empty() { "" } else { ", " };
            let _ = write!(rest, "{comma}{name}=\"{value}\"");
        }
    }
    if !rest.is_empty() || text.is_empty() {
        let _ = write!(text, "{{{rest}}}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_common_and_what_is_not() {
        let a = Labels::new([("__name__", "up"), ("instance", "a"), ("job", "j")]);
        let b = Labels::new([("__name__", "up"), ("instance", "b"), ("job", "j"), ("x", "y")]);
        let names = Names::of(&[&a, &b]);
        assert_eq!(names.common().as_deref(), Some("up{job=\"j\"}"));
        assert_eq!([names.own(&a), names.own(&b)], ["{instance=\"a\"}", "{instance=\"b\", x=\"y\"}"]);
        let alone = Names::of(&[&a]);
        assert_eq!((alone.common(), alone.own(&a).as_str()), (None, "up{instance=\"a\", job=\"j\"}"));
        assert_eq!(Names::of(&[&Labels::default()]).own(&Labels::default()), "{}");
    }
}
