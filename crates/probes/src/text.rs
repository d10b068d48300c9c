//! Numbers and words out of the bytes that a system gives, and into texts, without allocating.

use chasar_wire::Text;

/// The lines of `bytes`, without their ends.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|b| *b == b'\n')
}

/// The lines of `bytes` that have an end. The kernel ends every line, so one without is cut short
/// and its last number may be wrong.
pub fn complete_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|b| *b == b'\n').filter_map(|line| line.strip_suffix(b"\n"))
}

/// The words of a line: what stands between spaces and tabs.
pub fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|b| *b == b' ' || *b == b'\t').filter(|w| !w.is_empty())
}

/// `bytes` without the spaces, tabs and line ends around it.
pub fn trim(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

/// A decimal number that fills the whole of `word`; larger ones than fit are no number.
pub fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() || word.len() > 20 {
        return None;
    }
    let mut value: u64 = 0;
    for byte in word {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// A decimal number with an optional sign and fraction, such as `-1` or `0.25`.
pub fn decimal(word: &[u8]) -> Option<f64> {
    std::str::from_utf8(word).ok()?.parse().ok().filter(|v: &f64| v.is_finite())
}

/// Splits at the first `byte`, which belongs to neither part.
pub fn split_once(bytes: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|b| *b == byte)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// Writes `bytes` over `text`, in its own memory; what is not UTF-8 becomes U+FFFD, and the text is
/// cut at `limit` bytes.
pub fn set_text(text: &mut Text, bytes: &[u8], limit: usize) {
    text.clear();
    for chunk in bytes.utf8_chunks() {
        for part in [chunk.valid(), if chunk.invalid().is_empty() { "" } else { "\u{FFFD}" }] {
            let room = limit - text.len();
            if part.len() > room {
                text.push_str(&part[..part.floor_char_boundary(room)]);
                return;
            }
            text.push_str(part);
        }
    }
}

/// [`set_text`] for a value that may be absent.
pub fn set_some(text: &mut Option<Text>, bytes: &[u8], limit: usize) {
    set_text(text.get_or_insert_default(), bytes, limit);
}

/// Copies in the memory that `to` has.
pub fn copy_text(to: &mut Text, from: &Text) {
    if to != from {
        to.clear();
        to.push_str(from);
    }
}

/// [`copy_text`] for a value that may be absent.
pub fn copy_option(to: &mut Option<Text>, from: Option<&Text>) {
    match from {
        Some(from) => copy_text(to.get_or_insert_default(), from),
        None => *to = None,
    }
}

/// [`copy_text`] for a list.
pub fn copy_list(to: &mut Vec<Text>, from: &[Text]) {
    to.truncate(from.len());
    to.resize_with(from.len(), Text::default);
    to.iter_mut().zip(from).for_each(|(to, from)| copy_text(to, from));
}

/// `value` rounded to hundredths: further digits of a share are noise, and bytes on the wire.
pub fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_at_their_edges() {
        assert_eq!(number(b"0"), Some(0));
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        for bad in
            [&b""[..], b"18446744073709551616", b"-1", b"1 ", b"0x1", b"1.0", b"00000000000000000000001"]
        {
            assert_eq!(number(bad), None, "{bad:?}");
        }
        assert_eq!(decimal(b"-1.5"), Some(-1.5));
        for bad in [&b""[..], b"nan", b"inf", b"1 ", b"\xff"] {
            assert_eq!(decimal(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn lines_and_words() {
        assert_eq!(lines(b"a\nb\n").collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(lines(b"a\nb").collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(complete_lines(b"a\n\nb").collect::<Vec<_>>(), [&b"a"[..], b""]);
        assert_eq!(words(b"  cpu0 \t1 ").collect::<Vec<_>>(), [&b"cpu0"[..], b"1"]);
        assert_eq!(split_once(b"a:b:c", b':'), Some((&b"a"[..], &b"b:c"[..])));
        assert_eq!(split_once(b"abc", b':'), None);
    }

    #[test]
    fn texts_are_cut_between_characters() {
        let mut text = Text::default();
        set_text(&mut text, "aä".as_bytes(), 2);
        assert_eq!(text, "a");
        set_text(&mut text, b"a\xffb", 255);
        assert_eq!(text, "a\u{FFFD}b");
    }

    proptest! {
        #[test]
        fn numbers_are_read_back(n in any::<u64>()) {
            prop_assert_eq!(number(n.to_string().as_bytes()), Some(n));
        }

        #[test]
        fn texts_say_what_std_says(bytes in prop::collection::vec(any::<u8>(), 0..64), limit in 0usize..80) {
            let mut text = Text::default();
            set_text(&mut text, &bytes, limit);
            let std = String::from_utf8_lossy(&bytes);
            prop_assert_eq!(text.as_str(), &std[..std.floor_char_boundary(limit)]);
        }
    }
}
