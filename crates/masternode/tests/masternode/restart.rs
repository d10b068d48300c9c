//! Stops and starts: in order, after a kill, on a damaged memory, in a folder that is taken.

use std::fs;
use std::time::Duration;

use chasar_masternode::{Masternode, StartError};

use crate::site::{Site, config, get, report, until};

const DEADLINE: Duration = Duration::from_secs(60);

/// Sends these and waits until the masternode has taken or dropped all of them.
fn send(site: &Site, sequences: &[u64]) {
    let before = site.metric("chasar_ingest_messages_total");
    let mut node = site.node();
    for &sequence in sequences {
        node.report(&report("n1", "s", sequence));
    }
    until("all reports to arrive", || {
        let dealt_with =
            site.metric("chasar_reports_accepted_total") + site.metric("chasar_reports_duplicate_total");
        if site.metric("chasar_ingest_messages_total") - before == sequences.len() as f64
            && dealt_with == site.metric("chasar_ingest_messages_total")
        {
            Ok(())
        } else {
            Err(dealt_with.to_string())
        }
    });
}

fn counted(site: &Site) -> (f64, f64) {
    (site.metric("chasar_reports_accepted_total"), site.metric("chasar_reports_duplicate_total"))
}

#[test]
fn after_a_stop_nothing_comes_twice_and_nobody_joins_again() {
    let Site { folder, running } = Site::start();
    let site = Site { folder, running };
    send(&site, &[0, 1, 2, 5]);
    let Site { folder, running } = site;
    running.stop(DEADLINE).unwrap();
    let site = Site { running: Masternode::start(config(folder.path())).unwrap(), folder };
    assert_eq!(site.fleet()["totals"]["nodes"], 1);
    // The series that alerts stand on is there although nothing has come yet.
    let page = site.get("/metrics?instance=host-n1", "").body;
    assert!(page.contains("\nup{instance=\"host-n1\",job=\"chasar\"} "), "{page}");
    send(&site, &[2, 3, 4, 5, 6]);
    assert_eq!(counted(&site), (3.0, 2.0));
    assert_eq!(site.metric("chasar_node_events_total{event=\"joined\"}"), 0.0);
    site.running.stop(DEADLINE).unwrap();
}

/// A killed process leaves what it wrote: the file as it is while the masternode runs.
#[test]
fn after_a_kill_nothing_comes_twice() {
    let site = Site::start();
    send(&site, &[0, 1, 2, 5]);
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("fleet.memory");
    let successor = until("the memory to know the reports", || {
        fs::copy(site.memory_file(), &copy).map_err(|e| e.to_string())?;
        let successor = Masternode::start(config(folder.path())).map_err(|e| e.to_string())?;
        let fleet = get(&successor, "/api/fleet", "").body;
        if fleet.contains("\"sequence\":5") {
            return Ok(successor);
        }
        successor.stop(DEADLINE).map_err(|e| e.to_string())?;
        Err(fleet)
    });
    site.running.stop(DEADLINE).unwrap();
    let site = Site { running: successor, folder };
    send(&site, &[2, 3, 4, 5, 6]);
    assert_eq!(counted(&site), (3.0, 2.0));
}

#[test]
fn a_damaged_memory_is_used_as_far_as_it_goes() {
    let site = Site::start();
    send(&site, &[0, 1]);
    let Site { folder, running } = site;
    running.stop(DEADLINE).unwrap();
    let path = folder.path().join("fleet.memory");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, [&whole[..], &[7; 5]].concat()).unwrap();
    let site = Site { running: Masternode::start(config(folder.path())).unwrap(), folder };
    assert_eq!(site.fleet()["totals"]["nodes"], 1);
    let Site { folder, running } = site;
    running.stop(DEADLINE).unwrap();

    fs::write(&path, "somebody else's file").unwrap();
    let running = Masternode::start(config(folder.path())).unwrap();
    running.stop(DEADLINE).unwrap();
    assert_eq!(
        fs::read_to_string(folder.path().join("fleet.memory.foreign")).unwrap(),
        "somebody else's file"
    );
}

#[test]
fn what_stands_in_the_way_is_named() {
    let site = Site::start();
    let error = Masternode::start(config(site.folder.path())).unwrap_err();
    assert!(matches!(error, StartError::StateInUse { .. }), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let addresses = site.running.addresses();
    let mut taken = config(folder.path());
    taken.reports = addresses.reports.clone();
    let error = Masternode::start(taken).unwrap_err().to_string();
    assert!(error.contains("port for reports") && error.contains("<port>"), "{error}");

    let mut taken = config(folder.path());
    taken.stream = addresses.stream.clone();
    let error = Masternode::start(taken).unwrap_err().to_string();
    assert!(error.contains("port for subscribers") && error.contains("--stream"), "{error}");

    let mut taken = config(folder.path());
    let http = taken.http.as_mut().unwrap();
    http.endpoint = http.endpoint.with_port(addresses.http.unwrap().port());
    let error = Masternode::start(taken).unwrap_err().to_string();
    assert!(error.contains("HTTP port") && error.contains("--http"), "{error}");
    // And what failed left nothing behind.
    Masternode::start(config(folder.path())).unwrap().stop(DEADLINE).unwrap();
}

#[test]
fn it_runs_without_stream_and_http() {
    let folder = tempfile::tempdir().unwrap();
    let mut bare = config(folder.path());
    (bare.stream, bare.http) = (None, None);
    let mut running = Masternode::start(bare).unwrap();
    assert_eq!(running.wait(Duration::from_millis(200)), Ok(None));
    running.stop(DEADLINE).unwrap();
}
