//! The process probe on a recorded host.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use chasar_wire::Report;
use chasar_wire::family::{Host as HostFamily, Memory};

use super::table::YOUNG_SAMPLES;
use super::*;
use crate::linux::sys;
use crate::{Background, Config};

/// One process of the recorded host.
#[derive(Clone, PartialEq)]
struct Fake {
    name: Vec<u8>,
    state: char,
    ticks: u64,
    start: u64,
    pages: u64,
    nanos: u64,
    uid: u32,
}

impl Fake {
    fn new(name: impl Into<Vec<u8>>) -> Fake {
        Fake { name: name.into(), state: 'S', ticks: 0, start: 500, pages: 10, nanos: 1_000, uid: 0 }
    }
}

/// A recorded host whose processes a test can change between samples.
struct Stage {
    folder: tempfile::TempDir,
    processes: BTreeMap<u32, Fake>,
    written: BTreeMap<u32, Fake>,
    last_pid: u32,
    clocks: bool,
    probe: Box<dyn Probe>,
    host: Arc<Host>,
    report: Report,
    time: Duration,
}

impl Stage {
    fn new(clocks: bool, list: ProcessList, processes: &[(u32, Fake)]) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        for sub in ["proc", "etc", "facts"] {
            fs::create_dir(folder.path().join(sub)).unwrap();
        }
        fs::write(folder.path().join("etc/passwd"), "root:x:0:0::/:/\nmax:x:1000:0::/:/\n").unwrap();
        if clocks {
            fs::write(folder.path().join("facts/cpu_clocks"), "").unwrap();
        }
        let host = Arc::new(Host::recorded(folder.path()));
        let config = Config { host: host.clone(), monotonic: Arc::new(|| Duration::ZERO), processes: list };
        let background = Background::new(host.clone(), config.monotonic.clone());
        let report = Report {
            host: Some(HostFamily { boot_time_seconds: Some(1e9), ..HostFamily::default() }),
            memory: Memory { total_bytes: Some(4096 * 1000), ..Memory::default() },
            ..Report::default()
        };
        Stage {
            probe: make(&Setup { config: &config, background: &background }),
            last_pid: processes.iter().map(|p| p.0).max().unwrap_or(1),
            processes: processes.iter().cloned().collect(),
            written: BTreeMap::new(),
            folder,
            clocks,
            host,
            report,
            time: Duration::ZERO,
        }
    }

    /// Writes the files and takes a sample a second later.
    fn sample(&mut self) -> &Report {
        let proc = self.folder.path().join("proc");
        self.write(&proc);
        self.time += Duration::from_secs(1);
        let now = Now { unix_micros: 0, monotonic: self.time };
        assert_eq!(self.probe.read(&self.host, &now, &mut self.report).unwrap(), Outcome::Fresh);
        &self.report
    }

    fn write(&mut self, proc: &std::path::Path) {
        fs::write(proc.join("loadavg"), format!("0 0 0 1/2 {}\n", self.last_pid)).unwrap();
        for pid in self.written.keys().filter(|pid| !self.processes.contains_key(pid)) {
            fs::remove_dir_all(proc.join(pid.to_string())).unwrap();
        }
        let (mut clocks, mut owners) = (String::new(), String::new());
        for (pid, p) in &self.processes {
            clocks.push_str(&format!("{pid} {}\n", p.nanos));
            if p.uid != 0 {
                owners.push_str(&format!("{pid} {}\n", p.uid));
            }
            if self.written.get(pid) == Some(p) {
                continue;
            }
            fs::create_dir_all(proc.join(pid.to_string())).unwrap();
            let rest = format!(
                ") {} 1 1 1 0 -1 0 0 0 0 0 {} 0 0 0 20 0 1 0 {} 4096 {} 0\n",
                p.state, p.ticks, p.start, p.pages
            );
            let line = [format!("{pid} (").as_bytes(), &p.name, rest.as_bytes()].concat();
            fs::write(proc.join(format!("{pid}/stat")), line).unwrap();
            fs::write(proc.join(format!("{pid}/statm")), format!("{} {} 0 0 0 0 0\n", p.pages, p.pages))
                .unwrap();
        }
        let facts = self.folder.path().join("facts");
        if self.clocks {
            fs::write(facts.join("cpu_clocks"), clocks).unwrap();
        }
        fs::write(facts.join("owners"), owners).unwrap();
        self.written = self.processes.clone();
    }

    fn of(&mut self, pid: u32) -> &mut Fake {
        self.processes.get_mut(&pid).unwrap()
    }
}

const LISTS: ProcessList = ProcessList::All;

#[test]
fn hostile_names_come_through() {
    let names: [&[u8]; 6] = [b"a) b", b"x\ny", b"(", b") S 1 1", b"\xff\xfe", "käse".as_bytes()];
    let processes: Vec<_> = (10..).zip(names.map(Fake::new)).collect();
    let mut stage = Stage::new(true, LISTS, &processes);
    let listed: Vec<_> = stage.sample().process.0.iter().map(|p| p.name.to_string()).collect();
    assert_eq!(listed, ["a) b", "x\ny", "(", ") S 1 1", "\u{FFFD}\u{FFFD}", "käse"]);
}

#[test]
fn all_values_are_those_of_the_host() {
    for clocks in [true, false] {
        let fake = Fake { state: 'D', start: 250, uid: 1000, ..Fake::new("db") };
        let mut stage = Stage::new(clocks, LISTS, &[(7, fake)]);
        stage.sample();
        stage.of(7).nanos += 250_000_000;
        stage.of(7).ticks += 25;
        let p = stage.sample().process.0[0].clone();
        assert_eq!((p.pid, p.status.as_str(), p.user.as_deref()), (7, "disk-sleep", Some("max")));
        assert_eq!(p.percent_cpu_used, Some(25.0));
        assert_eq!((p.resident_bytes, p.percent_memory_used), (Some(40_960), Some(1.0)));
        assert_eq!((p.threads, p.start_time_seconds), (Some(1), Some(1e9 + 2.5)));
        let counts = stage.report.processes.clone().unwrap();
        assert_eq!((counts.total, counts.disk_sleep, counts.threads), (1, 1, Some(1)));
    }
}

#[test]
fn a_first_reading_has_no_share_but_a_newborn_has() {
    for clocks in [true, false] {
        let mut stage = Stage::new(clocks, LISTS, &[(7, Fake::new("old"))]);
        assert_eq!(stage.sample().process.0[0].percent_cpu_used, None);
        stage.processes.insert(9, Fake { ticks: 50, nanos: 500_000_000, ..Fake::new("new") });
        stage.last_pid = 9;
        let shares: Vec<_> =
            stage.sample().process.0.iter().map(|p| (p.name.to_string(), p.percent_cpu_used)).collect();
        assert_eq!(shares, [("new".into(), Some(50.0)), ("old".into(), Some(0.0))]);
    }
}

#[test]
fn a_pid_given_out_again_is_another_process() {
    for clocks in [true, false] {
        let long_lived = Fake { ticks: 90_000, nanos: 900_000_000_000, uid: 1000, ..Fake::new("long") };
        let mut stage = Stage::new(clocks, LISTS, &[(7, long_lived)]);
        stage.sample();
        *stage.of(7) = Fake { start: 9_000, ticks: 10, nanos: 100_000_000, ..Fake::new("short") };
        let p = stage.sample().process.0[0].clone();
        assert_eq!((p.name.as_str(), p.user.as_deref()), ("short", Some("root")));
        assert_eq!(p.percent_cpu_used, Some(10.0), "only its own time, and never a spike");
    }
}

#[test]
fn a_clock_that_steps_back_is_no_spike() {
    let mut stage = Stage::new(true, LISTS, &[(7, Fake { nanos: 5_000_000, ..Fake::new("p") })]);
    stage.sample();
    stage.of(7).nanos = 4_000_000;
    assert_eq!(stage.sample().process.0[0].percent_cpu_used, Some(0.0));
}

#[test]
fn processes_that_end_are_gone_at_once() {
    for clocks in [true, false] {
        let mut stage = Stage::new(clocks, LISTS, &[(7, Fake::new("a")), (8, Fake::new("b"))]);
        stage.sample();
        stage.processes.remove(&7);
        let report = stage.sample();
        assert_eq!(report.process.0.len(), 1);
        assert_eq!(report.processes.as_ref().unwrap().total, 1);
    }
}

#[test]
fn a_process_that_no_pid_foretold_is_found_by_the_next_listing() {
    let mut stage = Stage::new(true, LISTS, &[(70, Fake::new("a"))]);
    stage.sample();
    stage.processes.insert(8, Fake::new("restored"));
    let found = (0..10).position(|_| stage.sample().process.0.len() == 2);
    assert_eq!(found, Some(9), "the tenth sample after the first lists the folder, and none before");
    // Pids that wrapped around are found at once.
    stage.processes.insert(3, Fake::new("wrapped"));
    stage.last_pid = 3;
    assert_eq!(stage.sample().process.0.len(), 3);
}

#[test]
fn what_has_not_run_is_not_read_but_in_its_turn() {
    let processes: Vec<_> = (100..260).map(|pid| (pid, Fake::new("idle"))).collect();
    let mut stage = Stage::new(true, LISTS, &processes);
    stage.sample();
    for pid in 100..260 {
        stage.of(pid).pages = 77;
    }
    let mut before = 0;
    for sample in 0..16 {
        let seen = stage.sample().process.0.iter().filter(|p| p.resident_bytes == Some(77 * 4096)).count();
        assert!(seen - before < 40, "{} files of idle processes in sample {sample}", seen - before);
        before = seen;
    }
    assert_eq!(before, 160, "each has had its turn");
}

#[test]
fn the_busiest_are_listed_then_the_largest() {
    let mut stage = Stage::new(
        true,
        ProcessList::Top(3),
        &[
            (1, Fake { pages: 5, ..Fake::new("small") }),
            (2, Fake { pages: 900, ..Fake::new("large") }),
            (3, Fake::new("half")),
            (4, Fake::new("busy")),
            // A moment of work that rounds to nothing must not outweigh memory.
            (5, Fake { pages: 6, ..Fake::new("blink") }),
        ],
    );
    stage.sample();
    stage.of(3).nanos += 500_000_000;
    stage.of(4).nanos += 900_000_000;
    stage.of(5).nanos += 40_000;
    let names: Vec<_> = stage.sample().process.0.iter().map(|p| p.name.to_string()).collect();
    assert_eq!(names, ["busy", "half", "large"]);
    assert_eq!(stage.report.processes.as_ref().unwrap().total, 5);
}

#[test]
fn no_more_than_the_limit_are_listed_and_none_if_so_wished() {
    assert_eq!((ProcessList::All.limit(), ProcessList::Top(9_999).limit()), (4_096, 4_096));
    let some: Vec<_> = (2..7).map(|pid| (pid, Fake::new("p"))).collect();
    for (list, listed) in [(ProcessList::All, 5), (ProcessList::Top(2), 2), (ProcessList::None, 0)] {
        let mut stage = Stage::new(false, list, &some);
        assert_eq!(stage.sample().process.0.len(), listed);
        assert_eq!(stage.report.processes.as_ref().unwrap().total, 5);
    }
}

#[test]
fn a_process_that_changes_its_user_is_seen_to() {
    let mut stage = Stage::new(true, LISTS, &[(7, Fake::new("login"))]);
    assert_eq!(stage.sample().process.0[0].user.as_deref(), Some("root"));
    // While it is young, at once.
    stage.of(7).uid = 1000;
    assert_eq!(stage.sample().process.0[0].user.as_deref(), Some("max"));
    for _ in 0..YOUNG_SAMPLES {
        stage.sample();
    }
    // At an exec, at once.
    stage.of(7).uid = 0;
    stage.of(7).name = b"sudo".to_vec();
    stage.of(7).nanos += 1;
    assert_eq!(stage.sample().process.0[0].user.as_deref(), Some("root"));
    // Otherwise in its turn.
    stage.of(7).uid = 1000;
    let seen = (0..16).position(|_| stage.sample().process.0[0].user.as_deref() == Some("max"));
    assert!(seen.is_some());
}

#[test]
fn live_processes_that_do_nothing_cost_one_call_each() {
    let host = Arc::new(Host::live());
    assert!(host.has_cpu_clocks());
    let mut table = Table::new(&host);
    let mut at = Duration::ZERO;
    let mut least = u64::MAX;
    let mut processes = 0;
    for _ in 0..8 {
        at += Duration::from_secs(1);
        let before = sys::calls();
        table.sample(&host, at).unwrap();
        processes = table.processes().len() as u64;
        least = least.min(sys::calls() - before);
    }
    // One each, three more for each that ran or has its turn, and a few for what is new.
    assert!(least < processes + processes / 2 + 100, "{least} calls for {processes} processes");
}

#[test]
fn pids_given_out_since_are_known_across_a_wrap() {
    use super::table::given_out_since;
    assert!(given_out_since(11, Some(10), Some(12)) && !given_out_since(10, Some(10), Some(12)));
    assert!(given_out_since(13, Some(10), Some(12)), "it came after the last pid was asked for");
    assert!(
        given_out_since(32_767, Some(32_000), Some(400)) && given_out_since(400, Some(32_000), Some(400))
    );
    assert!(!given_out_since(5_000, Some(32_000), Some(400)));
    assert!(!given_out_since(5, None, Some(400)));
}
