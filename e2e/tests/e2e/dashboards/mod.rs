//! What dashboards and alert rules ask, of node_exporter with Prometheus and of Chasar, on one host at one time.

mod compare;
mod expression;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chasar_e2e::{Clientnode, Masternode, Site, until, workspace};
use chasar_wire::catalog;

use crate::prometheus::{self, Others};
use compare::{STEP_MS, Server, Span, Verdict, compare};
use expression::{Expression, Names};

/// How much longer than needed is waited for a time in which neither missed much.
const PATIENCE: Duration = Duration::from_secs(180);
/// So many of the samples of that time have to be there.
const WATCHED: f64 = 0.95;
/// Both have samples from so much before what is compared, and to so much after.
const MARGIN_MS: i64 = 5_000;

/// How long the longest range is, and for how long queries are evaluated; the figures in the documents were taken
/// with 320.
fn seconds() -> i64 {
    std::env::var("CHASAR_E2E_DASHBOARD_SECONDS").map_or(15, |text| text.parse().expect("seconds"))
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// Both, watching this host.
struct Stage {
    others: Others,
    masternode: Masternode,
    _clientnode: Clientnode,
}

impl Stage {
    fn new() -> Stage {
        let site = Site::new();
        let others = Others::start(&site, EXPORTER);
        let masternode = Masternode::start(&site);
        let clientnode = Clientnode::start(&site, &[]);
        Stage { others, masternode, _clientnode: clientnode }
    }

    /// A stretch of time both have watched, with enough before and after it: on a computer that is too busy scrapes
    /// time out, and there is nothing to compare with.
    fn span(&self) -> Span {
        let longest_ms = seconds() * 1000;
        let length_ms = longest_ms.min(60_000) / STEP_MS * STEP_MS;
        let watched_ms = longest_ms + length_ms + 2 * MARGIN_MS;
        let wanted = WATCHED * watched_ms as f64 / 1e3;
        let mut look_ms = now_ms() + watched_ms;
        until(Duration::from_millis(watched_ms as u64) + PATIENCE, "a time that both watched", || {
            let now_ms = now_ms();
            if now_ms < look_ms {
                return Err("it is too early".to_owned());
            }
            look_ms = now_ms + STEP_MS;
            // What is newer may still be on its way.
            let newest_ms = now_ms - 2_000;
            for address in [self.masternode.http(), self.others.address] {
                let query = format!("count_over_time(node_load1[{watched_ms}ms])");
                let rows = prometheus::instant_at(address, &query, newest_ms)?;
                let samples = rows.first().map_or(0.0, |row| row.values[0].1);
                if samples < wanted {
                    return Err(format!("{address} has {samples} samples of {}", watched_ms / 1000));
                }
            }
            let end_ms = newest_ms - MARGIN_MS;
            Ok(Span { start_ms: end_ms - length_ms, end_ms, longest_ms })
        })
    }

    fn servers(&self) -> (Server, Server) {
        let host = prometheus::instant(self.masternode.http(), "node_uname_info").unwrap();
        let host = host[0].metric["nodename"].clone();
        let names = |job: &str, instance: String| Names { job: job.into(), instance, host: host.clone() };
        let ours = Server { address: self.masternode.http(), names: names("chasar", host.clone()) };
        let theirs =
            Server { address: self.others.address, names: names("node", self.others.exporter.to_string()) };
        (ours, theirs)
    }
}

/// How often each verdict was given to the expressions of a file.
#[derive(Default)]
struct Count {
    same: usize,
    quiet: usize,
    nothing: usize,
    only_ours: usize,
    missing: usize,
    differ: usize,
    refused: usize,
    refused_there: usize,
}

impl Count {
    fn add(&mut self, verdict: &Verdict) {
        *match verdict {
            Verdict::Same => &mut self.same,
            Verdict::Quiet => &mut self.quiet,
            Verdict::Nothing => &mut self.nothing,
            Verdict::OnlyOurs => &mut self.only_ours,
            Verdict::Missing(_) => &mut self.missing,
            Verdict::Differs(_) => &mut self.differ,
            Verdict::Refused(_) => &mut self.refused,
            Verdict::RefusedThere(_) => &mut self.refused_there,
        } += 1;
    }
}

fn show(verdicts: &[(Expression, Verdict)]) {
    let mut files: BTreeMap<&str, Count> = BTreeMap::new();
    for (expression, verdict) in verdicts {
        files.entry(&expression.file).or_default().add(verdict);
    }
    let heads = ["same", "quiet", "nothing", "only ours", "missing", "differ", "refused", "refused there"];
    eprintln!("{:<36}{}", "file", heads.map(|head| format!("{head:>14}")).join(""));
    for (file, count) in files {
        let Count { same, quiet, nothing, only_ours, missing, differ, refused, refused_there } = count;
        let numbers = [same, quiet, nothing, only_ours, missing, differ, refused, refused_there];
        eprintln!("{file:<36}{}", numbers.map(|n| format!("{n:>14}")).join(""));
    }
    for (Expression { file, title, text }, verdict) in verdicts {
        if !matches!(verdict, Verdict::Same | Verdict::Quiet) {
            eprintln!("{file}: {title}: {text}\n    {verdict:?}");
        }
    }
}

#[test]
fn dashboards_and_rules_show_what_they_show_with_node_exporter() {
    let given = std::env::var_os("CHASAR_E2E_DASHBOARDS");
    let expressions = match &given {
        Some(given) => expression::read(&std::env::split_paths(given).collect::<Vec<PathBuf>>()),
        None => {
            // Of what Debian has, that which asks about hosts.
            let mut theirs = expression::read(&workspace::dashboards());
            theirs.retain(|expression| expression.text.contains("node_"));
            assert!(theirs.len() >= 30, "only {} expressions of Debian's", theirs.len());
            theirs.into_iter().chain(expression::own()).collect()
        }
    };
    assert!(!expressions.is_empty(), "no expressions");
    let stage = Stage::new();
    let span = stage.span();
    let (ours, theirs) = stage.servers();
    let verdicts: Vec<(Expression, Verdict)> = expressions
        .into_iter()
        .map(|expression| {
            let verdict = compare(&expression, &ours, &theirs, span);
            (expression, verdict)
        })
        .collect();
    show(&verdicts);
    let wrong: Vec<_> =
        verdicts.iter().filter(|(_, v)| matches!(v, Verdict::Differs(_) | Verdict::Refused(_))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    if given.is_some() {
        return;
    }
    let unknown: Vec<_> = verdicts
        .iter()
        .filter(|(expression, verdict)| {
            let mut known = NOT_HERE.iter();
            matches!(verdict, Verdict::Missing(_))
                && !known.any(|(listed, _)| mentions(&expression.text, listed))
        })
        .collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    let agree = verdicts.iter().filter(|(_, v)| matches!(v, Verdict::Same | Verdict::Quiet)).count();
    assert!(agree >= AT_LEAST, "only {agree} expressions could be compared");
}

/// Fewer than this mean that the test lost its sight.
const AT_LEAST: usize = 100;

/// What the newest node_exporter leaves out of itself, or will in its next version, and collectors that dashboards
/// ask for; Debian's has other defaults.
const EXPORTER: &[&str] = &[
    r"--collector.diskstats.device-exclude=^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$",
    "--collector.filesystem.mount-points-exclude=\
     ^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
    "--collector.netdev.device-exclude=^$",
    "--collector.netclass.ignore-invalid-speed",
    "--collector.processes",
    "--collector.tcpstat",
];

/// What dashboards ask that Chasar has not, and why.
const NOT_HERE: &[(&str, &str)] = &[
    ("node_filefd_*", ROOM),
    ("node_nf_conntrack_*", ROOM),
    ("node_timex_*", ROOM),
    ("node_entropy_*", ROOM),
    ("node_arp_entries", ROOM),
    ("node_softnet_*", ROOM),
    ("node_schedstat_*", ROOM),
    ("node_udp_queues", ROOM),
    ("node_interrupts_total", ROOM),
    ("node_processes_max_threads", ROOM),
    ("node_cpu_scaling_frequency_max_hertz", ROOM),
    ("node_cpu_scaling_frequency_min_hertz", ROOM),
    ("node_network_carrier", ROOM),
    ("node_network_receive_compressed_total", ROOM),
    ("node_network_receive_nohandler_total", ROOM),
    ("node_network_transmit_compressed_total", ROOM),
    ("node_memory_WritebackTmp_bytes", ROOM),
    ("node_memory_NFS_Unstable_bytes", ROOM),
    ("node_memory_ShmemHugePages_bytes", ROOM),
    ("node_memory_ShmemPmdMapped_bytes", ROOM),
    ("node_memory_VmallocChunk_bytes", ROOM),
    ("node_memory_VmallocTotal_bytes", ROOM),
    ("node_memory_DirectMap*", ROOM),
    ("node_sockstat_FRAG*", ROOM),
    ("node_sockstat_RAW*", ROOM),
    ("node_sockstat_UDPLITE*", ROOM),
    ("node_sockstat_TCP_mem", "the number of bytes is there: node_sockstat_TCP_mem_bytes"),
    ("node_sockstat_UDP_mem", "the number of bytes is there: node_sockstat_UDP_mem_bytes"),
    ("node_netstat_UdpLite*", ROOM),
    ("node_netstat_TcpExt_SyncookiesFailed", ROOM),
    ("node_netstat_TcpExt_SyncookiesRecv", ROOM),
    ("node_netstat_TcpExt_TCPOFOQueue", ROOM),
    ("node_netstat_TcpExt_TCPRcvQDrop", ROOM),
    ("node_hwmon_*", LATER),
    ("node_cooling_device_*", LATER),
    ("node_power_supply_*", LATER),
    ("node_md_*", LATER),
    ("node_edac_*", LATER),
    ("node_bonding_*", LATER),
    ("node_systemd_*", LATER),
    ("node_scrape_collector_*", EXPORTER_ITSELF),
    ("node_textfile_*", EXPORTER_ITSELF),
    ("process_*", EXPORTER_ITSELF),
];

const ROOM: &str = "a report has no room for it";
const LATER: &str = "no probe reads it yet";
const EXPORTER_ITSELF: &str =
    "is about node_exporter; about the clientnode there are chasar_probe_ and chasar_agent_";

/// Whether a name is one that is listed; a star stands for any ending.
fn is_listed(name: &str, listed: &str) -> bool {
    listed.strip_suffix('*').map_or(name == listed, |beginning| name.starts_with(beginning))
}

/// Whether an expression has a name that is listed.
fn mentions(text: &str, listed: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|name| is_listed(name, listed))
}

#[test]
fn what_is_listed_as_missing_is_missing_and_documented() {
    let documents = std::fs::read_to_string(workspace::root().join("docs/dashboards.md")).unwrap();
    for (listed, why) in NOT_HERE {
        let there = catalog::metrics().iter().find(|metric| is_listed(metric.name, listed)).map(|m| m.name);
        assert_eq!(there, None, "{listed} is listed: {why}");
        assert!(
            documents.contains(&format!("`{listed}`")),
            "docs/dashboards.md does not name {listed}: {why}"
        );
    }
}
