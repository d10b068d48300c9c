//! What the masternode thinks of its nodes: late, down, cloned, with gaps, with a wrong clock, of another version.

use std::collections::BTreeMap;

use chasar_fleet::{FleetSnapshot, NodeSnapshot, State};

use crate::clock::MOST_SKEW_SECONDS;
use crate::finding::{Finding, count, span};

/// The version of this program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Most nodes that are named one by one of each kind; the rest is a number.
const NAMED: usize = 10;

/// What is known about the fleet.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    /// As the masternode gave it.
    pub(crate) fleet: &'a FleetSnapshot,
    /// How the masternode is reached from a node.
    pub(crate) masternode: String,
    /// The version of the masternode.
    pub(crate) version: Option<&'a str>,
    /// Only this node, for the doctor of a clientnode: its id, where known.
    pub(crate) own: Option<&'a str>,
}

/// What it means for a masternode: every node.
pub(crate) fn judge(facts: &Facts<'_>) -> Vec<Finding> {
    let fleet = facts.fleet;
    let mut findings = Vec::new();
    if fleet.nodes.is_empty() {
        return vec![
            Finding::note("no-nodes", "fleet", "The masternode knows of no node.")
                .because("Nothing has reported to it yet.")
                .run("On each computer:", format!("chasar clientnode start {}", facts.masternode))
                .run(
                    "If that does not help, ask there.",
                    format!("chasar doctor clientnode {}", facts.masternode),
                ),
        ];
    }
    findings.extend(each(facts, |node| silent(facts, node)));
    findings.extend(each(facts, |node| cloned(facts, node)));
    findings.extend(each(facts, |node| skewed(facts, node)));
    findings.extend(each(facts, |node| lossy(facts, node)));
    findings.extend(same_names(fleet));
    findings.extend(versions(facts));
    let totals = fleet.totals;
    let found = format!(
        "{}: {} live, {} late, {} down, {} left.",
        count(totals.nodes as u64, "node"),
        totals.live,
        totals.late,
        totals.down,
        totals.left
    );
    findings.push(Finding::fine("fleet", "fleet", found));
    findings
}

/// What it means for a clientnode: its own entry.
pub(crate) fn judge_own(facts: &Facts<'_>) -> Vec<Finding> {
    let Some(own) = facts.own else { return Vec::new() };
    let looked_at = "this computer at the masternode";
    let Some(node) = facts.fleet.nodes.iter().find(|n| &*n.node_id == own) else {
        return vec![
            Finding::wrong(
                "unknown-there",
                looked_at,
                format!("The masternode does not know this node ({own})."),
            )
            .because("No report of it has arrived.")
            .advise(
                "If the clientnode runs, what is said about its connection is the reason; else start it.",
            ),
        ];
    };
    let mut findings: Vec<Finding> =
        [silent(facts, node), cloned(facts, node), skewed(facts, node), lossy(facts, node)]
            .into_iter()
            .flatten()
            .collect();
    if node.state == State::Live {
        let age = age(facts, node.last_report_ms);
        findings.push(Finding::fine(
            "node-live",
            looked_at,
            format!("It is live; the last report came {age} ago."),
        ));
    }
    findings
}

/// One finding for each of the first nodes, and one for all others together.
fn each(facts: &Facts<'_>, judge: impl Fn(&NodeSnapshot) -> Option<Finding>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = facts.fleet.nodes.iter().filter_map(|node| judge(node)).collect();
    findings.sort_by_key(|f| std::cmp::Reverse(f.verdict));
    let more = findings.len().saturating_sub(NAMED);
    findings.truncate(NAMED);
    if more > 0
        && let Some(last) = findings.last_mut()
    {
        last.found += &format!(" The same holds for {}.", count(more as u64, "other node"));
    }
    findings
}

fn name(node: &NodeSnapshot) -> String {
    format!("node {} ({})", node.about.hostname, node.about.address)
}

/// Time from a moment to that of the snapshot, both by the masternode's clock.
fn age(facts: &Facts<'_>, at_ms: i64) -> String {
    span(facts.fleet.at_ms.saturating_sub(at_ms).max(0) as f64 / 1e3)
}

fn silent(facts: &Facts<'_>, node: &NodeSnapshot) -> Option<Finding> {
    let since = age(facts, node.last_report_ms);
    let every = span(node.interval_seconds);
    let ask = format!("chasar doctor clientnode {}", facts.masternode);
    let finding = match node.state {
        State::Live => return None,
        State::Left => {
            let found = format!("Its clientnode was stopped on purpose {} ago.", age(facts, node.since_ms));
            return Some(
                Finding::note("node-left", name(node), found)
                    .because("It is known and reports nothing.")
                    .run(
                        "If it should report, start it there.",
                        format!("chasar clientnode start {}", facts.masternode),
                    ),
            );
        }
        State::Late => Finding::note(
            "node-late",
            name(node),
            format!("Its last report came {since} ago, and one is due every {every}."),
        )
        .because("The computer or the network is very busy, or it has just gone away."),
        State::Down => Finding::wrong(
            "node-down",
            name(node),
            format!("Nothing has come for {since}, and a report is due every {every}."),
        )
        .because("Nobody knows how that computer is: it is off, cut off, or its clientnode does not run."),
    };
    Some(
        finding
            .run(
                "See whether it answers.",
                format!("ping -c 3 {}", crate::finding::shell(&node.about.address)),
            )
            .run("On that computer:", ask),
    )
}

fn cloned(_facts: &Facts<'_>, node: &NodeSnapshot) -> Option<Finding> {
    if !node.cloned {
        return None;
    }
    let found = format!("Another running clientnode has the same identity ({}).", node.node_id);
    Some(
        Finding::wrong("node-cloned", name(node), found)
            .because("A state folder was copied with a disk image, so two computers claim to be one; their numbers are kept apart by a made-up name.")
            .run("On the copy: stop the clientnode, remove its identity, start it again.", "rm /var/lib/chasar/clientnode/node_id")
            .advise("Leave the folder out of images that are rolled out."),
    )
}

fn skewed(_facts: &Facts<'_>, node: &NodeSnapshot) -> Option<Finding> {
    let skew = node.clock_skew_seconds.filter(|s| s.abs() > MOST_SKEW_SECONDS)?;
    let side = if skew > 0.0 { "behind" } else { "ahead of" };
    let found = format!("Its clock is {} {side} the masternode's.", span(skew));
    Some(
        Finding::wrong("node-clock-skew", name(node), found)
            .because("Its samples are filed under wrong times and cannot be compared with others'.")
            .run("On that computer, set the clock by a time service.", "timedatectl set-ntp true")
            .run(
                "If many nodes are off by the same, it is the masternode's clock: see there.",
                "timedatectl",
            ),
    )
}

fn lossy(_facts: &Facts<'_>, node: &NodeSnapshot) -> Option<Finding> {
    let c = node.counters;
    if c.conflicts_total > 0 {
        let found = format!(
            "{} came under numbers that had come already.",
            count(c.conflicts_total, "different report")
        );
        return Some(
            Finding::wrong("node-conflict", name(node), found)
                .because("Two programs send as one node and session, which no clientnode does by itself.")
                .advise("Look for a second sender: a restored virtual machine, or a program that replays recorded reports."),
        );
    }
    if c.lost_total > 0 {
        let found = format!(
            "{} of it were lost for good since the masternode started.",
            count(c.lost_total, "report")
        );
        return Some(
            Finding::note("node-gap", name(node), found)
                .because("Its history has holes: the cut was longer than the outbox keeps, or the clientnode was killed meanwhile.")
                .run("Keep more, also over a restart.", "chasar clientnode start --outbox-age 6h --spool-dir /var/lib/chasar/spool"),
        );
    }
    (node.missing > 0).then(|| {
        let found = format!("{} of it are missing and may still come.", count(node.missing, "report"));
        Finding::note("node-missing", name(node), found)
            .because("After a cut the missing reports follow behind the live ones.")
            .advise("Wait; what does not come becomes a gap.")
    })
}

/// Several identities under one host name and address: a clientnode that forgets who it is.
fn same_names(fleet: &FleetSnapshot) -> Vec<Finding> {
    let mut by_name: BTreeMap<(&str, &str), Vec<&NodeSnapshot>> = BTreeMap::new();
    for node in fleet.nodes.iter().filter(|n| !n.cloned) {
        by_name.entry((&node.about.hostname, &node.about.address)).or_default().push(node);
    }
    let repeated = by_name.into_iter().filter(|(_, nodes)| nodes.len() > 1);
    repeated
        .map(|((hostname, address), nodes)| {
            let live = nodes.iter().filter(|n| n.state == State::Live).count();
            let found = format!("{} of this name report from there, {live} of them live.", count(nodes.len() as u64, "node"));
            Finding::note("same-name", format!("nodes {hostname} ({address})"), found)
                .because("Either several clientnodes run there, or one cannot keep its identity and is a new node after every start.")
                .run("On that computer, see whether its state folder can be written.", "chasar doctor clientnode")
        })
        .take(NAMED)
        .collect()
}

fn versions(facts: &Facts<'_>) -> Vec<Finding> {
    let Some(ours) = facts.version else { return Vec::new() };
    let mut others: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for node in &facts.fleet.nodes {
        // Nodes of 2016 say none.
        if let Some(version) = node.about.version.as_deref().filter(|v| *v != ours) {
            others.entry(version).or_default().push(&node.about.hostname);
        }
    }
    let finding = |(version, hosts): (&str, Vec<&str>)| {
        let found = format!(
            "{} of version {version}, such as {}, report to this masternode of version {ours}.",
            count(hosts.len() as u64, "node"),
            hosts[0]
        );
        let newer = parts(version) > parts(ours);
        let text = if newer {
            "Update the masternode: it does not know what newer nodes add."
        } else {
            "Update these nodes when it suits you."
        };
        Finding::note("versions-differ", "versions", found)
            .because("Reports of every version are read, but what is new in one is missing in the other.")
            .advise(text)
    };
    others.into_iter().map(finding).take(NAMED).collect()
}

/// What it means that a masternode has this version, for a clientnode here.
pub(crate) fn judge_version(masternode: &str) -> Finding {
    if masternode == VERSION {
        return Finding::fine("versions-agree", "versions", format!("Both are of version {VERSION}."));
    }
    let finding = Finding::note(
        "versions-differ",
        "versions",
        format!("This program is of version {VERSION}, the masternode of version {masternode}."),
    )
    .because("They understand each other, but what is new in one is missing in the other.");
    if parts(masternode) < parts(VERSION) {
        finding.advise("Update the masternode first: it does not know what newer nodes add.")
    } else {
        finding.advise("Update this computer when it suits you.")
    }
}

/// `1.2.3` as numbers; what is none counts as 0.
fn parts(version: &str) -> Vec<u64> {
    version.split(['.', '-', '+']).take(3).map(|n| n.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Verdict;
    use chasar_fleet::About;
    use std::sync::Arc;

    fn node(name: &str, state: State) -> NodeSnapshot {
        let json = serde_json::json!({
            "node_id": format!("id-{name}"), "hostname": name, "address": "192.0.2.9", "version": VERSION,
            "state": state, "since_ms": 0, "last_report_ms": 0, "interval_seconds": 1.0, "summary": {},
            "counters": chasar_fleet::Counters::default(), "missing": 0,
        });
        serde_json::from_value(json).expect("a node as the masternode writes it")
    }

    fn fleet(nodes: Vec<NodeSnapshot>) -> FleetSnapshot {
        FleetSnapshot {
            at_ms: 90_000,
            nodes: nodes.into_iter().map(Arc::new).collect(),
            ..FleetSnapshot::default()
        }
    }

    fn facts(fleet: &FleetSnapshot) -> Facts<'_> {
        Facts { fleet, masternode: "server 5555".into(), version: Some(VERSION), own: Some("id-a") }
    }

    fn codes(nodes: Vec<NodeSnapshot>) -> Vec<(&'static str, Verdict)> {
        judge(&facts(&fleet(nodes))).iter().map(|f| (f.code, f.verdict)).collect()
    }

    #[test]
    fn every_trouble_of_a_node() {
        use Verdict::{Note, Wrong};
        let live = node("a", State::Live);
        assert_eq!(codes(vec![live.clone()]), [("fleet", Verdict::Fine)]);
        assert_eq!(codes(Vec::new()), [("no-nodes", Note)]);
        let counted = |lost_total, conflicts_total| chasar_fleet::Counters {
            lost_total,
            conflicts_total,
            ..Default::default()
        };
        let about =
            |version: &str| Arc::new(About { version: Some(version.into()), ..About::clone(&live.about) });
        for (odd, expected) in [
            (node("a", State::Late), ("node-late", Note)),
            (node("a", State::Down), ("node-down", Wrong)),
            (node("a", State::Left), ("node-left", Note)),
            (NodeSnapshot { cloned: true, ..live.clone() }, ("node-cloned", Wrong)),
            (NodeSnapshot { clock_skew_seconds: Some(-3.0), ..live.clone() }, ("node-clock-skew", Wrong)),
            (NodeSnapshot { missing: 4, ..live.clone() }, ("node-missing", Note)),
            (NodeSnapshot { counters: counted(4, 0), ..live.clone() }, ("node-gap", Note)),
            (NodeSnapshot { counters: counted(4, 1), ..live.clone() }, ("node-conflict", Wrong)),
            (NodeSnapshot { about: about("0.0.1"), ..live.clone() }, ("versions-differ", Note)),
        ] {
            assert_eq!(codes(vec![odd])[0], expected);
        }
        let twin = NodeSnapshot { node_id: "other".into(), ..live.clone() };
        assert_eq!(codes(vec![live, twin])[0], ("same-name", Note));
    }

    #[test]
    fn many_nodes_are_counted() {
        let nodes = (0..25).map(|n| node(&n.to_string(), State::Down)).collect();
        let findings = judge(&facts(&fleet(nodes)));
        assert_eq!(findings.iter().filter(|f| f.code == "node-down").count(), NAMED);
        assert!(findings[NAMED - 1].found.ends_with("15 other nodes."), "{}", findings[NAMED - 1].found);
        assert!(findings[0].found.contains("for 90 s"), "{}", findings[0].found);
    }

    #[test]
    fn a_clientnode_asks_for_itself() {
        let own = |nodes| judge_own(&facts(&fleet(nodes))).iter().map(|f| f.code).collect::<Vec<_>>();
        assert_eq!(own(vec![node("a", State::Live), node("b", State::Down)]), ["node-live"]);
        assert_eq!(own(vec![node("a", State::Down)]), ["node-down"]);
        assert_eq!(own(vec![node("b", State::Live)]), ["unknown-there"]);
    }

    #[test]
    fn versions_are_numbers() {
        assert!(
            parts("0.10.0") > parts("0.9.9") && parts("1.0.0-rc1") == parts("1.0.0") && parts("x") == [0]
        );
        assert_eq!(judge_version(VERSION).verdict, Verdict::Fine);
        assert!(judge_version("99.0.0").remedy[0].text.contains("this computer"));
        assert!(judge_version("0.0.1").remedy[0].text.contains("the masternode first"));
    }
}
