//! What was built: each of these fails silently at run time when a feature macro is missing.

mod support;

use chasar_libzmq::{Context, Event, Kind, Monitor};
use std::fs;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use support::*;

#[test]
fn it_is_libzmq_4_3_5_with_curve() {
    assert_eq!(chasar_libzmq::version(), (4, 3, 5));
    assert!(chasar_libzmq::has("curve"));
    assert!(chasar_libzmq::has("ipc"));
    assert!(!chasar_libzmq::has("gssapi"));
}

/// `/proc/net/tcp` shows for each connection which timer runs; 2 is keepalive.
#[test]
fn keepalive_timers_run_on_both_ends() {
    let context = Context::new().expect("a context");
    let keepalive = |socket: &chasar_libzmq::Socket| {
        socket.set_tcp_keepalive(true)?;
        socket.set_tcp_keepalive_idle_seconds(60)?;
        socket.set_tcp_keepalive_interval_seconds(10)?;
        socket.set_tcp_keepalive_count(3)
    };
    let (server, endpoint) = bound(&context, Kind::Pull, keepalive);
    let client = context.socket(Kind::Push).expect("a socket");
    keepalive(&client).expect("options");
    client.connect(&endpoint).expect("an endpoint");
    until("room to send", || client.send(b"x", false).ok());
    next(&server);
    let port: u16 = endpoint.rsplit(':').next().expect("a port").parse().expect("a port");
    let hex = format!(":{port:04X}");
    until("a keepalive timer on both ends of the idle connection", || {
        let table = fs::read_to_string("/proc/self/net/tcp").expect("procfs");
        let timers: Vec<&str> = table
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            // Established, and one of the ends is ours.
            .filter(|f| f.get(3) == Some(&"01") && (f[1].ends_with(&hex) || f[2].ends_with(&hex)))
            .map(|f| &*f[5].split(':').next().unwrap_or_default().to_owned().leak())
            .collect();
        (timers == ["02", "02"]).then_some(())
    });
}

#[test]
fn no_descriptor_is_left_to_child_processes() {
    let context = Context::new().expect("a context");
    let (server, endpoint) = bound(&context, Kind::Pull, |_| Ok(()));
    let client = context.socket(Kind::Push).expect("a socket");
    client.connect(&endpoint).expect("an endpoint");
    until("room to send", || client.send(b"x", false).ok());
    next(&server);
    let mut seen = 0;
    for entry in fs::read_dir("/proc/self/fd").expect("procfs") {
        let fd = entry.expect("an entry").file_name().into_string().expect("digits");
        let Ok(link) = fs::read_link(format!("/proc/self/fd/{fd}")) else { continue };
        let link = link.to_string_lossy().into_owned();
        // The test's own descriptors: standard streams come from outside.
        if fd.parse::<i32>().is_ok_and(|n| n <= 2) || !(link.starts_with("socket:") || link.contains("event"))
        {
            continue;
        }
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).expect("procfs");
        let flags = info.lines().find_map(|l| l.strip_prefix("flags:")).expect("flags").trim();
        let flags = u32::from_str_radix(flags, 8).expect("octal");
        assert!(flags & libc::O_CLOEXEC.cast_unsigned() != 0, "{link} would be left to child processes");
        seen += 1;
    }
    assert!(seen >= 5, "two epolls, mailboxes, a listener and a connection, but only {seen} were seen");
}

#[test]
fn the_listener_has_the_backlog_asked_for() {
    let context = Context::new().expect("a context");
    let (_server, endpoint) = bound(&context, Kind::Sub, |s| s.set_backlog(300));
    let port: u16 = endpoint.rsplit(':').next().expect("a port").parse().expect("a port");
    // `ss` shows a listener's backlog as its send queue.
    let output = std::process::Command::new("ss")
        .args(["-Hltn", &format!("sport = :{port}")])
        .output()
        .expect("ss of iproute2");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let backlog: u32 =
        text.split_whitespace().nth(2).and_then(|t| t.parse().ok()).unwrap_or_else(|| panic!("{text}"));
    let cap: u32 =
        fs::read_to_string("/proc/sys/net/core/somaxconn").expect("procfs").trim().parse().expect("a number");
    assert_eq!(backlog, cap.min(300));
}

#[test]
fn a_descriptor_of_another_port_is_left_alone() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let client = TcpStream::connect(("127.0.0.1", port)).expect("connects");
    let (server, _) = listener.accept().expect("accepts");
    let fd = i64::from(server.as_raw_fd());
    assert!(!chasar_libzmq::end_connection(fd, port.wrapping_add(1)).expect("no failure"));
    assert!(!chasar_libzmq::end_connection(-1, port).expect("no failure"));
    assert!(!chasar_libzmq::end_connection(i64::from(i32::MAX), port).expect("no failure"));
    assert!(chasar_libzmq::end_connection(fd, port).expect("no failure"));
    let mut byte = [0];
    assert_eq!(std::io::Read::read(&mut &client, &mut byte).expect("the end of the stream"), 0);
}

#[test]
fn a_context_ends_though_data_is_queued_for_a_peer_that_vanished() {
    let context = Context::new().expect("a context");
    let (server, endpoint) = bound(&context, Kind::Pull, |_| Ok(()));
    let client = context.socket(Kind::Push).expect("a socket");
    client.connect(&endpoint).expect("an endpoint");
    until("room to send", || client.send(b"x", false).ok());
    next(&server);
    drop(server);
    for _ in 0..100 {
        let _ = client.send(&[0; 10_000], false);
    }
    drop(client);
    let begun = std::time::Instant::now();
    drop(context);
    assert!(begun.elapsed() < LONG / 2, "{:?}", begun.elapsed());
}

#[test]
fn an_owner_is_dropped_when_the_last_frame_is_gone() {
    struct Owner(Vec<u8>, std::sync::mpsc::Sender<()>);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl Drop for Owner {
        fn drop(&mut self) {
            self.1.send(()).expect("the test listens");
        }
    }
    let (sender, dropped) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let owner = Owner(vec![7; 5_000], sender.lock().expect("alone").clone());
    let address = owner.0.as_ptr();
    let mut message = chasar_libzmq::Message::from_owner(owner).expect("memory");
    assert_eq!(message.as_ptr(), address, "without a copy");
    let second = message.share().expect("shared");
    assert_eq!(second.as_ptr(), address);
    drop(message);
    assert!(dropped.try_recv().is_err());
    drop(second);
    assert!(dropped.try_recv().is_ok());
}

#[test]
fn errors_say_what_was_attempted_where_and_why() {
    let context = Context::new().expect("a context");
    let (_server, endpoint) = bound(&context, Kind::Rep, |_| Ok(()));
    let second = context.socket(Kind::Rep).expect("a socket");
    let error = second.bind(&endpoint).expect_err("in use");
    assert!(error.address_in_use());
    let text = error.to_string();
    assert!(text.contains("binding") && text.contains(&endpoint) && text.contains("in use"), "{text}");
    assert!(second.connect("tcp://host\0name:1").is_err());
    assert!(second.subscribe(b"x").is_err(), "not a subscriber");
}

/// Telling a monitor of a failed bind leaves `EAGAIN` in place of the cause, unless patched.
#[test]
fn a_port_in_use_is_said_while_a_monitor_listens() {
    let context = Context::new().expect("a context");
    let (_server, endpoint) = bound(&context, Kind::Pull, |_| Ok(()));
    let second = context.socket(Kind::Pull).expect("a socket");
    let _monitor = Monitor::watch(&context, &second, Event::ALL_BUT_ACCEPT_FAILED).expect("a monitor");
    for _ in 0..20 {
        // libzmq looks for commands, and finds none, only when it has not just looked.
        std::thread::sleep(std::time::Duration::from_millis(2));
        let error = second.bind(&endpoint).expect_err("it is in use");
        assert!(error.address_in_use(), "{error}");
    }
}
