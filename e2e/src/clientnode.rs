//! A running clientnode.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;

use crate::{Program, Site};

/// A running clientnode.
#[derive(Debug)]
pub struct Clientnode {
    /// Its process.
    pub program: Program,
    site: Site,
    name: String,
    options: Vec<String>,
}

impl Clientnode {
    /// Starts one that reports to the masternode at the site's address.
    pub fn start(site: &Site, options: &[&str]) -> Clientnode {
        Clientnode::named(site, "clientnode", options)
    }

    /// Starts one with a state folder of its own, so that several may run beside each other.
    pub fn named(site: &Site, name: &str, options: &[&str]) -> Clientnode {
        let options: Vec<String> = options.iter().map(|o| (*o).to_owned()).collect();
        let program = Clientnode::launch(site, name, &options);
        Clientnode { program, site: site.clone(), name: name.to_owned(), options }
    }

    /// Starts it again after it ended or was killed, on the same state.
    pub fn restart(&mut self) {
        self.program.kill();
        self.program = Clientnode::launch(&self.site, &self.name, &self.options);
    }

    fn launch(site: &Site, name: &str, options: &[String]) -> Program {
        let command = command(site, site.address(), name, options);
        Program::start(name, command, &site.log(name), None)
    }

    /// Its state folder.
    pub fn state_dir(&self) -> PathBuf {
        self.site.folder().join(&self.name)
    }
}

/// The command that starts a clientnode.
pub fn command(site: &Site, masternode: IpAddr, name: &str, options: &[String]) -> Command {
    let mut command = site.command();
    command.args(["clientnode", "start", &masternode.to_string()]);
    command.arg("--state-dir").arg(site.folder().join(name)).args(options);
    clean(&mut command, site);
    command
}

/// Nothing of the environment of whoever runs the tests shall matter.
pub fn clean(command: &mut Command, site: &Site) {
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("CHASAR_") {
            command.env_remove(variable);
        }
    }
    command.current_dir(site.folder()).env("HOME", site.folder()).env("NO_COLOR", "1");
    for variable in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "RUST_LOG"] {
        command.env_remove(variable);
    }
}
