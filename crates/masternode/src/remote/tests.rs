//! Targets with their queues, without a masternode around them.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use chasar_remote_write::{Item, Limits, Request, Version, unpack};
use crossbeam_channel::Receiver;

use super::*;
use crate::history::{Keep, Source};

const PATIENCE: Duration = Duration::from_secs(60);
/// Hosts of a second.
const HOSTS: usize = 5_000;

/// Series with times, in the order in which they came.
type Taken = Arc<Mutex<Vec<(String, i64)>>>;

/// A store that takes everything, in 2.0.
fn store() -> (SocketAddr, Taken) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let taken = Taken::default();
    let shared = taken.clone();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let taken = shared.clone();
            thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut stream = stream;
                while let Some(body) = body(&mut reader) {
                    let written = read(&body, &taken);
                    let answer = format!(
                        "HTTP/1.1 204 No Content\r\nX-Prometheus-Remote-Write-Samples-Written: {written}\r\n\r\n"
                    );
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, taken)
}

fn body(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut len = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some((_, value)) = line.to_ascii_lowercase().split_once("content-length:") {
            len = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; len];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

fn read(body: &[u8], taken: &Taken) -> usize {
    let mut bytes = Vec::new();
    unpack(body, &Limits::default(), &mut bytes).unwrap();
    let mut request = Request::new(Version::V2, &bytes, &Limits::default()).unwrap();
    let mut taken = taken.lock().unwrap();
    while let Some(Item::Series(series)) = request.next_item().unwrap() {
        let labels: Vec<_> = series.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        taken.extend(series.samples().map(|sample| (labels.join(" "), sample.time_ms)));
    }
    request.samples_total()
}

struct Running {
    tap: Tap,
    stats: Arc<Stats>,
    ended: Receiver<Ended>,
}

fn start(config: &RemoteWriteConfig, state_dir: &Path) -> Running {
    let mut remote = Remote::open(std::slice::from_ref(config), state_dir, Clock::new()).unwrap();
    let (tap, stats) = (remote.tap.take().unwrap(), remote.stats[0].1.clone());
    let (sender, ended) = unbounded();
    remote.start(&sender, &mut Vec::new()).unwrap();
    Running { tap, stats, ended }
}

impl Running {
    /// What all hosts say at a time.
    fn second(&mut self, at_ms: i64) {
        for host in 0..HOSTS {
            self.tap.up(&Source::new(format!("host-{host}").into()), at_ms, Some(true));
        }
        self.tap.commit();
    }

    #[track_caller]
    fn until(&self, what: &str, is_so: impl Fn(&Stats) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(&self.stats) {
            assert!(Instant::now() < deadline, "{what} did not happen: {:?}", self.stats);
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn end(self) -> Arc<Stats> {
        drop(self.tap);
        loop {
            let (part, result) = self.ended.recv_timeout(PATIENCE).expect("the thread ends");
            result.unwrap();
            if part == PARTS[0] {
                return self.stats;
            }
        }
    }
}

fn now_ms() -> i64 {
    Clock::new().now().unix_ms
}

#[test]
fn the_queue_is_bounded_and_every_sample_accounted_for() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens there.
    let mut config = RemoteWriteConfig::new("target", "http://127.0.0.1:1/");
    config.queue_bytes = 1 << 20;
    let mut running = start(&config, folder.path());
    let (begin_ms, mut seconds) = (now_ms(), 0);
    while running.stats.dropped_queue.get() == 0 {
        running.second(begin_ms + seconds);
        seconds += 1;
        let all = seconds as u64 * HOSTS as u64;
        // As fast as the queue is written, so that none is lost for another reason.
        running
            .until("a second to be written", |stats| stats.waiting.get() + stats.dropped_queue.get() >= all);
        assert!(running.stats.queue_bytes.get() < (1 << 20) + (256 << 10), "{:?}", running.stats);
        assert!(seconds < 1_000, "{:?}", running.stats);
    }
    running.until("it is said", |stats| stats.state().0 == State::QueueFull);
    let all = seconds as u64 * HOSTS as u64;
    let stats = running.end();
    assert_eq!(stats.waiting.get() + stats.dropped_queue.get(), all, "{stats:?}");
    assert_eq!(stats.sent.get(), 0);

    // There is somebody again: all that waits comes, each once, in order, and then what is new.
    let (address, taken) = store();
    config.url = format!("http://{address}/");
    // Another number of connections, for what is old and what is new.
    config.connections = 3;
    let waiting = stats.waiting.get();
    let mut running = start(&config, folder.path());
    running.second(begin_ms + 10_000);
    running.until("all to be sent", |stats| stats.sent.get() >= waiting + HOSTS as u64);
    running.until("nothing to wait", |stats| stats.waiting.get() == 0 && stats.state() == (State::Good, 2));
    let stats = running.end();
    assert_eq!(stats.sent.get(), waiting + HOSTS as u64);
    let taken = taken.lock().unwrap();
    assert_eq!(taken.len() as u64, waiting + HOSTS as u64);
    let mut last = std::collections::HashMap::new();
    for (series, at_ms) in &*taken {
        let before = last.insert(series, at_ms);
        assert!(before.is_none_or(|before| before < at_ms), "{series} at {at_ms} after {before:?}");
    }
    assert_eq!(last.len(), HOSTS);
    assert!(last.values().all(|at_ms| **at_ms == begin_ms + 10_000));
}

#[test]
fn a_killed_process_has_lost_nothing_that_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let (address, taken) = store();
    let nobody = RemoteWriteConfig::new("target", "http://127.0.0.1:1/");
    let mut running = start(&nobody, folder.path());
    let begin_ms = now_ms();
    for second in 0..5 {
        running.second(begin_ms + second);
    }
    let all = 5 * HOSTS as u64;
    running.until("all to be written", |stats| stats.waiting.get() == all);
    // What a kill leaves is what is in the folder at that moment.
    let copy = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("remote/target"), copy.path().join("remote/target"));
    std::fs::create_dir_all(&to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() != "lock" {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
    running.end();
    let config = RemoteWriteConfig { url: format!("http://{address}/"), ..nobody };
    let running = start(&config, copy.path());
    running.until("all to be sent", |stats| stats.sent.get() == all && stats.waiting.get() == 0);
    running.end();
    assert_eq!(taken.lock().unwrap().len() as u64, all);
}

#[test]
fn what_waits_for_a_target_that_is_none_any_more_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let config = RemoteWriteConfig::new("old", "http://127.0.0.1:1/");
    assert!(left_over(&[], folder.path()).is_empty());
    let mut running = start(&config, folder.path());
    running.second(now_ms());
    running.until("a second to be written", |stats| stats.waiting.get() == HOSTS as u64);
    let bytes = running.end().queue_bytes.get();
    assert!(left_over(std::slice::from_ref(&config), folder.path()).is_empty());
    let renamed = RemoteWriteConfig { name: "new".into(), ..config };
    assert_eq!(left_over(&[renamed], folder.path()), [(folder.path().join("remote/old"), bytes)]);
}

#[test]
fn settings_that_make_no_sense_are_said_with_the_targets_name() {
    let folder = tempfile::tempdir().unwrap();
    let fails = |configs: &[RemoteWriteConfig]| {
        Remote::open(configs, folder.path(), Clock::new()).err().expect("not sound").to_string()
    };
    let sound = RemoteWriteConfig::new("mine", "http://127.0.0.1:1/");
    let twice = fails(&[sound.clone(), sound.clone()]);
    assert!(twice.contains("mine") && twice.contains("two targets"), "{twice}");
    let ca = fails(&[RemoteWriteConfig { ca_file: Some("/nowhere.pem".into()), ..sound.clone() }]);
    assert!(ca.contains("/nowhere.pem") && ca.contains("--remote-write"), "{ca}");
    let many: Vec<_> =
        (0..17).map(|i| RemoteWriteConfig { name: format!("t{i}"), ..sound.clone() }).collect();
    assert!(fails(&many).contains("16 targets"));
}
