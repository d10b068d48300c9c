//! A target without a thread, on a disk that fails; the test is the store that it sends to.

use chasar_tsdb::storage::Sim;
use crossbeam_channel::{bounded, unbounded};

use super::*;
use crate::remote::RemoteWriteConfig;
use crate::remote::flow::Answer;
use crate::remote::rules::Rules;

struct Bench {
    target: Target,
    work: Work,
    jobs: Vec<Receiver<Job>>,
}

fn bench(sim: &Sim, max_bytes: u64) -> Bench {
    let config = RemoteWriteConfig::new("target", "http://a/");
    let lanes = config.connections;
    let (log, _) = Log::open(Arc::new(sim.clone()), lanes, max_bytes).unwrap();
    let (senders, jobs) = (0..lanes).map(|_| bounded(1)).unzip();
    let target = Target {
        name: config.name.clone(),
        url: config.url.clone(),
        chunks: crossbeam_channel::never(),
        replies: unbounded().1,
        jobs: senders,
        batcher: Batcher::new(Rules::of(&config).unwrap(), lanes, 10),
        log,
        flow: Flow::new(lanes, Some(Version::V2), 0),
        stats: Arc::default(),
        clock: Clock::new(),
    };
    Bench { target, work: Work::default(), jobs }
}

impl Bench {
    /// A batch of ten samples comes.
    fn comes(&mut self, lane: u16, bytes: usize) {
        let batch = Batch { lane, samples: 10, body: vec![1; bytes] };
        self.target.store(&mut self.work, &mut vec![batch]);
        self.goes_on();
    }

    fn goes_on(&mut self) {
        self.target.load(&mut self.work);
        self.target.show(&mut self.work);
    }

    /// A second is over.
    fn saves(&mut self) {
        self.work.waits_to_read = false;
        self.target.save(&mut self.work);
        self.goes_on();
    }

    /// What is on its way over a connection is answered.
    fn answers(&mut self, lane: u16, answer: Answer) {
        self.jobs[usize::from(lane)].try_recv().expect("something is on its way");
        let reply = Reply { lane, version: Version::V2, answer, sent_bytes: 1 };
        self.target.replied(&mut self.work, reply);
        self.goes_on();
    }

    /// Takes everything, until nothing more comes; says how many requests those were.
    fn takes_all(&mut self) -> usize {
        let mut requests = 0;
        while let Some(lane) = self.jobs.iter().position(|jobs| !jobs.is_empty()) {
            self.answers(lane as u16, Answer::Taken { written: 10 });
            requests += 1;
        }
        requests
    }

    fn state(&self) -> State {
        self.target.stats.state().0
    }
}

/// Batches beyond those that memory holds.
const MANY: usize = 4 * LOADED_PER_LANE;

#[test]
fn nothing_is_given_up_when_the_disk_cannot_be_read_for_a_while() {
    let sim = Sim::new(1);
    let mut bench = bench(&sim, 1 << 30);
    sim.set_reads_fail(true);
    (0..MANY).for_each(|_| bench.comes(0, 100));
    let held = bench.takes_all();
    assert!(held < MANY, "{held}");
    bench.saves();
    assert_eq!((bench.takes_all(), bench.state()), (0, State::DiskFailing));
    sim.set_reads_fail(false);
    bench.saves();
    assert_eq!((held + bench.takes_all(), bench.state()), (MANY, State::Good));
    let stats = &bench.target.stats;
    assert_eq!((stats.dropped_disk.get(), stats.waiting.get()), (0, 0));
    assert_eq!(stats.sent.get(), MANY as u64 * 10);
}

#[test]
fn damage_costs_what_is_behind_it_in_the_file_and_no_more() {
    let sim = Sim::new(1);
    let mut bench = bench(&sim, 1 << 30);
    (0..MANY).for_each(|_| bench.comes(0, 100));
    let (held, file) = (bench.target.flow.len(), bench.target.log.file_name());
    // In the third batch of those that wait on disk.
    let record = (bench.target.log.bytes() as usize - 10) / MANY;
    sim.flip(&file, 10 + record * (held + 2) + record - 1, 1);
    // Those before it are read as room is made.
    let mut sent = 0;
    while bench.target.stats.dropped_disk.get() == 0 {
        bench.answers(0, Answer::Taken { written: 10 });
        sent += 1;
    }
    assert_eq!(bench.target.stats.dropped_disk.get(), 10 * (MANY - held - 2) as u64);
    (0..MANY).for_each(|_| bench.comes(0, 100));
    sent += bench.takes_all();
    assert_eq!(sent, held + 2 + MANY);
    let stats = &bench.target.stats;
    assert_eq!((stats.sent.get(), stats.waiting.get()), (sent as u64 * 10, 0));
}

#[test]
fn a_place_that_could_not_be_written_is_written_later() {
    let sim = Sim::new(1);
    let mut bench = bench(&sim, 1 << 30);
    (0..4).for_each(|_| bench.comes(0, 100));
    bench.answers(0, Answer::Taken { written: 10 });
    sim.set_capacity(Some(0));
    bench.saves();
    assert_eq!(bench.state(), State::DiskFailing);
    sim.set_capacity(None);
    bench.saves();
    let (log, _) = Log::open(Arc::new(sim.clone()), 2, 1 << 30).unwrap();
    assert_eq!(log.samples(), 30);
    // And with it, what is new is synced.
    let (log, _) = Log::open(Arc::new(sim.after_power_cut()), 2, 1 << 30).unwrap();
    assert!(log.samples() >= 30);
}

#[test]
fn every_sample_is_somewhere_whatever_is_dropped() {
    let sim = Sim::new(1);
    let mut bench = bench(&sim, 1 << 20);
    let mut came = 0;
    for i in 0..200 {
        bench.comes(i % 2, 30_000);
        came += 10;
        if i % 3 == 0 {
            // What was on its way failed, and so the next drop takes it.
            let lane = i % 2;
            if !bench.jobs[usize::from(lane)].is_empty() {
                bench.answers(lane, Answer::Later { after: None, why: "503".into() });
            }
        }
        let stats = &bench.target.stats;
        assert_eq!(stats.waiting.get() + stats.dropped_queue.get(), came, "{i}: {stats:?}");
    }
    assert!(bench.target.stats.dropped_queue.get() > 500);
}

#[test]
fn who_takes_too_slowly_or_refuses_is_not_good() {
    let sim = Sim::new(1);
    let mut slow = bench(&sim, 1 << 20);
    while slow.target.stats.dropped_queue.get() == 0 {
        assert_eq!(slow.state(), State::Good);
        (0..4).for_each(|_| slow.comes(0, 30_000));
        slow.answers(0, Answer::Taken { written: 10 });
    }
    assert_eq!(slow.state(), State::QueueFull);

    let mut refuses = bench(&Sim::new(1), 1 << 20);
    refuses.comes(0, 10);
    let why = "401".to_owned();
    refuses.answers(0, Answer::Refused { written: 0, is_odd: false, why });
    assert_eq!((refuses.state(), refuses.target.stats.dropped_refused.get()), (State::Refusing, 10));
    refuses.comes(0, 10);
    refuses.answers(0, Answer::Later { after: None, why: "503".into() });
    assert_eq!(refuses.state(), State::Retrying);
}

#[test]
fn a_state_that_was_not_said_is_said_when_it_lasts() {
    let mut bench = bench(&Sim::new(1), 1 << 30);
    let fails = || Answer::Later { after: None, why: "503".into() };
    for _ in 0..2 {
        bench.comes(0, 10);
        bench.answers(0, fails());
        assert_eq!(bench.state(), State::Retrying);
        // The pause is over.
        while bench.jobs[0].is_empty() {
            bench.target.step(&mut bench.work, Input::Woken);
        }
        bench.takes_all();
        assert_eq!((bench.state(), bench.work.said_state), (State::Good, State::Good));
    }
    bench.comes(0, 10);
    bench.answers(0, fails());
    assert_eq!((bench.state(), bench.work.said_state), (State::Retrying, State::Good));
    // A minute later.
    bench.work.said.clear();
    bench.goes_on();
    assert_eq!(bench.work.said_state, State::Retrying);
}
