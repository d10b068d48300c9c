//! How the program ends: one clear line for each thing that went wrong, and a code that tells of what kind.

use std::io::{self, Write};
use std::process::ExitCode;

use chasar_top::text::clean;

use crate::args;
use crate::settings::problem::Problem;

/// Something failed while running.
const FAILED: u8 = 1;
/// Arguments or configuration are wrong; nothing was started.
const WRONG: u8 = 2;

/// Why the program ends before its work is done.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    lines: Vec<String>,
    /// What is shown below, as it is.
    shown: Vec<String>,
}

impl Failure {
    /// Something failed while running; `line` says what, where, and what to do.
    pub(crate) fn new(line: impl std::fmt::Display) -> Failure {
        Failure { code: FAILED, lines: vec![line.to_string()], shown: Vec::new() }
    }

    /// Nothing more is to be said; the code says it.
    pub(crate) fn silent(code: u8) -> Failure {
        Failure { code, lines: Vec::new(), shown: Vec::new() }
    }

    /// The same, and one line more.
    pub(crate) fn and(mut self, line: impl std::fmt::Display) -> Failure {
        self.lines.push(line.to_string());
        self
    }

    /// The same, and lines that are shown below it as they are, blanks in front and all.
    pub(crate) fn showing(mut self, lines: impl IntoIterator<Item = String>) -> Failure {
        self.shown.extend(lines);
        self
    }

    /// The system gave no way to be told of signals.
    pub(crate) fn no_signals(error: io::Error) -> Failure {
        Failure::new(format_args!("cannot listen for Ctrl-C and SIGTERM: {error}"))
    }

    /// The arguments are wrong, or do not fit this system; nothing was started.
    pub(crate) fn wrong(line: impl std::fmt::Display) -> Failure {
        Failure { code: WRONG, lines: vec![line.to_string()], shown: Vec::new() }
    }

    /// The configuration is wrong.
    pub(crate) fn configuration(problems: &[Problem]) -> Failure {
        Failure { code: WRONG, lines: problems.iter().map(Problem::to_string).collect(), shown: Vec::new() }
    }

    /// The exit code.
    #[cfg(windows)]
    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    /// What went wrong.
    #[cfg(windows)]
    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Prints each line to stderr and gives the exit code.
    pub(crate) fn tell(self) -> ExitCode {
        let mut stderr = io::stderr().lock();
        for line in &self.lines {
            // Messages of the system may have several lines; what we print has one. When stderr is
            // closed there is nobody left to tell.
            let line =
                line.split('\n').map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("; ");
            let _ = writeln!(stderr, "error: {}", clean(&line));
        }
        for line in &self.shown {
            let _ = writeln!(stderr, "{}", clean(line));
        }
        ExitCode::from(self.code)
    }
}

/// Ends as wrong arguments do, or prints the help or version that was asked for.
pub(crate) fn of_usage(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    match error.kind() {
        DisplayHelp | DisplayVersion => {
            // A closed pipe (`chasar --help | head -1`) is no failure.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        // `chasar` alone: the help is the best answer, yet a script that forgot the command has failed.
        DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(WRONG)
        }
        _ => Failure { code: WRONG, lines: vec![args::one_line(error)], shown: Vec::new() }.tell(),
    }
}
