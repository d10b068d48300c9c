//! The Python wheel: the subscriber and the program, in the binary distribution format of
//! <https://packaging.python.org/en/latest/specifications/binary-distribution-format/>.
//!
//! Put together here, since it is a zip archive with three small files of its own, and the program in it is to be the
//! very one that the other packages of the target have, whoever built it.

use std::fmt::Write as _;
use std::fs;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::item::Item;
use super::{Facts, Target, sum, zip};
use crate::elf::Needs;
use crate::{Result, root};

/// The name of the file; `None` where pip has no name for the platform.
pub(crate) fn name(facts: &Facts, target: &Target, needs: &Needs) -> Option<String> {
    Some(format!("chasar-{}-{}.whl", facts.version, tag(target, needs)?))
}

fn tag(target: &Target, needs: &Needs) -> Option<String> {
    Some(format!("py3-none-{}", target.wheel(needs.glibc)?))
}

/// The package.
pub(crate) fn package(
    facts: &Facts,
    target: &Target,
    needs: &Needs,
    program: &[u8],
    licences: &[Item],
) -> Result<Vec<u8>> {
    let information = format!("chasar-{}.dist-info", facts.version);
    let tag = tag(target, needs).ok_or_else(|| format!("pip has no name for {}", target.triple))?;
    let mut items = sources()?;
    let script = format!("chasar-{}.data/scripts/{}", facts.version, target.program());
    items.push(Item::program(script, program));
    for licence in licences {
        items.push(Item::new(format!("{information}/licenses/{}", licence.path), licence.bytes.clone()));
    }
    items.push(Item::new(format!("{information}/METADATA"), metadata(facts)?));
    let wheel = format!(
        "Wheel-Version: 1.0\nGenerator: chasar ({})\nRoot-Is-Purelib: false\nTag: {tag}\n",
        facts.version
    );
    items.push(Item::new(format!("{information}/WHEEL"), wheel));
    let mut record = String::new();
    for item in &items {
        let digest = BASE64_URL_SAFE_NO_PAD.encode(sum::sha256(&item.bytes));
        writeln!(record, "{},sha256={digest},{}", item.path, item.bytes.len()).expect("a String takes all");
    }
    writeln!(record, "{information}/RECORD,,").expect("a String takes all");
    items.push(Item::new(format!("{information}/RECORD"), record));
    zip::archive(&items, facts.epoch)
}

/// The modules of the subscriber.
fn sources() -> Result<Vec<Item>> {
    let folder = root().join("python/src/chasar");
    let cannot = |e: std::io::Error| format!("cannot read {}: {e}", folder.display());
    let mut items = Vec::new();
    for entry in fs::read_dir(&folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == "py.typed" || name.ends_with(".py") {
            items.push(Item::new(format!("chasar/{name}"), fs::read(&path).map_err(cannot)?));
        }
    }
    items.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(items)
}

/// The core metadata, from `python/pyproject.toml`.
fn metadata(facts: &Facts) -> Result<String> {
    let path = root().join("python/pyproject.toml");
    let text = fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let manifest: toml::Table = text.parse().map_err(|e| format!("{}: {e}", path.display()))?;
    let project = &manifest["project"];
    let one = |key: &str| project.get(key).and_then(toml::Value::as_str);
    let many = |key: &str| {
        let list = project.get(key).and_then(toml::Value::as_array);
        list.into_iter().flatten().filter_map(toml::Value::as_str).collect::<Vec<_>>()
    };
    let missing = |key: &str| format!("{}: project.{key} is missing", path.display());
    let mut lines = vec![
        "Metadata-Version: 2.4".to_owned(),
        "Name: chasar".to_owned(),
        format!("Version: {}", facts.version),
        format!("Summary: {}", one("description").ok_or_else(|| missing("description"))?),
        format!("License-Expression: {}", one("license").ok_or_else(|| missing("license"))?),
        "License-File: LICENSE".to_owned(),
        "License-File: THIRD-PARTY.txt".to_owned(),
        format!("Keywords: {}", many("keywords").join(",")),
        format!("Requires-Python: {}", one("requires-python").ok_or_else(|| missing("requires-python"))?),
        "Description-Content-Type: text/markdown".to_owned(),
    ];
    lines.extend(many("dependencies").iter().map(|needed| format!("Requires-Dist: {needed}")));
    lines.extend(many("classifiers").iter().map(|classifier| format!("Classifier: {classifier}")));
    let readme = root().join("python").join(one("readme").ok_or_else(|| missing("readme"))?);
    let readme = fs::read_to_string(&readme).map_err(|e| format!("cannot read {}: {e}", readme.display()))?;
    Ok(lines.join("\n") + "\n\n" + &readme)
}
