//! `chasar service`: a role as a service of the system that starts with the computer and stays up.
//!
//! | module | pure | what it is |
//! | --- | --- | --- |
//! | [`systemd`], [`openrc`], [`launchd`], [`windows`] | yes | texts and steps for one init system each |
//! | [`plan`] | yes | what is to be written and run, as data: the dry run prints it |
//! | [`carry_out`] | over a trait | does the steps, and undoes them when one fails |
//! | [`machine`] | no | files below a root, programs, the account |
//! | [`configuration`] | yes | settings typed at the installation, into the file that is there |
//! | [`status`] | mostly | installed, enabled, running, since when |
//! | [`notify`] | no | tells systemd how the program is doing |
//! | [`install`] | no | `install` and `uninstall` put together |

pub(crate) mod carry_out;
pub(crate) mod configuration;
#[cfg(test)]
mod faults;
pub(crate) mod install;
pub(crate) mod launchd;
pub(crate) mod machine;
pub(crate) mod notify;
pub(crate) mod openrc;
pub(crate) mod plan;
#[cfg(windows)]
pub(crate) mod scm;
pub(crate) mod status;
pub(crate) mod systemd;
pub(crate) mod windows;

/// The account that runs the services where the init system wants one. Not one that systemd makes up
/// for each start (`DynamicUser`): state, a spool on another disk and a token file keep their owner
/// also when the service is stopped, the same account serves OpenRC, and a systemd too old to know
/// the word would run the service as root.
pub(crate) const ACCOUNT: &str = "chasar";

/// Where Windows keeps the data of all users, unless somebody has moved it.
pub(crate) const PROGRAM_DATA: &str = r"C:\ProgramData";

/// What runs as a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Role {
    /// The agent.
    Clientnode,
    /// The server.
    Masternode,
}

impl Role {
    /// Both.
    pub(crate) const ALL: [Role; 2] = [Role::Clientnode, Role::Masternode];

    /// As it is typed, and as its table in the configuration is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Clientnode => "clientnode",
            Role::Masternode => "masternode",
        }
    }

    /// The name of the service.
    pub(crate) fn service(self) -> &'static str {
        match self {
            Role::Clientnode => "chasar-clientnode",
            Role::Masternode => "chasar-masternode",
        }
    }

    /// One line on what the service does.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Role::Clientnode => "Chasar clientnode: reports about this computer",
            Role::Masternode => "Chasar masternode: receives and streams the reports of all computers",
        }
    }

    /// The other one.
    pub(crate) fn other(self) -> Role {
        match self {
            Role::Clientnode => Role::Masternode,
            Role::Masternode => Role::Clientnode,
        }
    }
}

/// What starts services on a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Init {
    /// Most Linux distributions.
    Systemd,
    /// Alpine, Gentoo.
    Openrc,
    /// macOS.
    Launchd,
    /// The service control manager of Windows.
    Windows,
}

impl Init {
    /// As it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Init::Systemd => "systemd",
            Init::Openrc => "openrc",
            Init::Launchd => "launchd",
            Init::Windows => "windows",
        }
    }

    /// The file that the services read their settings from.
    pub(crate) fn configuration(self) -> &'static str {
        match self {
            Init::Windows => r"C:\ProgramData\chasar\chasar.toml",
            _ => "/etc/chasar/chasar.toml",
        }
    }

    /// Where a role keeps what it has to remember.
    pub(crate) fn state(self, role: Role) -> String {
        match self {
            Init::Windows => format!(r"C:\ProgramData\chasar\{}", role.name()),
            Init::Launchd => format!("/usr/local/var/chasar/{}", role.name()),
            _ => format!("/var/lib/chasar/{}", role.name()),
        }
    }

    /// Where it is, in words.
    pub(crate) fn unit(self, role: Role) -> String {
        match self {
            Init::Systemd => format!("/etc/systemd/system/{}.service", role.service()),
            Init::Openrc => format!("/etc/init.d/{}", role.service()),
            Init::Launchd => format!("/Library/LaunchDaemons/{}.plist", launchd::label(role)),
            Init::Windows => role.service().to_owned(),
        }
    }

    /// The text that makes `job` a service; `None` where a service is no file.
    pub(crate) fn text(self, job: &Job) -> Option<String> {
        match self {
            Init::Systemd => Some(systemd::unit(job)),
            Init::Openrc => Some(openrc::script(job)),
            Init::Launchd => Some(launchd::plist(job)),
            Init::Windows => None,
        }
    }
}

/// What a service has to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    /// Which role.
    pub(crate) role: Role,
    /// The program, a full path.
    pub(crate) exe: String,
    /// The configuration file, a full path.
    pub(crate) configuration: String,
    /// Folders outside of its state folder that the settings make it write to.
    pub(crate) writes_to: Vec<String>,
}

impl Job {
    /// What follows the program on its command line.
    pub(crate) fn arguments(&self) -> [&str; 4] {
        [self.role.name(), "start", "--config", &self.configuration]
    }
}
