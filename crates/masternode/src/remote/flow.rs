//! Which batch is sent when: the heart of a target, without clocks, files and sockets.
//!
//! Batches come in the order of the queue. A lane sends one at a time, in order, so that the samples of a
//! series, which are always in one lane, arrive in order. What fails for now is sent again, the same
//! samples, after a pause that doubles from one time to the next.

use std::collections::VecDeque;
use std::time::Duration;

use chasar_remote_write::Version;

use super::log::Position;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A target that asks for longer is asked again after this.
const LONGEST_WISH: Duration = Duration::from_secs(600);

/// What a target said to a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has so many of the samples.
    Taken { written: u32 },
    /// It does not know messages of this version.
    Unknown,
    /// Not now: again after a while, which it may have named.
    Later { after: Option<Duration>, why: String },
    /// Never; so many of the samples it took all the same. `is_odd` when it may just not have
    /// understood the message.
    Refused { written: u32, is_odd: bool, why: String },
}

/// What happens to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// A batch of the queue is in memory, under the next number.
    Loaded { lane: u16, samples: u32, end: Option<Position> },
    /// A request was answered, or was not.
    Answered { lane: u16, version: Version, answer: Answer },
    /// A file of the queue was dropped.
    Dropped { file: u64 },
    /// Time has passed.
    Woken,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Send a batch.
    Post { lane: u16, number: u64, version: Version },
    /// A batch is done: its bytes are not needed any more. The rest of its samples was refused.
    Done { number: u64, end: Option<Position>, written: u32, refused: u32 },
    /// A batch was dropped before it was sent. `samples`: those that nobody counts, as their file was dropped
    /// while they were on their way.
    Lost { number: u64, samples: u32 },
    /// All before this place is done.
    Cursor(Position),
}

#[derive(Debug)]
struct Entry {
    samples: u32,
    end: Option<Position>,
    is_done: bool,
    /// Its file was dropped while it was on its way.
    is_orphan: bool,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<u64>,
    /// The first of those that wait is on its way.
    is_busy: bool,
    failures: u32,
    not_before: Duration,
    /// The next one is sent as 1.0, to see whether that is understood.
    tries_v1: bool,
    /// Why the last one failed; `None` when it did not, or nothing is left to fail.
    trouble: Option<String>,
}

/// A target's batches that are in memory.
#[derive(Debug)]
pub(super) struct Flow {
    lanes: Vec<Lane>,
    window: VecDeque<Entry>,
    /// Number of the first in the window.
    first: u64,
    version: Version,
    /// Whether a batch of this version was taken, or the operator chose it.
    is_sure: bool,
    /// By the operator.
    is_chosen: bool,
    not_before: Duration,
    random: u64,
    /// What was refused last, once.
    pub(super) refusal: Option<String>,
}

impl Flow {
    /// `version`: what the operator chose. `random` makes targets and masternodes pause for different times.
    pub(super) fn new(lanes: u16, version: Option<Version>, random: u64) -> Flow {
        Flow {
            lanes: (0..lanes).map(|_| Lane::default()).collect(),
            window: VecDeque::new(),
            first: 0,
            version: version.unwrap_or(Version::V2),
            is_sure: version.is_some(),
            is_chosen: version.is_some(),
            not_before: Duration::ZERO,
            random,
            refusal: None,
        }
    }

    /// The version that the target takes, once it is known.
    pub(super) fn version(&self) -> Option<Version> {
        self.is_sure.then_some(self.version)
    }

    /// Why something is sent again, if it is.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.lanes.iter().find_map(|lane| lane.trouble.as_deref())
    }

    /// Batches in memory.
    pub(super) fn len(&self) -> usize {
        self.window.len()
    }

    /// The number of the batch that is loaded next.
    pub(super) fn next_number(&self) -> u64 {
        self.first + self.window.len() as u64
    }

    /// Samples of a file that are on their way.
    pub(super) fn on_the_way(&self, file: u64) -> u64 {
        let busy = self.lanes.iter().filter(|lane| lane.is_busy);
        let entries = busy.filter_map(|lane| self.entry(*lane.waiting.front()?));
        let of_file = entries.filter(|entry| entry.end.is_some_and(|end| end.file == file));
        of_file.map(|entry| u64::from(entry.samples)).sum()
    }

    /// Samples that wait in memory alone.
    pub(super) fn not_on_disk(&self) -> u64 {
        let alone =
            self.window.iter().filter(|entry| !entry.is_done && (entry.end.is_none() || entry.is_orphan));
        alone.map(|entry| u64::from(entry.samples)).sum()
    }

    /// Samples of a file that are in memory and not done.
    pub(super) fn held(&self, file: u64) -> u64 {
        let of_file = self
            .window
            .iter()
            .filter(|entry| !entry.is_done && entry.end.is_some_and(|end| end.file == file));
        of_file.map(|entry| u64::from(entry.samples)).sum()
    }

    /// When something is to be sent again.
    pub(super) fn wake(&self) -> Option<Duration> {
        let idle = self.lanes.iter().filter(|lane| !lane.is_busy && !lane.waiting.is_empty());
        idle.map(|lane| lane.not_before.max(self.not_before)).min()
    }

    fn entry(&self, number: u64) -> Option<&Entry> {
        self.window.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn entry_mut(&mut self, number: u64) -> Option<&mut Entry> {
        self.window.get_mut(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// `now` is a monotonic time.
    pub(super) fn step(&mut self, now: Duration, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Loaded { lane, samples, end } => {
                let number = self.next_number();
                let lane = usize::from(lane) % self.lanes.len();
                self.lanes[lane].waiting.push_back(number);
                self.window.push_back(Entry { samples, end, is_done: false, is_orphan: false });
            }
            Input::Answered { lane, version, answer } => self.answered(now, lane, version, answer, effects),
            Input::Dropped { file } => self.dropped(file, effects),
            Input::Woken => {}
        }
        self.send(now, effects);
        self.advance(effects);
    }

    fn send(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        if now < self.not_before {
            return;
        }
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            if lane.is_busy || now < lane.not_before {
                continue;
            }
            if let Some(number) = lane.waiting.front() {
                lane.is_busy = true;
                let version = if lane.tries_v1 { Version::V1 } else { self.version };
                effects.push(Effect::Post { lane: index as u16, number: *number, version });
            }
        }
    }

    fn answered(
        &mut self,
        now: Duration,
        index: u16,
        version: Version,
        answer: Answer,
        effects: &mut Vec<Effect>,
    ) {
        let Some(lane) = self.lanes.get_mut(usize::from(index)) else { return };
        let Some(number) = lane.waiting.front().copied().filter(|_| lane.is_busy) else { return };
        lane.is_busy = false;
        let tried_v1 = std::mem::take(&mut lane.tries_v1);
        let (written, why) = match answer {
            Answer::Taken { written } => {
                self.version = version;
                self.is_sure = true;
                (written, None)
            }
            Answer::Unknown if version == Version::V2 && !self.is_chosen => {
                // Others may be on their way in 2.0: they will be told the same.
                self.version = Version::V1;
                return;
            }
            Answer::Unknown => (0, Some("it does not know this version of remote write".to_owned())),
            Answer::Refused { is_odd: true, .. } if !self.is_sure && !tried_v1 && version == Version::V2 => {
                lane.tries_v1 = true;
                return;
            }
            Answer::Refused { written, why, .. } => (written, Some(why)),
            Answer::Later { after, why } => {
                lane.tries_v1 = tried_v1;
                let pause = FIRST_PAUSE.saturating_mul(1 << lane.failures.min(20)).min(LONGEST_PAUSE);
                lane.failures += 1;
                // Between half of it and all of it.
                let part = (random(&mut self.random) >> 32) as u32;
                lane.not_before =
                    now + pause / 2 + (pause / 2).mul_f64(f64::from(part) / f64::from(u32::MAX));
                if let Some(after) = after {
                    self.not_before = self.not_before.max(now + after.min(LONGEST_WISH));
                }
                lane.trouble = Some(why);
                return;
            }
        };
        lane.failures = 0;
        lane.not_before = Duration::ZERO;
        lane.waiting.pop_front();
        lane.trouble = None;
        if why.is_some() {
            self.refusal = why;
        }
        let Some(entry) = self.entry_mut(number) else { return };
        entry.is_done = true;
        let written = written.min(entry.samples);
        let (end, refused) = (entry.end, entry.samples - written);
        if refused > 0 && self.refusal.is_none() {
            self.refusal = Some(format!("of {} samples it took {written}", written + refused));
        }
        effects.push(Effect::Done { number, end, written, refused });
    }

    fn dropped(&mut self, file: u64, effects: &mut Vec<Effect>) {
        let busy: Vec<u64> =
            self.lanes.iter().filter(|l| l.is_busy).filter_map(|l| l.waiting.front().copied()).collect();
        let mut lost = Vec::new();
        for (number, entry) in (self.first..).zip(&mut self.window) {
            let is_of_file = entry.end.is_some_and(|end| end.file <= file);
            if !is_of_file || entry.is_done {
                continue;
            }
            if busy.contains(&number) {
                entry.is_orphan = true;
            } else {
                entry.is_done = true;
                lost.push((number, if entry.is_orphan { entry.samples } else { 0 }));
            }
        }
        for lane in &mut self.lanes {
            lane.waiting.retain(|number| lost.iter().all(|(lost, _)| lost != number));
            if lane.waiting.is_empty() {
                lane.trouble = None;
            }
        }
        effects.extend(lost.into_iter().map(|(number, samples)| Effect::Lost { number, samples }));
    }

    fn advance(&mut self, effects: &mut Vec<Effect>) {
        let mut cursor = None;
        while let Some(entry) = self.window.pop_front_if(|entry| entry.is_done) {
            self.first += 1;
            cursor = entry.end.or(cursor);
        }
        effects.extend(cursor.map(Effect::Cursor));
    }
}

/// splitmix64 (Steele, Lea, Flood 2014).
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    const SECOND: Duration = Duration::from_secs(1);

    fn place(offset: u64) -> Option<Position> {
        Some(Position { file: 1 + offset / 100, offset })
    }

    fn step(flow: &mut Flow, now: Duration, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        flow.step(now, input, &mut effects);
        effects
    }

    fn load(flow: &mut Flow, lane: u16, offset: u64) -> Vec<Effect> {
        step(flow, Duration::ZERO, Input::Loaded { lane, samples: 10, end: place(offset) })
    }

    fn answer(flow: &mut Flow, now: Duration, lane: u16, version: Version, answer: Answer) -> Vec<Effect> {
        step(flow, now, Input::Answered { lane, version, answer })
    }

    fn posts(effects: &[Effect]) -> Vec<(u16, u64, Version)> {
        let post = |effect: &Effect| match effect {
            Effect::Post { lane, number, version } => Some((*lane, *number, *version)),
            _ => None,
        };
        effects.iter().filter_map(post).collect()
    }

    const TAKEN: Answer = Answer::Taken { written: 10 };

    fn later(after: Option<u64>) -> Answer {
        Answer::Later { after: after.map(Duration::from_secs), why: "503".into() }
    }

    fn refused(is_odd: bool) -> Answer {
        Answer::Refused { written: 4, is_odd, why: "400".into() }
    }

    #[test]
    fn a_lane_sends_one_at_a_time_and_the_cursor_waits_for_all() {
        let mut flow = Flow::new(2, None, 0);
        assert_eq!(posts(&load(&mut flow, 0, 10)), [(0, 0, Version::V2)]);
        assert_eq!(posts(&load(&mut flow, 0, 20)), []);
        assert_eq!(posts(&load(&mut flow, 1, 30)), [(1, 2, Version::V2)]);
        let done = |number, end, written, refused| Effect::Done { number, end: place(end), written, refused };
        let effects = answer(&mut flow, SECOND, 1, Version::V2, TAKEN);
        assert_eq!(effects, [done(2, 30, 10, 0)]);
        let effects = answer(&mut flow, SECOND, 0, Version::V2, TAKEN);
        let post = Effect::Post { lane: 0, number: 1, version: Version::V2 };
        assert_eq!(effects, [done(0, 10, 10, 0), post, Effect::Cursor(place(10).unwrap())]);
        let effects = answer(&mut flow, SECOND, 0, Version::V2, refused(false));
        assert_eq!(effects, [done(1, 20, 4, 6), Effect::Cursor(place(30).unwrap())]);
        assert_eq!((flow.refusal.as_deref(), flow.len()), (Some("400"), 0));
        // An answer that nobody waits for changes nothing.
        assert_eq!(answer(&mut flow, SECOND, 0, Version::V2, TAKEN), []);
    }

    #[test]
    fn pauses_double_and_wishes_are_kept() {
        let mut flow = Flow::new(1, Some(Version::V1), 7);
        load(&mut flow, 0, 10);
        let mut now = SECOND;
        let mut before = Duration::ZERO;
        for i in 0..12 {
            assert_eq!(answer(&mut flow, now, 0, Version::V1, later(None)), []);
            let pause = flow.wake().unwrap() - now;
            let whole = (FIRST_PAUSE * 2u32.pow(i)).min(LONGEST_PAUSE);
            assert!((whole / 2..=whole).contains(&pause), "{i}: {pause:?}");
            assert!(pause >= before || whole == LONGEST_PAUSE);
            before = pause;
            assert_eq!(step(&mut flow, now + pause - Duration::from_nanos(1), Input::Woken), []);
            now += pause;
            assert_eq!(posts(&step(&mut flow, now, Input::Woken)), [(0, 0, Version::V1)]);
        }
        assert_eq!(flow.trouble(), Some("503"));
        answer(&mut flow, now, 0, Version::V1, later(Some(77)));
        assert_eq!(flow.wake(), Some(now + 77 * SECOND));
        answer(&mut flow, now, 0, Version::V1, TAKEN);
        now += 77 * SECOND;
        assert_eq!(posts(&step(&mut flow, now, Input::Woken)).len(), 1);
        answer(&mut flow, now, 0, Version::V1, later(Some(1_000_000)));
        assert_eq!(flow.wake(), Some(now + LONGEST_WISH));
        now += LONGEST_WISH;
        step(&mut flow, now, Input::Woken);
        answer(&mut flow, now, 0, Version::V1, TAKEN);
        assert_eq!((flow.trouble(), flow.len(), flow.wake()), (None, 0, None));
    }

    #[test]
    fn who_does_not_know_2_0_gets_the_same_in_1_0() {
        let mut flow = Flow::new(2, None, 0);
        load(&mut flow, 0, 10);
        load(&mut flow, 1, 20);
        let effects = answer(&mut flow, SECOND, 0, Version::V2, Answer::Unknown);
        assert_eq!(posts(&effects), [(0, 0, Version::V1)]);
        assert_eq!(flow.version(), None);
        let effects = answer(&mut flow, SECOND, 1, Version::V2, Answer::Unknown);
        assert_eq!(posts(&effects), [(1, 1, Version::V1)]);
        answer(&mut flow, SECOND, 0, Version::V1, TAKEN);
        assert_eq!(flow.version(), Some(Version::V1));
        assert_eq!(posts(&load(&mut flow, 0, 30)), [(0, 2, Version::V1)]);
        // Whoever knows neither gets nothing.
        answer(&mut flow, SECOND, 0, Version::V1, Answer::Unknown);
        assert!(flow.refusal.take().unwrap().contains("does not know"));
        let mut chosen = Flow::new(1, Some(Version::V2), 0);
        load(&mut chosen, 0, 10);
        answer(&mut chosen, SECOND, 0, Version::V2, Answer::Unknown);
        assert!(chosen.refusal.is_some() && chosen.len() == 0);
    }

    #[test]
    fn a_first_refusal_may_be_one_of_the_version() {
        let mut flow = Flow::new(1, None, 0);
        load(&mut flow, 0, 10);
        let effects = answer(&mut flow, SECOND, 0, Version::V2, refused(true));
        assert_eq!(posts(&effects), [(0, 0, Version::V1)]);
        // It was not: the batch is dropped, and the next one is tried in 2.0 again.
        let effects = answer(&mut flow, SECOND, 0, Version::V1, refused(true));
        assert!(matches!(effects[0], Effect::Done { written: 4, refused: 6, .. }), "{effects:?}");
        assert_eq!(posts(&load(&mut flow, 0, 20)), [(0, 1, Version::V2)]);
        answer(&mut flow, SECOND, 0, Version::V2, refused(true));
        answer(&mut flow, SECOND, 0, Version::V1, TAKEN);
        assert_eq!(flow.version(), Some(Version::V1));
    }

    #[test]
    fn what_is_dropped_is_not_sent_but_what_is_on_its_way_is_done() {
        let mut flow = Flow::new(1, Some(Version::V2), 0);
        for offset in [10, 20, 110] {
            load(&mut flow, 0, offset);
        }
        assert_eq!(flow.on_the_way(1), 10);
        let effects = step(&mut flow, SECOND, Input::Dropped { file: 1 });
        assert_eq!(effects, [Effect::Lost { number: 1, samples: 0 }]);
        assert_eq!(flow.not_on_disk(), 10);
        let effects = answer(&mut flow, SECOND, 0, Version::V2, TAKEN);
        assert_eq!(posts(&effects), [(0, 2, Version::V2)]);
        assert_eq!(effects.last(), Some(&Effect::Cursor(place(20).unwrap())));
    }

    #[test]
    fn what_was_on_its_way_and_failed_is_counted_when_it_is_dropped() {
        let mut flow = Flow::new(1, Some(Version::V2), 0);
        for offset in [10, 110, 210] {
            load(&mut flow, 0, offset);
        }
        assert_eq!(step(&mut flow, SECOND, Input::Dropped { file: 1 }), []);
        answer(&mut flow, SECOND, 0, Version::V2, later(None));
        assert_eq!(flow.not_on_disk(), 10);
        let effects = step(&mut flow, SECOND, Input::Dropped { file: 2 });
        let lost = |number, samples| Effect::Lost { number, samples };
        assert_eq!(effects[..2], [lost(0, 10), lost(1, 0)]);
        assert_eq!((flow.not_on_disk(), flow.len()), (0, 1));
        // What is in memory alone since the disk was full waits too.
        step(&mut flow, SECOND, Input::Loaded { lane: 0, samples: 7, end: None });
        assert_eq!(flow.not_on_disk(), 7);
    }

    #[test]
    fn one_connection_that_fails_is_trouble_whatever_the_others_do() {
        let mut flow = Flow::new(2, Some(Version::V2), 0);
        load(&mut flow, 0, 10);
        load(&mut flow, 1, 20);
        answer(&mut flow, SECOND, 0, Version::V2, later(None));
        answer(&mut flow, SECOND, 1, Version::V2, TAKEN);
        assert_eq!(flow.trouble(), Some("503"));
        step(&mut flow, SECOND, Input::Dropped { file: 1 });
        assert_eq!((flow.trouble(), flow.len()), (None, 0));
    }

    #[derive(Clone, Debug)]
    enum Act {
        Load(u16),
        Answer(u16, Answer),
        Wait(u64),
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let answers = prop_oneof![
            4 => Just(TAKEN),
            2 => Just(later(None)),
            1 => Just(later(Some(3))),
            1 => Just(Answer::Unknown),
            1 => any::<bool>().prop_map(refused),
        ];
        let act = prop_oneof![
            (0..3u16).prop_map(Act::Load),
            (0..3u16, answers).prop_map(|(lane, answer)| Act::Answer(lane, answer)),
            (0..40u64).prop_map(Act::Wait),
        ];
        prop::collection::vec(act, 0..200)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever a target answers: every batch is done once, those of a lane in order, and never before
        /// it was sent; the cursor is never ahead of a batch that is not done.
        #[test]
        fn each_batch_is_done_once_and_in_order(acts in acts()) {
            let mut flow = Flow::new(3, None, 1);
            let (mut now, mut loaded) = (Duration::ZERO, 0u64);
            let mut lane_of = BTreeMap::new();
            let mut sending: BTreeMap<u16, (u64, Version)> = BTreeMap::new();
            let mut done = BTreeSet::new();
            let mut last_done: BTreeMap<u16, u64> = BTreeMap::new();
            let end = acts.len();
            let calm = (0..2_000).map(|i| if i % 4 == 3 { Act::Wait(1_000) } else { Act::Answer(i % 4, TAKEN) });
            for (i, act) in acts.into_iter().chain(calm).enumerate() {
                let input = match act {
                    Act::Load(lane) => {
                        lane_of.insert(loaded, lane);
                        loaded += 1;
                        Input::Loaded { lane, samples: 10, end: place(loaded) }
                    }
                    Act::Wait(seconds) => { now += Duration::from_secs(seconds); Input::Woken }
                    Act::Answer(lane, answer) => match sending.remove(&lane) {
                        Some((_, version)) => Input::Answered { lane, version, answer },
                        None if i > end => Input::Woken,
                        None => continue,
                    },
                };
                for effect in step(&mut flow, now, input) {
                    match effect {
                        Effect::Post { lane, number, version } => {
                            prop_assert_eq!(lane_of[&number], lane);
                            prop_assert!(sending.insert(lane, (number, version)).is_none());
                        }
                        Effect::Done { number, written, refused, .. } => {
                            prop_assert!(done.insert(number));
                            prop_assert_eq!(written + refused, 10);
                            let before = last_done.insert(lane_of[&number], number);
                            prop_assert!(before.is_none_or(|before| before < number));
                        }
                        Effect::Cursor(position) => {
                            prop_assert!((0..position.offset).all(|number| done.contains(&number)));
                        }
                        Effect::Lost { .. } => prop_assert!(false),
                    }
                }
            }
            prop_assert_eq!(done.len() as u64, loaded);
            prop_assert_eq!(flow.len(), 0);
        }
    }
}
