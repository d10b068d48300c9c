//! The doctor in real situations: each is made, and the doctor has to name it.

use std::net::IpAddr;
use std::process::{Command, Output};
use std::time::Duration;

use chasar_e2e::clientnode::clean;
use chasar_e2e::namespace::{Cut, Wire};
use chasar_e2e::peer::Peer;
use chasar_e2e::program::Signal;
use chasar_e2e::zmtp::Connection;
use chasar_e2e::{Clientnode, Masternode, Program, Site, until, workspace};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);

/// What the doctor said.
#[derive(Debug)]
struct Said {
    findings: Vec<Value>,
    code: Option<i32>,
}

impl Said {
    fn of(output: &Output) -> Said {
        let text = String::from_utf8_lossy(&output.stdout);
        let json: Value = serde_json::from_str(&text)
            .unwrap_or_else(|e| panic!("{e}: {text}{}", String::from_utf8_lossy(&output.stderr)));
        let sections = json["sections"].as_array().expect("sections");
        let findings: Vec<Value> =
            sections.iter().flat_map(|s| s["findings"].as_array().expect("findings").clone()).collect();
        let wrong = findings.iter().filter(|f| f["verdict"] == "wrong").count();
        assert_eq!(json["wrong"], wrong, "the sum is right");
        assert_eq!(output.status.code(), Some(i32::from(wrong > 0)), "the exit code tells");
        Said { findings, code: output.status.code() }
    }

    /// The finding with this code, which has to say `words`, and what to do unless all is fine.
    #[track_caller]
    fn has(&self, code: &str, verdict: &str, words: &str) -> &Value {
        let told =
            |f: &&Value| f["code"] == code && format!("{} {}", f["looked_at"], f["found"]).contains(words);
        let Some(finding) = self.findings.iter().find(told) else {
            panic!("no {code} that says {words} in {self:#?}");
        };
        assert_eq!(finding["verdict"], verdict, "{finding:#}");
        let remedies = finding["remedy"].as_array().map_or(0, Vec::len);
        assert!(verdict == "fine" || (remedies > 0 && finding["why"].is_string()), "{finding:#}");
        finding
    }

    #[track_caller]
    fn nothing_is_wrong(&self) {
        assert_eq!(self.code, Some(0), "{self:#?}");
    }
}

fn command(site: &Site, args: &[&str]) -> Command {
    let mut command = site.place().command(workspace::chasar());
    command.arg("doctor").args(args);
    clean(&mut command, site);
    command
}

fn doctor(site: &Site, args: &[&str]) -> Said {
    Said::of(&command(site, &[args, &["--json"]].concat()).output().expect("the doctor runs"))
}

/// As a clientnode of the site's masternode; `args` follow the address.
fn of_clientnode(site: &Site, args: &[&str]) -> Said {
    let state = site.folder().join("clientnode");
    let address = site.address().to_string();
    let state = ["--state-dir", state.to_str().expect("UTF-8")];
    doctor(site, &[&["clientnode", &address], args, &state].concat())
}

fn of_masternode(site: &Site, args: &[&str]) -> Said {
    let state = site.folder().join("masternode");
    let address = site.address().to_string();
    let state = ["--state-dir", state.to_str().expect("UTF-8")];
    doctor(site, &[&["masternode", &address], args, &state].concat())
}

fn stranger(site: &Site, kind: &str, port: u16) -> Peer {
    let mut peer = Peer::python(site, "stranger.py", &[kind, &site.address().to_string(), &port.to_string()]);
    peer.event("ready", SOON);
    peer
}

#[test]
fn a_healthy_pair_is_told_so() {
    let site = Site::new();
    let masternode = Masternode::start(&site);
    let clientnode = Clientnode::start(&site, &[]);
    masternode.count("live", 1, SOON);
    let said = of_clientnode(&site, &[]);
    said.nothing_is_wrong();
    said.has("running", "fine", &format!("process {}", clientnode.program.pid()));
    said.has("masternode-answers", "fine", "asks for reports");
    said.has("healthy", "fine", "well");
    said.has("clocks-agree", "fine", "agree");
    said.has("versions-agree", "fine", "");
    said.has("node-live", "fine", "live");
    said.has("own-reports", "fine", "of this computer");
    said.has("probes-read", "fine", "read this computer");
    said.has("folder-usable", "fine", "can be written");

    let said = of_masternode(&site, &[]);
    said.nothing_is_wrong();
    said.has("port-bound", "fine", "5555");
    said.has("loopback-only", "note", "5555");
    said.has("stream-delivers", "fine", "reports came");
    said.has("fleet", "fine", "1 live");
    said.has("open-files-enough", "fine", "The fleet has 1 node");
}

#[test]
fn the_port_of_another_program_is_named() {
    let site = Site::new();
    let web = stranger(&site, "http", 5555);
    let said = of_masternode(&site, &[]);
    said.has("port-in-use", "wrong", &format!("(process {})", web.program.pid()));
    said.has("not-running", "wrong", "masternode");
    let said = of_clientnode(&site, &[]);
    said.has("wrong-protocol", "wrong", "SimpleHTTP");
    let told = said.has("not-running", "note", "clientnode");
    assert_eq!(
        told["remedy"][0]["command"].as_str().map(|c| c.starts_with("chasar clientnode start ")),
        Some(true)
    );
}

#[test]
fn strangers_are_told_by_their_protocol() {
    for (kind, code, words) in [
        ("ssh", "wrong-protocol", "SSH-2.0-OpenSSH_9.2p1"),
        ("tls", "wrong-protocol", "TLS"),
        ("silent", "silent-peer", "never says a word"),
        ("closing", "connection-closed", "closes every connection"),
        ("curve", "keys-wanted", "CURVE"),
        ("rep", "wrong-socket-type", "REP"),
    ] {
        let site = Site::new();
        let _stranger = stranger(&site, kind, 5555);
        of_clientnode(&site, &[]).has(code, "wrong", words);
        if kind == "ssh" {
            let address = site.address().to_string();
            let text = command(&site, &["clientnode", &address]).output().expect("the doctor runs");
            let text = String::from_utf8(text.stdout).expect("UTF-8");
            assert!(text.contains("SSH-2.0-OpenSSH_9.2p1\u{fffd}[2J") && !text.contains('\u{1b}'), "{text}");
        }
    }
}

#[test]
fn swapped_ports_are_told() {
    let site = Site::new();
    let _masternode = Masternode::start(&site);
    let said = of_clientnode(&site, &["6666"]);
    let told = said.has("ports-swapped", "wrong", "for the stream, not for reports");
    assert_eq!(told["remedy"][0]["command"], format!("chasar clientnode start {} 5555", site.address()));
    of_clientnode(&site, &["7777"]).has("ports-swapped", "wrong", "HTTP port of a masternode");
    let said = of_clientnode(&site, &["5556"]);
    let told = said.has("connection-refused", "wrong", "nothing listens on port 5556");
    assert!(told["remedy"].to_string().contains("answers on port 5555"), "{told:#}");
}

#[test]
fn packets_that_vanish_are_a_firewall_and_no_way_is_no_way() {
    let wire = Wire::new();
    let near = Site::at(wire.first(), Wire::FIRST);
    let far = near.elsewhere(wire.second());
    let _masternode = Masternode::start(&near);
    of_clientnode(&far, &[]).has("masternode-answers", "fine", "asks for reports");
    // What is sent to a card that does not exist is dropped without a word, as by a firewall.
    let drop =
        ["neigh", "replace", "10.77.0.1", "lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud", "permanent"];
    let status = far.place().command("ip").args(drop).status().expect("ip(8)");
    assert!(status.success());
    let said = of_clientnode(&far, &[]);
    said.has("connection-timeout", "wrong", "firewall");
    wire.cut(Cut::Plug);
    of_clientnode(&far, &[]).has("no-route", "wrong", "no way");
    doctor(&far, &["clientnode", "no-such-host.invalid"]).has(
        "name-not-found",
        "wrong",
        "no-such-host.invalid",
    );
}

#[test]
fn a_frozen_masternode_is_told_from_both_ends() {
    let site = Site::new();
    let masternode = Masternode::start(&site);
    masternode.program.signal(Signal::Stop);
    of_clientnode(&site, &[]).has("silent-peer", "wrong", "frozen");
    let said = of_masternode(&site, &[]);
    let told = said.has("stopped", "wrong", "SIGSTOP");
    assert_eq!(told["remedy"][0]["command"], format!("kill -CONT {}", masternode.program.pid()));
}

#[test]
fn a_node_that_died_and_a_sender_of_rubbish_are_told() {
    let site = Site::new();
    let masternode = Masternode::start(&site);
    let mut clientnode = Clientnode::start(&site, &["--interval", "0.2"]);
    masternode.count("live", 1, SOON);
    clientnode.program.kill();
    masternode.count("down", 1, SOON);
    let mut sender = Connection::shaken(masternode.reports(), "PUB").expect("a handshake");
    sender.send(&[b"status", b"{ no report"]).expect("sent");
    until(SOON, "a report that is refused", || match masternode.metric("chasar_reports_refused_total") {
        n if n > 0.0 => Ok(()),
        n => Err(n.to_string()),
    });
    let said = of_masternode(&site, &[]);
    let told = said.has("node-down", "wrong", "Nothing has come for");
    assert!(told["remedy"].to_string().contains("chasar doctor clientnode"), "{told:#}");
    said.has("reports-refused", "note", "1 message refused");
    of_clientnode(&site, &[]).has("not-running", "note", "clientnode");
}

#[test]
fn a_limit_of_open_files_is_told() {
    let site = Site::new();
    let state = site.folder().join("masternode");
    let mut shell = Command::new("sh");
    // As many as a masternode needs for itself.
    shell.args(["-c", "ulimit -Sn 256 && ulimit -Hn 256 && exec \"$@\"", "sh"]).arg(workspace::chasar());
    let address = site.address().to_string();
    shell.args(["masternode", "start", &address, "--http", "off", "--state-dir"]).arg(&state);
    clean(&mut shell, &site);
    let mut program = Program::start("masternode", shell, &site.folder().join("limited.log"), None);
    until(SOON, "a masternode that listens", || {
        program.running()?;
        Connection::open((site.address(), 5555).into()).map(drop).map_err(|e| e.to_string())
    });
    of_masternode(&site, &["--http", "off"]).has("open-files-too-few", "wrong", "It may have 256");
}

#[test]
fn a_clock_that_is_off_is_told() {
    let site = Site::new();
    let _skewed = stranger(&site, "skewed", 7777);
    let said = of_clientnode(&site, &[]);
    said.has("clock-skew", "wrong", "60 min behind the masternode's");
    said.has("connection-refused", "wrong", "nothing listens");
}

#[test]
fn a_wrong_configuration_is_told_and_wrong_arguments_end_at_once() {
    let site = Site::new();
    let file = site.folder().join("bad.toml");
    std::fs::write(&file, "[clientnode]\nintervall = 5\n").expect("written");
    let file = file.to_str().expect("UTF-8");
    let said = doctor(&site, &["clientnode", &site.address().to_string(), "--config", file]);
    said.has("configuration-wrong", "wrong", "did you mean \\\"interval\\\"?");
    std::fs::write(file, "[clientnode]\nport = 7\n").expect("written");
    let mut overridden = command(&site, &["clientnode", "--config", file, "--json"]);
    overridden.env("CHASAR_CLIENTNODE_PORT", "8").env("CHASAR_CLIENTNODE_PROT", "9");
    overridden.env("CHASAR_CLIENTNODE_MASTERNODE", site.address().to_string());
    let said = Said::of(&overridden.output().expect("the doctor runs"));
    said.has("configuration-overridden", "note", "the file says 7");
    said.has("variable-unknown", "note", "CHASAR_CLIENTNODE_PROT");
    said.has("not-running", "wrong", "clientnode");
    let wrong = command(&site, &["clientnode", "a.example", "99999"]).output().expect("the doctor runs");
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
}

/// Runs `script` with `chasar` as its first argument, with mounts and processes of its own.
fn apart(site: &Site, script: &str, args: &[&str]) -> Said {
    let mut command = Command::new("unshare");
    // Without privileges, in a user namespace where we are root.
    command.args([
        "--map-root-user",
        "--mount",
        "--pid",
        "--fork",
        "--mount-proc",
        "sh",
        "-ec",
        script,
        "sh",
    ]);
    command.arg(workspace::chasar()).args(args);
    clean(&mut command, site);
    Said::of(&command.output().expect("unshare(1) of util-linux"))
}

#[test]
fn folders_that_cannot_be_written_are_told() {
    let site = Site::new();
    let folder = site.folder().join("state");
    std::fs::create_dir(&folder).expect("made");
    let (folder, address) = (folder.to_str().expect("UTF-8"), site.address().to_string());
    let script = |mount: &str| {
        format!("mount -t tmpfs {mount}; exec \"$1\" doctor clientnode \"$3\" --state-dir \"$2\" --json")
    };
    apart(&site, &script("-o ro none \"$2\""), &[folder, &address]).has(
        "folder-not-writable",
        "wrong",
        "read-only",
    );
    let full = "-o size=8m none \"$2\"; head -c 7m /dev/zero > \"$2/filler\"";
    apart(&site, &script(full), &[folder, &address]).has("disk-full", "wrong", "full");
}

#[test]
fn without_a_word_it_finds_what_runs() {
    let site = Site::new();
    let state = site.folder().join("somewhere");
    let script = "\"$1\" masternode start \"$2\" --http off --state-dir \"$3\" 2> log & \
                  until grep -q 'masternode started' log; do sleep 0.05; done; \"$1\" doctor --json; exit $?";
    let address: IpAddr = site.address();
    let said = apart(&site, script, &[&address.to_string(), state.to_str().expect("UTF-8")]);
    said.has("port-bound", "fine", &format!("{address}:6666"));
    said.has("folder-usable", "fine", "somewhere");
    assert!(
        !said.findings.iter().any(|f| f["looked_at"].to_string().contains("7777")),
        "HTTP is off: {said:#?}"
    );
}
