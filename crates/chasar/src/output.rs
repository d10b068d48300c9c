//! Writing to stdout, which may be a pipe that somebody closes.

use std::io::{self, ErrorKind, Write};

use crate::exit::Failure;

/// Whether to go on writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Reader {
    /// Somebody reads.
    There,
    /// Nobody reads any more: the pipe is closed.
    Gone,
}

/// Lets `write` write to stdout and flushes. A closed pipe is no failure: whoever read has seen enough.
pub(crate) fn to_stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<Reader, Failure> {
    let mut stdout = io::stdout().lock();
    match write(&mut stdout).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(Reader::There),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(e) => Err(Failure::new(format_args!("cannot write to stdout: {e}"))),
    }
}

/// One JSON text as one line that is harmless for a terminal and means the same.
///
/// JSON allows raw control characters above U+009F and format characters in texts; they are written
/// as `\u` escapes here. Line breaks between values become blanks.
pub(crate) fn json_line(json: &str, line: &mut String) {
    line.clear();
    for c in json.chars() {
        match c {
            '\n' | '\r' | '\t' => line.push(' '),
            c if chasar_top::text::is_harmless(c) => line.push(c),
            c => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    line.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    line.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_harmless_line_of_the_same_meaning() {
        let name = "a\u{9b}2J\u{202e}\u{7f}\u{e0041}ü名\u{301}\"\\";
        let json =
            format!("{{\n\t\"hostname\": {},\r\n \"n\": [1,\n2]}}", serde_json::to_string(name).unwrap());
        let mut line = String::new();
        json_line(&json, &mut line);
        let content = line.strip_suffix('\n').unwrap();
        assert!(content.chars().all(chasar_top::text::is_harmless), "{content}");
        let [ours, theirs] = [content, &json].map(|t| serde_json::from_str::<serde_json::Value>(t).unwrap());
        assert_eq!(ours, theirs);
        assert_eq!(ours["hostname"], name);
    }
}
