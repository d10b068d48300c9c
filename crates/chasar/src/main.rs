//! The program `chasar`.

mod args;
mod exit;
mod log;
#[cfg(any(windows, test))]
mod log_file;
mod output;
mod root;
mod run;
mod service;
mod settings;
mod signal;
#[cfg(windows)]
mod windows;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match args::parse() {
        Ok(cli) => cli,
        Err(error) => return exit::of_usage(&error),
    };
    match run::run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}
