//! What a sample costs in system calls, which does not depend on how busy the host is.

use std::process::Command;
use std::time::Duration;

use chasar_e2e::program::Signal;
use chasar_e2e::{Clientnode, Masternode, Program, Site, Subscriber, until};

const SOON: Duration = Duration::from_secs(60);

/// Processes on the host while it is measured, at least.
const PROCESSES: u64 = 400;
/// Samples counted.
const SAMPLES: u64 = 10;
/// System calls of all threads of a clientnode for each sample, once it has settled: for each process, and for
/// all else. At 400 processes of which most sleep it makes 910: 570 `clock_gettime`, 60 processes opened, read and
/// closed (those that ran, and one in sixteen of the others), 320 for all else. Unoptimised, the standard library
/// adds an `fcntl` to each close. There is room for a host whose other tests keep more processes awake.
const FOR_EACH_PROCESS: f64 = 4.0;
const FOR_ALL_ELSE: f64 = 400.0;

struct Sleepers(Vec<std::process::Child>);

impl Drop for Sleepers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn a_sample_needs_a_bounded_number_of_system_calls() {
    let site = Site::new();
    let masternode = Masternode::start(&site);
    let subscriber = Subscriber::python(&site, masternode.stream(), &["Chasar-Client"]);
    let clientnode = Clientnode::start(&site, &[]);
    let newest = || -> Result<serde_json::Value, String> {
        let messages = subscriber.messages();
        Ok(messages.last().ok_or("no report")?.json())
    };
    let total = || -> Result<u64, String> {
        newest()?["processes"]["total"].as_u64().ok_or_else(|| "no processes.total".to_owned())
    };
    until(SOON, "a report", || total().map(drop));
    // Other tests come and go meanwhile, so all of these are ours.
    let sleepers =
        (0..PROCESSES).map(|_| Command::new("sleep").arg("600").spawn().expect("sleep of coreutils"));
    let _sleepers = Sleepers(sleepers.collect());
    until(SOON, "so many processes", || {
        let total = total()?;
        if total >= PROCESSES { Ok(()) } else { Err(format!("{total} processes")) }
    });

    let sequence =
        || -> Result<u64, String> { newest()?["sequence"].as_u64().ok_or_else(|| "none".to_owned()) };
    let begin = sequence().unwrap();
    // New processes are looked at once more closely.
    until(
        SOON,
        "three samples",
        || if sequence()? >= begin + 3 { Ok(()) } else { Err("not yet".to_owned()) },
    );

    let summary = site.folder().join("strace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-c", "-U", "calls,name", "-o"]).arg(&summary);
    strace.args(["-p", &clientnode.program.pid().to_string()]);
    let mut strace = Program::start("strace", strace, &site.folder().join("strace.log"), None);
    until(SOON, "strace to be attached", || {
        strace.running()?;
        if strace.output().contains("attached") { Ok(()) } else { Err(strace.output()) }
    });
    let first = sequence().unwrap();
    until(SOON, "the samples", || {
        let sequence = sequence()?;
        if sequence >= first + SAMPLES { Ok(()) } else { Err(format!("{sequence} of {}", first + SAMPLES)) }
    });
    strace.signal(Signal::Interrupt);
    let samples = sequence().unwrap() - first;
    strace.ended(SOON);
    let summary = std::fs::read_to_string(&summary).unwrap();
    let calls: Vec<(u64, &str)> = summary
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?.parse().ok()?, words.next()?))
        })
        .filter(|(_, name)| *name != "total")
        .collect();
    let all: u64 = calls.iter().map(|(count, _)| count).sum();
    let each = all as f64 / samples as f64;
    let processes = total().unwrap();
    eprintln!("{each:.0} system calls a sample at {processes} processes:\n{summary}");
    assert!(all > 0, "strace saw nothing: {summary}");
    let most = FOR_EACH_PROCESS * processes as f64 + FOR_ALL_ELSE;
    assert!(each <= most, "{each} system calls a sample, at most {most} should do:\n{summary}");
}
