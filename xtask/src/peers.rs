//! The foreign programs that tests talk to, prepared in `.cache/` inside the project.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, output, root, run};

/// Python packages that tests use, pinned.
const REQUIREMENTS: &str = "pyzmq==27.3.0\npsutil==7.2.2\nmypy==2.4.1\npytest==9.2.0\n";

/// Where the peers are.
pub(crate) struct Peers {
    python: PathBuf,
    node: PathBuf,
    node_exporter: PathBuf,
}

impl Peers {
    /// Python with [`REQUIREMENTS`].
    pub(crate) fn python(&self) -> &Path {
        &self.python
    }

    /// The environment variables under which tests find the peers.
    pub(crate) fn environment(&self) -> [(&'static str, &Path); 3] {
        [
            ("CHASAR_TEST_PYTHON", &self.python),
            ("CHASAR_TEST_NODE_MODULES", &self.node),
            ("CHASAR_TEST_NODE_EXPORTER", &self.node_exporter),
        ]
    }
}

/// Prepares all peers; quick when they are there already.
pub(crate) fn prepare() -> Result<Peers> {
    let cache = root().join(".cache");
    fs::create_dir_all(&cache).map_err(|e| format!("cannot create {}: {e}", cache.display()))?;
    Ok(Peers { python: python(&cache)?, node: node(&cache)?, node_exporter: node_exporter(&cache)? })
}

/// Runs `make` unless `stamp` says that it was done for the same `wanted`.
pub(crate) fn once(stamp: &Path, wanted: &str, make: impl FnOnce() -> Result<()>) -> Result<()> {
    if fs::read_to_string(stamp).is_ok_and(|was| was == wanted) {
        return Ok(());
    }
    make()?;
    fs::write(stamp, wanted).map_err(|e| format!("cannot write {}: {e}", stamp.display()))
}

fn python(cache: &Path) -> Result<PathBuf> {
    let venv = cache.join("venv");
    let python = venv.join("bin/python");
    once(&cache.join("venv.stamp"), REQUIREMENTS, || {
        eprintln!("xtask: preparing Python peers in {}", venv.display());
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))
            .map_err(|e| format!("{e}\nneeded: Python 3 with venv (Debian: python3-venv)"))?;
        let requirements = cache.join("requirements.txt");
        fs::write(&requirements, REQUIREMENTS).map_err(|e| e.to_string())?;
        run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
            .arg(&requirements))
    })?;
    Ok(python)
}

fn node(cache: &Path) -> Result<PathBuf> {
    let version = output(Command::new("node").arg("--version"))
        .map_err(|e| format!("{e}\nneeded: Node.js 20 or later"))?;
    let major = version.trim_start_matches('v').split('.').next().and_then(|n| n.parse::<u32>().ok());
    if major.is_none_or(|n| n < 20) {
        return Err(format!("Node.js {} is too old, needed: 20 or later", version.trim()));
    }
    let folder = cache.join("node");
    let lock = root().join("e2e/node/package-lock.json");
    let wanted = fs::read_to_string(&lock).map_err(|e| format!("cannot read {}: {e}", lock.display()))?;
    once(&cache.join("node.stamp"), &wanted, || {
        eprintln!("xtask: preparing NodeJS peers in {}", folder.display());
        fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        for file in ["package.json", "package-lock.json"] {
            fs::copy(root().join("e2e/node").join(file), folder.join(file))
                .map_err(|e| format!("{file}: {e}"))?;
        }
        run(Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(&folder))
    })?;
    Ok(folder.join("node_modules"))
}

/// node_exporter from the path, else unpacked from Debian's package, which needs no root.
fn node_exporter(cache: &Path) -> Result<PathBuf> {
    const NAME: &str = "prometheus-node-exporter";
    if let Some(path) = std::env::var_os("PATH") {
        for name in [NAME, "node_exporter"] {
            if let Some(found) = std::env::split_paths(&path).map(|d| d.join(name)).find(|p| p.is_file()) {
                return Ok(found);
            }
        }
    }
    let folder = cache.join("debian");
    once(&cache.join("debian.stamp"), NAME, || {
        eprintln!("xtask: unpacking {NAME} in {}", folder.display());
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        let hint = "needed: node_exporter on the path (Debian: prometheus-node-exporter)";
        run(Command::new("apt-get").args(["download", "-qq", NAME]).current_dir(&folder))
            .map_err(|e| format!("{e}\n{hint}"))?;
        let deb = fs::read_dir(&folder)
            .map_err(|e| e.to_string())?
            .filter_map(|entry| entry.ok().map(|e| e.path()))
            .find(|p| p.extension().is_some_and(|e| e == "deb"))
            .ok_or_else(|| format!("apt-get download left no package\n{hint}"))?;
        run(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&folder))
    })?;
    Ok(folder.join("usr/bin").join(NAME))
}
