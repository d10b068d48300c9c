//! What both specifications say of the labels of a series.

use std::cmp::Ordering;

/// Why labels are none of a series.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LabelProblem {
    /// There is no `__name__`.
    #[error("a series has no name (no label __name__)")]
    NoMetricName,
    /// A label's name is empty.
    #[error("a label has no name")]
    NoName,
    /// A label's value is empty, which is the same as no label.
    #[error("the label {0} has no value")]
    NoValue(String),
    /// A name is there twice.
    #[error("the label {0} is there twice")]
    Twice(String),
    /// They are not sorted by name.
    #[error("the labels are not sorted by name: {0} comes after its place")]
    Unsorted(String),
}

/// Checks that labels are as a sender must send them: named, with values, sorted, each once, the
/// metric's name among them.
///
/// # Errors
/// The first thing that is wrong.
pub fn check_labels(labels: &[(&str, &str)]) -> Result<(), LabelProblem> {
    for (name, value) in labels {
        if name.is_empty() {
            return Err(LabelProblem::NoName);
        }
        if value.is_empty() {
            return Err(LabelProblem::NoValue((*name).into()));
        }
    }
    for pair in labels.windows(2) {
        match pair[0].0.cmp(pair[1].0) {
            Ordering::Less => {}
            Ordering::Equal => return Err(LabelProblem::Twice(pair[1].0.into())),
            Ordering::Greater => return Err(LabelProblem::Unsorted(pair[1].0.into())),
        }
    }
    if labels.binary_search_by_key(&"__name__", |(name, _)| name).is_err() {
        return Err(LabelProblem::NoMetricName);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_checked() {
        let of = |labels: &[(&str, &str)]| check_labels(labels).err();
        assert_eq!(of(&[("A", "1"), ("__name__", "up"), ("job", "a")]), None);
        assert_eq!(of(&[]), Some(LabelProblem::NoMetricName));
        assert_eq!(of(&[("job", "a")]), Some(LabelProblem::NoMetricName));
        assert_eq!(of(&[("", "a")]), Some(LabelProblem::NoName));
        assert_eq!(of(&[("__name__", "")]), Some(LabelProblem::NoValue("__name__".into())));
        assert_eq!(of(&[("__name__", "up"), ("a", "1"), ("a", "2")]), Some(LabelProblem::Twice("a".into())));
        assert_eq!(
            of(&[("__name__", "up"), ("b", "1"), ("a", "2")]),
            Some(LabelProblem::Unsorted("a".into()))
        );
    }
}
