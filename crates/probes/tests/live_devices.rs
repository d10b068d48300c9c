//! File systems, disks, network interfaces and sockets of this computer, beside what `df`, `ip`,
//! `/sys` and the kernel's own bookkeeping say about the same at the same time.
//!
//! The tests that mount things or make interfaces run in namespaces of their own (as root).
#![cfg(target_os = "linux")]

mod namespace;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chasar_probes::{Config, Host, Now, ProcessList, Sampler};
use chasar_wire::Report;
use chasar_wire::family::{Filesystem, Interface};
use namespace::{inside, mount_that_hangs, run};
use serde_json::Value;

/// A sampler of this computer whose clock goes as the test says.
struct Watch {
    sampler: Sampler,
    report: Report,
    seconds: u64,
}

impl Watch {
    fn new() -> Watch {
        Watch::of(Host::live())
    }

    fn of(host: Host) -> Watch {
        let started = Instant::now();
        let config = Config {
            host: Arc::new(host),
            monotonic: Arc::new(move || started.elapsed()),
            processes: ProcessList::None,
        };
        Watch { sampler: Sampler::new(config, &at(0)), report: Report::default(), seconds: 0 }
    }

    /// A sample, one second later.
    fn sample(&mut self) -> &Report {
        self.after(1)
    }

    fn after(&mut self, seconds: u64) -> &Report {
        self.seconds += seconds;
        self.sampler.sample(&at(self.seconds), &mut self.report);
        &self.report
    }

    /// Samples until every file system has answered: on a busy computer that may not be the first.
    fn settle(&mut self) -> &Report {
        self.sample();
        let answered = |f: &Filesystem| f.size_bytes.is_some();
        self.until("an answer of every file system", 0, |r| r.filesystems.iter().flatten().all(answered));
        &self.report
    }

    /// Samples until `condition`, with a deadline.
    fn until(&mut self, what: &str, step_seconds: u64, condition: impl Fn(&Report) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !condition(self.after(step_seconds)) {
            assert!(Instant::now() < deadline, "{what} did not come about; last: {:#?}", self.report);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn at(seconds: u64) -> Now {
    Now { unix_micros: 1_700_000_000_000_000, monotonic: Duration::from_secs(seconds) }
}

fn filesystem<'r>(report: &'r Report, mountpoint: &str) -> Option<&'r Filesystem> {
    report.filesystems.as_ref()?.iter().find(|f| f.mountpoint == mountpoint)
}

/// What `df` says: size, used, available, inodes and free inodes.
fn df(path: &str) -> [u64; 5] {
    let text = run("df", &["-B1", "--output=size,used,avail,itotal,iavail", path]);
    let numbers = text.lines().nth(1).expect("a line of numbers").split_whitespace();
    let numbers: Vec<u64> = numbers.map(|n| n.parse().unwrap_or(0)).collect();
    numbers.try_into().expect("five numbers")
}

/// Ours for the same columns.
fn columns(fs: &Filesystem) -> [u64; 5] {
    let (size, free) = (fs.size_bytes.unwrap(), fs.free_bytes.unwrap());
    [size, size - free, fs.avail_bytes.unwrap(), fs.files.unwrap_or(0), fs.files_free.unwrap_or(0)]
}

#[test]
fn the_file_systems_of_this_computer_are_those_of_df() {
    let mut watch = Watch::new();
    let report = watch.settle().clone();
    let all = report.filesystems.as_ref().expect("this computer has file systems");
    assert!(!all.is_empty());
    for fs in all {
        assert_eq!(fs.device_error, None, "{}", fs.mountpoint);
        let (ours, df) = (columns(fs), df(&fs.mountpoint));
        assert_eq!((ours[0], ours[3]), (df[0], df[3]), "{}: size and inodes", fs.mountpoint);
        // Other programs write meanwhile.
        for (name, i, slack) in [("used", 1, 1 << 30), ("available", 2, 1 << 30), ("free inodes", 4, 100_000)]
        {
            assert!(ours[i].abs_diff(df[i]) <= slack, "{} {name}: {} {}", fs.mountpoint, ours[i], df[i]);
        }
    }
    let (root, disk) = (filesystem(&report, "/").expect("a root"), &report.disk);
    let [size, used, available, ..] = columns(root);
    assert_eq!(
        (disk.total_bytes, disk.total_bytes_used, disk.total_bytes_free),
        (Some(size), Some(used), Some(available))
    );
    let share = used as f64 / (used + available) as f64 * 100.0;
    assert!((disk.percent_used.unwrap() - share).abs() <= 0.051, "{:?} {share}", disk.percent_used);
}

#[test]
fn a_host_seen_from_inside_a_container_has_its_own_file_systems() {
    let test = "a_host_seen_from_inside_a_container_has_its_own_file_systems";
    let Some(folder) = inside(test, &[]) else { return };
    // The host's /proc in another place; its first process is outside this namespace.
    let (host, ours) = (folder.join("host"), folder.join("ours"));
    for path in [&host.join("proc"), &ours] {
        fs::create_dir_all(path).unwrap();
    }
    run("mount", &["--bind", "/proc", host.join("proc").to_str().unwrap()]);
    let ours = ours.to_str().unwrap();
    run("mount", &["-t", "tmpfs", "inside", ours]);
    let mut watch = Watch::of(Host::at(&host));
    watch.until("an answer of the root", 0, |r| filesystem(r, "/").is_some_and(|f| f.size_bytes.is_some()));
    let report = &watch.report;
    assert!(filesystem(report, ours).is_none(), "a mount of the container");
    let root = filesystem(report, "/").expect("the host's root");
    assert_eq!((root.device_error.as_ref(), root.size_bytes), (None, Some(df(host.to_str().unwrap())[0])));
    assert!(filesystem(Watch::new().settle(), ours).is_some(), "seen from here it is there");
}

#[test]
fn mounts_come_change_and_go() {
    let Some(folder) = inside("mounts_come_change_and_go", &[]) else { return };
    let place = |name: &str| {
        let path = folder.join(name);
        fs::create_dir(&path).unwrap();
        path.to_str().unwrap().to_string()
    };
    let mut watch = Watch::new();
    watch.settle();
    let odd = place("a b\n\\c");
    run("mount", &["-t", "tmpfs", "-o", "size=64M,nr_inodes=1000", "some device", &odd]);
    fs::write(Path::new(&odd).join("file"), vec![b'x'; 1 << 20]).unwrap();
    let fs = filesystem(watch.settle(), &odd).expect("the next sample has the new mount").clone();
    assert_eq!((fs.device.as_str(), fs.fstype.as_str()), ("some device", "tmpfs"));
    assert_eq!(columns(&fs), df(&odd));
    assert_eq!((fs.size_bytes, fs.files, fs.read_only), (Some(64 << 20), Some(1000), Some(false)));
    assert_eq!(fs.size_bytes.unwrap() - fs.free_bytes.unwrap(), 1 << 20);

    let again = place("again");
    run("mount", &["--bind", &odd, &again]);
    assert!(filesystem(watch.settle(), &again).is_none(), "a bind mount counts once");
    run("umount", &[&again]);

    run("mount", &["-o", "remount,ro", &odd]);
    assert_eq!(filesystem(watch.settle(), &odd).unwrap().read_only, Some(true));

    run("mount", &["-t", "tmpfs", "-o", "size=8M,nr_inodes=0", "over", &odd]);
    let over = filesystem(watch.settle(), &odd).unwrap().clone();
    assert_eq!(
        (over.device.as_str(), over.size_bytes),
        ("over", Some(8 << 20)),
        "the upper one is what is seen"
    );
    assert_eq!((over.files, over.files_free), (None, None), "no limit on inodes is not zero inodes");
    assert_eq!(watch.report.filesystems.iter().flatten().filter(|f| f.mountpoint == odd).count(), 1);

    let image = folder.join("image");
    File::create(&image).unwrap().set_len(32 << 20).unwrap();
    run("mkfs.ext4", &["-q", image.to_str().unwrap()]);
    let ext4 = place("ext4");
    run("mount", &["-o", "loop", image.to_str().unwrap(), &ext4]);
    let fs = filesystem(watch.settle(), &ext4).expect("the loop mount").clone();
    assert_eq!(columns(&fs), df(&ext4));
    assert_eq!(fs.fstype, "ext4");
    assert!(fs.free_bytes > fs.avail_bytes, "ext4 keeps a part for root");

    for mounted in [&ext4, &odd, &odd] {
        run("umount", &[mounted]);
    }
    watch.settle();
    assert!(filesystem(&watch.report, &odd).is_none() && filesystem(&watch.report, &ext4).is_none());
    assert!(filesystem(&watch.report, "/").is_some());
}

#[test]
fn a_mount_that_hangs_stops_nothing() {
    let Some(folder) = inside("a_mount_that_hangs_stops_nothing", &[]) else { return };
    let places: Vec<PathBuf> = (0..12).map(|i| folder.join(format!("hung{i}"))).collect();
    let servers: Vec<File> = places
        .iter()
        .map(|place| {
            fs::create_dir(place).unwrap();
            mount_that_hangs(place)
        })
        .collect();
    let error = |report: &Report, place: &Path| {
        let fs = filesystem(report, place.to_str().unwrap()).expect("a mount that hangs is still listed");
        fs.device_error.as_ref().map(|e| e.to_string())
    };
    let threads = || fs::read_dir("/proc/self/task").unwrap().count();
    let mut watch = Watch::new();
    for _ in 0..20 {
        watch.sample();
        // Within the second, that is; how soon depends on what else this computer does.
        watch.until("an answer of the root", 0, |r| {
            r.disk.total_bytes.is_some() && filesystem(r, "/").is_some_and(|f| f.size_bytes.is_some())
        });
    }
    assert!(threads() <= 12, "{} threads", threads());
    let told: Vec<_> =
        places.iter().map(|p| error(&watch.report, p).expect("it says that it hangs")).collect();
    assert!(told.contains(&"statfs does not answer".to_string()), "{told:?}");
    assert!(told.contains(&"not asked, too many others do not answer".to_string()), "{told:?}");
    assert_eq!(filesystem(&watch.report, places[0].to_str().unwrap()).unwrap().size_bytes, None);

    drop(servers);
    watch.until("the mounts' new state", 10, |report| {
        places.iter().all(|p| error(report, p).is_some_and(|e| e.contains("not connected")))
    });
    for place in &places {
        run("umount", &[place.to_str().unwrap()]);
    }
    watch.sample();
    assert!(places.iter().all(|p| filesystem(&watch.report, p.to_str().unwrap()).is_none()));
}

#[test]
fn the_disks_of_this_computer_are_those_of_sys() {
    // The same counters in a file of another form, read before and after.
    let stat = |device: &str| -> Vec<u64> {
        let text = fs::read_to_string(format!("/sys/class/block/{device}/stat")).unwrap();
        text.split_whitespace().map(|n| n.parse().unwrap()).collect()
    };
    let mut watch = Watch::new();
    let devices = watch.sample().block_devices.clone().expect("this computer has a disk");
    let before: Vec<_> = devices.iter().map(|d| stat(&d.device)).collect();
    let devices = watch.sample().block_devices.clone().unwrap();
    let mut busy = 0;
    for (device, before) in devices.iter().zip(before) {
        let after = stat(&device.device);
        let ms = |seconds: Option<f64>| seconds.map(|s| (s * 1e3).round() as u64);
        for (i, ours) in [
            (0, device.reads_completed_total),
            (1, device.reads_merged_total),
            (2, device.read_bytes_total.map(|b| b / 512)),
            (3, ms(device.read_time_seconds_total)),
            (4, device.writes_completed_total),
            (5, device.writes_merged_total),
            (6, device.written_bytes_total.map(|b| b / 512)),
            (7, ms(device.write_time_seconds_total)),
            (9, ms(device.io_time_seconds_total)),
            (10, ms(device.io_time_weighted_seconds_total)),
            (11, device.discards_completed_total),
            (13, device.discarded_bytes_total.map(|b| b / 512)),
            (15, device.flush_requests_total),
            (16, ms(device.flush_requests_time_seconds_total)),
        ] {
            let Some(least) = before.get(i) else { continue };
            let ours = ours.unwrap_or_else(|| panic!("{} column {i} is missing", device.device));
            assert!(
                (*least..=after[i]).contains(&ours),
                "{} column {i}: {least} {ours} {}",
                device.device,
                after[i]
            );
            busy += u64::from(ours > 0);
        }
    }
    assert!(busy > 0, "a computer that runs this has read something");
}

fn interface<'r>(report: &'r Report, name: &str) -> Option<&'r Interface> {
    report.network.as_ref()?.interfaces.iter().find(|i| i.device == name)
}

fn ip(arguments: &[&str]) -> Vec<Value> {
    serde_json::from_str(&run("ip", arguments)).expect("ip -j prints JSON")
}

/// All of `ip -j addr` must be in the report, and all of the report in `ip -j addr`.
fn same_as_ip(report: &Report) {
    let theirs = ip(&["-j", "addr"]);
    let text = |v: &Value| v.as_str().map(str::to_string);
    let names: BTreeSet<_> = theirs.iter().filter_map(|i| text(&i["ifname"])).collect();
    let interfaces = &report.network.as_ref().expect("network").interfaces;
    assert_eq!(interfaces.iter().map(|i| i.device.to_string()).collect::<BTreeSet<_>>(), names);
    for theirs in &theirs {
        let name = theirs["ifname"].as_str().unwrap();
        let ours = interface(report, name).unwrap();
        let mac = text(&theirs["address"]).filter(|m| m != "00:00:00:00:00:00");
        assert_eq!(ours.mac_address.as_ref().map(|m| m.to_string()), mac, "{name}");
        assert_eq!(ours.mtu_bytes, theirs["mtu"].as_u64(), "{name}");
        assert_eq!(
            ours.operstate.as_ref().map(|s| s.as_str().to_uppercase()),
            text(&theirs["operstate"]),
            "{name}"
        );
        for (family, list) in [("inet", &ours.ipv4), ("inet6", &ours.ipv6)] {
            let addresses: BTreeSet<_> = theirs["addr_info"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|a| a["family"] == family)
                .map(|a| format!("{}/{}", a["local"].as_str().unwrap(), a["prefixlen"]))
                .collect();
            assert_eq!(
                list.iter().map(|a| a.to_string()).collect::<BTreeSet<_>>(),
                addresses,
                "{name} {family}"
            );
        }
    }
}

#[test]
fn the_interfaces_of_this_computer_are_those_of_ip() {
    let mut watch = Watch::new();
    let before = ip(&["-s", "-j", "link"]);
    let report = watch.sample().clone();
    let after = ip(&["-s", "-j", "link"]);
    same_as_ip(&report);
    for (before, after) in before.iter().zip(&after) {
        let name = before["ifname"].as_str().unwrap();
        let ours = interface(&report, name).unwrap();
        for (way, key, ours) in [
            ("rx", "bytes", ours.receive_bytes_total),
            ("rx", "packets", ours.receive_packets_total),
            ("rx", "errors", ours.receive_errs_total),
            ("rx", "multicast", ours.receive_multicast_total),
            ("tx", "bytes", ours.transmit_bytes_total),
            ("tx", "packets", ours.transmit_packets_total),
            ("tx", "errors", ours.transmit_errs_total),
            ("tx", "collisions", ours.transmit_colls_total),
        ] {
            let number = |v: &Value| v["stats64"][way][key].as_u64().unwrap();
            let (least, most) = (number(before), number(after));
            let ours = ours.expect("counted");
            assert!((least..=most).contains(&ours), "{name} {way} {key}: {least} {ours} {most}");
        }
    }
    let route = ip(&["-j", "route", "show", "default"]);
    let device = route.first().and_then(|r| r["dev"].as_str());
    let ours = report.network.as_ref().unwrap().default_interface.as_ref().map(|d| d.as_str());
    if device.is_some() {
        assert_eq!(ours, device);
        assert!(report.mac_address.is_some());
    }
}

#[test]
fn interfaces_come_change_and_go() {
    if inside("interfaces_come_change_and_go", &["--net"]).is_none() {
        return;
    }
    // The interfaces in /sys are those of the namespace in which it was mounted.
    run("mount", &["-t", "sysfs", "sysfs", "/sys"]);
    let mut watch = Watch::new();
    let report = watch.sample();
    same_as_ip(report);
    assert_eq!(
        (report.mac_address.as_ref(), report.network.as_ref().unwrap().default_interface.as_ref()),
        (None, None)
    );

    run(
        "ip",
        &["link", "add", "left", "address", "02:00:00:00:00:01", "type", "veth", "peer", "name", "right"],
    );
    for name in ["lo", "left", "right"] {
        run("ip", &["link", "set", name, "up"]);
    }
    run("ip", &["addr", "add", "192.0.2.2/24", "broadcast", "192.0.2.255", "dev", "left"]);
    run("ip", &["addr", "add", "198.51.100.7/28", "broadcast", "+", "dev", "left", "label", "left:1"]);
    run("ip", &["-6", "addr", "add", "2001:db8::1/64", "dev", "left", "nodad"]);
    run("ip", &["route", "add", "default", "via", "192.0.2.1", "dev", "left", "metric", "100"]);
    run("ip", &["route", "add", "default", "dev", "right", "metric", "200"]);
    let report = watch.sample();
    assert_eq!(report.network.as_ref().unwrap().default_interface.as_deref(), Some("left"));
    assert_eq!(report.mac_address.as_deref(), Some("02:00:00:00:00:01"));
    let ipv4: Vec<_> = report
        .ipv4_interfaces
        .iter()
        .map(|i| (i.addr.as_str(), i.netmask.as_deref(), i.broadcast.as_deref()))
        .collect();
    let expected = [
        ("192.0.2.2", Some("255.255.255.0"), Some("192.0.2.255")),
        ("198.51.100.7", Some("255.255.255.240"), Some("198.51.100.15")),
    ];
    assert_eq!(ipv4, expected);
    let left = interface(report, "left").unwrap();
    assert_eq!(left.speed_bytes, Some(1_250_000_000), "veth says 10 Gbit/s");
    assert_eq!(left.ipv4, ["192.0.2.2/24", "198.51.100.7/28"]);
    assert!(left.ipv6.iter().any(|a| a == "2001:db8::1/64"), "{:?}", left.ipv6);

    // What does not change the list of interfaces shows within ten samples.
    run("ip", &["addr", "del", "198.51.100.7/28", "dev", "left"]);
    run("ip", &["link", "set", "right", "mtu", "1400"]);
    run("ip", &["route", "del", "default", "metric", "100"]);
    for _ in 0..10 {
        watch.sample();
    }
    same_as_ip(&watch.report);
    assert_eq!(watch.report.network.as_ref().unwrap().default_interface.as_deref(), Some("right"));
    assert!(watch.report.ipv4_interfaces.is_empty(), "right has no address");

    run("ip", &["link", "set", "right", "name", "re@named.0"]);
    same_as_ip(watch.sample());
    assert!(interface(&watch.report, "right").is_none());
    run("ip", &["link", "del", "left"]);
    same_as_ip(watch.sample());
    assert_eq!(watch.report.network.as_ref().unwrap().default_interface, None);

    // IPv6 alone.
    run(
        "ip",
        &["link", "add", "six", "address", "02:00:00:00:00:06", "type", "veth", "peer", "name", "peer"],
    );
    run("ip", &["link", "set", "peer", "up"]);
    run("ip", &["link", "set", "six", "up"]);
    run("ip", &["-6", "route", "add", "default", "dev", "six", "metric", "50"]);
    for _ in 0..10 {
        watch.sample();
    }
    assert_eq!(watch.report.network.as_ref().unwrap().default_interface.as_deref(), Some("six"));
    assert_eq!(watch.report.mac_address.as_deref(), Some("02:00:00:00:00:06"));
}

#[test]
fn sockets_are_counted_by_state() {
    if inside("sockets_are_counted_by_state", &["--net"]).is_none() {
        return;
    }
    run("ip", &["link", "set", "lo", "up"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let listener6 = TcpListener::bind("[::1]:0").unwrap();
    let mut open = Vec::new();
    for _ in 0..300 {
        open.push(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        open.push(listener.accept().unwrap().0);
    }
    for _ in 0..5 {
        open.push(TcpStream::connect(listener6.local_addr().unwrap()).unwrap());
        open.push(listener6.accept().unwrap().0);
    }
    // Half closed: the other side waits for its program.
    open[0].shutdown(std::net::Shutdown::Write).unwrap();

    let mut watch = Watch::new();
    watch.until("a count of sockets", 1, |r| r.sockets.as_ref().is_some_and(|s| s.tcp_states.is_some()));
    let sockets = watch.report.sockets.as_ref().unwrap();
    let states = sockets.tcp_states.as_ref().unwrap();
    assert_eq!((states.listen, states.established), (2, 608));
    // The acknowledgement that makes it FIN-WAIT2 may be delayed.
    assert_eq!((states.fin_wait1 + states.fin_wait2, states.close_wait), (1, 1));
    assert_eq!((states.syn_sent, states.time_wait, states.close), (0, 0, 0));
    assert_eq!((sockets.tcp_inuse, sockets.tcp6_inuse), (Some(601), Some(11)));
    let protocols = sockets.protocols.as_ref().unwrap();
    assert_eq!((protocols.tcp_active_opens_total, protocols.tcp_passive_opens_total), (Some(305), Some(305)));
    assert_eq!(protocols.tcp_curr_estab, Some(609), "with CLOSE-WAIT, as RFC 1213 says");
    assert_eq!(protocols.tcp_retrans_segs_total, Some(0));
}
