//! `chasar doctor`: what to examine, and how to show what was found.

mod show;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use chasar_doctor::{
    Configuration, Override, Process, Role, Settings, Subject, enabled_service, examine, running,
};

use super::{clientnode, masternode};
use crate::args::{self, ClientnodeCommand, Command, Doctor, DoctorRole, MasternodeCommand};
use crate::exit::Failure;
use crate::output::{json_line, to_stdout};
use crate::settings::definition::{self, ALL, CLIENTNODE, MASTERNODE};
use crate::settings::layers::{Layers, REAL, unknown_variables};
use crate::settings::problem::{Place, Problem};

/// Most columns of a line of progress.
const PROGRESS: usize = 70;

pub(crate) fn doctor(args: Doctor) -> Result<(), Failure> {
    let (configuration, subjects) = gather(args.role, args.config.as_deref())?;
    let watched = io::stderr().is_terminal();
    let progress = |what: &str| {
        if watched {
            let text = chasar_top::text::pad(&format!("looking at {what} ..."), PROGRESS, false);
            // When nobody sees it, nothing is lost.
            let _ = write!(io::stderr(), "\r{text}");
        }
    };
    let diagnosis = examine(&configuration, &subjects, &progress);
    if watched {
        let _ = write!(io::stderr(), "\r{}\r", " ".repeat(PROGRESS));
    }
    let _ = if args.json {
        let json = serde_json::to_string(&diagnosis).map_err(Failure::new)?;
        let mut line = String::new();
        json_line(&json, &mut line);
        to_stdout(|out| out.write_all(line.as_bytes()))?
    } else {
        let style = show::Style { verbose: args.verbose, colour: crate::log::colour(&io::stdout()) };
        to_stdout(|out| show::write(out, &diagnosis, style))?
    };
    if diagnosis.wrong > 0 { Err(Failure::silent(1)) } else { Ok(()) }
}

/// What is to be examined: as typed, or as it runs, or as it is configured.
fn gather(role: Option<DoctorRole>, config: Option<&Path>) -> Result<(Configuration, Vec<Subject>), Failure> {
    let seen: Vec<Subject> = running().iter().filter_map(of_process).collect();
    let (role, typed) = match role {
        None => (None, BTreeMap::new()),
        Some(DoctorRole::Clientnode(typed)) => (Some(Role::Clientnode), typed.texts),
        Some(DoctorRole::Masternode(typed)) => (Some(Role::Masternode), typed.texts),
    };
    let as_it_runs = typed.is_empty() && config.is_none();
    let mut layers = Layers::new(typed, config, REAL);
    let mut subjects: Vec<Subject> = [Role::Clientnode, Role::Masternode]
        .into_iter()
        .filter(|r| role.is_none_or(|role| role == *r))
        .filter_map(|r| of_settings(r, &mut layers))
        .collect();
    let typed_wrong = |p: &&Problem| matches!(p.place, Place::CommandLine(_));
    let wrong: Vec<Problem> = layers.problems.iter().filter(typed_wrong).cloned().collect();
    if !wrong.is_empty() {
        return Err(Failure::configuration(&wrong));
    }
    let of_role = |seen: &Subject| role.is_none_or(|role| role == seen.role());
    if as_it_runs && seen.iter().any(of_role) {
        subjects = joined(seen.into_iter().filter(of_role));
    } else {
        for subject in &mut subjects {
            let same = seen.iter().filter(|seen| is_same(seen, subject));
            subject.processes = same.flat_map(|seen| seen.processes.clone()).collect();
            subject.wanted |= role == Some(Role::Masternode);
        }
        // Without a word, what is neither running nor configured is nobody's concern.
        subjects.retain(|s| role.is_some() || s.wanted || !s.processes.is_empty());
    }
    Ok((configuration(&mut layers), subjects))
}

/// Processes with the same settings are one subject.
fn joined(seen: impl Iterator<Item = Subject>) -> Vec<Subject> {
    let mut all: Vec<Subject> = Vec::new();
    for subject in seen {
        match all.iter_mut().find(|s| s.title() == subject.title() && s.state_folder == subject.state_folder)
        {
            Some(same) => same.processes.extend(subject.processes),
            None => all.push(subject),
        }
    }
    all
}

/// Whether a daemon that runs is the one that is meant.
fn is_same(seen: &Subject, meant: &Subject) -> bool {
    let place = match (&seen.settings, &meant.settings) {
        (
            Settings::Clientnode { masternode: a, port: p, .. },
            Settings::Clientnode { masternode: b, port: q, .. },
        ) => a == b && p == q,
        (Settings::Masternode { reports: a, .. }, Settings::Masternode { reports: b, .. }) => a == b,
        _ => return false,
    };
    // In another network the same address is another computer's.
    let near = seen.processes.iter().all(|p| p.same_network != Some(false));
    (place && near) || seen.state_folder == meant.state_folder
}

/// A daemon as its settings say; `None` when they are wrong.
fn of_settings<E: Fn(&str) -> Option<OsString>>(role: Role, layers: &mut Layers<E>) -> Option<Subject> {
    let section = match role {
        Role::Clientnode => CLIENTNODE,
        Role::Masternode => MASTERNODE,
    };
    let mut wanted = false;
    let mut start = format!("chasar {} start", role.name());
    for setting in definition::of_section(section) {
        match layers.text(setting).map(|given| (given.place, given.value)) {
            Some((Place::File(..) | Place::Environment(_), _)) => wanted = true,
            Some((Place::CommandLine(_), text)) => start += &word(setting.spec(), &text),
            _ => {}
        }
    }
    let (settings, state_folder) = match role {
        Role::Clientnode => {
            let config = clientnode::config(layers)?;
            let spool = config.spool.map(|spool| (spool.folder, spool.bytes));
            let (masternode, port, also) = (config.masternode, config.port, config.also);
            let interval = config.interval;
            (Settings::Clientnode { masternode, port, also, interval, spool }, config.state_folder)
        }
        Role::Masternode => {
            let config = masternode::config(layers)?;
            let token = config.http.as_ref().and_then(|http| http.token.clone());
            let http = config.http.map(|http| http.endpoint);
            (
                Settings::Masternode { reports: config.reports, stream: config.stream, http, token },
                config.state_dir,
            )
        }
    };
    let service = enabled_service(Path::new("/"), role);
    wanted |= service.is_some();
    Some(Subject { settings, start, processes: Vec::new(), wanted, service, state_folder })
}

/// A setting as it would be typed, with a blank before it.
fn word(spec: &definition::Spec, text: &str) -> String {
    let text = chasar_doctor::shell(text);
    match spec.form {
        definition::Form::Positional => format!(" {text}"),
        _ => format!(" --{}={text}", spec.flag()),
    }
}

/// A daemon as it was started.
fn of_process(process: &Process) -> Option<Subject> {
    let cli = args::parse_from(process.arguments.clone()).ok()?;
    let (role, typed, config) = match cli.command {
        Command::Masternode { command: MasternodeCommand::Start(start) } => {
            (Role::Masternode, start.settings.texts, start.config.path)
        }
        Command::Clientnode { command: ClientnodeCommand::Start(start) } => {
            (Role::Clientnode, start.settings.texts, start.config.path)
        }
        _ => return None,
    };
    // Where we may not see its environment, it is taken to be ours.
    let environment = |name: &str| match &process.environment {
        Some(environment) => environment.get(&OsString::from(name)).cloned(),
        None => REAL(name),
    };
    let folder = process.folder.clone().unwrap_or_default();
    let absolute = |path: PathBuf| folder.join(path);
    let mut layers = Layers::new(typed, config.map(absolute).as_deref(), environment);
    let mut subject = of_settings(role, &mut layers)?;
    subject.state_folder = absolute(subject.state_folder);
    if let Settings::Clientnode { spool: Some((path, _)), .. } = &mut subject.settings {
        *path = absolute(std::mem::take(path));
    }
    subject.processes.push(process.clone());
    subject.wanted = true;
    Some(subject)
}

fn configuration(layers: &mut Layers) -> Configuration {
    let mut overrides = Vec::new();
    for setting in ALL {
        let in_file = layers.in_file(setting).map(str::to_owned);
        if let (Some(in_file), Some(given)) = (in_file, layers.text(setting))
            && let Place::Environment(variable) = given.place
            && given.value != in_file
        {
            overrides.push(Override { variable, value: given.value, in_file });
        }
    }
    let mut problems: Vec<String> = layers.problems.iter().map(Problem::to_string).collect();
    problems.sort();
    problems.dedup();
    Configuration {
        file: layers.file().map(Path::to_owned),
        problems,
        overrides,
        unknown: unknown_variables(),
    }
}
