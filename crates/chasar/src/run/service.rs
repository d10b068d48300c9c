//! `chasar service`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{clientnode, masternode};
use crate::args::{
    HowToInstall, InstallRole, PrintService, Printed, ServiceCommand, ServiceStatus, UninstallService,
    WhichSystem,
};
use crate::exit::Failure;
use crate::log::LogConfig;
use crate::output::to_stdout;
use crate::root::is_root;
use crate::service::carry_out::{Hands, all_or_nothing, as_far_as_possible};
use crate::service::install::{self, Facts};
use crate::service::machine::Machine;
use crate::service::status::{NOT_INSTALLED, RUNNING, STOPPED, Status};
use crate::service::{Init, Job, PROGRAM_DATA, Role, configuration, plan, systemd};
use crate::settings::definition;
use crate::settings::layers::Layers;

pub(crate) fn run(command: ServiceCommand) -> Result<(), Failure> {
    match command {
        ServiceCommand::Install { role } => match role {
            InstallRole::Clientnode(args) => {
                install(Role::Clientnode, args.settings.texts, args.log.texts, &args.how)
            }
            InstallRole::Masternode(args) => {
                install(Role::Masternode, args.settings.texts, args.log.texts, &args.how)
            }
        },
        ServiceCommand::Uninstall(args) => uninstall(&args),
        ServiceCommand::Status(args) => status(&args),
        ServiceCommand::Print(args) => print(&args),
    }
}

/// The system that was named, and what starts its services.
fn system(place: &WhichSystem) -> Result<(Machine, Init), Failure> {
    let mut machine = Machine::new(place.root.as_deref());
    let init = match place.init {
        Some(init) => init,
        None => install::detect(place.root.as_deref(), &mut machine).map_err(Failure::new)?,
    };
    if init == Init::Windows && place.root.is_some() {
        return Err(Failure::new("services of Windows are no files; leave --root out"));
    }
    Ok((machine, init))
}

/// Whether the system here can be changed that way; what would be done can be shown anywhere.
fn may_change(place: &WhichSystem, init: Init) -> Result<(), Failure> {
    if place.root.is_none() && (init == Init::Windows) != cfg!(windows) {
        let name = init.name();
        return Err(Failure::new(format_args!(
            "{name} is not of this system; --dry-run shows what it would do"
        )));
    }
    // The service control manager says no by itself.
    if place.root.is_some() || cfg!(windows) || is_root() {
        return Ok(());
    }
    let line: Vec<String> = std::env::args().skip(1).collect();
    Err(Failure::new(format_args!(
        "this changes the system and needs root: sudo chasar {}; --dry-run shows what it would do",
        line.join(" ")
    )))
}

fn install(
    role: Role,
    mut typed: BTreeMap<String, String>,
    log: BTreeMap<String, String>,
    how: &HowToInstall,
) -> Result<(), Failure> {
    typed.extend(log);
    let (mut machine, init) = system(&how.place)?;
    let root = how.place.root.as_deref();
    let full = |path: &Path| std::path::absolute(path).map(|p| p.to_string_lossy().into_owned());
    let no_path = |e| Failure::new(format_args!("cannot tell the full path: {e}"));
    make_paths_full(&mut typed).map_err(no_path)?;
    let configuration = match &how.configuration {
        Some(path) => full(path).map_err(no_path)?,
        None => init.configuration().to_owned(),
    };
    let exe = match &how.exe {
        Some(path) => full(path).map_err(no_path)?,
        None => std::env::current_exe()
            .and_then(std::fs::canonicalize)
            .map(|path| plain(&path.to_string_lossy()))
            .map_err(|e| Failure::new(format_args!("cannot tell where this program is: {e}; give --exe")))?,
    };
    check_exe(&exe, init, root)?;

    let unreadable = |e: &dyn std::fmt::Display| Failure::new(format_args!("{configuration}: {e}"));
    let old = machine.read(&configuration).map_err(|e| unreadable(&format_args!("cannot be read: {e}")))?;
    let old = old.map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned());
    let writes_to = check_settings(role, init, &typed, &configuration, old.as_deref())?;
    let text = configuration::edited(old.as_deref(), &typed).map_err(|e| unreadable(&e))?;

    let job = Job { role, exe, configuration: configuration.clone(), writes_to };
    let mut facts = Facts::find(init, role, root, &mut machine);
    facts.start &= !how.no_start;
    facts.configuration = Some((configuration, text));
    let steps = install::install(init, &job, &facts);
    if how.dry_run {
        let shown = plan::shown(&steps);
        return to_stdout(|out| write!(out, "{shown}")).map(drop);
    }
    may_change(&how.place, init)?;
    all_or_nothing(&steps, &mut machine, &mut say).map_err(|broken| {
        let undone = if broken.left.is_empty() { "; everything before it was undone" } else { "" };
        let mut failure = Failure::new(format_args!("{}{undone}", broken.what));
        for left in broken.left {
            failure = failure.and(format_args!("could not be undone: cannot {left}"));
        }
        failure
    })?;
    let service = role.service();
    let rest = match (root.is_some(), facts.start) {
        (true, _) => "starts with the system",
        (false, false) => "is enabled, and starts with the system",
        (false, true) => "is running, and starts with the system",
    };
    say(&format!("{service} {rest}; to see how it is doing: chasar service status {}", role.name()));
    Ok(())
}

/// Paths as a program in another folder understands them.
fn make_paths_full(typed: &mut BTreeMap<String, String>) -> std::io::Result<()> {
    for setting in definition::ALL.iter().map(|s| s.spec()).filter(|s| s.value_name.ends_with("path")) {
        // Where a word may stand in place of a path, only what is no word is one.
        let is_path =
            |text: &&mut String| setting.value_name == "path" || text.contains(std::path::is_separator);
        if let Some(text) = typed.get_mut(&setting.id()).filter(|text| !text.is_empty()).filter(is_path) {
            *text = std::path::absolute(&*text)?.to_string_lossy().into_owned();
        }
    }
    Ok(())
}

/// Without the prefix for long paths that Windows puts before a canonical one.
fn plain(path: &str) -> String {
    path.strip_prefix(r"\\?\").unwrap_or(path).to_owned()
}

/// Whether a service can run the program.
fn check_exe(exe: &str, init: Init, root: Option<&Path>) -> Result<(), Failure> {
    if root.is_none() && !Path::new(exe).is_file() {
        return Err(Failure::new(format_args!("there is no program {exe} (--exe)")));
    }
    if exe.chars().any(char::is_control) {
        return Err(Failure::new(format_args!("{exe:?} is no path for a service (--exe)")));
    }
    let hidden = ["/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/"];
    if matches!(init, Init::Systemd | Init::Openrc) && hidden.iter().any(|folder| exe.starts_with(folder)) {
        return Err(Failure::new(format_args!(
            "{exe} is where a service cannot rely on it: sudo install -m 0755 {exe} /usr/local/bin/chasar, and run \
             that one (or name another with --exe)"
        )));
    }
    Ok(())
}

/// Reads all settings as the service will; gives the folders that it will write to beside its own.
fn check_settings(
    role: Role,
    init: Init,
    typed: &BTreeMap<String, String>,
    configuration: &str,
    old: Option<&str>,
) -> Result<Vec<String>, Failure> {
    let state = init.state(role);
    let environment = |name: &str| match name {
        "STATE_DIRECTORY" => Some(OsString::from(&state)),
        // Where a service of Windows looks for its folder.
        "ProgramData" => Some(OsString::from(PROGRAM_DATA)),
        _ => None,
    };
    let file = old.map(|text| (PathBuf::from(configuration), text));
    let mut layers = Layers::with_text(typed.clone(), file, environment);
    let log = LogConfig::from(&mut layers);
    let folders = match role {
        Role::Clientnode => clientnode::config(&mut layers)
            .map(|c| [Some(c.state_folder), c.spool.map(|s| s.folder)].into_iter().flatten().collect()),
        Role::Masternode => masternode::config(&mut layers)
            .map(|c| [Some(c.state_dir), c.history.map(|h| h.folder)].into_iter().flatten().collect()),
    };
    let (Some(folders), Some(_), true) = (folders, log, layers.problems.is_empty()) else {
        return Err(Failure::configuration(&layers.problems));
    };
    let folders: Vec<PathBuf> = folders;
    let outside = |folder: &PathBuf| !folder.starts_with(&state);
    Ok(folders.iter().filter(|f| outside(f)).map(|f| f.to_string_lossy().into_owned()).collect())
}

fn uninstall(args: &UninstallService) -> Result<(), Failure> {
    let (mut machine, init) = system(&args.place)?;
    let (role, root) = (args.role, args.place.root.as_deref());
    let mut facts = Facts::find(init, role, root, &mut machine);
    facts.purge = args.purge;
    let other = Facts::find(init, role.other(), root, &mut machine).is_something_there();
    let (steps, stays) = install::uninstall(init, role, &facts, other, &mut machine);
    if args.dry_run {
        let shown = plan::shown(&steps);
        to_stdout(|out| write!(out, "{shown}")).map(drop)?;
    } else {
        if !steps.is_empty() {
            may_change(&args.place, init)?;
        }
        let failed = as_far_as_possible(&steps, &mut machine, &mut say);
        if let Some((first, rest)) = failed.split_first() {
            return Err(rest.iter().fold(Failure::new(first), |failure, line| failure.and(line)));
        }
    }
    if !facts.is_something_there() {
        say(&format!("{} is not installed", role.service()));
    }
    for line in stays {
        say(&format!("stays: {line}"));
    }
    Ok(())
}

fn status(args: &ServiceStatus) -> Result<(), Failure> {
    let (mut machine, init) = system(&args.place)?;
    let root = args.place.root.as_deref();
    let roles = args.role.map_or(Role::ALL.to_vec(), |role| vec![role]);
    let mut all = Vec::new();
    for role in roles {
        let facts = Facts::find(init, role, root, &mut machine);
        all.push(Status::find(init, role, &facts, &mut machine));
    }
    if args.json {
        let json = serde_json::to_string_pretty(&all).map_err(Failure::new)?;
        let _ = to_stdout(|out| writeln!(out, "{json}"))?;
    } else {
        let text: String = all.iter().map(Status::text).collect();
        let _ = to_stdout(|out| write!(out, "{text}"))?;
    }
    // Of two, those that are not installed do not count, unless none is.
    let codes = all.iter().map(Status::code).filter(|code| *code != NOT_INSTALLED || args.role.is_some());
    match codes.max().unwrap_or(NOT_INSTALLED) {
        RUNNING => Ok(()),
        STOPPED => Err(Failure::silent(STOPPED)),
        code => Err(Failure::silent(code)),
    }
}

fn print(args: &PrintService) -> Result<(), Failure> {
    let job = |role| Job {
        role,
        exe: args.exe.clone(),
        configuration: args.init.configuration().to_owned(),
        writes_to: Vec::new(),
    };
    let text = match args.what {
        Printed::Clientnode => args.init.text(&job(Role::Clientnode)),
        Printed::Masternode => args.init.text(&job(Role::Masternode)),
        Printed::Sysusers => Some(systemd::sysusers()),
        Printed::Config => Some(configuration::empty()),
    };
    let Some(text) = text else {
        return Err(Failure::new("a service of Windows is no file; use chasar service install --dry-run"));
    };
    to_stdout(|out| write!(out, "{text}")).map(drop)
}

/// A line about what was done.
fn say(line: &str) {
    // Whoever closed stdout does not want to know; the work goes on.
    let _ = to_stdout(|out| writeln!(out, "{line}"));
}
