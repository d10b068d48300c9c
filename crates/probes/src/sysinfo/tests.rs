//! These probes on Linux, held against the probes of Linux on the same host in the same moment.
//!
//! What is read here is what the `sysinfo` crate tells; the calls of macOS and FreeBSD have tests of
//! what is made of their bytes.

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
    let root = |r: &Report| r.filesystems.iter().flatten().find(|f| f.mountpoint == "/").cloned();
    if let Some(root) = root(linux) {
        let mine = self::root_of(ours).unwrap();
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
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            // Linux tells processor time in hundredths of a second, so a share wants some of them.
            std::thread::sleep(Duration::from_millis(500));
            let (linux, ours) = pair.sample();
            let (l, o) = (own(linux).clone(), own(ours).clone());
            let shares = l.percent_cpu_used.zip(o.percent_cpu_used);
            // With a name by then, which is asked for aside.
            if shares.is_some_and(|(l, o)| l > 20.0 && (l - o).abs() < 15.0) && o.user == l.user {
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
                assert_eq!((&o.name, o.status.as_str()), (&l.name, l.status.as_str()));
                assert!(near(o.resident_bytes, l.resident_bytes, 16 << 20));
                assert!((o.start_time_seconds.unwrap() - l.start_time_seconds.unwrap()).abs() <= 2.0);
                break;
            }
            if Instant::now() >= deadline {
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
                panic!("the work of this process does not show: {l:?} {o:?}");
            }
        }
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
    let mut names: Vec<_> = pair.ours.1.process.0.iter().map(|p| p.pid).collect();
    names.dedup();
    assert_eq!(names.len(), 5);
}
