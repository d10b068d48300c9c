//! Which nodes to show: patterns with `*` and `?`.

/// Patterns of which one has to match; without any, every node is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// What was given when the program started.
    pub fixed: Vec<String>,
    /// What is typed into the table; it narrows what `fixed` lets through.
    pub typed: String,
}

impl Filter {
    /// Whether a node with this host name and identity is shown.
    pub fn shows(&self, hostname: &str, node_id: &str) -> bool {
        let either = |pattern: &str| matches(pattern, hostname) || matches(pattern, node_id);
        let fixed = self.fixed.is_empty() || self.fixed.iter().any(|p| either(p));
        fixed && (self.typed.is_empty() || either(&format!("*{}*", self.typed)))
    }
}

/// Whether `text` matches `pattern` from end to end: `*` stands for any characters, `?` for one;
/// upper and lower case are the same. Time is bounded by the product of both lengths.
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().flat_map(char::to_lowercase).collect();
    let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
    let (mut p, mut t) = (0, 0);
    // Where to go on when what follows the last `*` does not fit: let the star take one more.
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == '*' {
            back = Some((p + 1, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((after_star, taken)) = back {
            back = Some((after_star, taken + 1));
            p = after_star;
            t = taken + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text, expected) in [
            ("web-1", "web-1", true),
            ("web-1", "web-12", false),
            ("web-*", "WEB-12", true),
            ("*-12", "web-12", true),
            ("w*b*2", "web-b-12", true),
            ("web-?", "web-1", true),
            ("web-?", "web-", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*b", "ab", true),
            ("a*b", "abx", false),
            ("ü*", "ÜBER", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} against {text}");
        }
    }

    #[test]
    fn typed_text_narrows_what_was_given() {
        let filter = Filter { fixed: vec!["web-*".into(), "db-*".into()], typed: "1".into() };
        assert!(filter.shows("web-1", "x"));
        assert!(filter.shows("x", "db-12"));
        assert!(!filter.shows("web-2", "x"));
        assert!(!filter.shows("mail-1", "x"));
        assert!(Filter::default().shows("anything", ""));
    }

    #[test]
    fn a_hostile_pattern_ends() {
        assert!(!matches(&"*a".repeat(200), &"a".repeat(150)));
    }

    proptest! {
        #[test]
        fn a_star_around_any_part_matches(text in "[ab?]{0,12}", from in 0usize..12, to in 0usize..12) {
            let (from, to) = (from.min(text.len()), to.min(text.len()));
            let part = &text[from.min(to)..from.max(to)];
            let pattern = format!("*{part}*");
            prop_assert!(matches(&pattern, &text));
        }
    }
}
