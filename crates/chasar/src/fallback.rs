//! Whether a masternode is one of 2016, which knows no topics for single nodes.
//!
//! Whoever wants states subscribes to `chasar/node/`. A masternode of 2016 sends nothing there, so
//! after a silence the topic of 2016 is subscribed too. A masternode of ours that merely had no
//! nodes sends on both, so the first reports on the old topic are held back for a moment: if the
//! same come on the new one, they are dropped.

use std::time::{Duration, Instant};

/// How long a link may be up without a message before the old topic is tried.
const SILENCE: Duration = Duration::from_secs(3);
/// How long the first reports on the old topic wait for the same on the new one.
const HOLD: Duration = Duration::from_secs(1);
/// Most reports held; more than that in [`HOLD`] and the oldest go.
const MOST_HELD: usize = 1_000;

/// What happened.
#[derive(Debug)]
pub(crate) enum Input<M> {
    /// The link came up.
    Up,
    /// The link broke.
    Down,
    /// A message came on a node's topic.
    New(M),
    /// A message came on the topic of 2016.
    Old(M),
    /// Time has passed.
    Time,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect<M> {
    /// Subscribe to the topic of 2016.
    Subscribe,
    /// Take that back.
    Unsubscribe,
    /// Give this to whoever listens.
    Give(M),
    /// Tell that the masternode is one of 2016, or is not after all.
    Of2016(bool),
}

/// What is known so far.
#[derive(Debug)]
enum Phase<M> {
    /// No link.
    Down,
    /// Listening to the new topics, until this moment.
    New(Instant),
    /// Messages come on the new topics; nothing more to find out.
    Ours,
    /// Listening to both.
    Both,
    /// Something came on the old topic; what is held is given at this moment.
    Holding(Instant, Vec<M>),
    /// The masternode is one of 2016.
    Of2016,
}

/// The state of the question.
#[derive(Debug)]
pub(crate) struct Fallback<M>(Phase<M>);

impl<M> Fallback<M> {
    /// Without a link.
    pub(crate) fn new() -> Fallback<M> {
        Fallback(Phase::Down)
    }

    /// When [`Input::Time`] is wanted at the latest.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.0 {
            Phase::New(until) | Phase::Holding(until, _) => Some(until),
            _ => None,
        }
    }

    /// Takes what happened and says what to do, in order.
    pub(crate) fn step(&mut self, now: Instant, input: Input<M>) -> Vec<Effect<M>> {
        let both = matches!(self.0, Phase::Both | Phase::Holding(..) | Phase::Of2016);
        match input {
            // A new link may lead to another masternode, so the question is open again.
            Input::Up => {
                let known = matches!(self.0, Phase::Of2016);
                self.0 = Phase::New(now + SILENCE);
                let mut effects = Vec::new();
                effects.extend(both.then_some(Effect::Unsubscribe));
                effects.extend(known.then_some(Effect::Of2016(false)));
                effects
            }
            Input::Down => {
                // The subscription is kept: it is taken back when the link is up again.
                if !both {
                    self.0 = Phase::Down;
                }
                Vec::new()
            }
            Input::New(message) => {
                let known = matches!(self.0, Phase::Of2016);
                self.0 = Phase::Ours;
                let mut effects = Vec::new();
                effects.extend(both.then_some(Effect::Unsubscribe));
                effects.extend(known.then_some(Effect::Of2016(false)));
                effects.push(Effect::Give(message));
                effects
            }
            Input::Old(message) => match &mut self.0 {
                Phase::Of2016 => vec![Effect::Give(message)],
                Phase::Both => {
                    self.0 = Phase::Holding(now + HOLD, vec![message]);
                    Vec::new()
                }
                Phase::Holding(_, held) => {
                    if held.len() == MOST_HELD {
                        held.remove(0);
                    }
                    held.push(message);
                    Vec::new()
                }
                // Under way since before the subscription was taken back.
                Phase::Down | Phase::New(_) | Phase::Ours => Vec::new(),
            },
            Input::Time => match &mut self.0 {
                Phase::New(until) if now >= *until => {
                    self.0 = Phase::Both;
                    vec![Effect::Subscribe]
                }
                Phase::Holding(until, held) if now >= *until => {
                    let held = std::mem::take(held);
                    self.0 = Phase::Of2016;
                    let given = held.into_iter().map(Effect::Give);
                    std::iter::once(Effect::Of2016(true)).chain(given).collect()
                }
                _ => Vec::new(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Effect::*;

    /// Steps at so many milliseconds and collects what is to be done.
    fn play(steps: Vec<(u64, Input<u32>)>) -> Vec<(u64, Effect<u32>)> {
        let start = Instant::now();
        let mut fallback = Fallback::new();
        let mut done = Vec::new();
        for (ms, input) in steps {
            let effects = fallback.step(start + Duration::from_millis(ms), input);
            done.extend(effects.into_iter().map(|e| (ms, e)));
        }
        done
    }

    #[test]
    fn a_masternode_of_ours_is_never_asked_for_the_old_topic() {
        let steps = vec![(0, Input::Up), (500, Input::New(1)), (9000, Input::Time), (9001, Input::New(2))];
        assert_eq!(play(steps), [(500, Give(1)), (9001, Give(2))]);
    }

    #[test]
    fn one_of_2016_is_found_after_a_silence() {
        let steps = vec![
            (0, Input::Up),
            (2999, Input::Time),
            (3000, Input::Time),
            (3100, Input::Old(1)),
            (3900, Input::Old(2)),
            (4099, Input::Time),
            (4100, Input::Time),
            (4200, Input::Old(3)),
        ];
        let expected =
            [(3000, Subscribe), (4100, Of2016(true)), (4100, Give(1)), (4100, Give(2)), (4200, Give(3))];
        assert_eq!(play(steps), expected);
    }

    #[test]
    fn a_masternode_that_had_no_nodes_is_not_taken_for_one_of_2016() {
        let steps = vec![
            (0, Input::Up),
            (3000, Input::Time),
            (8000, Input::Old(1)),
            (8001, Input::New(1)),
            (8002, Input::Old(2)),
            (9100, Input::Time),
            (9101, Input::New(2)),
        ];
        assert_eq!(play(steps), [(3000, Subscribe), (8001, Unsubscribe), (8001, Give(1)), (9101, Give(2))]);
    }

    #[test]
    fn a_new_link_opens_the_question_again() {
        let steps = vec![
            (0, Input::Up),
            (3000, Input::Time),
            (3100, Input::Old(1)),
            (4100, Input::Time),
            (5000, Input::Down),
            (6000, Input::Up),
            (6100, Input::New(2)),
        ];
        let expected = [
            (3000, Subscribe),
            (4100, Of2016(true)),
            (4100, Give(1)),
            (6000, Unsubscribe),
            (6000, Of2016(false)),
            (6100, Give(2)),
        ];
        assert_eq!(play(steps), expected);
    }
}
