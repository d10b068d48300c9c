//! What is examined: a clientnode or a masternode as it is set up here.

use std::path::PathBuf;
use std::time::Duration;

use chasar_link::Endpoint;

use crate::process::Process;

/// One of the two daemons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The agent.
    Clientnode,
    /// The server.
    Masternode,
}

impl Role {
    /// As in commands and names of units.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Clientnode => "clientnode",
            Role::Masternode => "masternode",
        }
    }
}

/// A daemon as it is set up, whether it runs or not.
#[derive(Clone, Debug)]
pub struct Subject {
    /// What its settings say.
    pub settings: Settings,
    /// The command that starts it with these settings.
    pub start: String,
    /// Its processes here.
    pub processes: Vec<Process>,
    /// Whether it is meant to run on this computer.
    pub wanted: bool,
    /// By which link the system starts it at boot, if it does.
    pub service: Option<PathBuf>,
    /// Its state folder.
    pub state_folder: PathBuf,
}

/// What matters of a daemon's settings.
#[derive(Clone, Debug)]
pub enum Settings {
    /// The agent's.
    Clientnode {
        /// Host of its masternode.
        masternode: String,
        /// Port for reports there.
        port: u16,
        /// Further masternodes that get every report.
        also: Vec<(String, u16)>,
        /// Time between two reports.
        interval: Duration,
        /// Folder of the spool, and how many bytes it may hold.
        spool: Option<(PathBuf, u64)>,
    },
    /// The server's.
    Masternode {
        /// Where reports come in.
        reports: Endpoint,
        /// Where subscribers connect.
        stream: Option<Endpoint>,
        /// Where HTTP is served.
        http: Option<Endpoint>,
        /// The token given in the settings.
        token: Option<String>,
    },
}

impl Subject {
    /// Which daemon it is.
    #[must_use]
    pub fn role(&self) -> Role {
        match self.settings {
            Settings::Clientnode { .. } => Role::Clientnode,
            Settings::Masternode { .. } => Role::Masternode,
        }
    }

    /// What it is, for a heading.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.settings {
            Settings::Clientnode { masternode, port, .. } => {
                format!("clientnode, reporting to {}", crate::connection::at(masternode, port))
            }
            Settings::Masternode { reports, .. } => {
                format!("masternode, listening on {}", reports.to_string().trim_start_matches("tcp://"))
            }
        }
    }
}
