//! A masternode that takes in the streams of others: sites that roll up, loops, cuts, strangers.

use std::collections::BTreeSet;
use std::time::Duration;

use chasar_e2e::peer::Peer;
use chasar_e2e::{Clientnode, Masternode, Site, Subscriber, until};

const SOON: Duration = Duration::from_secs(60);

/// Starts a masternode that takes in these streams.
fn with_upstreams(site: &Site, streams: &[String]) -> Masternode {
    let options: Vec<&str> = streams.iter().flat_map(|stream| ["--upstream", stream]).collect();
    Masternode::with(site, &options)
}

fn stream(site: &Site) -> String {
    format!("{}:6666", site.address())
}

/// Waits until so many links to upstreams are up, and have been so often.
#[track_caller]
fn connected(masternode: &Masternode, upstreams: f64, times: f64) {
    until(SOON, "links to the upstreams", || {
        let metrics = masternode.metrics()?;
        let up = metrics.sum("chasar_upstream_connected").unwrap_or(0.0);
        let connects = metrics.sum("chasar_upstream_connects_total").unwrap_or(0.0);
        if up >= upstreams && connects >= times { Ok(()) } else { Err(format!("{up} up, {connects} times")) }
    });
}

/// Waits until a subscriber has so many reports in all, and gives the sessions that they are of.
#[track_caller]
fn sessions(subscriber: &Subscriber, sessions: usize, at_least: u64) -> Vec<String> {
    until(SOON, "reports of all nodes", || {
        let ledger = subscriber.ledger();
        let found = ledger.sessions();
        let enough = found.iter().filter(|s| ledger.counts(s).received >= at_least).count();
        if enough >= sessions { Ok(found) } else { Err(format!("{enough} of {found:?}")) }
    })
}

/// Asserts that no report of any session came twice.
#[track_caller]
fn assert_each_once(subscriber: &Subscriber, what: &str) {
    let ledger = subscriber.ledger();
    for session in ledger.sessions() {
        let repeated = ledger.repeated(&session);
        assert!(repeated.is_empty(), "{what}: {repeated:?} of {session} came twice");
    }
}

#[test]
fn two_sites_roll_up_into_one() {
    let sites = [Site::new(), Site::new()];
    let mut masternodes: Vec<Masternode> = sites.iter().map(Masternode::start).collect();
    let top = Site::new();
    let roll_up = with_upstreams(&top, &sites.each_ref().map(stream));
    connected(&roll_up, 2.0, 2.0);
    let subscriber = Subscriber::python(&top, roll_up.stream(), &["Chasar-Client"]);
    // Both have the host name of this computer.
    let nodes: Vec<Clientnode> =
        sites.iter().map(|site| Clientnode::start(site, &["--interval", "0.2"])).collect();
    let runs = sessions(&subscriber, 2, 15);
    roll_up.count("live", 2, SOON);
    until(SOON, "two nodes with names of their own", || {
        let metrics = roll_up.metrics()?;
        let up: BTreeSet<_> = metrics
            .of("up")
            .filter(|(_, up)| *up == 1.0)
            .map(|(series, _)| series.labels["instance"].clone())
            .collect();
        if up.len() == 2 { Ok(()) } else { Err(format!("{up:?}")) }
    });

    // A site is killed and started again: its node sends again what that site missed, and what came
    // before the roll-up's link was back is a gap here, and counted as one.
    masternodes[0].kill_and_restart();
    connected(&roll_up, 2.0, 3.0);
    let before = subscriber.ledger();
    let more: u64 = runs.iter().map(|run| before.counts(run).sampled).max().unwrap_or(0) + 15;
    let settled = |ledger: &chasar_e2e::Ledger, run: &str| {
        let first = ledger.session(run).map(|e| e.sequence).min().unwrap_or(0);
        let missing = ledger.missing(run).into_iter().filter(|sequence| *sequence > first).count();
        (ledger.counts(run).sampled >= more && ledger.settled(run)).then_some(missing as f64)
    };
    until(SOON, "reports of both sites again, and every gap counted", || {
        let ledger = subscriber.ledger();
        let missing: Vec<Option<f64>> = runs.iter().map(|run| settled(&ledger, run)).collect();
        let lost = roll_up.metrics()?.sum("chasar_reports_lost_total").unwrap_or(0.0);
        let counted = missing.iter().copied().sum::<Option<f64>>() == Some(lost);
        if counted { Ok(()) } else { Err(format!("{missing:?} are missing, {lost} counted as lost")) }
    });
    assert_each_once(&subscriber, "the roll-up");
    drop(nodes);
    roll_up.count("down", 2, SOON);
}

#[test]
fn masternodes_in_a_ring_pass_each_report_on_once() {
    let sites = [Site::new(), Site::new()];
    // The first looks for the second before that is there.
    let first = with_upstreams(&sites[0], &[stream(&sites[1])]);
    let second = with_upstreams(&sites[1], &[stream(&sites[0])]);
    connected(&first, 1.0, 1.0);
    connected(&second, 1.0, 1.0);
    let subscribers =
        [&first, &second].map(|m| Subscriber::python(&sites[0], m.stream(), &["Chasar-Client"]));
    let _ours = Clientnode::start(&sites[0], &["--interval", "0.2"]);
    // One without identity and sequence, as in 2016.
    let reports = format!("tcp://{}", first.reports());
    let _of_2016 = Peer::python(&sites[0], "clientnode_2016.py", &[&reports, "old", "0.2"]);
    for subscriber in &subscribers {
        sessions(subscriber, 1, 20);
        until(SOON, "reports of 2016", || {
            let old = subscriber.messages().iter().filter(|m| m.json()["hostname"] == "old").count();
            if old >= 20 { Ok(()) } else { Err(format!("{old}")) }
        });
    }
    for (subscriber, masternode) in subscribers.iter().zip([&first, &second]) {
        assert_each_once(subscriber, "a ring");
        let messages = subscriber.messages();
        let bodies: BTreeSet<&str> = messages.iter().map(|m| m.body()).collect();
        assert_eq!(bodies.len(), messages.len(), "reports of 2016 go round");
        // In this order, since both go on.
        let duplicates = masternode.metric("chasar_reports_duplicate_total");
        let accepted = masternode.metric("chasar_reports_accepted_total");
        assert!(duplicates <= accepted, "{duplicates} copies of {accepted} reports");
    }
    until(SOON, "reports to come round", || {
        let duplicates = first.metric("chasar_reports_duplicate_total");
        if duplicates >= 30.0 { Ok(()) } else { Err(format!("{duplicates}")) }
    });
}

#[test]
fn a_node_that_reports_to_both_is_one_node_there() {
    let (below, top) = (Site::new(), Site::new());
    let site = Masternode::start(&below);
    let mut roll_up = with_upstreams(&top, &[stream(&below)]);
    connected(&roll_up, 1.0, 1.0);
    let subscriber = Subscriber::python(&top, roll_up.stream(), &["Chasar-Client"]);
    let also = roll_up.reports().to_string();
    let mut clientnode = Clientnode::start(&below, &["--interval", "0.2", "--also", &also]);
    let run = sessions(&subscriber, 1, 20).remove(0);
    // What the stream does not bring while the roll-up is away, the node does.
    roll_up.program.stop(Duration::from_secs(10));
    roll_up.restart();
    connected(&roll_up, 1.0, 1.0);
    let before = subscriber.ledger().counts(&run).sampled;
    until(SOON, "every report", || {
        let ledger = subscriber.ledger();
        let counts = ledger.counts(&run);
        let done = counts.sampled >= before + 15 && counts.lost == 0 && ledger.settled(&run);
        if done { Ok(()) } else { Err(format!("{counts} missing {:?}", ledger.missing(&run))) }
    });
    clientnode.program.stop(Duration::from_secs(10));
    roll_up.count("left", 1, SOON);
    subscriber.ledger().assert_whole(&run, "directly and by a site");
    assert!(roll_up.metric("chasar_reports_duplicate_total") > 0.0, "it came both ways");
    assert_eq!(
        roll_up.metric("chasar_reports_lost_total"),
        0.0,
        "what one way did not bring the other one did"
    );
    assert_eq!(site.nodes().unwrap().len(), 1);
    assert_eq!(roll_up.nodes().unwrap().len(), 1);
}

#[test]
fn a_masternode_of_2016_can_be_an_upstream() {
    let (below, top) = (Site::new(), Site::new());
    let old_stream = format!("tcp://{}", stream(&below));
    let mut old = Peer::python(
        &below,
        "masternode_2016.py",
        &[&format!("tcp://{}:5555", below.address()), &old_stream],
    );
    old.event("bound", SOON);
    let roll_up = with_upstreams(&top, &[stream(&below)]);
    connected(&roll_up, 1.0, 1.0);
    let subscriber = Subscriber::python(&top, roll_up.stream(), &["Chasar-Client"]);
    let reports = format!("tcp://{}:5555", below.address());
    let _of_2016 = Peer::python(&below, "clientnode_2016.py", &[&reports, "old", "0.2"]);
    let _ours = Clientnode::start(&below, &["--interval", "0.2"]);
    roll_up.count("live", 2, SOON);
    sessions(&subscriber, 1, 10);
    assert_each_once(&subscriber, "from a masternode of 2016");
    let node = roll_up.node(SOON, "the node of 2016", |node| node["hostname"] == "old");
    assert_eq!(node["state"], "live", "{node}");
    assert_eq!(node["address"], stream(&below), "it is told by which way it comes");
}

#[test]
fn what_an_upstream_sends_is_checked_like_what_a_node_sends() {
    let (below, top) = (Site::new(), Site::new());
    let mut hostile = Peer::python(&below, "hostile_stream.py", &[&format!("tcp://{}", stream(&below))]);
    hostile.event("bound", SOON);
    let roll_up = with_upstreams(&top, &[stream(&below)]);
    // A node of its own is as well as ever meanwhile.
    let subscriber = Subscriber::python(&top, roll_up.stream(), &["Chasar-Client"]);
    let _own = Clientnode::start(&top, &["--interval", "0.2"]);
    roll_up.count("live", 2, SOON);
    until(SOON, "refusals", || {
        let refused = roll_up.metrics()?.sum("chasar_reports_refused_total").unwrap_or(0.0);
        // Those of one frame or three, which nobody can read.
        let unread = roll_up.metrics()?.sum("chasar_upstream_refused_messages_total").unwrap_or(0.0);
        if refused >= 50.0 && unread >= 4.0 { Ok(()) } else { Err(format!("{refused}, {unread}")) }
    });
    let run = sessions(&subscriber, 1, 20).remove(0);
    let repeated = subscriber.ledger().repeated(&run);
    assert!(repeated.is_empty());
    let names: BTreeSet<String> = roll_up
        .nodes()
        .unwrap()
        .iter()
        .map(|n| n["hostname"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert!(names.contains("sound") && !names.contains("impostor"), "{names:?}");
}
