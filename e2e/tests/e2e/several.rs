//! Several masternodes fed by the same nodes: each gets everything once, whatever happens to the others.

use std::collections::BTreeMap;
use std::time::Duration;

use chasar_e2e::{Clientnode, Masternode, Site, Subscriber, until};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);

/// Waits for the first reports, and gives their session.
#[track_caller]
fn session(subscriber: &Subscriber, at_least: u64) -> String {
    until(SOON, "the first reports", || {
        let ledger = subscriber.ledger();
        let session = ledger.sessions().first().cloned().ok_or("none")?;
        let counts = ledger.counts(&session);
        if counts.received >= at_least { Ok(session) } else { Err(counts.to_string()) }
    })
}

/// Waits until so much of a session has come, all of it, and nothing waits to be sent again.
#[track_caller]
fn whole(subscriber: &Subscriber, session: &str, at_least: u64) {
    until(SOON, "a whole session", || {
        let ledger = subscriber.ledger();
        let counts = ledger.counts(session);
        let done = counts.sampled >= at_least && counts.lost == 0 && ledger.settled(session);
        if done { Ok(()) } else { Err(format!("{counts} missing {:?}", ledger.missing(session))) }
    });
}

/// Every sample of every series of the nodes by its labels, but for what is a masternode's own view: `up`, what
/// waits to be sent again to it, and which of the processes were the busiest of late.
fn samples(masternode: &Masternode) -> Result<BTreeMap<String, Value>, String> {
    // {job="chasar",__name__!~"up|chasar_replay_.*|chasar_process_.*"}[10m]
    let query = "/api/v1/query?query=%7Bjob%3D%22chasar%22%2C\
                 __name__%21~%22up%7Cchasar_replay_.%2A%7Cchasar_process_.%2A%22%7D%5B10m%5D";
    let answer = masternode.get(query)?;
    let answer: Value = serde_json::from_str(&answer.body).map_err(|e| format!("{e}: {answer:?}"))?;
    let series = answer["data"]["result"].as_array().ok_or_else(|| answer.to_string())?;
    Ok(series.iter().map(|series| (series["metric"].to_string(), series["values"].clone())).collect())
}

#[test]
fn each_of_two_masternodes_gets_every_report_once() {
    let (near, far) = (Site::new(), Site::new());
    let (mut first, mut second) = (Masternode::start(&near), Masternode::start(&far));
    let of_first = Subscriber::python(&near, first.stream(), &["Chasar-Client"]);
    let of_second = Subscriber::python(&far, second.stream(), &["Chasar-Client"]);
    let also = second.reports().to_string();
    let mut clientnode = Clientnode::start(&near, &["--interval", "0.2", "--also", &also]);
    let run = session(&of_first, 10);
    assert_eq!(session(&of_second, 10), run);

    // One is killed, and stays away for a while; the other goes on as if nothing were.
    second.program.kill();
    let before = of_first.ledger().counts(&run).sampled;
    whole(&of_first, &run, before + 25);
    let report = of_first.messages().last().expect("a report").json();
    let about = &report["agent"]["masternodes"];
    assert_eq!(about[0]["connected"], true, "{about}");
    assert_eq!(about[1]["connected"], false, "{about}");
    assert_eq!(about[1]["address"], also, "{about}");
    assert!(about[1]["pending_reports"].as_u64() >= Some(20), "{about}");
    assert_eq!(about[0]["pending_reports"], 0, "{about}");
    second.restart();
    let before = of_first.ledger().counts(&run).sampled;
    whole(&of_second, &run, before + 10);

    // And the other way round.
    first.program.stop(Duration::from_secs(10));
    first.restart();
    let before = of_second.ledger().counts(&run).sampled;
    whole(&of_second, &run, before + 10);
    whole(&of_first, &run, before + 10);

    clientnode.program.stop(Duration::from_secs(10));
    for subscriber in [&of_first, &of_second] {
        until(SOON, "a good-bye", || {
            let ledger = subscriber.ledger();
            if ledger.session(&run).any(|e| e.leaving) { Ok(()) } else { Err("none".to_owned()) }
        });
    }
    of_first.ledger().assert_whole(&run, "the masternode that was stopped");
    // What was published in the moment before a kill may be published again; history has it once all the same.
    let counts = of_second.ledger().counts(&run);
    assert_eq!(counts.lost, 0, "the masternode that was killed: {counts}");
    // An engine fed by both sees the same samples twice: same labels, same times, same values.
    let compared = until(SOON, "the same history in both", || {
        let (a, b) = (samples(&first)?, samples(&second)?);
        let differing: Vec<&String> =
            a.keys().chain(b.keys()).filter(|labels| a.get(*labels) != b.get(*labels)).take(3).collect();
        if differing.is_empty() {
            Ok(a)
        } else {
            Err(format!("of {} and {}: {differing:?}", a.len(), b.len()))
        }
    });
    assert!(compared.len() > 100, "{} series", compared.len());
    let own = compared.keys().filter(|labels| labels.contains("chasar_agent_masternode_connected")).count();
    assert_eq!(own, 2, "what the clientnode says of each masternode is history too");
}

#[test]
fn a_masternode_that_never_was_holds_up_nothing() {
    let site = Site::new();
    let masternode = Masternode::start(&site);
    let subscriber = Subscriber::python(&site, masternode.stream(), &["Chasar-Client"]);
    // Nobody listens there; and a name that nobody knows.
    let nobody = format!("{}:5999", site.address());
    let mut clientnode = Clientnode::start(
        &site,
        &["--interval", "0.2", "--also", &nobody, "--also", "no-such-host.invalid:5555"],
    );
    let run = session(&subscriber, 20);
    whole(&subscriber, &run, 20);
    let began = std::time::Instant::now();
    clientnode.program.stop(Duration::from_secs(10));
    assert!(began.elapsed() < Duration::from_secs(8), "a stop does not wait for those that are not there");
    until(SOON, "a good-bye", || {
        let ledger = subscriber.ledger();
        if ledger.session(&run).any(|e| e.leaving) { Ok(()) } else { Err("none".to_owned()) }
    });
    subscriber.ledger().assert_whole(&run, "beside two that are not there");
}
