//! Whether the ports of a masternode are its own: in use by another program, not bound, not permitted, on loopback only.

use std::io::ErrorKind;
use std::net::{IpAddr, TcpListener};

use chasar_link::Endpoint;

use crate::connection::{at, preferred, resolve};
use crate::finding::{Finding, shell};
use crate::listener::{self, Listener};

/// One port of a masternode and what is seen of it.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// What it is for, as in "the port for reports".
    pub(crate) purpose: &'static str,
    /// How it is moved, as arguments of `chasar masternode start`.
    pub(crate) option: &'static str,
    /// The host it is to be bound to, as given.
    pub(crate) host: String,
    /// Its number.
    pub(crate) number: u16,
    /// The address of that host; `None` when its name has none.
    pub(crate) address: Option<IpAddr>,
    /// Who listens on this port, on any address; `None` where the system does not tell.
    pub(crate) listeners: Option<Vec<Listener>>,
    /// Whether we could listen there; `None` when it worked.
    pub(crate) refused: Option<ErrorKind>,
    /// The masternode that runs here with these settings.
    pub(crate) masternode: Option<u32>,
    /// Whether other computers have to reach it.
    pub(crate) for_others: bool,
}

/// Looks at the port of an endpoint.
pub(crate) fn look(
    purpose: &'static str,
    option: &'static str,
    endpoint: &Endpoint,
    masternode: Option<u32>,
) -> Facts {
    let host = match endpoint.host() {
        chasar_link::Host::Any => "0.0.0.0".to_owned(),
        chasar_link::Host::Address(address) => address.to_string(),
        chasar_link::Host::Name(name) => name.clone(),
    };
    let number = endpoint.port();
    let address = resolve(&host, number).ok().and_then(|found| preferred(&found)).map(|a| a.ip());
    // Listening for a moment harms nobody: nothing is taken from a connection that comes meanwhile.
    let refused = address.and_then(|ip| TcpListener::bind((ip, number)).err().map(|e| e.kind()));
    Facts {
        purpose,
        option,
        host,
        number,
        address,
        listeners: listener::on_ports(&[number]),
        refused,
        masternode,
        // All ports share one address; once is enough to say it.
        for_others: purpose == REPORTS,
    }
}

/// The purpose of the port for reports.
pub(crate) const REPORTS: &str = "reports";
/// The purpose of the HTTP port.
pub(crate) const HTTP: &str = "HTTP";

impl Facts {
    /// The listeners that stand in the way of ours, or are ours.
    fn in_place(&self) -> Vec<&Listener> {
        let overlaps = |l: &&Listener| match self.address {
            Some(ours) => l.address == ours || l.address.is_unspecified() || ours.is_unspecified(),
            None => true,
        };
        self.listeners.iter().flatten().filter(overlaps).collect()
    }
}

/// What it means.
pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    let Facts { purpose, host, number, .. } = facts;
    let looked_at = format!("port for {purpose}, {}", at(host, number));
    if facts.address.is_none() {
        let found = format!("The name {host} has no address here.");
        return vec![
            Finding::wrong("name-not-found", looked_at, found)
                .because("The masternode cannot listen on a name that leads nowhere.")
                .run(
                    "Give an address of this computer, or 0.0.0.0 for all.",
                    "chasar masternode start 0.0.0.0",
                ),
        ];
    }
    if *number == 0 {
        return vec![
            Finding::note("port-of-chance", looked_at, "The system chooses a free port at each start.")
                .because("Clientnodes and subscribers cannot know it.")
                .advise("Give a number, unless this is a test."),
        ];
    }
    let in_place = facts.in_place();
    let ours = |l: &&Listener| l.owner.as_ref().is_some_and(|o| Some(o.pid) == facts.masternode);
    if in_place.iter().any(ours) {
        let mut findings = vec![Finding::fine("port-bound", &looked_at, "The masternode listens.")];
        findings.extend(loopback_only(facts, &looked_at));
        return findings;
    }
    if let Some(theirs) = in_place.first() {
        return vec![in_use(facts, &looked_at, Some(theirs))];
    }
    vec![match facts.refused {
        Some(ErrorKind::AddrInUse) => in_use(facts, &looked_at, None),
        Some(ErrorKind::PermissionDenied) => privileged(facts, &looked_at),
        Some(ErrorKind::AddrNotAvailable) => {
            Finding::wrong("address-not-here", looked_at, format!("This computer has no address {host}."))
                .because("The masternode can only listen on an address of its own computer, so it does not start.")
                .run("See which addresses there are.", "ip -brief address")
                .run("Listen on all of them.", "chasar masternode start 0.0.0.0")
        }
        Some(kind) => Finding::wrong("port-not-usable", looked_at, format!("The system refuses the port: {kind}."))
            .because("The masternode does not start without it.")
            .run("Move it.", moved(facts)),
        None if facts.masternode.is_some() && facts.listeners.is_some() => {
            Finding::wrong("port-not-bound", looked_at, "The masternode runs, but does not listen there.")
                .because("Nobody gets through to it.")
                .advise("It has only just started, or was started with other settings: compare them with its log line \"masternode started\".")
        }
        None => Finding::fine("port-free", looked_at, "It is free."),
    }]
}

fn moved(facts: &Facts) -> String {
    let host = shell(&facts.host);
    let next = facts.number.saturating_add(1);
    format!("chasar masternode start {host} {}", facts.option.replace("PORT", &next.to_string()))
}

fn in_use(facts: &Facts, looked_at: &str, theirs: Option<&Listener>) -> Finding {
    let owner = theirs.and_then(|l| l.owner.as_ref());
    let who = match (owner, theirs) {
        (Some(owner), Some(l)) => {
            format!(
                "Another program listens there: {} (process {}), on {}.",
                owner.name, owner.pid, l.address
            )
        }
        (None, Some(l)) => format!("A program of another user listens there, on {}.", l.address),
        _ => "Another program listens there.".to_owned(),
    };
    let finding = Finding::wrong("port-in-use", looked_at, who)
        .because("Two programs cannot have one port: the masternode does not start, or clientnodes talk to the wrong program.");
    let finding = match owner {
        Some(owner) => finding.run(
            format!("Look what it is, and stop it if it is not needed ({}).", owner.name),
            format!("ps -fp {}", owner.pid),
        ),
        None if cfg!(windows) => {
            finding.run("See which program it is.", format!("netstat -abno | findstr :{}", facts.number))
        }
        None => finding.run("See which program it is.", format!("sudo ss -ltnp 'sport = :{}'", facts.number)),
    };
    finding.run("Or give the masternode another port.", moved(facts))
}

fn privileged(facts: &Facts, looked_at: &str) -> Finding {
    let found = format!("The system does not let this user listen on port {}.", facts.number);
    Finding::wrong("port-privileged", looked_at, found)
        .because("Ports below 1024 belong to root, so the masternode does not start.")
        .run("Take a higher one.", moved(&Facts { number: facts.number.max(1023), ..facts.clone() }))
        .advise("Or let its service have the port: AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit.")
}

fn loopback_only(facts: &Facts, looked_at: &str) -> Option<Finding> {
    if !facts.for_others || !facts.address?.is_loopback() {
        return None;
    }
    Some(
        Finding::note("loopback-only", looked_at, "It is bound to this computer alone (loopback).")
            .because("Clientnodes and subscribers on other computers are refused.")
            .run(
                "If there are other computers, listen for them (on a network you trust).",
                "chasar masternode start 0.0.0.0",
            ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Verdict;
    use crate::listener::Owner;

    fn facts() -> Facts {
        Facts {
            purpose: "reports",
            option: "PORT",
            host: "192.0.2.1".into(),
            number: 5555,
            address: Some(IpAddr::from([192, 0, 2, 1])),
            listeners: Some(Vec::new()),
            refused: None,
            masternode: None,
            for_others: true,
        }
    }

    fn listener(address: [u8; 4], pid: Option<u32>) -> Listener {
        let owner = pid.map(|pid| Owner { pid, name: "python3".into() });
        Listener { address: address.into(), port: 5555, owner }
    }

    fn codes(facts: &Facts) -> Vec<(&'static str, Verdict)> {
        judge(facts).iter().map(|f| (f.code, f.verdict)).collect()
    }

    #[test]
    fn whose_port_it_is() {
        let with = |l: Listener| Facts { listeners: Some(vec![l]), masternode: Some(7), ..facts() };
        assert_eq!(codes(&facts()), [("port-free", Verdict::Fine)]);
        assert_eq!(codes(&with(listener([192, 0, 2, 1], Some(7)))), [("port-bound", Verdict::Fine)]);
        assert_eq!(codes(&with(listener([0, 0, 0, 0], Some(7)))), [("port-bound", Verdict::Fine)]);
        let other = judge(&with(listener([0, 0, 0, 0], Some(9)))).remove(0);
        assert_eq!((other.code, other.verdict), ("port-in-use", Verdict::Wrong));
        assert!(other.found.contains("python3 (process 9)"), "{}", other.found);
        assert_eq!(other.remedy[1].command.as_deref(), Some("chasar masternode start 192.0.2.1 5556"));
        let hidden = judge(&with(listener([192, 0, 2, 1], None))).remove(0);
        assert!(hidden.found.contains("another user"), "{}", hidden.found);
        // Another address of this computer is no hindrance, and then ours is missing.
        assert_eq!(codes(&with(listener([192, 0, 2, 9], Some(9)))), [("port-not-bound", Verdict::Wrong)]);
    }

    #[test]
    fn without_a_list_of_listeners_a_try_tells() {
        for (refused, code) in [
            (Some(ErrorKind::AddrInUse), "port-in-use"),
            (Some(ErrorKind::PermissionDenied), "port-privileged"),
            (Some(ErrorKind::AddrNotAvailable), "address-not-here"),
            (Some(ErrorKind::Other), "port-not-usable"),
            (None, "port-free"),
        ] {
            let facts = Facts { listeners: None, refused, ..facts() };
            assert_eq!(codes(&facts)[0].0, code);
        }
        assert_eq!(codes(&Facts { address: None, ..facts() })[0].0, "name-not-found");
        assert_eq!(codes(&Facts { number: 0, ..facts() })[0].0, "port-of-chance");
    }

    #[test]
    fn loopback_is_said_where_others_have_to_come_in() {
        let local = Facts {
            host: "127.0.0.1".into(),
            address: Some(IpAddr::from([127, 0, 0, 1])),
            listeners: Some(vec![listener([127, 0, 0, 1], Some(7))]),
            masternode: Some(7),
            ..facts()
        };
        assert_eq!(codes(&local)[1], ("loopback-only", Verdict::Note));
        assert_eq!(codes(&Facts { for_others: false, ..local }).len(), 1);
    }

    #[test]
    fn a_privileged_port_is_moved_above() {
        let facts = Facts {
            number: 80,
            refused: Some(ErrorKind::PermissionDenied),
            option: "--stream PORT",
            ..facts()
        };
        assert_eq!(
            judge(&facts)[0].remedy[0].command.as_deref(),
            Some("chasar masternode start 192.0.2.1 --stream 1024")
        );
    }

    #[test]
    fn real_ports() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = Endpoint::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
        assert_eq!(codes(&look("reports", "PORT", &endpoint, None))[0].0, "port-in-use");
        drop(listener);
        assert_eq!(codes(&look("reports", "PORT", &endpoint, None))[0].0, "port-free");
    }
}
