//! Text to tokens.

use crate::error::{Error, Result, Span};

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// A name: of a metric, label, function, or a keyword, which only its place tells apart.
    Ident(String),
    Text(String),
    Number(f64),
    /// `1h30m`, in milliseconds.
    Duration(i64),
    /// Operators, brackets and commas as they are written.
    Sign(&'static str),
    End,
}

impl Token {
    /// How an error speaks of it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Token::Ident(name) => format!("identifier {name:?}"),
            Token::Text(text) => format!("string {text:?}"),
            Token::Number(number) => format!("number \"{number}\""),
            Token::Duration(ms) => format!("duration \"{}\"", crate::print::duration(*ms)),
            Token::Sign(sign) => format!("{sign:?}"),
            Token::End => "end of input".into(),
        }
    }
}

/// Longer ones first, so that `<=` is not read as `<`.
const SIGNS: &[&str] = &[
    "==", "!=", "=~", "!~", "<=", ">=", "=", "<", ">", "+", "-", "*", "/", "%", "^", "(", ")", "{", "}", "[",
    "]", ",", "@", ":",
];

/// All tokens with their places; the last is [`Token::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<(Token, Span)>> {
    let mut out = Vec::new();
    let mut lexer = Lexer { text, at: 0 };
    // In a range `[5m:1m]` a colon parts durations; elsewhere it is a letter of names.
    let mut in_brackets = false;
    loop {
        lexer.skip_blank();
        let start = lexer.at;
        let token = lexer.next(in_brackets)?;
        match &token {
            Token::Sign("[") => in_brackets = true,
            Token::Sign("]") => in_brackets = false,
            _ => {}
        }
        let end = token == Token::End;
        out.push((token, Span::new(start, lexer.at)));
        if end {
            return Ok(out);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn error(&self, start: usize, message: impl Into<String>) -> Error {
        Error::parse(Span::new(start, self.at), message)
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &str {
        let start = self.at;
        let rest = self.rest();
        let len = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += len;
        &self.text[start..self.at]
    }

    fn skip_blank(&mut self) {
        loop {
            self.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
            if !self.rest().starts_with('#') {
                return;
            }
            self.take_while(|c| c != '\n');
        }
    }

    fn next(&mut self, in_brackets: bool) -> Result<Token> {
        let Some(c) = self.peek() else { return Ok(Token::End) };
        let begins_name = c.is_ascii_alphabetic() || c == '_' || (c == ':' && !in_brackets);
        if begins_name {
            let name =
                self.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || (c == ':' && !in_brackets));
            return Ok(Token::Ident(name.into()));
        }
        let second = self.rest().as_bytes().get(1);
        if c.is_ascii_digit() || (c == '.' && second.is_some_and(u8::is_ascii_digit)) {
            return self.number();
        }
        if matches!(c, '"' | '\'' | '`') {
            return self.string(c);
        }
        if let Some(sign) = SIGNS.iter().find(|s| self.rest().starts_with(**s)) {
            self.at += sign.len();
            return Ok(Token::Sign(sign));
        }
        let start = self.at;
        self.at += c.len_utf8();
        Err(self.error(start, format!("unexpected character: {c:?}")))
    }

    /// A number or a duration; both begin with digits.
    fn number(&mut self) -> Result<Token> {
        let start = self.at;
        let text = self.rest();
        let hex = text.len() > 2 && text.as_bytes()[0] == b'0' && matches!(text.as_bytes()[1], b'x' | b'X');
        if hex {
            self.at += 2;
            let digits = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_').replace('_', "");
            return match u64::from_str_radix(&digits, 16) {
                Ok(number) => Ok(Token::Number(number as f64)),
                Err(_) => Err(self.bad_number(start)),
            };
        }
        let digits = |c: char| c.is_ascii_digit() || c == '_';
        self.take_while(digits);
        if self.peek().is_some_and(|c| matches!(c, 's' | 'm' | 'h' | 'd' | 'w' | 'y')) {
            self.take_while(|c| c.is_ascii_alphanumeric());
            return match duration_ms(&self.text[start..self.at]) {
                Some(ms) => Ok(Token::Duration(ms)),
                None => Err(self.bad_number(start)),
            };
        }
        if self.rest().starts_with('.') {
            self.at += 1;
            self.take_while(digits);
        }
        if self.rest().starts_with(['e', 'E']) {
            self.at += 1;
            if self.rest().starts_with(['+', '-']) {
                self.at += 1;
            }
            self.take_while(digits);
        }
        if self.peek().is_some_and(|c| c.is_alphanumeric() || c == '_') {
            self.take_while(|c| c.is_alphanumeric() || c == '_');
            return Err(self.bad_number(start));
        }
        let text = &self.text[start..self.at];
        // Underscores stand between digits.
        if text.contains('_') && text.split('_').any(|part| !part.ends_with(|c: char| c.is_ascii_digit())) {
            return Err(self.bad_number(start));
        }
        let plain = text.replace('_', "");
        // Octal, as Go reads a leading zero.
        let digits_only = plain.len() > 1 && plain.bytes().all(|b| b.is_ascii_digit());
        if digits_only
            && plain.starts_with('0')
            && let Ok(number) = u64::from_str_radix(&plain, 8)
        {
            return Ok(Token::Number(number as f64));
        }
        plain.parse().map(Token::Number).map_err(|_| self.bad_number(start))
    }

    fn bad_number(&self, start: usize) -> Error {
        self.error(start, format!("bad number or duration syntax: {:?}", &self.text[start..self.at]))
    }

    fn string(&mut self, quote: char) -> Result<Token> {
        let start = self.at;
        self.at += 1;
        if quote == '`' {
            let Some(len) = self.rest().find('`') else {
                self.at = self.text.len();
                return Err(self.error(start, "unterminated raw string"));
            };
            let text = self.rest()[..len].to_string();
            self.at += len + 1;
            return Ok(Token::Text(text));
        }
        // Bytes, because \x writes single ones.
        let mut out = Vec::new();
        loop {
            let Some(c) = self.peek() else {
                return Err(self.error(start, "unterminated quoted string"));
            };
            self.at += c.len_utf8();
            match c {
                c if c == quote => break,
                '\n' => return Err(self.error(start, "unterminated quoted string")),
                '\\' => self.escape(quote, &mut out)?,
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        match String::from_utf8(out) {
            Ok(text) => Ok(Token::Text(text)),
            Err(_) => Err(self.error(start, "the string is not valid UTF-8")),
        }
    }

    /// What follows a backslash, as in Go's strings.
    fn escape(&mut self, quote: char, out: &mut Vec<u8>) -> Result<()> {
        let start = self.at - 1;
        let Some(c) = self.peek() else { return Err(self.error(start, "escape sequence not terminated")) };
        self.at += c.len_utf8();
        let plain = match c {
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 11,
            '\\' => b'\\',
            c if c == quote => quote as u8,
            'x' | 'u' | 'U' | '0'..='7' => {
                let (digits, radix) = match c {
                    'x' => (2, 16),
                    'u' => (4, 16),
                    'U' => (8, 16),
                    _ => {
                        self.at -= 1;
                        (3, 8)
                    }
                };
                let text = self.rest().get(..digits).unwrap_or_default();
                let all_digits = !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
                let number = if all_digits { u32::from_str_radix(text, radix).ok() } else { None };
                let byte = number.filter(|_| digits < 4).and_then(|n| u8::try_from(n).ok());
                let letter = number.filter(|_| digits >= 4).and_then(char::from_u32);
                match (byte, letter) {
                    (Some(byte), _) => out.push(byte),
                    (_, Some(letter)) => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
                    _ => return Err(self.error(start, "escape sequence is not a valid character")),
                }
                self.at += digits;
                return Ok(());
            }
            c => return Err(self.error(start, format!("unknown escape sequence {c:?}"))),
        };
        out.push(plain);
        Ok(())
    }
}

/// Milliseconds of a duration as PromQL writes it, `1y2w3d4h5m6s7ms`: units in falling order, each at
/// most once. `None` when it is something else or does not fit.
pub fn duration_ms(text: &str) -> Option<i64> {
    const UNITS: &[(&str, i64)] = &[
        ("y", 365 * 86_400_000),
        ("w", 7 * 86_400_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ];
    let mut rest = text;
    let mut from = 0;
    let mut total = 0_i64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let at = UNITS.iter().position(|(u, _)| *u == &rest[..letters])?;
        if at < from {
            return None;
        }
        from = at + 1;
        rest = &rest[letters..];
        total = total.checked_add(number.checked_mul(UNITS[at].1)?)?;
    }
    (!text.is_empty()).then_some(total)
}
