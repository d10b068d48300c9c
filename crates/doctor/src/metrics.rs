//! What the masternode counts about itself: what was refused, dropped and lost, and whether it goes on.

use std::collections::BTreeMap;

use crate::finding::{Finding, count};

/// A scrape of `/metrics`, name with labels to value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    /// Reads Prometheus's text format 0.0.4; lines that are none are left out.
    pub(crate) fn parse(text: &str) -> Scrape {
        let line = |line: &str| {
            if line.starts_with('#') {
                return None;
            }
            let (name, value) = line.trim().rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Scrape(text.lines().filter_map(line).collect())
    }

    /// The version that the masternode says it has.
    pub(crate) fn version(&self) -> Option<&str> {
        let name = self.0.keys().find(|name| name.starts_with("chasar_build_info{"))?;
        name.split_once("version=\"")?.1.split_once('"').map(|(version, _)| version)
    }

    /// A value without labels.
    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// The values of one metric, by its label's value.
    fn labelled(&self, metric: &str) -> impl Iterator<Item = (&str, f64)> {
        let values = self.0.range(format!("{metric}{{")..format!("{metric}|"));
        values.filter_map(|(name, value)| Some((name.split_once("=\"")?.1.trim_end_matches("\"}"), *value)))
    }
}

/// Two scrapes with some seconds between them.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The earlier.
    pub(crate) before: Scrape,
    /// The later; the same as the earlier where there was one only.
    pub(crate) after: Scrape,
}

/// A counter that should stand at 0.
struct Trouble {
    metric: &'static str,
    code: &'static str,
    looked_at: &'static str,
    /// What it counts, one of them.
    noun: &'static str,
    /// What became of them.
    verb: &'static str,
    why: &'static str,
    advice: &'static str,
    command: &'static str,
}

const TROUBLES: &[Trouble] = &[
    Trouble {
        metric: "chasar_reports_refused_total",
        code: "reports-refused",
        looked_at: "reports coming in",
        noun: "message",
        verb: "refused",
        why: "Somebody sends what is no report or breaks a limit; if it is one of your nodes, its numbers are missing.",
        advice: "The log of the masternode names the sender and what is wrong, once a minute.",
        command: "journalctl -u chasar-masternode --grep 'bad report'",
    },
    Trouble {
        metric: "chasar_connections_failed_total",
        code: "connections-failed",
        looked_at: "connections coming in",
        noun: "connection",
        verb: "given up",
        why: "Somebody connects who does not speak the protocol: a port scanner, a health check of a load balancer, a program with a wrong port.",
        advice: "See who connects, and give it the right port (5555 for clientnodes, 6666 for subscribers, 7777 for HTTP).",
        command: "ss -tn 'sport = :5555 or sport = :6666'",
    },
    Trouble {
        metric: "chasar_stream_dropped_total",
        code: "stream-dropped",
        looked_at: "stream going out",
        noun: "message",
        verb: "never published",
        why: "The masternode has too little processor time; subscribers have holes.",
        advice: "Give it another core, or fewer subscribers; see what else runs there.",
        command: "top -b -n 1 | head -15",
    },
    Trouble {
        metric: "chasar_stream_lost_messages_total",
        code: "subscriber-slow",
        looked_at: "stream going out",
        noun: "message",
        verb: "lost to slow subscribers",
        why: "A subscriber reads more slowly than reports come, so its queue ran full and it has holes.",
        advice: "Find the one whose send queue (second number) stays high, and let it do less for each message or subscribe to fewer topics.",
        command: "ss -tn 'sport = :6666'",
    },
    Trouble {
        metric: "chasar_stream_refused_total",
        code: "subscribers-refused",
        looked_at: "stream going out",
        noun: "subscriber",
        verb: "disconnected for its subscriptions",
        why: "It asked for too many topics or for one that is too long.",
        advice: "Subscribe to chasar/node/ once in place of a topic for each node.",
        command: "journalctl -u chasar-masternode --grep subscri",
    },
    Trouble {
        metric: "chasar_memory_errors_total",
        code: "memory-unwritten",
        looked_at: "memory of the fleet",
        noun: "attempt",
        verb: "failed to write it",
        why: "After a crash the masternode would not remember its nodes, and could publish replayed reports twice.",
        advice: "The findings about its state folder say what is in the way.",
        command: "chasar doctor masternode",
    },
    Trouble {
        metric: "chasar_memory_dropped_total",
        code: "memory-unwritten",
        looked_at: "memory of the fleet",
        noun: "batch",
        verb: "not recorded in time",
        why: "The disk is slower than what has to be remembered; after a crash some reports could be published twice.",
        advice: "See what keeps the disk busy.",
        command: "cat /proc/pressure/io",
    },
];

/// What it means.
pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for trouble in TROUBLES {
        let total = |scrape: &Scrape| -> f64 {
            scrape.get(trouble.metric).unwrap_or(0.0)
                + scrape.labelled(trouble.metric).map(|(_, n)| n).sum::<f64>()
        };
        let (before, after) = (total(&facts.before), total(&facts.after));
        if after <= 0.0 {
            continue;
        }
        let kinds: Vec<String> = facts
            .after
            .labelled(trouble.metric)
            .filter(|(_, n)| *n > 0.0)
            .map(|(labels, n)| format!("{} {n}", labels.replace("\",reason=\"", " ")))
            .collect();
        let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        let what = format!("{} {}", count(after as u64, trouble.noun), trouble.verb);
        let (code, looked_at) = (trouble.code, trouble.looked_at);
        let finding = if after > before {
            let found = format!("{what} since it started{kinds}, {} just now.", (after - before) as u64);
            Finding::wrong(code, looked_at, found)
        } else {
            Finding::note(code, looked_at, format!("{what} since it started{kinds}; none just now."))
        };
        findings.push(finding.because(trouble.why).run(trouble.advice, trouble.command));
    }
    if findings.is_empty() && facts.after.version().is_some() {
        findings.push(Finding::fine(
            "counters",
            "counters of the masternode",
            "Nothing was refused, dropped or lost.",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Verdict;
    use proptest::prelude::*;

    fn scrape(lines: &str) -> Scrape {
        Scrape::parse(&format!("# HELP x y\nchasar_build_info{{version=\"1.2.3\"}} 1\n{lines}"))
    }

    fn judged(before: &str, after: &str) -> Vec<Finding> {
        judge(&Facts { before: scrape(before), after: scrape(after) })
    }

    #[test]
    fn counters_that_stand_still_are_the_past() {
        let findings = judged("", "chasar_stream_lost_messages_total 0\nodd line\n");
        assert_eq!((findings.len(), findings[0].verdict), (1, Verdict::Fine));
        let old = "chasar_reports_refused_total{reason=\"json\"} 3\nchasar_reports_refused_total{reason=\"limit\"} 2\n";
        let findings = judged(old, old);
        assert_eq!((findings[0].code, findings[0].verdict), ("reports-refused", Verdict::Note));
        assert_eq!(
            findings[0].found,
            "5 messages refused since it started (json 3, limit 2); none just now."
        );
        let findings = judged(old, &old.replace('3', "7"));
        assert_eq!(findings[0].verdict, Verdict::Wrong);
        assert!(findings[0].found.ends_with("4 just now."), "{}", findings[0].found);
    }

    #[test]
    fn every_trouble_is_found() {
        for trouble in TROUBLES {
            let findings = judged("", &format!("{} 1\n", trouble.metric));
            assert_eq!(
                (findings.len(), findings[0].code, findings[0].verdict),
                (1, trouble.code, Verdict::Wrong)
            );
            let labels = "{port=\"stream\",reason=\"key\"}";
            let findings = judged("", &format!("{}{labels} 1\n", trouble.metric));
            assert!(findings[0].found.contains("(stream key 1)"), "{}", findings[0].found);
        }
    }

    #[test]
    fn the_version_is_read() {
        assert_eq!(scrape("").version(), Some("1.2.3"));
        assert_eq!(Scrape::parse("up 1").version(), None);
    }

    proptest! {
        #[test]
        fn nothing_breaks_the_reader(text: String) {
            let scrape = Scrape::parse(&text);
            let _ = scrape.version();
            let _ = judge(&Facts { before: scrape.clone(), after: scrape });
        }
    }
}
