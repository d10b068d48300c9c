//! Senders of bad reports: counted each, logged at most once a minute each, in a bounded table.

use std::collections::HashMap;
use std::time::Duration;

use chasar_wire::Text;

/// Log lines about one sender are at least this far apart.
const QUIET: Duration = Duration::from_secs(60);

/// What a sender did wrong.
#[derive(Clone, Copy, Debug)]
struct Sender {
    /// Bad reports since the last log line.
    unsaid: u64,
    said_at: Duration,
}

/// The table of senders.
#[derive(Clone, Debug, Default)]
pub(crate) struct BadSenders {
    senders: HashMap<Text, Sender>,
}

impl BadSenders {
    /// Counts a bad report; how many there were since the last line when it is time for a line.
    ///
    /// In a full table the sender that was quiet longest makes room. When all were heard within the
    /// minute there is no room and no line: a flood of made-up senders must not fill the log.
    pub(crate) fn count(&mut self, sender: &str, now: Duration, most: usize) -> Option<u64> {
        if let Some(known) = self.senders.get_mut(sender) {
            known.unsaid += 1;
            if now.saturating_sub(known.said_at) < QUIET {
                return None;
            }
            known.said_at = now;
            return Some(std::mem::take(&mut known.unsaid));
        }
        if self.senders.len() >= most.max(1) {
            self.senders.retain(|_, known| now.saturating_sub(known.said_at) < QUIET);
            if self.senders.len() >= most.max(1) {
                return None;
            }
        }
        self.senders.insert(sender.into(), Sender { unsaid: 0, said_at: now });
        Some(1)
    }

    pub(crate) fn len(&self) -> usize {
        self.senders.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_for_each_sender() {
        let mut table = BadSenders::default();
        let lines: Vec<_> = (0..130)
            .filter_map(|s| table.count("10.0.0.1", Duration::from_secs(s), 8).map(|n| (s, n)))
            .collect();
        assert_eq!(lines, [(0, 1), (60, 60), (120, 60)]);
        assert_eq!(table.count("10.0.0.2", Duration::from_secs(121), 8), Some(1));
    }

    #[test]
    fn a_flood_of_senders_fills_neither_memory_nor_log() {
        let mut table = BadSenders::default();
        let lines =
            (0..1_000).filter(|s| table.count(&s.to_string(), Duration::from_secs(1), 8).is_some()).count();
        assert_eq!((lines, table.len()), (8, 8));
        assert_eq!(table.count("late", Duration::from_secs(70), 8), Some(1));
        assert_eq!(table.len(), 1, "quiet ones made room");
    }
}
