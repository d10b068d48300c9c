//! The samples that queries are compared on, in three stores: a fleet for an hour and one node for a day.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chasar_tsdb::storage::Disk;
use chasar_tsdb::{ABSENT, Labels, Options, Store, Sync};

use crate::engine::Engine;
use crate::history::{Node, Recording};
use crate::remote_write::Request;

type Outcome<T> = Result<T, Box<dyn Error + Send + std::marker::Sync>>;

/// Seconds of a node that are sent, or stored, at once.
const BLOCK_SECONDS: i64 = 120;
/// Between two lines that say how far it is.
const LINE: Duration = Duration::from_secs(10);

/// How much there is, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Nodes of the fleet; one more has reported for longer.
    pub nodes: u64,
    /// Series of each.
    pub series: usize,
    /// For how long the fleet reported.
    pub seconds: i64,
    /// For how long the one node did.
    pub long_seconds: i64,
    /// When all of them stopped, Unix milliseconds.
    pub end_ms: i64,
}

impl Size {
    /// As text of a file, to know a folder again.
    pub fn text(&self) -> String {
        let Size { nodes, series, seconds, long_seconds, end_ms } = self;
        format!("{nodes} {series} {seconds} {long_seconds} {end_ms}\n")
    }

    /// Reads [`Size::text`].
    pub fn read(text: &str) -> Option<Size> {
        let mut numbers = text.split_whitespace().map(str::parse::<i64>);
        let mut next = || numbers.next()?.ok();
        Some(Size {
            nodes: u64::try_from(next()?).ok()?,
            series: usize::try_from(next()?).ok()?,
            seconds: next()?,
            long_seconds: next()?,
            end_ms: next()?,
        })
    }

    /// The node that has reported for longer: the one after the fleet.
    pub fn long_node(&self) -> String {
        format!("node-{:05}", self.nodes)
    }

    /// Samples there are if no series lacks any.
    pub fn samples(&self) -> u64 {
        (self.nodes * self.seconds.unsigned_abs() + self.long_seconds.unsigned_abs()) * self.series as u64
    }
}

/// Some nodes and when each begins.
struct Players<'a> {
    recording: &'a Recording,
    nodes: Vec<(Node, i64)>,
    at_ms: i64,
}

impl<'a> Players<'a> {
    /// Those of all nodes whose number is `part` when counted in `parts`.
    fn new(recording: &'a Recording, size: Size, part: u64, parts: u64) -> Players<'a> {
        let begin = |number| {
            let seconds = if number == size.nodes { size.long_seconds } else { size.seconds };
            size.end_ms - seconds * 1000
        };
        let numbers = (0..=size.nodes).filter(|n| n % parts == part);
        let nodes: Vec<(Node, i64)> = numbers.map(|n| (Node::new(n, recording), begin(n))).collect();
        let at_ms = nodes.iter().map(|(_, begin)| *begin).min().unwrap_or(size.end_ms);
        Players { recording, nodes, at_ms }
    }

    /// Hands on blocks of rows of a node each, in the order of time, up to some time.
    fn play(
        &mut self,
        until_ms: i64,
        mut block: impl FnMut(usize, &[(i64, Vec<f64>)]) -> Outcome<()>,
    ) -> Outcome<()> {
        let mut rows: Vec<(i64, Vec<f64>)> = Vec::new();
        while self.at_ms < until_ms {
            let at = self.at_ms;
            let next = (at + BLOCK_SECONDS * 1000).min(until_ms);
            for (number, (node, begin)) in self.nodes.iter_mut().enumerate() {
                rows.clear();
                for second_ms in (at.max(*begin)..next).step_by(1000) {
                    node.step(self.recording);
                    rows.push((node.sampled_at_ms(second_ms), node.values.clone()));
                }
                if !rows.is_empty() {
                    block(number, &rows)?;
                }
            }
            self.at_ms = next;
        }
        Ok(())
    }
}

/// Says now and then how far it is.
struct Progress<'a> {
    what: &'a str,
    begun: Instant,
    said: Instant,
}

impl<'a> Progress<'a> {
    fn new(what: &'a str) -> Progress<'a> {
        Progress { what, begun: Instant::now(), said: Instant::now() }
    }

    fn at(&mut self, done: u64, all: u64) {
        if self.said.elapsed() < LINE {
            return;
        }
        self.said = Instant::now();
        let seconds = self.begun.elapsed().as_secs_f64();
        let left = seconds * (all as f64 / done.max(1) as f64 - 1.0);
        eprintln!(
            "{}: {:.0} of {:.0} M samples, {left:.0} s left",
            self.what,
            done as f64 / 1e6,
            all as f64 / 1e6
        );
    }
}

/// Puts all samples into a store of ours, as a masternode does: row by row, second by second.
///
/// # Errors
/// When the folder cannot be written.
pub fn load_ours(recording: &Recording, size: Size, folder: &Path) -> Outcome<u64> {
    std::fs::create_dir_all(folder)?;
    let options =
        Options { max_bytes: 1 << 40, head_bytes: 4 << 30, sync: Sync::Never, ..Options::default() };
    let (store, _) = Store::open(Arc::new(Disk::open(folder)?), options)?;
    let mut writer = store.writer()?;
    let layout = writer.layout(recording.series.iter().map(|(l, k)| (l, *k)));
    let mut players = Players::new(recording, size, 0, 1);
    let labels = players.nodes.iter().map(|(node, _)| node.labels()).collect::<Result<Vec<_>, _>>()?;
    let sources: Vec<_> = labels.iter().map(|labels| writer.source(labels)).collect();
    let mut progress = Progress::new("chasar");
    let last = players.nodes.len() - 1;
    let mut done = 0;
    players.play(size.end_ms, |number, rows| {
        for (time, values) in rows {
            writer.row(&sources[number], &layout, *time, values)?;
        }
        done += (rows.len() * size.series) as u64;
        let now = rows.last().map_or(0, |(time, _)| *time);
        writer.commit(now)?;
        // The last node ends each round, and is the first to report.
        if number == last {
            store.maintain(now)?;
            progress.at(done, size.samples());
        }
        Ok(())
    })?;
    store.flush(size.end_ms)?;
    // As the hours after it would.
    while store.maintain(size.end_ms + 26 * 3_600_000)?.more {}
    Ok(store.stats().raw.values)
}

/// Sends all samples to another store, over some connections at once.
///
/// # Errors
/// When it refuses any.
pub fn load_engine(recording: &Recording, size: Size, engine: &Engine, name: &str) -> Outcome<u64> {
    const CONNECTIONS: u64 = 2;
    let (done, sent) = (AtomicU64::new(0), AtomicU64::new(0));
    // Stores refuse what is an hour older than what others said: first all that was before the fleet.
    let fleet_ms = size.end_ms - size.seconds * 1000;
    let mut parts: Vec<Players<'_>> =
        (0..CONNECTIONS).map(|part| Players::new(recording, size, part, CONNECTIONS)).collect();
    let send = |players: &mut Players<'_>, until_ms: i64| -> Outcome<()> {
        let mut sender = engine.sender()?;
        let mut series = Vec::new();
        for (node, _) in &players.nodes {
            let source = node.labels()?;
            let own = recording.series.iter().map(|(l, _)| Labels::new(l.iter().chain(source.iter())));
            series.push(own.collect::<Result<Vec<_>, _>>()?);
        }
        let mut progress = Progress::new(name);
        players.play(until_ms, |number, rows| {
            let mut request = Request::default();
            for (i, labels) in series[number].iter().enumerate() {
                if rows.iter().any(|row| row.1[i].to_bits() != ABSENT.to_bits()) {
                    request.series(labels, rows.iter().map(|row| (row.0, row.1[i])));
                }
            }
            sender.send(&request)?;
            sent.fetch_add(request.samples(), Ordering::Relaxed);
            let before = done.fetch_add((rows.len() * size.series) as u64, Ordering::Relaxed);
            progress.at(before, size.samples());
            Ok(())
        })
    };
    parts.iter_mut().try_for_each(|part| send(part, fleet_ms))?;
    thread::scope(|scope| {
        let send = &send;
        let threads: Vec<_> =
            parts.iter_mut().map(|part| scope.spawn(move || send(part, size.end_ms))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a sender panicked")?)
    })?;
    Ok(sent.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_loads_play_the_same_samples() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/history.txt.zst");
        let recording = crate::exporter_names::dressed(Recording::read(&path).unwrap(), 10);
        let size = Size { nodes: 3, series: 10, seconds: 130, long_seconds: 400, end_ms: 1_700_000_000_000 };
        assert_eq!(Size::read(&size.text()), Some(size));
        let played = |parts: u64| {
            let mut all = Vec::new();
            for part in 0..parts {
                let mut players = Players::new(&recording, size, part, parts);
                players
                    .play(size.end_ms, |at, rows| {
                        all.extend(rows.iter().map(|(t, v)| (at as u64 * parts + part, *t, v.clone())));
                        Ok(())
                    })
                    .unwrap();
            }
            all.sort_by_key(|a| (a.0, a.1));
            all.into_iter().map(|(n, t, v)| (n, t, v.iter().map(|v| v.to_bits()).collect())).collect()
        };
        let one: Vec<(u64, i64, Vec<u64>)> = played(1);
        assert_eq!(one.len(), 3 * 130 + 400);
        assert_eq!(one, played(2));
        let folder = tempfile::tempdir().unwrap();
        let stored = load_ours(&recording, size, folder.path()).unwrap();
        let there = one.iter().flat_map(|(_, _, v)| v).filter(|v| **v != ABSENT.to_bits()).count();
        assert_eq!(stored, there as u64);
    }
}
