//! How a service is: installed, enabled, running, since when; for people, for programs, as an exit code.

use serde::Serialize;

use super::carry_out::Hands;
use super::install::Facts;
use super::plan::Call;
use super::{Init, Role, launchd, openrc, systemd};

/// It runs (Linux Standard Base, "Init Script Actions", for this and the next two).
pub(crate) const RUNNING: u8 = 0;
/// It is installed and does not run.
pub(crate) const STOPPED: u8 = 3;
/// It is not installed. LSB: "status is unknown".
pub(crate) const NOT_INSTALLED: u8 = 4;

/// Most lines of the log that are shown.
const LOG_LINES: &str = "5";

/// How a service is. What a system does not tell is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Status {
    /// `clientnode` or `masternode`.
    pub(crate) role: &'static str,
    /// The name of the service.
    pub(crate) service: &'static str,
    /// What starts it.
    pub(crate) init: &'static str,
    /// It is there.
    pub(crate) installed: bool,
    /// It starts with the system.
    pub(crate) enabled: bool,
    /// It runs now.
    pub(crate) running: bool,
    /// The state in the words of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<String>,
    /// What the service says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) says: Option<String>,
    /// Since when it is in this state, as the system writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<String>,
    /// The process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pid: Option<u32>,
    /// How often the system had to start it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) restarts_total: Option<u64>,
    /// The last lines of its log.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) log: Vec<String>,
    /// How to see more of it.
    pub(crate) more_log: String,
}

impl Status {
    /// Asks the system.
    pub(crate) fn find(init: Init, role: Role, facts: &Facts, hands: &mut dyn Hands) -> Status {
        let mut status = Status {
            role: role.name(),
            service: role.service(),
            init: init.name(),
            installed: facts.installed || facts.packaged.is_some(),
            enabled: facts.enabled,
            running: facts.running,
            ..Status::default()
        };
        let live = facts.root.is_none();
        let mut ask = |call: Call| if live { hands.call(&call).unwrap_or_default() } else { String::new() };
        match init {
            Init::Systemd => {
                let unit = systemd::unit_name(role);
                status.more_log = format!("journalctl -u {unit}");
                const WANTED: &str = "--property=ActiveState,SubState,StatusText,ActiveEnterTimestamp,\
                                      InactiveEnterTimestamp,MainPID,NRestarts,Result";
                status.take_properties(&ask(Call::new("systemctl", ["show", &unit, WANTED])));
                let log = ["-u", &unit, "-n", LOG_LINES, "-o", "cat", "--no-pager", "-q"];
                status.log = lines(&ask(Call::new("journalctl", log)));
            }
            Init::Openrc => {
                let log = openrc::log(role);
                status.more_log = format!("less {log}");
                status.state = Some(ask(Call::new("rc-service", [role.service(), "status"])))
                    .and_then(|text| Some(text.split_once("status:")?.1.trim().to_owned()));
                status.log = lines(&ask(Call::new("tail", ["-n", LOG_LINES, &log])));
            }
            Init::Launchd => {
                let log = launchd::log(role);
                status.more_log = format!("less {log}");
                let label = format!("system/{}", launchd::label(role));
                status.take_print(&ask(Call::new("launchctl", ["print", &label])));
                status.log = lines(&ask(Call::new("tail", ["-n", LOG_LINES, &log])));
            }
            Init::Windows => {
                status.more_log = format!(r"{}\chasar.log", init.state(role));
                #[cfg(windows)]
                if let Some(state) = super::scm::look(role.service()) {
                    status.state = Some(state.words);
                    status.pid = state.pid;
                }
            }
        }
        status
    }

    /// Lines of `systemctl show`: NAME=VALUE (systemctl(1)).
    fn take_properties(&mut self, text: &str) {
        let value = |name: &str| {
            let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix('='))?;
            Some(line.trim().to_owned()).filter(|v| !v.is_empty())
        };
        self.state = value("ActiveState").map(|active| match (value("SubState"), value("Result")) {
            (_, Some(result)) if active == "failed" => format!("failed ({result})"),
            (Some(sub), _) => format!("{active} ({sub})"),
            _ => active,
        });
        self.says = value("StatusText");
        self.since = value(if self.running { "ActiveEnterTimestamp" } else { "InactiveEnterTimestamp" });
        self.pid = value("MainPID").and_then(|v| v.parse().ok()).filter(|pid| *pid != 0);
        self.restarts_total = value("NRestarts").and_then(|v| v.parse().ok());
    }

    /// What `launchctl print` says of a daemon that is loaded.
    fn take_print(&mut self, text: &str) {
        let value = |name: &str| {
            let (key, value) =
                text.lines().filter_map(|l| l.split_once(" = ")).find(|(k, _)| k.trim() == name)?;
            let _ = key;
            Some(value.trim().to_owned())
        };
        self.state = value("state");
        self.running = self.state.as_deref() == Some("running");
        self.pid = value("pid").and_then(|v| v.parse().ok());
        // The first run is none.
        self.restarts_total = value("runs").and_then(|v| v.parse::<u64>().ok()).map(|n| n.saturating_sub(1));
    }

    /// The exit code that stands for it.
    pub(crate) fn code(&self) -> u8 {
        match (self.running, self.installed) {
            (true, _) => RUNNING,
            (false, true) => STOPPED,
            (false, false) => NOT_INSTALLED,
        }
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        use std::fmt::Write;
        let clean = |text: &str| chasar_top::text::clean(text).into_owned();
        if !self.installed {
            return format!("{} is not installed ({})\n", self.service, self.init);
        }
        let state = self.state.as_deref().map_or(String::new(), |state| format!(" [{}]", clean(state)));
        let mut out = format!(
            "{} {}{state}, {} ({})\n",
            self.service,
            if self.running { "is running" } else { "does not run" },
            if self.enabled { "starts with the system" } else { "does not start with the system" },
            self.init
        );
        let mut line = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                let _ = writeln!(out, "  {name:9} {}", clean(&value));
            }
        };
        line("says", self.says.clone());
        line("since", self.since.clone());
        line("pid", self.pid.map(|n| n.to_string()));
        line("restarts", self.restarts_total.map(|n| n.to_string()));
        line("log", Some(self.more_log.clone()));
        for text in &self.log {
            line("", Some(text.clone()));
        }
        out
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemctl_shows_is_understood() {
        let mut status = Status { installed: true, running: true, ..Status::default() };
        status.take_properties(
            "ActiveState=active\nSubState=running\nStatusText=connected to tcp://a:5555\nMainPID=42\nNRestarts=3\n\
             ActiveEnterTimestamp=Sun 2026-11-22 21:58:06 UTC\nInactiveEnterTimestamp=\nResult=success\n",
        );
        assert_eq!((status.pid, status.restarts_total, status.code()), (Some(42), Some(3), RUNNING));
        let text = status.text();
        for part in ["is running [active (running)]", "connected to tcp://a:5555", "21:58:06", "42"] {
            assert!(text.contains(part), "{text}");
        }
        let mut failed = Status { installed: true, ..Status::default() };
        failed.take_properties(
            "ActiveState=failed\nSubState=failed\nMainPID=0\nResult=exit-code\nNRestarts=\n",
        );
        assert_eq!((failed.pid, failed.restarts_total, failed.code()), (None, None, STOPPED));
        assert_eq!(failed.state.as_deref(), Some("failed (exit-code)"));
        assert_eq!(Status::default().code(), NOT_INSTALLED);
    }

    #[test]
    fn what_launchctl_prints_is_understood() {
        let mut status = Status { installed: true, ..Status::default() };
        status.take_print(
            "system/chasar.clientnode = {\n\tactive count = 1\n\tstate = running\n\truns = 3\n\tpid = 77\n}",
        );
        assert!(status.running);
        assert_eq!((status.pid, status.restarts_total), (Some(77), Some(2)));
    }
}
