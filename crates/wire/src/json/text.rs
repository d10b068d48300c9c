//! Texts (RFC 8259, section 7).

use std::borrow::Cow;

use super::{Fault, Parser};
use crate::limits::{LimitError, MAX_TEXT_BYTES};

const ONES: u64 = 0x0101_0101_0101_0101;
const TOPS: u64 = 0x8080_8080_8080_8080;

/// Whether one of eight bytes ends or interrupts a plain text: a quote, a backslash, a control
/// character. The classic trick for "some byte is zero", three times over.
#[inline]
fn has_special(eight: u64) -> bool {
    let zero = |x: u64| x.wrapping_sub(ONES) & !x & TOPS;
    let control = eight.wrapping_sub(ONES * 0x20) & !eight & TOPS;
    (zero(eight ^ (ONES * b'"' as u64)) | zero(eight ^ (ONES * b'\\' as u64)) | control) != 0
}

impl<'a> Parser<'a> {
    /// Reads a text; borrowed unless it has escapes.
    ///
    /// # Errors
    /// When there is no text, or it is longer than a report's texts may be.
    #[inline]
    pub fn text(&mut self) -> Result<Cow<'a, str>, Fault> {
        if !self.pass(b'"') {
            return Err(self.fault("expected a text"));
        }
        let start = self.at;
        self.plain();
        if self.at - start > MAX_TEXT_BYTES {
            return Err(self.limit(LimitError::Text { at: start }));
        }
        match self.byte() {
            Some(b'"') => {
                let text = &self.text[start..self.at];
                self.at += 1;
                Ok(Cow::Borrowed(text))
            }
            Some(b'\\') => self.escaped(start).map(Cow::Owned),
            Some(_) => Err(self.fault("a control character in a text")),
            None => Err(self.fault("a text without an end")),
        }
    }

    /// Goes to the next quote, backslash or control character, or to the end.
    #[inline]
    fn plain(&mut self) {
        let bytes = self.text.as_bytes();
        while let Some(eight) = bytes[self.at..].first_chunk::<8>() {
            if has_special(u64::from_le_bytes(*eight)) {
                break;
            }
            self.at += 8;
        }
        while self.byte().is_some_and(|b| b != b'"' && b != b'\\' && b >= 0x20) {
            self.at += 1;
        }
    }

    #[cold]
    fn escaped(&mut self, start: usize) -> Result<String, Fault> {
        let mut text = String::new();
        let mut from = start;
        loop {
            text.push_str(&self.text[from..self.at]);
            if self.at - start > MAX_TEXT_BYTES {
                return Err(self.limit(LimitError::Text { at: start }));
            }
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.at += 1;
                    text.push(self.escape()?);
                }
                Some(_) => return Err(self.fault("a control character in a text")),
                None => return Err(self.fault("a text without an end")),
            }
            from = self.at;
            self.plain();
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let code = self.byte().ok_or_else(|| self.fault("a text without an end"))?;
        self.at += 1;
        Ok(match code {
            b'"' | b'\\' | b'/' => char::from(code),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.four_digits()?;
                let scalar = match unit {
                    // A pair of surrogates is one character; one alone is none.
                    0xD800..0xDC00 => {
                        self.word("\\u", "half of a surrogate pair")?;
                        let low = self.four_digits()?;
                        if !(0xDC00..0xE000).contains(&low) {
                            return Err(self.fault("half of a surrogate pair"));
                        }
                        0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00)
                    }
                    unit => unit,
                };
                char::from_u32(scalar).ok_or_else(|| self.fault("half of a surrogate pair"))?
            }
            _ => return Err(self.fault("an unknown escape in a text")),
        })
    }

    fn four_digits(&mut self) -> Result<u32, Fault> {
        let bytes = self.text.as_bytes();
        let digits = bytes.get(self.at..self.at + 4).filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.ok_or_else(|| self.fault("expected four hexadecimal digits"))?;
        self.at += 4;
        Ok(digits.iter().fold(0, |n, d| n << 4 | (*d as char).to_digit(16).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(json: &str) -> Result<String, Fault> {
        Parser::new(json.as_bytes())?.text().map(Cow::into_owned)
    }

    #[test]
    fn every_escape_is_read() {
        assert_eq!(text(r#""\"\\\/\b\f\n\r\t\u00e9\u20AC""#).unwrap(), "\"\\/\u{8}\u{c}\n\r\té€");
        for (json, character) in [
            (r#""\ud800\udc00""#, '\u{10000}'),
            (r#""\ud83d\ude00""#, '😀'),
            (r#""\udbff\udfff""#, '\u{10ffff}'),
        ] {
            assert_eq!(text(json).unwrap(), character.to_string());
        }
        for wrong in [
            r#""\ud83d""#,
            r#""\ude00""#,
            r#""\ud83dx""#,
            r#""\u12g4""#,
            r#""\u12""#,
            r#""\a""#,
            r#""\"#,
            r#""abc"#,
        ] {
            assert!(text(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_back(wanted in any::<String>()) {
            prop_assert_eq!(text(&serde_json::to_string(&wanted).unwrap()).unwrap(), wanted);
        }

        #[test]
        fn specials_are_found(eight in any::<[u8; 8]>()) {
            let special = eight.iter().any(|b| *b == b'"' || *b == b'\\' || *b < 0x20);
            // The trick may see one too many (a byte after a found one), never one too few.
            prop_assert!(has_special(u64::from_le_bytes(eight)) || !special);
        }
    }
}
