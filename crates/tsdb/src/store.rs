//! The store: what its parts share, and how it is opened.

use std::collections::{BTreeSet, HashSet};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::error::{Error, Result};
use crate::head::Pane;
use crate::index::{Layout, NameTables};
use crate::labels::{Kind, Labels};
use crate::options::Options;
use crate::query::Snapshot;
use crate::segment::{KeptClocks, MAX_NUMBER, Segment, Tier};
use crate::storage::Storage;
use crate::time::{MAX_TIME_MS, MIN_TIME_MS};
use crate::wal::{self, LostTail, Told};
use crate::writer::{SeriesHandle, Writer};

/// Locks, and goes on after a panic elsewhere: all states behind these locks are whole at all times.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// A segment with its names as the store numbers them.
#[derive(Debug)]
pub(crate) struct OpenSegment {
    pub(crate) segment: Segment,
    pub(crate) id: u64,
    /// Number of each of the segment's metrics.
    pub(crate) metrics: Vec<u32>,
    /// Number of each of the segment's sources.
    pub(crate) sources: Vec<u32>,
}

/// All that a reader reads. Never changed, only replaced.
#[derive(Clone, Default)]
pub(crate) struct View {
    pub(crate) panes: Vec<Arc<RwLock<Pane>>>,
    pub(crate) segments: Vec<Arc<OpenSegment>>,
    /// The last commit that is whole.
    pub(crate) committed: u64,
}

/// Whether history is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// It is.
    Good,
    /// The disk is full: new samples are lost until there is room.
    Full(String),
    /// The disk takes no writes: new samples are lost.
    ReadOnly(String),
    /// Writing fails for another reason: new samples are lost.
    Failing(String),
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) accepted: AtomicU64,
    pub(crate) duplicates: AtomicU64,
    pub(crate) too_old: AtomicU64,
    pub(crate) too_new: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) damaged: AtomicU64,
}

pub(crate) struct Shared {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) options: Options,
    pub(crate) names: RwLock<NameTables>,
    pub(crate) view: Mutex<Arc<View>>,
    /// Held by a commit, and while panes are frozen.
    pub(crate) gate: Mutex<()>,
    /// Held by maintenance.
    pub(crate) maintaining: Mutex<()>,
    /// What last failed, in commits and in maintenance.
    pub(crate) commit_health: Mutex<Health>,
    pub(crate) maintain_health: Mutex<Health>,
    pub(crate) next_number: AtomicU64,
    /// Time of the newest sample.
    pub(crate) newest_ms: AtomicI64,
    /// Raw samples before this were dropped; later ones of that age are refused.
    pub(crate) raw_floor_ms: AtomicI64,
    /// Clocks of segments that queries asked for.
    pub(crate) clocks: KeptClocks,
    /// Files without use that could not be removed yet.
    pub(crate) garbage: Mutex<Vec<String>>,
    pub(crate) counters: Counters,
    pub(crate) read_only: bool,
    pub(crate) has_writer: AtomicBool,
}

impl Shared {
    /// Times of samples that a commit at `now_ms` takes.
    pub(crate) fn takes(&self, now_ms: i64) -> RangeInclusive<i64> {
        let oldest = now_ms.saturating_sub(self.options.raw_ms);
        let floor = self.raw_floor_ms.load(Ordering::Relaxed).max(oldest).max(MIN_TIME_MS);
        floor..=now_ms.saturating_add(self.options.future_ms).min(MAX_TIME_MS)
    }

    pub(crate) fn name_bytes(&self) -> usize {
        let names = read(&self.names);
        names.metrics.bytes() + names.sources.bytes()
    }

    pub(crate) fn number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn view(&self) -> Arc<View> {
        lock(&self.view).clone()
    }

    pub(crate) fn change_view(&self, change: impl FnOnce(&mut View)) {
        let mut view = lock(&self.view);
        let mut next = View::clone(&view);
        change(&mut next);
        *view = Arc::new(next);
    }

    /// Removes a file without use, now or with a later maintenance. A start removes it too.
    pub(crate) fn discard(&self, name: String) {
        self.remove(name);
    }

    /// As [`Shared::discard`]; whether it is gone now.
    pub(crate) fn remove(&self, name: String) -> bool {
        match self.storage.remove(&name) {
            Ok(()) => true,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
            Err(_) => {
                lock(&self.garbage).push(name);
                false
            }
        }
    }

    /// Gives a segment's names the store's numbers.
    pub(crate) fn intern(&self, segment: Segment, id: u64) -> OpenSegment {
        let mut names = write(&self.names);
        let metrics = segment.metrics.iter().map(|(l, k)| names.metrics.number(l, *k)).collect();
        let sources = segment.sources.iter().map(|l| names.sources.number(l, Kind::Unknown)).collect();
        drop(names);
        OpenSegment { segment, id, metrics, sources }
    }
}

pub(crate) fn health_of(error: &Error) -> Health {
    let text = error.to_string();
    if error.is_full() {
        Health::Full(text)
    } else if error.is_read_only() {
        Health::ReadOnly(text)
    } else {
        Health::Failing(text)
    }
}

/// What was found when a store was opened.
#[derive(Debug, Default)]
pub struct Opening {
    /// Files that are not readable; all else is served.
    pub damaged: Vec<Error>,
    /// Ends of logs that are not readable: what was being written when the power failed.
    pub lost_tails: Vec<LostTail>,
    /// Samples read from logs.
    pub replayed_samples: u64,
}

/// A time-series store in a folder.
///
/// One [`Writer`] appends, any number of [`Snapshot`]s read, and somebody calls
/// [`Store::maintain`] once a second. The store starts no threads and reads no clock.
#[derive(Clone)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

pub(crate) fn segment_name(id: u64) -> String {
    format!("s-{id:016x}.seg")
}

pub(crate) fn log_name(id: u64) -> String {
    format!("w-{id:016x}.wal")
}

pub(crate) fn segment_number(name: &str) -> Option<u64> {
    number_in(name, "s-", ".seg")
}

pub(crate) fn log_number(name: &str) -> Option<u64> {
    number_in(name, "w-", ".wal")
}

/// Whether a file is not there any more.
pub(crate) fn gone(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}

/// How often the files may change while they are listed or opened by one who only reads.
const ATTEMPTS: usize = 100;

/// Names and sizes of all files, while another process may write, merge and remove: a folder is not
/// listed at one moment, so a segment could be missed and so could the log that it has just replaced.
pub(crate) fn stable_list(storage: &dyn Storage) -> Result<Vec<(String, u64)>> {
    let list = || storage.list().map_err(Error::io("list", "the folder"));
    let segments = |files: &[(String, u64)]| -> BTreeSet<u64> {
        files.iter().filter_map(|(name, _)| segment_number(name)).collect()
    };
    let mut before = list()?;
    for _ in 0..ATTEMPTS {
        let now = list()?;
        if segments(&now).is_subset(&segments(&before)) {
            return Ok(before);
        }
        before = now;
    }
    Err(Error::io("list", "the folder")(std::io::Error::other("its files change too fast")))
}

fn number_in(name: &str, prefix: &str, suffix: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
    let number = u64::from_str_radix(digits, 16).ok()?;
    (digits.len() == 16 && number < MAX_NUMBER).then_some(number)
}

impl Store {
    /// The series with these labels, for the writer: who only prepares what it writes needs no writer.
    pub fn series(&self, labels: &Labels, kind: Kind) -> SeriesHandle {
        SeriesHandle::new(&self.shared, labels, kind)
    }

    /// The series with these labels, if its name is made of what is known already: it takes no more memory
    /// for names then.
    pub fn known_series(&self, labels: &Labels) -> Option<SeriesHandle> {
        SeriesHandle::known(&self.shared, labels)
    }

    /// Times of samples that a commit at `now_ms` takes: not older than raw samples are kept, and not
    /// too far ahead.
    pub fn takes(&self, now_ms: i64) -> RangeInclusive<i64> {
        self.shared.takes(now_ms)
    }

    /// Memory that samples take which are in no segment yet, about; see [`Options::head_bytes`].
    pub fn head_bytes(&self) -> usize {
        self.shared.view().panes.iter().map(|pane| read(pane).bytes).sum()
    }

    /// Memory that the names of all metrics and sources take, about; as [`Writer::name_bytes`].
    pub fn name_bytes(&self) -> usize {
        self.shared.name_bytes()
    }

    /// Opens a store to read and write, and reads what the logs have that no segment has.
    ///
    /// # Errors
    /// When an option makes no sense or the folder cannot be read. Damaged files are no error: they
    /// are named in the [`Opening`].
    pub fn open(storage: Arc<dyn Storage>, options: Options) -> Result<(Store, Opening)> {
        Store::open_as(storage, options, false)
    }

    /// Opens a store, or a copy of one, without changing anything in it. Another process may write to
    /// it: what it had committed before the call is seen.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_read_only(storage: Arc<dyn Storage>, options: Options) -> Result<(Store, Opening)> {
        Store::open_as(storage, options, true)
    }

    fn open_as(storage: Arc<dyn Storage>, options: Options, read_only: bool) -> Result<(Store, Opening)> {
        options.check()?;
        if !read_only {
            let files = storage.list().map_err(Error::io("list", "the folder"))?;
            return Store::open_files(storage, options, false, files);
        }
        let mut result = Err(Error::ReadOnly);
        for _ in 0..ATTEMPTS {
            let files = stable_list(&*storage)?;
            result = Store::open_files(storage.clone(), options.clone(), true, files);
            // Whoever writes has removed a file that was listed: what replaces it is there by now.
            if !matches!(&result, Err(error) if gone(error)) {
                break;
            }
        }
        result
    }

    /// With `read_only`, a file that has vanished is an error.
    fn open_files(
        storage: Arc<dyn Storage>,
        options: Options,
        read_only: bool,
        files: Vec<(String, u64)>,
    ) -> Result<(Store, Opening)> {
        let mut opening = Opening::default();
        let mut segments = Vec::new();
        let mut logs = Vec::new();
        let mut unwanted = Vec::new();
        let mut last = 0;
        for (name, size) in files {
            if let Some(id) = segment_number(&name) {
                last = last.max(id);
                match Segment::open(&*storage, &name) {
                    Ok(segment) => segments.push((id, segment)),
                    Err(error) if read_only && gone(&error) => return Err(error),
                    Err(error) => opening.damaged.push(error),
                }
            } else if let Some(id) = log_number(&name) {
                last = last.max(id);
                logs.push((id, size));
            } else if name.ends_with(".tmp") {
                unwanted.push(name);
            }
        }
        let replaced: HashSet<u64> =
            segments.iter().flat_map(|(_, s)| s.replaces.segments.iter().copied()).collect();
        let held: HashSet<u64> = segments.iter().flat_map(|(_, s)| s.replaces.logs.iter().copied()).collect();
        segments.retain(|(id, segment)| {
            let keep = !replaced.contains(id);
            if !keep {
                unwanted.push(segment.name.clone());
            }
            keep
        });
        logs.retain(|(id, _)| {
            if held.contains(id) {
                unwanted.push(log_name(*id));
            }
            !held.contains(id)
        });
        logs.sort_unstable();
        let last = segments.iter().map(|(_, s)| s.header.order).fold(last, u64::max);
        let newest = segments.iter().map(|(_, s)| s.times.1).max().unwrap_or(i64::MIN);
        let shared = Shared {
            storage,
            options,
            names: RwLock::default(),
            view: Mutex::default(),
            gate: Mutex::default(),
            maintaining: Mutex::default(),
            commit_health: Mutex::new(Health::Good),
            maintain_health: Mutex::new(Health::Good),
            next_number: AtomicU64::new(last + 1),
            newest_ms: AtomicI64::new(newest),
            raw_floor_ms: AtomicI64::new(raw_floor(&segments)),
            clocks: KeptClocks::default(),
            garbage: Mutex::default(),
            counters: Counters::default(),
            read_only,
            has_writer: AtomicBool::new(false),
        };
        let segments = segments.into_iter().map(|(id, s)| Arc::new(shared.intern(s, id))).collect::<Vec<_>>();
        let panes = replay(&shared, &logs, &mut opening, &mut unwanted)?;
        if !read_only {
            unwanted.into_iter().for_each(|name| shared.discard(name));
        }
        shared.counters.damaged.store(opening.damaged.len() as u64, Ordering::Relaxed);
        shared.change_view(|view| {
            view.segments = segments;
            view.panes = panes;
        });
        Ok((Store { shared: Arc::new(shared) }, opening))
    }

    /// The writer. There is one at a time; another can be had when it is dropped.
    ///
    /// # Errors
    /// When there is a writer, or the store is open for reading only.
    pub fn writer(&self) -> Result<Writer> {
        if self.shared.read_only {
            return Err(Error::ReadOnly);
        }
        if self.shared.has_writer.swap(true, Ordering::AcqRel) {
            return Err(Error::SecondWriter);
        }
        Ok(Writer::new(self.shared.clone()))
    }

    /// What is in the store now. Later commits do not change a snapshot, and it can read files that
    /// are removed meanwhile.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.shared.clone(), self.shared.view())
    }

    /// Whether history is being written.
    pub fn health(&self) -> Health {
        match &*lock(&self.shared.commit_health) {
            Health::Good => lock(&self.shared.maintain_health).clone(),
            bad => bad.clone(),
        }
    }
}

/// Raw samples before this were dropped: there are rollups of them, but they are gone.
fn raw_floor(segments: &[(u64, Segment)]) -> i64 {
    let raw = |from: i64, to: i64| {
        segments
            .iter()
            .any(|(_, s)| s.header.tier == Tier::Raw && s.header.from_ms < to && s.header.to_ms > from)
    };
    let rollups = segments.iter().filter(|(_, s)| s.header.tier != Tier::Raw);
    rollups
        .filter(|(_, s)| !raw(s.header.from_ms, s.header.to_ms))
        .map(|(_, s)| s.header.to_ms)
        .max()
        .unwrap_or(i64::MIN)
}

/// Reads logs into frozen panes, so that what comes now comes after what was.
fn replay(
    shared: &Shared,
    logs: &[(u64, u64)],
    opening: &mut Opening,
    unwanted: &mut Vec<String>,
) -> Result<Vec<Arc<RwLock<Pane>>>> {
    let mut panes: Vec<Pane> = Vec::new();
    for &(id, size) in logs {
        let name = log_name(id);
        let header = match wal::read_header(&*shared.storage, &name, id) {
            Ok(header) => header,
            // Nothing is acknowledged before the header is whole: the power failed while it was made.
            Err(Error::Damaged { file, what, .. }) if size <= wal::HEADER_BYTES as u64 => {
                opening.lost_tails.push(LostTail { file, offset: 0, bytes: size, what, followed: false });
                unwanted.push(name);
                continue;
            }
            Err(error) if shared.read_only && gone(&error) => return Err(error),
            Err(error) => {
                opening.damaged.push(error);
                continue;
            }
        };
        let at = panes.iter().position(|p| p.window == header.window).unwrap_or_else(|| {
            panes.push(Pane::new(header.window, i64::MIN));
            panes.len() - 1
        });
        let pane = &mut panes[at];
        pane.logs.push(id);
        pane.log_bytes += size;
        let mut names = write(&shared.names);
        let (mut metrics, mut sources): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
        let mut layouts: Vec<Arc<Layout>> = Vec::new();
        // Numbers in the log were checked against what it named before.
        let lost = wal::replay(&*shared.storage, &name, header.window, |told| match told {
            Told::Metric(labels, kind) => metrics.push(names.metrics.number(&labels, kind)),
            Told::Source(labels) => sources.push(names.sources.number(&labels, Kind::Unknown)),
            Told::Layout(list) => {
                layouts.push(names.layout(list.iter().map(|m| metrics[*m as usize]).collect()));
            }
            Told::Row { source, layout, time, values } => {
                let source = sources[source as usize];
                opening.replayed_samples +=
                    pane.row(source, &layouts[layout as usize], time, values, 0).samples;
                shared.newest_ms.fetch_max(time, Ordering::Relaxed);
            }
            Told::Sample { source, metric, time, value } => {
                let (source, metric) = (sources[source as usize], metrics[metric as usize]);
                opening.replayed_samples += pane.sample(source, metric, time, value, 0).samples;
                shared.newest_ms.fetch_max(time, Ordering::Relaxed);
            }
            Told::End => {}
        });
        match lost {
            Ok(lost) => opening.lost_tails.extend(lost),
            Err(error) if shared.read_only && gone(&error) => return Err(error),
            Err(error) => opening.damaged.push(error),
        }
    }
    // Windows in the order of time, what came late after them all.
    panes.sort_by_key(|p| p.window.unwrap_or((i64::MAX, i64::MAX)));
    let freeze = |mut pane: Pane| {
        pane.frozen = Some(shared.number());
        Arc::new(RwLock::new(pane))
    };
    Ok(panes.into_iter().map(freeze).collect())
}
