//! What can be read: the plain types that a report is made of.

use super::number::Number;
use super::{Fault, Parser};
use crate::Text;

/// A value that is read from JSON; derived for structs with `#[derive(Read)]`.
pub trait Read: Sized {
    /// Reads the value that comes next.
    ///
    /// # Errors
    /// When it is not of this type; the fault says where.
    fn read(parser: &mut Parser<'_>) -> Result<Self, Fault>;
}

impl Read for u64 {
    #[inline]
    fn read(parser: &mut Parser<'_>) -> Result<u64, Fault> {
        match parser.number()? {
            Number::Natural(n) => Ok(n),
            _ => Err(parser.fault("expected a whole number that is not negative, before")),
        }
    }
}

impl Read for u32 {
    #[inline]
    fn read(parser: &mut Parser<'_>) -> Result<u32, Fault> {
        let n = u64::read(parser)?;
        n.try_into().map_err(|_| parser.fault("expected a number below 2^32, before"))
    }
}

impl Read for i64 {
    #[inline]
    fn read(parser: &mut Parser<'_>) -> Result<i64, Fault> {
        let number = match parser.number()? {
            Number::Natural(n) => n.try_into().ok(),
            Number::Negative(n) => Some(n),
            Number::Real(_) => None,
        };
        number.ok_or_else(|| parser.fault("expected a whole number below 2^63, before"))
    }
}

impl Read for i32 {
    #[inline]
    fn read(parser: &mut Parser<'_>) -> Result<i32, Fault> {
        let n = i64::read(parser)?;
        n.try_into().map_err(|_| parser.fault("expected a whole number below 2^31, before"))
    }
}

impl Read for f64 {
    #[inline]
    fn read(parser: &mut Parser<'_>) -> Result<f64, Fault> {
        parser.number().map(Number::as_f64)
    }
}

impl Read for bool {
    fn read(parser: &mut Parser<'_>) -> Result<bool, Fault> {
        match parser.peek() {
            Some(b't') => parser.word("true", "expected true or false").map(|()| true),
            _ => parser.word("false", "expected true or false").map(|()| false),
        }
    }
}

impl Read for Text {
    #[inline]
    fn read(parser: &mut Parser<'_>) -> Result<Text, Fault> {
        parser.text().map(Text::from)
    }
}

impl<T: Read> Read for Option<T> {
    #[inline]
    fn read(parser: &mut Parser<'_>) -> Result<Option<T>, Fault> {
        if parser.null()? { Ok(None) } else { T::read(parser).map(Some) }
    }
}

impl<T: Read> Read for Vec<T> {
    #[inline]
    fn read(parser: &mut Parser<'_>) -> Result<Vec<T>, Fault> {
        let mut items = Vec::new();
        parser.list(|parser| {
            items.push(T::read(parser)?);
            Ok(())
        })?;
        Ok(items)
    }
}
