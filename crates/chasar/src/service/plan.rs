//! What is to be written and run, as data.

use std::fmt;

/// A program with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Found on the search path.
    pub(crate) program: &'static str,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
    /// Goes on when it fails: there may have been nothing to do.
    pub(crate) may_fail: bool,
    /// Tells more when it fails.
    pub(crate) explained_by: Option<Box<Call>>,
}

impl Call {
    /// A call that has to work.
    pub(crate) fn new<A: Into<String>>(
        program: &'static str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Call {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Call { program, arguments, may_fail: false, explained_by: None }
    }

    /// The same, but nothing is lost when it fails.
    pub(crate) fn if_need_be(mut self) -> Call {
        self.may_fail = true;
        self
    }

    /// The same, with a call whose output tells why it failed.
    pub(crate) fn explained_by(mut self, call: Call) -> Call {
        self.explained_by = Some(Box::new(call));
        self
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program)?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {}", chasar_doctor::shell(argument)))
    }
}

/// Something to be told to the service control manager of Windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scm {
    /// Register the service, or change it into this.
    Register(super::windows::Registration),
    /// Start it anew; its log tells more when that fails.
    Restart { service: &'static str, log: String },
    /// Stop it and wait for its end.
    Stop { service: &'static str },
    /// Take it off the list.
    Delete { service: &'static str },
}

impl fmt::Display for Scm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scm::Register(registration) => write!(f, "register the service {registration}"),
            Scm::Restart { service, .. } => write!(f, "start the service {service}"),
            Scm::Stop { service } => write!(f, "stop the service {service}"),
            Scm::Delete { service } => write!(f, "delete the service {service}"),
        }
    }
}

/// One thing to do. Paths are as the system that is set up will see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Make a folder, with those above it, if it is not there.
    Folder { path: String, mode: u32 },
    /// Write a file, over one that is there.
    File { path: String, text: String, mode: u32 },
    /// Make a symbolic link, if it is not there.
    Link { path: String, target: String },
    /// Run a program; `undo` takes it back.
    Run { call: Call, undo: Option<Call> },
    /// Tell the service control manager; `undo` takes it back.
    Scm { order: Scm, undo: Option<Scm> },
    /// Nothing, but when all after it is undone, this is run.
    WhenUndone(Call),
    /// Remove a file or link, if it is there.
    Remove { path: String },
    /// Remove a folder if nothing is in it.
    RemoveEmpty { path: String },
    /// Remove a folder with all that is in it.
    RemoveTree { path: String },
}

impl Step {
    /// A call that needs no undoing.
    pub(crate) fn run(call: Call) -> Step {
        Step::Run { call, undo: None }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Folder { path, .. } => write!(f, "make folder {path}"),
            Step::File { path, .. } => write!(f, "write {path}"),
            Step::Link { path, target } => write!(f, "link {path} to {target}"),
            Step::Run { call, .. } => write!(f, "run {call}"),
            Step::Scm { order, .. } => write!(f, "{order}"),
            Step::WhenUndone(call) => write!(f, "if undone, run {call}"),
            Step::Remove { path } => write!(f, "remove {path}"),
            Step::RemoveEmpty { path } => write!(f, "remove folder {path}, if it is empty"),
            Step::RemoveTree { path } => write!(f, "remove folder {path} and all in it"),
        }
    }
}

/// All of it for people: each step in a line, the content of files below, indented.
pub(crate) fn shown(steps: &[Step]) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    for step in steps.iter().filter(|step| !matches!(step, Step::WhenUndone(_))) {
        let mode = match step {
            Step::Folder { mode, .. } | Step::File { mode, .. } => format!(" (mode {mode:04o})"),
            _ => String::new(),
        };
        let _ = writeln!(out, "{step}{mode}");
        if let Step::File { text, .. } = step {
            for line in text.lines() {
                let _ = writeln!(out, "{}", format!("    {line}").trim_end());
            }
        }
    }
    out
}
