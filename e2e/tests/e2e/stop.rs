//! How programs end, and what they say when they cannot begin.

use std::process::Command;
use std::time::{Duration, Instant};

use chasar_e2e::clientnode::{self, clean};
use chasar_e2e::program::Signal;
use chasar_e2e::{Clientnode, Masternode, Program, Site, Subscriber, until, workspace};

const SOON: Duration = Duration::from_secs(60);
/// A service manager waits longer before it kills; nothing of ours has more to do than this.
const DEADLINE: Duration = Duration::from_secs(5);

#[track_caller]
fn ends_well(program: &mut Program, signal: Signal) {
    let began = Instant::now();
    program.signal(signal);
    let status = program.ended(DEADLINE);
    assert_eq!(status.code(), Some(0), "{} on {signal:?}:\n{}", program.name(), program.output());
    eprintln!("{} ended {:?} after {signal:?}", program.name(), began.elapsed());
}

fn both_end_on(signal: Signal) {
    let site = Site::new();
    let mut masternode = Masternode::start(&site);
    let subscriber = Subscriber::python(&site, masternode.stream(), &["Chasar-Client"]);
    let mut clientnode = Clientnode::start(&site, &["--interval", "0.2"]);
    subscriber.at_least(3, SOON);
    ends_well(&mut clientnode.program, signal);
    until(SOON, "a good-bye", || {
        let ledger = subscriber.ledger();
        let last = ledger.entries.last().ok_or("no reports")?;
        if last.leaving { Ok(()) } else { Err(format!("{last:?}")) }
    });
    let ledger = subscriber.ledger();
    ledger.assert_whole(&ledger.sessions()[0], "a session from beginning to end");
    ends_well(&mut masternode.program, signal);
}

#[test]
fn sigterm_ends_both() {
    both_end_on(Signal::Term);
}

#[test]
fn ctrl_c_ends_both() {
    both_end_on(Signal::Interrupt);
}

#[test]
fn a_clientnode_without_a_masternode_ends_too() {
    let site = Site::new();
    let mut clientnode = Clientnode::start(&site, &["--interval", "0.2"]);
    let state = clientnode.state_dir();
    until(SOON, "a clientnode that runs", || {
        clientnode.program.running()?;
        if state.is_dir() && !clientnode.program.output().is_empty() {
            Ok(())
        } else {
            Err("not yet".to_owned())
        }
    });
    ends_well(&mut clientnode.program, Signal::Term);
}

#[test]
fn a_masternode_with_many_connections_ends_in_time() {
    let site = Site::new();
    let mut masternode = Masternode::start(&site);
    // Some that shook hands, some that hang in the middle, a subscriber that does not read.
    let mut held = Vec::new();
    for number in 0..100 {
        let address = if number % 2 == 0 { masternode.reports() } else { masternode.stream() };
        let socket_type = if number % 2 == 0 { "PUB" } else { "SUB" };
        held.push(chasar_e2e::zmtp::Connection::shaken(address, socket_type).unwrap());
        held.push(chasar_e2e::zmtp::Connection::open(address).unwrap());
        held.push(chasar_e2e::zmtp::Connection::open(masternode.http()).unwrap());
    }
    ends_well(&mut masternode.program, Signal::Term);
}

/// Runs a command that must fail with one clear line.
#[track_caller]
fn fails(mut command: Command, site: &Site, code: i32, says: &[&str]) {
    let name = format!("{command:?}");
    clean(&mut command, site);
    let mut program = Program::start("chasar", command, &site.folder().join("failing.log"), None);
    let status = program.ended(SOON);
    let output = program.output();
    assert_eq!(status.code(), Some(code), "{name}:\n{output}");
    for word in says {
        assert!(output.contains(word), "{name} does not say {word:?}:\n{output}");
    }
    assert!(output.lines().count() <= 3, "{name} says more than it should:\n{output}");
    assert!(!output.contains("panicked"), "{output}");
}

#[test]
fn a_port_in_use_is_said() {
    let site = Site::new();
    let _first = Masternode::start(&site);
    let mut second = Command::new(workspace::chasar());
    second
        .args(["masternode", "start", &site.address().to_string(), "--state-dir"])
        .arg(site.folder().join("other"));
    fails(second, &site, 1, &["5555", "another program uses this port"]);
}

#[test]
fn a_state_folder_in_use_is_said() {
    let site = Site::new();
    let _masternode = Masternode::start(&site);
    let other = Site::new();
    let folder = site.folder().join("masternode");
    let mut second = Command::new(workspace::chasar());
    second.args(["masternode", "start", &other.address().to_string(), "--state-dir"]).arg(&folder);
    fails(second, &other, 1, &[folder.to_str().unwrap()]);

    let first = Clientnode::start(&site, &[]);
    until(SOON, "a clientnode in the fleet", || {
        if _masternode.nodes()?.is_empty() { Err("none".to_owned()) } else { Ok(()) }
    });
    let second = clientnode::command(&site, site.address(), "clientnode", &[]);
    fails(second, &site, 1, &[first.state_dir().to_str().unwrap()]);
}
