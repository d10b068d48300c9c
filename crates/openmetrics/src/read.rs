//! Reading a stream of lines, each of bounded length.

use std::fmt;
use std::io::{self, BufRead};

use crate::line::{self, Dialect, Line, Sample, Wrong};
use crate::{Kind, Type};

/// Longest line; longer ones are skipped and told as wrong.
pub const MAX_LINE_BYTES: usize = 1 << 20;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// The line, counted from 1.
    pub line: u64,
    /// The byte in the line, counted from 1; 0 where it is the whole line.
    pub column: usize,
    /// What is wrong.
    pub what: &'static str,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            0 => write!(f, "line {}: {}", self.line, self.what),
            column => write!(f, "line {}, column {column}: {}", self.line, self.what),
        }
    }
}

/// What was found next.
#[derive(Debug)]
pub enum Found<'a> {
    /// A sample.
    Sample(Sample<'a>),
    /// A line that is wrong; reading goes on behind it.
    Problem(Problem),
}

/// Reads samples one after another, whatever else the text has.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    dialect: Dialect,
    line: u64,
    bytes: u64,
    buffer: Vec<u8>,
    /// The family whose type was said last: its samples follow each other.
    family: Option<(String, Type)>,
    ended: bool,
    over: bool,
}

const NOT_TEXT: &str = "the line is not UTF-8";
const AFTER_END: &str = "there is more after # EOF";

fn problem(line: u64, wrong: &Wrong) -> Found<'static> {
    Found::Problem(Problem { line, column: wrong.at + 1, what: wrong.what })
}

/// What reading a line into the buffer came to.
enum Got {
    Line,
    TooLong,
    End,
}

impl<R: BufRead> Reader<R> {
    /// Reads from `input`.
    pub fn new(input: R, dialect: Dialect) -> Reader<R> {
        Reader {
            input,
            dialect,
            line: 0,
            bytes: 0,
            buffer: Vec::new(),
            family: None,
            ended: false,
            over: false,
        }
    }

    /// The line that was read last, counted from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next sample or problem; `None` at the end.
    ///
    /// # Errors
    /// Those of the input.
    pub fn next_found(&mut self) -> io::Result<Option<Found<'_>>> {
        let whole = |line, what| Ok(Some(Found::Problem(Problem { line, column: 0, what })));
        // What says no sample is dealt with here: a sample, which borrows the line, ends the loop.
        loop {
            if self.over {
                return Ok(None);
            }
            match self.fill()? {
                Got::Line => {}
                Got::TooLong => return whole(self.line, "the line is longer than 1 MiB"),
                Got::End => {
                    self.over = true;
                    if self.dialect == Dialect::OpenMetrics && !self.ended {
                        return whole(self.line + 1, "# EOF is missing: the text was cut off");
                    }
                    return Ok(None);
                }
            }
            let first = self.buffer.iter().find(|b| !matches!(b, b' ' | b'\t'));
            if first.is_some_and(|b| *b != b'#') {
                break;
            }
            let Ok(text) = std::str::from_utf8(&self.buffer) else {
                return whole(self.line, NOT_TEXT);
            };
            match line::read(text, self.dialect) {
                Ok(Line::Type(name, of)) => self.family = Some((name.into_owned(), of)),
                Ok(Line::End) if self.ended => return whole(self.line, AFTER_END),
                Ok(Line::End) => self.ended = true,
                Ok(Line::Nothing | Line::Sample(_)) => {}
                Err(wrong) => return Ok(Some(problem(self.line, &wrong))),
            }
        }
        if self.ended {
            return whole(self.line, AFTER_END);
        }
        let Ok(text) = std::str::from_utf8(&self.buffer) else {
            return whole(self.line, NOT_TEXT);
        };
        match line::read(text, self.dialect) {
            Ok(Line::Sample(mut sample)) => {
                sample.kind = kind(self.family.as_ref(), &sample.name);
                Ok(Some(Found::Sample(sample)))
            }
            Ok(_) => whole(self.line, "the line says nothing"),
            Err(wrong) => Ok(Some(problem(self.line, &wrong))),
        }
    }

    /// Reads a line into the buffer, without its end. Of a line that is too long nothing is kept.
    fn fill(&mut self) -> io::Result<Got> {
        self.buffer.clear();
        let mut length = 0usize;
        loop {
            let part = match self.input.fill_buf() {
                Ok(part) => part,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            let end = part.iter().position(|b| *b == b'\n');
            let taken = end.map_or(part.len(), |at| at + 1);
            if taken == 0 && length == 0 {
                return Ok(Got::End);
            }
            length = length.saturating_add(taken);
            if length <= MAX_LINE_BYTES {
                self.buffer.extend_from_slice(&part[..taken]);
            }
            self.bytes += taken as u64;
            self.input.consume(taken);
            if end.is_some() || taken == 0 {
                break;
            }
        }
        self.line += 1;
        if length > MAX_LINE_BYTES {
            self.buffer.clear();
            return Ok(Got::TooLong);
        }
        while matches!(self.buffer.last(), Some(b'\n' | b'\r')) {
            self.buffer.pop();
        }
        Ok(Got::Line)
    }
}

fn kind(family: Option<&(String, Type)>, name: &str) -> Kind {
    let of = family.and_then(|(family, of)| of.kind(name.strip_prefix(family.as_str())?));
    of.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8], dialect: Dialect) -> Vec<String> {
        // A tiny buffer: lines come in pieces.
        let mut reader = Reader::new(io::BufReader::with_capacity(3, text), dialect);
        let mut found = Vec::new();
        while let Some(next) = reader.next_found().unwrap() {
            found.push(match next {
                Found::Sample(s) => format!("{} {:?} {:?}", s.name, s.kind, s.time_ms),
                Found::Problem(problem) => problem.to_string(),
            });
        }
        assert_eq!(reader.bytes(), text.len() as u64);
        found
    }

    #[test]
    fn kinds_come_from_the_family() {
        let text = b"# TYPE a counter\na_total 1 1\na_created 1 1\na 1 1\nb 1 1\n\
            # TYPE h histogram\nh_bucket{le=\"1\"} 1 1\nh_sum 1 1\nh_x 1 1\n# TYPE i info\ni_info 1 1\n# EOF\n";
        assert_eq!(
            all(text, Dialect::OpenMetrics),
            [
                "a_total Counter Some(1000)",
                "a_created Gauge Some(1000)",
                "a Counter Some(1000)",
                "b Unknown Some(1000)",
                "h_bucket Counter Some(1000)",
                "h_sum Counter Some(1000)",
                "h_x Unknown Some(1000)",
                "i_info Gauge Some(1000)",
            ]
        );
    }

    #[test]
    fn wrong_lines_are_named_and_the_rest_is_read() {
        let mut text = b"a 1 1\r\nb\nc 1 1\n\xff\n".to_vec();
        text.extend(b"d".repeat(MAX_LINE_BYTES + 1));
        text.extend(b"\ne 1 1");
        assert_eq!(
            all(&text, Dialect::OpenMetrics),
            [
                "a Unknown Some(1000)",
                "line 2, column 2: there is no value",
                "c Unknown Some(1000)",
                "line 4: the line is not UTF-8",
                "line 5: the line is longer than 1 MiB",
                "e Unknown Some(1000)",
                "line 7: # EOF is missing: the text was cut off",
            ]
        );
        assert_eq!(all(b"# EOF\n\na 1 1\n", Dialect::OpenMetrics), ["line 3: there is more after # EOF"]);
        assert_eq!(all(b"a 1 1", Dialect::Prometheus), ["a Unknown Some(1)"]);
    }
}
