//! OpenRC: the script for supervise-daemon(8), and the steps to install and remove it.

use chasar_doctor::shell;

use super::install::Facts;
use super::plan::{Call, Step};
use super::systemd::own_folder;
use super::{ACCOUNT, Init, Job, Role};

/// Where a service writes what it has to say.
pub(crate) fn log(role: Role) -> String {
    format!("/var/log/chasar/{}.log", role.name())
}

fn rotation(role: Role) -> String {
    format!("/etc/logrotate.d/{}", role.service())
}

/// The script, as openrc-run(8) wants it.
pub(crate) fn script(job: &Job) -> String {
    let role = job.role;
    let mut arguments = Vec::new();
    for argument in job.arguments() {
        arguments.push(shell(argument));
    }
    let arguments = arguments.join(" ");
    let limit = match role {
        Role::Clientnode => "",
        Role::Masternode => "rc_ulimit=\"-n 65536\"\n",
    };
    let state = Init::Openrc.state(role);
    format!(
        r#"#!/sbin/openrc-run
# Written by chasar service install.

name="Chasar {name}"
description="{description}"
supervisor=supervise-daemon
# Evaluated twice, hence the two layers of quotes.
command={command}
command_args={arguments}
command_user="{ACCOUNT}:{ACCOUNT}"
error_log="{log}"
umask=0077
no_new_privs=yes
# Never give up, however often it ended.
respawn_delay=5
respawn_max=0
retry="TERM/15/KILL/5"
{limit}
export STATE_DIRECTORY="{state}"

depend() {{
	need localmount
	use net dns logger
	after firewall ntp-client
}}

start_pre() {{
	checkpath --directory --mode 0755 /var/lib/chasar /var/log/chasar || return 1
	checkpath --directory --owner "$command_user" --mode 0700 "$STATE_DIRECTORY" || return 1
	checkpath --file --owner "$command_user" --mode 0640 "$error_log"
}}
"#,
        name = role.name(),
        description = role.description(),
        command = shell(&shell(&job.exe)),
        arguments = shell(&arguments),
        log = log(role),
    )
}

/// Keeps the log small (logrotate(8)).
fn log_rotation(role: Role) -> String {
    format!(
        "{} {{\n\tsize 1M\n\trotate 3\n\tcompress\n\tmissingok\n\tnotifempty\n\tcopytruncate\n}}\n",
        log(role)
    )
}

/// From a system without the service, or with an older one, to one with it.
pub(crate) fn install(job: &Job, facts: &Facts, steps: &mut Vec<Step>) {
    let service = job.role.service();
    if !facts.account && facts.root.is_none() {
        if facts.busybox {
            let group = Call::new("addgroup", ["-S", ACCOUNT]);
            steps.push(Step::Run { call: group, undo: Some(Call::new("delgroup", [ACCOUNT]).if_need_be()) });
            let user =
                ["-S", "-D", "-H", "-h", "/var/lib/chasar", "-s", "/sbin/nologin", "-G", ACCOUNT, ACCOUNT];
            let undo = Some(Call::new("deluser", [ACCOUNT]));
            steps.push(Step::Run { call: Call::new("adduser", user), undo });
        } else {
            let user = [
                "--system",
                "--user-group",
                "--no-create-home",
                "--home-dir",
                "/var/lib/chasar",
                "--shell",
                "/sbin/nologin",
                ACCOUNT,
            ];
            let undo = Some(Call::new("userdel", [ACCOUNT]));
            steps.push(Step::Run { call: Call::new("useradd", user), undo });
        }
    }
    // Before all that is written: what runs again after an undoing reads what was there.
    if facts.root.is_none() && facts.running {
        steps.push(Step::WhenUndone(Call::new("rc-service", [service, "restart"]).if_need_be()));
    }
    facts.configuration_steps(steps);
    if facts.root.is_none() {
        steps.extend(job.writes_to.iter().map(|folder| own_folder(folder)));
    }
    steps.push(Step::Folder { path: "/etc/logrotate.d".to_owned(), mode: 0o755 });
    steps.push(Step::File { path: rotation(job.role), text: log_rotation(job.role), mode: 0o644 });
    let path = Init::Openrc.unit(job.role);
    steps.push(Step::Folder { path: "/etc/init.d".to_owned(), mode: 0o755 });
    steps.push(Step::File { path: path.clone(), text: script(job), mode: 0o755 });
    if facts.root.is_some() {
        // What `rc-update add` does, which knows no other root.
        steps.push(Step::Folder { path: "/etc/runlevels/default".to_owned(), mode: 0o755 });
        steps.push(Step::Link { path: format!("/etc/runlevels/default/{service}"), target: path });
        return;
    }
    let undo = (!facts.enabled).then(|| Call::new("rc-update", ["delete", service, "default"]));
    steps.push(Step::Run { call: Call::new("rc-update", ["add", service, "default"]), undo });
    if facts.start {
        let explained = Call::new("tail", ["-n", "5", &log(job.role)]);
        let call = Call::new("rc-service", [service, "restart"]).explained_by(explained);
        let undo = (!facts.running).then(|| Call::new("rc-service", [service, "stop"]));
        steps.push(Step::Run { call, undo });
    }
}

/// Back to a system without the service.
pub(crate) fn uninstall(role: Role, facts: &Facts, steps: &mut Vec<Step>) {
    let service = role.service();
    if facts.root.is_some() {
        steps.push(Step::Remove { path: format!("/etc/runlevels/default/{service}") });
    } else {
        if facts.running {
            steps.push(Step::run(Call::new("rc-service", [service, "stop"])));
        }
        if facts.enabled {
            steps.push(Step::run(Call::new("rc-update", ["delete", service, "default"])));
        }
    }
    steps.push(Step::Remove { path: Init::Openrc.unit(role) });
    steps.push(Step::Remove { path: rotation(role) });
    if facts.purge {
        steps.push(Step::Remove { path: log(role) });
        steps.push(Step::RemoveEmpty { path: "/var/log/chasar".to_owned() });
    }
}
