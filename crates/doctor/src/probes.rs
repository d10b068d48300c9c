//! Whether this computer can be read: every probe of the agent runs twice, in this process.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chasar_probes::{Config, Host, Now, ProcessList, Sampler};
use chasar_wire::Report;
use chasar_wire::family::Outcome;

use crate::finding::{Finding, shell, span};

/// Between two samples: that of the agent.
const PAUSE: Duration = Duration::from_secs(1);
/// A probe that takes longer is worth a word: the agent's budget is a millisecond and a half a second.
const SLOW_SECONDS: f64 = 0.1;

/// How one probe fared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    /// Its name.
    pub(crate) name: String,
    /// What came of it.
    pub(crate) outcome: Outcome,
    /// How long it took.
    pub(crate) seconds: f64,
}

/// What the probes said.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Each of them.
    pub(crate) readings: Vec<Reading>,
    /// File systems that did not answer: where, and why.
    pub(crate) silent_mounts: Vec<(String, String)>,
    /// The user they ran as.
    pub(crate) user: String,
    /// The user of the running agent, when that is another one.
    pub(crate) agent_user: Option<String>,
}

/// Runs every probe twice, a second apart.
pub(crate) fn look(user: String, agent_user: Option<String>) -> Facts {
    let started = Instant::now();
    let now = || {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_micros = i64::try_from(unix.as_micros()).unwrap_or(i64::MAX);
        Now { unix_micros, monotonic: started.elapsed() }
    };
    let config = Config {
        host: Arc::new(Host::live()),
        monotonic: Arc::new(move || started.elapsed()),
        processes: ProcessList::default(),
    };
    let mut sampler = Sampler::new(config, &now());
    let mut report = Report::default();
    let mut readings: Vec<Reading> = Vec::new();
    for _ in 0..2 {
        thread::sleep(PAUSE);
        sampler.sample(&now(), &mut report);
        let statuses = report.probes.0.iter();
        readings = statuses
            .map(|(name, status)| {
                let before = readings.iter().find(|r| r.name == name.as_str()).map_or(0.0, |r| r.seconds);
                let seconds = status.duration_seconds.max(before);
                Reading { name: name.to_string(), outcome: status.outcome.clone(), seconds }
            })
            .collect();
    }
    let silent = |f: &chasar_wire::family::Filesystem| {
        Some((f.mountpoint.to_string(), f.device_error.as_ref()?.to_string()))
    };
    let silent_mounts = report.filesystems.iter().flatten().filter_map(silent).collect();
    Facts { readings, silent_mounts, user, agent_user }
}

/// What it means.
pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut missing = Vec::new();
    for reading in &facts.readings {
        let looked_at = format!("probe {}", reading.name);
        match &reading.outcome {
            Outcome::Failed(reason) => findings.push(failed(facts, looked_at, reason)),
            Outcome::NothingHere(reason) => missing.push(format!("{} ({reason})", reading.name)),
            Outcome::Fresh if reading.seconds > SLOW_SECONDS => findings.push(
                Finding::note("probe-slow", looked_at, format!("It took {} to read.", span(reading.seconds)))
                    .because("All probes share the agent's second; slow ones make it late and cost processor time.")
                    .advise("A computer under full load does this, and so does one with very many processes; see whether it stays so when the load is gone."),
            ),
            Outcome::Fresh => {}
        }
    }
    for (mountpoint, why) in &facts.silent_mounts {
        findings.push(
            Finding::wrong(
                "mount-silent",
                format!("file system {mountpoint}"),
                format!("It does not answer: {why}."),
            )
            .because("Its space is not reported, and programs that touch it hang.")
            .run(
                "If its server is gone for good, take the mount away.",
                format!("umount -l {}", shell(mountpoint)),
            ),
        );
    }
    if let Some(agent) = &facts.agent_user {
        findings.push(
            Finding::note(
                "another-user",
                "probes",
                format!("They ran as {}, while the clientnode runs as {agent}.", facts.user),
            )
            .because("What one user may read the other may not.")
            .run("Ask as the clientnode's user.", format!("sudo -u {} chasar doctor", shell(agent))),
        );
    }
    let fresh: Vec<&Reading> = facts.readings.iter().filter(|r| r.outcome == Outcome::Fresh).collect();
    if let Some(slowest) = fresh.iter().max_by(|a, b| a.seconds.total_cmp(&b.seconds)) {
        let found = format!(
            "{} of {} read this computer; the slowest is {} with {}.",
            fresh.len(),
            facts.readings.len(),
            slowest.name,
            span(slowest.seconds)
        );
        findings.push(Finding::fine("probes-read", "probes", found));
    }
    if !missing.is_empty() {
        let found = format!("This computer has no: {}.", missing.join(", "));
        findings.push(Finding::fine("nothing-here", "probes", found));
    }
    findings
}

fn failed(facts: &Facts, looked_at: String, reason: &str) -> Finding {
    let finding = Finding::wrong("probe-failed", looked_at, format!("It fails: {reason}."))
        .because("Its numbers are missing in every report of this computer.");
    let path = reason.split(": ").next().filter(|p| p.starts_with('/'));
    // The words of the C library and of Windows for EACCES and EPERM.
    let refused = ["Permission denied", "Operation not permitted", "Access is denied"];
    match path {
        Some(path) if refused.iter().any(|words| reason.contains(words)) => finding
            .run(format!("See who may read it; these probes ran as {}.", facts.user), format!("ls -ld {}", shell(path)))
            .advise(
                "Let the clientnode's user read it, or take back what hides it: hidepid= of /proc, a container's \
                 masked paths, ProtectProc= or InaccessiblePaths= of a unit.",
            ),
        Some(path) => finding.run("See what the system says about it.", format!("cat {}", shell(path))),
        None => finding.advise("If it stays so after a restart of this computer, report this line as a fault of Chasar."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Verdict;

    fn facts(readings: &[(&str, Outcome, f64)]) -> Facts {
        let reading = |(name, outcome, seconds): &(&str, Outcome, f64)| Reading {
            name: (*name).into(),
            outcome: outcome.clone(),
            seconds: *seconds,
        };
        Facts { readings: readings.iter().map(reading).collect(), user: "me".into(), ..Facts::default() }
    }

    #[test]
    fn outcomes_become_findings() {
        let denied = Outcome::Failed("/proc/x: Permission denied (os error 13)".into());
        let findings = judge(&facts(&[
            ("a", Outcome::Fresh, 0.002),
            ("b", Outcome::Fresh, 0.5),
            ("c", denied, 0.0),
            ("d", Outcome::Failed("/proc/y: is odd".into()), 0.0),
            ("e", Outcome::Failed("the probe panicked; it starts anew".into()), 0.0),
            ("f", Outcome::NothingHere("no swap".into()), 0.0),
        ]));
        let codes: Vec<_> = findings.iter().map(|f| (f.code, f.verdict)).collect();
        assert_eq!(
            codes,
            [
                ("probe-slow", Verdict::Note),
                ("probe-failed", Verdict::Wrong),
                ("probe-failed", Verdict::Wrong),
                ("probe-failed", Verdict::Wrong),
                ("probes-read", Verdict::Fine),
                ("nothing-here", Verdict::Fine),
            ]
        );
        assert_eq!(findings[1].remedy[0].command.as_deref(), Some("ls -ld /proc/x"));
        assert!(findings[1].remedy[1].text.contains("hidepid"));
        assert_eq!(findings[2].remedy[0].command.as_deref(), Some("cat /proc/y"));
        assert!(findings[4].found.starts_with("2 of 6") && findings[5].found.contains("f (no swap)"));
    }

    #[test]
    fn a_mount_that_hangs_and_another_user() {
        let facts = Facts {
            silent_mounts: vec![("/mnt/n fs".into(), "no answer for 9 s".into())],
            agent_user: Some("chasar".into()),
            ..facts(&[])
        };
        let findings = judge(&facts);
        assert_eq!((findings[0].code, findings[0].verdict), ("mount-silent", Verdict::Wrong));
        assert_eq!(findings[0].remedy[0].command.as_deref(), Some("umount -l '/mnt/n fs'"));
        assert_eq!((findings[1].code, findings[1].verdict), ("another-user", Verdict::Note));
        assert_eq!(findings.len(), 2, "nothing is said about no probes");
    }

    #[test]
    fn this_computer_can_be_read() {
        let facts = look("me".into(), None);
        assert!(!facts.readings.is_empty());
        assert!(judge(&facts).iter().any(|f| f.code == "probes-read"), "{facts:?}");
    }
}
