//! Text that other hosts wrote, made harmless for a terminal.

use std::borrow::Cow;

/// `text` with control characters escaped, so that no host can paint our terminal or forge log lines.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    // U+202A.. and U+2066.. turn the direction of text around, which can hide what it says.
    let harmful = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if harmful(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_harms_is_escaped() {
        assert_eq!(printable("köln 北京"), "köln 北京");
        assert_eq!(printable("a\u{1b}[2Jb\n\u{202e}"), "a\\u{1b}[2Jb\\u{a}\\u{202e}");
    }
}
