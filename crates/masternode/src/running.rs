//! Starting the parts, and stopping them in order.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use chasar_fleet::{Fleet, Now, Restored};
use chasar_link::{Broadcaster, BroadcasterConfig, Collector, CollectorConfig, Endpoint};
use crossbeam_channel::{Receiver, bounded, unbounded};

use crate::config::Config;
use crate::core::Core;
use crate::error::{StartError, StopError, WorkerError};
use crate::history::{self, Entries, History, Instances, Upkeep};
use crate::http::{HttpServer, Stopper as HttpStopper};
use crate::ingest::Ingest;
use crate::message::{Count, Counts, Flags, Published};
use crate::receive::{BATCHES, DELIVERIES, Receive, Receiving};
use crate::recorder::Recorder;
use crate::remote::Remote;
use crate::state_folder::StateFolder;
use crate::stream::Stream;
use crate::upstream::{Upstream, UpstreamState};
use crate::worker::{Ended, spawn};

/// Batches between ingest and core: at 256 reports each more than a second of 10,000 nodes.
const INBOX: usize = 64;
/// Batches between core and stream.
const OUTBOX: usize = 256;
/// Batches between core and history.
const HISTORY: usize = 64;
/// Questions to the history.
const QUESTIONS: usize = 64;
/// Batches between stream and recorder.
const RECORDS: usize = 1_024;

/// The part that ends when HTTP does.
const RECEIVE: &str = "receive";
/// The part that nobody has to wait for.
const UPKEEP: &str = "upkeep";

/// A masternode, to be started.
#[derive(Debug)]
pub struct Masternode;

/// Where a running masternode listens, with the real ports.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// For reports.
    pub reports: Endpoint,
    /// For subscribers.
    pub stream: Option<Endpoint>,
    /// For HTTP.
    pub http: Option<SocketAddr>,
}

/// A masternode that runs. Dropping it tells it to stop, and does not wait.
#[derive(Debug)]
pub struct Running {
    addresses: Addresses,
    flags: Arc<Flags>,
    counts: Arc<Counts>,
    http: Option<HttpStopper>,
    ended: Receiver<Ended>,
    parts: Vec<&'static str>,
    failure: Option<WorkerError>,
}

/// The clocks of this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn new() -> Clock {
        Clock(Instant::now())
    }

    pub(crate) fn now(self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { monotonic: self.0.elapsed(), unix_ms: unix.as_millis() as i64 }
    }
}

impl Masternode {
    /// Takes the state folder and the ports, remembers the fleet, and starts the threads.
    ///
    /// # Errors
    /// When a port or the state folder cannot be had, each with what to do.
    pub fn start(config: Config) -> Result<Running, StartError> {
        let state = StateFolder::open(&config.state_dir)?;
        open_files(config.fleet.max_nodes);
        let store = config.history.as_ref().map(history::open).transpose()?;
        let scribe = store.as_ref().map(history::scribe).transpose()?;
        let collector =
            Collector::bind(&CollectorConfig::new(config.reports.clone())).map_err(StartError::Reports)?;
        let broadcaster = config.stream.as_ref().map(|endpoint| {
            let mut stream = BroadcasterConfig::new(endpoint.clone());
            stream.queue_messages = config.stream_queue_messages;
            Broadcaster::bind(&stream).map_err(StartError::Stream)
        });
        let broadcaster = broadcaster.transpose()?;
        let http = config.http.as_ref().map(|http| HttpServer::bind(http, &state)).transpose()?;
        let addresses = Addresses {
            reports: collector.bound().clone(),
            stream: broadcaster.as_ref().map(|b| b.bound().clone()),
            http: http.as_ref().map(HttpServer::address),
        };
        warn_when_open(&addresses);

        let clock = Clock::new();
        let mut remote = Remote::open(&config.remote_write, &config.state_dir, clock)?;
        let memory = state.read(&state.memory_path())?;
        let (mut fleet, restored) = Fleet::restore(config.fleet.clone(), clock.now(), &memory);
        say_restored(&restored, &memory, &state)?;
        let settle = if restored.nodes > 0 { config.settle } else { Duration::ZERO };

        let (flags, counts) = (Arc::<Flags>::default(), Arc::<Counts>::default());
        let now = clock.now();
        let remembered = Published { fleet: fleet.snapshot(now), at: now.monotonic, ..Published::default() };
        let instances = instances(&state, &remembered)?;
        let instances_path = state.instances_path();
        let published = Arc::new(ArcSwap::from_pointee(remembered));
        let (inbox_sender, inbox) = bounded(INBOX);
        let (stream, stream_queue) = bounded(OUTBOX);
        let (repeat_sender, repeat) = bounded(4);
        let (recorder, records) = bounded(RECORDS);
        let (entries, entries_queue) = bounded(HISTORY);
        let (question, questions) = bounded(QUESTIONS);
        let (upkeep_sender, upkeep_end) = bounded(0);
        let (batch_sender, batches) = bounded(BATCHES);
        let (deliveries_sender, deliveries) = tokio::sync::mpsc::channel(DELIVERIES);
        let receiving = (config.receive.is_some() && store.is_some())
            .then(|| Receiving { deliveries: deliveries_sender, families: Arc::default() });
        let (ended_sender, ended) = unbounded();
        let mut parts = Vec::new();

        let upstreams: Vec<_> = config.upstreams.iter().map(|e| (e.clone(), UpstreamState::new(e))).collect();
        let (http_thread, http_stopper) = match http {
            Some(server) => {
                let (task, stopper) = server.prepare(crate::http::Sources {
                    published: published.clone(),
                    counts: counts.clone(),
                    flags: flags.clone(),
                    clock,
                    reports: collector.counters().clone(),
                    report_connections: collector.connections().counters().clone(),
                    stream: broadcaster.as_ref().map(|b| b.counters().clone()),
                    stream_connections: broadcaster.as_ref().map(|b| b.connections().counters().clone()),
                    addresses: addresses.clone(),
                    upstreams: upstreams.iter().map(|(_, state)| state.clone()).collect(),
                    questions: question,
                    store: store.clone(),
                    receiving: receiving.clone(),
                    remote: remote.stats.clone(),
                });
                (Some(task), Some(stopper))
            }
            None => (None, None),
        };
        let part = Recorder { queue: records, folder: state, flags: flags.clone(), counts: counts.clone() };
        parts.push("recorder");
        spawn("recorder", ended_sender.clone(), move || part.run())?;
        let part = Stream {
            broadcaster,
            queue: stream_queue.clone(),
            recorder,
            repeat: repeat_sender,
            flags: flags.clone(),
            counts: counts.clone(),
        };
        parts.push("stream");
        spawn("stream", ended_sender.clone(), move || part.run())?;
        // Without HTTP nothing comes, and it ends at once.
        if let (Some(Receiving { deliveries: sender, families }), Some(receive)) = (receiving, config.receive)
            && let (Some(store), Some(history), true) = (&store, &config.history, http_thread.is_some())
        {
            drop(sender);
            let part = Receive {
                deliveries,
                batches: batch_sender,
                store: store.clone(),
                families,
                config: receive,
                memory_bytes: history.memory_bytes,
                clock,
                counts: counts.clone(),
            };
            parts.push(RECEIVE);
            spawn(RECEIVE, ended_sender.clone(), move || part.run())?;
        }
        if let Some(store) = store {
            let part = Upkeep { store, end: upkeep_end, clock, counts: counts.clone() };
            parts.push(UPKEEP);
            spawn(UPKEEP, ended_sender.clone(), move || part.run())?;
        }
        let part = History {
            entries: entries_queue.clone(),
            questions,
            batches,
            counts: counts.clone(),
            clock,
            remembered: published.load_full(),
            instances,
            instances_path,
            keep: (scribe, remote.tap.take()),
            upkeep: Some(upkeep_sender),
        };
        remote.start(&ended_sender, &mut parts)?;
        parts.push("history");
        spawn("history", ended_sender.clone(), move || part.run())?;
        let part = Core {
            fleet,
            inbox,
            has_upstreams: !upstreams.is_empty(),
            history: Entries::new(entries, counts.clone()),
            stream,
            stream_oldest: stream_queue,
            repeat,
            published,
            clock,
            flags: flags.clone(),
            counts: counts.clone(),
        };
        parts.push("core");
        spawn("core", ended_sender.clone(), move || part.run())?;
        if let Some(task) = http_thread {
            parts.push("http");
            spawn("http", ended_sender.clone(), move || task.run())?;
        }
        for (endpoint, state) in upstreams {
            let part = Upstream {
                endpoint,
                state,
                core: inbox_sender.clone(),
                clock,
                flags: flags.clone(),
                counts: counts.clone(),
                settle,
            };
            parts.push("upstream");
            spawn("upstream", ended_sender.clone(), move || part.run())?;
        }
        // Last, so that nothing comes in before all others are there.
        let part = Ingest {
            collector,
            core: inbox_sender,
            clock,
            flags: flags.clone(),
            counts: counts.clone(),
            settle,
        };
        parts.push("ingest");
        spawn("ingest", ended_sender, move || part.run())?;
        Ok(Running { addresses, flags, counts, http: http_stopper, ended, parts, failure: None })
    }
}

impl Running {
    /// Where it listens, with the real ports.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// How often the loops of ingest, core and stream came round. Each does so at least four times a second;
    /// one that does not is stuck, and the reports with it.
    pub fn turns(&self) -> [u64; 3] {
        [&self.counts.ingest_turns, &self.counts.core_turns, &self.counts.stream_turns].map(Count::get)
    }

    /// Waits until all parts have ended, at most so long; `None` while they run.
    ///
    /// # Errors
    /// When a part failed; the others are told to stop then, and [`Running::stop`] waits for them.
    pub fn wait(&mut self, at_most: Duration) -> Result<Option<()>, WorkerError> {
        let until = Instant::now() + at_most;
        while !self.parts.is_empty() {
            let Ok(ended) = self.ended.recv_deadline(until) else { return Ok(None) };
            self.note(ended);
            if let Some(failure) = &self.failure {
                return Err(failure.clone());
            }
        }
        Ok(Some(()))
    }

    /// Tells it to stop; [`Running::stop`] also waits.
    pub fn begin_stop(&self) {
        self.flags.stopping.store(true, Ordering::Relaxed);
    }

    /// Stops in order: takes no more reports in, publishes and records what has come, closes the
    /// sockets. Each part gets what is left of the `deadline`.
    ///
    /// # Errors
    /// When a part failed before, or parts still run after the deadline; their threads then end with
    /// the process.
    pub fn stop(mut self, deadline: Duration) -> Result<(), StopError> {
        self.begin_stop();
        let until = Instant::now() + deadline;
        while !self.parts.is_empty() {
            // HTTP answers until the rest is done, so that a stop can be watched.
            if self.parts.iter().all(|part| ["http", RECEIVE, UPKEEP].contains(part))
                && let Some(http) = self.http.take()
            {
                http.stop();
            }
            let Ok(ended) = self.ended.recv_deadline(until) else {
                // A large fleet's segment takes longer than a stop may. It may end at any moment:
                // all that would be in it is in the logs.
                if self.parts == [UPKEEP] {
                    break;
                }
                return Err(StopError::Deadline { parts: std::mem::take(&mut self.parts) });
            };
            self.note(ended);
        }
        match self.failure.take() {
            Some(failure) => Err(failure.into()),
            None => Ok(()),
        }
    }

    fn note(&mut self, (part, result): Ended) {
        // One at a time: there may be several upstreams.
        if let Some(at) = self.parts.iter().position(|running| *running == part) {
            self.parts.swap_remove(at);
        }
        if let Err(failure) = result {
            self.begin_stop();
            self.failure.get_or_insert(failure);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.begin_stop();
    }
}

/// Without descriptors new connections are refused, so the limit is raised as far as it goes.
fn open_files(max_nodes: usize) {
    match chasar_link::require_open_files(max_nodes as u64) {
        Ok(limit) => tracing::debug!("{limit} open files are allowed"),
        // The default fleet is larger than most will ever be; only a small limit is worth a line.
        Err(problem) => match chasar_link::raise_open_file_limit() {
            Ok(limit) if limit >= 4_096 => tracing::debug!("{problem}"),
            _ => tracing::warn!("{problem}"),
        },
    }
}

fn warn_when_open(addresses: &Addresses) {
    let is_open = |endpoint: &&Endpoint| !endpoint.is_loopback();
    let open: Vec<String> = [Some(&addresses.reports), addresses.stream.as_ref()]
        .into_iter()
        .flatten()
        .filter(is_open)
        .map(Endpoint::to_string)
        .collect();
    if !open.is_empty() {
        tracing::warn!(
            "{}: whoever can reach this may send reports and read all of them, in clear; \
             let only trusted networks reach it (firewall, VPN)",
            open.join(" and ")
        );
    }
}

/// The names of the series of those nodes that are known.
fn instances(state: &StateFolder, remembered: &Published) -> Result<Instances, StartError> {
    let path = state.instances_path();
    let text = state.read(&path)?;
    if text.is_empty() {
        return Ok(Instances::default());
    }
    let known: HashSet<&str> = remembered.fleet.nodes.iter().map(|node| &*node.node_id).collect();
    match Instances::read(&text, |node_id| known.contains(node_id)) {
        Ok(instances) => Ok(instances),
        Err(problem) => {
            let aside = state.put_aside(&path)?;
            tracing::warn!(
                "{}: {problem}; it is kept as {}, and names are given anew",
                path.display(),
                aside.display()
            );
            Ok(Instances::default())
        }
    }
}

fn say_restored(restored: &Restored, memory: &[u8], state: &StateFolder) -> Result<(), StartError> {
    if restored.nodes > 0 {
        tracing::info!("remembered {} nodes", restored.nodes);
    }
    let Some(problem) = restored.problem else { return Ok(()) };
    let path = state.memory_path();
    if restored.ignored_bytes == memory.len() {
        let aside = state.put_aside(&path)?;
        tracing::warn!(
            "{}: {problem}; it is kept as {}, and the fleet begins anew",
            path.display(),
            aside.display()
        );
    } else {
        tracing::warn!(
            "{}: {problem}; its last {} bytes are not used, so some replayed reports may be published twice",
            path.display(),
            restored.ignored_bytes
        );
    }
    Ok(())
}
