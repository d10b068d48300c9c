//! Whether a masternode may open as many files as its fleet needs: one for each connection.

use std::fs;

use crate::finding::{Finding, count};

/// Descriptors that a masternode needs besides its connections, as `link` counts them.
const RESERVE: u64 = 256;
/// A limit that leaves room for fewer nodes is worth a word before it is reached.
const SMALL_FLEET: u64 = 1_000;
/// From this share of the room on, it is time to raise the limit, percent.
const NEARLY_PERCENT: u64 = 80;

/// What is known about open files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The process that was looked at; `None`: this one, as the masternode is not running.
    pub(crate) pid: Option<u32>,
    /// The most it may have open, after raising it as far as it may.
    pub(crate) limit: u64,
    /// How many it has open, where we may see that.
    pub(crate) open: Option<u64>,
    /// Nodes of the fleet, where known.
    pub(crate) nodes: Option<u64>,
}

/// Looks at a process; `None` where the system does not tell.
pub(crate) fn look(pid: Option<u32>, nodes: Option<u64>) -> Option<Facts> {
    let folder = pid.map_or_else(|| "/proc/self".to_owned(), |pid| format!("/proc/{pid}"));
    let limit = parse_limit(&fs::read_to_string(format!("{folder}/limits")).ok()?)?;
    let open = fs::read_dir(format!("{folder}/fd")).ok().map(|files| files.count() as u64);
    Some(Facts { pid, limit, open: open.filter(|_| pid.is_some()), nodes })
}

/// The hard limit, to which a masternode raises its own at start (proc_pid_limits(5)).
fn parse_limit(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_ascii_whitespace().nth(1)? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// What it means.
pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    let Facts { pid, limit, open, nodes } = facts;
    let looked_at = match pid {
        Some(pid) => format!("open files of the masternode (process {pid})"),
        None => "open files of a masternode started here".to_owned(),
    };
    let room = limit.saturating_sub(RESERVE);
    let known = nodes.map_or(String::new(), |n| format!(" The fleet has {}.", count(n, "node")));
    let used = open.map_or(String::new(), |n| format!(" {n} are open."));
    let found = format!("It may have {limit}, which is room for {}.{known}{used}", count(room, "connection"));
    let full = open.is_some_and(|n| n.saturating_add(16) >= *limit);
    let short = nodes.unwrap_or(0) > room || room == 0 || full;
    let nearly = nodes.is_some_and(|n| n > room / 100 * NEARLY_PERCENT) || room < SMALL_FLEET;
    let finding = if short {
        Finding::wrong("open-files-too-few", looked_at, found)
            .because("Further clientnodes and subscribers are refused, and a core is spent on refusing them.")
    } else if nearly {
        Finding::note("open-files-scarce", looked_at, found)
            .because("Each clientnode and each subscriber takes one; beyond the limit they are refused.")
    } else {
        return vec![Finding::fine("open-files-enough", looked_at, found)];
    };
    let wanted = nodes.unwrap_or(0).saturating_mul(2).saturating_add(RESERVE).max(65_536);
    vec![
        finding
            .run(
                "As a service: put LimitNOFILE under [Service], then restart it.",
                format!(
                    "printf '[Service]\\nLimitNOFILE={wanted}\\n' | systemctl edit --stdin chasar-masternode"
                ),
            )
            .run("By hand: raise it in the shell that starts it.", format!("ulimit -Hn {wanted}")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Verdict;

    fn judged(limit: u64, open: Option<u64>, nodes: Option<u64>) -> (&'static str, Verdict) {
        let finding = judge(&Facts { pid: Some(7), limit, open, nodes }).remove(0);
        (finding.code, finding.verdict)
    }

    #[test]
    fn the_fleet_has_to_fit() {
        let (few, scarce, enough) = (
            ("open-files-too-few", Verdict::Wrong),
            ("open-files-scarce", Verdict::Note),
            ("open-files-enough", Verdict::Fine),
        );
        assert_eq!(judged(300, None, Some(45)), few);
        assert_eq!(judged(300, None, Some(44)), scarce);
        assert_eq!(judged(256, None, None), few);
        assert_eq!(judged(1_024, None, None), scarce);
        assert_eq!(judged(65_536, None, Some(10_000)), enough);
        assert_eq!(judged(65_536, None, Some(60_000)), scarce);
        assert_eq!(judged(4_096, Some(4_090), Some(10)), few);
        assert_eq!(judged(u64::MAX, Some(9), None), enough);
    }

    #[test]
    fn limits_of_the_kernel() {
        let text = "Limit  Soft  Hard  Units\nMax processes  1  2  processes\nMax open files            1024                 524288               files\n";
        assert_eq!(parse_limit(text), Some(524_288));
        assert_eq!(parse_limit("Max open files unlimited unlimited files"), Some(u64::MAX));
        assert_eq!(parse_limit(""), None);
        if cfg!(target_os = "linux") {
            assert!(look(None, None).expect("procfs is there").limit > 0);
        }
    }
}
