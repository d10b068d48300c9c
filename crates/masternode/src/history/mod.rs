//! The history thread: owns what nodes said, as series.
//!
//! The core hands on every report it accepted, and every change of a node's state; who wants to
//! know the newest samples asks. It never keeps the core waiting: what does not fit into the queue
//! waits there, and too much of it is dropped, oldest first, and counted. Once a second what came is
//! committed to the store; what the store has to do beside that is done by a thread of its own, the
//! upkeep.

mod book;
mod instances;
mod keep;
mod processes;
mod row;
mod source;
mod store;
pub(crate) mod time;

use std::collections::VecDeque;
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chasar_fleet::State;
use chasar_wire::Report;
use crossbeam_channel::{Receiver, Sender, TrySendError, never, select};
use tokio::sync::oneshot;

use crate::message::{Counts, Published};
use crate::receive::{Batch, Verdict};
use crate::remote::Tap;
use crate::running::Clock;
use crate::state_folder::replace;

use book::Book;
pub(crate) use book::Newest;
pub(crate) use instances::Instances;
use keep::Scribe;
pub(crate) use keep::{JOB, Keep, STALE, Source};
pub(crate) use row::{ABSENT, Layout, SeriesOf};
#[cfg(test)]
pub(crate) use row::{Part, Rows};
pub(crate) use source::warnings;
pub use source::{StoreSource, store_matcher};
pub(crate) use store::{Upkeep, open, scribe};

/// Between two commits.
const COMMIT: Duration = Duration::from_secs(1);
/// A file that cannot be written is complained about this often.
const QUIET: Duration = Duration::from_secs(60);

/// What the core hands on.
#[derive(Debug)]
pub(crate) enum Entry {
    /// A report that nobody had before, or nobody knows whether it was stored.
    Report {
        node_id: Arc<str>,
        report: Box<Report>,
        /// Whether the node said newer things since.
        is_late: bool,
        /// When it came, Unix milliseconds.
        now_ms: i64,
    },
    /// Reports of a node stopped coming, or it was stopped on purpose.
    Down { node_id: Arc<str> },
    /// A node is not heard of any more.
    Forgotten { node_id: Arc<str> },
}

/// A question to the history thread.
#[derive(Debug)]
pub(crate) enum Question {
    /// The newest samples of all nodes, or of one.
    Newest { instance: Option<String>, answer: oneshot::Sender<Vec<Newest>> },
}

/// Reports that may wait in the core while the queue is full: what ten thousand nodes say while the
/// second before is committed.
const WAITING_REPORTS: usize = 16_384;
/// Entries of a batch: the queue is bounded in batches.
const BATCH: usize = 256;
/// Samples that others sent are committed together up to so many: reports wait no longer.
const RECEIVED_AT_ONCE: usize = 50_000;
/// The rest waits so long for the thread when the core ends; a stop has 5 seconds in all.
const LAST_WORD: Duration = Duration::from_secs(2);

/// The core's end of the queue.
pub(crate) struct Entries {
    queue: Sender<Vec<Entry>>,
    /// What did not fit into the queue yet; a turn of the core is a batch, and turns are short.
    waiting: VecDeque<Entry>,
    /// Reports among them, and the most there may be.
    reports: usize,
    most: usize,
    counts: Arc<Counts>,
}

impl Entries {
    pub(crate) fn new(queue: Sender<Vec<Entry>>, counts: Arc<Counts>) -> Entries {
        Entries { queue, waiting: VecDeque::new(), reports: 0, most: WAITING_REPORTS, counts }
    }

    /// Never waits: what the queue has no room for comes with the next batch, and of too much of it the
    /// oldest reports go. What says how nodes fare stays.
    pub(crate) fn hand_on(&mut self, entries: Vec<Entry>) {
        self.reports += entries.iter().filter(|entry| is_report(entry)).count();
        self.waiting.extend(entries);
        let too_many = self.reports.saturating_sub(self.most);
        if too_many > 0 {
            let mut left = too_many;
            self.waiting.retain(|entry| {
                let goes = left > 0 && is_report(entry);
                left -= usize::from(goes);
                !goes
            });
            self.counts.history_dropped.add(too_many as u64);
            self.reports -= too_many;
        }
        while !self.waiting.is_empty() {
            let piece: Vec<_> = self.waiting.drain(..self.waiting.len().min(BATCH)).collect();
            let reports = piece.iter().filter(|entry| is_report(entry)).count();
            match self.queue.try_send(piece) {
                // Without the thread the whole program ends.
                Ok(()) | Err(TrySendError::Disconnected(_)) => self.reports -= reports,
                Err(TrySendError::Full(piece)) => {
                    piece.into_iter().rev().for_each(|entry| self.waiting.push_front(entry));
                    return;
                }
            }
        }
    }

    /// What still waits goes, and is waited for.
    pub(crate) fn end(&mut self) {
        if !self.waiting.is_empty() {
            let rest = mem::take(&mut self.waiting).into();
            if self.queue.send_timeout(rest, LAST_WORD).is_err() {
                self.counts.history_dropped.add(self.reports as u64);
            }
        }
    }
}

fn is_report(entry: &Entry) -> bool {
    matches!(entry, Entry::Report { .. })
}

pub(crate) struct History {
    pub(crate) entries: Receiver<Vec<Entry>>,
    pub(crate) questions: Receiver<Question>,
    /// What others send.
    pub(crate) batches: Receiver<Batch>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) clock: Clock,
    /// The nodes known from before.
    pub(crate) remembered: Arc<Published>,
    /// The names of their series.
    pub(crate) instances: Instances,
    /// Where the names are remembered.
    pub(crate) instances_path: PathBuf,
    /// Where samples go: into the store, and to other stores. None: nowhere.
    pub(crate) keep: (Option<Scribe>, Option<Tap>),
    /// Ends with this thread, and the upkeep with it.
    pub(crate) upkeep: Option<Sender<()>>,
}

impl History {
    pub(crate) fn run(mut self) -> Result<(), String> {
        let mut book = Book::default();
        book.instances = std::mem::take(&mut self.instances);
        for node in &self.remembered.fleet.nodes {
            let is_up = matches!(node.state, State::Live | State::Late);
            book.remember(&node.node_id, &node.about.hostname, is_up);
        }
        let mut complained = None;
        let mut next = self.clock.now().monotonic + COMMIT;
        loop {
            let rest = next.saturating_sub(self.clock.now().monotonic);
            select! {
                recv(self.entries) -> batch => match batch {
                    Ok(batch) => self.take(&mut book, batch),
                    Err(_) => break,
                },
                recv(self.questions) -> question => match question {
                    Ok(question) => answer(&book, question),
                    // There is no HTTP, so nobody asks.
                    Err(_) => self.questions = never(),
                },
                recv(self.batches) -> batch => match batch {
                    Ok(batch) => self.store_received(&mut book, batch),
                    Err(_) => self.batches = never(),
                },
                default(rest) => {}
            }
            let now = self.clock.now();
            if now.monotonic >= next {
                book.ups(now.unix_ms, &mut self.keep);
                self.commit(&mut book, &mut complained);
                next = now.monotonic + COMMIT;
            }
        }
        self.commit(&mut book, &mut complained);
        drop(self.upkeep.take());
        Ok(())
    }

    fn commit(&mut self, book: &mut Book, complained: &mut Option<Instant>) {
        let (scribe, tap) = &mut self.keep;
        if let Some(scribe) = scribe {
            // What fails is in the store's health.
            let _ = scribe.commit(self.clock.now().unix_ms);
            self.counts.history_left_out.add(mem::take(&mut scribe.unnamed));
        }
        if let Some(tap) = tap {
            tap.commit();
        }
        let Some(text) = book.instances.changed() else { return };
        if let Err(cause) = replace(&self.instances_path, text.as_bytes()) {
            book.instances.not_written();
            if complained.is_none_or(|at| at.elapsed() >= QUIET) {
                *complained = Some(Instant::now());
                let path = self.instances_path.display();
                tracing::warn!(
                    "cannot write {path}: {cause}; hosts of one name could change theirs at a restart"
                );
            }
        }
    }

    /// Stores what others sent, and tells them. Reports that wait go first, and between the parts of much
    /// that is received; what else was sent meanwhile is committed along.
    fn store_received(&mut self, book: &mut Book, first: Batch) {
        // Who sent it has gone, and sends it again.
        if first.answer.is_closed() {
            return;
        }
        self.take_waiting(book);
        let mut samples = first.samples.len();
        let mut batches = vec![first];
        while samples < RECEIVED_AT_ONCE
            && let Ok(batch) = self.batches.try_recv()
        {
            samples += batch.samples.len();
            batches.push(batch);
        }
        let stored = self.store_in_parts(book, &batches);
        for Batch { verdict, answer, .. } in batches {
            // Who sent it may have gone.
            let _ = answer.send(match &stored {
                Ok(()) => verdict,
                Err(why) => Verdict::busy(&format!("the history cannot be written: {why}")),
            });
        }
    }

    /// Who is told that some of it is not stored sends all of it again, which changes nothing of the rest.
    fn store_in_parts(&mut self, book: &mut Book, batches: &[Batch]) -> Result<(), String> {
        let now_ms = self.clock.now().unix_ms;
        self.keep.0.as_mut().ok_or("there is none")?.commit_reports(now_ms)?;
        let mut room = RECEIVED_AT_ONCE;
        for batch in batches {
            let mut rest = &batch.samples[..];
            while !rest.is_empty() {
                let (part, later) = rest.split_at(rest.len().min(room));
                self.keep.0.as_mut().ok_or("there is none")?.received(part);
                (rest, room) = (later, room - part.len());
                if room == 0 {
                    self.commit_received()?;
                    self.take_waiting(book);
                    room = RECEIVED_AT_ONCE;
                }
            }
        }
        self.commit_received()
    }

    fn commit_received(&mut self) -> Result<(), String> {
        let now_ms = self.clock.now().unix_ms;
        self.keep.0.as_mut().ok_or("there is none")?.commit(now_ms)
    }

    fn take_waiting(&mut self, book: &mut Book) {
        for _ in 0..self.entries.len() {
            let Ok(entries) = self.entries.try_recv() else { break };
            self.take(book, entries);
        }
    }

    fn take(&mut self, book: &mut Book, batch: Vec<Entry>) {
        let keep = &mut self.keep;
        for entry in batch {
            match entry {
                Entry::Report { node_id, report, is_late, now_ms } => {
                    book.report(&node_id, &report, is_late, now_ms, keep);
                    self.counts.history_left_out.add(std::mem::take(&mut book.left_out));
                }
                Entry::Down { node_id } => book.down(&node_id, keep),
                Entry::Forgotten { node_id } => book.forget(&node_id, self.clock.now().unix_ms, keep),
            }
        }
    }
}

fn answer(book: &Book, question: Question) {
    match question {
        // Who asked may have gone.
        Question::Newest { instance, answer } => drop(answer.send(book.newest(instance.as_deref()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::bounded;

    fn report(hostname: &str) -> Entry {
        let report = chasar_wire::decode(format!(r#"{{"hostname":"{hostname}"}}"#).as_bytes()).unwrap();
        Entry::Report { node_id: hostname.into(), report: Box::new(report), is_late: false, now_ms: 0 }
    }

    #[test]
    fn when_it_is_too_slow_the_oldest_reports_go_and_states_stay() {
        let counts = Arc::<Counts>::default();
        let (sender, receiver) = bounded(1);
        let mut entries = Entries::new(sender, counts.clone());
        entries.most = 2;
        let kept = |receiver: &Receiver<Vec<Entry>>| -> Vec<String> {
            receiver.try_iter().flatten().map(|entry| format!("{entry:?}")).collect()
        };
        entries.hand_on(vec![report("first")]);
        entries.hand_on(vec![Entry::Down { node_id: "a".into() }, report("a")]);
        entries.hand_on(vec![report("b")]);
        assert_eq!(counts.history_dropped.get(), 0);
        entries.hand_on(vec![report("c")]);
        assert_eq!(counts.history_dropped.get(), 1);
        assert!(kept(&receiver)[0].contains("\"first\""));
        // There is room again; what waited comes first.
        entries.hand_on(Vec::new());
        let waited = kept(&receiver);
        let names: Vec<_> = waited.iter().map(|text| text.split(['{', ' ']).next().unwrap()).collect();
        assert_eq!(names, ["Down", "Report", "Report"]);
        assert!(waited[1].contains("\"b\"") && waited[2].contains("\"c\""));
        entries.hand_on(vec![report("d")]);
        entries.hand_on(vec![report("last")]);
        assert!(kept(&receiver)[0].contains("\"d\""));
        entries.end();
        assert!(kept(&receiver)[0].contains("\"last\""));
        assert_eq!(counts.history_dropped.get(), 1);
    }

    #[test]
    fn who_asks_gets_the_newest() {
        let (sender, entries) = bounded(4);
        let (ask, questions) = bounded(4);
        let folder = tempfile::tempdir().unwrap();
        let instances_path = folder.path().join("instances.json");
        let history = History {
            entries,
            questions,
            batches: never(),
            counts: Arc::default(),
            clock: Clock::new(),
            remembered: Arc::default(),
            instances: Instances::default(),
            instances_path: instances_path.clone(),
            keep: (None, None),
            upkeep: None,
        };
        let thread = std::thread::spawn(move || history.run());
        sender.send(vec![report("web")]).unwrap();
        let newest = loop {
            let (answer, reply) = oneshot::channel();
            ask.send(Question::Newest { instance: None, answer }).unwrap();
            let newest = reply.blocking_recv().unwrap();
            if !newest.is_empty() {
                break newest;
            }
        };
        assert_eq!((&*newest[0].instance, newest[0].is_up), ("web", true));
        drop(ask);
        drop(sender);
        thread.join().unwrap().unwrap();
        let names = std::fs::read_to_string(instances_path).unwrap();
        assert!(names.contains("web"), "{names}");
    }
}
