//! Whether the daemon runs, and whether it is awake and of the version that is installed.

use crate::finding::{Finding, count};
use crate::process::{Process, user_name};
use crate::subject::Role;

/// What is known about the daemon of one subject.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    /// Which.
    pub(crate) role: Role,
    /// The command that starts it as it is set up.
    pub(crate) start: &'a str,
    /// Those that run with these settings.
    pub(crate) processes: &'a [Process],
    /// Whether it is meant to run here: configured, installed, or asked for as a masternode.
    pub(crate) wanted: bool,
    /// Whether this system tells which programs run.
    pub(crate) told: bool,
}

/// What it means.
pub(crate) fn judge(facts: &Facts<'_>) -> Vec<Finding> {
    let role = facts.role.name();
    if !facts.told {
        return Vec::new();
    }
    let looked_at = format!("{role} on this computer");
    let Some(first) = facts.processes.first() else {
        let found = format!("No {role} with these settings runs here.");
        let finding = if facts.wanted {
            Finding::wrong("not-running", looked_at, found)
        } else {
            Finding::note("not-running", looked_at, found)
        };
        let service = facts.start.replacen(
            &format!("chasar {role} start"),
            &format!("chasar service install {role}"),
            1,
        );
        let why = match facts.role {
            Role::Clientnode => "This computer reports nothing to that masternode.",
            Role::Masternode => "Nobody takes the reports of the clientnodes.",
        };
        return vec![
            finding
                .because(why)
                .run("Start it.", facts.start)
                .run("Or have the system start it, now and at every boot.", service),
        ];
    };
    let mut findings = Vec::new();
    if facts.processes.len() > 1 {
        let pids: Vec<String> = facts.processes.iter().map(|p| p.pid.to_string()).collect();
        findings.push(
            Finding::wrong(
                "running-twice",
                &looked_at,
                format!(
                    "{} run with the same settings: processes {}.",
                    count(facts.processes.len() as u64, role),
                    pids.join(", ")
                ),
            )
            .because("This computer is counted twice, or one of them takes the other's port.")
            .run("Stop all but one.", format!("kill {}", pids[1..].join(" "))),
        );
    }
    for process in facts.processes {
        findings.extend(one(process, &looked_at, role));
    }
    if findings.is_empty() {
        let found = format!("It runs as process {}, user {}.", first.pid, user_name(first.uid));
        findings.push(Finding::fine("running", looked_at, found));
    }
    findings
}

fn one(process: &Process, looked_at: &str, role: &str) -> Option<Finding> {
    let pid = process.pid;
    match process.state {
        'T' | 't' => {
            return Some(
                Finding::wrong(
                    "stopped",
                    looked_at,
                    format!("Process {pid} was halted (SIGSTOP, Ctrl-Z or a debugger)."),
                )
                .because("It takes connections and does nothing; its nodes look dead.")
                .run("Let it go on.", format!("kill -CONT {pid}")),
            );
        }
        'Z' => {
            return Some(
                Finding::wrong(
                    "stopped",
                    looked_at,
                    format!("Process {pid} has ended, and its parent has not noticed."),
                )
                .because("It does nothing any more.")
                .advise("Restart the program that started it."),
            );
        }
        _ => {}
    }
    if process.environment.is_none() {
        let found =
            format!("Process {pid} is {}'s, and its environment is hidden from us.", user_name(process.uid));
        return Some(
            Finding::note("another-user", looked_at, found)
                .because("What its environment sets was taken from ours, and may be otherwise.")
                .run("Ask as root or as its user.", "sudo chasar doctor"),
        );
    }
    process.replaced.then(|| {
        Finding::wrong(
            "replaced",
            looked_at,
            format!("Process {pid} still runs a program file that was replaced since."),
        )
        .because("An update takes effect at the next start only.")
        .run("Restart it.", format!("systemctl restart chasar-{role}"))
        .advise("Without a service: stop it and start it again.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Verdict;

    fn process(pid: u32, state: char) -> Process {
        Process {
            pid,
            uid: 0,
            arguments: Vec::new(),
            environment: Some(std::collections::BTreeMap::new()),
            folder: None,
            state,
            replaced: false,
            same_network: Some(true),
        }
    }

    fn judged(processes: &[Process], wanted: bool, told: bool) -> Vec<(&'static str, Verdict)> {
        let facts =
            Facts { role: Role::Masternode, start: "chasar masternode start", processes, wanted, told };
        judge(&facts).iter().map(|f| (f.code, f.verdict)).collect()
    }

    #[test]
    fn how_it_runs() {
        assert_eq!(judged(&[process(7, 'S')], true, true), [("running", Verdict::Fine)]);
        assert_eq!(judged(&[], true, true), [("not-running", Verdict::Wrong)]);
        assert_eq!(judged(&[], false, true), [("not-running", Verdict::Note)]);
        assert_eq!(judged(&[], true, false), []);
        assert_eq!(judged(&[process(7, 'T')], true, true), [("stopped", Verdict::Wrong)]);
        assert_eq!(judged(&[process(7, 'Z')], true, true), [("stopped", Verdict::Wrong)]);
        let hidden = Process { environment: None, ..process(7, 'S') };
        assert_eq!(judged(&[hidden], true, true), [("another-user", Verdict::Note)]);
        let replaced = Process { replaced: true, ..process(7, 'R') };
        assert_eq!(judged(&[replaced], true, true), [("replaced", Verdict::Wrong)]);
        assert_eq!(
            judged(&[process(7, 'S'), process(8, 'S')], true, true),
            [("running-twice", Verdict::Wrong)]
        );
    }
}
