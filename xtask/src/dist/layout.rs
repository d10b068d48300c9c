//! Which file goes where, in archives and on systems.

use std::fs;
use std::path::Path;

use super::components::Component;
use super::item::{self, Item};
use super::texts::Texts;
use super::{Target, licences};
use crate::{Result, root};

/// Shells, and what the file with their completions is called.
const SHELLS: [(&str, &str); 4] =
    [("bash", "chasar.bash"), ("zsh", "_chasar"), ("fish", "chasar.fish"), ("powershell", "_chasar.ps1")];

/// What a computer can be.
const ROLES: [&str; 2] = ["clientnode", "masternode"];

/// Where a distribution's shells look for completions: bash, zsh, fish.
pub(crate) struct Distribution {
    completions: [&'static str; 3],
}

/// Debian and those after it.
pub(crate) const DEBIAN: Distribution = Distribution {
    completions: [
        "usr/share/bash-completion/completions/chasar",
        "usr/share/zsh/vendor-completions/_chasar",
        "usr/share/fish/vendor_completions.d/chasar.fish",
    ],
};

/// Fedora, and those after it; SUSE is the same.
pub(crate) const FEDORA: Distribution = Distribution {
    completions: [
        "usr/share/bash-completion/completions/chasar",
        "usr/share/zsh/site-functions/_chasar",
        "usr/share/fish/vendor_completions.d/chasar.fish",
    ],
};

/// Everything beside the program.
pub(crate) struct Contents {
    licence: Vec<u8>,
    readme: Vec<u8>,
    third_party: String,
    completions: Vec<String>,
    manual: Vec<(String, Vec<u8>)>,
    systemd: Vec<String>,
    openrc: Vec<String>,
    launchd: Vec<String>,
    sysusers: String,
    config: String,
}

impl Contents {
    /// Has the program make what it makes, and reads the rest.
    pub(crate) fn gather(texts: &Texts, components: &[Component], scratch: &Path) -> Result<Contents> {
        let file = |name: &str| {
            let path = root().join(name);
            fs::read(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))
        };
        let services = |init: &str| {
            let one =
                |role| texts.print(&["service", "print", role, "--init", init, "--exe", "/usr/bin/chasar"]);
            ROLES.into_iter().map(one).collect::<Result<Vec<_>>>()
        };
        Ok(Contents {
            licence: file("LICENSE")?,
            readme: file("README.md")?,
            third_party: licences::text(components),
            completions: SHELLS
                .into_iter()
                .map(|(shell, _)| texts.print(&["completions", shell]))
                .collect::<Result<_>>()?,
            manual: texts.manual(&scratch.join("man"))?,
            systemd: services("systemd")?,
            openrc: services("openrc")?,
            launchd: services("launchd")?,
            sysusers: texts.print(&["service", "print", "sysusers"])?,
            config: texts.print(&["service", "print", "config"])?,
        })
    }

    /// The files that have to go with the program wherever it goes.
    pub(crate) fn licences(&self) -> [Item; 2] {
        [Item::new("LICENSE", self.licence.clone()), Item::new("THIRD-PARTY.txt", self.third_party.clone())]
    }

    /// The configuration: comments only.
    pub(crate) fn config(&self) -> &str {
        &self.config
    }

    /// The files of an archive that is unpacked anywhere, in one folder.
    pub(crate) fn portable(&self, folder: &str, target: &Target, program: &[u8]) -> Vec<Item> {
        let mut items = vec![
            Item::program(target.program(), program),
            Item::new("README.md", self.readme.clone()),
            Item::new("chasar.toml", self.config.clone()),
        ];
        items.extend(self.licences());
        for ((_, name), text) in SHELLS.iter().zip(&self.completions) {
            items.push(Item::new(format!("completions/{name}"), text.clone()));
        }
        for (name, page) in &self.manual {
            items.push(Item::new(format!("man/{name}"), page.clone()));
        }
        for (role, index) in ROLES.iter().zip(0..) {
            if target.triple.contains("linux") {
                let systemd = format!("services/systemd/chasar-{role}.service");
                items.push(Item::new(systemd, self.systemd[index].clone()));
                items.push(Item::program(
                    format!("services/openrc/chasar-{role}"),
                    self.openrc[index].clone(),
                ));
            } else if target.triple.ends_with("apple-darwin") {
                let launchd = format!("services/launchd/chasar.{role}.plist");
                items.push(Item::new(launchd, self.launchd[index].clone()));
            }
        }
        if target.triple.contains("linux") {
            items.push(Item::new("services/systemd/sysusers.conf", self.sysusers.clone()));
        }
        for item in &mut items {
            item.path = format!("{folder}/{}", item.path);
        }
        items.sort_by(|a, b| a.path.cmp(&b.path));
        items
    }

    /// The files of a package that is installed on a system.
    pub(crate) fn system(&self, program: &[u8], distribution: &Distribution) -> Vec<Item> {
        let mut items = vec![
            Item::program("usr/bin/chasar", program),
            Item::config("etc/chasar/chasar.toml", self.config.clone()),
            Item::new("usr/lib/sysusers.d/chasar.conf", self.sysusers.clone()),
            Item::new("usr/share/doc/chasar/README.md", self.readme.clone()),
            Item::new("usr/share/doc/chasar/THIRD-PARTY.txt.gz", item::gzip(self.third_party.as_bytes())),
            Item::new("usr/share/doc/chasar/copyright", self.licence.clone()),
        ];
        for (role, unit) in ROLES.iter().zip(&self.systemd) {
            items.push(Item::new(format!("usr/lib/systemd/system/chasar-{role}.service"), unit.clone()));
        }
        for (path, text) in distribution.completions.iter().zip(&self.completions) {
            items.push(Item::new(*path, text.clone()));
        }
        for (name, page) in &self.manual {
            items.push(Item::new(format!("usr/share/man/man1/{name}.gz"), item::gzip(page)));
        }
        items.sort_by(|a, b| a.path.cmp(&b.path));
        items
    }
}
