//! Processes of our own, with names of our choice.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part")]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use chasar_probes::{Config, Host, Monotonic, Now, ProcessList};

/// Children that sleep until this is dropped.
pub struct Sleepers {
    pub children: Vec<Child>,
    _folder: tempfile::TempDir,
}

impl Sleepers {
    /// Starts one process for each name.
    pub fn start(names: impl IntoIterator<Item = Vec<u8>>) -> Sleepers {
        let folder = tempfile::tempdir().unwrap();
        let sleep =
            ["/bin/sleep", "/usr/bin/sleep"].into_iter().find(|p| std::fs::exists(p).unwrap()).unwrap();
        let mut children = Vec::new();
        for name in names {
            // The kernel takes the last part of the path as the name, even through a link.
            let link = folder.path().join(OsStr::from_bytes(&name));
            if !link.is_symlink() {
                std::os::unix::fs::symlink(sleep, &link).unwrap();
            }
            let mut command = Command::new(link);
            command.arg0("sleep").arg("600").stdin(Stdio::null()).stdout(Stdio::null());
            children.push(command.spawn().unwrap());
        }
        Sleepers { children, _folder: folder }
    }

    pub fn pids(&self) -> Vec<u32> {
        self.children.iter().map(Child::id).collect()
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The clocks of a test.
pub struct Clock(Instant);

impl Clock {
    pub fn new() -> Clock {
        Clock(Instant::now())
    }

    pub fn monotonic(&self) -> Monotonic {
        let start = self.0;
        Arc::new(move || start.elapsed())
    }

    pub fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Now { unix_micros: unix.as_micros() as i64, monotonic: self.0.elapsed() }
    }

    pub fn config(&self, host: Host, processes: ProcessList) -> Config {
        Config { host: Arc::new(host), monotonic: self.monotonic(), processes }
    }
}

/// Tries until `attempt` gives something; panics after a generous deadline.
pub fn wait_for<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::yield_now();
    }
}
