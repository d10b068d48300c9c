//! The history thread: owns what nodes said, as series.
//!
//! The core hands on every report that is a node's newest, and every change of a node's state; who wants to
//! know the newest samples asks. It never keeps the core waiting: what does not fit into the queue
//! is dropped, oldest first, and counted.

mod book;
mod instances;
mod processes;
mod row;

use std::sync::Arc;

use chasar_fleet::State;
use chasar_wire::Report;
use crossbeam_channel::{Receiver, Sender, TrySendError, select};
use tokio::sync::oneshot;

use crate::message::{Counts, Published};

use book::Book;
pub(crate) use book::Newest;
pub(crate) use row::{Layout, SeriesOf};

/// What the core hands on.
#[derive(Debug)]
pub(crate) enum Entry {
    /// A node's newest report; what came late says nothing about now.
    Report {
        node_id: Arc<str>,
        report: Box<Report>,
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

/// The core's end of the queue.
pub(crate) struct Entries {
    queue: Sender<Vec<Entry>>,
    /// The other end, to take out the oldest when it is full.
    oldest: Receiver<Vec<Entry>>,
    counts: Arc<Counts>,
}

impl Entries {
    pub(crate) fn new(
        queue: Sender<Vec<Entry>>,
        oldest: Receiver<Vec<Entry>>,
        counts: Arc<Counts>,
    ) -> Entries {
        Entries { queue, oldest, counts }
    }

    /// Never waits: when the queue is full the oldest reports go. What says how nodes fare stays.
    pub(crate) fn hand_on(&self, entries: Vec<Entry>) {
        let mut next = entries;
        while let Err(TrySendError::Full(mut entries)) = self.queue.try_send(next) {
            if let Ok(mut oldest) = self.oldest.try_recv() {
                let before = oldest.len();
                oldest.retain(|entry| !matches!(entry, Entry::Report { .. }));
                self.counts.history_dropped.add((before - oldest.len()) as u64);
                oldest.append(&mut entries);
                entries = oldest;
            }
            next = entries;
        }
    }
}

pub(crate) struct History {
    pub(crate) entries: Receiver<Vec<Entry>>,
    pub(crate) questions: Receiver<Question>,
    pub(crate) counts: Arc<Counts>,
    /// The nodes known from before.
    pub(crate) remembered: Arc<Published>,
}

impl History {
    pub(crate) fn run(self) -> Result<(), String> {
        let mut book = Book::default();
        for node in &self.remembered.fleet.nodes {
            let is_up = matches!(node.state, State::Live | State::Late);
            book.remember(&node.node_id, &node.about.hostname, is_up);
        }
        loop {
            select! {
                recv(self.entries) -> batch => match batch {
                    Ok(batch) => self.take(&mut book, batch),
                    Err(_) => return Ok(()),
                },
                recv(self.questions) -> question => match question {
                    Ok(question) => answer(&book, question),
                    // HTTP ends last; without it there is nobody to ask.
                    Err(_) => break,
                },
            }
        }
        self.entries.iter().for_each(|batch| self.take(&mut book, batch));
        Ok(())
    }

    fn take(&self, book: &mut Book, batch: Vec<Entry>) {
        for entry in batch {
            match entry {
                Entry::Report { node_id, report, now_ms } => {
                    book.report(&node_id, &report, now_ms);
                    self.counts.history_left_out.add(std::mem::take(&mut book.left_out));
                }
                Entry::Down { node_id } => book.down(&node_id),
                Entry::Forgotten { node_id } => book.forget(&node_id),
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
        Entry::Report { node_id: hostname.into(), report: Box::new(report), now_ms: 0 }
    }

    #[test]
    fn when_it_is_too_slow_the_oldest_reports_go_and_states_stay() {
        let counts = Arc::<Counts>::default();
        let (sender, receiver) = bounded(2);
        let entries = Entries::new(sender, receiver.clone(), counts.clone());
        entries.hand_on(vec![report("a"), Entry::Down { node_id: "a".into() }]);
        entries.hand_on(vec![report("b")]);
        entries.hand_on(vec![report("c")]);
        let kept: Vec<_> = receiver.try_iter().flatten().map(|entry| format!("{entry:?}")).collect();
        assert_eq!(counts.history_dropped.get(), 1);
        let names: Vec<_> = kept.iter().map(|text| text.split(['{', ' ']).next().unwrap()).collect();
        assert_eq!(names, ["Report", "Down", "Report"]);
        assert!(kept[0].contains("\"b\"") && kept[2].contains("\"c\""));
    }

    #[test]
    fn who_asks_gets_the_newest() {
        let (sender, entries) = bounded(4);
        let (ask, questions) = bounded(4);
        let history = History { entries, questions, counts: Arc::default(), remembered: Arc::default() };
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
    }
}
