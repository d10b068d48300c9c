//! What is there already, and from that the steps to install or remove a service.

use std::path::Path;

use super::carry_out::Hands;
use super::plan::{Call, Step};
use super::{ACCOUNT, Init, Job, Role, configuration, launchd, openrc, systemd, windows};

/// What the steps depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Files go below this folder, and nothing is started.
    pub(crate) root: Option<String>,
    /// The account is there.
    pub(crate) account: bool,
    /// Accounts are made with the programs of busybox.
    pub(crate) busybox: bool,
    /// The service is there, made by us.
    pub(crate) installed: bool,
    /// The text of the same unit from a package.
    pub(crate) packaged: Option<String>,
    /// How it is registered with the service control manager of Windows.
    pub(crate) registered: Option<windows::Registration>,
    /// It starts with the system.
    pub(crate) enabled: bool,
    /// It runs now.
    pub(crate) running: bool,
    /// It is to be started.
    pub(crate) start: bool,
    /// What it remembers is to be removed too.
    pub(crate) purge: bool,
    /// The configuration file and what is to be in it.
    pub(crate) configuration: Option<(String, String)>,
}

impl Facts {
    /// Looks.
    pub(crate) fn find(init: Init, role: Role, root: Option<&Path>, hands: &mut dyn Hands) -> Facts {
        let account = hands.read("/etc/passwd").ok().flatten().is_some_and(|(text, _)| {
            let mine = format!("{ACCOUNT}:");
            String::from_utf8_lossy(&text).lines().any(|line| line.starts_with(&mine))
        });
        let mut facts = Facts {
            root: root.map(|r| r.to_string_lossy().into_owned()),
            account,
            busybox: !hands.exists("/usr/sbin/useradd") && !hands.exists("/sbin/useradd"),
            installed: hands.exists(&init.unit(role)),
            start: root.is_none(),
            ..Facts::default()
        };
        let live = root.is_none();
        let mut works = |call: Call| live && hands.call(&call).is_ok();
        match init {
            Init::Systemd => {
                let unit = systemd::unit_name(role);
                facts.enabled = works(Call::new("systemctl", ["is-enabled", "--quiet", &unit]));
                facts.running = works(Call::new("systemctl", ["is-active", "--quiet", &unit]));
                facts.packaged = systemd::OF_PACKAGES.iter().find_map(|folder| {
                    let (text, _) = hands.read(&format!("{folder}/{unit}")).ok().flatten()?;
                    String::from_utf8(text).ok()
                });
            }
            Init::Openrc => {
                facts.running = works(Call::new("rc-service", [role.service(), "status"]));
                facts.enabled = hands.exists(&format!("/etc/runlevels/default/{}", role.service()));
            }
            Init::Launchd => {
                let label = format!("system/{}", launchd::label(role));
                facts.running = works(Call::new("launchctl", ["print", &label]));
                facts.enabled = facts.installed;
            }
            Init::Windows => {
                #[cfg(windows)]
                {
                    let state = super::scm::look(role.service());
                    facts.installed = state.is_some();
                    facts.registered = super::scm::registered(role);
                    facts.enabled = facts.installed;
                    facts.running = state.is_some_and(|s| s.running);
                }
            }
        }
        facts
    }

    /// The folder and the file of the settings.
    pub(crate) fn configuration_steps(&self, steps: &mut Vec<Step>) {
        let Some((path, text)) = &self.configuration else { return };
        if let Some(folder) = parent(path) {
            steps.push(Step::Folder { path: folder.to_owned(), mode: 0o755 });
        }
        steps.push(Step::File { path: path.clone(), text: text.clone(), mode: 0o644 });
    }

    /// Whether there is anything to uninstall.
    pub(crate) fn is_something_there(&self) -> bool {
        self.installed || self.enabled || self.running
    }
}

fn parent(path: &str) -> Option<&str> {
    let end = path.rfind(['/', '\\'])?;
    Some(&path[..end]).filter(|folder| !folder.is_empty())
}

/// The init system of a computer.
///
/// # Errors
/// When there is none that this program knows.
pub(crate) fn detect(root: Option<&Path>, hands: &mut dyn Hands) -> Result<Init, String> {
    const KNOWN: &str = "systemd, OpenRC, launchd and the services of Windows";
    if root.is_some() {
        let is_there = |hands: &mut dyn Hands, paths: &[&str]| paths.iter().any(|path| hands.exists(path));
        if is_there(hands, &["/usr/lib/systemd/systemd", "/lib/systemd/systemd"]) {
            return Ok(Init::Systemd);
        }
        if is_there(hands, &["/sbin/openrc-run", "/usr/sbin/openrc-run"]) {
            return Ok(Init::Openrc);
        }
        if is_there(hands, &["/Library/LaunchDaemons"]) {
            return Ok(Init::Launchd);
        }
        return Err(format!("there is no init system below --root; say which with --init (known: {KNOWN})"));
    }
    if cfg!(windows) {
        return Ok(Init::Windows);
    }
    if cfg!(target_os = "macos") {
        return Ok(Init::Launchd);
    }
    // As sd_booted(3) does.
    if hands.exists("/run/systemd/system") {
        return Ok(Init::Systemd);
    }
    if hands.exists("/run/openrc") {
        return Ok(Init::Openrc);
    }
    Err(format!(
        "no init system runs here that this program knows ({KNOWN}); in a container start the role itself: \
         chasar clientnode start; for an image give --root DIR and --init"
    ))
}

/// All steps of an installation.
pub(crate) fn install(init: Init, job: &Job, facts: &Facts) -> Vec<Step> {
    let mut steps = Vec::new();
    match init {
        Init::Systemd => systemd::install(job, facts, &mut steps),
        Init::Openrc => openrc::install(job, facts, &mut steps),
        Init::Launchd => launchd::install(job, facts, &mut steps),
        Init::Windows => windows::install(job, facts, &mut steps),
    }
    steps
}

/// All steps of a removal, and a line for each thing that stays.
pub(crate) fn uninstall(
    init: Init,
    role: Role,
    facts: &Facts,
    other_installed: bool,
    hands: &mut dyn Hands,
) -> (Vec<Step>, Vec<String>) {
    let (mut steps, mut stays) = (Vec::new(), Vec::new());
    if facts.is_something_there() {
        match init {
            Init::Systemd => systemd::uninstall(role, facts, &mut steps),
            Init::Openrc => openrc::uninstall(role, facts, &mut steps),
            Init::Launchd => launchd::uninstall(role, facts, &mut steps),
            Init::Windows => windows::uninstall(role, facts, &mut steps),
        }
    }
    if facts.packaged.is_some() {
        stays.push(format!(
            "the unit of the package; remove the package to be rid of it ({})",
            role.service()
        ));
    }
    let path = init.configuration();
    if let Ok(Some((text, _))) = hands.read(path) {
        let ours = String::from_utf8(text).is_ok_and(|text| configuration::is_ours(&text));
        if other_installed {
            stays.push(format!("{path}, which the service {} reads too", role.other().service()));
        } else if facts.packaged.is_some() {
            stays.push(format!("{path}, of the package"));
        } else if ours || facts.purge {
            steps.push(Step::Remove { path: path.to_owned() });
            steps.extend(parent(path).map(|path| Step::RemoveEmpty { path: path.to_owned() }));
        } else {
            stays.push(format!("{path}, which somebody has edited (--purge removes it)"));
        }
    }
    let state = init.state(role);
    if hands.exists(&state) {
        if facts.purge {
            steps.push(Step::RemoveTree { path: state.clone() });
            steps.extend(parent(&state).map(|path| Step::RemoveEmpty { path: path.to_owned() }));
        } else {
            stays.push(format!("{state}, what the service remembers (--purge removes it)"));
        }
    }
    if matches!(init, Init::Systemd | Init::Openrc) && facts.account {
        if facts.purge && !other_installed && facts.root.is_none() && facts.packaged.is_none() {
            steps.push(Step::Remove { path: systemd::SYSUSERS.to_owned() });
            let userdel = if facts.busybox { "deluser" } else { "userdel" };
            steps.push(Step::run(Call::new(userdel, [ACCOUNT])));
        } else {
            stays.push(format!("the account {ACCOUNT} (--purge removes it with the last service)"));
        }
    }
    (steps, stays)
}
