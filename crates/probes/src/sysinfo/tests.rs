//! These probes on Linux, held against the probes of Linux on the same host in the same moment.
//!
//! What is read here is what the `sysinfo` crate tells; the calls of macOS and FreeBSD have tests of
//! what is made of their bytes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chasar_wire::Report;
use chasar_wire::family::{Interface, Outcome, Process};

use crate::{Config, Host, Monotonic, Now, ProcessList, Sampler};

/// Both samplers, and their newest reports.
struct Pair {
    start: Instant,
    linux: (Sampler, Report),
    ours: (Sampler, Report),
}

impl Pair {
    fn new(processes: ProcessList) -> Pair {
        let start = Instant::now();
        let monotonic: Monotonic = Arc::new(move || start.elapsed());
        let config = Config { host: Arc::new(Host::live()), monotonic, processes };
        let now = now(start);
        Pair {
            start,
            linux: (Sampler::with(config.clone(), &now, crate::linux::REGISTRY), Report::default()),
            ours: (Sampler::with(config, &now, super::REGISTRY), Report::default()),
        }
    }

    fn sample(&mut self) -> (&Report, &Report) {
        let now = now(self.start);
        self.linux.0.sample(&now, &mut self.linux.1);
        self.ours.0.sample(&now, &mut self.ours.1);
        (&self.linux.1, &self.ours.1)
    }

    /// Samples until `holds`: two readings of a busy host are never of the same instant.
    fn until(&mut self, what: &str, mut holds: impl FnMut(&Report, &Report) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let (linux, ours) = self.sample();
            if holds(linux, ours) {
                return;
            }
            assert!(Instant::now() < deadline, "{what} did not come about:\n{linux:?}\n{ours:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn now(start: Instant) -> Now {
    Now { unix_micros: jiff::Timestamp::now().as_microsecond(), monotonic: start.elapsed() }
}

fn near(a: Option<u64>, b: Option<u64>, slack: u64) -> bool {
    a.zip(b).is_some_and(|(a, b)| a.abs_diff(b) <= slack)
}

#[test]
fn every_probe_has_values_and_every_key_of_2016_is_there() {
    let mut pair = Pair::new(ProcessList::default());
    let (linux, ours) = pair.sample();
    assert_eq!(ours.probes.0.len(), super::REGISTRY.len());
    for (name, status) in &ours.probes.0 {
        assert_eq!(status.outcome, Outcome::Fresh, "{name}");
        assert!(linux.probes.get(name).is_some(), "{name} is the name of no probe of Linux");
    }
    assert!(!ours.computer_utc_clock.is_empty() && !ours.computer_clock.is_empty());
    assert_eq!(
        (&ours.computer_utc_clock, &ours.computer_clock),
        (&linux.computer_utc_clock, &linux.computer_clock)
    );
    assert_eq!(ours.hostname, linux.hostname);
    assert_eq!(ours.cpu.core, linux.cpu.core);
    assert_eq!(ours.cpu.percent_used.len(), linux.cpu.percent_used.len());
    assert_eq!((&ours.mac_address, &ours.ipv4_interfaces), (&linux.mac_address, &linux.ipv4_interfaces));
    assert_eq!(ours.process.0.len(), linux.process.0.len());
    for process in &ours.process.0 {
        assert!(!process.name.is_empty() && !process.status.is_empty());
        assert!(process.percent_memory_used.is_some());
    }
    // The report of a system whose numbers go through these probes is one that a masternode takes.
    let json = serde_json::to_vec(ours).unwrap();
    let read: Report = serde_json::from_slice(&json).unwrap();
    assert_eq!(read.memory.total_bytes, ours.memory.total_bytes);
}

#[test]
fn memory_load_and_disk_are_those_of_linux() {
    let mut pair = Pair::new(ProcessList::None);
    pair.until("the same numbers", |linux, ours| {
        let (l, o) = (&linux.memory, &ours.memory);
        assert_eq!(o.mem_total_bytes, l.mem_total_bytes);
        assert_eq!(o.total_bytes_used.unwrap() + o.available_bytes.unwrap(), o.total_bytes.unwrap());
        let swap = |r: &Report| r.swap.as_ref().and_then(|s| s.total_bytes);
        assert_eq!(swap(ours), swap(linux));
        near(o.mem_available_bytes, l.mem_available_bytes, 64 << 20)
            && near(o.free_bytes, l.free_bytes, 64 << 20)
            && (ours.cpu.load1, ours.cpu.load5, ours.cpu.load15)
                == (linux.cpu.load1, linux.cpu.load5, linux.cpu.load15)
            && ours.disk.total_bytes == linux.disk.total_bytes
            && near(ours.disk.total_bytes_used, linux.disk.total_bytes_used, 64 << 20)
            && near(ours.disk.total_bytes_free, linux.disk.total_bytes_free, 64 << 20)
            && ours.disk.percent_used.is_some()
    });
    let (linux, ours) = pair.sample();
    if let Some(root) = root_of(linux) {
        let mine = root_of(ours).unwrap();
        assert_eq!(
            (mine.size_bytes, mine.files, mine.read_only),
            (root.size_bytes, root.files, root.read_only)
        );
    }
}

fn root_of(report: &Report) -> Option<chasar_wire::family::Filesystem> {
    report.filesystems.iter().flatten().find(|f| f.mountpoint == "/").cloned()
}

#[test]
fn identity_and_uptime_are_those_of_linux() {
    let mut pair = Pair::new(ProcessList::None);
    let (linux, ours) = pair.sample();
    let (l, o) = (linux.host.as_ref().unwrap(), ours.host.as_ref().unwrap());
    assert_eq!((&o.kernel, &o.kernel_version), (&l.kernel, &l.kernel_version));
    assert_eq!((&o.architecture, &o.os, o.cores), (&l.architecture, &l.os, l.cores));
    assert_eq!((&o.os_id, &o.os_version), (&l.os_id, &l.os_version));
    assert_eq!(o.time_zone_offset_seconds, l.time_zone_offset_seconds);
    assert_eq!(o.cpu_model.is_some(), l.cpu_model.is_some());
    // The time of boot is in whole seconds on either side.
    let close = |a: Option<f64>, b: Option<f64>| (a.unwrap() - b.unwrap()).abs() <= 2.0;
    assert!(close(o.uptime_seconds, l.uptime_seconds), "{o:?} {l:?}");
    assert!(close(o.boot_time_seconds, l.boot_time_seconds), "{o:?} {l:?}");
}

#[test]
fn interfaces_and_their_counters_are_those_of_linux() {
    let mut pair = Pair::new(ProcessList::None);
    let told = |i: &Interface| {
        (
            i.receive_bytes_total,
            i.receive_packets_total,
            i.receive_errs_total,
            i.transmit_bytes_total,
            i.transmit_packets_total,
            i.transmit_errs_total,
        )
    };
    pair.until("the same counters", |linux, ours| {
        let (l, o) = (linux.network.as_ref().unwrap(), ours.network.as_ref().unwrap());
        assert_eq!(o.default_interface, l.default_interface);
        assert!(!o.interfaces.is_empty());
        o.interfaces.len() == l.interfaces.len()
            && l.interfaces.iter().all(|l| {
                let Some(o) = o.interfaces.iter().find(|o| o.device == l.device) else { return false };
                assert_eq!((&o.mac_address, o.mtu_bytes), (&l.mac_address, l.mtu_bytes), "{}", l.device);
                assert_eq!((&o.ipv4, &o.ipv6), (&l.ipv4, &l.ipv6), "{}", l.device);
                told(o) == told(l)
            })
    });
}

fn own(report: &Report) -> &Process {
    let pid = std::process::id();
    report.process.0.iter().find(|p| p.pid == pid).expect("this process is listed")
}

#[test]
fn this_process_shows_its_work_and_its_memory() {
    let mut pair = Pair::new(ProcessList::All);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        // Seconds of processor time as either tells them; a busy computer only takes longer.
        let (mut by_linux, mut by_us, mut before) = (0.0, 0.0, pair.start.elapsed());
        let deadline = Instant::now() + Duration::from_secs(60);
        let (l, o) = loop {
            std::thread::sleep(Duration::from_millis(200));
            let (linux, ours) = pair.sample();
            let (l, o) = (own(linux).clone(), own(ours).clone());
            let elapsed = (pair.start.elapsed() - before).as_secs_f64();
            before = pair.start.elapsed();
            by_linux += l.percent_cpu_used.unwrap_or(0.0) / 100.0 * elapsed;
            by_us += o.percent_cpu_used.unwrap_or(0.0) / 100.0 * elapsed;
            // With a name by then, which is asked for aside.
            if by_linux > 0.5 && o.user == l.user || Instant::now() >= deadline {
                break (l, o);
            }
        };
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(by_linux > 0.5, "this process got no processor");
        assert!((by_linux - by_us).abs() < 0.05 + 0.1 * by_linux, "{by_linux} s by Linux, {by_us} s by us");
        assert_eq!((&o.name, &o.user), (&l.name, &l.user));
        assert!(["running", "sleeping", "disk-sleep"].contains(&o.status.as_str()), "{}", o.status);
        assert!(near(o.resident_bytes, l.resident_bytes, 16 << 20));
        assert!((o.start_time_seconds.unwrap() - l.start_time_seconds.unwrap()).abs() <= 2.0);
    });
}

#[test]
fn processes_are_counted_as_linux_counts_them() {
    let mut pair = Pair::new(ProcessList::Top(5));
    pair.until("the same count", |linux, ours| {
        let (l, o) = (linux.processes.as_ref().unwrap(), ours.processes.as_ref().unwrap());
        assert_eq!(ours.process.0.len(), 5);
        assert_eq!(o.total, o.running + o.sleeping + o.disk_sleep + o.idle + o.stopped + o.zombie + o.other);
        assert_eq!(o.threads, None, "the crate does not tell, and absent is not zero");
        o.total.abs_diff(l.total) <= l.total / 20 && o.zombie.abs_diff(l.zombie) <= 3
    });
    let pids: BTreeSet<_> = pair.ours.1.process.0.iter().map(|p| p.pid).collect();
    assert_eq!(pids.len(), 5, "no process twice");
}

/// The rows of the table of probes in docs/platforms.md: the probe, and what each system has of it.
fn table() -> Vec<(String, Vec<String>)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/platforms.md");
    let text = std::fs::read_to_string(path).unwrap();
    let cells =
        |line: &str| line.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect::<Vec<_>>();
    let mut lines = text.lines().skip_while(|l| !l.starts_with("| probe |"));
    assert_eq!(cells(lines.next().unwrap()), ["probe", "Linux", "Windows", "macOS", "FreeBSD"]);
    let rows = lines.skip(1).take_while(|l| l.starts_with('|'));
    rows.map(|line| {
        let mut cells = cells(line);
        (cells.remove(0).trim_matches('`').to_owned(), cells)
    })
    .collect()
}

#[test]
fn the_table_of_platforms_is_true() {
    let names = |registry: &[crate::probe::Make]| {
        let folder = tempfile::tempdir().unwrap();
        let host = Arc::new(Host::recorded(folder.path()));
        let monotonic: Monotonic = Arc::new(|| Duration::ZERO);
        let config =
            Config { host: host.clone(), monotonic: monotonic.clone(), processes: ProcessList::None };
        let background = crate::Background::new(host, monotonic);
        let setup = crate::Setup { config: &config, background: &background };
        registry.iter().map(|make| make(&setup).name()).collect::<Vec<_>>()
    };
    let table = table();
    let says = |column: usize| {
        let rows = table.iter().filter(move |(_, cells)| cells[column] != "–");
        rows.map(|(probe, _)| probe.as_str()).collect::<Vec<_>>()
    };
    // In the order in which they run, so that a new one has its place.
    assert_eq!(says(0), names(crate::linux::REGISTRY));
    for of_sysinfo in [2, 3] {
        assert_eq!(says(of_sysinfo), names(super::REGISTRY));
    }
    for cell in table.iter().flat_map(|(_, cells)| cells) {
        assert!(["yes", "part", "–"].contains(&cell.as_str()), "{cell}");
    }
}
