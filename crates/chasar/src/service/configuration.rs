//! Settings typed at an installation go into the file that the service reads; what else is in it stays,
//! comments and order too.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use crate::settings::definition::{self, Spec};
use crate::settings::example::toml_of;
use crate::settings::file::File;

/// How a file begins that nobody has written before.
const HEADER: &str = "\
# Configuration of Chasar. chasar config example prints a file with every setting and its default.
";

/// The file as a package brings it: nothing is set.
pub(crate) fn empty() -> String {
    HEADER.to_owned()
}

/// `old` with the `typed` values in it, by the id of their setting.
///
/// # Errors
/// When `old` is written in a way that this cannot change; the words say what to do.
pub(crate) fn edited(old: Option<&str>, typed: &BTreeMap<String, String>) -> Result<String, String> {
    let mut text = old.map_or_else(empty, str::to_owned);
    if typed.is_empty() {
        return Ok(text);
    }
    let mut expected = values(&text)?;
    expected.extend(typed.clone());
    // One after the other: each changes where the rest is. Last first, as each new one goes to the top.
    for (id, value) in typed.iter().rev() {
        set(&mut text, id, value);
    }
    if values(&text).ok().as_ref() == Some(&expected) {
        return Ok(text);
    }
    let list: Vec<String> = typed
        .iter()
        .filter_map(|(id, value)| Some(format!("{id} = {}", toml_of(spec(id)?, value))))
        .collect();
    Err(format!(
        "it is written in a way that cannot be changed here; set in it yourself: {}",
        list.join(", ")
    ))
}

/// Whether all of this was written by [`edited`], so that nothing is lost with it.
pub(crate) fn is_ours(text: &str) -> bool {
    let Ok(values) = values(text) else { return false };
    let Ok(again) = edited(None, &values) else { return false };
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).filter(|l| !l.is_empty()).collect();
        lines.sort();
        lines
    };
    sorted(text) == sorted(&again)
}

fn values(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut problems = Vec::new();
    let file = File::read(Path::new(""), text, &mut problems);
    match problems.first() {
        None => Ok(definition::ALL
            .iter()
            .map(|s| s.spec().id())
            .filter_map(|id| Some((id.clone(), file.get(&id)?.0.clone())))
            .collect()),
        Some(problem) => Err(problem.message.clone()),
    }
}

fn spec(id: &str) -> Option<&'static Spec> {
    definition::ALL.iter().map(|setting| setting.spec()).find(|spec| spec.id() == id)
}

fn set(text: &mut String, id: &str, value: &str) {
    let Some(spec) = spec(id) else { return };
    let (section, key, value) = (spec.section, spec.key, toml_of(spec, value));
    let place = DeTable::parse(text).ok().and_then(|table| {
        let DeValue::Table(table) = table.get_ref().get(section)?.get_ref() else { return None };
        Some(table.get(key)?.span())
    });
    if let Some(place) = place {
        text.replace_range(place, &value);
        return;
    }
    let header = format!("[{section}]");
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        end += line.len();
        let code = line.split('#').next().unwrap_or_default().trim();
        if code.replace(' ', "") == header {
            let newline = if line.ends_with('\n') { "" } else { "\n" };
            text.insert_str(end, &format!("{newline}{key} = {value}\n"));
            return;
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    *text += &format!("\n{header}\n{key} = {value}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(values: &[(&str, &str)]) -> BTreeMap<String, String> {
        values.iter().map(|(id, value)| ((*id).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_new_file_holds_what_was_typed() {
        let typed = typed(&[
            ("clientnode.masternode", "server.example"),
            ("clientnode.interval", "2"),
            ("log.level", "warn"),
        ]);
        let text = edited(None, &typed).unwrap();
        let expected = format!(
            "{HEADER}\n[log]\nlevel = \"warn\"\n\n[clientnode]\ninterval = 2\nmasternode = \"server.example\"\n"
        );
        assert_eq!(text, expected);
        assert!(is_ours(&text));
        assert_eq!(edited(Some(&text), &typed).unwrap(), text, "the same again changes nothing");
    }

    #[test]
    fn what_else_is_in_it_stays() {
        let old = "# mine\n[clientnode] # agent\ninterval = 5 # slow\n\n[masternode]\nport = 1";
        let new = edited(
            Some(old),
            &typed(&[("clientnode.interval", "250ms"), ("clientnode.port", "7"), ("masternode.bind", "::1")]),
        );
        assert_eq!(
            new.unwrap(),
            "# mine\n[clientnode] # agent\nport = 7\ninterval = \"250ms\" # slow\n\n[masternode]\nbind = \"::1\"\nport = 1"
        );
        assert!(!is_ours(old));
    }

    #[test]
    fn what_cannot_be_changed_is_left_and_said() {
        for old in ["clientnode = { port = 7 }\n", "clientnode.port = 7\n"] {
            let problem = edited(Some(old), &typed(&[("clientnode.interval", "2")])).unwrap_err();
            assert!(problem.contains("clientnode.interval = 2"), "{problem}");
        }
        let broken = edited(Some("[clientnode\n"), &typed(&[("log.level", "warn")]));
        assert!(broken.is_err());
        // A line that only looks like the table it is not.
        let trap = "[masternode]\ntoken_file = \"\"\"\n[log]\n\"\"\"\n";
        assert!(edited(Some(trap), &typed(&[("log.level", "warn")])).is_err());
    }
}
