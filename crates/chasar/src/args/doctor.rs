//! `chasar doctor` as it is typed.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{ClientnodeSection, MasternodeSection, Typed};

/// Say what is wrong, why it matters, and what to do
#[derive(Debug, Args)]
#[command(
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n\
Looked at are the configuration, the ports and who has them, the way to the masternode and who answers there, \
clocks, probes, folders and the spool, the limit of open files, the nodes of the masternode, what it dropped, \
and whether the stream delivers. Nothing is changed; in each \
folder that has to be writable a small file is written and removed. A role takes the arguments of its start; without a role, \
the daemons that run here are examined as they were started, else what is configured.\n\n\
Exit codes:\n  0    nothing is wrong; there may be notes\n  1    something is wrong\n  2    wrong arguments; \
nothing was examined")
)]
pub(crate) struct Doctor {
    /// What to examine; without it, what runs or is configured here
    #[command(subcommand)]
    pub(crate) role: Option<DoctorRole>,
    /// Print one object of JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Show what is fine, too
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    /// Configuration file [env: CHASAR_CONFIG]
    #[arg(long, value_name = "path", global = true, value_hint = clap::ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
}

/// What to examine.
#[derive(Debug, Subcommand)]
pub(crate) enum DoctorRole {
    /// This computer as a clientnode; takes the arguments of chasar clientnode start
    #[command(after_help = "\
Examples:
  chasar doctor clientnode                       as configured, or running
  chasar doctor clientnode server.example        of this masternode
  chasar doctor clientnode server.example 5556   with another port")]
    Clientnode(Typed<ClientnodeSection>),
    /// The masternode on this computer; takes the arguments of chasar masternode start
    #[command(after_help = "\
Examples:
  chasar doctor masternode                 as configured, or running
  chasar doctor masternode 0.0.0.0         before it is started there
  chasar doctor masternode 0.0.0.0 5556    with another port")]
    Masternode(Typed<MasternodeSection>),
}

const EXAMPLES: &str = "\
Examples:
  chasar doctor                              what runs here, or is configured here
  chasar doctor clientnode server.example    this computer, reporting to that masternode
  chasar doctor masternode                   the masternode on this computer
  chasar doctor --verbose                    what is fine, too
  chasar doctor --json | jq '.sections[].findings[] | select(.verdict == \"wrong\")'";
