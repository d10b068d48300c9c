//! What is wrong with the settings, where, and what to do.

use std::fmt;
use std::path::PathBuf;

use chasar_top::text::clean;

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// In the file, at this line and column, both from 1; columns count characters.
    File(PathBuf, usize, usize),
    /// The file itself.
    Path(PathBuf),
    /// In the environment, under this name.
    Environment(String),
    /// On the command line, as it is written there.
    CommandLine(String),
    /// Nowhere: it is the default.
    Default,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path, line, column) => {
                write!(f, "{}:{line}:{column}", clean(&path.to_string_lossy()))
            }
            Place::Path(path) => f.write_str(&clean(&path.to_string_lossy())),
            Place::Environment(name) => write!(f, "environment {}", clean(name)),
            Place::CommandLine(flag) => f.write_str(flag),
            Place::Default => f.write_str("default"),
        }
    }
}

/// One thing that is wrong: one line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    /// Where.
    pub(crate) place: Place,
    /// What, and what to do.
    pub(crate) message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// A value in quotes for a message: harmless, and not too long.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", chasar_top::text::fit(text, 80))
}

/// The one of `words` that `text` was probably meant to be.
pub(crate) fn nearest<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_lowercase().replace('-', "_");
    words
        .map(|word| (strsim::damerau_levenshtein(&text, word), word))
        .filter(|(distance, word)| *distance <= 1 + word.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_not() {
        let words = ["interval", "processes", "port", "http"];
        for (text, word) in [
            ("intervall", Some("interval")),
            ("INTERVAL", Some("interval")),
            ("proceses", Some("processes")),
            ("prot", Some("port")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(text, words.into_iter()), word, "{text}");
        }
    }
}
