//! The Debian package: an `ar` archive of three members (deb(5)).

use std::fmt::Write as _;

use super::item::{self, Item};
use super::{Facts, Target};
use crate::elf::Needs;

/// Run by dpkg, as root, at the moments that deb-postinst(5) and its kin tell.
const SCRIPTS: [(&str, &str); 3] = [
    ("postinst", include_str!("../../../packaging/deb/postinst")),
    ("postrm", include_str!("../../../packaging/deb/postrm")),
    ("prerm", include_str!("../../../packaging/deb/prerm")),
];

/// The name of the file.
pub(crate) fn name(facts: &Facts, target: &Target) -> String {
    format!("chasar_{}_{}.deb", facts.version, target.debian())
}

/// The package.
pub(crate) fn package(facts: &Facts, target: &Target, needs: &Needs, items: &[Item]) -> Vec<u8> {
    let mut control = vec![Item::new("control", control(facts, target, needs, items))];
    let configs: Vec<String> = items.iter().filter(|i| i.config).map(|i| format!("/{}\n", i.path)).collect();
    control.push(Item::new("conffiles", configs.concat()));
    control.extend(SCRIPTS.map(|(name, text)| Item::program(name, text)));
    let mut archive = b"!<arch>\n".to_vec();
    member(&mut archive, facts.epoch, "debian-binary", b"2.0\n");
    // gzip, since dpkg of every age reads it.
    member(&mut archive, facts.epoch, "control.tar.gz", &item::gzip(&item::tar("./", &control, facts.epoch)));
    member(&mut archive, facts.epoch, "data.tar.gz", &item::gzip(&item::tar("./", items, facts.epoch)));
    archive
}

/// One file in an `ar` archive.
fn member(archive: &mut Vec<u8>, epoch: u64, name: &str, bytes: &[u8]) {
    let head = format!("{name:<16}{epoch:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 100_644, bytes.len());
    archive.extend(head.bytes());
    archive.extend(bytes);
    if bytes.len() % 2 == 1 {
        archive.push(b'\n');
    }
}

fn control(facts: &Facts, target: &Target, needs: &Needs, items: &[Item]) -> String {
    let installed: usize = items.iter().map(|i| i.bytes.len().div_ceil(1024)).sum();
    let mut text = String::new();
    for (key, value) in [
        ("Package", "chasar".to_owned()),
        ("Version", facts.version.clone()),
        ("Architecture", target.debian().to_owned()),
        ("Maintainer", facts.maintainer.clone()),
        ("Installed-Size", installed.to_string()),
        ("Depends", depends(needs)),
        ("Section", "net".to_owned()),
        ("Priority", "optional".to_owned()),
        ("Description", facts.summary.clone()),
    ] {
        writeln!(text, "{key}: {value}").expect("a String takes all");
    }
    for line in facts.description.lines() {
        writeln!(text, " {line}").expect("a String takes all");
    }
    text
}

fn depends(needs: &Needs) -> String {
    // passwd has useradd, for systems without systemd-sysusers.
    let mut packages = vec!["passwd".to_owned()];
    if let Some(minor) = needs.glibc {
        packages.push(format!("libc6 (>= 2.{minor})"));
    }
    if needs.libraries.contains("libgcc_s.so.1") {
        packages.push("libgcc-s1 | libgcc1".to_owned());
    }
    if needs.libraries.contains("libstdc++.so.6") {
        packages.push("libstdc++6".to_owned());
    }
    packages.sort();
    packages.join(", ")
}
