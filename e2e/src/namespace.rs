//! Networks of our own: two ends joined by a wire that a test can cut. The host's interfaces are never touched.
//!
//! Three network namespaces: the wire holds a bridge, each end hangs on it by a veth pair. As root they are
//! plain namespaces, else they live in a user namespace where we are root.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::{Place, until};

/// One network namespace, alive until dropped.
#[derive(Debug)]
pub struct Namespace {
    keeper: Child,
    /// Whether it lies in a user namespace.
    user: bool,
}

impl Namespace {
    /// A namespace of its own, with nothing but a loopback interface.
    pub fn new() -> Arc<Namespace> {
        let user = !is_root();
        let mut command = Command::new("unshare");
        command.args(if user { &["-U", "-r", "-n"][..] } else { &["-n"] });
        Namespace::keep(command, user)
    }

    /// A further namespace beside this one, with the same rights.
    fn beside(&self) -> Arc<Namespace> {
        let mut command = self.command("unshare");
        command.arg("-n");
        Namespace::keep(command, self.user)
    }

    /// The namespace lives as long as the `cat` in it.
    fn keep(mut command: Command, user: bool) -> Arc<Namespace> {
        command.arg("cat").stdin(Stdio::piped()).stdout(Stdio::null());
        let keeper = command.spawn().expect("unshare(1) of util-linux");
        let namespace = Namespace { keeper, user };
        // Until unshare has done its work, its process is still in the namespace it came from.
        until(Duration::from_secs(10), "a network namespace", || {
            let name = std::fs::read_to_string(format!("/proc/{}/comm", namespace.keeper.id()));
            match name {
                Ok(name) if name.trim() == "cat" => Ok(()),
                other => Err(format!(
                    "{other:?}; needed: root, or user namespaces for all (kernel.unprivileged_userns_clone)"
                )),
            }
        });
        namespace.run("ip", &["link", "set", "lo", "up"]);
        Arc::new(namespace)
    }

    /// A command that will run in this namespace.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.keeper.id().to_string(), "-n"]);
        if self.user {
            command.args(["-U", "--preserve-credentials"]);
        }
        command.arg("--").arg(program);
        command
    }

    /// Runs a command in this namespace to its end.
    #[track_caller]
    pub fn run(&self, program: &str, args: &[&str]) {
        let output = self.command(program).args(args).output().unwrap_or_else(|e| panic!("{program}: {e}"));
        assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// Whether we are root, outside of all namespaces.
pub fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    uid.is_some_and(|uid| uid.split_whitespace().nth(1) == Some("0"))
}

/// Two namespaces joined by a wire.
#[derive(Debug)]
pub struct Wire {
    middle: Arc<Namespace>,
    ends: [Arc<Namespace>; 2],
}

/// How a wire is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The clientnode's interface goes down, as when a plug is pulled.
    Plug,
    /// Packets vanish half way: both ends see a good link and nobody says anything.
    Silent,
}

impl Wire {
    /// Where the first end is.
    pub const FIRST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));

    /// Lays a wire.
    pub fn new() -> Wire {
        let middle = Namespace::new();
        let ends = [middle.beside(), middle.beside()];
        middle.run("ip", &["link", "add", "hub", "type", "bridge"]);
        middle.run("ip", &["link", "set", "hub", "up"]);
        for (i, end) in ends.iter().enumerate() {
            let port = format!("port{i}");
            let pid = end.keeper.id().to_string();
            middle.run("ip", &["link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &pid]);
            middle.run("ip", &["link", "set", &port, "master", "hub", "up"]);
            end.run("ip", &["address", "add", &format!("10.77.0.{}/24", i + 1), "dev", "eth0"]);
            end.run("ip", &["link", "set", "eth0", "up"]);
        }
        Wire { middle, ends }
    }

    /// The end at [`Wire::FIRST`]: the masternode's.
    pub fn first(&self) -> Place {
        Place::Inside(Arc::clone(&self.ends[0]))
    }

    /// The other end: the clientnode's.
    pub fn second(&self) -> Place {
        Place::Inside(Arc::clone(&self.ends[1]))
    }

    /// Cuts the wire.
    pub fn cut(&self, how: Cut) {
        match how {
            Cut::Plug => self.ends[1].run("ip", &["link", "set", "eth0", "down"]),
            Cut::Silent => self.middle.run("ip", &["link", "set", "port1", "nomaster"]),
        }
    }

    /// Mends what [`Wire::cut`] did.
    pub fn mend(&self, how: Cut) {
        match how {
            Cut::Plug => self.ends[1].run("ip", &["link", "set", "eth0", "up"]),
            Cut::Silent => self.middle.run("ip", &["link", "set", "port1", "master", "hub"]),
        }
    }
}

impl Default for Wire {
    fn default() -> Self {
        Wire::new()
    }
}
