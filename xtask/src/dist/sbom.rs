//! The bill of materials of a program: CycloneDX 1.5, JSON.

use serde_json::{Value, json};

use super::components::Component;
use super::{Facts, Target, sum};
use crate::Result;

/// The name of the file.
pub(crate) fn name(facts: &Facts, target: &Target) -> String {
    format!("chasar-{}-{}.cdx.json", facts.version, target.triple)
}

/// The bill; `program` is named in it by its sum.
pub(crate) fn text(
    facts: &Facts,
    target: &Target,
    program: &[u8],
    components: &[Component],
) -> Result<String> {
    let time = jiff::Timestamp::from_second(i64::try_from(facts.epoch).map_err(|e| e.to_string())?)
        .map_err(|e| format!("SOURCE_DATE_EPOCH: {e}"))?;
    let ours = format!("pkg:generic/chasar@{}?target={}", facts.version, target.triple);
    let mut dependencies: Vec<Value> = components
        .iter()
        .map(|component| json!({"ref": component.purl, "dependsOn": component.uses}))
        .collect();
    // Our own crates are one with the program.
    let all: Vec<_> = components.iter().map(|c| &c.purl).collect();
    dependencies.push(json!({"ref": ours, "dependsOn": all}));
    let mut bill = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": time.to_string(),
            "component": {
                "type": "application",
                "bom-ref": ours,
                "name": "chasar",
                "version": facts.version,
                "description": facts.summary,
                "licenses": [{"license": {"id": "MIT"}}],
                "hashes": [{"alg": "SHA-256", "content": sum::hex(&sum::sha256(program))}],
            },
        },
        "components": components.iter().map(part).collect::<Vec<_>>(),
        "dependencies": dependencies,
    });
    // The same bill has the same number, so that it can be made again.
    let number = sum::hex(&sum::sha256(bill.to_string().as_bytes()));
    let (a, b, c, d, e) = (&number[..8], &number[8..12], &number[13..16], &number[17..20], &number[20..32]);
    bill["serialNumber"] = format!("urn:uuid:{a}-{b}-8{c}-8{d}-{e}").into();
    serde_json::to_string_pretty(&bill).map(|text| text + "\n").map_err(|e| e.to_string())
}

fn part(component: &Component) -> Value {
    let mut part = json!({
        "type": "library",
        "bom-ref": component.purl,
        "name": component.name,
        "purl": component.purl,
        "licenses": [{"expression": component.licence}],
    });
    if !component.version.is_empty() {
        part["version"] = component.version.clone().into();
    }
    if let Some(checksum) = &component.checksum {
        part["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    if let Some(repository) = &component.repository {
        part["externalReferences"] = json!([{"type": "vcs", "url": repository}]);
    }
    part
}
