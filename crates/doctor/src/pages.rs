//! What the masternode says over HTTP: whether it is well, its fleet, its counters, its clock.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::SystemTime;

use chasar_fleet::FleetSnapshot;

use crate::clock::{Ahead, SLOW};
use crate::finding::Finding;
use crate::http::{self, Answer};
use crate::metrics::Scrape;

/// What the pages said.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Where.
    pub(crate) address: SocketAddr,
    /// Whether it is the address that the settings give, rather than the usual one.
    pub(crate) known: bool,
    /// `/health`; the error when it could not be asked.
    pub(crate) health: Result<Answer, ErrorKind>,
    /// How far the masternode's clock is ahead.
    pub(crate) ahead: Option<Ahead>,
    /// `/api/fleet`.
    pub(crate) fleet: Page<FleetSnapshot>,
    /// `/metrics`.
    pub(crate) metrics: Page<Scrape>,
}

/// A page that may need a token.
#[derive(Debug)]
pub(crate) enum Page<T> {
    /// As it was read.
    Read(Box<T>),
    /// A token is needed, or ours is wrong.
    Locked,
    /// It could not be read, for this reason.
    Unread(String),
}

impl<T> Page<T> {
    /// What was read.
    pub(crate) fn get(&self) -> Option<&T> {
        if let Page::Read(content) = self { Some(content) } else { None }
    }
}

/// Asks for all pages.
pub(crate) fn look(address: SocketAddr, known: bool, token: Option<&str>) -> Facts {
    let asked = SystemTime::now();
    let health = http::get(address, "/health", None);
    let answered = SystemTime::now();
    let slow = answered.duration_since(asked).is_ok_and(|took| took > SLOW);
    let date = health.as_ref().ok().and_then(|answer| answer.header("date"));
    let ahead = date.and_then(|date| Ahead::of_date(date, asked, answered)).filter(|_| !slow);
    let nothing = || "the server did not answer".to_owned();
    let (fleet, metrics) = match &health {
        Ok(_) => (fleet(address, token), metrics(address, token)),
        Err(_) => (Page::Unread(nothing()), Page::Unread(nothing())),
    };
    Facts { address, known, health: health.map_err(|e| e.kind()), ahead, fleet, metrics }
}

fn page<T>(
    address: SocketAddr,
    path: &str,
    token: Option<&str>,
    read: impl Fn(&Answer) -> Result<T, String>,
) -> Page<T> {
    match http::get(address, path, token) {
        Err(e) => Page::Unread(e.to_string()),
        Ok(answer) if answer.status == 401 => Page::Locked,
        Ok(answer) if answer.status != 200 => Page::Unread(format!("status {}", answer.status)),
        Ok(answer) => read(&answer).map_or_else(Page::Unread, |content| Page::Read(Box::new(content))),
    }
}

fn fleet(address: SocketAddr, token: Option<&str>) -> Page<FleetSnapshot> {
    page(address, "/api/fleet", token, |answer| {
        serde_json::from_slice(&answer.body).map_err(|e| e.to_string())
    })
}

/// The counters.
pub(crate) fn metrics(address: SocketAddr, token: Option<&str>) -> Page<Scrape> {
    page(address, "/metrics?job=masternode", token, |answer| {
        let scrape = Scrape::parse(&answer.text());
        if scrape.version().is_some() { Ok(scrape) } else { Err("it is not a masternode's".to_owned()) }
    })
}

/// What it means; `for_clientnode` when it is asked from a node, which can live without.
pub(crate) fn judge(facts: &Facts, for_clientnode: bool) -> Vec<Finding> {
    let looked_at = format!("HTTP of the masternode, http://{}", facts.address);
    let blind = "Its health, its clock and what it knows of its nodes cannot be seen from here.";
    let here = ("Ask on the masternode itself.", "chasar doctor masternode");
    let health = match &facts.health {
        Ok(health) => health,
        Err(kind) => {
            let found = match kind {
                ErrorKind::TimedOut | ErrorKind::WouldBlock => "It does not answer (timed out).".to_owned(),
                ErrorKind::InvalidData => "What answers there is not HTTP.".to_owned(),
                ErrorKind::ConnectionRefused => "Nothing listens there.".to_owned(),
                kind => format!("It cannot be reached: {kind}."),
            };
            if for_clientnode || !facts.known {
                return vec![
                    Finding::note("http-unreachable", looked_at, found).because(blind).run(here.0, here.1),
                ];
            }
            return vec![
                Finding::wrong("http-unreachable", looked_at, found)
                    .because("Dashboards, Prometheus and load balancers see the masternode as dead.")
                    .advise("If the masternode runs, the findings about its ports and its process say why; it was perhaps started with --http off."),
            ];
        }
    };
    let mut findings = Vec::new();
    match health.status {
        200 => findings.push(Finding::fine("healthy", &looked_at, "The masternode says that it is well.")),
        503 => {
            let words = health.text().trim().chars().take(200).collect::<String>();
            findings.push(
                Finding::wrong(
                    "unhealthy",
                    &looked_at,
                    format!("The masternode says that it is not well: {words}."),
                )
                .because("It is stuck or stopping; reports wait in its sockets.")
                .run("See what it last said.", "journalctl -u chasar-masternode -n 50")
                .run(
                    "If it stays so, restart it; nodes send again what was missed.",
                    "systemctl restart chasar-masternode",
                ),
            );
        }
        status => findings.push(
            Finding::note(
                "http-not-a-masternode",
                &looked_at,
                format!("Another web server answers there (status {status})."),
            )
            .because(blind)
            .run(here.0, here.1),
        ),
    }
    match &facts.fleet {
        Page::Read(_) => {}
        Page::Locked => findings.push(
            Finding::note("http-token", &looked_at, "It wants a token to show its fleet.")
                .because("What the masternode knows of its nodes cannot be seen from here.")
                .run("Ask on the masternode itself, as root or as its user, who can read the token.", "sudo chasar doctor masternode"),
        ),
        Page::Unread(why) if health.status == 200 => findings.push(
            Finding::note("fleet-unread", &looked_at, format!("Its list of nodes cannot be read: {why}."))
                .because("What the masternode knows of its nodes is not known here.")
                .advise("Another web server may have this port, or the masternode is of a much later version: update this program."),
        ),
        Page::Unread(_) => {}
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Verdict;

    fn facts(health: Result<&str, ErrorKind>) -> Facts {
        let health = health.map(|text| Answer::parse(text.as_bytes()).expect("an answer"));
        Facts {
            address: SocketAddr::from(([192, 0, 2, 1], 7777)),
            known: true,
            health,
            ahead: None,
            fleet: Page::Read(Box::default()),
            metrics: Page::Locked,
        }
    }

    fn codes(facts: &Facts, for_clientnode: bool) -> Vec<(&'static str, Verdict)> {
        judge(facts, for_clientnode).iter().map(|f| (f.code, f.verdict)).collect()
    }

    #[test]
    fn what_the_pages_say() {
        let ok = "HTTP/1.1 200 OK\r\n\r\nok\n";
        assert_eq!(codes(&facts(Ok(ok)), true), [("healthy", Verdict::Fine)]);
        let locked = Facts { fleet: Page::Locked, ..facts(Ok(ok)) };
        assert_eq!(codes(&locked, true)[1], ("http-token", Verdict::Note));
        let odd = Facts { fleet: Page::Unread("x".into()), ..facts(Ok(ok)) };
        assert_eq!(codes(&odd, true)[1], ("fleet-unread", Verdict::Note));
        let stuck = facts(Ok("HTTP/1.1 503 No\r\n\r\nthe fleet was last updated 9.0 s ago\n"));
        assert_eq!(codes(&stuck, false), [("unhealthy", Verdict::Wrong)]);
        assert!(judge(&stuck, false)[0].found.contains("9.0 s ago"));
        assert_eq!(
            codes(&facts(Ok("HTTP/1.1 404 No\r\n\r\n")), true),
            [("http-not-a-masternode", Verdict::Note)]
        );
        for kind in
            [ErrorKind::ConnectionRefused, ErrorKind::TimedOut, ErrorKind::InvalidData, ErrorKind::Other]
        {
            assert_eq!(codes(&facts(Err(kind)), true), [("http-unreachable", Verdict::Note)]);
            assert_eq!(codes(&facts(Err(kind)), false), [("http-unreachable", Verdict::Wrong)]);
        }
    }
}
