//! What `docs/` says of the types of `wire`, made from them: JSON Schemas and the list of metrics;
//! and the Python types made from the schemas.

mod metrics;
mod python;

use std::fs;
use std::path::PathBuf;

use chasar_wire::{NodeEvent, Report};
use schemars::Schema;

use crate::{Result, root};

/// Each file that comes from the types of `wire`, and its text.
fn files() -> [(PathBuf, String); 4] {
    fn of<T: schemars::JsonSchema>(title: &str) -> Schema {
        let mut schema = schemars::schema_for!(T);
        schema.insert("title".into(), title.into());
        schema
    }
    let (report, event) = (of::<Report>("Chasar report"), of::<NodeEvent>("Chasar node event"));
    let pretty = |schema: &Schema| serde_json::to_string_pretty(schema).expect("a schema is JSON") + "\n";
    [
        (root().join("docs/report.schema.json"), pretty(&report)),
        (root().join("docs/event.schema.json"), pretty(&event)),
        (root().join("python/src/chasar/schema.py"), python::types(report.as_value(), event.as_value())),
        (root().join("docs/metrics.md"), metrics::page()),
    ]
}

/// Writes them.
pub(crate) fn write() -> Result<()> {
    for (path, text) in files() {
        fs::write(&path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_those_of_the_types() {
        for (path, text) in files() {
            let written = fs::read_to_string(&path).unwrap_or_default();
            assert!(written == text, "{} is out of date: run cargo xtask schema", path.display());
        }
    }
}
