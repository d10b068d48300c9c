//! Tests that keep the house in order: dependencies between parts, source headers, file sizes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::root;

/// Which of our packages may use which others of ours (design: "Parts"). A package that is not
/// named here may use all.
const MAY_USE: &[(&str, &[&str])] = &[
    ("chasar-wire", &["chasar-wire-derive"]),
    ("chasar-wire-derive", &[]),
    ("chasar-probes", &["chasar-wire"]),
    ("chasar-libzmq", &[]),
    ("chasar-link", &["chasar-libzmq"]),
    ("chasar-clientnode", &["chasar-probes", "chasar-link", "chasar-wire"]),
    ("chasar-fleet", &["chasar-wire"]),
    (
        "chasar-masternode",
        &[
            "chasar-fleet",
            "chasar-link",
            "chasar-otlp",
            "chasar-query",
            "chasar-remote-write",
            "chasar-tsdb",
            "chasar-wire",
        ],
    ),
    ("chasar-tsdb", &[]),
    ("chasar-openmetrics", &[]),
    ("chasar-otlp", &["chasar-remote-write"]),
    ("chasar-query", &[]),
    ("chasar-remote-write", &[]),
    ("chasar-top", &["chasar-link", "chasar-wire"]),
    ("chasar-doctor", &["chasar-clientnode", "chasar-fleet", "chasar-link", "chasar-probes", "chasar-wire"]),
];

/// Outside packages that only one of ours may declare.
const ONLY_UNDER: &[(&str, &[&str])] = &[
    ("chasar-libzmq", &["chasar-link"]),
    ("zeromq-src", &["chasar-libzmq"]),
    ("libsodium-sys-stable", &["chasar-libzmq"]),
    ("pco", &["chasar-tsdb"]),
    ("snap", &["chasar-remote-write"]),
    ("ureq", &["chasar-masternode"]),
    ("tokio", &["chasar-masternode"]),
    ("axum", &["chasar-masternode"]),
    ("ratatui", &["chasar-top"]),
    ("syn", &["chasar-wire-derive"]),
    ("crossterm", &["chasar-top"]),
];

/// Packages that are tools, not product: they may use everything.
const TOOLS: &[&str] = &["xtask", "chasar-bench", "chasar-e2e"];

struct Package {
    name: String,
    normal: BTreeSet<String>,
}

fn packages() -> Vec<Package> {
    let text = crate::output(
        Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--no-deps"])
            .current_dir(root()),
    )
    .expect("cargo metadata runs");
    let metadata: serde_json::Value = serde_json::from_str(&text).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("it lists packages");
    packages
        .iter()
        .map(|p| Package {
            name: p["name"].as_str().expect("a package has a name").into(),
            normal: p["dependencies"]
                .as_array()
                .expect("a package has dependencies")
                .iter()
                .filter(|d| d["kind"].is_null() || d["kind"] == "build")
                .map(|d| d["name"].as_str().expect("a dependency has a name").into())
                .collect(),
        })
        .collect()
}

#[test]
fn parts_use_only_what_they_may() {
    let packages = packages();
    let ours: BTreeSet<_> = packages.iter().map(|p| p.name.as_str()).collect();
    let may: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    for name in may.keys() {
        assert!(ours.contains(name), "{name} is ruled but does not exist");
    }
    for package in packages.iter().filter(|p| !TOOLS.contains(&p.name.as_str())) {
        for used in &package.normal {
            if let Some(allowed) = may.get(package.name.as_str())
                && ours.contains(used.as_str())
            {
                assert!(allowed.contains(&used.as_str()), "{} must not use {used}", package.name);
            }
            if let Some((_, users)) = ONLY_UNDER.iter().find(|(d, _)| d == used) {
                assert!(users.contains(&package.name.as_str()), "{} must not use {used}", package.name);
            }
        }
    }
}

/// Calls that have no business in a part of the product, and where they may stand.
const NEVER: &[(&str, &[&str], &str)] = &[
    (
        "process::Command",
        &["crates/probes/src", "crates/clientnode/src", "crates/fleet/src"],
        "starts no process",
    ),
    (
        "SystemTime::now",
        &[
            "crates/fleet/src",
            "crates/wire/src",
            "crates/probes/src",
            "crates/tsdb/src",
            "crates/query/src",
            "crates/remote-write/src",
            "crates/otlp/src",
        ],
        "reads no wall clock",
    ),
    (
        "Instant::now",
        &[
            "crates/fleet/src",
            "crates/wire/src",
            "crates/tsdb/src",
            "crates/query/src",
            "crates/remote-write/src",
            "crates/otlp/src",
        ],
        "reads no clock",
    ),
    (
        "std::net",
        &[
            "crates/wire/src",
            "crates/probes/src",
            "crates/tsdb/src",
            "crates/query/src",
            "crates/remote-write/src",
            "crates/otlp/src",
        ],
        "opens no socket",
    ),
];

fn sources() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() && path.file_name().is_some_and(|n| n != "target" && n != "node_modules") {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    for folder in ["crates", "xtask", "bench", "e2e", "fuzz"] {
        walk(&root().join(folder), &mut found);
    }
    assert!(found.len() > 20, "the sources were not found");
    found
}

#[test]
fn sources_say_what_they_are_and_stay_small() {
    for path in sources() {
        let text = fs::read_to_string(&path).expect("a source is text");
        let shown = path.strip_prefix(root()).expect("below the root").display();
        assert!(text.starts_with("//!"), "{shown} does not begin with //! and its purpose");
        let lines = text.lines().count();
        assert!(lines <= 700, "{shown} has {lines} lines; split it by concept");
        for name in ["utils.rs", "util.rs", "common.rs", "helpers.rs", "misc.rs"] {
            assert!(!path.ends_with(name), "{shown}: a file has a concept, and is named for it");
        }
    }
}

#[test]
fn forbidden_calls_are_absent() {
    for path in sources() {
        let shown = path.strip_prefix(root()).expect("below the root");
        let text = fs::read_to_string(&path).expect("a source is text");
        // Tests inside a source file may do what the part itself may not.
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (call, folders, rule) in NEVER {
            if folders.iter().any(|f| shown.starts_with(f)) {
                assert!(!product.contains(call), "{}: uses {call}, but this part {rule}", shown.display());
            }
        }
    }
}

#[test]
fn unsafe_code_stays_where_it_belongs() {
    const ALLOWED: &[&str] = &[
        "crates/libzmq/src",
        "crates/probes/src/linux/sys.rs",
        "crates/probes/src/windows/sys.rs",
        "crates/probes/src/sysinfo/source",
        "crates/clientnode/src/platform",
        "crates/doctor/src/system.rs",
        "crates/chasar/src/windows/console.rs",
    ];
    for path in sources() {
        let shown = path.strip_prefix(root()).expect("below the root");
        let in_product = shown.starts_with("crates") && shown.iter().any(|part| part == "src");
        if !in_product || ALLOWED.iter().any(|a| shown.starts_with(a)) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source is text");
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        assert!(!product.contains("unsafe {"), "{}: unsafe belongs to {ALLOWED:?}", shown.display());
    }
}

#[test]
fn every_outside_dependency_has_a_reason() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the workspace manifest");
    let table = manifest.split("[workspace.dependencies]").nth(1).expect("the dependency table");
    let table = table.split("\n[").next().expect("its end");
    let mut before = "";
    for line in table.lines() {
        if let Some((name, _)) = line.split_once(" = ")
            && !line.starts_with('#')
            && !name.starts_with("chasar")
        {
            assert!(
                before.starts_with(&format!("# {name}: ")),
                "Cargo.toml: {name} has no line of reason above it"
            );
        }
        before = line;
    }
    for package in ["crates", "xtask", "bench", "e2e"] {
        let mut manifests = Vec::new();
        find_manifests(&root().join(package), &mut manifests);
        assert!(!manifests.is_empty());
        for path in manifests {
            let text = fs::read_to_string(&path).expect("a manifest is text");
            assert!(
                !text.lines().any(|l| l.contains("version = \"") && l.contains('{')),
                "{}: versions are declared in the workspace manifest",
                path.display()
            );
        }
    }
}

fn find_manifests(folder: &Path, found: &mut Vec<PathBuf>) {
    if folder.join("Cargo.toml").is_file() {
        found.push(folder.join("Cargo.toml"));
        return;
    }
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            find_manifests(&path, found);
        }
    }
}

#[test]
fn architecture_names_every_part() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    for package in packages() {
        let short = package.name.strip_prefix("chasar-").unwrap_or(&package.name);
        let named = [format!("`{short}`"), format!("`{short}/`")].iter().any(|n| text.contains(n));
        assert!(named, "ARCHITECTURE.md does not name `{short}`");
    }
}

#[test]
fn the_python_package_has_the_version_of_the_workspace() {
    let manifest = fs::read_to_string(root().join("python/pyproject.toml")).expect("python/pyproject.toml");
    let line = format!("version = \"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(manifest.lines().any(|l| l == line), "python/pyproject.toml does not say {line}");
}
