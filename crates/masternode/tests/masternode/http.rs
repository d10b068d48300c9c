//! HTTP: who may ask, what is answered, what a slow or rude client gets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use chasar_masternode::{Endpoint, HttpConfig, Masternode};

use crate::site::{PATIENCE, Site, ask, config, get, report, until};

#[test]
fn the_pages_answer_with_hardened_headers() {
    let site = Site::start();
    for (path, status, part) in [
        ("/", 200, "/metrics"),
        ("/health", 200, "ok"),
        ("/ready", 200, "ok"),
        ("/-/healthy", 200, "ok"),
        ("/-/ready", 200, "ok"),
        ("/api/fleet", 200, "\"totals\""),
        ("/metrics", 200, "# TYPE chasar_nodes gauge"),
        ("/nothing", 404, "no such page"),
    ] {
        let answer = site.get(path, "");
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert!(answer.body.contains(part), "{path}: {answer:?}");
        for header in ["content-security-policy: default-src 'none'", "x-content-type-options: nosniff"] {
            assert!(answer.head.contains(header), "{path} lacks {header}: {}", answer.head);
        }
        assert!(!answer.head.contains("access-control"), "no CORS: {}", answer.head);
    }
    let address = site.running.addresses().http.unwrap();
    let post = ask(
        address,
        "POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(post.status, 405);
}

#[test]
fn other_names_and_other_origins_are_refused() {
    let site = Site::start();
    assert_eq!(site.get("/api/fleet", "Host: evil.example\r\n").status, 403);
    assert_eq!(site.get("/health", "Host: evil.example\r\n").status, 403);
    assert_eq!(site.get("/api/fleet", "Origin: http://evil.example\r\n").status, 403);
    assert_eq!(site.get("/api/fleet", "Host: localhost:1\r\n").status, 200);
    assert_eq!(site.metric("chasar_http_refused_total"), 3.0);
}

/// Every line is a comment or a sample, each family has one help and one type before its samples,
/// no series comes twice.
#[test]
fn the_metrics_are_well_formed() {
    let site = Site::start();
    let mut node = site.node();
    node.send("nonsense", b"");
    node.report(&report("n1", "s", 0));
    until("the report", || match site.metric("chasar_nodes{state=\"live\"}") {
        1.0 => Ok(()),
        n => Err(n.to_string()),
    });
    let page = site.get("/metrics", "").body;
    let (mut families, mut series) = (std::collections::HashMap::new(), std::collections::HashSet::new());
    let mut current = "";
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(current, name, "help and type belong together");
            assert!(families.insert(name, kind).is_none(), "{name} twice");
            let own = name.starts_with("chasar_") || name.starts_with("process_");
            assert!(!own || name.ends_with("_total") == (kind == "counter"), "{name} is a {kind}");
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            current = rest.split_once(' ').unwrap().0;
        } else {
            let (key, value) = line.rsplit_once(' ').unwrap();
            let name = key.split('{').next().unwrap();
            assert_eq!(name, current, "{line}");
            let prefix = name.split_once('_').map_or(name, |(prefix, _)| prefix);
            assert!(["chasar", "node", "process", "up"].contains(&prefix), "{line}");
            assert!(families.contains_key(name), "{line}");
            assert!(value.parse::<f64>().unwrap() >= 0.0, "{line}");
            assert!(series.insert(key), "{key} twice");
        }
    }
    assert!(series.len() > 40, "{page}");
    assert!(series.contains("chasar_reports_refused_total{reason=\"topic\"}"), "{page}");
    assert!(series.contains("up{instance=\"host-n1\",job=\"chasar\"}"), "{page}");
}

#[test]
fn another_prometheus_gets_what_it_chooses_with_the_times() {
    let site = Site::start();
    let mut node = site.node();
    let mut at_ms = Vec::new();
    for (id, bytes) in [("n1", 5), ("n2", 6)] {
        let mut report = report(id, "s", 0);
        report.disk.total_bytes = Some(bytes);
        at_ms.push(report.sampled_at_ms.unwrap());
        node.report(&report);
    }
    let federate = |query: &str| {
        let answer = site.get(&format!("/federate{query}"), "");
        assert_eq!(answer.status, 200, "{answer:?}");
        let lines = answer.body.lines().filter(|line| !line.starts_with('#')).map(str::to_owned);
        lines.collect::<Vec<_>>()
    };
    let disks: Vec<_> = [("n1", 5, at_ms[0]), ("n2", 6, at_ms[1])]
        .map(|(id, bytes, at)| {
            format!("chasar_root_disk_size_bytes{{instance=\"host-{id}\",job=\"chasar\"}} {bytes} {at}")
        })
        .into();
    let path = "?match[]=%7B__name__%3D~%22chasar_root.*%22%7D";
    until("both nodes", || match federate(path) {
        lines if lines == disks => Ok(()),
        lines => Err(format!("{lines:#?}")),
    });
    let both = federate(
        "?match[]=up%7Binstance=%22host-n2%22%7D&match[]=chasar_root_disk_size_bytes%7Binstance!=%22host-n2%22%7D",
    );
    assert!(
        both.len() == 2 && both[0].starts_with("up{instance=\"host-n2\",job=\"chasar\"} 1 1"),
        "{both:?}"
    );
    assert_eq!(both[1], disks[0]);
    assert!(federate("").is_empty());
    for (wrong, words) in [
        ("?match[]=up%7B", "match[]: 1:3: parse error"),
        ("?match=up", "not match"),
        ("?match[]=%7B%7D", "match[]: "),
    ] {
        let answer = site.get(&format!("/federate{wrong}"), "");
        assert!(answer.status == 400 && answer.body.contains(words), "{answer:?}");
    }
}

#[test]
fn the_newest_samples_of_each_node_are_there() {
    let site = Site::start();
    let mut node = site.node();
    let hostile = "a\"b\\c\n{d}";
    let said = |id: &str, hostname: &str, sequence, bytes: u64| {
        let mut report = report(id, "s", sequence);
        report.hostname = hostname.into();
        report.disk.total_bytes = Some(bytes);
        report
    };
    for report in [
        said("11111111aaaa", "web", 0, 5),
        said("22222222bbbb", "web", 0, 6),
        said("n3", hostile, 0, 7),
        said("11111111aaaa", "web", 1, 8),
    ] {
        node.report(&report);
    }
    let sizes = |path: &str| -> Vec<String> {
        let page = site.get(path, "").body;
        let of_disks = page.lines().filter_map(|line| line.strip_prefix("chasar_root_disk_size_bytes"));
        of_disks.map(str::to_owned).collect()
    };
    let wanted = [
        r#"{instance="a\"b\\c\n{d}",job="chasar"} 7"#,
        r#"{instance="web",job="chasar"} 8"#,
        r#"{instance="web-22222222",job="chasar"} 6"#,
    ];
    until("all nodes", || match sizes("/metrics") {
        sizes if sizes == wanted => Ok(()),
        sizes => Err(format!("{sizes:#?}")),
    });
    assert_eq!(sizes("/metrics?job=chasar"), wanted);
    assert_eq!(sizes("/metrics?instance=web"), wanted[1..2]);
    assert_eq!(sizes("/metrics?instance=a%22b%5Cc%0A%7Bd%7D"), wanted[..1]);
    assert!(sizes("/metrics?job=masternode").is_empty());
    let missing = site.get("/metrics?instance=%1B[31mno", "");
    assert_eq!(missing.status, 404);
    assert!(!missing.body.contains('\x1b') && missing.body.contains("no node has"), "{}", missing.body);
    assert_eq!(site.get("/metrics?instanse=web", "").status, 400);
    assert_eq!(site.get("/metrics?job=web", "").status, 400);
    // A node that left has no numbers, and is known to be down.
    node.report(&{
        let mut last = said("11111111aaaa", "web", 2, 8);
        last.leaving = Some(true);
        last
    });
    until("web to be down", || match site.get("/metrics?instance=web", "").body {
        page if page.contains("\nup{instance=\"web\",job=\"chasar\"} 0\n") => {
            assert_eq!(page.lines().count(), 3, "{page}");
            Ok(())
        }
        page => Err(page),
    });
}

#[test]
fn on_an_open_address_a_token_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let mut open = config(folder.path());
    open.http = Some(HttpConfig::new(Endpoint::new("0.0.0.0", 0).unwrap()));
    let running = Masternode::start(open).unwrap();
    let file = folder.path().join("http_token");
    let token = std::fs::read_to_string(&file).unwrap();
    for (path, status) in [("/health", 200), ("/-/healthy", 200), ("/ready", 401), ("/-/ready", 401)] {
        assert_eq!(get(&running, path, "Host: 127.0.0.1\r\n").status, status, "{path}");
    }
    let refused = get(&running, "/metrics", "Host: 127.0.0.1\r\n");
    assert_eq!(refused.status, 401);
    assert!(refused.body.contains(file.to_str().unwrap()), "{}", refused.body);
    assert!(refused.head.contains("www-authenticate: bearer"), "{}", refused.head);
    assert!(!refused.body.contains(token.trim()));
    let authorization = format!("Host: 127.0.0.1\r\nAuthorization: Bearer {}\r\n", token.trim());
    assert_eq!(get(&running, "/metrics", &authorization).status, 200);
    running.stop(PATIENCE).unwrap();
}

#[test]
fn who_trickles_a_request_is_dropped_and_others_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let mut small = config(folder.path());
    let http = small.http.as_mut().unwrap();
    (http.max_connections, http.idle_timeout) = (2, Duration::from_millis(300));
    let running = Masternode::start(small).unwrap();
    let address = running.addresses().http.unwrap();
    let mut slow: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(address).unwrap()).collect();
    let start = Instant::now();
    for stream in &mut slow {
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut buffer = [0; 64];
        until("the slow client to be dropped", || {
            // A byte now and then gains nothing.
            if stream.write_all(b"G").is_err() {
                return Ok(());
            }
            match stream.read(&mut buffer) {
                Ok(0) => Ok(()),
                Ok(_) => Err("answered".into()),
                Err(e)
                    if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
                {
                    Err("open".into())
                }
                Err(_) => Ok(()),
            }
        });
    }
    assert!(start.elapsed() >= Duration::from_millis(250), "dropped before its time");
    assert_eq!(get(&running, "/health", "").status, 200);
    running.stop(PATIENCE).unwrap();
}
