//! What a computer says about itself, made harmless for a terminal, and cut to a width.
//!
//! A host name or a process name is whatever its owner chose: it may hold escape sequences that
//! retitle or reprogram the terminal, bidirectional overrides that turn a line around, or
//! characters without width that hide text. Only characters that take one or two columns pass;
//! every other one is shown as `�`, so that it is seen to be there.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

/// What stands for a character that must not reach the terminal.
pub const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// Whether `c` may be written to a terminal as it is: it prints, takes one or two columns, and
/// changes nothing around it.
///
/// Control characters have no width and format characters (Unicode category `Cf`: bidirectional
/// controls, joiners, tags) and combining marks have width 0 in UAX #11, so width alone tells most
/// of them; the rest is listed here.
pub fn is_harmless(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    let listed = matches!(c,
        '\u{00AD}' // soft hyphen: shown or not as the terminal likes
        | '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' // UAX #9 and joiners
        | '\u{2028}' | '\u{2029}' // line and paragraph separators
        | '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}' // Hangul fillers: blank, yet letters
        | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}'
    );
    !listed && !c.is_control() && matches!(c.width(), Some(1 | 2))
}

/// `text` with every harmful character replaced by [`REPLACEMENT`].
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_harmless) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_harmless(c) { c } else { REPLACEMENT }).collect())
}

/// How many columns `text` takes once it is [`clean`].
pub fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

fn columns_of(c: char) -> usize {
    if is_harmless(c) { c.width().unwrap_or(1) } else { 1 }
}

/// `text`, clean, in at most `width` columns; what is cut off is shown by `…`.
pub fn fit(text: &str, width: usize) -> Cow<'_, str> {
    if columns(text) <= width {
        return clean(text);
    }
    let mut cut = String::new();
    let mut used = 0;
    for c in text.chars() {
        // One column is kept for the ellipsis.
        if used + columns_of(c) + 1 > width {
            break;
        }
        used += columns_of(c);
        cut.push(if is_harmless(c) { c } else { REPLACEMENT });
    }
    if width > 0 {
        cut.push('…');
    }
    Cow::Owned(cut)
}

/// `text` in exactly `width` columns, filled up with blanks.
pub fn pad(text: &str, width: usize, right: bool) -> String {
    let text = fit(text, width);
    let fill = " ".repeat(width.saturating_sub(columns(&text)));
    if right { fill + &text } else { text.into_owned() + &fill }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn harmful_characters_are_shown_as_such() {
        for (text, shown) in [
            ("web-1", "web-1"),
            ("über", "über"),
            ("服务器", "服务器"),
            ("a\u{1b}[2Jb", "a�[2Jb"),
            ("a\u{9b}2Jb", "a�2Jb"),
            ("a\u{7f}\r\n\tb", "a����b"),
            ("abc\u{202e}gpj.exe", "abc�gpj.exe"),
            ("a\u{200b}\u{200d}\u{feff}b", "a���b"),
            ("e\u{301}\u{301}\u{301}", "e���"),
            ("a\u{2028}b\u{2029}c\u{ad}d", "a�b�c�d"),
            ("a\u{e0041}b\u{fe0f}c\u{3164}d", "a�b�c�d"),
        ] {
            assert_eq!(clean(text), shown);
        }
    }

    #[test]
    fn cutting_counts_columns() {
        assert_eq!(fit("server", 6), "server");
        assert_eq!(fit("server", 4), "ser…");
        assert_eq!(fit("服务器", 5), "服务…");
        assert_eq!(fit("服务器", 4), "服…");
        assert_eq!(fit("服务器", 1), "…");
        assert_eq!(fit("服务器", 0), "");
        assert_eq!(pad("服务器", 8, true), "  服务器");
        assert_eq!(pad("ab", 4, false), "ab  ");
        assert_eq!(pad("a\u{1b}b", 4, false), "a�b ");
    }

    proptest! {
        #[test]
        fn nothing_harmful_passes_and_the_width_holds(text in any::<String>(), width in 0usize..20) {
            let fitted = fit(&text, width);
            prop_assert!(fitted.chars().all(is_harmless), "{fitted:?}");
            prop_assert!(columns(&fitted) <= width);
            prop_assert_eq!(columns(&pad(&text, width, false)), width);
        }
    }
}
