//! Python's types of what the stream carries, made from its JSON Schemas.
//!
//! `TypedDict`s: what `json.loads` gives is used as it is, and a type checker knows every key. A key that
//! a schema gives a default, in the report or in a part of it that is always there, is a required one: the
//! subscriber fills it in (`REPORT_DEFAULTS`).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Map, Value};

/// How wide a line of the file is at most.
const WIDTH: usize = 110;

const HEAD: &str = r#""""What a masternode's stream carries. Made from docs/*.schema.json by `cargo xtask schema`; do not edit."""

from __future__ import annotations

from typing import Any, Dict, Final, List, Literal, Optional, TypedDict, Union
"#;

/// The text of `schema.py`.
///
/// # Panics
/// On a schema of a shape that nothing here knows: whoever adds it to `wire` adds it here.
pub(super) fn types(report: &Value, event: &Value) -> String {
    let mut file = HEAD.to_owned();
    let defs = object(&report["$defs"]);
    for (name, schema) in defs {
        match schema.get("additionalProperties") {
            Some(items) => {
                write!(file, "\n{name} = Dict[str, {}]\n", quoted(&kind(items))).expect("a String takes all");
                docstring(&mut file, "", schema);
            }
            None => class(&mut file, name, schema, &always_filled_in(report, name)),
        }
    }
    let defaults = defaults(report);
    class(&mut file, "Report", report, &defaults.keys().map(String::as_str).collect());
    file += "\n\n# What a report has at least; keys that a node of 2016 left out are filled in from here.\n";
    file += "REPORT_DEFAULTS: Final[Dict[str, Any]] = {\n";
    for (key, default) in &defaults {
        writeln!(file, "    {}: {},", literal(&key.as_str().into()), literal(default))
            .expect("a String takes all");
    }
    file += "}\n";
    events(&mut file, event);
    file
}

/// Keys of the report that have a default.
fn defaults(report: &Value) -> Map<String, Value> {
    object(&report["properties"])
        .iter()
        .filter_map(|(key, property)| Some((key.clone(), property.get("default")?.clone())))
        .collect()
}

/// The keys of `name` that the default of a key of the report brings along.
fn always_filled_in<'a>(report: &'a Value, name: &str) -> BTreeSet<&'a str> {
    let reference = format!("#/$defs/{name}");
    object(&report["properties"])
        .values()
        .filter(|property| property["$ref"] == *reference)
        .filter_map(|property| property.get("default").and_then(Value::as_object))
        .flat_map(|default| default.keys().map(String::as_str))
        .collect()
}

/// A class, in two when some keys are required and some are not: `NotRequired` needs Python 3.11.
fn class(file: &mut String, name: &str, schema: &Value, filled_in: &BTreeSet<&str>) {
    let mut required: BTreeSet<&str> = filled_in.clone();
    required.extend(schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str));
    let (always, maybe): (Vec<_>, Vec<_>) =
        object(&schema["properties"]).iter().partition(|(key, _)| required.contains(key.as_str()));
    let base = if always.is_empty() || maybe.is_empty() {
        "TypedDict".to_owned()
    } else {
        let base = format!("_{}Always", name.trim_start_matches('_'));
        write!(file, "\n\nclass {base}(TypedDict):\n").expect("a String takes all");
        keys(file, &always);
        base
    };
    let total = if maybe.is_empty() { "" } else { ", total=False" };
    write!(file, "\n\nclass {name}({base}{total}):\n").expect("a String takes all");
    docstring(file, "    ", schema);
    keys(file, if maybe.is_empty() { &always } else { &maybe });
}

fn keys(file: &mut String, keys: &[(&String, &Value)]) {
    for (key, property) in keys {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(key.chars().all(plain) && !key.starts_with(char::is_numeric), "{key} is no name in Python");
        writeln!(file, "\n    {key}: {}", kind(property)).expect("a String takes all");
        docstring(file, "    ", property);
    }
}

/// The events: one class for each state, told apart by `state`.
fn events(file: &mut String, event: &Value) {
    class(file, "_NodeEvent", event, &BTreeSet::new());
    let mut names = Vec::new();
    for variant in event["oneOf"].as_array().expect("an event is one of several") {
        let state = variant["properties"]["state"]["const"].as_str().expect("told apart by its state");
        let name = state[..1].to_uppercase() + &state[1..];
        write!(file, "\n\nclass {name}(_NodeEvent):\n").expect("a String takes all");
        docstring(file, "    ", variant);
        keys(file, &object(&variant["properties"]).iter().collect::<Vec<_>>());
        names.push(name);
    }
    write!(file, "\n\nNodeEvent = Union[{}]\n", names.join(", ")).expect("a String takes all");
    docstring(file, "", event);
}

/// The type of a value.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return reference.rsplit('/').next().expect("a reference has a name").to_owned();
    }
    if let Some(constant) = schema.get("const") {
        return format!("Literal[{}]", literal(constant));
    }
    if let Some(variants) = schema.get("anyOf").and_then(Value::as_array) {
        let [value, null] = variants.as_slice() else { panic!("more than one alternative: {schema}") };
        assert!(null["type"] == "null", "an alternative to null only: {schema}");
        return format!("Optional[{}]", kind(value));
    }
    let plain = |name: &str| match name {
        "string" => "str".to_owned(),
        "integer" => "int".to_owned(),
        "number" => "float".to_owned(),
        "boolean" => "bool".to_owned(),
        "array" => format!("List[{}]", kind(&schema["items"])),
        other => panic!("type {other} is not known here: {schema}"),
    };
    match &schema["type"] {
        Value::String(name) => plain(name),
        Value::Array(names) => match names.iter().filter_map(Value::as_str).collect::<Vec<_>>()[..] {
            [name, "null"] => format!("Optional[{}]", plain(name)),
            _ => panic!("more than one type: {schema}"),
        },
        _ => panic!("no type: {schema}"),
    }
}

/// A type in an alias, which Python evaluates where it stands.
fn quoted(kind: &str) -> String {
    format!("\"{kind}\"")
}

/// A value in Python's writing.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "None".into(),
        Value::Bool(is) => if *is { "True" } else { "False" }.into(),
        Value::Array(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let pairs = map.iter().map(|(k, v)| format!("{}: {}", literal(&k.as_str().into()), literal(v)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        // A number and a text are written in Python as in JSON.
        other => other.to_string(),
    }
}

/// A schema's description, wrapped; paragraphs stay apart.
fn docstring(file: &mut String, indent: &str, schema: &Value) {
    let Some(text) = schema["description"].as_str() else { return };
    assert!(!text.contains(['\\', '"']), "a description that is no docstring: {text}");
    let paragraphs: Vec<String> = text.split("\n\n").map(|p| wrapped(p, indent)).collect();
    write!(file, "{indent}\"\"\"{}", paragraphs.join(&format!("\n\n{indent}"))).expect("a String takes all");
    let one_line = paragraphs.len() == 1 && !paragraphs[0].contains('\n');
    *file += if one_line { "" } else { "\n" };
    *file += if one_line { "" } else { indent };
    *file += "\"\"\"\n";
}

fn wrapped(paragraph: &str, indent: &str) -> String {
    let (mut text, mut column) = (String::new(), indent.len() + 3);
    for word in paragraph.split_whitespace() {
        let width = word.chars().count();
        if text.is_empty() {
            column += width;
        } else if column + 1 + width + 3 > WIDTH {
            text = text + "\n" + indent;
            column = indent.len() + width;
        } else {
            text.push(' ');
            column += 1 + width;
        }
        text += word;
    }
    text
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("not an object: {value}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn kinds_of_values() {
        for (schema, kind_) in [
            (json!({"type": "string"}), "str"),
            (json!({"type": ["integer", "null"], "format": "uint64"}), "Optional[int]"),
            (json!({"type": "array", "items": {"type": ["number", "null"]}}), "List[Optional[float]]"),
            (json!({"anyOf": [{"$ref": "#/$defs/Cpu"}, {"type": "null"}]}), "Optional[Cpu]"),
            (json!({"type": "string", "const": "late"}), "Literal[\"late\"]"),
        ] {
            assert_eq!(kind(&schema), kind_);
        }
    }

    #[test]
    #[should_panic(expected = "not known here")]
    fn a_kind_that_is_not_known_is_no_silent_any() {
        kind(&json!({"type": "object"}));
    }

    #[test]
    fn keys_with_a_default_are_required_and_others_are_not() {
        let report = json!({
            "description": "R.",
            "properties": {
                "cpu": {"$ref": "#/$defs/Cpu", "default": {"percent_used": []}},
                "node_id": {"type": ["string", "null"]},
            },
            "$defs": {"Cpu": {"properties": {
                "load1": {"type": "number"},
                "percent_used": {"type": "array", "items": {"type": "number"}},
            }}},
        });
        let event = json!({"properties": {"at_ms": {"type": "integer"}}, "oneOf": [
            {"description": "Gone.", "properties": {"state": {"const": "left"}}}
        ]});
        let text = types(&report, &event);
        for part in [
            "class _CpuAlways(TypedDict):\n\n    percent_used: List[float]\n",
            "class Cpu(_CpuAlways, total=False):\n\n    load1: float\n",
            "class _ReportAlways(TypedDict):\n\n    cpu: Cpu\n",
            "class Report(_ReportAlways, total=False):\n    \"\"\"R.\"\"\"\n\n    node_id: Optional[str]\n",
            "    \"cpu\": {\"percent_used\": []},\n",
            "class Left(_NodeEvent):\n    \"\"\"Gone.\"\"\"\n\n    state: Literal[\"left\"]\n",
            "NodeEvent = Union[Left]\n",
        ] {
            assert!(text.contains(part), "{part}\nis not in\n{text}");
        }
    }
}
