//! The loop: one thread that waits for the next deadline or the link, and does what [`Life`] says.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chasar_link::{DownReason, LinkEvent, Reporter, ReporterConfig, Sent};
use chasar_probes::{Host, Now, Sampler};
use chasar_wire::pack::{Packer, Unpacker};
use chasar_wire::topic;

use crate::Moment;
use crate::assemble::{Assembler, SelfReport};
use crate::config::{Config, Problem};
use crate::identity::{Identity, IdentityError, Note};
use crate::life::{Effect, Event, Input, Life, OVERLAP, Outcome, Sampled, Settings};
use crate::outbox::Limits;
use crate::pacer::Pace;
use crate::platform::{self, Clock};
use crate::spool::storage::Folder;
use crate::spool::{Notice, Spool};
use crate::stop::Stop;
use crate::watcher::{News, Watcher};

/// While the link is good, the reports of the last [`OVERLAP`] are kept as they are if that takes no more
/// than this: it is less than the working memory of packing, and costs no time. Otherwise, and when
/// they wait, they are packed.
const PLAIN_UP_TO_BYTES: usize = 384 << 10;

/// What keeps the link from coming up is said again this often.
const REMIND_EVERY: Duration = Duration::from_secs(60);

/// What keeps the link from coming up.
struct Trouble {
    text: String,
    since: Moment,
    /// When it was last told.
    said: Moment,
}

impl Trouble {
    /// Whether it was told so long ago that it is to be told again.
    fn is_due(&self, now: Moment) -> bool {
        now.saturating_sub(self.said) >= REMIND_EVERY
    }
}

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
    reporter: Reporter,
    assembler: Assembler,
    effects: Vec<Effect>,
    compress: bool,
    /// Sent reports up to this size are kept as they are.
    plain_up_to_bytes: usize,
    goodbye: Duration,
    masternode: String,
    /// Why the link went down last.
    down_reason: Option<DownReason>,
    trouble: Option<Trouble>,
    said_shrunk: bool,
    /// Made when something has to be packed, and given up when nothing waits.
    packer: Option<Packer>,
    unpacker: Option<Unpacker>,
    packed: Vec<u8>,
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
        let endpoint = config.endpoint().map_err(chasar_link::Error::from)?;
        let masternode = endpoint.to_string();
        let facts = platform::hardware_facts(std::path::Path::new("/"));
        let identity = Identity::load(&config.state_folder, &facts)?;
        say_identity(&identity, config);
        let spool = open_spool(config, &identity)?;
        let reporter = Reporter::connect(&ReporterConfig::new(endpoint))?;

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
        tracing::info!(
            masternode,
            node_id = identity.node_id,
            session = identity.session,
            interval_seconds,
            "clientnode started"
        );
        Ok(Agent {
            life: Life::new(clock.since_boot(), settings, spool, seed),
            assembler: Assembler::new(sampler, &identity, interval_seconds, started_at_ms, clock.clone()),
            clock,
            reporter,
            effects: Vec::new(),
            compress: config.compress,
            plain_up_to_bytes: (PLAIN_UP_TO_BYTES as f64
                * (interval_seconds / OVERLAP.as_secs_f64()).min(1.0))
                as usize,
            goodbye: config.goodbye,
            masternode,
            down_reason: None,
            trouble: None,
            said_shrunk: false,
            packer: None,
            unpacker: None,
            packed: Vec::new(),
            replay: Vec::new(),
            _identity: identity,
        })
    }

    fn run(mut self, stop: &Stop, watcher: &mut dyn Watcher) -> Result<(), RunError> {
        let mut ready = false;
        let mut was_up = false;
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
                self.reporter.close(wait)?;
                tracing::info!("clientnode ended");
                return Ok(());
            }
            self.remind();
            if !std::mem::replace(&mut ready, true) {
                watcher.hear(News::Ready { masternode: &self.masternode });
            }
            watcher.hear(News::Alive);
            let is_up = self.life.link_is_up();
            if is_up {
                if !was_up {
                    watcher.hear(News::Connected { masternode: &self.masternode });
                }
            } else {
                let reason = self.trouble.as_ref().map_or("not connected yet", |t| &t.text);
                watcher.hear(News::NoLink { masternode: &self.masternode, reason });
            }
            was_up = is_up;
            let wake = self.life.next_wake();
            let timeout = wake.saturating_sub(self.clock.since_boot());
            let timeout = watcher.every().map_or(timeout, |every| timeout.min(every));
            if let Some(event) = self.reporter.wait_or_woken(timeout, stop.wake())? {
                self.link_event(event);
            }
        }
    }

    fn step(&mut self, input: Input<'_>) {
        self.life.step(self.clock.since_boot(), input, &mut self.effects);
    }

    fn link_event(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Up { .. } => {
                self.trouble = None;
                self.step(Input::LinkUp);
            }
            LinkEvent::Down { reason } => {
                let since = self.clock.since_boot();
                self.trouble = Some(Trouble { text: reason.to_string(), since, said: since });
                self.down_reason = Some(reason);
                self.step(Input::LinkDown);
            }
            LinkEvent::Trouble(text) => {
                tracing::warn!(masternode = self.masternode, "no link: {text}; trying again");
                let now = self.clock.since_boot();
                let since = self.trouble.as_ref().map_or(now, |trouble| trouble.since);
                self.trouble = Some(Trouble { text, since, said: now });
            }
        }
    }

    /// Says again what keeps the link from coming up, if that was long ago.
    fn remind(&mut self) {
        let now = self.clock.since_boot();
        let Some(trouble) = self.trouble.as_mut().filter(|trouble| trouble.is_due(now)) else { return };
        trouble.said = now;
        let waiting = self.life.outbox().reports();
        tracing::warn!(
            masternode = self.masternode,
            waiting,
            "still no link for {} min: {}; trying again",
            now.saturating_sub(trouble.since).as_secs() / 60,
            trouble.text
        );
    }

    /// Takes in what the link has to tell; whether it had anything.
    fn hear_link(&mut self) -> Result<bool, RunError> {
        let mut heard = false;
        while let Some(event) = self.reporter.wait(Duration::ZERO)? {
            heard = true;
            self.link_event(event);
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
                Effect::Replay => self.replay()?,
                Effect::Rest => self.rest(),
                Effect::Leave { flush } => leave = Some(flush),
                Effect::Say(event) => self.say(event),
            }
        }
        self.effects.clear();
        Ok(leave)
    }

    /// Takes a sample and sends it, if the link is up.
    fn sample(&mut self, sequence: u64, leaving: bool) -> Result<(), RunError> {
        let sampled_at = self.clock.since_boot();
        let now = now(&self.clock);
        self.assembler.sample(sequence, &now);
        // The claim in the report must be true for the connection it travels on. So nothing may have
        // happened to the link between the look at it and the sending; else it is encoded again.
        self.hear_link()?;
        loop {
            let claim = self.life.claim(sequence);
            let leaving = leaving && self.life.link_is_up();
            self.assembler.encode(leaving, claim, SelfReport::of(&self.life));
            if !self.hear_link()? {
                break;
            }
        }
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
        let up = self.life.link_is_up();
        let json = self.assembler.json();
        let outcome = if !up {
            Outcome::NoPeer
        } else if self.compress {
            self.packer.get_or_insert_with(Packer::new).pack(json, &mut self.packed);
            outcome(self.reporter.send(topic::STATUS_ZSTD.as_bytes(), &self.packed)?)
        } else {
            outcome(self.reporter.send(topic::STATUS.as_bytes(), json)?)
        };
        let wire_bytes = if self.compress { self.packed.len() } else { json.len() };
        let packed = if self.compress && up {
            true
        } else if outcome != Outcome::Queued || json.len() > self.plain_up_to_bytes {
            self.packer.get_or_insert_with(Packer::new).pack(json, &mut self.packed);
            true
        } else {
            false
        };
        let bytes = if packed { &self.packed } else { json };
        let sampled_at_ms = now.unix_micros.div_euclid(1000);
        let sampled = Sampled { sequence, sampled_at, sampled_at_ms, bytes, packed, outcome, wire_bytes };
        self.life.step(self.clock.since_boot(), Input::Sampled(sampled), &mut self.effects);
        Ok(())
    }

    /// Sends the next waiting report again.
    fn replay(&mut self) -> Result<(), RunError> {
        let next = if self.life.link_is_up() { self.life.next_replay(&mut self.replay) } else { None };
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
        let sent = if sound { Some(self.reporter.send(topic.as_bytes(), &self.packed)?) } else { None };
        let wire_bytes = self.packed.len();
        self.step(Input::Replayed { next, outcome: sent.map(outcome), wire_bytes });
        Ok(())
    }

    /// Nothing waits any more: working memory goes back.
    fn rest(&mut self) {
        if !self.compress {
            self.packer = None;
        }
        self.unpacker = None;
        self.packed = Vec::new();
        self.replay = Vec::new();
        platform::release_memory();
    }

    fn say(&mut self, event: Event) {
        let masternode = self.masternode.as_str();
        match event {
            Event::Connected { pending } => tracing::info!(masternode, pending, "connected"),
            Event::Lost { pending } => match self.down_reason.take() {
                Some(reason) => tracing::warn!(masternode, pending, "link lost: {reason}"),
                None => tracing::warn!(masternode, pending, "link lost"),
            },
            Event::Replaying { pending, per_second } => {
                tracing::info!(pending, per_second, "sending again what was sampled during the outage");
            }
            Event::ReplayDone { reports } => tracing::info!(reports, "replay done"),
            Event::Dropping => {
                tracing::warn!("reports are let go unsent: the outbox is off, full, or they are too old");
            }
            Event::LeftBehind { reports } => {
                tracing::warn!(
                    reports,
                    "reports that waited end with this process; a spool folder would keep them"
                );
            }
            Event::Spool(notice) => say_spool(&notice),
        }
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

fn open_spool(config: &Config, identity: &Identity) -> Result<Option<Spool>, RunError> {
    let Some(spool) = &config.spool else { return Ok(None) };
    let opened = Folder::open(&spool.folder)
        .and_then(|folder| Spool::open(Box::new(folder), &identity.node_id, spool.bytes));
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(e) if e.kind() == std::io::ErrorKind::ResourceBusy => {
            Err(RunError::SpoolInUse(spool.folder.clone()))
        }
        // A spoiled disk must not end the reporting of it.
        Err(error) => {
            tracing::error!(
                folder = %spool.folder.display(),
                "no spool: {error}; reports that wait are kept in memory only"
            );
            Ok(None)
        }
    }
}

fn say_identity(identity: &Identity, config: &Config) {
    let folder = config.state_folder.display();
    let node_id = identity.node_id.as_str();
    match &identity.note {
        None => {}
        Some(Note::New) => tracing::info!(node_id, %folder, "new identity"),
        Some(Note::Copied { previous }) => tracing::warn!(
            node_id, previous, %folder,
            "the identity was made on another computer (a copied disk?): this one got its own"
        ),
        Some(Note::Spoiled) => {
            tracing::warn!(node_id, %folder, "the file node_id has no identity in it: made a new one");
        }
        Some(Note::Ephemeral { error }) => tracing::warn!(
            node_id, %folder,
            "cannot keep an identity: {error}; after a restart this computer is another node"
        ),
    }
}

fn say_spool(notice: &Notice) {
    match notice {
        Notice::Found { reports } => tracing::info!(reports, "spool: reports of earlier sessions wait"),
        Notice::TornTail { segment, bytes } => {
            tracing::warn!(segment, bytes, "spool: cut off an unfinished record (after a crash)");
        }
        Notice::Foreign { segment } => {
            tracing::warn!(segment, "spool: a file is no segment of this version; left alone");
        }
        Notice::OtherNode { segment } => {
            tracing::warn!(segment, "spool: removed reports of another node (a copied folder)");
        }
        Notice::Unreadable { segment, reports, error } => {
            let error =
                error.as_ref().map_or_else(|| "its bytes are spoiled".to_owned(), ToString::to_string);
            tracing::error!(segment, reports, "spool: cannot be read back: {error}");
        }
        Notice::Failing { error } => {
            tracing::error!("spool: cannot be written: {error}; reports that wait are kept in memory only");
        }
        Notice::Works => tracing::info!("spool: can be written again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_once_a_minute() {
        let start = Duration::from_secs(1_000);
        let mut trouble = Trouble { text: String::new(), since: start, said: start };
        let mut told = Vec::new();
        for tick in 0..250 {
            let now = start + Duration::from_secs(tick);
            if trouble.is_due(now) {
                trouble.said = now;
                told.push(tick);
            }
        }
        assert_eq!(told, [60, 120, 180, 240]);
    }
}
