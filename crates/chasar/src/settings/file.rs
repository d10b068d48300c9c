//! The TOML file: texts with their places, and everything that is wrong with it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::definition::{self, AnySetting, Form, SECTIONS};
use super::problem::{Place, Problem, nearest, quoted};

/// What a file says.
#[derive(Debug, Default)]
pub(crate) struct File {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Values by the id of their setting, as text, with their places.
    values: BTreeMap<String, (String, Place)>,
}

impl File {
    /// The text given for a setting, and its place.
    pub(crate) fn get(&self, id: &str) -> Option<&(String, Place)> {
        self.values.get(id)
    }

    /// Reads `text`, the content of `path`. Everything wrong with it goes to `problems`; the values
    /// that are right are in the result all the same.
    pub(crate) fn read(path: &Path, text: &str, problems: &mut Vec<Problem>) -> File {
        let mut reader = Reader {
            file: File { path: path.to_owned(), values: BTreeMap::new() },
            text,
            problems: Vec::new(),
        };
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let mut message = error.message().lines().collect::<Vec<_>>().join(", ");
            if let Some(key) = text.get(span.clone()).filter(|_| message == "duplicate key") {
                message += &format!(" {}; keep one of them", quoted(key));
            }
            reader.problem(span, message);
        }
        // A part of broken text may look like a wrong key; the syntax has to be right first.
        if reader.problems.is_empty() {
            reader.document(table.get_ref());
        }
        reader.problems.sort();
        problems.append(&mut reader.problems);
        reader.file
    }
}

struct Reader<'a> {
    file: File,
    text: &'a str,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn place(&self, span: Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Place::File(self.file.path.clone(), line, column)
    }

    fn problem(&mut self, span: Range<usize>, message: String) {
        let place = self.place(span);
        self.problems.push(Problem { place, message });
    }

    fn document(&mut self, table: &DeTable<'_>) {
        for (name, value) in table {
            let known = SECTIONS.iter().any(|(section, _)| name.get_ref() == *section);
            match (known, value.get_ref()) {
                (true, DeValue::Table(table)) => self.section(name.get_ref(), table),
                (true, _) => {
                    let message =
                        format!("{} is a table; write [{}]", quoted(name.get_ref()), name.get_ref());
                    self.problem(value.span(), message);
                }
                (false, value) => {
                    let what = if matches!(value, DeValue::Table(_)) { "table" } else { "key" };
                    let message =
                        format!("unknown {what} {}{}", quoted(name.get_ref()), hint("", name.get_ref()));
                    self.problem(name.span(), message);
                }
            }
        }
    }

    fn section(&mut self, section: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            match definition::of_section(section).find(|s| s.spec().key == key.get_ref()) {
                Some(setting) => self.value(setting, value),
                None => {
                    let hint = hint(section, key.get_ref());
                    self.problem(
                        key.span(),
                        format!("unknown key {} in [{section}]{hint}", quoted(key.get_ref())),
                    );
                }
            }
        }
    }

    fn value(&mut self, setting: &dyn AnySetting, value: &Spanned<DeValue<'_>>) {
        let spec = setting.spec();
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(n) if n.radix() == 10 => n.as_str().to_owned(),
            DeValue::Integer(n) => match i64::from_str_radix(n.as_str(), n.radix()) {
                Ok(n) => n.to_string(),
                Err(_) => n.as_str().to_owned(),
            },
            DeValue::Float(n) => n.as_str().to_owned(),
            DeValue::Boolean(b) => b.to_string(),
            DeValue::Array(list) if spec.form == Form::List => {
                let texts = list.iter().map(|item| match item.get_ref() {
                    DeValue::String(text) => Ok(text.to_string()),
                    other => Err((item.span(), other.type_str())),
                });
                match texts.collect::<Result<Vec<_>, _>>() {
                    // An empty list is how one takes it back; nothing was said then.
                    Ok(texts) if texts.is_empty() => return,
                    Ok(texts) => texts.join(","),
                    Err((span, what)) => {
                        let message = format!("{}: {} in the list is not a text", spec.key, a(what));
                        return self.problem(span, message);
                    }
                }
            }
            other => {
                let message = format!("{}: {} is not a value here", spec.key, a(other.type_str()));
                return self.problem(value.span(), message);
            }
        };
        match setting.check(&text) {
            Ok(()) => {
                let place = self.place(value.span());
                self.file.values.insert(spec.id(), (text, place));
            }
            Err(rest) => self.problem(value.span(), format!("{}: {} {rest}", spec.key, quoted(&text))),
        }
    }
}

fn a(noun: &str) -> String {
    format!("{} {noun}", if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" })
}

/// What may have been meant by an unknown `key` in `section`.
fn hint(section: &str, key: &str) -> String {
    if let Some(meant) = nearest(key, definition::of_section(section).map(|s| s.spec().key)) {
        return format!("; did you mean \"{meant}\"?");
    }
    if section.is_empty()
        && let Some(meant) = nearest(key, SECTIONS.iter().map(|(name, _)| *name))
    {
        return format!("; did you mean [{meant}]?");
    }
    let elsewhere: Vec<String> = definition::ALL
        .iter()
        .filter(|s| s.spec().key == key)
        .map(|s| format!("[{}]", s.spec().section))
        .collect();
    if elsewhere.is_empty() {
        String::from("; chasar config example shows what there is")
    } else {
        format!("; it belongs to {}", elsewhere.join(" or "))
    }
}
