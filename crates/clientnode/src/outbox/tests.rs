//! The outbox against a plain list.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

struct Kept {
    sequence: u64,
    sampled_at: Moment,
    sent_at: Option<Duration>,
    len: usize,
}

fn body(sequence: u64, len: usize) -> Vec<u8> {
    vec![sequence as u8; len]
}

proptest! {
    /// In step with a list of (sequence, sent or waiting): the same reports wait, come out in the same
    /// order with the same bytes, and what was let go was the oldest.
    #[test]
    fn behaves_like_a_list(
        actions in prop::collection::vec((0u8..12, 1usize..40_000, 0u64..20), 0..300),
    ) {
        let limits = Limits { bytes: 1 << 20, age: 60 * SECOND };
        let mut outbox = Outbox::new(Some(limits), vec![None]);
        let mut model: VecDeque<Kept> = VecDeque::new();
        let (mut now, mut link, mut sequence, mut dropped) = (Duration::ZERO, 15 * SECOND, 0u64, 0u64);
        let mut bytes = Vec::new();
        for (kind, len, seconds) in actions {
            match kind {
                0..6 => {
                    let sent_at = (kind < 3).then_some(link);
                    let bytes = body(sequence, len);
                    let entry = Entry {
                        sequence, sampled_at: now, sampled_at_ms: 0, packed: false, bytes: &bytes,
                    };
                    outbox.push(now, entry, [sent_at].into_iter());
                    model.push_back(Kept { sequence, sampled_at: now, sent_at, len });
                    sequence += 1;
                }
                6..8 => {
                    let expected = model.iter_mut().find(|k| k.sent_at.is_none());
                    let next = outbox.next(0, &mut bytes);
                    prop_assert_eq!(next.is_some(), expected.is_some());
                    if let (Some(next), Some(kept)) = (next, expected) {
                        prop_assert_eq!(&bytes, &body(kept.sequence, kept.len));
                        outbox.sent(0, next, link);
                        kept.sent_at = Some(link);
                    }
                }
                8 => {
                    let until = link.saturating_sub(10 * SECOND);
                    outbox.lose(0, until);
                    for kept in &mut model {
                        kept.sent_at = kept.sent_at.filter(|at| *at <= until);
                    }
                }
                9 => outbox.settle(0, link.saturating_sub(10 * SECOND)),
                _ => {
                    now += SECOND * seconds as u32;
                    link += SECOND * (seconds / 3) as u32;
                    outbox.maintain(now, |_| false);
                    for kept in &model {
                        if now - kept.sampled_at > limits.age {
                            prop_assert!(outbox.ring.tag(0).is_none_or(|t| t.sequence > kept.sequence));
                        }
                    }
                }
            }
            // Only the oldest may be gone: settled, too old, or for room.
            while model.front().is_some_and(|k| outbox.ring.tag(outbox.ring.first()).is_none_or(|t| t.sequence != k.sequence)) {
                dropped += u64::from(model.pop_front().unwrap().sent_at.is_none());
            }
            prop_assert_eq!(outbox.ring.len(), model.len());
            let waiting: Vec<u64> = model.iter().filter(|k| k.sent_at.is_none()).map(|k| k.sequence).collect();
            prop_assert_eq!(outbox.pending(0), waiting.len() as u64);
            let claim = waiting.first().map(|s| Replay { pending: waiting.len() as u64, from_sequence: *s });
            prop_assert_eq!(outbox.claim(0, sequence), claim);
            prop_assert!(outbox.ring.held_bytes() <= limits.bytes);
        }
        prop_assert_eq!(outbox.take_dropped(0), dropped);
    }
}

#[test]
fn switched_off_it_keeps_nothing_and_counts() {
    let mut outbox = Outbox::new(None, vec![None]);
    let entry = Entry { sequence: 0, sampled_at: SECOND, sampled_at_ms: 0, packed: false, bytes: b"x" };
    outbox.push(SECOND, entry, [None].into_iter());
    outbox.push(SECOND, entry, [Some(SECOND)].into_iter());
    assert_eq!((outbox.reports(), outbox.pending(0), outbox.take_dropped(0)), (0, 0, 1));
    assert_eq!(outbox.claim(0, 2), None);
}
