//! A Debian of its own in a folder, to install packages into.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::say;
use super::image::Image;
use crate::{Result, output, root, run};

/// The release; the programs are built for far older ones.
const RELEASE: &str = "bookworm";

/// What changes whenever packages are installed, and is dpkg's own business.
const NOT_OURS: [&str; 8] =
    ["etc/group-", "etc/gshadow-", "etc/passwd-", "etc/shadow-", "proc", "tmp", "var/lib/dpkg", "var/log"];

/// A folder with a system in it.
pub(super) struct Root {
    folder: PathBuf,
}

impl Root {
    /// A fresh Debian. The first is fetched from the mirror that this computer uses and is kept in
    /// `CHASAR_DIST_CACHE` (`.cache/` without it).
    pub(super) fn debian(folder: &Path) -> Result<Root> {
        let cache =
            std::env::var_os("CHASAR_DIST_CACHE").map_or_else(|| root().join(".cache"), PathBuf::from);
        let kept = cache.join(format!("debian-{RELEASE}-{}.tar", std::env::consts::ARCH));
        fs::create_dir_all(folder).map_err(|e| format!("cannot create {}: {e}", folder.display()))?;
        if !kept.is_file() {
            say(&format!("check: a Debian {RELEASE} is fetched, once"));
            let needed = "needed: root, debootstrap (Debian: debootstrap)";
            let fresh = folder.with_extension("fresh");
            let mut debootstrap = Command::new("debootstrap");
            debootstrap.args(["--variant=minbase", RELEASE]).arg(&fresh).args(mirror());
            output(&mut debootstrap).map_err(|e| format!("{e}\n{needed}"))?;
            // Under another name until it is whole.
            let part = kept.with_extension("part");
            fs::create_dir_all(&cache).map_err(|e| format!("cannot create {}: {e}", cache.display()))?;
            run(Command::new("tar")
                .arg("-C")
                .arg(&fresh)
                .args(["--exclude=./var/cache/apt/archives/*.deb", "-cf"])
                .arg(&part)
                .arg("."))?;
            fs::rename(&part, &kept).map_err(|e| format!("cannot keep {}: {e}", kept.display()))?;
            fs::remove_dir_all(&fresh).map_err(|e| format!("cannot remove {}: {e}", fresh.display()))?;
        }
        run(Command::new("tar").arg("-xf").arg(&kept).arg("-C").arg(folder))?;
        Ok(Root { folder: folder.to_owned() })
    }

    /// What lies unpacked in a folder already.
    pub(super) fn of(folder: &Path) -> Root {
        Root { folder: folder.to_owned() }
    }

    /// Where it is.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs a command in it, which sees its own processes only, and gives what it printed.
    pub(super) fn run(&self, user: Option<&str>, words: &[&str]) -> Result<String> {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-ec"]);
        command.arg("mount -t proc proc \"$1/proc\"; root=$1 user=$2; shift 2; exec chroot ${user:+--userspec=$user} \"$root\" \"$@\"");
        command.arg("sh").arg(&self.folder).arg(user.unwrap_or_default()).args(words);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C");
        output(&mut command)
    }

    /// Starts what an image runs, on a network of its own, until its health check is content, and stops it.
    pub(super) fn run_until_well(&self, image: &Image) -> Result<()> {
        // The first answers may be that it has only begun.
        let script = format!(
            "ip link set lo up
            mount -t proc proc \"$1/proc\"
            in_root=\"env {environment} chroot --userspec={user} $1\"
            $in_root {command} & daemon=$!
            left=20
            until said=$(timeout {within} $in_root {health} 2>&1); do
                left=$((left - 1))
                [ $left -gt 0 ] || {{ echo \"not well: $said\" >&2; exit 1; }}
                kill -0 $daemon || {{ echo 'it ended' >&2; exit 1; }}
                sleep 0.5
            done
            kill -TERM $daemon
            wait $daemon",
            environment = image.environment.join(" "),
            user = image.user,
            command = image.command.join(" "),
            within = image.health_within,
            health = image.health.join(" "),
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--net", "--fork", "--kill-child", "sh", "-ec", &script, "sh"]);
        command.arg(&self.folder).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        output(&mut command).map(drop)
    }

    /// Takes it away.
    pub(super) fn remove(self) -> Result<()> {
        fs::remove_dir_all(&self.folder).map_err(|e| format!("cannot remove {}: {e}", self.folder.display()))
    }

    /// Every file and folder in it that is anybody's business.
    pub(super) fn files(&self) -> Result<BTreeSet<String>> {
        let list =
            output(Command::new("find").args([".", "-xdev", "-printf", "%P\\n"]).current_dir(&self.folder))?;
        let ours = |path: &&str| !NOT_OURS.iter().any(|other| path.starts_with(other));
        Ok(list.lines().filter(ours).map(str::to_owned).collect())
    }
}

/// The mirror that this computer gets Debian from; without one debootstrap takes its own.
fn mirror() -> Option<String> {
    let format = ["indextargets", "--format", "$(SITE) $(RELEASE)", "Created-By: Packages"];
    let targets = output(Command::new("apt-get").args(format)).ok()?;
    targets.lines().find_map(|line| line.strip_suffix(&format!(" {RELEASE}"))).map(str::to_owned)
}
