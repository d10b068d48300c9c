//! Whether the stream delivers: a subscriber for three seconds.

use std::time::{Duration, Instant};

use chasar_link::{Endpoint, LinkEvent, Subscriber, SubscriberConfig, SubscriberEvent};
use chasar_wire::topic;

use crate::finding::{Finding, span};

/// How long is listened: three reports of every node at the usual interval.
const LISTEN: Duration = Duration::from_secs(3);
/// So many messages are proof enough; a large fleet sends a hundred megabytes in three seconds.
const ENOUGH: u64 = 500;

/// What came.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Heard {
    /// Whether the link came up.
    pub(crate) up: bool,
    /// What stood in its way.
    pub(crate) trouble: Option<String>,
    /// Reports.
    pub(crate) messages: u64,
    /// Of these, reports of this computer's own node.
    pub(crate) own: u64,
    /// How long was listened.
    pub(crate) seconds: f64,
}

/// What is known about the stream.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Host and port, for people.
    pub(crate) place: String,
    /// What came; the words of the link when listening failed.
    pub(crate) heard: Result<Heard, String>,
    /// Live nodes as the masternode counts them, where known.
    pub(crate) live: Option<u64>,
    /// The interval of this computer's own clientnode, when one runs here that reports to this masternode.
    pub(crate) own_interval: Option<Duration>,
}

/// Listens at `host` and `port`, also for reports of the node with this id.
pub(crate) fn look(host: &str, port: u16, own: Option<&str>) -> Result<Heard, String> {
    let endpoint = Endpoint::new(host, port).map_err(|e| e.to_string())?;
    let topics = [Some(topic::ALL_REPORTS.to_owned()), own.map(topic::node_report)];
    let config = SubscriberConfig::new(endpoint, topics.into_iter().flatten());
    let mut subscriber = Subscriber::connect(&config).map_err(|e| e.to_string())?;
    let started = Instant::now();
    let mut heard = Heard::default();
    while heard.messages < ENOUGH {
        let left = LISTEN.saturating_sub(started.elapsed());
        if left.is_zero() {
            break;
        }
        match subscriber.recv(left).map_err(|e| e.to_string())? {
            Some(SubscriberEvent::Message { topic, .. }) if &*topic == topic::ALL_REPORTS.as_bytes() => {
                heard.messages += 1;
            }
            Some(SubscriberEvent::Message { .. }) => heard.own += 1,
            Some(SubscriberEvent::Link(LinkEvent::Up { .. })) => heard.up = true,
            Some(SubscriberEvent::Link(LinkEvent::Trouble(text))) => heard.trouble = Some(text),
            Some(SubscriberEvent::Link(LinkEvent::Down { reason })) => {
                heard.trouble = Some(reason.to_string())
            }
            None => break,
        }
    }
    heard.seconds = started.elapsed().as_secs_f64();
    Ok(heard)
}

/// What it means that no stream is on the usual port of a masternode that answers.
pub(crate) fn judge_elsewhere(place: &str) -> Finding {
    Finding::note("stream-unreachable", format!("stream at {place}"), "No masternode streams on the usual port.")
        .because("It may have been moved or switched off, or a firewall lets only reports through; whoever subscribes has to know.")
        .run("See on the masternode where it streams.", "chasar doctor masternode --verbose")
}

/// What it means.
pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    let looked_at = format!("stream at {}", facts.place);
    let no_link = |why: &str| {
        Finding::wrong("stream-unreachable", &looked_at, format!("No subscriber gets through: {why}."))
            .because("Dashboards and programs that subscribe receive nothing.")
            .run("See on the masternode whether it streams, and where.", "chasar doctor masternode")
    };
    let heard = match &facts.heard {
        Ok(heard) if heard.up => heard,
        Ok(heard) => return vec![no_link(heard.trouble.as_deref().unwrap_or("the link did not come up"))],
        Err(error) => return vec![no_link(error)],
    };
    let time = span(heard.seconds);
    if heard.messages == 0 {
        let found = format!("The link is up, but no report came in {time}.");
        return vec![match facts.live {
            Some(live @ 1..) => Finding::wrong(
                "stream-silent",
                looked_at,
                format!("{found} The masternode counts {live} live."),
            )
            .because("Reports come in and do not go out again.")
            .run("See what the masternode says.", "journalctl -u chasar-masternode -n 50"),
            _ => Finding::note("stream-silent", looked_at, found)
                .because("No node reports at present, or all of them more seldom.")
                .run("See which nodes there are.", "chasar doctor masternode"),
        }];
    }
    let each = heard.messages as f64 / heard.seconds.max(0.001);
    let mut findings = vec![Finding::fine(
        "stream-delivers",
        &looked_at,
        format!("{} reports came in {time} ({each:.0} a second).", heard.messages),
    )];
    if let Some(interval) = facts.own_interval {
        if heard.own > 0 {
            findings.push(Finding::fine(
                "own-reports",
                looked_at,
                format!("{} of them are of this computer.", heard.own),
            ));
        } else if interval.as_secs_f64() * 2.0 < heard.seconds {
            findings.push(
                Finding::wrong("own-reports-missing", looked_at, format!("No report of this computer came in {time}, and one is due every {}.", span(interval.as_secs_f64())))
                    .because("The clientnode runs here, yet its reports do not get through or go to another masternode.")
                    .run("See what the clientnode says.", "journalctl -u chasar-clientnode -n 50"),
            );
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Verdict;

    fn judged(heard: Heard, live: Option<u64>, own_interval: Option<u64>) -> Vec<(&'static str, Verdict)> {
        let facts = Facts {
            place: "h:6666".into(),
            heard: Ok(Heard { seconds: 3.0, ..heard }),
            live,
            own_interval: own_interval.map(Duration::from_secs),
        };
        judge(&facts).iter().map(|f| (f.code, f.verdict)).collect()
    }

    #[test]
    fn what_comes_tells() {
        let heard = |messages, own| Heard { up: true, messages, own, ..Heard::default() };
        assert_eq!(judged(heard(9, 0), None, None), [("stream-delivers", Verdict::Fine)]);
        assert_eq!(judged(heard(9, 3), None, Some(1))[1], ("own-reports", Verdict::Fine));
        assert_eq!(judged(heard(9, 0), None, Some(1))[1], ("own-reports-missing", Verdict::Wrong));
        assert_eq!(judged(heard(9, 0), None, Some(60)).len(), 1, "too seldom to tell");
        assert_eq!(judged(heard(0, 0), Some(4), None), [("stream-silent", Verdict::Wrong)]);
        assert_eq!(judged(heard(0, 0), Some(0), None), [("stream-silent", Verdict::Note)]);
        assert_eq!(judged(heard(0, 0), None, None), [("stream-silent", Verdict::Note)]);
        assert_eq!(judged(Heard::default(), None, None), [("stream-unreachable", Verdict::Wrong)]);
    }

    #[test]
    fn a_stream_that_may_be_elsewhere_is_a_note() {
        assert_eq!(judge_elsewhere("h:6666").verdict, Verdict::Note);
    }

    #[test]
    fn a_name_that_leads_nowhere() {
        let heard = look("no-such-host.invalid", 1, None);
        let facts = Facts { place: "x".into(), heard, live: None, own_interval: None };
        assert!(judge(&facts)[0].found.contains("no-such-host.invalid"));
    }
}
