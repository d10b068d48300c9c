//! Foreign programs at every port, as the 2016 README describes them.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::time::Duration;

use chasar_e2e::clientnode::clean;
use chasar_e2e::peer::Peer;
use chasar_e2e::report::assert_2016;
use chasar_e2e::{Clientnode, Masternode, Namespace, Place, Program, Site, Subscriber, until, workspace};

const SOON: Duration = Duration::from_secs(60);

/// Runs a subscriber beside a masternode and a clientnode, and looks at what it gets.
fn a_subscriber_gets_two_frames(make: fn(&Site, &Masternode) -> Subscriber) {
    let site = Site::new();
    let masternode = Masternode::start(&site);
    let subscriber = make(&site, &masternode);
    let _clientnode = Clientnode::start(&site, &["--interval", "0.2"]);
    // Subscriber checks that each message has two frames.
    for message in subscriber.at_least(5, SOON) {
        assert_eq!(message.topic(), "Chasar-Client");
        assert_2016(&message.json());
    }
    let ledger = subscriber.ledger();
    let sessions = ledger.sessions();
    assert_eq!(sessions.len(), 1);
    ledger.assert_whole(&sessions[0], "a subscriber that was there first");
}

#[test]
fn pyzmq_subscribes() {
    a_subscriber_gets_two_frames(|site, m| Subscriber::python(site, m.stream(), &["Chasar-Client"]));
}

#[test]
fn nodejs_subscribes() {
    a_subscriber_gets_two_frames(|site, m| Subscriber::node(site, m.stream(), &["Chasar-Client"]));
}

/// The examples, unmodified, on the default ports of a network that has nothing else.
#[test]
fn the_examples_work_as_they_are() {
    let place = Place::Inside(Namespace::new());
    let site = Site::at(place.clone(), IpAddr::from(Ipv4Addr::LOCALHOST));
    let start = |name: &str, args: &[&str]| {
        let mut command = place.command(workspace::chasar());
        command.args(args).arg("--state-dir").arg(site.folder().join(name));
        clean(&mut command, &site);
        Program::start(name, command, &site.folder().join(format!("{name}.log")), None)
    };
    // No address, no port: the defaults are what the README promises.
    let _masternode = start("masternode", &["masternode", "start"]);
    let _clientnode = start("clientnode", &["clientnode", "start"]);
    // As after `npm install` in the folder of the example.
    let example = site.folder().join("client");
    fs::create_dir(&example).unwrap();
    for file in ["client.py", "client.js", "package.json"] {
        fs::copy(workspace::root().join("example/client").join(file), example.join(file)).unwrap();
    }
    std::os::unix::fs::symlink(workspace::node_modules(), example.join("node_modules")).unwrap();
    let mut python = place.command(workspace::python());
    python.arg("-u").arg(example.join("client.py"));
    let mut node = place.command("node");
    node.arg(example.join("client.js"));
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for (name, command) in [("client.py", python), ("client.js", node)] {
        let mut program = Program::start(name, command, &site.folder().join(format!("{name}.log")), None);
        until(SOON, &format!("{name} that shows three reports"), || {
            program.running()?;
            let output = program.output();
            if output.matches(hostname.trim()).count() >= 3 { Ok(()) } else { Err(output) }
        });
    }
}

#[test]
fn a_node_of_2016_is_a_node() {
    let site = Site::new();
    let masternode = Masternode::start(&site);
    let topics = ["Chasar-Client", "chasar/node/"];
    let subscriber = Subscriber::python(&site, masternode.stream(), &topics);
    let mut watch = Command::new(workspace::chasar());
    watch.args(["watch", &masternode.stream().to_string(), "--json"]);
    clean(&mut watch, &site);
    let watch = Peer::start(&site, "watch", watch);
    let node = Peer::python(
        &site,
        "clientnode_2016.py",
        &[&format!("tcp://{}", masternode.reports()), "old", "0.5"],
    );

    let got = until(SOON, "reports of a node of 2016", || {
        let got: Vec<_> =
            subscriber.messages().into_iter().filter(|m| m.topic() == "Chasar-Client").collect();
        if got.len() >= 3 { Ok(got) } else { Err(format!("{} reports", got.len())) }
    });
    // Its own bytes, none changed, none added.
    let sent: Vec<String> = until(SOON, "its account of them", || {
        let sent: Vec<String> = node.messages(0).iter().map(|m| m.body().to_owned()).collect();
        if sent.iter().any(|s| s == got[2].body()) { Ok(sent) } else { Err(format!("{} sent", sent.len())) }
    });
    let first = sent.iter().position(|s| s == got[0].body()).expect("the first report is not what was sent");
    let bodies: Vec<&str> = got.iter().map(|m| m.body()).collect();
    assert!(sent[first..].starts_with(&bodies.iter().map(|b| (*b).to_owned()).collect::<Vec<_>>()[..]));
    assert!(first <= 2, "{first} reports were lost at the start");

    let old = masternode.node(SOON, "the node in the fleet", |n| n["hostname"] == "old");
    assert_eq!(old["state"], "live", "{old}");
    assert!(old["summary"]["memory_percent"].is_number(), "{old}");
    let joined = subscriber.event(SOON, "a joined event", |e| e["state"] == "joined");
    assert_eq!((&joined["hostname"], &joined["node_id"]), (&"old".into(), &old["node_id"]));
    let own = format!("chasar/node/{}/report", old["node_id"].as_str().unwrap());
    until(SOON, "reports on the topic of the node", || {
        let topics: Vec<String> = subscriber.messages().iter().map(|m| m.topic().to_owned()).collect();
        if topics.contains(&own) { Ok(()) } else { Err(format!("{topics:?}")) }
    });
    until(SOON, "a line of chasar watch --json", || {
        let told = watch.told();
        let line = told.iter().find(|line| line["hostname"] == "old");
        line.map(assert_2016).ok_or_else(|| format!("{told:?}"))
    });
}

#[test]
fn a_masternode_of_2016_gets_our_reports() {
    let site = Site::new();
    let mut old = Peer::python(&site, "masternode_2016.py", &[&format!("tcp://{}:5555", site.address())]);
    old.event("bound", SOON);
    let mut clientnode = Clientnode::start(&site, &["--interval", "0.2"]);
    let got = until(SOON, "reports", || {
        let got = old.messages(0);
        if got.len() >= 5 { Ok(got) } else { Err(format!("{} reports", got.len())) }
    });
    for (number, message) in got.iter().enumerate() {
        assert_eq!(message.topic(), "status");
        assert_2016(&message.json());
        assert_eq!(message.json()["sequence"], number, "reports are lost or come twice");
    }
    clientnode.program.stop(Duration::from_secs(5));
    let last = old.messages(0).last().unwrap().json();
    assert_eq!(last["leaving"], true, "the last report says good-bye");
}
