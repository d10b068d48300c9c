//! Attributes: names with values of several types, as labels.

use std::fmt::Write as _;

use chasar_remote_write::Error;
use chasar_remote_write::protobuf::{Reader, Value};

use crate::names::label_name;

/// Lists and maps within each other; what is deeper is left out.
const MAX_DEPTH: usize = 8;

/// No label is as long: of longer texts no more is kept, which is too long still.
const MAX_TEXT_BYTES: usize = 8 << 10;

/// Names as OpenTelemetry has them, and values as text.
pub(crate) type Attributes = Vec<(String, String)>;

/// Reads a `KeyValue`; `None` when its value is no text: bytes, or nothing.
pub(crate) fn key_value(mut reader: Reader<'_>) -> Result<Option<(String, String)>, Error> {
    let (mut key, mut value) = ("", None);
    while let Some((number, field)) = reader.field()? {
        match number {
            1 => key = reader.text(field)?,
            2 => value = any(reader.within(reader.bytes(field)?), 0)?,
            _ => {}
        }
    }
    let text = value.map(|value| match value {
        Any::Text(text) => cut(text, MAX_TEXT_BYTES).to_owned(),
        Any::Json(json) => json,
    });
    Ok(text.map(|text| (cut(key, MAX_TEXT_BYTES).to_owned(), text)))
}

/// The beginning of a text.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// A value: a text as it is, or what stands for it in JSON.
enum Any<'a> {
    Text(&'a str),
    Json(String),
}

fn any(mut reader: Reader<'_>, depth: usize) -> Result<Option<Any<'_>>, Error> {
    let mut found = None;
    while let Some((number, field)) = reader.field()? {
        found = match (number, field) {
            (1, field) => Some(Any::Text(reader.text(field)?)),
            (2, field) => Some(Any::Json((reader.number(field)? != 0).to_string())),
            (3, field) => Some(Any::Json((reader.number(field)? as i64).to_string())),
            (4, field) => Some(Any::Json(reader.double(field)?.to_string())),
            (5 | 6, field) => {
                let inner = reader.within(reader.bytes(field)?);
                // As deep as that nobody means it.
                if depth == MAX_DEPTH { None } else { Some(Any::Json(list(inner, number == 6, depth + 1)?)) }
            }
            (7, Value::Bytes(_)) => None,
            _ => continue,
        };
    }
    Ok(found)
}

/// An `ArrayValue`, or a `KeyValueList`, of which what is beyond the longest text is read and left out.
fn list(mut reader: Reader<'_>, is_map: bool, depth: usize) -> Result<String, Error> {
    let mut out = String::from(if is_map { "{" } else { "[" });
    while let Some((number, field)) = reader.field()? {
        if number != 1 {
            continue;
        }
        let mut inner = reader.within(reader.bytes(field)?);
        let has_room = out.len() < MAX_TEXT_BYTES;
        if has_room && out.len() > 1 {
            out.push(',');
        }
        if !is_map {
            let value = any(inner, depth)?;
            if has_room {
                put(&mut out, value);
            }
            continue;
        }
        let (mut key, mut value) = ("", None);
        while let Some((number, field)) = inner.field()? {
            match number {
                1 => key = inner.text(field)?,
                2 => value = any(inner.within(inner.bytes(field)?), depth)?,
                _ => {}
            }
        }
        if has_room {
            put(&mut out, Some(Any::Text(key)));
            out.push(':');
            put(&mut out, value);
        }
    }
    out.push(if is_map { '}' } else { ']' });
    Ok(out)
}

fn put(out: &mut String, value: Option<Any<'_>>) {
    match value {
        None => out.push_str("null"),
        Some(Any::Json(json)) => out.push_str(&json),
        Some(Any::Text(text)) => {
            out.push('"');
            for c in cut(text, MAX_TEXT_BYTES).chars() {
                match c {
                    '"' | '\\' => out.extend(['\\', c]),
                    c if c < ' ' => drop(write!(out, "\\u{:04x}", u32::from(c))),
                    c => out.push(c),
                }
            }
            out.push('"');
        }
    }
}

/// As labels. Where two have the same name then, their values are joined by `;` in the order of the names
/// that they had.
pub(crate) fn labels(mut attributes: Attributes, out: &mut Attributes) {
    attributes.sort();
    let begin = out.len();
    for (name, value) in attributes {
        let label = label_name(&name);
        match out[begin..].iter_mut().find(|(known, _)| *known == label) {
            Some((_, joined)) => {
                joined.push(';');
                joined.push_str(&value);
            }
            None => out.push((label, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_all_types_are_texts() {
        let key_value = |bytes: &[u8]| super::key_value(Reader::new(bytes)).unwrap();
        let of = |value: &[u8]| {
            let len = u8::try_from(value.len()).unwrap();
            key_value(&[b"\x0a\x01k\x12", &[len][..], value].concat()).map(|(_, text)| text)
        };
        assert_eq!(of(b"\x0a\x02a\""), Some("a\"".into()));
        assert_eq!(of(&[0x10, 1]), Some("true".into()));
        assert_eq!(of(&[0x18, 7]), Some("7".into()));
        assert_eq!(of(&[&[0x21][..], &2.5f64.to_le_bytes()].concat()), Some("2.5".into()));
        assert_eq!(of(&[0x3a, 1, 0]), None);
        assert_eq!(of(&[]), None);
        // [1, "a\""] and {"b": true}.
        assert_eq!(of(b"\x2a\x0a\x0a\x02\x18\x01\x0a\x04\x0a\x02a\""), Some(r#"[1,"a\""]"#.into()));
        assert_eq!(of(b"\x32\x09\x0a\x07\x0a\x01b\x12\x02\x10\x01"), Some(r#"{"b":true}"#.into()));
    }

    #[test]
    fn of_long_texts_no_more_is_kept_than_shows_that_they_are_too_long() {
        const LONG: usize = 100_000;
        let any = |number: u8, inner: &[u8]| {
            let mut out = vec![number << 3 | 2];
            let mut len = inner.len();
            while len >= 0x80 {
                out.push(len as u8 | 0x80);
                len >>= 7;
            }
            out.push(len as u8);
            out.extend_from_slice(inner);
            out
        };
        let text = any(1, &[1; LONG]);
        let list = any(5, &any(1, &text));
        let of_lists = any(5, &any(1, &list).repeat(3));
        let of_numbers = any(5, &any(1, &[0x10, 1]).repeat(LONG));
        let map = any(6, &any(1, &[any(1, &[b'k'; LONG]), any(2, &text)].concat()).repeat(3));
        for value in [text, list, of_lists, of_numbers, map] {
            let pair = [any(1, &[b'k'; LONG]), any(2, &value)].concat();
            let (key, value) = key_value(Reader::new(&pair)).unwrap().unwrap();
            assert_eq!(key.len(), MAX_TEXT_BYTES);
            // An escape takes six bytes of one.
            assert!((MAX_TEXT_BYTES..20 * MAX_TEXT_BYTES).contains(&value.len()), "{}", value.len());
        }
        let words = any(1, "é".repeat(LONG).as_bytes());
        let (_, value) = key_value(Reader::new(&any(2, &words))).unwrap().unwrap();
        assert!(value.chars().all(|c| c == 'é') && value.len() == MAX_TEXT_BYTES);
    }

    #[test]
    fn lists_in_lists_end_somewhere() {
        let mut value = vec![0x10, 1];
        for _ in 0..12 {
            let inner = [&[0x0a, u8::try_from(value.len()).unwrap()][..], &value].concat();
            value = [&[0x2a, u8::try_from(inner.len()).unwrap()][..], &inner].concat();
        }
        let len = u8::try_from(value.len()).unwrap();
        let (_, text) = key_value(Reader::new(&[&[0x12, len][..], &value].concat())).unwrap().unwrap();
        assert_eq!(text, "[[[[[[[[null]]]]]]]]");
    }

    #[test]
    fn names_that_become_the_same_share_their_values() {
        let attributes = [("a.b", "2"), ("a_b", "3"), ("a-b", "1"), ("c", "4")];
        let mut out = vec![("a_b".to_owned(), "of another list".to_owned())];
        labels(attributes.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec(), &mut out);
        assert_eq!(out[1..], [("a_b".to_owned(), "1;2;3".to_owned()), ("c".to_owned(), "4".to_owned())]);
    }
}
