//! Where the program under test and its peers are.

use std::env;
use std::path::{Path, PathBuf};

/// The root of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("e2e lies in the workspace")
}

/// The program under test.
pub fn chasar() -> PathBuf {
    there("CHASAR_TEST_BIN", "target/debug/chasar")
}

/// Python with pyzmq and psutil.
pub fn python() -> PathBuf {
    there("CHASAR_TEST_PYTHON", ".cache/venv/bin/python")
}

/// The folder with the NodeJS package `zeromq`.
pub fn node_modules() -> PathBuf {
    there("CHASAR_TEST_NODE_MODULES", ".cache/node/node_modules")
}

/// Prometheus's node_exporter.
pub fn node_exporter() -> PathBuf {
    debian("CHASAR_TEST_NODE_EXPORTER", "prometheus-node-exporter", "prometheus-node-exporter")
}

/// Prometheus.
pub fn prometheus() -> PathBuf {
    debian("CHASAR_TEST_PROMETHEUS", "prometheus", "prometheus")
}

/// Folders with Grafana's dashboards and with Prometheus's rules that Debian has, some of which ask about hosts.
pub fn dashboards() -> [PathBuf; 2] {
    let there = |variable, package: &str, path: &str| {
        let installed = Path::new("/").join(path);
        if env::var_os(variable).is_none() && installed.is_dir() {
            return installed;
        }
        there(variable, &format!(".cache/debian/{package}/{path}"))
    };
    [
        there("CHASAR_TEST_DASHBOARDS", "ceph-grafana-dashboards", "etc/grafana/dashboards/ceph-dashboard"),
        there("CHASAR_TEST_RULES", "ceph-prometheus-alerts", "etc/prometheus/ceph"),
    ]
}

fn debian(variable: &str, package: &str, program: &str) -> PathBuf {
    let installed = Path::new("/usr/bin").join(program);
    if env::var_os(variable).is_none() && installed.is_file() {
        return installed;
    }
    there(variable, &format!(".cache/debian/{package}/usr/bin/{program}"))
}

/// A script of ours that plays a peer.
pub fn peer(name: &str) -> PathBuf {
    let path = root().join("e2e/peers").join(name);
    assert!(path.is_file(), "no peer {}", path.display());
    path
}

fn there(variable: &str, usual: &str) -> PathBuf {
    let path = env::var_os(variable).map_or_else(|| root().join(usual), PathBuf::from);
    assert!(
        path.exists(),
        "{} is not there ({variable}); run `cargo xtask test`, which prepares it",
        path.display()
    );
    path
}
