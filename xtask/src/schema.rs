//! The JSON Schemas in `docs/`, made from the types of `wire`.

use std::fs;
use std::path::PathBuf;

use chasar_wire::{NodeEvent, Report};

use crate::{Result, root};

/// Each schema file and its text.
fn schemas() -> [(PathBuf, String); 2] {
    fn of<T: schemars::JsonSchema>(name: &str, title: &str) -> (PathBuf, String) {
        let mut schema = schemars::schema_for!(T);
        schema.insert("title".into(), title.into());
        let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON") + "\n";
        (root().join("docs").join(name), text)
    }
    [
        of::<Report>("report.schema.json", "Chasar report"),
        of::<NodeEvent>("event.schema.json", "Chasar node event"),
    ]
}

/// Writes the schemas.
pub(crate) fn write() -> Result<()> {
    for (path, text) in schemas() {
        fs::write(&path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schemas_are_those_of_the_types() {
        for (path, text) in schemas() {
            let written = fs::read_to_string(&path).unwrap_or_default();
            assert!(written == text, "{} is out of date: run cargo xtask schema", path.display());
        }
    }
}
