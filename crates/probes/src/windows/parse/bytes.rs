//! Numbers, addresses and UTF-16 text at checked places of a buffer.

use chasar_wire::Text;

/// A buffer that a call filled, and where it lay: what it holds may point into itself.
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'a> {
    bytes: &'a [u8],
    base: u64,
}

impl<'a> Bytes<'a> {
    /// A buffer whose first byte lay at `base`.
    pub fn new(bytes: &'a [u8], base: u64) -> Bytes<'a> {
        Bytes { bytes, base }
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// `N` bytes at an offset.
    pub fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.slice(at, N)?.try_into().ok()
    }

    /// A byte.
    pub fn u8(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// A `USHORT`.
    pub fn u16(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    /// A `ULONG`.
    pub fn u32(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    /// A `ULONGLONG`, a pointer, or a size.
    pub fn u64(&self, at: usize) -> Option<u64> {
        self.array(at).map(u64::from_le_bytes)
    }

    /// A `LARGE_INTEGER`.
    pub fn i64(&self, at: usize) -> Option<i64> {
        self.array(at).map(i64::from_le_bytes)
    }

    /// `len` bytes at an offset.
    pub fn slice(&self, at: usize, len: usize) -> Option<&'a [u8]> {
        self.bytes.get(at..at.checked_add(len)?)
    }

    /// The offset that an address stands for; `None` for null and for what lies outside.
    pub fn offset(&self, address: u64) -> Option<usize> {
        let offset = usize::try_from(address.checked_sub(self.base)?).ok()?;
        (address != 0 && offset < self.bytes.len()).then_some(offset)
    }

    /// The offset that the pointer at `at` leads to.
    pub fn follow(&self, at: usize) -> Option<usize> {
        self.offset(self.u64(at)?)
    }

    /// The text of the `UNICODE_STRING` at `at`, as UTF-16: its length in bytes, its capacity, a pointer.
    pub fn unicode_string(&self, at: usize) -> Option<&'a [u8]> {
        let len = usize::from(self.u16(at)?);
        if len == 0 {
            return Some(&[]);
        }
        self.slice(self.follow(at + 8)?, len)
    }

    /// UTF-16 from `at` to the first zero, of at most `most` characters; without a zero up to the end.
    pub fn wide_text(&self, at: usize, most: usize) -> Option<&'a [u8]> {
        let rest = self.bytes.get(at..)?;
        let units = rest.as_chunks::<2>().0;
        let len = units.iter().take(most).take_while(|unit| **unit != [0, 0]).count();
        rest.get(..2 * len)
    }
}

/// Writes UTF-16 text (little endian) over `text`, in its own memory. A lone surrogate becomes U+FFFD,
/// a control character a space, and the text is cut at `limit` bytes.
pub fn set_wide(text: &mut Text, wide: &[u8], limit: usize) {
    set_units(text, wide.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)), limit);
}

/// [`set_wide`] for text that is at hand as numbers.
pub fn set_units(text: &mut Text, units: impl Iterator<Item = u16>, limit: usize) {
    text.clear();
    for character in char::decode_utf16(units) {
        let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
        let character = if character.is_control() { ' ' } else { character };
        if text.len() + character.len_utf8() > limit {
            return;
        }
        text.push(character);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_outside_the_buffer_is_read() {
        let bytes = Bytes::new(&[1, 0, 0, 0, 0, 0, 0, 0, 9], 0x1000);
        assert_eq!((bytes.u64(0), bytes.u64(1), bytes.u64(2)), (Some(1), Some(9 << 56), None));
        assert_eq!((bytes.u8(8), bytes.u8(9), bytes.u32(usize::MAX)), (Some(9), None, None));
        assert_eq!(
            (bytes.offset(0x1000), bytes.offset(0x1008), bytes.offset(0x1009)),
            (Some(0), Some(8), None)
        );
        assert_eq!((bytes.offset(0xfff), bytes.offset(0)), (None, None));
        assert_eq!(Bytes::new(&[7], 0).offset(0), None, "null leads nowhere");
    }

    #[test]
    fn text_ends_at_its_zero_or_its_limit() {
        let wide: Vec<u8> = "äb\0c".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let bytes = Bytes::new(&wide, 0);
        let mut text = Text::from("old");
        set_wide(&mut text, bytes.wide_text(0, 99).unwrap(), 99);
        assert_eq!(text, "äb");
        set_wide(&mut text, bytes.wide_text(0, 1).unwrap(), 99);
        assert_eq!(text, "ä");
        set_wide(&mut text, &wide, 2);
        assert_eq!(text, "ä", "cut at a character");
        set_wide(&mut text, &[b'a', 0, 0x00, 0xd8, 10, 0, b'b'], 99);
        assert_eq!(text, "a\u{FFFD} ");
        assert_eq!(bytes.wide_text(9, 1), None);
    }

    proptest! {
        #[test]
        fn any_text_keeps_its_limit(wide in prop::collection::vec(any::<u8>(), 0..99), limit in 0..40usize) {
            let mut text = Text::default();
            set_wide(&mut text, &wide, limit);
            prop_assert!(text.len() <= limit);
        }
    }
}
