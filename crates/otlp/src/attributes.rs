//! Attributes: names with values of several types, as labels.

use std::fmt::Write as _;

use chasar_remote_write::Error;
use chasar_remote_write::protobuf::{Reader, Value};

use crate::names::label_name;

/// Lists and maps within each other; what is deeper is left out.
const MAX_DEPTH: usize = 8;

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
        Any::Text(text) => text.to_owned(),
        Any::Json(json) => json,
    });
    Ok(text.map(|text| (key.to_owned(), text)))
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

/// An `ArrayValue`, or a `KeyValueList`.
fn list(mut reader: Reader<'_>, is_map: bool, depth: usize) -> Result<String, Error> {
    let mut out = String::from(if is_map { "{" } else { "[" });
    while let Some((number, field)) = reader.field()? {
        if number != 1 {
            continue;
        }
        let mut inner = reader.within(reader.bytes(field)?);
        if out.len() > 1 {
            out.push(',');
        }
        if !is_map {
            put(&mut out, any(inner, depth)?);
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
        put(&mut out, Some(Any::Text(key)));
        out.push(':');
        put(&mut out, value);
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
            for c in text.chars() {
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
