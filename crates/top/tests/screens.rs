//! How the views look, at several sizes, as text files in `tests/screens`.
//!
//! `CHASAR_UPDATE=1 cargo nextest run -p chasar-top` writes them anew; look at the difference.

use std::path::Path;
use std::time::{Duration, Instant};

use chasar_top::state::{Action, LinkState, Screen, SortBy};
use chasar_top::text::is_harmless;
use chasar_top::view::{self, Theme};
use chasar_top::{Fleet, Update, plain};
use chasar_wire::family::{
    Agent, Filesystem, Host, Interface, Ipv4Interface, Network, Outcome, Pressure, ProbeStatus, Process,
    ProcessCounts, Stall, StallTimes, Swap,
};
use chasar_wire::{NodeEvent, Report, StateChange};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

const GIB: u64 = 1 << 30;

/// What a mischievous host may call itself.
const HOSTILE: &str = "evil\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}gpj\u{200b}\n名前名前";

fn report(hostname: &str, sequence: u64, cpu: f64, memory: f64) -> Report {
    let mut report = Report {
        computer_clock: "2026-11-22 10:20:30.123456".into(),
        hostname: hostname.into(),
        mac_address: Some("02:00:00:00:00:01".into()),
        ipv4_interfaces: vec![Ipv4Interface { addr: "192.0.2.7".into(), ..Ipv4Interface::default() }],
        schema: Some(2),
        node_id: Some(format!("id-{}", hostname.len()).into()),
        session: Some("s".into()),
        sequence: Some(sequence),
        sampled_at_ms: Some(1_000 * sequence as i64),
        interval_seconds: Some(1.0),
        ..Report::default()
    };
    report.cpu.percent_used = vec![Some(cpu), Some(cpu / 2.0), Some((cpu * 1.5).min(100.0)), None];
    report.cpu.core = vec![0, 1, 2, 4];
    report.cpu.load1 = Some(cpu / 20.0);
    report.cpu.load5 = Some(cpu / 25.0);
    report.cpu.load15 = Some(cpu / 40.0);
    report.cpu.frequency_hertz = vec![Some(2_400_000_000); 4];
    report.memory.total_bytes = Some(16 * GIB);
    report.memory.percent_used = Some(memory);
    report.memory.total_bytes_used = Some((16.0 * GIB as f64 * memory / 100.0) as u64);
    report.memory.available_bytes = Some((16.0 * GIB as f64 * (1.0 - memory / 100.0)) as u64);
    report.disk.percent_used = Some(memory + 7.0);
    report.swap = Some(Swap {
        total_bytes: Some(4 * GIB),
        used_bytes: Some(GIB),
        percent_used: Some(25.0),
        ..Swap::default()
    });
    let some = Some(StallTimes { avg10_percent: 1.25, ..StallTimes::default() });
    report.pressure = Some(Pressure { cpu: Some(Stall { some, full: None }), ..Pressure::default() });
    report.filesystems = Some(vec![
        Filesystem {
            mountpoint: "/".into(),
            device: "/dev/vda1".into(),
            fstype: "ext4".into(),
            size_bytes: Some(100 * GIB),
            free_bytes: Some(8 * GIB),
            avail_bytes: Some(3 * GIB),
            files: Some(1000),
            files_free: Some(900),
            ..Filesystem::default()
        },
        Filesystem {
            mountpoint: "/mnt/a long way down the tree/of folders with names/that go on".into(),
            device: "server:/export".into(),
            fstype: "nfs4".into(),
            device_error: Some("statfs did not answer within 2 s".into()),
            ..Filesystem::default()
        },
    ]);
    let interface = |device: &str, bytes: u64, address: &str| Interface {
        device: device.into(),
        operstate: Some("up".into()),
        receive_bytes_total: Some(bytes * sequence),
        transmit_bytes_total: Some(bytes * sequence / 10),
        receive_drop_total: Some(3),
        ipv4: vec![address.into()],
        ipv6: vec!["2001:db8::7/64".into()],
        ..Interface::default()
    };
    report.network = Some(Network {
        default_interface: Some("eth0".into()),
        interfaces: vec![
            interface("lo", 5_000_000, "127.0.0.1/8"),
            interface("eth0", (cpu * 10_000.0) as u64, "192.0.2.7/24"),
        ],
    });
    report.processes = Some(ProcessCounts { total: 212, running: 2, zombie: 1, ..ProcessCounts::default() });
    report.process.0 = (0..30)
        .map(|i| Process {
            name: if i == 3 { HOSTILE.into() } else { format!("worker-{i}").into() },
            pid: 1000 + i,
            status: if i == 0 { "running" } else { "sleeping" }.into(),
            percent_cpu_used: (i != 29).then(|| cpu / f64::from(i + 1)),
            percent_memory_used: Some(f64::from(i) / 10.0),
            user: Some("root".into()),
            resident_bytes: Some(u64::from(i) << 20),
            threads: Some(i + 1),
            start_time_seconds: None,
        })
        .collect();
    report.host = Some(Host {
        uptime_seconds: Some(273_600.0),
        os_name: Some("Debian GNU/Linux 12 (bookworm)".into()),
        kernel: Some("6.1.0-18-amd64".into()),
        architecture: Some("x86_64".into()),
        cpu_model: Some("Example CPU 9000".into()),
        ..Host::default()
    });
    report.agent = Some(Agent {
        version: Some("0.1.0".into()),
        resident_bytes: Some(3 << 20),
        sample_seconds: Some(0.0008),
        sent_bytes_total: Some(123_456),
        replayed_reports_total: Some(17),
        ..Agent::default()
    });
    report.probes.0 = vec![(
        "sensors".into(),
        ProbeStatus {
            outcome: Outcome::Failed("permission denied".into()),
            duration_seconds: 0.0,
            age_seconds: None,
        },
    )];
    report
}

/// A fleet in which everything that can be told apart occurs.
fn fleet(now: Instant) -> Fleet {
    let mut fleet = Fleet::new("192.0.2.1:6666".into());
    let start = now - Duration::from_secs(20);
    fleet.apply(start, Update::Link(LinkState::Up));
    let mut say = |at: Instant, id: &str, hostname: &str, change: StateChange| {
        let event =
            NodeEvent { node_id: id.into(), hostname: hostname.into(), change, at_ms: 0, repeated: false };
        fleet.apply(at, Update::Event(event));
    };
    for (id, hostname) in
        [("n1", "web-1"), ("n2", "web-2"), ("n3", "database"), ("n4", HOSTILE), ("n5", "laptop")]
    {
        say(start, id, hostname, StateChange::Joined);
    }
    say(now, "n9", "never-heard.example.org", StateChange::Down);
    for second in 0..20 {
        let at = start + Duration::from_secs(second) + Duration::from_millis(600);
        let wave = 50.0 + 45.0 * (second as f64 / 3.0).sin();
        let mut send = |id: &str, hostname: &str, cpu: f64, memory: f64| {
            let report = Box::new(report(hostname, second, cpu, memory));
            fleet.apply(at, Update::Report { node_id: Some(id.into()), report });
        };
        send("n1", "web-1", wave, 42.0);
        if second < 18 {
            send("n2", "web-2", 97.0, 91.5);
        }
        if second < 5 {
            send("n3", "database", 12.0, 80.0);
        }
        send("n4", HOSTILE, 3.0, 10.0);
        if second < 9 {
            send("n5", "laptop", 1.0, 30.0);
        }
        let of_2016 = Report { hostname: "raspberry".into(), ..Report::default() };
        fleet.apply(at, Update::Report { node_id: None, report: Box::new(of_2016) });
    }
    let gap = StateChange::Gap { session: "s".into(), from_sequence: 7, to_sequence: 11 };
    for (id, hostname, change) in [
        ("n1", "web-1", gap),
        ("n2", "web-2", StateChange::Late),
        ("n3", "database", StateChange::Down),
        ("n5", "laptop", StateChange::Left),
    ] {
        let event =
            NodeEvent { node_id: id.into(), hostname: hostname.into(), change, at_ms: 0, repeated: false };
        fleet.apply(now, Update::Event(event));
    }
    fleet
}

fn text_of(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            line += symbol;
            x += (chasar_top::text::columns(symbol) as u16).max(1);
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// Draws twice: the first time settles the selection that actions refer to.
fn draw(fleet: &Fleet, screen: &mut Screen, actions: &[Action], size: (u16, u16), now: Instant) -> String {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    let theme = Theme { colour: true };
    let mut rows = Vec::new();
    terminal.draw(|frame| rows = view::draw(frame, fleet, screen, now, theme)).unwrap();
    for action in actions {
        screen.act(*action, &rows);
    }
    terminal.draw(|frame| rows = view::draw(frame, fleet, screen, now, theme)).unwrap();
    let text = text_of(terminal.backend().buffer());
    assert!(text.chars().all(|c| c == '\n' || is_harmless(c)), "something harmful reaches the terminal");
    text
}

fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens").join(name).with_extension("txt");
    if std::env::var_os("CHASAR_UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expected, "{} differs; now it is\n{text}", path.display());
}

#[test]
fn the_table_at_several_sizes() {
    let now = Instant::now();
    for size in [(40, 10), (80, 24), (120, 30), (200, 60)] {
        let text = draw(&fleet(now), &mut Screen::default(), &[], size, now);
        compare(&format!("table-{}x{}", size.0, size.1), &text);
    }
}

#[test]
fn details_at_several_sizes() {
    let now = Instant::now();
    for size in [(40, 10), (80, 40), (200, 60)] {
        let mut screen = Screen::default();
        let text = draw(&fleet(now), &mut screen, &[Action::Last, Action::Details], size, now);
        compare(&format!("details-{}x{}", size.0, size.1), &text);
    }
}

#[test]
fn sorted_filtered_and_helped() {
    let now = Instant::now();
    let sorted = [Action::Sort(SortBy::Cpu), Action::Move(1)];
    compare("sorted", &draw(&fleet(now), &mut Screen::default(), &sorted, (80, 12), now));
    let filtered = [Action::Filter, Action::Type('W'), Action::Type('e'), Action::Type('b')];
    compare("filtered", &draw(&fleet(now), &mut Screen::default(), &filtered, (60, 10), now));
    let mut nothing = Screen::new(vec!["zzz*".into()]);
    compare("nothing-matches", &draw(&fleet(now), &mut nothing, &[], (60, 10), now));
    compare("help", &draw(&fleet(now), &mut Screen::default(), &[Action::Help], (60, 16), now));
}

#[test]
fn a_notice_is_shown_where_there_is_room() {
    let now = Instant::now();
    let notice = Some("subscribe to tcp://127.0.0.1:6666, HTTP on http://127.0.0.1:7777".to_owned());
    let mut screen = Screen { notice, ..Screen::default() };
    compare("notice", &draw(&fleet(now), &mut screen, &[], (80, 14), now));
    assert!(!draw(&fleet(now), &mut screen, &[], (80, 8), now).contains("subscribe"));
}

#[test]
fn the_link_is_always_shown() {
    let now = Instant::now();
    let empty = Fleet::new("192.0.2.1:6666".into());
    compare("connecting", &draw(&empty, &mut Screen::default(), &[], (60, 8), now));
    let mut lost = fleet(now);
    lost.apply(now - Duration::from_secs(7), Update::Link(LinkState::Lost));
    compare("lost", &draw(&lost, &mut Screen::default(), &[], (80, 12), now));
}

#[test]
fn any_size_can_be_drawn() {
    let now = Instant::now();
    let fleet = fleet(now);
    for width in [0, 1, 2, 5, 9, 19, 20, 39, 61, 109, 110, 111, 400] {
        for height in [0, 1, 2, 3, 4, 25, 26] {
            for actions in [&[][..], &[Action::Details], &[Action::Help], &[Action::Filter]] {
                draw(&fleet, &mut Screen::default(), actions, (width, height), now);
            }
        }
    }
}

#[test]
fn scrolling_ends_at_the_last_line() {
    let now = Instant::now();
    let mut screen = Screen::default();
    let text = draw(&fleet(now), &mut screen, &[Action::Last, Action::Details, Action::Last], (80, 20), now);
    compare("details-end", &text);
}

#[test]
fn plain_text() {
    let now = Instant::now();
    let mut out = Vec::new();
    plain::write(&mut out, &fleet(now), &Screen::default(), 100, now).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.chars().all(|c| c == '\n' || is_harmless(c)));
    compare("plain", &text);
}
