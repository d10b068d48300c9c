//! The probes on this computer, against what others say of it in the same moment.
#![cfg(target_os = "linux")]

mod sleepers;

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use chasar_probes::{Host, ProcessList, Sampler};
use chasar_wire::Report;
use chasar_wire::family::{Outcome, Process};
use sleepers::{Clock, Sleepers, wait_for};

fn sampler(clock: &Clock, list: ProcessList) -> Sampler {
    Sampler::new(clock.config(Host::live(), list), &clock.now())
}

fn process(report: &Report, pid: u32) -> Option<&Process> {
    report.process.0.iter().find(|p| p.pid == pid)
}

fn output(command: &str, argument: &str) -> String {
    let output = Command::new(command).arg(argument).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn resident_bytes(pid: u32) -> u64 {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * chasar_probes::linux::sys::page_bytes()
}

#[test]
fn processes_with_any_name_are_listed_as_they_are() {
    let clock = Clock::new();
    let mut sampler = sampler(&clock, ProcessList::All);
    let names: [(&[u8], &str); 7] = [
        (b"a) b", "a) b"),
        (b"x\ny", "x\ny"),
        (b"( (", "( ("),
        (b") R 1 2 3", ") R 1 2 3"),
        (b"caf\xe9", "caf\u{FFFD}"),
        ("grüße".as_bytes(), "grüße"),
        (b"longer_than_fifteen_bytes", "longer_than_fif"),
    ];
    let sleepers = Sleepers::start(names.iter().map(|(name, _)| name.to_vec()));
    let pids = sleepers.pids();
    let mut report = Report::default();
    wait_for("all children to sleep, and their memory to be known", || {
        sampler.sample(&clock.now(), &mut report);
        let settled = |pid: &u32| {
            process(&report, *pid)
                .is_some_and(|p| p.status == "sleeping" && p.resident_bytes == Some(resident_bytes(*pid)))
        };
        pids.iter().all(settled).then_some(())
    });
    let user = output("id", "-un");
    let now = clock.now().unix_micros as f64 / 1e6;
    for (pid, (_, name)) in pids.iter().zip(names) {
        let p = process(&report, *pid).unwrap();
        assert_eq!(p.name, name);
        assert_eq!(p.user.as_deref(), Some(user.as_str()));
        assert_eq!(p.threads, Some(1));
        // The kernel gives the time of boot in whole seconds, rounded either way.
        let age = now - p.start_time_seconds.unwrap();
        assert!((-1.5..60.0).contains(&age), "started {age} s ago");
    }
    drop(sleepers);
    sampler.sample(&clock.now(), &mut report);
    assert!(pids.iter().all(|pid| process(&report, *pid).is_none()), "ended processes are gone at once");
}

#[test]
fn processor_time_is_what_the_kernel_bills_at_the_end() {
    let clock = Clock::new();
    let mut sampler = sampler(&clock, ProcessList::All);
    let mut report = Report::default();
    sampler.sample(&clock.now(), &mut report);
    let mut before = clock.now().monotonic;
    #[expect(clippy::zombie_processes, reason = "wait4(2) waits for it below, for the bill")]
    let mut burner =
        Command::new("sh").args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn().unwrap();
    let pid = burner.id();
    let (mut reported, mut killed) = (0.0, false);
    let mut samples = 0;
    wait_for("the burner's end", || {
        let until = before + Duration::from_millis(50);
        std::thread::sleep(until.saturating_sub(clock.now().monotonic));
        let now = clock.now();
        sampler.sample(&now, &mut report);
        let share = process(&report, pid).and_then(|p| p.percent_cpu_used).expect("a newborn has a share");
        reported += share / 100.0 * (now.monotonic - before).as_secs_f64();
        before = now.monotonic;
        samples += 1;
        if reported > 0.4 && !killed {
            burner.kill().unwrap();
            killed = true;
        }
        (process(&report, pid).unwrap().status == "zombie").then_some(())
    });
    assert!(samples > 1);
    let billed = billed_seconds(pid);
    assert!((reported - billed).abs() < 0.01 * billed + 0.05, "reported {reported} s, billed {billed} s");
}

/// Waits for a child; what it used of the processor, as `wait4(2)` says.
fn billed_seconds(pid: u32) -> f64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` has room for one `rusage`, and no status is asked for.
    let waited = unsafe { libc::wait4(pid.cast_signed(), std::ptr::null_mut(), 0, usage.as_mut_ptr()) };
    assert_eq!(waited, pid.cast_signed());
    // SAFETY: the call has filled it, and zero bytes are valid in any case.
    let usage = unsafe { usage.assume_init() };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

#[test]
fn cores_that_work_show_it() {
    let clock = Clock::new();
    let mut sampler = sampler(&clock, ProcessList::None);
    let mut report = Report::default();
    let cores = std::thread::available_parallelism().unwrap().get();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        wait_for("all cores to be busy", || {
            std::thread::sleep(Duration::from_millis(300));
            sampler.sample(&clock.now(), &mut report);
            let busy = report.cpu.percent_used.iter().all(|share| share.is_some_and(|share| share > 70.0));
            busy.then(|| stop.store(true, std::sync::atomic::Ordering::Relaxed))
        });
    });
    assert_eq!(report.cpu.core.len(), report.cpu.percent_used.len());
    let online = fs::read_to_string("/proc/stat").unwrap();
    assert_eq!(report.cpu.core.len(), online.lines().skip(1).filter(|l| l.starts_with("cpu")).count());
}

#[test]
fn memory_and_identity_are_those_of_other_tools() {
    let clock = Clock::new();
    let mut sampler = sampler(&clock, ProcessList::default());
    let mut report = Report::default();
    let meminfo = |key: &str| {
        let text = fs::read_to_string("/proc/meminfo").unwrap();
        let line = text.lines().find_map(|l| l.strip_prefix(key)).unwrap();
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    };
    let before = meminfo("MemAvailable");
    sampler.sample(&clock.now(), &mut report);
    let after = meminfo("MemAvailable");
    let memory = &report.memory;
    assert_eq!(memory.mem_total_bytes, Some(meminfo("MemTotal")));
    let slack = 64 << 20;
    let available = memory.mem_available_bytes.unwrap();
    assert!((before.min(after) - slack..=before.max(after) + slack).contains(&available));
    assert_eq!(
        memory.total_bytes_used.unwrap() + memory.available_bytes.unwrap(),
        memory.total_bytes.unwrap()
    );

    let host = report.host.as_ref().unwrap();
    assert_eq!(report.hostname, output("uname", "-n"));
    assert_eq!(host.kernel.as_deref(), Some(output("uname", "-r").as_str()));
    assert_eq!(host.kernel_version.as_deref(), Some(output("uname", "-v").as_str()));
    assert_eq!(host.architecture.as_deref(), Some(output("uname", "-m").as_str()));
    let offset = output("date", "+%::z");
    let part = |at: usize| offset[1..].split(':').nth(at).unwrap().parse::<i32>().unwrap();
    let seconds = part(0) * 3600 + part(1) * 60 + part(2);
    let seconds = if offset.starts_with('-') { -seconds } else { seconds };
    assert_eq!(host.time_zone_offset_seconds, Some(seconds));

    let counts = report.processes.as_ref().unwrap();
    let states = counts.running + counts.sleeping + counts.disk_sleep + counts.idle;
    assert_eq!(counts.total, states + counts.stopped + counts.zombie + counts.other);
    assert!(counts.threads.unwrap() >= counts.total);
    assert_eq!(report.process.0.len(), ProcessList::DEFAULT.min(counts.total as usize));
    for (name, status) in &report.probes.0 {
        assert!(!matches!(status.outcome, Outcome::Failed(_)), "{name}: {}", status.outcome);
    }
}
