//! The pass over the text: values, objects, lists, and what is wrong where.

use std::borrow::Cow;
use std::fmt;

use crate::limits::{LimitError, MAX_NESTING, MAX_REPORT_BYTES, MAX_VALUES};

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Byte offset.
    pub at: usize,
    /// The keys that lead there, outermost last.
    pub(crate) keys: Vec<&'static str>,
    /// What is wrong.
    pub problem: Problem,
}

/// Kinds of faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Not what belongs there.
    Unexpected(&'static str),
    /// A key that must be there is not.
    Missing(&'static str),
    /// A bound is passed.
    Limit(LimitError),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, key) in self.keys.iter().rev().enumerate() {
            write!(f, "{}{key}", if i == 0 { "" } else { "." })?;
        }
        if !self.keys.is_empty() {
            f.write_str(": ")?;
        }
        match &self.problem {
            Problem::Unexpected(what) => write!(f, "{what} at byte {}", self.at),
            Problem::Missing(key) => {
                write!(f, "key {key} is missing in the object that ends at byte {}", self.at)
            }
            Problem::Limit(limit) => limit.fmt(f),
        }
    }
}

impl std::error::Error for Fault {}

/// A position in a text that is read once, from front to back.
pub struct Parser<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    depth: usize,
    values: usize,
}

impl<'a> Parser<'a> {
    /// A parser at the beginning of `text`.
    ///
    /// # Errors
    /// When the text is larger than a report may be, or not UTF-8.
    pub fn new(text: &'a [u8]) -> Result<Parser<'a>, Fault> {
        let fault = |at, problem| Fault { at, keys: Vec::new(), problem };
        if text.len() > MAX_REPORT_BYTES {
            return Err(fault(0, Problem::Limit(LimitError::Size { bytes: text.len() })));
        }
        let text = std::str::from_utf8(text)
            .map_err(|e| fault(e.valid_up_to(), Problem::Unexpected("bytes that are not UTF-8")))?;
        Ok(Parser { text, at: 0, depth: 0, values: 0 })
    }

    /// Asserts that nothing but space follows.
    ///
    /// # Errors
    /// When something does.
    pub fn end(&mut self) -> Result<(), Fault> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.fault("something after the end of the report")),
        }
    }

    /// A fault at this place.
    #[cold]
    pub fn fault(&self, what: &'static str) -> Fault {
        Fault { at: self.at, keys: Vec::new(), problem: Problem::Unexpected(what) }
    }

    /// A fault for a key that should have been in the object that ends here.
    #[cold]
    pub fn missing(&self, key: &'static str) -> Fault {
        Fault { at: self.at, keys: Vec::new(), problem: Problem::Missing(key) }
    }

    #[cold]
    pub(crate) fn limit(&self, limit: LimitError) -> Fault {
        Fault { at: self.at, keys: Vec::new(), problem: Problem::Limit(limit) }
    }

    #[inline]
    pub(super) fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The first byte of what comes next, after any space.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.byte() {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                other => return other,
            }
        }
    }

    /// Passes `wanted`, after any space; whether it was there.
    #[inline]
    pub(super) fn pass(&mut self, wanted: u8) -> bool {
        let there = self.peek() == Some(wanted);
        self.at += usize::from(there);
        there
    }

    /// Passes a word such as `null`.
    pub(super) fn word(&mut self, word: &'static str, what: &'static str) -> Result<(), Fault> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.fault(what))
    }

    #[inline]
    fn enter(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err(self.limit(LimitError::Nesting { at: self.at }));
        }
        Ok(())
    }

    #[inline]
    fn count(&mut self) -> Result<(), Fault> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(self.limit(LimitError::Series { count: self.values }));
        }
        Ok(())
    }

    /// Enters an object; whether it has members. Then, for each member, a key ([`Parser::next_is`] or
    /// [`Parser::key`]), its value, and [`Parser::another`].
    ///
    /// # Errors
    /// When there is no object, or it is nested too deep.
    #[inline]
    pub fn open(&mut self) -> Result<bool, Fault> {
        if !self.pass(b'{') {
            return Err(self.fault("expected an object"));
        }
        self.enter()?;
        if self.pass(b'}') {
            self.depth -= 1;
            return Ok(false);
        }
        Ok(true)
    }

    /// Goes on to the next member of an object; whether there is one.
    ///
    /// # Errors
    /// When neither a member nor the end follows, or there are too many values.
    #[inline]
    pub fn another(&mut self) -> Result<bool, Fault> {
        self.count()?;
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(b'}') => {
                self.at += 1;
                self.depth -= 1;
                Ok(false)
            }
            _ => Err(self.fault("expected , or } in an object")),
        }
    }

    /// Passes a key written without any space, quotes and colon included, if that is what comes.
    #[inline(always)]
    pub fn next_is<const N: usize>(&mut self, written: &[u8; N]) -> bool {
        let there = self.text.as_bytes()[self.at..].first_chunk::<N>() == Some(written);
        if there {
            self.at += N;
        }
        there
    }

    /// Passes any key and its colon: its index in `keys`, or `keys.len()` for one that is not in it.
    ///
    /// # Errors
    /// When there is no key.
    pub fn key(&mut self, keys: &[&str]) -> Result<usize, Fault> {
        let key = self.text()?;
        self.colon()?;
        Ok(keys.iter().position(|k| *k == key).unwrap_or(keys.len()))
    }

    /// Reads a value; what is wrong with it is said to be under `key`.
    ///
    /// # Errors
    /// Those of `read`.
    #[inline]
    pub fn under<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        read(self).map_err(|mut fault| {
            fault.keys.push(key);
            fault
        })
    }

    /// Reads an object whose keys are names: `then` gets each name and must read the value.
    ///
    /// # Errors
    /// When there is no object, or `then` fails.
    #[inline]
    pub fn map(
        &mut self,
        mut then: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut more = self.open()?;
        while more {
            let key = self.text()?;
            self.colon()?;
            then(self, key)?;
            more = self.another()?;
        }
        Ok(())
    }

    /// Reads a list: `then` must read each item.
    #[inline]
    pub fn list(&mut self, mut then: impl FnMut(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        if !self.pass(b'[') {
            return Err(self.fault("expected a list"));
        }
        self.enter()?;
        if !self.pass(b']') {
            loop {
                self.count()?;
                then(self)?;
                if self.pass(b',') {
                    continue;
                }
                if self.pass(b']') {
                    break;
                }
                return Err(self.fault("expected , or ] in a list"));
            }
        }
        self.depth -= 1;
        Ok(())
    }

    #[inline]
    fn colon(&mut self) -> Result<(), Fault> {
        if self.pass(b':') { Ok(()) } else { Err(self.fault("expected : after a key")) }
    }

    /// Passes any value: one under a key that this version does not know.
    ///
    /// # Errors
    /// When it is not JSON or passes a bound.
    pub fn skip(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Some(b'{') => self.map(|parser, _| parser.skip()),
            Some(b'[') => self.list(Parser::skip),
            Some(b'"') => self.text().map(drop),
            Some(b't') => self.word("true", "expected a value"),
            Some(b'f') => self.word("false", "expected a value"),
            Some(b'n') => self.word("null", "expected a value"),
            _ => self.number().map(drop),
        }
    }

    /// Passes `null` if that is what comes.
    #[inline]
    pub(super) fn null(&mut self) -> Result<bool, Fault> {
        if self.peek() != Some(b'n') {
            return Ok(false);
        }
        self.word("null", "expected a value or null")?;
        Ok(true)
    }
}
