//! The root of a container: the static program, its licences, its user and the folder of its state.
//!
//! `Containerfile` adds it to an empty image, so that an image is built without any network.

use super::item::{self, Item};
use super::{Facts, Target};

/// The user and group that containers run as, as in images without a distribution everywhere.
const USER: u64 = 65_532;

/// The name of the file.
pub(crate) fn name(facts: &Facts, target: &Target) -> String {
    format!("chasar-{}-{}-container.tar.gz", facts.version, target.processor())
}

/// The root, as a compressed archive.
pub(crate) fn package(facts: &Facts, program: &[u8], config: &str, licences: &[Item]) -> Vec<u8> {
    let mut items = vec![
        Item::program("usr/bin/chasar", program),
        Item::new("etc/chasar/chasar.toml", config),
        Item::new("etc/passwd", format!("chasar:x:{USER}:{USER}::/var/lib/chasar:/usr/bin/chasar\n")),
        Item::new("etc/group", format!("chasar:x:{USER}:\n")),
    ];
    for licence in licences {
        items.push(Item::new(format!("usr/share/doc/chasar/{}", licence.path), licence.bytes.clone()));
    }
    items.sort_by(|a, b| a.path.cmp(&b.path));
    let owned =
        [("tmp/", 0, 0o1777), ("var/", 0, 0o755), ("var/lib/", 0, 0o755), ("var/lib/chasar/", USER, 0o700)];
    item::gzip(&item::tar_with_folders("", &items, &owned, facts.epoch))
}
