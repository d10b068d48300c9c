//! From the labels of a received series to its handle in the store.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use chasar_tsdb::{Kind, LabelError, Labels, MAX_LABEL_BYTES, NAME, SeriesHandle, Store};

/// A series of which nothing came for so long makes room for others.
const IDLE: Duration = Duration::from_secs(600);
/// What is idle is looked for this often at most.
const LOOK: Duration = Duration::from_secs(10);
/// Most memory for names of series, of nodes and received ones together, while new ones are taken; nodes
/// may have twice as much.
const MAX_NAME_BYTES: usize = 512 << 20;

/// All labels of a series together; they are hashed for each series of a message, however many share one.
const MAX_SET_BYTES: usize = 32 << 10;

/// Why a series is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    Labels(LabelError),
    NoMetricName,
    /// All labels together, with so many bytes.
    TooLong(usize),
    /// As many as may be are in use.
    TooManySeries(usize),
    TooManyNames,
}

/// Handles of the series that came lately.
pub(crate) struct Intern {
    store: Store,
    /// By 128 bits of a keyed hash of the labels as they came: nobody outside can make two series meet.
    handles: HashMap<(u64, u64), Known>,
    keys: [RandomState; 2],
    max_series: usize,
    max_name_bytes: usize,
    /// Handles given since what came last began.
    asked: usize,
    now: Duration,
    looked: Option<Duration>,
}

struct Known {
    handle: SeriesHandle,
    used: Duration,
}

impl Intern {
    pub(crate) fn new(store: Store, max_series: usize) -> Intern {
        Intern {
            store,
            handles: HashMap::new(),
            keys: [RandomState::new(), RandomState::new()],
            max_series,
            max_name_bytes: MAX_NAME_BYTES,
            asked: 0,
            now: Duration::ZERO,
            looked: None,
        }
    }

    /// What follows comes now, by the monotonic clock.
    pub(crate) fn begin(&mut self, now: Duration) {
        self.now = now;
        self.asked = 0;
        let since = self.looked.map_or(Duration::MAX, |at| now.saturating_sub(at));
        // Without a need too: a name that is held is never forgotten.
        let is_due = since >= IDLE
            || since >= LOOK
                && (self.handles.len() >= self.max_series || self.store.name_bytes() >= self.max_name_bytes);
        if is_due {
            self.looked = Some(now);
            self.handles.retain(|_, known| now.saturating_sub(known.used) < IDLE);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.handles.len()
    }

    /// How many handles were given of the message that began last.
    pub(crate) fn asked(&self) -> usize {
        self.asked
    }

    /// The handle of a series. Labels may come in any order; one without a value is none.
    pub(crate) fn series(
        &mut self,
        labels: &[(&str, &str)],
        kind: impl FnOnce(&str) -> Kind,
    ) -> Result<SeriesHandle, NotTaken> {
        // Before a text is read for each of many series that share it.
        let long = labels.iter().map(|(name, value)| name.len().max(value.len())).max().unwrap_or_default();
        if long > MAX_LABEL_BYTES {
            return Err(NotTaken::Labels(LabelError::TooLong(long)));
        }
        let together: usize = labels.iter().map(|(name, value)| name.len() + value.len()).sum();
        if together > MAX_SET_BYTES {
            return Err(NotTaken::TooLong(together));
        }
        let key = self.key(labels);
        if let Some(known) = self.handles.get_mut(&key) {
            known.used = self.now;
            self.asked += 1;
            return Ok(known.handle.clone());
        }
        // Before they are copied and sorted.
        if !labels.iter().any(|(name, value)| *name == NAME && !value.is_empty()) {
            return Err(NotTaken::NoMetricName);
        }
        if self.handles.len() >= self.max_series {
            return Err(NotTaken::TooManySeries(self.max_series));
        }
        let labels = Labels::new(labels.iter().copied()).map_err(NotTaken::Labels)?;
        let name = labels.get(NAME).ok_or(NotTaken::NoMetricName)?;
        let handle = if self.store.name_bytes() < self.max_name_bytes {
            self.store.series(&labels, kind(name))
        } else {
            // One that the store knows, of before a start or from a node, takes no more.
            self.store.known_series(&labels).ok_or(NotTaken::TooManyNames)?
        };
        self.asked += 1;
        self.handles.insert(key, Known { handle: handle.clone(), used: self.now });
        Ok(handle)
    }

    fn key(&self, labels: &[(&str, &str)]) -> (u64, u64) {
        let hash = |state: &RandomState| {
            let mut hasher = state.build_hasher();
            for (name, value) in labels {
                hasher.write_usize(name.len());
                hasher.write(name.as_bytes());
                hasher.write_usize(value.len());
                hasher.write(value.as_bytes());
            }
            hasher.finish()
        };
        (hash(&self.keys[0]), hash(&self.keys[1]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn intern(max_series: usize) -> (tempfile::TempDir, Intern) {
        let folder = tempfile::tempdir().unwrap();
        let disk = chasar_tsdb::storage::Disk::open(folder.path()).unwrap();
        let (store, _) = Store::open(Arc::new(disk), chasar_tsdb::Options::default()).unwrap();
        (folder, Intern::new(store, max_series))
    }

    fn taken(intern: &mut Intern, labels: &[(&str, &str)]) -> Result<(), NotTaken> {
        intern.series(labels, |_| Kind::Unknown).map(drop)
    }

    #[test]
    fn labels_have_to_be_some() {
        let (_folder, mut intern) = intern(10);
        assert_eq!(taken(&mut intern, &[("b", "2"), ("__name__", "x"), ("a", "")]), Ok(()));
        assert_eq!(taken(&mut intern, &[("a", "1")]), Err(NotTaken::NoMetricName));
        assert_eq!(taken(&mut intern, &[("__name__", "")]), Err(NotTaken::NoMetricName));
        let twice = [("__name__", "x"), ("a", "1"), ("a", "2")];
        assert_eq!(taken(&mut intern, &twice), Err(NotTaken::Labels(LabelError::Twice("a".into()))));
        let unnamed = [("__name__", "x"), ("", "1")];
        assert_eq!(taken(&mut intern, &unnamed), Err(NotTaken::Labels(LabelError::NoName)));
        let long = "x".repeat(MAX_LABEL_BYTES + 1);
        let too_long = Err(NotTaken::Labels(LabelError::TooLong(long.len())));
        assert_eq!(taken(&mut intern, &[("__name__", "x"), ("a", &long)]), too_long);
        let names: Vec<String> = (0..9).map(|i| format!("l{i}")).collect();
        let value = "x".repeat(MAX_LABEL_BYTES);
        let many: Vec<_> = names.iter().map(|name| (&**name, &*value)).chain([("__name__", "x")]).collect();
        assert_eq!(taken(&mut intern, &many), Err(NotTaken::TooLong(9 * (MAX_LABEL_BYTES + 2) + 9)));
        assert_eq!(intern.len(), 1);
    }

    #[test]
    fn a_series_too_many_waits_until_another_one_is_idle() {
        let (_folder, mut intern) = intern(2);
        for (second, name, expected) in [
            (0, "a", Ok(())),
            (0, "b", Ok(())),
            (0, "c", Err(NotTaken::TooManySeries(2))),
            (599, "a", Ok(())),
            (599, "c", Err(NotTaken::TooManySeries(2))),
            (610, "c", Ok(())),
            (610, "b", Err(NotTaken::TooManySeries(2))),
            (611, "a", Ok(())),
        ] {
            intern.begin(Duration::from_secs(second));
            assert_eq!(taken(&mut intern, &[("__name__", name)]), expected, "{name} at {second} s");
        }
    }

    #[test]
    fn names_have_their_share_of_memory() {
        let (_folder, mut intern) = intern(1_000_000);
        intern.max_name_bytes = 100_000;
        let value = "x".repeat(1_000);
        let refused = (0..1_000)
            .filter(|i| {
                let labels = [("__name__", "x"), ("i", &format!("{i}{value}"))];
                taken(&mut intern, &labels) == Err(NotTaken::TooManyNames)
            })
            .count();
        assert!(refused > 900, "{refused}");
        assert_eq!(taken(&mut intern, &[("__name__", "x"), ("i", &format!("0{value}"))]), Ok(()));

        // After a start nobody remembers which series came, but the store knows their names.
        let mut anew = Intern::new(intern.store.clone(), 1_000_000);
        anew.max_name_bytes = 100_000;
        let first = format!("0{value}");
        assert_eq!(taken(&mut anew, &[("__name__", "x"), ("i", &first)]), Ok(()));
        assert_eq!(taken(&mut anew, &[("__name__", "y"), ("i", &first)]), Err(NotTaken::TooManyNames));
    }

    #[test]
    fn names_of_idle_series_are_let_go() {
        let (_folder, mut intern) = intern(1_000_000);
        intern.max_name_bytes = 2_000;
        let mut said = Vec::new();
        for (second, name) in [(0, "a"), (1, "b"), (601, "b"), (602, "b"), (1_202, "b")] {
            intern.begin(Duration::from_secs(second));
            assert_eq!(taken(&mut intern, &[("__name__", name)]), Ok(()));
            said.push(intern.len());
        }
        assert_eq!(said, [1, 2, 1, 1, 1], "looked for without a need, every ten minutes");
        let large = "x".repeat(2_000);
        assert_eq!(taken(&mut intern, &[("__name__", &large)]), Ok(()));
        for (second, expected) in [(1_210, 2), (1_220, 2), (1_790, 2), (1_803, 1)] {
            intern.begin(Duration::from_secs(second));
            assert_eq!(taken(&mut intern, &[("__name__", "b")]), Ok(()));
            assert_eq!(intern.len(), expected, "at {second} s");
        }
    }
}
