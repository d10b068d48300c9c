//! Delivery from end to end: after cuts and kills, history is what the node sampled, sample by sample.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chasar_e2e::history;
use chasar_e2e::metrics::Scrape;
use chasar_e2e::namespace::{Cut, Wire, is_root};
use chasar_e2e::{Clientnode, Masternode, Place, Program, Site, Subscriber, http, until, workspace};
use chasar_tsdb::storage::Disk;
use chasar_tsdb::{Matcher, NAME, Options, Store};

const SOON: Duration = Duration::from_secs(60);

/// For how long the link is cut; the figure in the documents was taken with 600.
fn cut_seconds() -> Duration {
    let given = std::env::var("CHASAR_E2E_CUT_SECONDS").ok();
    Duration::from_secs(given.map_or(15, |text| text.parse().expect("seconds")))
}

#[test]
fn after_a_cut_and_kills_history_is_what_the_node_sampled() {
    let wire = Wire::new();
    let near = Site::at(wire.first(), Wire::FIRST);
    let far = near.elsewhere(wire.second());
    let mut masternode = Masternode::start(&near);
    let subscriber = Subscriber::python(&near, masternode.stream(), &["Chasar-Client"]);
    let mut clientnode = Clientnode::start(&far, &["--interval", "0.2"]);
    let come = |at_least: u64| {
        until(SOON, "reports", || {
            let ledger = subscriber.ledger();
            let session = ledger.sessions().first().cloned().ok_or("none")?;
            let counts = ledger.counts(&session);
            if counts.received >= at_least { Ok(session) } else { Err(counts.to_string()) }
        })
    };
    let session = come(10);
    let whole = |deadline: Duration, more: u64| {
        let sampled = subscriber.ledger().counts(&session).sampled;
        until(deadline, "all reports", || {
            let ledger = subscriber.ledger();
            let counts = ledger.counts(&session);
            let done = counts.sampled >= sampled + more && counts.lost == 0 && ledger.settled(&session);
            if done { Ok(()) } else { Err(format!("{counts} missing {:?}", ledger.missing(&session))) }
        });
    };
    // The plug is pulled, and meanwhile the masternode is killed.
    let time = cut_seconds();
    let began = Instant::now();
    wire.cut(Cut::Plug);
    until(
        time * 2,
        "half of the cut",
        || if began.elapsed() >= time / 2 { Ok(()) } else { Err(String::new()) },
    );
    masternode.kill_and_restart();
    until(
        time * 2,
        "the end of the cut",
        || if began.elapsed() >= time { Ok(()) } else { Err(String::new()) },
    );
    wire.mend(Cut::Plug);
    // A kill amid the replay, and one of a link that is good: what was published a moment before is
    // not stored yet.
    let sampled = subscriber.ledger().counts(&session).sampled;
    come(sampled.min(subscriber.ledger().counts(&session).received + 20));
    masternode.kill_and_restart();
    whole(SOON + time, 10);
    masternode.kill_and_restart();
    whole(SOON + time, 10);
    clientnode.program.stop(Duration::from_secs(5));
    until(SOON, "a good-bye", || {
        let ledger = subscriber.ledger();
        if ledger.session(&session).any(|e| e.leaving) { Ok(()) } else { Err("none".to_owned()) }
    });
    masternode.program.stop(Duration::from_secs(10));

    let reports = history::sampled(&subscriber.messages());
    let instance = reports.values().next().expect("a report").hostname.to_string();
    let counts = subscriber.ledger().counts(&session);
    assert_eq!((counts.lost, reports.len() as u64), (0, counts.sampled), "{counts}");
    let samples = history::assert_stored(&near.folder().join("masternode/history"), &instance, &reports);
    assert!(samples > 100 * reports.len(), "{samples} samples are too few");
}

/// A masternode whose history is on a file system of two megabytes.
struct Small {
    program: Program,
    http: SocketAddr,
    /// The folder of the history, as seen from outside of the masternode's mounts.
    folder: PathBuf,
}

impl Small {
    fn start(site: &Site) -> Small {
        let folder = site.folder().join("small");
        std::fs::create_dir(&folder).unwrap();
        let http = SocketAddr::from((site.address(), 7777));
        let mut command = Command::new("unshare");
        command
            .args(if is_root() { &["-m"][..] } else { &["-U", "-r", "-m"] })
            .args(["sh", "-c", "mount -t tmpfs -o size=2m none \"$0\" && exec \"$@\""])
            .arg(&folder)
            .arg(workspace::chasar())
            .args(["masternode", "start", &site.address().to_string(), "--http", &http.to_string()])
            .arg("--state-dir")
            .arg(site.folder().join("masternode"))
            .arg("--history")
            .arg(&folder);
        chasar_e2e::clientnode::clean(&mut command, site);
        let program = Program::start("masternode", command, &site.folder().join("small.log"), None);
        let outside = format!("/proc/{}/root{}", program.pid(), folder.display());
        let mut small = Small { program, http, folder: outside.into() };
        until(SOON, "a masternode that answers", || {
            small.program.running()?;
            small.metric("chasar_history_samples_total", &[]).map(drop)
        });
        small
    }

    fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Result<f64, String> {
        let page = http::get(&Place::Host, self.http, "/metrics?job=masternode")?.body;
        Scrape::parse(&page)?.get(name, labels).ok_or_else(|| format!("no {name}"))
    }

    #[track_caller]
    fn reaches(&self, name: &str, labels: &[(&str, &str)], at_least: f64) -> f64 {
        until(SOON, name, || match self.metric(name, labels)? {
            value if value >= at_least => Ok(value),
            value => Err(value.to_string()),
        })
    }
}

#[test]
fn a_full_disk_stops_history_and_nothing_else_until_there_is_room() {
    let site = Site::new();
    let small = Small::start(&site);
    let _clientnode = Clientnode::start(&site, &[]);
    small.reaches("chasar_history_samples_total", &[], 500.0);
    let filler = small.folder.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while file.write_all(&[7; 512]).is_ok() {}

    small.reaches("chasar_history_state", &[("state", "full")], 1.0);
    let dropped = [("reason", "not_writable")];
    small.reaches("chasar_history_samples_dropped_total", &dropped, 1.0);
    let accepted = small.metric("chasar_reports_accepted_total", &[]).unwrap();
    small.reaches("chasar_reports_accepted_total", &[], accepted + 3.0);
    let health = http::get(&Place::Host, small.http, "/health").unwrap();
    assert_eq!(health.status, 200, "{health:?}");

    drop(file);
    std::fs::remove_file(&filler).unwrap();
    small.reaches("chasar_history_state", &[("state", "good")], 1.0);
    let written = small.metric("chasar_history_samples_total", &[]).unwrap();
    small.reaches("chasar_history_samples_total", &[], written + 500.0);
    let log = small.program.output();
    assert_eq!(log.matches("history is not written").count(), 1, "{log}");
    assert!(log.contains("the disk is full") && log.contains("history is written again"), "{log}");

    // What is there is whole, up to what is being written now.
    let (store, opening) =
        Store::open_read_only(Arc::new(Disk::read_only(&small.folder)), Options::default()).unwrap();
    assert!(opening.damaged.is_empty(), "{opening:?}");
    let up = [Matcher::equal(NAME, "up")];
    let ups = store.snapshot().select(&up, i64::MIN, i64::MAX).unwrap().series.remove(0);
    let gap = ups.times_ms.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(gap >= 2_000, "seconds must be missing: {:?}", ups.times_ms);
}
