//! Whether a bill of materials is one: what the JSON schema of CycloneDX 1.5 requires of the parts that ours has
//! (<https://cyclonedx.org/docs/1.5/json/>), and that every name in it leads somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::Result;

/// Reads and checks the bill at `path`.
pub(super) fn check(path: &Path) -> Result<()> {
    let text = fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let bill: Value = serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    let problems = problems(&bill);
    if problems.is_empty() {
        Ok(())
    } else {
        Err(format!("{} is no CycloneDX 1.5: {}", path.display(), problems.join("; ")))
    }
}

/// All that is wrong with a bill.
fn problems(bill: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let mut is = |place: &str, right: bool| {
        if !right {
            problems.push(place.to_owned());
        }
    };
    let top = [
        "$schema",
        "bomFormat",
        "specVersion",
        "serialNumber",
        "version",
        "metadata",
        "components",
        "dependencies",
    ];
    is("a key at the top", only(bill, &top));
    is("bomFormat", bill["bomFormat"] == "CycloneDX");
    is("specVersion", bill["specVersion"] == "1.5");
    is(
        "serialNumber",
        bill["serialNumber"].as_str().and_then(|n| n.strip_prefix("urn:uuid:")).is_some_and(is_uuid),
    );
    is("version", bill["version"].as_u64().is_some_and(|n| n >= 1));
    let time = bill["metadata"]["timestamp"].as_str();
    is("metadata.timestamp", time.is_some_and(|t| t.parse::<jiff::Timestamp>().is_ok()));
    let program = &bill["metadata"]["component"];
    let components: Vec<&Value> = bill["components"].as_array().into_iter().flatten().collect();
    is("components", components.len() > 1);

    let mut names = BTreeSet::new();
    for component in components.into_iter().chain([program]) {
        let name = component["name"].as_str().unwrap_or_default();
        let mut is = |what: &str, right: bool| is(&format!("{what} of {name:?}"), right);
        is("a name", !name.is_empty());
        let keys = [
            "type",
            "bom-ref",
            "name",
            "version",
            "description",
            "licenses",
            "hashes",
            "purl",
            "externalReferences",
        ];
        is("a key", only(component, &keys));
        is("type", ["application", "library"].iter().any(|kind| component["type"] == *kind));
        is(
            "bom-ref",
            component["bom-ref"].as_str().is_some_and(|name| !name.is_empty() && names.insert(name)),
        );
        let purl = &component["purl"];
        is("purl", purl.is_null() || purl.as_str().is_some_and(|purl| purl.starts_with("pkg:")));
        let licence = |choice: &Value| {
            let word = |value: &Value| value.as_str().is_some_and(|word| !word.is_empty());
            word(&choice["expression"]) || word(&choice["license"]["id"]) || word(&choice["license"]["name"])
        };
        // An expression stands alone.
        is(
            "licenses",
            component["licenses"].as_array().is_some_and(|l| l.len() == 1 && l.iter().all(licence)),
        );
        let hash = |hash: &Value| {
            let content = hash["content"].as_str().unwrap_or_default();
            hash["alg"] == "SHA-256" && content.len() == 64 && content.bytes().all(|b| b.is_ascii_hexdigit())
        };
        is("hashes", list(&component["hashes"]).all(hash));
        let reference =
            |r: &Value| r["type"] == "vcs" && r["url"].as_str().is_some_and(|url| url.contains("://"));
        is("externalReferences", list(&component["externalReferences"]).all(reference));
    }
    let mut told = BTreeSet::new();
    for dependency in list(&bill["dependencies"]) {
        let name = dependency["ref"].as_str().unwrap_or_default();
        is(&format!("the dependencies of {name:?}"), names.contains(name) && told.insert(name));
        for used in list(&dependency["dependsOn"]) {
            is(&format!("{name:?} uses {used}"), used.as_str().is_some_and(|used| names.contains(used)));
        }
    }
    is("dependencies of all", told == names);
    problems
}

/// Whether an object has none but these keys.
fn only(object: &Value, keys: &[&str]) -> bool {
    object.as_object().is_some_and(|object| object.keys().all(|key| keys.contains(&key.as_str())))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Eight, four, four, four and twelve digits.
fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    lengths && text.bytes().all(|b| b == b'-' || b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::super::super::{Facts, Target, components, sbom};
    use super::*;

    #[test]
    fn the_bill_is_sound_and_a_spoilt_one_is_told() {
        let facts = Facts {
            version: "1.2.3".to_owned(),
            epoch: 1_700_000_000,
            maintainer: String::new(),
            summary: "a program".to_owned(),
            description: String::new(),
        };
        let target = Target::new("x86_64-unknown-linux-musl").unwrap();
        let text = sbom::text(&facts, &target, b"program", &components::of(&target).unwrap()).unwrap();
        let bill: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(problems(&bill), [""; 0]);
        let spoilt = |place: &str, value: Value| {
            let mut bill = bill.clone();
            *bill.pointer_mut(place).unwrap() = value;
            problems(&bill)
        };
        assert_eq!(spoilt("/serialNumber", "urn:uuid:1".into()), ["serialNumber"]);
        assert_eq!(spoilt("/metadata/timestamp", "today".into()), ["metadata.timestamp"]);
        assert_eq!(spoilt("/components/0/licenses", Value::Null).len(), 1);
        assert_eq!(spoilt("/metadata/component/hashes/0/content", "12".into()), ["hashes of \"chasar\""]);
        assert_eq!(spoilt("/dependencies/0/dependsOn", serde_json::json!(["pkg:nowhere"])).len(), 1);
        let twin = bill["components"][1]["bom-ref"].clone();
        assert!(!spoilt("/components/0/bom-ref", twin).is_empty());
    }
}
