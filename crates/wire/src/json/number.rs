//! Numbers (RFC 8259, section 6).

use super::{Fault, Parser};

/// A number as it stands in the text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole number from 0 to `u64::MAX`.
    Natural(u64),
    /// A negative whole number down to `i64::MIN`.
    Negative(i64),
    /// Any other number.
    Real(f64),
}

impl Number {
    /// The nearest float.
    #[inline]
    pub fn as_f64(self) -> f64 {
        match self {
            Number::Natural(n) => n as f64,
            Number::Negative(n) => n as f64,
            Number::Real(x) => x,
        }
    }
}

/// Powers of ten that a float holds exactly.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

impl Parser<'_> {
    /// Reads a number.
    ///
    /// # Errors
    /// When there is none, or it is too large for a float.
    #[inline]
    pub fn number(&mut self) -> Result<Number, Fault> {
        let negative = self.peek() == Some(b'-');
        let start = self.at;
        self.at += usize::from(negative);
        let first = self.at;
        // Eighteen digits always fit; a longer number takes the slow way.
        let mut digits = self.digits(0);
        let whole = self.at - first;
        if whole == 0 {
            return Err(self.fault("expected a number"));
        }
        if whole > 1 && self.text.as_bytes()[first] == b'0' {
            return Err(self.fault("a number that begins with 0"));
        }
        let mut decimals = 0;
        let mut integer = true;
        if self.byte() == Some(b'.') {
            integer = false;
            self.at += 1;
            let from = self.at;
            digits = self.digits(digits);
            decimals = self.at - from;
            if decimals == 0 {
                return Err(self.fault("expected digits after the point"));
            }
        }
        let mut exponent = false;
        if let Some(b'e' | b'E') = self.byte() {
            (integer, exponent) = (false, true);
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            let from = self.at;
            self.digits(0);
            if self.at == from {
                return Err(self.fault("expected digits in the exponent"));
            }
        }
        let short = whole + decimals <= 18;
        if integer && short {
            return Ok(match (negative, digits) {
                // JSON knows a negative zero; as a whole number it is none.
                (true, 0) => Number::Real(-0.0),
                (true, n) => Number::Negative(-(n as i64)),
                (false, n) => Number::Natural(n),
            });
        }
        // Both operands are exact, so one division rounds correctly (Clinger's fast path).
        if short && !exponent && digits < 1 << 53 {
            let value = digits as f64 / EXACT_POWERS[decimals];
            return Ok(Number::Real(if negative { -value } else { value }));
        }
        self.slow(start, integer)
    }

    /// Passes digits, adding them to `n` (which means nothing after more than eighteen).
    #[inline]
    fn digits(&mut self, mut n: u64) -> u64 {
        for byte in &self.text.as_bytes()[self.at..] {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            n = n.wrapping_mul(10).wrapping_add(u64::from(digit));
            self.at += 1;
        }
        n
    }

    #[cold]
    fn slow(&self, start: usize, integer: bool) -> Result<Number, Fault> {
        let text = &self.text[start..self.at];
        if integer {
            if let Ok(n) = text.parse() {
                return Ok(Number::Natural(n));
            }
            if let Ok(n) = text.parse() {
                return Ok(Number::Negative(n));
            }
        }
        match text.parse::<f64>() {
            Ok(x) if x.is_finite() => Ok(Number::Real(x)),
            _ => Err(Fault { at: start, ..self.fault("a number that is too large") }),
        }
    }
}
