//! What comes in at 5555 goes out at 6666, and what is no report is counted.

use std::time::Duration;

use chasar_wire::pack::Packer;
use chasar_wire::{Report, encode, topic};

use crate::site::{Site, report, until};

#[test]
fn a_report_goes_out_with_its_own_bytes_in_two_frames() {
    let site = Site::start();
    let mut all = site.subscriber(&["Chasar-Client"]);
    let mut one = site.subscriber(&["chasar/node/n1/report"]);
    until("both subscriptions", || match site.metric("chasar_stream_subscribers") {
        2.0 => Ok(()),
        n => Err(n.to_string()),
    });
    // Spaces, an unknown key and the order of keys are the node's own and stay.
    let json = br#"{ "hostname" : "h\u00f6st",
        "from_the_future": [1, {"x": null}] }"#;
    let mut node = site.node();
    // The subscription itself may take a moment longer than the connection; a node of 2016 has no
    // sequence, so each of its reports is new.
    let first = until("the first report at the subscriber", || {
        node.send("status", json);
        all.within(Duration::from_millis(100)).ok_or_else(|| "nothing came".to_owned())
    });
    assert_eq!(first, ("Chasar-Client".to_owned(), json.to_vec()));
    let mut other = report("n1", "s", 1);
    other.hostname = "höst".into();
    let bytes = node.report(&other);
    let second = until("the second report", || match all.next() {
        (_, body) if body == json => Err("an earlier one".to_owned()),
        other => Ok(other),
    });
    assert_eq!(second, ("Chasar-Client".to_owned(), bytes));
    assert_eq!(
        one.find(|topic, value| { topic == "chasar/node/n1/report" && value["sequence"] == 1 })["hostname"],
        "höst"
    );
    site.running.stop(Duration::from_secs(5)).unwrap();
}

#[test]
fn a_packed_report_goes_out_as_plain_json() {
    let site = Site::start();
    let mut all = site.subscriber(&["Chasar-Client"]);
    let (mut json, mut packed) = (Vec::new(), Vec::new());
    let mut node = site.node();
    for sequence in 0.. {
        json.clear();
        encode(&report("n1", "s", sequence), &mut json);
        Packer::new().pack(&json, &mut packed);
        node.send(topic::STATUS_ZSTD, &packed);
        if let Some((topic, body)) = all.within(Duration::from_millis(100)) {
            assert_eq!((topic.as_str(), body), ("Chasar-Client", json));
            return;
        }
        assert!(sequence < 100, "nothing came");
    }
}

#[test]
fn wrong_input_is_counted_by_reason_and_stops_nothing() {
    let site = Site::start();
    let mut node = site.node();
    node.send("status", b"{");
    node.send("status", br#"{"hostname":""}"#);
    node.send("status", &[b"{\"hostname\":\"h\",\"x\":".as_slice(), &[b'['; 40], &[b']'; 40], b"}"].concat());
    node.send("other", b"{}");
    node.send("status.zst", b"no zstd");
    node.report(&report("n1", "s", 0));
    until("all to be counted", || {
        let refused: Vec<f64> = ["json", "value", "limit", "topic", "packed"]
            .iter()
            .map(|reason| site.metric(&format!("chasar_reports_refused_total{{reason=\"{reason}\"}}")))
            .collect();
        let accepted = site.metric("chasar_reports_accepted_total");
        if refused == [1.0; 5] && accepted == 1.0 { Ok(()) } else { Err(format!("{refused:?} {accepted}")) }
    });
}

#[test]
fn duplicates_are_dropped_and_replays_published() {
    let site = Site::start();
    let mut all = site.subscriber(&["Chasar-Client"]);
    let mut node = site.node();
    until("the first report at the subscriber", || {
        node.report(&Report { hostname: "warm-up".into(), ..Report::default() });
        all.within(Duration::from_millis(100)).ok_or_else(|| "nothing came".to_owned())
    });
    // The same report is also of the same moment; another one would be that of a clone.
    let reports = [0, 1, 2, 3, 4, 5].map(|sequence| report("n1", "s", sequence));
    for sequence in [0, 1, 4, 1, 3, 2, 4, 5] {
        node.report(&reports[sequence]);
    }
    let mut came = Vec::new();
    while came.last() != Some(&5) {
        let (_, body) = all.next();
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        came.extend(value["sequence"].as_u64());
    }
    assert_eq!(came, [0, 1, 4, 3, 2, 5]);
    until("the counters", || {
        let counts =
            ["chasar_reports_replayed_total", "chasar_reports_duplicate_total"].map(|m| site.metric(m));
        if counts == [2.0, 2.0] { Ok(()) } else { Err(format!("{counts:?}")) }
    });
}

#[test]
fn states_are_told_when_they_change_and_again_to_who_comes_late() {
    let site = Site::start();
    let mut early = site.subscriber(&["chasar/node/"]);
    let mut node = site.node();
    let mut sequence = 0;
    until("the first state at the subscriber", || {
        node.report(&report("n1", "s", sequence));
        sequence += 1;
        early.within(Duration::from_millis(100)).ok_or_else(|| "nothing came".to_owned())
    });
    let joined = site.subscriber(&["chasar/node/n1/"]).find(|_, value| value["state"] == "joined");
    assert_eq!(joined["hostname"], "host-n1");
    let mut late = site.subscriber(&["chasar/node/n1/state"]);
    let repeated = late.find(|_, value| value["state"] == "joined");
    assert_eq!((&repeated["repeated"], &repeated["node_id"]), (&true.into(), &"n1".into()));
    // Silence: late, then down. And once it is down, that is repeated too.
    early.find(|topic, value| topic == "chasar/node/n1/state" && value["state"] == "down");
    let fleet = until("the fleet to know", || {
        let fleet = site.fleet();
        if fleet["totals"]["down"] == 1 { Ok(fleet) } else { Err(fleet.to_string()) }
    });
    assert_eq!(
        (&fleet["nodes"][0]["hostname"], &fleet["nodes"][0]["state"]),
        (&"host-n1".into(), &"down".into())
    );
}

#[test]
fn a_goodbye_is_no_loss() {
    let site = Site::start();
    let mut node = site.node();
    node.report(&report("n1", "s", 0));
    node.report(&Report { leaving: Some(true), ..report("n1", "s", 1) });
    until("the node to have left", || {
        let fleet = site.fleet();
        if fleet["totals"]["left"] == 1 { Ok(()) } else { Err(fleet.to_string()) }
    });
}
