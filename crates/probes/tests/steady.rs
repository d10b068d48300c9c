//! What a sample costs in allocations and system calls, which no other load on the machine can blur.
#![cfg(target_os = "linux")]

mod namespace;
mod sleepers;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use chasar_probes::linux::sys;
use chasar_probes::{Host, ProcessList, Sampler};
use chasar_wire::Report;
use namespace::{inside, mount_that_hangs, run};
use sleepers::{Clock, Sleepers};

/// Counts what this thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of this same function.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of this same function.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of this same function.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// One sample's cost.
#[derive(Clone, Copy, Debug)]
struct Cost {
    allocations: u64,
    calls: u64,
    processes: u64,
}

/// Longer than the longest interval of anything that is looked at again.
const WARM_UP: usize = 130;

fn costs(host: Host, samples: usize) -> (Vec<Cost>, Report) {
    let clock = Clock::new();
    let mut now = clock.now();
    let mut sampler = Sampler::new(clock.config(host, ProcessList::default()), &now);
    let mut report = Report::default();
    let mut costs = Vec::with_capacity(samples);
    for sample in 0..WARM_UP + samples {
        now.monotonic += Duration::from_secs(1);
        now.unix_micros += 1_000_000;
        let (allocations, calls) = (ALLOCATIONS.get(), sys::calls());
        sampler.sample(&now, &mut report);
        let cost = Cost {
            allocations: ALLOCATIONS.get() - allocations,
            calls: sys::calls() - calls,
            processes: report.processes.as_ref().map_or(0, |p| p.total),
        };
        if sample >= WARM_UP {
            costs.push(cost);
        }
    }
    (costs, report)
}

#[test]
fn a_sample_of_400_processes_allocates_nothing_and_asks_little() {
    let sleepers = Sleepers::start((0..400).map(|i| format!("sleeper {i}").into_bytes()));
    let (mut costs, report) = costs(Host::live(), 65);
    drop(sleepers);
    assert!(report.processes.unwrap().total >= 400);
    // Other programs come and go meanwhile: a new process may need room, so not every sample counts.
    costs.sort_by_key(|c| c.allocations);
    let median = costs[costs.len() / 2];
    assert_eq!(median.allocations, 0, "{costs:?}");
    // One call for each clock, three for each of the one in sixteen idle ones whose turn it is and
    // for each that ran, and a hundred for everything else together.
    let cheapest = costs.iter().min_by_key(|c| c.calls).unwrap();
    let most = cheapest.processes + 3 * cheapest.processes / 16 + 100;
    assert!(cheapest.calls <= most, "{} calls, at most {most} were to be expected", cheapest.calls);
}

#[test]
fn many_devices_allocate_nothing() {
    // With processes of its own, nothing changes but what this test changes.
    let namespaces = ["--net", "--pid", "--fork", "--mount-proc"];
    let Some(folder) = inside("many_devices_allocate_nothing", &namespaces) else { return };
    run("mount", &["-t", "sysfs", "sysfs", "/sys"]);
    run("ip", &["link", "set", "lo", "up"]);
    for i in 0..30 {
        let (name, peer) = (format!("left{i}"), format!("right{i}"));
        run("ip", &["link", "add", &name, "type", "veth", "peer", "name", &peer]);
        run("ip", &["addr", "add", &format!("10.0.{i}.1/24"), "broadcast", "+", "dev", &name]);
        let ipv6 = format!("2001:db8:1111:2222:3333:4444:5555:{i}/64");
        run("ip", &["-6", "addr", "add", &ipv6, "dev", &name, "nodad"]);
        run("ip", &["link", "set", &name, "up"]);
    }
    run("ip", &["route", "add", "default", "dev", "left7"]);
    let mut servers = Vec::new();
    for i in 0..20 {
        let place = folder.join(format!("a mount point with quite a long name, number {i}"));
        std::fs::create_dir(&place).unwrap();
        if i < 2 {
            servers.push(mount_that_hangs(&place));
        } else {
            run("mount", &["-t", "tmpfs", "a device with quite a long name", place.to_str().unwrap()]);
        }
    }
    let (costs, report) = costs(Host::live(), 65);
    let network = report.network.as_ref().unwrap();
    assert_eq!(network.interfaces.len(), 61);
    assert_eq!(report.ipv4_interfaces[0].addr, "10.0.7.1");
    let filesystems = report.filesystems.as_ref().unwrap();
    assert_eq!(filesystems.iter().filter(|f| f.device.starts_with("a device")).count(), 18);
    assert_eq!(filesystems.iter().filter(|f| f.device_error.is_some()).count(), 2);
    let most = costs.iter().max_by_key(|c| c.allocations).unwrap();
    assert_eq!(most.allocations, 0, "{costs:?}");
}
