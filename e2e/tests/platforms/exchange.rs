//! A clientnode and a masternode of a foreign build, each with the native one at the other end.

use std::collections::BTreeSet;
use std::time::Duration;

use chasar_e2e::history;
use chasar_e2e::report::assert_2016;
use chasar_e2e::{Clientnode, Executable, Masternode, Site, Subscriber, until};
use serde_json::Value;

/// Emulated programs take their time to start.
const SOON: Duration = Duration::from_secs(60);
/// A service manager waits longer before it kills.
const STOP: Duration = Duration::from_secs(10);
/// Reports watched at the interval that everybody uses.
const WATCHED: usize = 8;

/// Reports arrive at 1 Hz with every family, no report is lost when the masternode dies and comes back, and
/// both ends stop cleanly; first with a foreign clientnode, then with a foreign masternode.
pub(crate) fn with_native(foreign: &Executable) {
    let site = Site::new();
    let expected = families(&watch(&site, &site, "native"));
    let far = site.running(foreign);
    assert_eq!(families(&watch(&site, &far, "foreign clientnode")), expected, "families of a clientnode");
    assert_eq!(families(&watch(&far, &site, "foreign masternode")), expected, "families of a masternode");
}

/// Runs a masternode at one site and a clientnode at the other; gives a report.
fn watch(masternodes: &Site, clientnodes: &Site, what: &str) -> Value {
    let mut masternode = Masternode::start(masternodes);
    let subscriber = Subscriber::python(masternodes, masternode.stream(), &["Chasar-Client"]);
    let mut clientnode = Clientnode::named(clientnodes, &what.replace(' ', "-"), &[]);
    until(SOON, &format!("{what}: {WATCHED} reports"), || {
        clientnode.program.running()?;
        let count = subscriber.messages().len();
        if count >= WATCHED { Ok(()) } else { Err(format!("{count} reports")) }
    });
    let ledger = subscriber.ledger();
    let session = &ledger.sessions()[0];
    // The first reports may have been sent again behind later ones: the masternode was still starting.
    let sampled: BTreeSet<i64> = ledger.session(session).map(|e| e.sampled_at_ms).collect();
    let sampled: Vec<i64> = sampled.into_iter().collect();
    let (first, last) = (sampled[0], sampled[sampled.len() - 1]);
    let average = (last - first) as f64 / 1e3 / (sampled.len() - 1) as f64;
    eprintln!("{what}: a report every {average:.3} s");
    assert!((0.95..1.05).contains(&average), "{what}: sampled at {sampled:?}");

    masternode.program.kill();
    masternode.restart();
    let before = subscriber.messages().len();
    until(SOON, &format!("{what}: reports after the masternode came back, none lost"), || {
        let ledger = subscriber.ledger();
        let missing = ledger.missing(session);
        if ledger.entries.len() > before + 3 && missing.is_empty() && ledger.settled(session) {
            Ok(())
        } else {
            Err(format!("{} reports, missing {missing:?}", ledger.entries.len()))
        }
    });
    let node_id = &ledger.entries[0].node_id;
    let instance = until(SOON, &format!("{what}: a name of the node in its series"), || {
        let metrics = masternode.metrics()?;
        let info = metrics.of("chasar_node_info").find(|(series, _)| series.labels["node_id"] == *node_id);
        Ok(info.ok_or("none")?.0.labels["instance"].clone())
    });
    clientnode.program.stop(STOP);
    until(SOON, &format!("{what}: a good-bye"), || {
        let ledger = subscriber.ledger();
        let last = ledger.entries.last().ok_or("no reports")?;
        if last.leaving { Ok(()) } else { Err(format!("{last:?}")) }
    });
    masternode.program.stop(STOP);
    let stored = masternodes.folder().join("masternode/history");
    let reports = history::sampled(&subscriber.messages());
    assert!(history::assert_stored(&stored, &instance, &reports) > 0, "{what}: nothing is stored");
    let report = subscriber.messages()[WATCHED - 1].json();
    assert_2016(&report);
    report
}

/// The families of a report, and the probes with what came of them.
fn families(report: &Value) -> BTreeSet<String> {
    let keys = report.as_object().expect("an object").keys().cloned();
    let probes = report["probes"].as_object().expect("probes tell how they fared");
    keys.chain(probes.iter().map(|(name, status)| format!("probe {name}: {}", status["outcome"]))).collect()
}
