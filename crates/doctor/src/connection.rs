//! Whether the masternode is reached, and whether it is one that answers there.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::finding::{Finding, shell};
use crate::listener;
use crate::speaker::{self, Shake, Speaker};

/// How long a name may take to be found; resolvers give up after 5 to 10 s by themselves.
const RESOLVE_WITHIN: Duration = Duration::from_secs(6);
/// How long a connection may take: three times what a packet lost once costs.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// Which of a masternode's ports is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    /// That of the reports: a SUB socket.
    Reports,
    /// That of the stream: an XPUB socket.
    Stream,
}

impl Port {
    /// The port of 2016.
    pub(crate) fn usual(self) -> u16 {
        match self {
            Port::Reports => 5555,
            Port::Stream => 6666,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Port::Reports => "reports",
            Port::Stream => "the stream",
        }
    }

    /// The socket type that we play.
    fn ours(self) -> &'static str {
        match self {
            Port::Reports => "PUB",
            Port::Stream => "SUB",
        }
    }

    fn is_right(self, socket_type: &str) -> bool {
        match self {
            Port::Reports => matches!(socket_type, "SUB" | "XSUB"),
            Port::Stream => matches!(socket_type, "PUB" | "XPUB"),
        }
    }

    /// The command that uses this port of a host.
    fn command(self, host: &str, port: u16) -> String {
        let host = shell(host);
        match self {
            Port::Reports => format!("chasar clientnode start {host} {port}"),
            Port::Stream if host.contains(':') => format!("chasar watch '[{host}]:{port}'"),
            Port::Stream => format!("chasar watch {host}:{port}"),
        }
    }
}

/// Where a masternode should be, and what was seen there.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Which port.
    pub(crate) port: Port,
    /// The host as given.
    pub(crate) host: String,
    /// The number of the port.
    pub(crate) number: u16,
    /// What came of it.
    pub(crate) met: Met,
    /// Whether the host is this computer.
    pub(crate) here: bool,
    /// Addresses of this computer on which the port is open, where it is closed on the one that was tried.
    pub(crate) open_on: Vec<IpAddr>,
    /// Where the port of this kind was found instead, on the same host.
    pub(crate) elsewhere: Option<u16>,
}

/// What came of trying.
#[derive(Debug)]
pub(crate) enum Met {
    /// The name has no address.
    NoName(String),
    /// There is no connection.
    NoConnection(IpAddr, ErrorKind, String),
    /// Somebody answers.
    Somebody(SocketAddr, Speaker),
}

impl Facts {
    /// The first address of the host.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        match &self.met {
            Met::NoName(_) => None,
            Met::NoConnection(ip, ..) => Some(*ip),
            Met::Somebody(address, _) => Some(address.ip()),
        }
    }

    /// Whether a masternode answers there as it should.
    pub(crate) fn is_right(&self) -> bool {
        match &self.met {
            Met::Somebody(_, Speaker::Zmtp(zmtp)) => {
                matches!(&zmtp.shake, Some(Shake::Ready { socket_type, .. }) if self.port.is_right(socket_type))
            }
            _ => false,
        }
    }
}

/// Looks who is at `host` and `number`.
pub(crate) fn look(port: Port, host: &str, number: u16) -> Facts {
    let addresses = match resolve(host, number) {
        Ok(addresses) => addresses,
        Err(error) => {
            let met = Met::NoName(error.to_string());
            return Facts {
                port,
                host: host.to_owned(),
                number,
                met,
                here: false,
                open_on: Vec::new(),
                elsewhere: None,
            };
        }
    };
    let address = preferred(&addresses).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], number)));
    let here = is_here(address.ip());
    let facts = |number, met| Facts {
        port,
        host: host.to_owned(),
        number,
        met,
        here,
        open_on: Vec::new(),
        elsewhere: None,
    };
    let mut found = facts(number, meet(port, address));
    // An address of this network on which the port is closed, while it is open on loopback: bound too narrowly.
    if here
        && !address.ip().is_loopback()
        && matches!(found.met, Met::NoConnection(_, ErrorKind::ConnectionRefused, _))
    {
        let listeners = listener::on_ports(&[number]).unwrap_or_default();
        found.open_on = listeners.iter().map(|l| l.address).filter(IpAddr::is_loopback).collect();
    }
    let usual = port.usual();
    let lost = matches!(found.met, Met::NoConnection(_, ErrorKind::TimedOut, _));
    if found.is_right() || lost || number == usual {
        return found;
    }
    let there = facts(usual, meet(port, SocketAddr::new(address.ip(), usual)));
    Facts { elsewhere: there.is_right().then_some(usual), ..found }
}

fn meet(port: Port, address: SocketAddr) -> Met {
    match speaker::ask(address, port.ours(), CONNECT_WITHIN) {
        Ok(speaker) => Met::Somebody(address, speaker),
        Err(error) => Met::NoConnection(address.ip(), error.kind(), error.to_string()),
    }
}

/// The address of several to go to, as the clientnode does: IPv4 first.
pub(crate) fn preferred(found: &[SocketAddr]) -> Option<SocketAddr> {
    found.iter().find(|a| a.is_ipv4()).or(found.first()).copied()
}

/// The addresses of a host, waiting for a slow resolver only so long.
pub(crate) fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let (sender, receiver) = mpsc::channel();
    let name = host.to_owned();
    // The resolver cannot be interrupted; its thread ends with the process at the latest.
    thread::Builder::new().name("resolver".to_owned()).spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        let _ = sender.send(found);
    })?;
    let found = receiver.recv_timeout(RESOLVE_WITHIN).unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))?;
    if found.is_empty() { Err(io::Error::new(ErrorKind::NotFound, "it has no address")) } else { Ok(found) }
}

/// Whether an address is one of this computer's: only then can a socket be bound to it.
pub(crate) fn is_here(ip: IpAddr) -> bool {
    std::net::UdpSocket::bind((ip, 0)).is_ok()
}

/// What it means.
pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    let Facts { port, host, number, .. } = facts;
    let looked_at = format!("{} at {}", port.name(), at(host, *number));
    let finding = match &facts.met {
        Met::NoName(error) => no_name(&looked_at, host, error),
        Met::NoConnection(_, kind, error) => no_connection(facts, &looked_at, *kind, error),
        Met::Somebody(_, speaker) => somebody(facts, &looked_at, speaker),
    };
    vec![match facts.elsewhere {
        Some(usual) => finding.run(
            format!("A masternode answers on port {usual} of the same host: use that one."),
            port.command(host, usual),
        ),
        None => finding,
    }]
}

/// `host:port`, IPv6 in brackets.
pub(crate) fn at(host: &str, port: impl fmt::Display) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

const NO_REPORT: &str =
    "No report gets through; the clientnode keeps the last hour and sends it when the link is up.";
const NO_STREAM: &str = "Whoever subscribes there receives nothing.";

fn why(port: Port) -> &'static str {
    if port == Port::Reports { NO_REPORT } else { NO_STREAM }
}

fn no_name(looked_at: &str, host: &str, error: &str) -> Finding {
    Finding::wrong("name-not-found", looked_at, format!("The name {host} has no address here ({error})."))
        .because("Without an address there is nothing to connect to.")
        .run("Check the spelling, and ask the resolver by hand.", format!("getent hosts {}", shell(host)))
        .advise("Or give the IP address of the masternode in place of the name.")
}

fn no_connection(facts: &Facts, looked_at: &str, kind: ErrorKind, error: &str) -> Finding {
    let (port, number) = (facts.port, facts.number);
    match kind {
        ErrorKind::ConnectionRefused => {
            let finding = Finding::wrong(
                "connection-refused",
                looked_at,
                format!("The computer answers, but nothing listens on port {number} (connection refused)."),
            )
            .because(why(port));
            if let Some(other) = facts.open_on.first() {
                let found = format!("Port {number} is open on {other}, but not on {}.", facts.host);
                return Finding::wrong("loopback-only", looked_at, found)
                    .because(format!("What is bound to {other} is reached under that address only. {}", why(port)))
                    .run("Have the masternode listen on all addresses.", "chasar masternode start 0.0.0.0")
                    .run("Or, on this computer, use that address.", port.command(&other.to_string(), number));
            }
            if facts.here {
                let start = match port {
                    Port::Reports => format!("chasar masternode start {} {number}", shell(&facts.host)),
                    Port::Stream => "chasar masternode start".to_owned(),
                };
                return finding
                    .run("Start the masternode on this computer.", start)
                    .run("Or see which port it has.", "chasar doctor masternode");
            }
            finding
                .run(
                    "On the masternode, see whether it runs and which address it listens on: its default is 127.0.0.1, \
                     which no other computer reaches.",
                    "chasar doctor masternode",
                )
                .run("If it listens on loopback only, start it for other computers.", "chasar masternode start 0.0.0.0")
        }
        ErrorKind::TimedOut => Finding::wrong(
            "connection-timeout",
            looked_at,
            "No answer at all (timed out): something swallows the packets, most likely a firewall, or the computer is off.",
        )
        .because(why(port))
        .run("See whether the computer answers.", format!("ping -c 3 {}", shell(&facts.host)))
        .run("On the masternode, let the port through its firewall, one of:", format!("ufw allow {number}/tcp"))
        .run("or", format!("firewall-cmd --permanent --add-port={number}/tcp && firewall-cmd --reload")),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Finding::wrong(
            "no-route",
            looked_at,
            format!("There is no way to that computer from here ({error})."),
        )
        .because(why(port))
        .run("Check address and network of this computer.", "ip route get ADDRESS".replace("ADDRESS", &shell(&facts.host)))
        .advise("See whether the masternode is switched on and its cable or VPN is up."),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => Finding::wrong(
            "connection-reset",
            looked_at,
            "The connection is reset as soon as it is made: a firewall or proxy in between refuses it.",
        )
        .because(why(port))
        .advise("Ask whoever runs the firewall between the two computers to let plain TCP through on this port."),
        _ => Finding::wrong("connection-failed", looked_at, format!("No connection: {error}."))
            .because(why(port))
            .advise("Check address and port, and the network in between."),
    }
}

fn somebody(facts: &Facts, looked_at: &str, speaker: &Speaker) -> Finding {
    let (port, host, number) = (facts.port, facts.host.as_str(), facts.number);
    let wrong = |who: String| {
        Finding::wrong("wrong-protocol", looked_at, who)
            .because(format!("That is not the port for {} of a masternode. {}", port.name(), why(port)))
            .run(
                format!("Give the port that the masternode has; the usual one is {}.", port.usual()),
                port.command(host, port.usual()),
            )
            .run("Or see on the masternode which program has the port.", "chasar doctor masternode")
    };
    match speaker {
        Speaker::Zmtp(zmtp) if zmtp.mechanism != "NULL" => {
            let who = format!("A ZeroMQ socket answers that wants keys (security mechanism {}).", zmtp.mechanism);
            Finding::wrong("keys-wanted", looked_at, who)
                .because(format!("Without a key it takes nothing from us. {}", why(port)))
                .advise("This version of Chasar speaks in clear only; give the address of a masternode that does too.")
        }
        Speaker::Zmtp(zmtp) => match &zmtp.shake {
            Some(Shake::Ready { socket_type, subscribed }) if port.is_right(socket_type) => {
                right(facts, looked_at, zmtp.version, *subscribed)
            }
            Some(Shake::Ready { socket_type, .. }) => swapped(facts, looked_at, socket_type),
            Some(Shake::Refused(words)) => {
                Finding::wrong("refused", looked_at, format!("The other side refuses the connection: \"{words}\"."))
                    .because(why(port))
                    .advise("Look into the log of the masternode, which says whom it refused and why.")
            }
            Some(Shake::Broken) | None => Finding::wrong(
                "handshake-broken",
                looked_at,
                "A ZeroMQ socket answers and then breaks off the handshake.",
            )
            .because(why(port))
            .advise("Another program that uses ZeroMQ may have this port; see on that computer which one it is.")
            .run("On the masternode:", "chasar doctor masternode"),
        },
        Speaker::OldZmtp => wrong(
            "A ZeroMQ library from before version 4 answers (ZMTP 1 or 2): another program, or a masternode of 2016 \
             on a very old system."
                .to_owned(),
        )
        .advise("If it is your masternode, bring its ZeroMQ library up to version 4."),
        Speaker::Http { masternode: true, .. } => {
            Finding::wrong("ports-swapped", looked_at, "This is the HTTP port of a masternode.")
                .because(format!("HTTP is for browsers; {} has a port of its own. {}", port.name(), why(port)))
                .run("Use that one.", port.command(host, port.usual()))
        }
        Speaker::Http { server, masternode: false } => wrong(match server {
            Some(server) => format!("A web server answers there (HTTP, it calls itself \"{server}\")."),
            None => "A web server answers there (HTTP).".to_owned(),
        }),
        Speaker::Tls => wrong("Something answers there that wants TLS (HTTPS or the like).".to_owned()),
        Speaker::Ssh(banner) => wrong(format!("An SSH server answers there (\"{banner}\").")),
        Speaker::Banner(line) => wrong(format!("Another program answers there; it says \"{line}\".")),
        Speaker::Bytes(_) => wrong("Another program answers there, in a protocol we do not know.".to_owned()),
        Speaker::Closed => Finding::wrong(
            "connection-closed",
            looked_at,
            format!("Something listens on port {number} and closes every connection at once."),
        )
        .because(why(port))
        .advise("A proxy or load balancer without a masternode behind it does this; so does a server that shuts us out by address.")
        .run("See on the masternode which program has the port.", "chasar doctor masternode"),
        Speaker::Silent => Finding::wrong(
            "silent-peer",
            looked_at,
            format!("Something takes connections on port {number} and never says a word: a masternode that is frozen, or another program."),
        )
        .because(why(port))
        .run("See on that computer whether the masternode is stopped or stuck.", "chasar doctor masternode"),
    }
}

fn right(facts: &Facts, looked_at: &str, (major, minor): (u8, u8), subscribed: bool) -> Finding {
    if facts.port == Port::Reports && !subscribed {
        return Finding::wrong(
            "not-subscribed",
            looked_at,
            "A ZeroMQ subscriber answers, but it asks for no messages.",
        )
        .because("Reports are sent only to a masternode that asked for them; a clientnode would wait for ever.")
        .advise("Something else than a masternode has this port, or a masternode of 2016 was changed so that it does not subscribe.")
        .run("See on that computer which program it is.", "chasar doctor masternode");
    }
    let found = match facts.port {
        Port::Reports => format!("A masternode answers and asks for reports (ZMTP {major}.{minor})."),
        Port::Stream => format!("A masternode answers (ZMTP {major}.{minor})."),
    };
    Finding::fine("masternode-answers", looked_at, found)
}

fn swapped(facts: &Facts, looked_at: &str, socket_type: &str) -> Finding {
    let (port, host) = (facts.port, &facts.host);
    let other = if port == Port::Reports { Port::Stream } else { Port::Reports };
    if other.is_right(socket_type) {
        return Finding::wrong(
            "ports-swapped",
            looked_at,
            format!("This is a port for {}, not for {}.", other.name(), port.name()),
        )
        .because(format!(
            "A masternode has two: clientnodes report to {}, subscribers connect to {}. {}",
            Port::Reports.usual(),
            Port::Stream.usual(),
            why(port)
        ))
        .run("Use the other one.", port.command(host, port.usual()));
    }
    Finding::wrong(
        "wrong-socket-type",
        looked_at,
        format!("A ZeroMQ socket of type {socket_type} answers, which no masternode has: another program uses ZeroMQ there."),
    )
    .because(why(port))
    .run("Give the port that the masternode has.", port.command(host, port.usual()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Verdict;
    use crate::speaker::Zmtp;

    fn facts(port: Port, met: Met) -> Facts {
        Facts {
            port,
            host: "server".into(),
            number: 5555,
            met,
            here: false,
            open_on: Vec::new(),
            elsewhere: None,
        }
    }

    fn met(speaker: Speaker) -> Met {
        Met::Somebody(SocketAddr::from(([192, 0, 2, 1], 5555)), speaker)
    }

    fn none(kind: ErrorKind) -> Met {
        Met::NoConnection(IpAddr::from([192, 0, 2, 1]), kind, "words".into())
    }

    fn zmtp(mechanism: &str, shake: Option<Shake>) -> Met {
        met(Speaker::Zmtp(Zmtp { version: (3, 1), mechanism: mechanism.into(), shake }))
    }

    fn socket(socket_type: &str, subscribed: bool) -> Met {
        zmtp("NULL", Some(Shake::Ready { socket_type: socket_type.into(), subscribed }))
    }

    fn judged(port: Port, met: Met) -> Finding {
        let mut findings = judge(&facts(port, met));
        assert_eq!(findings.len(), 1);
        findings.remove(0)
    }

    #[test]
    fn every_way_to_fail_has_its_name_and_a_remedy() {
        for (met, code, word) in [
            (Met::NoName("unknown".into()), "name-not-found", "server"),
            (none(ErrorKind::ConnectionRefused), "connection-refused", "nothing listens on port 5555"),
            (none(ErrorKind::TimedOut), "connection-timeout", "firewall"),
            (none(ErrorKind::HostUnreachable), "no-route", "no way"),
            (none(ErrorKind::ConnectionReset), "connection-reset", "reset"),
            (none(ErrorKind::Other), "connection-failed", "words"),
            (zmtp("CURVE", None), "keys-wanted", "CURVE"),
            (zmtp("NULL", Some(Shake::Refused("no".into()))), "refused", "\"no\""),
            (zmtp("NULL", Some(Shake::Broken)), "handshake-broken", "breaks off"),
            (socket("XPUB", false), "ports-swapped", "the stream"),
            (socket("ROUTER", false), "wrong-socket-type", "ROUTER"),
            (socket("SUB", false), "not-subscribed", "asks for no messages"),
            (met(Speaker::OldZmtp), "wrong-protocol", "before version 4"),
            (
                met(Speaker::Http { server: Some("nginx".into()), masternode: false }),
                "wrong-protocol",
                "nginx",
            ),
            (
                met(Speaker::Http { server: None, masternode: true }),
                "ports-swapped",
                "HTTP port of a masternode",
            ),
            (met(Speaker::Tls), "wrong-protocol", "TLS"),
            (met(Speaker::Ssh("SSH-2.0-x".into())), "wrong-protocol", "SSH-2.0-x"),
            (met(Speaker::Banner("220 hi".into())), "wrong-protocol", "220 hi"),
            (met(Speaker::Bytes(3)), "wrong-protocol", "do not know"),
            (met(Speaker::Closed), "connection-closed", "closes"),
            (met(Speaker::Silent), "silent-peer", "frozen"),
        ] {
            let finding = judged(Port::Reports, met);
            assert_eq!((finding.code, finding.verdict), (code, Verdict::Wrong));
            assert!(finding.found.contains(word), "{}", finding.found);
            assert!(!finding.why.is_empty() && !finding.remedy.is_empty(), "{finding:?}");
        }
    }

    #[test]
    fn a_masternode_is_fine_on_both_ports() {
        assert_eq!(judged(Port::Reports, socket("SUB", true)).verdict, Verdict::Fine);
        assert_eq!(judged(Port::Stream, socket("XPUB", false)).verdict, Verdict::Fine);
        let finding = judged(Port::Stream, socket("SUB", true));
        assert_eq!(
            (finding.code, finding.remedy[0].command.as_deref()),
            ("ports-swapped", Some("chasar watch server:6666"))
        );
    }

    #[test]
    fn what_is_missing_here_is_started_here() {
        let facts = Facts { here: true, ..facts(Port::Reports, none(ErrorKind::ConnectionRefused)) };
        let step = judge(&facts).remove(0).remedy.remove(0);
        assert_eq!(step.command.as_deref(), Some("chasar masternode start server 5555"));
    }

    #[test]
    fn the_port_where_it_is_instead_is_named() {
        let facts = Facts {
            number: 9,
            elsewhere: Some(5555),
            ..facts(Port::Reports, none(ErrorKind::ConnectionRefused))
        };
        let step = judge(&facts).remove(0).remedy.pop().unwrap();
        assert_eq!(step.command.as_deref(), Some("chasar clientnode start server 5555"));
    }

    #[test]
    fn an_address_that_is_not_listened_on_is_told() {
        let open_on = vec![IpAddr::from([127, 0, 0, 1])];
        let facts = Facts { here: true, open_on, ..facts(Port::Reports, none(ErrorKind::ConnectionRefused)) };
        let finding = judge(&facts).remove(0);
        assert_eq!((finding.code, finding.verdict), ("loopback-only", Verdict::Wrong));
        assert!(finding.found.contains("open on 127.0.0.1, but not on server"), "{}", finding.found);
    }

    #[test]
    fn names_and_addresses_are_resolved() {
        assert_eq!(resolve("192.0.2.1", 7).unwrap(), [SocketAddr::from(([192, 0, 2, 1], 7))]);
        assert!(resolve("localhost", 7).unwrap().iter().all(|a| a.ip().is_loopback()));
        assert!(is_here(IpAddr::from([127, 0, 0, 1])) && !is_here(IpAddr::from([192, 0, 2, 1])));
    }
}
