//! What comes in is in the store afterwards: all of it, once, under the right names.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chasar_masternode::{HistoryConfig, Masternode, StartError};
use chasar_tsdb::storage::Disk;
use chasar_tsdb::{Matcher, NAME, Options, Store};
use chasar_wire::Report;

use crate::site::{Site, config, report, until};

const DEADLINE: Duration = Duration::from_secs(60);

/// All series of a name: labels, and the samples.
fn stored(folder: &Path, name: &str) -> Vec<(String, Vec<(i64, f64)>)> {
    let disk = Arc::new(Disk::read_only(folder.join("history")));
    let (store, opening) = Store::open_read_only(disk, Options::default()).unwrap();
    assert!(opening.damaged.is_empty(), "{opening:?}");
    let found = store.snapshot().select(&[Matcher::equal(NAME, name)], i64::MIN, i64::MAX).unwrap();
    assert!(found.damage.is_empty(), "{:?}", found.damage);
    found
        .series
        .into_iter()
        .map(|s| (s.labels.to_string(), s.times_ms.into_iter().zip(s.values).collect()))
        .collect()
}

fn disk(id: &str, sequence: u64, size: Option<u64>) -> Report {
    let mut report = report(id, "s", sequence);
    let now_ms = report.sampled_at_ms.unwrap();
    // Sampled in the past, a second apart.
    report.sampled_at_ms = Some(now_ms / 60_000 * 60_000 - 60_000 + i64::try_from(sequence).unwrap() * 1_000);
    report.disk.total_bytes = size;
    report
}

/// Sends these and waits until the masternode has taken or dropped all of them.
fn send(site: &Site, reports: &[Report]) {
    let done =
        || site.metric("chasar_reports_accepted_total") + site.metric("chasar_reports_duplicate_total");
    let before = done();
    let mut node = site.node();
    for report in reports {
        node.report(report);
    }
    until("all reports to arrive", || match done() - before {
        so_many if so_many == reports.len() as f64 => Ok(()),
        so_many => Err(so_many.to_string()),
    });
}

fn values(samples: &[(i64, f64)]) -> Vec<f64> {
    samples.iter().map(|(_, value)| *value).collect()
}

#[test]
fn every_sample_is_stored_once_with_its_time_and_name() {
    let site = Site::start();
    let reports: Vec<_> = (0..5).map(|i| disk("n1", i, (i != 3).then_some(100 + i))).collect();
    send(&site, &reports);
    send(&site, &reports[1..3]);
    // Replayed, and in no order.
    let at_ms = reports[0].sampled_at_ms.unwrap();
    let Site { folder, running } = site;
    running.stop(DEADLINE).unwrap();
    let found = stored(folder.path(), "chasar_root_disk_size_bytes");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, "chasar_root_disk_size_bytes{instance=\"host-n1\",job=\"chasar\"}");
    let wanted = [0, 1, 2, 4].map(|i| (at_ms + i * 1_000, 100.0 + i as f64));
    let there: Vec<_> = found[0].1.iter().copied().filter(|(_, value)| !value.is_nan()).collect();
    assert_eq!(there, wanted);
    // Where it was not, it ended.
    let ends: Vec<_> = found[0].1.iter().filter(|(_, value)| value.is_nan()).collect();
    assert!(ends.len() == 1 && ends[0].0 == at_ms + 3_000, "{ends:?}");
    assert_eq!(ends[0].1.to_bits(), 0x7FF0_0000_0000_0002);
}

#[test]
fn who_is_up_is_stored_each_second() {
    let site = Site::start();
    let mut node = site.node();
    node.report(&report("n1", "s", 0));
    let ups = until("seconds of up, and the end of the reports in it", || {
        match stored(site.folder.path(), "up").first() {
            Some((_, samples)) if samples.last().is_some_and(|(_, value)| *value == 0.0) => {
                Ok(samples.clone())
            }
            other => Err(format!("{other:?}")),
        }
    });
    assert_eq!(ups[0].1, 1.0);
    assert!(values(&ups).is_sorted_by(|a, b| a >= b), "{ups:?}");
    let steps = ups.windows(2).map(|pair| pair[1].0 - pair[0].0);
    for step in steps {
        // By the wall clock; the seconds are those of the other one.
        assert!(step >= 900, "{step}");
    }
    assert_eq!(site.metric("chasar_history_state{state=\"good\"}"), 1.0);
    assert!(site.metric("chasar_history_samples_total") >= ups.len() as f64);
}

/// A masternode that was killed may have published, and remembered as seen, what it had not stored:
/// when the node sends it again it is stored, and not published.
#[test]
fn what_was_seen_and_not_stored_is_stored_when_it_comes_again() {
    let site = Site::start();
    let reports: Vec<_> = (0..6).map(|i| disk("n1", i, Some(100 + i))).collect();
    send(&site, &reports[..4]);
    let Site { folder, running } = site;
    running.stop(DEADLINE).unwrap();
    fs::remove_dir_all(folder.path().join("history")).unwrap();
    let site = Site { running: Masternode::start(config(folder.path())).unwrap(), folder };
    send(&site, &reports[1..]);
    assert_eq!(site.metric("chasar_reports_accepted_total"), 2.0, "the other three were published before");
    // What came in this run is not taken again, whatever it says.
    send(&site, &[disk("n1", 5, Some(999))]);
    let Site { folder, running } = site;
    running.stop(DEADLINE).unwrap();
    let found = stored(folder.path(), "chasar_root_disk_size_bytes");
    assert_eq!(values(&found[0].1), [101.0, 102.0, 103.0, 104.0, 105.0]);
}

#[test]
fn hosts_of_one_name_keep_theirs_over_a_restart() {
    let site = Site::start();
    let named = |hostname: &str, id: &str, sequence| Report {
        hostname: hostname.into(),
        ..disk(id, sequence, Some(7))
    };
    let said = |id: &str, sequence| named("web", id, sequence);
    // The one that was there first got the name last.
    send(&site, &[named("debian", "aaaaaaaaaa", 0), said("bbbbbbbbbb", 0), said("aaaaaaaaaa", 1)]);
    let Site { folder, running } = site;
    running.stop(DEADLINE).unwrap();
    let site = Site { running: Masternode::start(config(folder.path())).unwrap(), folder };
    send(&site, &[said("aaaaaaaaaa", 2), said("bbbbbbbbbb", 1)]);
    let page = site.get("/metrics?instance=web", "").body;
    assert!(page.contains("node_id=\"bbbbbbbbbb\""), "{page}");
    let Site { folder, running } = site;
    running.stop(DEADLINE).unwrap();
    assert_eq!(stored(folder.path(), "chasar_node_info").len(), 3);

    // A file that is somebody else's is kept, and said.
    fs::write(folder.path().join("instances.json"), "hello").unwrap();
    Masternode::start(config(folder.path())).unwrap().stop(DEADLINE).unwrap();
    assert_eq!(fs::read_to_string(folder.path().join("instances.json.foreign")).unwrap(), "hello");
}

#[test]
fn without_history_nothing_is_kept_and_the_newest_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let mut without = config(folder.path());
    without.history = None;
    let site = Site { running: Masternode::start(without).unwrap(), folder };
    send(&site, &[disk("n1", 0, Some(7))]);
    let page = site.get("/metrics", "").body;
    assert!(page.contains("chasar_root_disk_size_bytes{"), "{page}");
    assert!(!page.contains("chasar_history_state"), "{page}");
    assert!(!site.folder.path().join("history").exists());
}

#[test]
fn a_folder_that_cannot_be_had_is_named() {
    let site = Site::start();
    let folder = tempfile::tempdir().unwrap();
    let mut taken = config(folder.path());
    taken.history = Some(HistoryConfig::new(site.folder.path().join("history")));
    let error = Masternode::start(taken).unwrap_err();
    assert!(matches!(error, StartError::History { .. }), "{error}");
    assert!(error.to_string().contains("in use") && error.to_string().contains("--history"), "{error}");

    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let mut wrong = config(folder.path());
    wrong.history = Some(HistoryConfig::new(&file));
    let error = Masternode::start(wrong).unwrap_err().to_string();
    assert!(error.contains("file") && error.contains("--history off"), "{error}");
}
