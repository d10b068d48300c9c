//! Which topics are wanted, as XPUB reports it.

use crate::limits::MAX_TOPIC_BYTES;
use std::collections::HashMap;

/// A subscription or its end, read from the message XPUB gives: one byte 1 or 0, then the topic.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    Added(&'a [u8]),
    Removed(&'a [u8]),
}

impl<'a> Change<'a> {
    /// `None` for anything else a peer may send to an XPUB socket.
    pub(crate) fn parse(frame: &'a [u8]) -> Option<Self> {
        match frame.split_first()? {
            (1, topic) => Some(Self::Added(topic)),
            (0, topic) => Some(Self::Removed(topic)),
            _ => None,
        }
    }
}

/// Topics with how often each is subscribed, and a quick answer to "does anybody want this?".
#[derive(Debug)]
pub(crate) struct Subscriptions {
    counts: HashMap<Box<[u8]>, u32>,
    /// How many topics there are of each length, so that a look-up tries only lengths that exist.
    lengths: [u32; MAX_TOPIC_BYTES + 1],
}

impl Default for Subscriptions {
    fn default() -> Self {
        Self { counts: HashMap::new(), lengths: [0; MAX_TOPIC_BYTES + 1] }
    }
}

impl Subscriptions {
    /// Adds one; `false` when the topic is longer than allowed, and is not kept.
    pub(crate) fn add(&mut self, topic: &[u8]) -> bool {
        if topic.len() > MAX_TOPIC_BYTES {
            return false;
        }
        match self.counts.get_mut(topic) {
            Some(count) => *count = count.saturating_add(1),
            None => {
                self.counts.insert(topic.into(), 1);
                self.lengths[topic.len()] += 1;
            }
        }
        true
    }

    /// Takes one back; `true` when it was the last of its topic.
    pub(crate) fn remove_one(&mut self, topic: &[u8]) -> bool {
        match self.counts.get_mut(topic) {
            Some(count) if *count > 1 => {
                *count -= 1;
                false
            }
            Some(_) => self.remove_all(topic),
            None => false,
        }
    }

    /// Takes the topic back for everybody; `true` when it was there.
    pub(crate) fn remove_all(&mut self, topic: &[u8]) -> bool {
        let there = self.counts.remove(topic).is_some();
        if there {
            self.lengths[topic.len()] -= 1;
        }
        there
    }

    pub(crate) fn contains(&self, topic: &[u8]) -> bool {
        self.counts.contains_key(topic)
    }

    pub(crate) fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether a subscription is a prefix of `topic`.
    pub(crate) fn wants(&self, topic: &[u8]) -> bool {
        let longest = topic.len().min(MAX_TOPIC_BYTES);
        (0..=longest).any(|len| self.lengths[len] > 0 && self.counts.contains_key(&topic[..len]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_subscription_is_nothing() {
        assert_eq!(Change::parse(b""), None);
        assert_eq!(Change::parse(b"\x02status"), None);
        assert_eq!(Change::parse(b"\x01"), Some(Change::Added(b"")));
        assert_eq!(Change::parse(b"\x00a"), Some(Change::Removed(b"a")));
    }

    proptest! {
        /// Compares with a plain list of topics after any sequence of additions and removals.
        #[test]
        fn wants_is_what_a_list_of_prefixes_says(
            steps in proptest::collection::vec((any::<bool>(), "[ab]{0,3}"), 0..40),
            topic in "[ab]{0,5}",
        ) {
            let mut subscriptions = Subscriptions::default();
            let mut list: Vec<String> = Vec::new();
            for (add, prefix) in steps {
                if add {
                    subscriptions.add(prefix.as_bytes());
                    list.push(prefix);
                } else {
                    let at = list.iter().position(|p| *p == prefix);
                    let last = at.is_some_and(|_| list.iter().filter(|p| **p == prefix).count() == 1);
                    prop_assert_eq!(subscriptions.remove_one(prefix.as_bytes()), last);
                    if let Some(at) = at {
                        list.remove(at);
                    }
                }
            }
            let wanted = list.iter().any(|prefix| topic.starts_with(prefix.as_str()));
            prop_assert_eq!(subscriptions.wants(topic.as_bytes()), wanted);
        }
    }
}
