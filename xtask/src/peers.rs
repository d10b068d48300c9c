//! The foreign programs that tests talk to, prepared in `.cache/` inside the project.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, output, root, run};

/// Python packages that tests use, pinned.
const REQUIREMENTS: &str = "pyzmq==27.3.0\npsutil==7.2.2\nPyYAML==6.0.3\nmypy==2.4.1\npytest==9.2.0\n\
    opentelemetry-sdk==1.45.2\nopentelemetry-exporter-otlp-proto-http==1.45.2\n";

/// Where the peers are.
pub(crate) struct Peers {
    python: PathBuf,
    node: PathBuf,
    debian: Vec<(&'static str, PathBuf)>,
}

/// A program that is taken from the path, else unpacked from Debian's package, which needs no root.
struct Debian {
    /// The environment variable under which tests find it.
    variable: &'static str,
    package: &'static str,
    /// Its names: Debian's, and those that it has elsewhere.
    programs: &'static [&'static str],
}

/// Files that are taken from where Debian's package puts them, else unpacked from it.
struct Files {
    variable: &'static str,
    package: &'static str,
    /// Where they are in the package, and so on a system that has it.
    path: &'static str,
}

/// Dashboards and rules that ask node_exporter's series, as somebody else wrote them.
const FILES: &[Files] = &[
    Files {
        variable: "CHASAR_TEST_DASHBOARDS",
        package: "ceph-grafana-dashboards",
        path: "etc/grafana/dashboards/ceph-dashboard",
    },
    Files { variable: "CHASAR_TEST_RULES", package: "ceph-prometheus-alerts", path: "etc/prometheus/ceph" },
];

const DEBIAN: &[Debian] = &[
    Debian {
        variable: "CHASAR_TEST_NODE_EXPORTER",
        package: "prometheus-node-exporter",
        programs: &["prometheus-node-exporter", "node_exporter"],
    },
    Debian { variable: "CHASAR_TEST_PROMETHEUS", package: "prometheus", programs: &["prometheus"] },
    Debian { variable: "CHASAR_TEST_PROMTOOL", package: "prometheus", programs: &["promtool"] },
    Debian {
        variable: "CHASAR_TEST_VICTORIA_METRICS",
        package: "victoria-metrics",
        programs: &["victoria-metrics", "victoria-metrics-prod"],
    },
];

impl Peers {
    /// Python with [`REQUIREMENTS`].
    pub(crate) fn python(&self) -> &Path {
        &self.python
    }

    /// The environment variables under which tests find the peers.
    pub(crate) fn environment(&self) -> Vec<(&'static str, &Path)> {
        let mut all: Vec<(_, &Path)> =
            vec![("CHASAR_TEST_PYTHON", &self.python), ("CHASAR_TEST_NODE_MODULES", &self.node)];
        all.extend(self.debian.iter().map(|(variable, path)| (*variable, path.as_path())));
        all
    }
}

/// Prepares all peers; quick when they are there already.
pub(crate) fn prepare() -> Result<Peers> {
    let cache = root().join(".cache");
    fs::create_dir_all(&cache).map_err(|e| format!("cannot create {}: {e}", cache.display()))?;
    let programs = DEBIAN.iter().map(|wanted| Ok((wanted.variable, debian(&cache, wanted)?)));
    let debian = programs.chain(FILES.iter().map(|wanted| Ok((wanted.variable, files(&cache, wanted)?))));
    Ok(Peers { python: python(&cache)?, node: node(&cache)?, debian: debian.collect::<Result<_>>()? })
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

fn debian(cache: &Path, wanted: &Debian) -> Result<PathBuf> {
    let Debian { package, programs, .. } = wanted;
    if let Some(path) = std::env::var_os("PATH") {
        for name in *programs {
            if let Some(found) = std::env::split_paths(&path).map(|d| d.join(name)).find(|p| p.is_file()) {
                return Ok(found);
            }
        }
    }
    let hint = format!("needed: {} on the path (Debian: {package})", programs.join(" or "));
    Ok(unpack(cache, package, &hint)?.join("usr/bin").join(programs[0]))
}

fn files(cache: &Path, wanted: &Files) -> Result<PathBuf> {
    let Files { package, path, .. } = wanted;
    let installed = Path::new("/").join(path);
    if installed.is_dir() {
        return Ok(installed);
    }
    Ok(unpack(cache, package, &format!("needed: Debian's {package}"))?.join(path))
}

/// The folder that a package of Debian's is unpacked in.
fn unpack(cache: &Path, package: &str, hint: &str) -> Result<PathBuf> {
    let folder = cache.join("debian").join(package);
    once(&cache.join(format!("{package}.stamp")), package, || {
        eprintln!("xtask: unpacking {package} in {}", folder.display());
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        run(Command::new("apt-get").args(["download", "-qq", package]).current_dir(&folder))
            .map_err(|e| format!("{e}\n{hint}"))?;
        let deb = fs::read_dir(&folder)
            .map_err(|e| e.to_string())?
            .filter_map(|entry| entry.ok().map(|e| e.path()))
            .find(|p| p.extension().is_some_and(|e| e == "deb"))
            .ok_or_else(|| format!("apt-get download left no package\n{hint}"))?;
        run(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&folder))?;
        fs::remove_file(&deb).map_err(|e| format!("cannot remove {}: {e}", deb.display()))
    })?;
    Ok(folder)
}
