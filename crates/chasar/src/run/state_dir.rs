//! Where state is kept when nobody says.

use std::ffi::OsString;
use std::path::PathBuf;

#[cfg(not(windows))]
use crate::root::is_root;
use crate::settings::definition::AnySetting;
use crate::settings::layers::Layers;
use crate::settings::problem::{Place, Problem};

/// The default folder of `part`; without one, that is a problem.
pub(crate) fn default_or_problem<E: Fn(&str) -> Option<OsString>>(
    layers: &mut Layers<E>,
    part: &str,
    setting: &dyn AnySetting,
) -> Option<PathBuf> {
    let folder = default(part, |name| layers.variable(name));
    if folder.is_none() {
        let place = Place::CommandLine(setting.spec().on_command_line());
        let message = "there is no home folder to keep state in; name a folder".to_owned();
        layers.problems.push(Problem { place, message });
    }
    folder
}

/// A folder for `part` in the data of all users for a service, else in the user's own.
#[cfg(windows)]
fn default(part: &str, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let of_user = if crate::windows::service::runs() { None } else { variable("LOCALAPPDATA") };
    // An account that never signed in has no folder of its own.
    let data = of_user.or_else(|| variable("ProgramData"))?;
    Some(PathBuf::from(data).join("chasar").join(part))
}

/// A folder for `part` in the one that systemd made for the service, or in that of the system for root,
/// or in the user's own; `None` without a home.
#[cfg(not(windows))]
fn default(part: &str, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if let Some(given) = variable("STATE_DIRECTORY") {
        // systemd separates several folders by colons.
        let first = given.to_string_lossy().split(':').next().map(PathBuf::from)?;
        // A service has a folder for its role alone.
        return Some(if first.ends_with(part) { first } else { first.join(part) });
    }
    if is_root() {
        return Some(PathBuf::from(OF_SYSTEM).join(part));
    }
    Some(of_user(cfg!(target_os = "macos"), variable)?.join("chasar").join(part))
}

/// Where the system keeps the state of what root runs: hier(7), and what the launchd plist names.
#[cfg(not(windows))]
const OF_SYSTEM: &str = if cfg!(target_os = "macos") {
    "/usr/local/var/chasar"
} else if cfg!(target_os = "freebsd") {
    "/var/db/chasar"
} else {
    "/var/lib/chasar"
};

/// Where a user's programs keep their state: the XDG Base Directory Specification, and on macOS the folder
/// that its File System Programming Guide names, unless the user has chosen.
#[cfg(not(windows))]
fn of_user(macos: bool, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let chosen = variable("XDG_STATE_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let usual = if macos { "Library/Application Support" } else { ".local/state" };
    chosen.or_else(|| Some(PathBuf::from(variable("HOME")?).join(usual)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_s_state_is_where_the_system_keeps_such() {
        let home = |name: &str| (name == "HOME").then(|| OsString::from("/home/me"));
        assert_eq!(of_user(false, home), Some("/home/me/.local/state".into()));
        assert_eq!(of_user(true, home), Some("/home/me/Library/Application Support".into()));
        assert_eq!(of_user(true, |_| None), None, "without a home");
        for (chosen, state) in [("/elsewhere", "/elsewhere"), ("not/whole", "/home/me/.local/state")] {
            let variable = |name: &str| match name {
                "XDG_STATE_HOME" => Some(OsString::from(chosen)),
                name => home(name),
            };
            assert_eq!(of_user(false, variable), Some(state.into()));
        }
    }
}
