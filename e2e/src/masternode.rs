//! A running masternode, and what it says over HTTP.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::http::{self, Answer};
use crate::metrics::Scrape;
use crate::{Program, Site, until};

/// A running masternode on the default ports of its site's address.
#[derive(Debug)]
pub struct Masternode {
    /// Its process.
    pub program: Program,
    site: Site,
    options: Vec<String>,
}

impl Masternode {
    /// Starts one and waits until it answers.
    pub fn start(site: &Site) -> Masternode {
        Masternode::with(site, &[])
    }

    /// Starts one with further options and waits until it answers.
    #[track_caller]
    pub fn with(site: &Site, options: &[&str]) -> Masternode {
        let options: Vec<String> = options.iter().map(|o| (*o).to_owned()).collect();
        let program = Masternode::launch(site, &options);
        let mut masternode = Masternode { program, site: site.clone(), options };
        masternode.ready();
        masternode
    }

    fn launch(site: &Site, options: &[String]) -> Program {
        let mut command = site.command();
        command.args(["masternode", "start", &site.address().to_string()]);
        command
            .arg("--state-dir")
            .arg(state_dir(site))
            .args(["--http", &http(site).to_string()])
            .args(options);
        crate::clientnode::clean(&mut command, site);
        Program::start("masternode", command, &site.log("masternode"), None)
    }

    #[track_caller]
    fn ready(&mut self) {
        let (place, address) = (self.site.place().clone(), self.http());
        until(Duration::from_secs(20), "a masternode that answers", || {
            self.program.running()?;
            match http::get(&place, address, "/health") {
                Ok(answer) if answer.status == 200 => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
    }

    /// Kills it (SIGKILL) and starts it again on the same state; returns at once, before it answers.
    pub fn kill_and_restart(&mut self) {
        self.program.kill();
        self.program = Masternode::launch(&self.site, &self.options);
    }

    /// Starts it again after it ended, on the same state, and waits until it answers.
    pub fn restart(&mut self) {
        self.kill_and_restart();
        self.ready();
    }

    /// Where it takes reports.
    pub fn reports(&self) -> SocketAddr {
        (self.site.address(), 5555).into()
    }

    /// Where it streams.
    pub fn stream(&self) -> SocketAddr {
        (self.site.address(), 6666).into()
    }

    /// Where it answers HTTP.
    pub fn http(&self) -> SocketAddr {
        http(&self.site)
    }

    /// Asks for a page.
    ///
    /// # Errors
    /// When nobody answers.
    pub fn get(&self, path: &str) -> Result<Answer, String> {
        http::get(self.site.place(), self.http(), path)
    }

    /// Its metrics.
    ///
    /// # Errors
    /// When nobody answers.
    pub fn metrics(&self) -> Result<Scrape, String> {
        let answer = self.get("/metrics")?;
        if answer.status == 200 { Scrape::parse(&answer.body) } else { Err(format!("{answer:?}")) }
    }

    /// The sum over all series of a metric; 0 when there is none yet.
    #[track_caller]
    pub fn metric(&self, name: &str) -> f64 {
        self.metrics().unwrap_or_else(|e| panic!("{e}")).sum(name).unwrap_or(0.0)
    }

    /// The snapshot of the fleet.
    ///
    /// # Errors
    /// When nobody answers.
    pub fn fleet(&self) -> Result<Value, String> {
        let answer = self.get("/api/fleet")?;
        serde_json::from_str(&answer.body).map_err(|e| format!("{e}: {answer:?}"))
    }

    /// The nodes of the fleet.
    ///
    /// # Errors
    /// When nobody answers.
    pub fn nodes(&self) -> Result<Vec<Value>, String> {
        let fleet = self.fleet()?;
        fleet["nodes"].as_array().cloned().ok_or_else(|| format!("no nodes in {fleet}"))
    }

    /// Waits until the one node that `wanted` takes is there.
    #[track_caller]
    pub fn node(&self, deadline: Duration, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(deadline, what, || {
            let nodes = self.nodes()?;
            nodes.iter().find(|n| wanted(n)).cloned().ok_or_else(|| format!("{nodes:?}"))
        })
    }

    /// Waits until so many nodes are in `state`.
    #[track_caller]
    pub fn count(&self, state: &str, wanted: u64, deadline: Duration) {
        until(deadline, &format!("{wanted} nodes that are {state}"), || {
            let totals = self.fleet()?["totals"].clone();
            if totals[state].as_u64() == Some(wanted) { Ok(()) } else { Err(totals.to_string()) }
        });
    }
}

/// On loopback, since HTTP on anything else wants a token.
fn http(site: &Site) -> SocketAddr {
    let address = if site.address().is_loopback() { site.address() } else { Ipv4Addr::LOCALHOST.into() };
    (address, 7777).into()
}

fn state_dir(site: &Site) -> PathBuf {
    site.folder().join("masternode")
}
