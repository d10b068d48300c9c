//! What others wrote and a program of ours has in it: crates, and the C and C++ libraries that crates bring along.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{Target, runtime};
use crate::{Result, output, root};

/// The Apache License 2.0, the same for whoever uses it.
const APACHE: &str = include_str!("../../../packaging/licences/Apache-2.0.txt");

/// A part by somebody else.
#[derive(Clone, Debug)]
pub(crate) struct Component {
    /// Its name.
    pub(crate) name: String,
    /// Its version; empty where the compiler brings it and does not say.
    pub(crate) version: String,
    /// Its licence as an SPDX expression.
    pub(crate) licence: String,
    /// Its package URL, which is its name among all components.
    pub(crate) purl: String,
    /// Where its source is kept.
    pub(crate) repository: Option<String>,
    /// SHA-256 of the crate as the registry has it.
    pub(crate) checksum: Option<String>,
    /// Texts of its licence, and the notices that go with it.
    pub(crate) texts: Vec<String>,
    /// Package URLs of what it uses.
    pub(crate) uses: BTreeSet<String>,
}

/// Libraries in C and C++ that a crate has the sources of.
struct Library {
    krate: &'static str,
    name: &'static str,
    licence: &'static str,
    repository: &'static str,
    windows_only: bool,
    version: fn(&Package) -> Result<String>,
    text: fn(&Path) -> Result<String>,
}

const LIBRARIES: [Library; 4] = [
    Library {
        krate: "zeromq-src",
        name: "libzmq",
        licence: "MPL-2.0",
        repository: "https://github.com/zeromq/libzmq",
        windows_only: false,
        version: |package| after_plus(package, "+"),
        text: |folder| read(&folder.join("vendor/LICENSE")),
    },
    Library {
        krate: "libsodium-sys-stable",
        name: "libsodium",
        licence: "ISC",
        repository: "https://github.com/jedisct1/libsodium",
        windows_only: false,
        version: |package| {
            let script = in_tarball(&package.folder.join("LATEST.tar.gz"), "configure.ac")?;
            let version =
                script.split("AC_INIT([libsodium],[").nth(1).and_then(|rest| rest.split(']').next());
            version.map(str::to_owned).ok_or_else(|| "libsodium's configure.ac names no version".to_owned())
        },
        text: |folder| in_tarball(&folder.join("LATEST.tar.gz"), "LICENSE"),
    },
    Library {
        krate: "zstd-sys",
        name: "zstd",
        licence: "BSD-3-Clause",
        repository: "https://github.com/facebook/zstd",
        windows_only: false,
        version: |package| after_plus(package, "+zstd."),
        text: |folder| read(&folder.join("zstd/LICENSE")),
    },
    Library {
        krate: "zeromq-src",
        name: "wepoll",
        licence: "BSD-2-Clause",
        repository: "https://github.com/piscisaureus/wepoll",
        windows_only: true,
        version: |package| {
            let link = read(&package.folder.join("vendor/external/wepoll/version.txt"))?;
            let version = link.trim().rsplit_once("/v").map(|(_, version)| version.to_owned());
            version.ok_or_else(|| format!("wepoll's version is not in {link:?}"))
        },
        text: |folder| read(&folder.join("vendor/external/wepoll/license.txt")),
    },
];

/// A package as `cargo metadata` tells of it.
struct Package {
    name: String,
    version: String,
    folder: PathBuf,
    data: Value,
}

/// Everything that goes into the program for a target.
pub(crate) fn of(target: &Target) -> Result<Vec<Component>> {
    let mut metadata =
        cargo(&["metadata", "--locked", "--format-version", "1", "--filter-platform"], target)?;
    let metadata: Value = serde_json::from_str(&std::mem::take(&mut metadata)).map_err(|e| e.to_string())?;
    let packages: BTreeMap<&str, Package> =
        list(&metadata["packages"]).iter().map(|data| (text(&data["id"]), package(data))).collect();
    let linked = linked(target)?;
    let checksums = checksums()?;

    let mut components = BTreeMap::new();
    let mut libraries = Vec::new();
    for (id, package) in &packages {
        let in_program = linked.contains(&(package.name.clone(), package.version.clone()));
        if in_program && !package.data["source"].is_null() {
            components.insert(*id, component(package, &checksums)?);
        }
        // The sources of a library may be all that a crate has, so that none of the crate itself is linked.
        for library in wanted(target).filter(|l| l.krate == package.name) {
            if in_program || library.krate == "zeromq-src" {
                libraries.push(library_of(library, package)?);
            }
        }
    }
    if libraries.len() != wanted(target).count() {
        let found: Vec<_> = libraries.iter().map(|l| l.name.as_str()).collect();
        let wanted: Vec<_> = wanted(target).map(|l| l.name).collect();
        return Err(format!("of {wanted:?} only these were found in the build: {found:?}"));
    }
    let purls: BTreeMap<&str, String> = components.iter().map(|(id, c)| (*id, c.purl.clone())).collect();
    for node in list(&metadata["resolve"]["nodes"]) {
        if let Some(component) = components.get_mut(text(&node["id"])) {
            component.uses =
                list(&node["dependencies"]).iter().filter_map(|d| purls.get(text(d)).cloned()).collect();
        }
    }
    let mut all: Vec<Component> =
        components.into_values().chain(libraries).chain(runtime::of(target)).collect();
    all.sort_by(|a, b| a.purl.cmp(&b.purl));
    Ok(all)
}

/// The libraries that the program for a target has in it.
fn wanted(target: &Target) -> impl Iterator<Item = &'static Library> {
    let windows = target.is_windows();
    LIBRARIES.iter().filter(move |library| windows || !library.windows_only)
}

/// Names and versions of the crates that are linked into the program; macros and build scripts are not.
fn linked(target: &Target) -> Result<BTreeSet<(String, String)>> {
    let words = ["tree", "--locked", "--package", "chasar", "--edges", "normal,no-proc-macro"];
    let tree = cargo(&[&words[..], &["--prefix", "none", "--format", "{p}", "--target"]].concat(), target)?;
    Ok(tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned()))
        })
        .collect())
}

fn cargo(words: &[&str], target: &Target) -> Result<String> {
    output(Command::new(env!("CARGO")).args(words).arg(&target.triple).current_dir(root()))
}

fn package(data: &Value) -> Package {
    let manifest = Path::new(text(&data["manifest_path"]));
    Package {
        name: text(&data["name"]).to_owned(),
        version: text(&data["version"]).to_owned(),
        folder: manifest.parent().unwrap_or(manifest).to_owned(),
        data: data.clone(),
    }
}

fn component(package: &Package, checksums: &BTreeMap<(String, String), String>) -> Result<Component> {
    let Package { name, version, folder, data } = package;
    let licence = data["license"].as_str().map(|l| l.replace('/', " OR ")).unwrap_or_default();
    if licence.is_empty() {
        return Err(format!("{name} {version} names no licence; look at it before it is shipped"));
    }
    Ok(Component {
        purl: format!("pkg:cargo/{name}@{}", version.replace('+', "%2B")),
        repository: data["repository"].as_str().map(str::to_owned),
        checksum: checksums.get(&(name.clone(), version.clone())).cloned(),
        texts: texts(folder, &licence).map_err(|e| format!("{name} {version}: {e}"))?,
        uses: BTreeSet::new(),
        name: name.clone(),
        version: version.clone(),
        licence,
    })
}

fn library_of(library: &Library, package: &Package) -> Result<Component> {
    let version = (library.version)(package)?;
    Ok(Component {
        name: library.name.to_owned(),
        purl: format!("pkg:generic/{}@{version}", library.name),
        version,
        licence: library.licence.to_owned(),
        repository: Some(library.repository.to_owned()),
        checksum: None,
        texts: vec![(library.text)(&package.folder)?],
        uses: BTreeSet::new(),
    })
}

/// The files with the texts of a licence; where there is a choice and MIT is in it, only MIT's. A crate without any may
/// be taken under the Apache licence, if it is offered: that one wants its own text to go along and nothing else.
fn texts(folder: &Path, licence: &str) -> Result<Vec<String>> {
    let cannot = |e: std::io::Error| format!("cannot read {}: {e}", folder.display());
    let mut names: Vec<String> = fs::read_dir(folder)
        .map_err(cannot)?
        .filter_map(|entry| entry.ok().map(|e| e.file_name().to_string_lossy().into_owned()))
        .filter(|name| {
            let upper = name.to_uppercase();
            let is = |word: &str| upper.starts_with(word);
            ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"].into_iter().any(is)
                && folder.join(name).is_file()
        })
        .collect();
    names.sort();
    let of_mit = |name: &String| name.to_uppercase().contains("MIT");
    if licence.contains(" OR ") && licence.contains("MIT") && names.iter().any(of_mit) {
        names.retain(|name| of_mit(name) || name.to_uppercase().starts_with("NOTICE"));
    }
    let mut texts: Vec<String> = names.iter().map(|name| read(&folder.join(name))).collect::<Result<_>>()?;
    if names.is_empty() && licence.split(" OR ").any(|one| one.trim() == "Apache-2.0") {
        texts.push(APACHE.to_owned());
    }
    match names.iter().zip(&texts).find(|(_, text)| text.trim().is_empty()) {
        Some((name, _)) => {
            Err(format!("{name} is empty; look at its licence ({licence}) before it is shipped"))
        }
        None if texts.is_empty() => {
            Err(format!("has no text of its licence ({licence}); look at it before it is shipped"))
        }
        None => Ok(texts),
    }
}

fn checksums() -> Result<BTreeMap<(String, String), String>> {
    let lock: toml::Table =
        read(&root().join("Cargo.lock"))?.parse().map_err(|e| format!("Cargo.lock: {e}"))?;
    let packages = lock.get("package").and_then(toml::Value::as_array).into_iter().flatten();
    let word = |package: &toml::Value, key: &str| package.get(key)?.as_str().map(str::to_owned);
    Ok(packages
        .filter_map(|p| Some(((word(p, "name")?, word(p, "version")?), word(p, "checksum")?)))
        .collect())
}

fn after_plus(package: &Package, mark: &str) -> Result<String> {
    let version = package.version.split_once(mark).map(|(_, version)| version.to_owned());
    version.ok_or_else(|| {
        format!("{} {} does not tell the version of its sources", package.name, package.version)
    })
}

/// A file of the top folder in a compressed archive.
fn in_tarball(path: &Path, name: &str) -> Result<String> {
    let cannot = |e: std::io::Error| format!("cannot read {name} in {}: {e}", path.display());
    let file = fs::File::open(path).map_err(cannot)?;
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    for entry in archive.entries().map_err(cannot)? {
        let mut entry = entry.map_err(cannot)?;
        let inner: PathBuf = entry.path().map_err(cannot)?.components().skip(1).collect();
        if inner == Path::new(name) {
            let mut text = String::new();
            std::io::Read::read_to_string(&mut entry, &mut text).map_err(cannot)?;
            return Ok(text);
        }
    }
    Err(format!("{} has no {name}", path.display()))
}

fn read(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_without_the_text_of_its_licence_is_not_shipped() {
        let folder = tempfile::tempdir().unwrap();
        let texts = |licence| texts(folder.path(), licence);
        assert_eq!(texts("Zlib OR Apache-2.0 OR MIT"), Ok(vec![APACHE.to_owned()]));
        assert!(texts("MIT").unwrap_err().contains("no text of its licence (MIT)"));
        assert!(texts("Apache-2.0 AND MIT").is_err());
        fs::write(folder.path().join("COPYING"), " \n").unwrap();
        assert!(texts("Apache-2.0").unwrap_err().contains("COPYING is empty"));
        fs::write(folder.path().join("COPYING"), "be free").unwrap();
        assert_eq!(texts("MIT"), Ok(vec!["be free".to_owned()]));
    }

    #[test]
    fn everything_that_is_linked_is_there_with_its_licence_and_tools_are_not() {
        let components = of(&Target::new("x86_64-unknown-linux-gnu").unwrap()).unwrap();
        let named = |name: &str| components.iter().find(|c| c.name == name);
        for (name, licence) in [("libzmq", "MPL-2.0"), ("libsodium", "ISC"), ("zstd", "BSD-3-Clause")] {
            let purl = format!("pkg:generic/{name}@");
            let library = components.iter().find(|c| c.purl.starts_with(&purl)).unwrap();
            assert_eq!(library.licence, licence);
            assert!(library.texts[0].len() > 500, "{library:?}");
        }
        assert_eq!(
            components.iter().find(|c| c.purl == "pkg:generic/libzmq@4.3.5").map(|c| c.texts.len()),
            Some(1)
        );
        let elsewhere = ["x86_64-pc-windows-gnu", "aarch64-apple-darwin", "x86_64-unknown-linux-musl"];
        let elsewhere = elsewhere.map(|triple| of(&Target::new(triple).unwrap()).unwrap());
        for component in elsewhere.iter().flatten().chain(&components) {
            assert!(component.texts.iter().any(|text| text.trim().len() > 40), "{component:?}");
        }
        assert!(named("wepoll").is_none() && named("musl").is_none());
        let serde = named("serde_json").unwrap();
        assert!(serde.checksum.as_ref().is_some_and(|sum| sum.len() == 64) && !serde.uses.is_empty());
        for tool in ["zip", "sha2", "syn", "cc", "proptest", "zeromq-src", "chasar-wire"] {
            assert!(named(tool).is_none(), "{tool} is not in the program");
        }
    }
}
