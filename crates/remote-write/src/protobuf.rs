//! Protobuf's wire format, as much of it as these messages have.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>

use crate::Error;

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// It ends too early.
    #[error("it ends within a field")]
    Short,
    /// A number is longer than ten bytes or larger than 64 bits.
    #[error("a number is too long")]
    Number,
    /// A field has the number 0, or one beyond 29 bits.
    #[error("a field has an impossible number")]
    Field,
    /// A field is of another type than the message has there, or of a type that protobuf gave up.
    #[error("a field has a type that is not its own")]
    Type,
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    Text,
    /// The texts of a message of 2.0 do not begin with the empty one.
    #[error("the symbols do not begin with the empty text")]
    FirstSymbol,
    /// A reference to a text that is not there.
    #[error("a reference to a symbol that is not there")]
    Reference,
    /// A name without a value.
    #[error("the references of a series' labels are not pairs")]
    Pairs,
}

/// A field's value as it lies in the message.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// A number of variable length.
    Varint(u64),
    /// Eight bytes.
    Fixed64(u64),
    /// A text, a message, packed numbers.
    Bytes(&'a [u8]),
    /// Four bytes; these messages have none.
    Fixed32,
}

/// Reads fields one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    /// Where the rest ends in the whole message.
    end: usize,
}

impl<'a> Reader<'a> {
    /// From the beginning of a message.
    pub fn new(message: &'a [u8]) -> Reader<'a> {
        Reader { rest: message, end: message.len() }
    }

    /// Reads what lies in a field that was just read.
    pub fn within(&self, inner: &'a [u8]) -> Reader<'a> {
        Reader { rest: inner, end: self.end - self.rest.len() }
    }

    /// Whether all was read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// An error with the place where reading is.
    pub fn error(&self, what: Malformed) -> Error {
        Error::Malformed { at: self.end - self.rest.len(), what }
    }

    /// A number of variable length, without a tag.
    ///
    /// # Errors
    /// When it is cut or too long.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, Error> {
        // Most are of one byte: tags and lengths.
        if let [byte @ ..0x80, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(u64::from(*byte));
        }
        let mut value = 0u64;
        for (i, byte) in self.rest.iter().take(10).enumerate() {
            if i == 9 && *byte > 1 {
                return Err(self.error(Malformed::Number));
            }
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[i + 1..];
                return Ok(value);
            }
        }
        Err(self.error(if self.rest.len() < 10 { Malformed::Short } else { Malformed::Number }))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let Some((taken, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.error(Malformed::Short));
        };
        self.rest = rest;
        Ok(taken)
    }

    /// The next field's number and value; `None` at the end.
    ///
    /// # Errors
    /// When the field is cut or impossible.
    #[inline]
    pub fn field(&mut self) -> Result<Option<(u32, Value<'a>)>, Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = match u32::try_from(tag >> 3) {
            Ok(number @ 1..0x2000_0000) => number,
            _ => return Err(self.error(Malformed::Field)),
        };
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => {
                let bytes = self.take(8)?;
                Value::Fixed64(u64::from_le_bytes(bytes.try_into().unwrap_or_default()))
            }
            2 => {
                let len = self.varint()?;
                // A length beyond the address space is beyond the message too.
                Value::Bytes(self.take(usize::try_from(len).unwrap_or(usize::MAX))?)
            }
            5 => {
                self.take(4)?;
                Value::Fixed32
            }
            _ => return Err(self.error(Malformed::Type)),
        };
        Ok(Some((number, value)))
    }

    /// A field of bytes: a text, a message, packed numbers.
    ///
    /// # Errors
    /// When it is of another type.
    pub fn bytes(&self, value: Value<'a>) -> Result<&'a [u8], Error> {
        match value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(self.error(Malformed::Type)),
        }
    }

    /// A text.
    ///
    /// # Errors
    /// When it is of another type, or not UTF-8.
    pub fn text(&self, value: Value<'a>) -> Result<&'a str, Error> {
        str::from_utf8(self.bytes(value)?).map_err(|_| self.error(Malformed::Text))
    }

    /// A number of variable length.
    ///
    /// # Errors
    /// When it is of another type.
    pub fn number(&self, value: Value<'a>) -> Result<u64, Error> {
        match value {
            Value::Varint(number) => Ok(number),
            _ => Err(self.error(Malformed::Type)),
        }
    }

    /// A floating-point number, or any of eight bytes.
    ///
    /// # Errors
    /// When it is of another type.
    pub fn double(&self, value: Value<'a>) -> Result<f64, Error> {
        match value {
            Value::Fixed64(bits) => Ok(f64::from_bits(bits)),
            _ => Err(self.error(Malformed::Type)),
        }
    }
}

/// A number of variable length.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A field of bytes. `number` is at most 15.
#[inline]
pub fn put_bytes(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A field that is a number, left out when it is 0 as protobuf does.
#[inline]
pub fn put_number(out: &mut Vec<u8>, number: u8, value: u64) {
    if value != 0 {
        out.push(number << 3);
        put_varint(out, value);
    }
}

/// How many bytes a number takes.
#[inline]
pub fn varint_len(value: u64) -> usize {
    // Seven bits a byte; 0 takes one.
    (70 - (value | 1).leading_zeros() as usize) / 7
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_their_lengths_are_known() {
        for shift in 0..64 {
            for value in [1u64 << shift, (1 << shift) - 1, u64::MAX >> shift] {
                let mut out = Vec::new();
                put_varint(&mut out, value);
                assert_eq!(out.len(), varint_len(value), "{value}");
                assert_eq!(Reader::new(&out).varint(), Ok(value));
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let error = |bytes: &[u8]| {
            let mut reader = Reader::new(bytes);
            loop {
                match reader.field() {
                    Ok(Some(_)) => {}
                    Ok(None) => return None,
                    Err(Error::Malformed { at, what }) => return Some((at, what)),
                    Err(other) => panic!("{other}"),
                }
            }
        };
        assert_eq!(error(&[0x08, 0x01]), None);
        assert_eq!(error(&[0x08, 0x01, 0x08]), Some((3, Malformed::Short)));
        assert_eq!(error(&[0x0a, 0x05, b'a']), Some((2, Malformed::Short)));
        assert_eq!(error(&[0x08, 0x80]), Some((1, Malformed::Short)));
        assert_eq!(error(&[0x00, 0x01]), Some((1, Malformed::Field)));
        assert_eq!(error(&[0x0b]), Some((1, Malformed::Type)));
        let long = [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert_eq!(error(&long), Some((1, Malformed::Number)));
        let huge = [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(error(&huge), Some((11, Malformed::Short)));
    }
}
