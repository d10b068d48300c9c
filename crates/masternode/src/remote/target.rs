//! The thread of a target: owns its queue, makes its batches, and says what is sent when.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chasar_remote_write::Version;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, select};

use super::batcher::{Batch, Batcher};
use super::flow::{Effect, Flow, Input};
use super::log::{Log, Position, Unread};
use super::post::{Job, Reply};
use super::stats::{State, Stats};
use super::tap::Chunk;
use crate::running::Clock;

/// Batches in memory for each lane, and their bytes in all: the rest waits on disk.
const LOADED_PER_LANE: usize = 8;
const LOADED_BYTES: usize = 32 << 20;
/// Between two writes of the cursor, and two syncs.
const SAVE: Duration = Duration::from_secs(1);
/// What the disk does not give for so long is given up.
const READ_PATIENCE: Duration = Duration::from_secs(600);
/// A line of one kind is logged this often.
const QUIET: Duration = Duration::from_secs(60);
/// When the masternode stops, answers are waited for so long.
const LAST_WORD: Duration = Duration::from_millis(500);

/// A target at work.
pub(super) struct Target {
    pub(super) name: String,
    /// For the log.
    pub(super) url: String,
    pub(super) chunks: Receiver<Arc<Chunk>>,
    pub(super) replies: Receiver<Reply>,
    /// One of each lane.
    pub(super) jobs: Vec<Sender<Job>>,
    pub(super) batcher: Batcher,
    pub(super) log: Log,
    pub(super) flow: Flow,
    pub(super) stats: Arc<Stats>,
    pub(super) clock: Clock,
}

/// What is of no use to those who make a target.
#[derive(Default)]
struct Work {
    /// Requests that were not answered yet.
    posted: usize,
    /// Bodies of the batches in memory.
    loaded: HashMap<u64, (Arc<Vec<u8>>, u32)>,
    loaded_bytes: usize,
    /// Lanes of the batches that were loaded last.
    lanes: Option<u16>,
    cursor: Option<Position>,
    disk: Option<String>,
    /// Since when the next batch cannot be read, and why.
    unread: Option<(Duration, String)>,
    /// It is tried again with the next save.
    waits_to_read: bool,
    /// When samples were last dropped since the queue was full.
    dropped_at: Option<Duration>,
    /// When samples were last refused.
    refused_at: Option<Duration>,
    said: HashMap<&'static str, Instant>,
    /// The state that the log speaks of.
    said_state: State,
    version: Option<Version>,
    effects: Vec<Effect>,
}

impl Target {
    pub(super) fn run(mut self) -> Result<(), String> {
        let mut work = Work::default();
        let mut finished = Vec::new();
        let mut save_at = self.clock.now().monotonic + SAVE;
        self.load(&mut work);
        loop {
            let now = self.clock.now();
            let wake = self.flow.wake().unwrap_or(save_at).min(save_at);
            // As of a moment ago, so that what is due is done and not waited for without end.
            let rest = wake.saturating_sub(now.monotonic);
            select! {
                recv(self.chunks) -> chunk => match chunk {
                    Ok(chunk) => {
                        self.batcher.take(&chunk, self.clock.now().unix_ms, &mut finished);
                        self.stats.dropped_time.add(std::mem::take(&mut self.batcher.left_out));
                        self.store(&mut work, &mut finished);
                    }
                    Err(_) => break,
                },
                recv(self.replies) -> reply => match reply {
                    Ok(reply) => self.replied(&mut work, reply),
                    Err(_) => return Err("its connections ended".into()),
                },
                default(rest) => self.step(&mut work, Input::Woken),
            }
            self.load(&mut work);
            if self.clock.now().monotonic >= save_at {
                work.waits_to_read = false;
                self.save(&mut work);
                save_at = self.clock.now().monotonic + SAVE;
            }
            self.show(&mut work);
        }
        self.batcher.finish(&mut finished);
        self.store(&mut work, &mut finished);
        self.last_words(&mut work);
        self.save(&mut work);
        self.show(&mut work);
        Ok(())
    }

    /// What is on its way may be answered yet, and need not be sent again after a start.
    fn last_words(&mut self, work: &mut Work) {
        // Nothing more is sent.
        self.jobs.clear();
        let until = Instant::now() + LAST_WORD;
        while work.posted > 0 {
            match self.replies.recv_deadline(until) {
                Ok(reply) => self.replied(work, reply),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Writes finished batches into the queue.
    fn store(&mut self, work: &mut Work, finished: &mut Vec<Batch>) {
        for batch in finished.drain(..) {
            // Nothing waits on disk: it needs not be read from there.
            let lanes = Some(self.jobs.len() as u16);
            let is_next =
                self.log.is_read() && self.has_room(work) && (work.lanes == lanes || self.flow.len() == 0);
            match self.log.append(&batch) {
                Ok(end) => {
                    work.disk = None;
                    if is_next {
                        self.log.skip_to(end);
                        work.lanes = lanes;
                        self.hold(work, batch, Some(end));
                    }
                }
                Err(cause) => {
                    work.disk = Some(cause.to_string());
                    // It is not safe from a restart, but may be sent all the same.
                    if is_next {
                        self.hold(work, batch, None);
                    } else {
                        self.stats.dropped_disk.add(u64::from(batch.samples));
                    }
                }
            }
        }
        if self.log.is_too_large()
            && let Some(cursor) = work.cursor
            && let Err(cause) = self.log.remove_sent(cursor)
        {
            work.disk = Some(cause.to_string());
        }
        loop {
            match self.log.drop_oldest() {
                Ok(None) => break,
                Ok(Some((file, samples))) => {
                    let on_the_way = self.flow.on_the_way(file);
                    self.stats.dropped_queue.add(samples.saturating_sub(on_the_way));
                    // Without samples, all of it was sent.
                    if samples > 0 {
                        work.dropped_at = Some(self.clock.now().monotonic);
                    }
                    self.step(work, Input::Dropped { file });
                }
                Err(cause) => {
                    work.disk = Some(cause.to_string());
                    break;
                }
            }
        }
    }

    fn has_room(&self, work: &Work) -> bool {
        self.flow.len() < LOADED_PER_LANE * self.jobs.len().max(1) && work.loaded_bytes < LOADED_BYTES
    }

    fn hold(&mut self, work: &mut Work, batch: Batch, end: Option<Position>) {
        let Batch { lane, samples, body } = batch;
        work.loaded_bytes += body.len();
        work.loaded.insert(self.flow.next_number(), (Arc::new(body), samples));
        self.step(work, Input::Loaded { lane, samples, end });
    }

    /// Reads batches of the queue as far as there is room.
    fn load(&mut self, work: &mut Work) {
        while !work.waits_to_read && !self.log.is_read() && self.has_room(work) {
            // Series change their lanes with the number of lanes: those of before have to be done first.
            let lanes = self.log.next_lanes();
            if lanes != work.lanes && self.flow.len() > 0 {
                return;
            }
            work.lanes = lanes;
            match self.log.read_next() {
                Ok(Some(record)) => {
                    work.unread = None;
                    self.hold(work, record.batch, Some(record.end));
                }
                Ok(None) => return,
                Err(Unread::Damaged(wrong)) => self.give_up_file(work, &wrong),
                Err(Unread::Failed(cause)) => {
                    let now = self.clock.now().monotonic;
                    let since = work.unread.take().map_or(now, |(since, _)| since);
                    if now.saturating_sub(since) < READ_PATIENCE {
                        work.unread = Some((since, cause.to_string()));
                        work.waits_to_read = true;
                        return;
                    }
                    // A place of the disk that stays bad must not keep all that is behind it.
                    self.give_up_file(work, &format!("cannot be read: {cause}"));
                }
            }
        }
    }

    fn give_up_file(&mut self, work: &mut Work, wrong: &str) {
        let file = self.log.file_name();
        let samples = self.log.give_up_file(self.flow.held(self.log.reads()));
        self.stats.dropped_disk.add(samples);
        work.unread = None;
        tracing::warn!(
            "remote write to {}: batches of {file} {wrong}; {samples} samples, the rest of it, are dropped",
            self.name
        );
    }

    fn replied(&mut self, work: &mut Work, reply: Reply) {
        let Reply { lane, version, answer, sent_bytes } = reply;
        work.posted = work.posted.saturating_sub(1);
        self.stats.requests.add(1);
        self.stats.sent_bytes.add(sent_bytes as u64);
        if matches!(answer, super::flow::Answer::Later { .. }) {
            self.stats.retries.add(1);
        }
        self.step(work, Input::Answered { lane, version, answer });
        if let Some(why) = self.flow.refusal.take() {
            self.say(work, "refused", |target| {
                tracing::warn!(
                    "remote write to {target}: samples were refused and are dropped: {why}; \
                     chasar_remote_samples_dropped_total counts them"
                );
            });
        }
    }

    fn step(&mut self, work: &mut Work, input: Input) {
        let mut effects = std::mem::take(&mut work.effects);
        self.flow.step(self.clock.now().monotonic, input, &mut effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Post { lane, number, version } => {
                    let Some((body, samples)) = work.loaded.get(&number) else { continue };
                    let job = Job { version, body: body.clone(), samples: *samples };
                    // A lane has one job at a time, so there is room; at the end there are no lanes.
                    let sent = self.jobs.get(usize::from(lane)).map(|jobs| jobs.try_send(job));
                    work.posted += usize::from(matches!(sent, Some(Ok(()))));
                }
                Effect::Done { number, end, written, refused } => {
                    self.stats.sent.add(u64::from(written));
                    self.stats.dropped_refused.add(u64::from(refused));
                    if refused > 0 {
                        work.refused_at = Some(self.clock.now().monotonic);
                    }
                    if let Some(end) = end {
                        self.log.done(end.file, written + refused);
                    }
                    forget(work, number);
                }
                Effect::Lost { number, samples } => {
                    self.stats.dropped_queue.add(u64::from(samples));
                    forget(work, number);
                }
                Effect::Cursor(position) => work.cursor = Some(position),
            }
        }
        work.effects = effects;
    }

    fn save(&mut self, work: &mut Work) {
        let saved = work.cursor.map_or(Ok(()), |cursor| self.log.save_cursor(cursor));
        if saved.is_ok() {
            work.cursor = None;
        }
        // What cannot be said of the past is no reason not to keep what is new.
        if let Err(cause) = saved.and(self.log.sync()) {
            work.disk = Some(cause.to_string());
        }
    }

    /// Says how the target fares: to those who ask, and, when it changes, in the log.
    fn show(&mut self, work: &mut Work) {
        self.stats.waiting.set(self.log.samples() + self.flow.not_on_disk());
        self.stats.queue_bytes.set(self.log.bytes());
        let now = self.clock.now().monotonic;
        let lately = |at: Option<Duration>| at.is_some_and(|at| now.saturating_sub(at) < QUIET);
        let failing = work.disk.as_ref().or(work.unread.as_ref().map(|(_, why)| why));
        let state = match (failing, self.flow.trouble()) {
            (Some(_), _) => State::DiskFailing,
            // A target that takes everything, but slower than it comes, is no better.
            (None, _) if lately(work.dropped_at) => State::QueueFull,
            (None, Some(_)) => State::Retrying,
            (None, None) if lately(work.refused_at) => State::Refusing,
            (None, None) => State::Good,
        };
        let version = self.flow.version();
        let number = match version {
            None => 0,
            Some(Version::V1) => 1,
            Some(Version::V2) => 2,
        };
        self.stats.set_state(state, number);
        if version != work.version {
            work.version = version;
            tracing::info!("remote write to {}: in messages of {number}.0", self.name);
        }
        if state == work.said_state {
            return;
        }
        let was_said = match state {
            // The refusal was said when it came.
            State::Refusing => true,
            State::Good => {
                self.say(work, "good", |target| tracing::info!("remote write to {target} goes on"))
            }
            State::Retrying => {
                let trouble = self.flow.trouble().unwrap_or_default();
                self.say(work, "retrying", |target| {
                    let url = &self.url;
                    tracing::warn!(
                        "remote write to {target} ({url}): {trouble}; samples wait on disk and are sent again"
                    );
                })
            }
            State::QueueFull => {
                let trouble = self.flow.trouble().unwrap_or("it takes samples slower than they come");
                self.say(work, "full", |target| {
                    let url = &self.url;
                    tracing::warn!(
                        "remote write to {target} ({url}): {trouble}; its queue is full and the oldest samples \
                         are dropped"
                    );
                })
            }
            State::DiskFailing => {
                let disk = failing.cloned().unwrap_or_default();
                self.say(work, "disk", |target| {
                    tracing::warn!("remote write to {target}: its queue cannot be written or read: {disk}");
                })
            }
        };
        // What was kept back is said later, if it is still so.
        if was_said {
            work.said_state = state;
        }
    }

    /// Logs a line, unless one of its kind was logged a moment ago.
    fn say(&self, work: &mut Work, what: &'static str, line: impl FnOnce(&str)) -> bool {
        let is_due = work.said.get(what).is_none_or(|at| at.elapsed() >= QUIET);
        if is_due {
            work.said.insert(what, Instant::now());
            line(&self.name);
        }
        is_due
    }
}

fn forget(work: &mut Work, number: u64) {
    if let Some((body, _)) = work.loaded.remove(&number) {
        work.loaded_bytes -= body.len();
    }
}

#[cfg(test)]
mod tests;
