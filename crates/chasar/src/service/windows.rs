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
    /// Who runs it.
    pub(crate) account: String,
    /// What starts it.
    pub(crate) start: Start,
}

/// What starts a service.
#[cfg_attr(not(windows), allow(dead_code, reason = "the others are met on Windows only"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// The system, when it starts.
    WithTheSystem,
    /// Somebody.
    ByHand,
    /// Nothing may.
    Never,
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Start::WithTheSystem => "starts with the system",
            Start::ByHand => "is started by hand",
            Start::Never => "is disabled",
        })
    }
}

impl fmt::Display for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Registration { service, display, description, exe, arguments, account, start } = self;
        write!(
            f,
            "{service} ({display}: {description}): \"{exe}\" {}; it {start} as {account}, and again \
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
        account: ACCOUNT.to_owned(),
        start: Start::WithTheSystem,
    }
}

/// The words of a command line, as Microsoft's C library parts them: spaces and tabs separate, quotes hold together,
/// backslashes are only themselves unless a quote follows ("Parsing C command-line arguments").
#[cfg_attr(not(windows), allow(dead_code, reason = "only Windows has such lines"))]
pub(crate) fn words_of(command_line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let (mut quoted, mut backslashes) = (false, 0);
    for c in command_line.chars() {
        if c == '\\' {
            backslashes += 1;
            continue;
        }
        if backslashes > 0 {
            let before_quote = c == '"';
            let kept = if before_quote { backslashes / 2 } else { backslashes };
            word.get_or_insert_default().extend(std::iter::repeat_n('\\', kept));
            let escaped = before_quote && backslashes % 2 == 1;
            backslashes = 0;
            if escaped {
                word.get_or_insert_default().push('"');
                continue;
            }
        }
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' | '\t' if !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    if backslashes > 0 {
        word.get_or_insert_default().extend(std::iter::repeat_n('\\', backslashes));
    }
    words.extend(word);
    words
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
    let undo = match &facts.registered {
        Some(former) => Some(Scm::Register(former.clone())),
        None => (!facts.installed).then_some(Scm::Delete { service }),
    };
    steps.push(Step::Scm { order: Scm::Register(registration(job)), undo });
    if facts.start {
        let undo = (!facts.running).then_some(Scm::Stop { service });
        let log = format!(r"{}\chasar.log", Init::Windows.state(job.role));
        steps.push(Step::Scm { order: Scm::Restart { service, log }, undo });
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn command_lines_are_parted_as_windows_parts_them() {
        for (line, words) in [
            (
                r#""C:\Program Files\chasar.exe" clientnode start"#,
                &[r"C:\Program Files\chasar.exe", "clientnode", "start"][..],
            ),
            (r"  a\b  c\ ", &[r"a\b", r"c\"]),
            (r#""" a"b c"d"#, &["", "ab cd"]),
            (r#""a\\" \"x\\\"y"#, &[r"a\", r#""x\"y"#]),
            ("", &[]),
        ] {
            assert_eq!(words_of(line), words, "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_was_quoted_is_read_back(words in prop::collection::vec(r#"[a" \\]{0,8}"#, 0..5)) {
            // The rule backwards: backslashes before a quote or the closing quote are doubled.
            let quoted = |word: &String| {
                let (mut out, mut backslashes) = (String::from('"'), 0);
                for c in word.chars() {
                    if c == '"' {
                        out.extend(std::iter::repeat_n('\\', backslashes + 1));
                    }
                    backslashes = if c == '\\' { backslashes + 1 } else { 0 };
                    out.push(c);
                }
                out.extend(std::iter::repeat_n('\\', backslashes));
                out + "\""
            };
            let line = words.iter().map(quoted).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(words_of(&line), words);
        }
    }
}
