//! Where state is kept when nobody says.

use std::ffi::OsString;
use std::path::PathBuf;

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

/// A folder for `part` in the one that systemd made for the service, or in that of the system for root,
/// or in the user's own (XDG Base Directory Specification); `None` without a home.
fn default(part: &str, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if let Some(given) = variable("STATE_DIRECTORY") {
        // systemd separates several folders by colons.
        let first = given.to_string_lossy().split(':').next().map(PathBuf::from)?;
        // A service has a folder for its role alone.
        return Some(if first.ends_with(part) { first } else { first.join(part) });
    }
    if is_root() {
        return Some(PathBuf::from("/var/lib/chasar").join(part));
    }
    let state = variable("XDG_STATE_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let state = state.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".local/state")))?;
    Some(state.join("chasar").join(part))
}

#[cfg(target_os = "linux")]
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    // The owner of a process's folder is its effective user (proc_pid(5)).
    std::fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
}

#[cfg(not(target_os = "linux"))]
fn is_root() -> bool {
    false
}
