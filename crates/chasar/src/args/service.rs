//! `chasar service`: what can be typed.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{ClientnodeSection, LogSection, MasternodeSection, Typed};
use crate::service::{Init, Role};

/// What can be done with services.
#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// Make a role start with the system, and start it now
    #[command(
        arg_required_else_help = true,
        subcommand_required = true,
        after_help = "\
Examples:
  chasar service install clientnode server.example
  chasar service install masternode 0.0.0.0 --dry-run    show what would be done, touch nothing"
    )]
    Install {
        #[command(subcommand)]
        role: InstallRole,
    },
    Uninstall(UninstallService),
    Status(ServiceStatus),
    Print(PrintService),
}

/// Which role to install, with the settings that `start` takes.
#[derive(Debug, Subcommand)]
pub(crate) enum InstallRole {
    Clientnode(InstallClientnode),
    Masternode(InstallMasternode),
}

const WHAT_INSTALL_DOES: &str = "\
Settings that are typed here are written into the configuration file that the service reads; what else is in \
it stays, comments too. Then the service is registered with the init system (systemd, OpenRC, launchd, the \
service control manager of Windows), enabled and started, and started again whenever it ends. Under systemd \
and OpenRC it runs as the account \"chasar\", without any privilege.

Run it again to change settings, or after the program was replaced. If a step fails, those before it are \
undone. chasar service uninstall removes the service and says what stays; --purge removes that too, but for a \
file given with --config.";

/// Make the clientnode start with the system, and start it now
#[derive(Debug, Args)]
#[command(
    after_help = INSTALL_CLIENTNODE,
    after_long_help = format!("{INSTALL_CLIENTNODE}\n\n{WHAT_INSTALL_DOES}")
)]
pub(crate) struct InstallClientnode {
    #[command(flatten)]
    pub(crate) settings: Typed<ClientnodeSection>,
    #[command(flatten)]
    pub(crate) log: Typed<LogSection>,
    #[command(flatten)]
    pub(crate) how: HowToInstall,
}

const INSTALL_CLIENTNODE: &str = "\
Examples:
  chasar service install clientnode server.example
  chasar service install clientnode server.example --interval 10 --processes none
  chasar service install clientnode server.example --dry-run     show what would be done, touch nothing";

/// Make the masternode start with the system, and start it now
#[derive(Debug, Args)]
#[command(
    after_help = INSTALL_MASTERNODE,
    after_long_help = format!("{INSTALL_MASTERNODE}\n\n{WHAT_INSTALL_DOES}")
)]
pub(crate) struct InstallMasternode {
    #[command(flatten)]
    pub(crate) settings: Typed<MasternodeSection>,
    #[command(flatten)]
    pub(crate) log: Typed<LogSection>,
    #[command(flatten)]
    pub(crate) how: HowToInstall,
}

const INSTALL_MASTERNODE: &str = "\
Examples:
  chasar service install masternode                        this computer only (127.0.0.1)
  chasar service install masternode 0.0.0.0 --http off     every IPv4 address, no HTTP
  chasar service install masternode 0.0.0.0 --dry-run      show what would be done, touch nothing";

/// How to install.
#[derive(Debug, Args)]
pub(crate) struct HowToInstall {
    /// Configuration file that the service reads; by default that of the system
    #[arg(long = "config", value_name = "path", value_hint = clap::ValueHint::FilePath)]
    pub(crate) configuration: Option<PathBuf>,
    /// Show what would be written and run, and touch nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Enable it, but start it only with the system
    #[arg(long)]
    pub(crate) no_start: bool,
    /// The program that the service runs [default: this one]
    #[arg(long, value_name = "path", value_hint = clap::ValueHint::FilePath)]
    pub(crate) exe: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) place: WhichSystem,
}

/// Which system.
#[derive(Debug, Args)]
pub(crate) struct WhichSystem {
    /// The init system, where it is not found by itself
    #[arg(long, value_name = "name")]
    pub(crate) init: Option<Init>,
    /// The system below this folder, such as an image: files are written there, nothing is started
    #[arg(long, value_name = "dir", value_hint = clap::ValueHint::DirPath)]
    pub(crate) root: Option<PathBuf>,
}

/// Stop a role and take its service off the system
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chasar service uninstall clientnode
  chasar service uninstall clientnode --dry-run    show what would be done, touch nothing
  chasar service uninstall masternode --purge      with all it remembers

What stays is said. It is no failure when the service is not installed.")]
pub(crate) struct UninstallService {
    /// Which service
    #[arg(value_name = "role")]
    pub(crate) role: Role,
    /// Remove what the service remembers and its configuration too
    #[arg(long)]
    pub(crate) purge: bool,
    /// Show what would be removed and run, and touch nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) place: WhichSystem,
}

/// Tell whether the services are installed and running
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chasar service status                  both roles
  chasar service status clientnode       one; scripts look at the exit code
  chasar service status --json | jq '.[].running'

Exit codes:
  0    running (without a role: every installed one is running)
  1    the status cannot be found out
  3    installed, but not running
  4    not installed")]
pub(crate) struct ServiceStatus {
    /// Which service; both without
    #[arg(value_name = "role")]
    pub(crate) role: Option<Role>,
    /// Print a JSON array with an object for each service
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) place: WhichSystem,
}

/// Print a file of the service, for packages
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chasar service print clientnode --exe /usr/bin/chasar > chasar-clientnode.service
  chasar service print masternode --init openrc
  chasar service print sysusers > chasar.conf")]
pub(crate) struct PrintService {
    /// What to print: the unit of a role, its account (sysusers.d), or an empty configuration
    #[arg(value_name = "what")]
    pub(crate) what: Printed,
    /// For this init system
    #[arg(long, value_name = "name", default_value = "systemd")]
    pub(crate) init: Init,
    /// The program that the service runs
    #[arg(long, value_name = "path", default_value = "/usr/bin/chasar")]
    pub(crate) exe: String,
}

/// What can be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Printed {
    /// The unit, script or property list of the clientnode.
    Clientnode,
    /// That of the masternode.
    Masternode,
    /// The account, for systemd-sysusers(8).
    Sysusers,
    /// A configuration file with nothing set.
    Config,
}
