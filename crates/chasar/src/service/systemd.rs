//! systemd: the unit, and the steps to install and remove it.

use super::install::Facts;
use super::plan::{Call, Step};
use super::{ACCOUNT, Job, Role};

/// Where the account is described.
pub(crate) const SYSUSERS: &str = "/etc/sysusers.d/chasar.conf";

/// Where packages put units, in the order in which systemd looks.
pub(crate) const OF_PACKAGES: [&str; 2] = ["/usr/lib/systemd/system", "/lib/systemd/system"];

/// The account, as sysusers.d(5) wants it.
pub(crate) fn sysusers() -> String {
    format!("# The account of the services of Chasar.\nu {ACCOUNT} - \"Chasar\" /var/lib/chasar -\n")
}

/// The unit. Names of directives as in systemd.exec(5) and systemd.service(5) of systemd 254; an older one
/// warns of those it does not know and goes on without.
pub(crate) fn unit(job: &Job) -> String {
    let name = job.role.name();
    let mut command = quoted(&job.exe);
    for argument in job.arguments() {
        command += &format!(" {}", quoted(argument));
    }
    let mut writes = String::new();
    for folder in &job.writes_to {
        // With a dash: that a folder is missing is said better by the program than by systemd.
        writes += &format!("ReadWritePaths={}\n", quoted(&format!("-{folder}")));
    }
    let order = match job.role {
        // The agent waits for the network by itself, so that its first reports tell of the boot.
        Role::Clientnode => "After=network.target nss-lookup.target\n",
        // Addresses to listen on have to be there.
        Role::Masternode => "Wants=network-online.target\nAfter=network-online.target nss-lookup.target\n",
    };
    let limits = match job.role {
        Role::Clientnode => "",
        Role::Masternode => "LimitNOFILE=65536\n",
    };
    format!(
        "\
# Written by chasar service install; changes belong into a file of their own (systemctl edit chasar-{name}).
[Unit]
Description={description}
{order}# Never give up, however often it ended.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
Restart=always
# Wrong arguments or configuration: nothing changes until somebody changes it.
RestartPreventExitStatus=2
RestartSec=1
RestartSteps=6
RestartMaxDelaySec=60
WatchdogSec=30
TimeoutStopSec=15
{limits}
User={ACCOUNT}
Group={ACCOUNT}
StateDirectory=chasar/{name}
StateDirectoryMode=0700
{writes}UMask=0077

CapabilityBoundingSet=
AmbientCapabilities=
NoNewPrivileges=yes
PrivateMounts=yes
PrivateDevices=yes
DevicePolicy=closed
ProtectSystem=strict
{sight}ProtectClock=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
# To read the limit of open files.
SystemCallFilter=prlimit64
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
",
        description = job.role.description(),
        sight = sight(job.role),
    )
}

/// What a role sees of the system.
fn sight(role: Role) -> &'static str {
    match role {
        Role::Clientnode => {
            "\
# What is measured has to be seen: all processes and their users, all of /proc, the file systems at
# /home and /tmp, and the name of the host also after it was changed.
ProtectProc=default
ProcSubset=all
PrivateUsers=no
ProtectHome=read-only
PrivateTmp=no
ProtectHostname=no
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
"
        }
        Role::Masternode => {
            "\
ProtectProc=invisible
ProcSubset=pid
PrivateUsers=yes
ProtectHome=yes
PrivateTmp=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
"
        }
    }
}

/// One word of a command line or a list (systemd.syntax(7), systemd.unit(5) on specifiers).
fn quoted(word: &str) -> String {
    let word = word.replace('%', "%%").replace('$', "$$");
    if word.contains([' ', '\t', '"', '\'', '\\', ';']) {
        format!("\"{}\"", word.replace('\\', r"\\").replace('"', "\\\""))
    } else {
        word
    }
}

fn systemctl<const N: usize>(arguments: [&str; N]) -> Call {
    Call::new("systemctl", arguments)
}

/// The file name of the unit.
pub(crate) fn unit_name(role: Role) -> String {
    format!("{}.service", role.service())
}

/// From a system without the service, or with an older one, to one with it.
pub(crate) fn install(job: &Job, facts: &Facts, steps: &mut Vec<Step>) {
    let unit = unit_name(job.role);
    let unit = unit.as_str();
    if !facts.account {
        steps.push(Step::Folder { path: "/etc/sysusers.d".to_owned(), mode: 0o755 });
        steps.push(Step::File { path: SYSUSERS.to_owned(), text: sysusers(), mode: 0o644 });
        let root = facts.root.as_ref().map(|root| format!("--root={root}"));
        let call = Call::new("systemd-sysusers", root.into_iter().chain(["chasar.conf".to_owned()]));
        let undo = facts.root.is_none().then(|| Call::new("userdel", [ACCOUNT]));
        steps.push(Step::Run { call, undo });
    }
    if facts.root.is_none() {
        // Before all that is written: what runs again after an undoing reads what was there.
        if facts.running {
            steps.push(Step::WhenUndone(systemctl(["restart", unit]).if_need_be()));
        }
        steps.push(Step::WhenUndone(systemctl(["daemon-reload"])));
    }
    facts.configuration_steps(steps);
    if facts.root.is_none() {
        steps.extend(job.writes_to.iter().map(|folder| own_folder(folder)));
    }
    let text = self::unit(job);
    // The same from a package needs no second one above it.
    if facts.packaged.as_deref() != Some(text.as_str()) || facts.installed {
        steps.push(Step::Folder { path: "/etc/systemd/system".to_owned(), mode: 0o755 });
        steps.push(Step::File { path: super::Init::Systemd.unit(job.role), text, mode: 0o644 });
    }
    if let Some(root) = &facts.root {
        steps.push(Step::run(Call::new("systemctl", [&format!("--root={root}"), "enable", unit])));
        return;
    }
    steps.push(Step::run(systemctl(["daemon-reload"])));
    let disable = (!facts.enabled).then(|| systemctl(["disable", unit]));
    steps.push(Step::Run { call: systemctl(["enable", unit]), undo: disable });
    if facts.start {
        let log = ["-u", unit, "-n", "5", "-o", "cat", "--no-pager"];
        let call = systemctl(["restart", unit]).explained_by(Call::new("journalctl", log));
        let undo = (!facts.running).then(|| systemctl(["stop", unit]));
        steps.push(Step::Run { call, undo });
    }
}

/// Back to a system without the service.
pub(crate) fn uninstall(role: Role, facts: &Facts, steps: &mut Vec<Step>) {
    let unit = unit_name(role);
    let unit = unit.as_str();
    match &facts.root {
        Some(root) => {
            steps.push(Step::run(Call::new("systemctl", [&format!("--root={root}"), "disable", unit])))
        }
        None => steps.push(Step::run(systemctl(["disable", "--now", unit]))),
    }
    steps.push(Step::Remove { path: super::Init::Systemd.unit(role) });
    if facts.root.is_none() {
        steps.push(Step::run(systemctl(["daemon-reload"])));
        steps.push(Step::run(systemctl(["reset-failed", unit]).if_need_be()));
    }
}

/// A folder that belongs to the account.
pub(crate) fn own_folder(path: &str) -> Step {
    Step::run(Call::new("install", ["-d", "-m", "0700", "-o", ACCOUNT, "-g", ACCOUNT, path]))
}
