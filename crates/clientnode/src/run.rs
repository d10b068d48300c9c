//! The loop: one thread that waits for the next deadline or a link, and does what [`Life`] says.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chasar_link::{Endpoint, LinkEvent, ReporterConfig, Reporters, Sent};
use chasar_probes::{Host, Now, Sampler};
use chasar_wire::pack::{Packer, Unpacker};
use chasar_wire::{encode_end, topic};

use crate::assemble::Assembler;
use crate::config::{Config, Problem};
use crate::identity::{Identity, IdentityError};
use crate::life::{Effect, Event, Handed, Input, Life, Outcome, Sampled, Settings};
use crate::outbox::Limits;
use crate::pacer::Pace;
use crate::platform::{self, Clock};
use crate::route::OVERLAP;
use crate::say;
use crate::spool::Spool;
use crate::spool::folders::{self, Place};
use crate::spool::storage::Folder;
use crate::stop::Stop;
use crate::uplink::{self, Uplink};
use crate::watcher::{News, Watcher};

/// While the link is good, the reports of the last [`OVERLAP`] are kept as they are if that takes no more
/// than this: it is less than the working memory of packing, and costs no time. Otherwise, and when
/// they wait, they are packed.
const PLAIN_UP_TO_BYTES: usize = 384 << 10;

/// Why an agent does not run, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Settings are wrong; all of them are listed.
    #[error("{}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("; "))]
    Config(Vec<Problem>),
    /// There is no identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Another agent has the spool folder.
    #[error("another clientnode uses the spool folder {}; give this one a folder of its own", .0.display())]
    SpoolInUse(PathBuf),
    /// The link cannot be set up, or broke in a way that connecting again does not mend.
    #[error("link to the masternode: {0}")]
    Link(#[from] chasar_link::Error),
}

/// Runs an agent until `stop` is triggered.
///
/// The masternode need not be there: the agent keeps its reports and goes on trying.
///
/// # Errors
/// When it cannot start (settings, identity in use or unreadable), or when the link fails beyond repair. A
/// host name that cannot be resolved is no reason to end: it is looked up again and again.
pub fn run(config: &Config, stop: &Stop) -> Result<(), RunError> {
    run_watched(config, stop, &mut ())
}

/// Like [`run()`], and tells somebody how it is doing.
///
/// # Errors
/// As [`run()`].
pub fn run_watched(config: &Config, stop: &Stop, watcher: &mut dyn Watcher) -> Result<(), RunError> {
    Agent::start(config)?.run(stop, watcher)
}

struct Agent {
    clock: Clock,
    life: Life,
    reporters: Reporters,
    /// By the masternode's number.
    uplinks: Vec<Uplink>,
    handed: Vec<Handed>,
    assembler: Assembler,
    effects: Vec<Effect>,
    compress: bool,
    /// Sent reports up to this size are kept as they are.
    plain_up_to_bytes: usize,
    goodbye: Duration,
    /// What the supervisor was last told of several links.
    told: String,
    said_shrunk: bool,
    /// Made when something has to be packed, and given up when nothing waits.
    packer: Option<Packer>,
    unpacker: Option<Unpacker>,
    packed: Vec<u8>,
    /// The report with the end that is for one masternode only, where there is one.
    ended: Vec<u8>,
    has_end: bool,
    replay: Vec<u8>,
    /// Keeps the state folder locked.
    _identity: Identity,
}

impl Agent {
    fn start(config: &Config) -> Result<Agent, RunError> {
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(RunError::Config(problems));
        }
        let endpoints = config.endpoints().map_err(chasar_link::Error::from)?;
        let uplinks: Vec<Uplink> = endpoints.iter().map(|e| Uplink::new(e.to_string())).collect();
        let facts = platform::hardware_facts(std::path::Path::new("/"));
        let identity = Identity::load(&config.state_folder, &facts)?;
        say::identity(&identity, config);
        let spools = open_spools(config, &endpoints, &identity)?;
        let configs: Vec<_> = endpoints.into_iter().map(ReporterConfig::new).collect();
        let reporters = Reporters::connect(&configs)?;

        let clock = Clock::new();
        let for_probes = clock.clone();
        let sampler = Sampler::new(
            chasar_probes::Config {
                host: Arc::new(Host::live()),
                monotonic: Arc::new(move || for_probes.monotonic()),
                processes: config.processes,
            },
            &now(&clock),
        );
        let settings = Settings {
            interval: config.interval,
            limits: config.outbox.map(|o| Limits { bytes: o.bytes, age: o.age }),
            pace: Pace { per_second: config.replay_per_second, start_within: config.replay_start_within },
        };
        let seed = u64::from_str_radix(&identity.session[..16], 16).unwrap_or(0);
        let started_at_ms = now(&clock).unix_micros.div_euclid(1000);
        let interval_seconds = config.interval.as_secs_f64();
        let masternodes =
            uplinks.iter().map(|uplink| uplink.masternode.as_str()).collect::<Vec<_>>().join(", ");
        tracing::info!(
            masternode = masternodes,
            node_id = identity.node_id,
            session = identity.session,
            interval_seconds,
            "clientnode started"
        );
        Ok(Agent {
            life: Life::new(clock.since_boot(), settings, spools, seed),
            assembler: Assembler::new(sampler, &identity, interval_seconds, started_at_ms, clock.clone()),
            clock,
            reporters,
            handed: Vec::with_capacity(uplinks.len()),
            effects: Vec::new(),
            compress: config.compress,
            plain_up_to_bytes: (PLAIN_UP_TO_BYTES as f64
                * (interval_seconds / OVERLAP.as_secs_f64()).min(1.0))
                as usize,
            goodbye: config.goodbye,
            uplinks,
            told: String::new(),
            said_shrunk: false,
            packer: None,
            unpacker: None,
            packed: Vec::new(),
            ended: Vec::new(),
            has_end: false,
            replay: Vec::new(),
            _identity: identity,
        })
    }

    fn run(mut self, stop: &Stop, watcher: &mut dyn Watcher) -> Result<(), RunError> {
        let mut ready = false;
        loop {
            let input = if stop.is_triggered() {
                watcher.hear(News::Stopping);
                Input::Stop
            } else {
                Input::Woken
            };
            self.step(input);
            if let Some(flush) = self.carry_out()? {
                let wait = if flush { self.goodbye } else { Duration::ZERO };
                self.reporters.close(wait)?;
                tracing::info!("clientnode ended");
                return Ok(());
            }
            self.remind();
            if !std::mem::replace(&mut ready, true) {
                watcher.hear(News::Ready { masternode: &self.uplinks[0].masternode });
            }
            watcher.hear(News::Alive);
            self.tell(watcher);
            let wake = self.life.next_wake();
            let timeout = wake.saturating_sub(self.clock.since_boot());
            let timeout = watcher.every().map_or(timeout, |every| timeout.min(every));
            if let Some((from, event)) = self.reporters.wait_or_woken(timeout, stop.wake())? {
                self.link_event(from, event);
            }
        }
    }

    /// Tells the supervisor of the links.
    fn tell(&mut self, watcher: &mut dyn Watcher) {
        if let [uplink] = &mut self.uplinks[..] {
            let is_up = self.life.link_is_up(0);
            let masternode = uplink.masternode.as_str();
            if !is_up {
                watcher.hear(News::NoLink { masternode, reason: uplink.reason() });
            } else if !uplink.told_up {
                watcher.hear(News::Connected { masternode });
            }
            uplink.told_up = is_up;
            return;
        }
        let links = self.uplinks.iter().enumerate().map(|(to, uplink)| (uplink, self.life.link_is_up(to)));
        let status = uplink::status(links);
        if status != self.told {
            watcher.hear(News::Links { status: &status });
            self.told = status;
        }
    }

    fn step(&mut self, input: Input<'_>) {
        self.life.step(self.clock.since_boot(), input, &mut self.effects);
    }

    fn link_event(&mut self, from: usize, event: LinkEvent) {
        let now = self.clock.since_boot();
        let uplink = &mut self.uplinks[from];
        match event {
            LinkEvent::Up { .. } => {
                uplink.came_up();
                self.step(Input::LinkUp(from));
            }
            LinkEvent::Down { reason } => {
                uplink.went_down(now, reason);
                self.step(Input::LinkDown(from));
            }
            LinkEvent::Trouble(text) => {
                tracing::warn!(masternode = uplink.masternode, "no link: {text}; trying again");
                uplink.fails(now, text);
            }
        }
    }

    /// Says again what keeps a link from coming up, if that was long ago.
    fn remind(&mut self) {
        let now = self.clock.since_boot();
        for (to, uplink) in self.uplinks.iter_mut().enumerate() {
            if let Some((masternode, since, text)) = uplink.remind(now) {
                let waiting = self.life.outbox().pending(to);
                let minutes = since.as_secs() / 60;
                tracing::warn!(masternode, waiting, "still no link for {minutes} min: {text}; trying again");
            }
        }
    }

    /// Takes in what one link has to tell; whether it had anything.
    fn hear_link(&mut self, from: usize) -> Result<bool, RunError> {
        let mut heard = false;
        while let Some(event) = self.reporters.get(from).wait(Duration::ZERO)? {
            heard = true;
            self.link_event(from, event);
        }
        Ok(heard)
    }

    /// Does everything in `effects`, and what follows from it; at the end, whether to flush.
    fn carry_out(&mut self) -> Result<Option<bool>, RunError> {
        let mut next = 0;
        let mut leave = None;
        while next < self.effects.len() {
            let effect = std::mem::replace(&mut self.effects[next], Effect::Rest);
            next += 1;
            match effect {
                Effect::Sample { sequence, leaving } => self.sample(sequence, leaving)?,
                Effect::Replay { to } => self.replay(to)?,
                Effect::Rest => self.rest(),
                Effect::Leave { flush } => leave = Some(flush),
                Effect::Say { to, event } => {
                    let uplink = &mut self.uplinks[to];
                    let reason = match event {
                        Event::Lost { .. } => uplink.down_reason.take(),
                        _ => None,
                    };
                    say::event(&uplink.masternode, event, reason);
                }
            }
        }
        self.effects.clear();
        Ok(leave)
    }

    /// Takes a sample and sends it to all masternodes whose link is up.
    fn sample(&mut self, sequence: u64, leaving: bool) -> Result<(), RunError> {
        let sampled_at = self.clock.since_boot();
        let now = now(&self.clock);
        self.assembler.sample(sequence, &now);
        for to in 0..self.uplinks.len() {
            self.hear_link(to)?;
        }
        self.assembler.encode(&self.life, &self.uplinks);
        if let Some(shrunk) = self.assembler.shrunk()
            && !std::mem::replace(&mut self.said_shrunk, true)
        {
            tracing::warn!(
                bytes = shrunk.bytes,
                processes = shrunk.of,
                listed = shrunk.listed,
                "a report of {} bytes is over the limit: processes are left out of it; list fewer (said once)",
                shrunk.bytes
            );
        }
        self.handed.clear();
        // Whether `self.packed` holds the report as it is kept.
        let mut packed = false;
        for to in 0..self.uplinks.len() {
            let handed = self.hand(to, sequence, leaving, &mut packed)?;
            self.handed.push(handed);
        }
        // What only one masternode is told belongs to the report; what differs between several does not.
        let json = if self.has_end && self.uplinks.len() == 1 { &self.ended } else { self.assembler.json() };
        let all_sent = self.handed.iter().all(|handed| handed.outcome == Outcome::Queued);
        if !packed && (!all_sent || json.len() > self.plain_up_to_bytes) {
            self.packer.get_or_insert_with(Packer::new).pack(json, &mut self.packed);
            packed = true;
        }
        let bytes = if packed { &self.packed } else { json };
        let sampled_at_ms = now.unix_micros.div_euclid(1000);
        let handed = &self.handed;
        let sampled = Sampled { sequence, sampled_at, sampled_at_ms, bytes, packed, handed };
        self.life.step(self.clock.since_boot(), Input::Sampled(sampled), &mut self.effects);
        Ok(())
    }

    /// Hands the sampled report to the link of one masternode. `packed` tells whether [`Agent::packed`] holds
    /// the report as it is kept.
    fn hand(
        &mut self,
        to: usize,
        sequence: u64,
        leaving: bool,
        packed: &mut bool,
    ) -> Result<Handed, RunError> {
        // The claim must be true for the connection it travels on. So nothing may have happened to the
        // link between the look at it and the sending; else it is asked for again.
        let mut claim;
        loop {
            claim = self.life.claim(to, sequence);
            if !self.hear_link(to)? {
                break;
            }
        }
        let is_up = self.life.link_is_up(to);
        let leaving = leaving && is_up;
        let json = self.assembler.json();
        self.has_end = leaving || claim.is_some();
        if self.has_end {
            self.ended.clear();
            self.ended.extend_from_slice(json);
            encode_end(leaving, claim, &mut self.ended);
        }
        if !is_up {
            return Ok(Handed { outcome: Outcome::NoPeer, wire_bytes: 0 });
        }
        let report = if self.has_end { &self.ended[..] } else { json };
        let is_kept = !self.has_end || self.uplinks.len() == 1;
        let (topic, body) = match (self.compress, is_kept) {
            (false, _) => (topic::STATUS, report),
            (true, true) => {
                if !std::mem::replace(packed, true) {
                    self.packer.get_or_insert_with(Packer::new).pack(report, &mut self.packed);
                }
                (topic::STATUS_ZSTD, &self.packed[..])
            }
            (true, false) => {
                self.packer.get_or_insert_with(Packer::new).pack(&self.ended, &mut self.replay);
                (topic::STATUS_ZSTD, &self.replay[..])
            }
        };
        let sent = self.reporters.get(to).send(topic.as_bytes(), body)?;
        Ok(Handed { outcome: outcome(sent), wire_bytes: body.len() })
    }

    /// Sends a masternode the next report that waits for it.
    fn replay(&mut self, to: usize) -> Result<(), RunError> {
        let is_up = self.life.link_is_up(to);
        let next = if is_up { self.life.next_replay(to, &mut self.replay) } else { None };
        let Some(next) = next else {
            self.step(Input::NothingToReplay);
            return Ok(());
        };
        let mut sound = true;
        match (next.packed, self.compress) {
            (true, false) => {
                let unpacker = self.unpacker.get_or_insert_with(Unpacker::new);
                if let Err(error) = unpacker.unpack(&self.replay, &mut self.packed) {
                    tracing::warn!("a kept report cannot be unpacked and is let go: {error}");
                    sound = false;
                }
            }
            (false, true) => {
                self.packer.get_or_insert_with(Packer::new).pack(&self.replay, &mut self.packed);
            }
            _ => std::mem::swap(&mut self.replay, &mut self.packed),
        }
        let topic = if self.compress { topic::STATUS_ZSTD } else { topic::STATUS };
        let reporter = self.reporters.get(to);
        let sent = if sound { Some(reporter.send(topic.as_bytes(), &self.packed)?) } else { None };
        let wire_bytes = self.packed.len();
        self.step(Input::Replayed { to, next, outcome: sent.map(outcome), wire_bytes });
        Ok(())
    }

    /// Nothing waits any more: working memory goes back.
    fn rest(&mut self) {
        if !self.compress {
            self.packer = None;
        }
        self.unpacker = None;
        self.packed = Vec::new();
        self.ended = Vec::new();
        self.replay = Vec::new();
        platform::release_memory();
    }
}

fn outcome(sent: Sent) -> Outcome {
    match sent {
        Sent::Queued => Outcome::Queued,
        Sent::NoPeer => Outcome::NoPeer,
        Sent::Full => Outcome::Full,
    }
}

/// The one place where the agent reads the wall clock.
fn now(clock: &Clock) -> Now {
    let unix_micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX),
    };
    Now { unix_micros, monotonic: clock.monotonic() }
}

/// What waits on disk for each masternode.
fn open_spools(
    config: &Config,
    endpoints: &[Endpoint],
    identity: &Identity,
) -> Result<Vec<Option<Spool>>, RunError> {
    let Some(spool) = &config.spool else { return Ok(endpoints.iter().map(|_| None).collect()) };
    let (places, left) = folders::places(&spool.folder, endpoints);
    for (folder, masternode) in left {
        tracing::warn!(
            folder = %folder.display(),
            "reports wait for {}, which is no masternode of this clientnode any more: \
             name it again, or delete them",
            masternode.escape_debug()
        );
    }
    places.into_iter().map(|place| open_spool(place, spool.bytes, identity)).collect()
}

fn open_spool(place: Place, bytes: u64, identity: &Identity) -> Result<Option<Spool>, RunError> {
    let opened = Folder::open(&place.folder).and_then(|folder| {
        place.mark()?;
        Spool::open(Box::new(folder), &identity.node_id, bytes)
    });
    let folder = place.folder;
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(e) if e.kind() == std::io::ErrorKind::ResourceBusy => Err(RunError::SpoolInUse(folder)),
        // A spoiled disk must not end the reporting of it.
        Err(error) => {
            tracing::error!(
                folder = %folder.display(),
                "no spool: {error}; reports that wait are kept in memory only"
            );
            Ok(None)
        }
    }
}
