//! Settings as a commented TOML file: the example, and the values that hold.

use std::fmt::Write;

use super::definition::{self, Default, Form, SECTIONS, Spec};
use super::layers::Layers;
use super::problem::Place;

/// Longest line of a comment.
const LINE: usize = 96;

/// A file with every setting at its default; those without a text as default are commented out.
pub(crate) fn example() -> String {
    let mut out = String::from(
        "# Configuration of Chasar. Every line shows the default, so that a file may be as short as you like.\n\
         # Flags go over the environment, the environment over this file.\n",
    );
    for (section, what) in SECTIONS {
        let _ = write!(out, "\n# {what}\n[{section}]\n");
        for setting in definition::of_section(section) {
            let spec = setting.spec();
            out.push('\n');
            comment(&mut out, &format!("{}.", spec.help));
            comment(&mut out, spec.more);
            let names = match spec.form {
                Form::Positional => spec.environment(),
                _ => format!("{}, {}", spec.on_command_line(), spec.environment()),
            };
            comment(&mut out, &names);
            match spec.default {
                Default::Text(text) => {
                    let _ = writeln!(out, "{} = {}", spec.key, toml_of(spec, text));
                }
                Default::Words { words, example } => {
                    comment(&mut out, &format!("Default: {words}."));
                    let _ = writeln!(out, "# {} = {}", spec.key, toml_of(spec, example));
                }
            }
        }
    }
    out
}

/// Every setting as it holds, with where it is from: a file that could be given to `--config`.
pub(crate) fn effective(layers: &mut Layers) -> String {
    let mut out = String::new();
    for (section, _) in SECTIONS {
        let _ = writeln!(out, "{}[{section}]", if out.is_empty() { "" } else { "\n" });
        for setting in definition::of_section(section) {
            let spec = setting.spec();
            let line = match (layers.text(setting), spec.default) {
                (Some(given), _) => {
                    let place = match given.place {
                        Place::File(path, line, column) => {
                            Place::File(path.file_name().map(Into::into).unwrap_or(path), line, column)
                        }
                        other => other,
                    };
                    format!("{} = {}  # {place}", spec.key, toml_of(spec, &given.value))
                }
                (None, Default::Words { words, .. }) => format!("# {}: {words}", spec.key),
                (None, Default::Text(_)) => continue,
            };
            let _ = writeln!(out, "{line}");
        }
    }
    out
}

/// Numbers and booleans as such, everything else in quotes.
pub(crate) fn toml_of(spec: &Spec, text: &str) -> String {
    if spec.form == Form::List {
        let items = text.split(',').map(|item| toml::Value::from(item.trim()));
        return toml::Value::Array(items.collect()).to_string();
    }
    let bare = matches!(text, "true" | "false")
        || text.parse::<i64>().is_ok_and(|n| n.to_string() == text)
        || (text.contains('.') && text.parse::<f64>().is_ok_and(|n| n.to_string() == text));
    if bare { text.to_owned() } else { toml::Value::from(text).to_string() }
}

fn comment(out: &mut String, text: &str) {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.len() + 1 + word.len() > LINE {
            let _ = writeln!(out, "# {line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    if !line.is_empty() {
        let _ = writeln!(out, "# {line}");
    }
}
