//! launchd: the property list of a daemon (launchd.plist(5)), and the steps to install and remove it.

use super::install::Facts;
use super::plan::{Call, Step};
use super::{Init, Job, Role};

/// The name of the daemon.
pub(crate) fn label(role: Role) -> &'static str {
    match role {
        Role::Clientnode => "chasar.clientnode",
        Role::Masternode => "chasar.masternode",
    }
}

/// The account. The masternode needs no right at all; macOS tells the processor time and memory of other
/// users' processes to root alone, so the agent that reports them has to be root.
fn account(role: Role) -> &'static str {
    match role {
        Role::Clientnode => "root",
        Role::Masternode => "nobody",
    }
}

/// Where a service writes what it has to say.
pub(crate) fn log(role: Role) -> String {
    format!("/usr/local/var/log/chasar/{}.log", role.name())
}

fn rotation(role: Role) -> String {
    format!("/etc/newsyslog.d/{}.conf", label(role))
}

/// The property list.
pub(crate) fn plist(job: &Job) -> String {
    let role = job.role;
    let mut arguments = String::new();
    for argument in std::iter::once(job.exe.as_str()).chain(job.arguments()) {
        arguments += &format!("\t\t<string>{}</string>\n", escaped(argument));
    }
    let limits = match role {
        Role::Clientnode => "",
        Role::Masternode => {
            "\t<key>SoftResourceLimits</key>\n\t<dict>\n\t\t<key>NumberOfFiles</key>\n\t\t<integer>65536</integer>\n\t</dict>\n"
        }
    };
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>{label}</string>
	<key>ProgramArguments</key>
	<array>
{arguments}	</array>
	<key>EnvironmentVariables</key>
	<dict>
		<key>STATE_DIRECTORY</key>
		<string>{state}</string>
	</dict>
	<key>UserName</key>
	<string>{account}</string>
	<key>RunAtLoad</key>
	<true/>
	<key>KeepAlive</key>
	<true/>
	<key>ThrottleInterval</key>
	<integer>10</integer>
	<key>ExitTimeOut</key>
	<integer>15</integer>
	<key>Umask</key>
	<integer>63</integer>
{limits}	<key>StandardErrorPath</key>
	<string>{log}</string>
</dict>
</plist>
"#,
        label = label(role),
        state = Init::Launchd.state(role),
        account = account(role),
        log = log(role),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// From a system without the service, or with an older one, to one with it.
pub(crate) fn install(job: &Job, facts: &Facts, steps: &mut Vec<Step>) {
    let (role, label) = (job.role, label(job.role));
    let path = Init::Launchd.unit(role);
    // Before all that is written: what runs again after an undoing reads what was there.
    if facts.root.is_none() && facts.running {
        steps.push(Step::WhenUndone(Call::new("launchctl", ["bootstrap", "system", &path]).if_need_be()));
    }
    facts.configuration_steps(steps);
    let state = Init::Launchd.state(role);
    for folder in ["/usr/local/var/chasar", "/usr/local/var/log/chasar"] {
        steps.push(Step::Folder { path: folder.to_owned(), mode: 0o755 });
    }
    steps.push(Step::Folder { path: state.clone(), mode: 0o700 });
    let domain = format!("system/{label}");
    if facts.root.is_none() {
        for folder in std::iter::once(&state).chain(&job.writes_to) {
            steps.push(Step::run(Call::new("chown", [account(role), folder])));
        }
    }
    let rotate = format!("# logfilename mode count size when flags\n{} 640 3 1024 * J\n", log(role));
    steps.push(Step::Folder { path: "/etc/newsyslog.d".to_owned(), mode: 0o755 });
    steps.push(Step::File { path: rotation(role), text: rotate, mode: 0o644 });
    steps.push(Step::Folder { path: "/Library/LaunchDaemons".to_owned(), mode: 0o755 });
    steps.push(Step::File { path: path.clone(), text: plist(job), mode: 0o644 });
    if facts.root.is_some() {
        return;
    }
    // What is loaded does not see a changed file.
    if facts.running {
        steps.push(Step::run(Call::new("launchctl", ["bootout", &domain]).if_need_be()));
    }
    steps.push(Step::run(Call::new("launchctl", ["enable", &domain])));
    if facts.start {
        let undo = Some(Call::new("launchctl", ["bootout", &domain]));
        let explained = Call::new("tail", ["-n", "5", &log(role)]);
        let call = Call::new("launchctl", ["bootstrap", "system", &path]).explained_by(explained);
        steps.push(Step::Run { call, undo });
    }
}

/// Back to a system without the service.
pub(crate) fn uninstall(role: Role, facts: &Facts, steps: &mut Vec<Step>) {
    if facts.root.is_none() && facts.running {
        steps.push(Step::run(Call::new("launchctl", ["bootout", &format!("system/{}", label(role))])));
    }
    steps.push(Step::Remove { path: Init::Launchd.unit(role) });
    steps.push(Step::Remove { path: rotation(role) });
    if facts.purge {
        steps.push(Step::Remove { path: log(role) });
        steps.push(Step::RemoveEmpty { path: "/usr/local/var/log/chasar".to_owned() });
    }
}
