//! Packages of Linux systems, installed into a system in a folder, run there, and removed.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::super::say;
use super::image::Image;
use super::root::Root;
use super::{DEMO, demo, has};
use crate::{Result, output, run};

/// What an installed package has, wherever it came from.
const INSTALLED: [&str; 5] = [
    "/etc/chasar/chasar.toml",
    "/usr/bin/chasar",
    "/usr/lib/systemd/system/chasar-clientnode.service",
    "/usr/lib/systemd/system/chasar-masternode.service",
    "/usr/share/man/man1/chasar.1.gz",
];

/// Installed, run, changed by an administrator, removed, purged: nothing is left.
pub(super) fn deb(package: &Path, scratch: &Path) -> Result<()> {
    say("check: the .deb is installed into a Debian of its own, runs the demo, and is purged");
    let root = Root::debian(scratch)?;
    let before = root.files()?;
    copy(package, &root.folder().join("tmp/chasar.deb"))?;
    root.run(None, &["dpkg", "--install", "/tmp/chasar.deb"])?;
    installed(&root)?;
    let differs = root.run(None, &["dpkg", "--verify", "chasar"])?;
    if !differs.is_empty() {
        return Err(format!("dpkg says that what it installed differs from the package:\n{differs}"));
    }
    let config = root.folder().join("etc/chasar/chasar.toml");
    let changed = fs::read_to_string(&config).unwrap_or_default() + "# changed\n";
    write(&config, &changed)?;
    write(&root.folder().join("var/lib/chasar/clientnode/node"), "state")?;
    root.run(None, &["dpkg", "--install", "/tmp/chasar.deb"])?;
    root.run(None, &["dpkg", "--remove", "chasar"])?;
    if fs::read_to_string(&config).ok().as_ref() != Some(&changed) {
        return Err("the administrator's configuration did not outlive an update and a removal".to_owned());
    }
    root.run(None, &["dpkg", "--purge", "chasar"])?;
    let left: Vec<_> = root.files()?.difference(&before).cloned().collect();
    if !left.is_empty() {
        return Err(format!("after the purge there are still {left:?}"));
    }
    if root.run(None, &["getent", "passwd", "chasar"]).is_ok() {
        return Err("after the purge there is still a user chasar".to_owned());
    }
    root.remove()
}

/// Listed, verified, installed, run, removed. The system below is a Debian, whose packages rpm does not know, so what
/// the package requires is listed only.
pub(super) fn rpm(package: &Path, scratch: &Path) -> Result<()> {
    say(
        "check: the .rpm is listed, verified, installed into a system of its own, runs the demo, and is removed",
    );
    let rpm = |words: &[&str]| {
        let mut command = Command::new("rpm");
        command.args(words).arg(package);
        output(&mut command).map_err(|e| format!("{e}\nneeded: rpm (Debian: rpm)"))
    };
    let list = rpm(&["--query", "--package", "--list"])?;
    for file in INSTALLED {
        has(&list, &format!("{file}\n"))?;
    }
    has(&rpm(&["--query", "--package", "--configfiles"])?, "/etc/chasar/chasar.toml\n")?;
    has(&rpm(&["--query", "--package", "--requires"])?, "libc.so.6(GLIBC_2.")?;
    has(&rpm(&["--checksig", "--verbose", "--nosignature"])?, "Payload SHA256 digest: OK")?;
    let root = Root::debian(scratch)?;
    let before = root.files()?;
    let in_root = |words: &[&str]| {
        let mut command = Command::new("rpm");
        command.arg("--root").arg(root.folder()).args(["--dbpath", "/var/lib/rpm"]).args(words);
        command
    };
    run(in_root(&["--install", "--nodeps"]).arg(package))?;
    installed(&root)?;
    run(&mut in_root(&["--verify", "--nodeps", "chasar"]))?;
    run(&mut in_root(&["--erase", "chasar"]))?;
    let may_stay = |path: &String| path.starts_with("var/lib/rpm");
    let left: Vec<_> = root.files()?.difference(&before).filter(|path| !may_stay(path)).cloned().collect();
    if !left.is_empty() {
        return Err(format!("after the removal there are still {left:?}"));
    }
    root.remove()
}

/// Nothing but the program's own files in a root, run as the image says.
pub(super) fn container(package: &Path, scratch: &Path) -> Result<()> {
    say("check: the container's root runs the demo as its user, with nothing else in it");
    fs::create_dir_all(scratch).map_err(|e| format!("cannot create {}: {e}", scratch.display()))?;
    run(Command::new("tar").arg("-xzf").arg(package).arg("-C").arg(scratch))?;
    fs::create_dir_all(scratch.join("proc")).map_err(|e| format!("cannot create proc: {e}"))?;
    let root = Root::of(scratch);
    let text = fs::read_to_string(crate::root().join("Containerfile"))
        .map_err(|e| format!("cannot read Containerfile: {e}"))?;
    let image = Image::parse(&text)?;
    demo(&root.run(Some(&image.user), &[&["/usr/bin/chasar"][..], &DEMO].concat())?)?;
    say("check: what the Containerfile starts is well by the word of its health check, and stops when told");
    root.run_until_well(&image)
}

fn installed(root: &Root) -> Result<()> {
    for file in INSTALLED {
        if !root.folder().join(&file[1..]).is_file() {
            return Err(format!("the package did not install {file}"));
        }
    }
    has(&root.run(None, &["getent", "passwd", "chasar"])?, "::/var/lib/chasar:")?;
    root.run(None, &["chasar", "config", "check", "/etc/chasar/chasar.toml"])?;
    demo(&root.run(None, &[&["chasar"][..], &DEMO].concat())?)
}

fn write(path: &Path, text: &str) -> Result<()> {
    let cannot = |e| format!("cannot write {}: {e}", path.display());
    fs::create_dir_all(path.parent().unwrap_or(path)).map_err(cannot)?;
    fs::write(path, text).map_err(cannot)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .map(drop)
        .map_err(|e| format!("cannot copy {} to {}: {e}", from.display(), to.display()))
}
