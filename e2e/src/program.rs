//! A running program: output captured, killed when dropped.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::wait::within;

/// How much of a program's output a failing test shows.
const SHOWN_BYTES: usize = 6_000;

/// A running program.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

/// What is sent to a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// End, please.
    Term,
    /// Ctrl-C.
    Interrupt,
    /// Die.
    Kill,
    /// Freeze.
    Stop,
    /// Go on.
    Continue,
}

impl Program {
    /// Starts `command`; its standard error (and its output, unless the command says otherwise) goes to `log`.
    pub fn start(name: &str, mut command: Command, log: &Path, output: Option<Stdio>) -> Program {
        let file = File::create(log).unwrap_or_else(|e| panic!("cannot create {}: {e}", log.display()));
        let errors = file.try_clone().expect("a second handle of a file");
        command.stdin(Stdio::null()).stdout(output.unwrap_or_else(|| file.into())).stderr(errors);
        let child = command.spawn().unwrap_or_else(|e| panic!("cannot start {name} ({command:?}): {e}"));
        Program { name: name.to_owned(), child, log: log.to_owned(), ended: None }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn take_stdout(&mut self) -> std::process::ChildStdout {
        self.child.stdout.take().expect("started with a pipe")
    }

    /// What it wrote so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Whether it still runs; `Err` tells how it ended.
    ///
    /// # Errors
    /// When it has ended.
    pub fn running(&mut self) -> Result<(), String> {
        match self.ended.or_else(|| self.child.try_wait().expect("a child can be waited for")) {
            None => Ok(()),
            Some(status) => {
                self.ended = Some(status);
                Err(format!("{} ended: {status}; it said:\n{}", self.name, self.output()))
            }
        }
    }

    /// Sends a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        let name = match signal {
            Signal::Term => "TERM",
            Signal::Interrupt => "INT",
            Signal::Kill => "KILL",
            Signal::Stop => "STOP",
            Signal::Continue => "CONT",
        };
        // The shell's own `kill`, so that no package is needed.
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.pid())]).status();
        assert!(sent.is_ok_and(|s| s.success()), "cannot send SIG{name} to {} ({})", self.name, self.pid());
    }

    /// Waits for its end.
    #[track_caller]
    pub fn ended(&mut self, deadline: Duration) -> ExitStatus {
        let name = self.name.clone();
        within(deadline, || {
            match self.running() {
                Ok(()) => Err(()),
                Err(_) => Ok(self.ended.expect("it has ended")),
            }
            .map_err(|()| "it runs".to_owned())
        })
        .unwrap_or_else(|_| panic!("{name} still runs after {deadline:?}"))
    }

    /// Sends SIGTERM and expects exit code 0 within the deadline; tells how long it took.
    #[track_caller]
    pub fn stop(&mut self, deadline: Duration) -> Duration {
        let started = Instant::now();
        self.signal(Signal::Term);
        let status = self.ended(deadline);
        assert!(
            status.success(),
            "{} ended with {status} on SIGTERM; it said:\n{}",
            self.name,
            self.output()
        );
        started.elapsed()
    }

    /// Kills it (SIGKILL) and waits for its end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        self.ended = self.child.wait().ok();
    }

    /// Resident memory now.
    pub fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let status = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {path}: {e}", self.name));
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS in status");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of KiB") * 1024
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let output = self.output();
            let from = output.len().saturating_sub(SHOWN_BYTES);
            let from = (from..=output.len()).find(|i| output.is_char_boundary(*i)).unwrap_or(0);
            eprintln!("---- {} (pid {}) said:\n{}", self.name, self.pid(), &output[from..]);
        }
    }
}
