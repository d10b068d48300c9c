//! Windows: what the service control manager is told, and the steps to install and remove a service.

use std::fmt;
use std::time::Duration;

use super::install::Facts;
use super::plan::{Call, Scm, Step};
use super::{Init, Job, Role};

/// Waits before the first, second and every further start after a failure.
pub(crate) const RESTART_AFTER: [Duration; 3] =
    [Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(60)];
/// Without a failure for so long, the count begins anew.
pub(crate) const RESET_AFTER: Duration = Duration::from_secs(24 * 3600);
/// Has the least rights of the accounts that every Windows has.
pub(crate) const ACCOUNT: &str = r"NT AUTHORITY\LocalService";

/// A service as the service control manager wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Registration {
    /// Its name.
    pub(crate) service: &'static str,
    /// Its name for people.
    pub(crate) display: String,
    /// What it does.
    pub(crate) description: &'static str,
    /// The program.
    pub(crate) exe: String,
    /// What follows it.
    pub(crate) arguments: Vec<String>,
}

impl fmt::Display for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Registration { service, display, description, exe, arguments } = self;
        write!(
            f,
            "{service} ({display}: {description}): \"{exe}\" {}; it starts with the system as {ACCOUNT}, and again \
             {} after a failure (anew after {} h without one)",
            arguments.join(" "),
            RESTART_AFTER.map(|d| format!("{} s", d.as_secs())).join(", "),
            RESET_AFTER.as_secs() / 3600
        )
    }
}

/// What to register for `job`.
pub(crate) fn registration(job: &Job) -> Registration {
    Registration {
        service: job.role.service(),
        display: format!("Chasar {}", job.role.name()),
        description: job.role.description(),
        exe: job.exe.clone(),
        // With this word the program speaks to the service control manager.
        arguments: job.arguments().into_iter().chain(["--service"]).map(str::to_owned).collect(),
    }
}

/// From a system without the service, or with an older one, to one with it.
pub(crate) fn install(job: &Job, facts: &Facts, steps: &mut Vec<Step>) {
    let service = job.role.service();
    // Before all that is written: what runs again after an undoing reads what was there.
    if facts.running {
        steps.push(Step::WhenUndone(Call::new("sc.exe", ["start", service]).if_need_be()));
    }
    facts.configuration_steps(steps);
    if facts.root.is_none() {
        let state = Init::Windows.state(job.role);
        steps.push(Step::Folder { path: state.clone(), mode: 0o700 });
        steps.push(Step::run(for_the_service_alone(&state)));
    }
    let undo = (!facts.installed).then_some(Scm::Delete { service });
    steps.push(Step::Scm { order: Scm::Register(registration(job)), undo });
    if facts.start {
        let undo = (!facts.running).then_some(Scm::Stop { service });
        steps.push(Step::Scm { order: Scm::Restart { service }, undo });
    }
}

/// Takes a folder from all users, who may read what is below `%ProgramData%`, and gives it to the system, the
/// administrators and the account, by their numbers: names differ from language to language (well-known SIDs).
fn for_the_service_alone(folder: &str) -> Call {
    let rights = ["*S-1-5-18:(OI)(CI)F", "*S-1-5-32-544:(OI)(CI)F", "*S-1-5-19:(OI)(CI)M"];
    Call::new("icacls", [folder, "/inheritance:r", "/grant:r"].into_iter().chain(rights).chain(["/q"]))
}

/// Back to a system without the service.
pub(crate) fn uninstall(role: Role, facts: &Facts, steps: &mut Vec<Step>) {
    let service = role.service();
    if facts.running {
        steps.push(Step::Scm { order: Scm::Stop { service }, undo: None });
    }
    if facts.installed {
        steps.push(Step::Scm { order: Scm::Delete { service }, undo: None });
    }
}
