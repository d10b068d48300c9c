//! All checks of all subjects, slow ones side by side, as a list of sections.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::thread;

use serde::Serialize;

use crate::clock;
use crate::configuration::{self, Configuration};
use crate::connection::{self, Port, at};
use crate::finding::{Finding, Verdict};
use crate::process::user_name;
use crate::subject::{Role, Settings, Subject};
use crate::{
    fleet, folder, metrics, open_files, pages, ports, probes, running, service, spool, stream, system,
};

/// The usual HTTP port of a masternode: from a node nobody knows whether it was moved.
const HTTP_PORT: u16 = 7777;

/// Findings about one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Section {
    /// About what.
    pub about: String,
    /// What was found, in the order of the checks.
    pub findings: Vec<Finding>,
}

/// Everything that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// The version of this program.
    pub version: &'static str,
    /// How many things are wrong.
    pub wrong: usize,
    /// How many are worth knowing.
    pub notes: usize,
    /// How many are fine.
    pub fine: usize,
    /// All of them.
    pub sections: Vec<Section>,
}

impl Diagnosis {
    fn of(sections: Vec<Section>) -> Diagnosis {
        let count =
            |verdict| sections.iter().flat_map(|s| &s.findings).filter(|f| f.verdict == verdict).count();
        Diagnosis {
            version: fleet::VERSION,
            wrong: count(Verdict::Wrong),
            notes: count(Verdict::Note),
            fine: count(Verdict::Fine),
            sections,
        }
    }
}

/// Examines everything; `progress` is told what is being looked at.
pub fn examine(
    configuration: &Configuration,
    subjects: &[Subject],
    progress: &(dyn Fn(&str) + Sync),
) -> Diagnosis {
    let mut here = configuration::judge(configuration);
    if subjects.is_empty() {
        here.push(nobody());
    }
    let agent = subjects.iter().find(|s| s.role() == Role::Clientnode);
    let mut sections = thread::scope(|scope| {
        // Probes need two seconds, connections and the stream three or more: none waits for the other.
        let probing = (agent.is_some() || subjects.is_empty()).then(|| scope.spawn(move || probe(agent)));
        let sections: Vec<(Section, Option<(String, clock::Ahead)>)> =
            subjects.iter().map(|subject| examine_one(subject, subjects, progress)).collect();
        if let Some(probing) = probing {
            progress("probes");
            // A panic in a check is a fault of ours, and is said as such.
            here.extend(probing.join().unwrap_or_else(|_| vec![fault("probes")]));
        }
        sections
    });
    // The clock is this computer's, whichever masternode it is compared with.
    let ahead = sections.iter_mut().find_map(|(_, ahead)| ahead.take());
    here.extend(clock::judge(&clock::Facts { keeping: system::clock_keeping(), masternode: ahead }));
    let mut all = vec![Section { about: "this computer".to_owned(), findings: here }];
    all.extend(sections.into_iter().map(|(section, _)| section));
    Diagnosis::of(all)
}

fn nobody() -> Finding {
    Finding::note(
        "no-daemon",
        "this computer",
        "Neither a masternode nor a clientnode runs here or is configured here.",
    )
    .because("Only the computer itself was looked at.")
    .run("Say what it is to be; a clientnode with its masternode:", "chasar doctor clientnode server.example")
    .run("or the masternode:", "chasar doctor masternode")
}

fn fault(check: &str) -> Finding {
    Finding::wrong("fault-of-ours", check, "The check itself broke off.")
        .because("What it would have found is not known.")
        .advise("Report this as a fault of Chasar, with what is above this line.")
}

fn probe(agent: Option<&Subject>) -> Vec<Finding> {
    let us = system::own_uid();
    let agents = agent.and_then(|a| a.processes.first()).map(|p| p.uid).filter(|uid| Some(*uid) != us);
    let name = us.map_or_else(|| "this user".to_owned(), user_name);
    probes::judge(&probes::look(name, agents.map(user_name)))
}

type Examined = (Section, Option<(String, clock::Ahead)>);

fn examine_one(subject: &Subject, all: &[Subject], progress: &(dyn Fn(&str) + Sync)) -> Examined {
    let about = subject.title();
    let mut findings = running::judge(&running::Facts {
        role: subject.role(),
        start: &subject.start,
        processes: &subject.processes,
        wanted: subject.wanted,
        told: cfg!(target_os = "linux"),
    });
    if let Some(link) = subject.service.as_ref().filter(|_| subject.processes.is_empty()) {
        findings = vec![service::judge(subject.role(), link)];
    }
    let ahead = match &subject.settings {
        Settings::Clientnode { .. } => clientnode(subject, all, &mut findings, progress),
        Settings::Masternode { .. } => masternode(subject, &mut findings, progress),
    };
    (Section { about, findings }, ahead)
}

fn clientnode(
    subject: &Subject,
    local: &[Subject],
    findings: &mut Vec<Finding>,
    progress: &(dyn Fn(&str) + Sync),
) -> Option<(String, clock::Ahead)> {
    let Settings::Clientnode { masternode, port, also, interval, spool } = &subject.settings else {
        return None;
    };
    let user = subject.processes.first().map(|p| p.uid);
    let node_id = node_id(&subject.state_folder);
    findings.extend(folder::judge(&folder::look(
        folder::CLIENTNODE_STATE,
        "--state-dir",
        &subject.state_folder,
        user,
    )));
    if let Some((path, bytes)) = spool {
        findings.extend(folder::judge(&folder::look(folder::SPOOL, "--spool-dir", path, user)));
        let in_use = !subject.processes.is_empty();
        for folder in chasar_clientnode::spool_folders(path) {
            findings.extend(spool::judge(&spool::look(&folder, *bytes, node_id.as_deref(), in_use)));
        }
    }

    for (host, port) in also {
        progress(&format!("connection to {}", at(host, port)));
        findings.extend(connection::judge(&connection::look(Port::Reports, host, *port)));
    }
    progress(&format!("connection to {}", at(masternode, port)));
    let met = connection::look(Port::Reports, masternode, *port);
    findings.extend(connection::judge(&met));
    // Where packets do not get through nothing more can be asked.
    let reached = match &met.met {
        connection::Met::NoName(_) => false,
        connection::Met::NoConnection(_, kind, _) => {
            !matches!(kind, ErrorKind::TimedOut | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable)
        }
        connection::Met::Somebody(..) => true,
    };
    let ip = met.ip().filter(|_| reached)?;

    progress("HTTP of the masternode");
    // A masternode that runs here tells where it serves what; of others only the usual ports are known.
    let local = local.iter().find_map(|subject| match &subject.settings {
        Settings::Masternode { reports, stream, http, .. } if met.here && reports.port() == *port => {
            Some((stream.clone(), http.clone()))
        }
        _ => None,
    });
    let address = match &local {
        Some((_, Some(http))) => address_of(http),
        Some((_, None)) => None,
        None => Some(SocketAddr::new(ip, HTTP_PORT)),
    };
    let pages = address.map(|address| pages::look(address, false, None));
    findings.extend(pages.iter().flat_map(|pages| pages::judge(pages, true)));
    if let Some(version) = pages.as_ref().and_then(|p| p.metrics.get()).and_then(metrics::Scrape::version) {
        findings.push(fleet::judge_version(version));
    }
    let snapshot = pages.as_ref().and_then(|pages| pages.fleet.get());
    let running = subject.processes.iter().any(|p| p.state != 'T');
    if let (Some(snapshot), true) = (snapshot, running) {
        let masternode = format!("{masternode} {port}");
        findings.extend(fleet::judge_own(&fleet::Facts {
            fleet: snapshot,
            masternode,
            version: None,
            own: node_id.as_deref(),
        }));
    }
    if met.is_right() {
        let live = snapshot.map(|f| f.totals.live as u64);
        let own = node_id.as_deref().filter(|_| running).map(|id| (id, *interval));
        match &local {
            Some((Some(stream), _)) => {
                findings.extend(listen(&reachable(stream), stream.port(), true, live, own, progress));
            }
            Some((None, _)) => {}
            None => findings.extend(listen(masternode, Port::Stream.usual(), false, live, own, progress)),
        }
    }
    pages.and_then(|pages| Some((pages.address.to_string(), pages.ahead?)))
}

fn masternode(
    subject: &Subject,
    findings: &mut Vec<Finding>,
    progress: &(dyn Fn(&str) + Sync),
) -> Option<(String, clock::Ahead)> {
    let Settings::Masternode { reports, stream, http, token } = &subject.settings else { return None };
    let process = subject.processes.first();
    let pid = process.map(|p| p.pid);
    let user = process.map(|p| p.uid);
    findings.extend(folder::judge(&folder::look(
        folder::MASTERNODE_STATE,
        "--state-dir",
        &subject.state_folder,
        user,
    )));
    // In another network (a container's), ports here say nothing about it.
    let apart = process.is_some_and(|p| p.same_network == Some(false));
    if apart {
        findings.push(
            Finding::note(
                "another-network",
                "ports of the masternode",
                "It runs in a network of its own (a container or namespace).",
            )
            .because("Its ports cannot be seen from here, unless they are passed on.")
            .run("Look from inside.", format!("nsenter -t {} -n chasar doctor masternode", pid.unwrap_or(0))),
        );
        findings.extend(limits(pid, None));
        return None;
    }
    let all = [
        (ports::REPORTS, "PORT", Some(reports)),
        ("the stream", "--stream PORT", stream.as_ref()),
        (ports::HTTP, "--http PORT", http.as_ref()),
    ];
    let mut bound = false;
    for (purpose, option, endpoint) in all {
        let Some(endpoint) = endpoint else { continue };
        let judged = ports::judge(&ports::look(purpose, option, endpoint, pid));
        bound |= purpose == ports::REPORTS && judged.iter().any(|f| f.code == "port-bound");
        findings.extend(judged);
    }
    // Where listeners are not told apart, whoever answers is asked.
    if !bound && cfg!(target_os = "linux") {
        findings.extend(limits(pid, None));
        return None;
    }
    progress("the masternode's own ports");
    let host = reachable(reports);
    let met = connection::look(Port::Reports, &host, reports.port());
    findings.extend(connection::judge(&met));
    let token = token.clone().or_else(|| {
        let text = std::fs::read_to_string(subject.state_folder.join("http_token")).ok()?;
        Some(text.trim().to_owned())
    });
    let address = http.as_ref().and_then(address_of);
    let pages = address.map(|address| (address, pages::look(address, true, token.as_deref())));
    let mut live = None;
    let mut nodes = None;
    if let Some((address, pages)) = &pages {
        findings.extend(pages::judge(pages, false));
        let version = pages.metrics.get().and_then(metrics::Scrape::version);
        if let Some(snapshot) = pages.fleet.get() {
            (live, nodes) = (Some(snapshot.totals.live as u64), Some(snapshot.totals.nodes as u64));
            let masternode = format!("{host} {}", reports.port());
            findings.extend(fleet::judge(&fleet::Facts { fleet: snapshot, masternode, version, own: None }));
        }
        if let Some(endpoint) = stream.as_ref().filter(|_| met.is_right()) {
            findings.extend(listen(&reachable(endpoint), endpoint.port(), true, live, None, progress));
        }
        if let Some(before) = pages.metrics.get() {
            let after = pages::metrics(*address, token.as_deref());
            let after = after.get().unwrap_or(before).clone();
            findings.extend(metrics::judge(&metrics::Facts { before: before.clone(), after }));
        }
    } else if let Some(endpoint) = stream.as_ref().filter(|_| met.is_right()) {
        findings.extend(listen(&reachable(endpoint), endpoint.port(), true, None, None, progress));
    }
    findings.extend(limits(pid, nodes));
    // Its clock is ours.
    None
}

fn limits(pid: Option<u32>, nodes: Option<u64>) -> Vec<Finding> {
    open_files::look(pid, nodes).map(|facts| open_files::judge(&facts)).unwrap_or_default()
}

/// Looks who answers on the stream's port, and listens if it is a masternode; `known` when the stream is sure to be
/// meant to be there.
fn listen(
    host: &str,
    port: u16,
    known: bool,
    live: Option<u64>,
    own: Option<(&str, std::time::Duration)>,
    progress: &(dyn Fn(&str) + Sync),
) -> Vec<Finding> {
    progress("the stream, for 3 seconds");
    let met = connection::look(Port::Stream, host, port);
    if !known && !met.is_right() {
        return vec![stream::judge_elsewhere(&connection::at(host, port))];
    }
    let mut findings = connection::judge(&met);
    if met.is_right() {
        let heard = stream::look(host, port, own.map(|(id, _)| id));
        let facts = stream::Facts {
            place: connection::at(host, port),
            heard,
            live,
            own_interval: own.map(|(_, i)| i),
        };
        findings.extend(stream::judge(&facts));
    }
    findings
}

/// An address at which a port bound to this endpoint answers from this computer.
fn reachable(endpoint: &chasar_link::Endpoint) -> String {
    match endpoint.host() {
        chasar_link::Host::Any => Ipv4Addr::LOCALHOST.to_string(),
        chasar_link::Host::Address(IpAddr::V4(ip)) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
        chasar_link::Host::Address(IpAddr::V6(ip)) if ip.is_unspecified() => "::1".to_owned(),
        chasar_link::Host::Address(address) => address.to_string(),
        chasar_link::Host::Name(name) => name.clone(),
    }
}

fn address_of(endpoint: &chasar_link::Endpoint) -> Option<SocketAddr> {
    connection::preferred(&connection::resolve(&reachable(endpoint), endpoint.port()).ok()?)
}

/// The id of the node whose state is in `folder`: the first line of `node_id`.
fn node_id(folder: &Path) -> Option<String> {
    let text = std::fs::read_to_string(folder.join("node_id")).ok()?;
    let id = text.lines().next()?.trim();
    let is_id = id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
    is_id.then(|| id.to_owned())
}
