//! Runs the program in an environment of its own.

#![allow(dead_code, reason = "each test file uses a part")]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The program, with nothing of the caller's settings and a home of its own.
pub(crate) fn chasar(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chasar"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CHASAR_") || text.starts_with("XDG_") || text == "NO_COLOR" {
            command.env_remove(&name);
        }
    }
    command
        .env("HOME", home)
        .env("XDG_STATE_HOME", home.join("state"))
        .env("STATE_DIRECTORY", home.join("state"))
        .env("COLUMNS", "100")
        .current_dir(home)
        .stdin(Stdio::null());
    command
}

/// A folder that goes away with its test.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Runs to the end.
pub(crate) fn run(args: &[&str]) -> Output {
    chasar(folder().path()).args(args).output().expect("the program starts")
}

/// Text of stdout or stderr.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Compares with a file; `CHASAR_UPDATE=1` writes it anew.
pub(crate) fn compare(path: impl Into<PathBuf>, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path.into());
    if std::env::var_os("CHASAR_UPDATE").is_some() {
        std::fs::write(&path, actual).expect("written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(actual == expected, "{} differs; now it is\n{actual}", path.display());
}

/// A running program, ended with the test.
pub(crate) struct Running {
    /// The process.
    pub(crate) child: Child,
}

impl Running {
    /// Starts it with pipes.
    pub(crate) fn start(command: &mut Command) -> Running {
        let child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        Running { child }
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits for the end and gives the exit code (`None` after a signal), stdout and stderr.
    pub(crate) fn end(mut self, within: Duration) -> (Option<i32>, String, String) {
        // Both pipes are read while waiting, so that neither fills up.
        let read = |mut pipe: Box<dyn Read + Send>| {
            std::thread::spawn(move || {
                let mut text = String::new();
                pipe.read_to_string(&mut text).map(|_| text)
            })
        };
        let stdout = self.child.stdout.take().map(|p| read(Box::new(p)));
        let stderr = self.child.stderr.take().map(|p| read(Box::new(p)));
        let deadline = Instant::now() + within;
        let code = loop {
            if let Some(status) = self.child.try_wait().expect("waited") {
                break status.code();
            }
            assert!(Instant::now() < deadline, "does not end within {within:?}");
            std::thread::sleep(Duration::from_millis(10));
        };
        let take = |thread: Option<std::thread::JoinHandle<std::io::Result<String>>>| {
            thread.map_or(String::new(), |t| t.join().expect("read").expect("UTF-8"))
        };
        (code, take(stdout), take(stderr))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
