//! The spool against a model, with a disk that fails at every place it can.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;

/// A disk in memory that can fail, and remembers what a power cut would leave.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<DiskState>>);

#[derive(Default)]
struct DiskState {
    segments: BTreeMap<u64, Vec<u8>>,
    /// Operations that change something until the next fault; `None`: never.
    fault_in: Option<u32>,
    /// After the fault everything fails until it is repaired.
    broken: bool,
    /// Of the write that hits the fault, this many bytes still arrive.
    short_write: usize,
    capacity: Option<usize>,
    operations: u32,
}

impl DiskState {
    fn change(&mut self) -> io::Result<()> {
        self.operations += 1;
        if self.broken {
            return Err(io::Error::other("broken"));
        }
        match &mut self.fault_in {
            Some(0) => {
                self.broken = true;
                Err(io::Error::other("fault"))
            }
            Some(n) => {
                *n -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Disk {
    fn state(&self) -> std::sync::MutexGuard<'_, DiskState> {
        self.0.lock().unwrap()
    }

    fn spool(&self, limit: u64) -> Spool {
        Spool::open(Box::new(self.clone()), "node", limit).unwrap()
    }
}

impl Storage for Disk {
    fn list(&mut self) -> io::Result<Vec<u64>> {
        Ok(self.state().segments.keys().rev().copied().collect())
    }
    fn create(&mut self, number: u64) -> io::Result<Box<dyn Segment>> {
        self.state().change()?;
        self.state().segments.insert(number, Vec::new());
        Ok(Box::new((self.clone(), number)))
    }
    fn open(&mut self, number: u64) -> io::Result<Box<dyn Segment>> {
        assert!(self.state().segments.contains_key(&number), "no segment {number}");
        Ok(Box::new((self.clone(), number)))
    }
    fn remove(&mut self, number: u64) -> io::Result<()> {
        self.state().change()?;
        self.state().segments.remove(&number).map(|_| ()).ok_or(io::ErrorKind::NotFound.into())
    }
}

impl Segment for (Disk, u64) {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.state().segments[&self.1].len() as u64)
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let state = self.0.state();
        let from = &state.segments[&self.1];
        let part = from.get(offset as usize..offset as usize + buffer.len());
        buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.state();
        let mut result = state.change();
        let used: usize = state.segments.values().map(Vec::len).sum();
        let mut len = match result {
            Ok(()) => bytes.len(),
            Err(_) => state.short_write.min(bytes.len()),
        };
        if let Some(capacity) = state.capacity
            && used + len > capacity
        {
            len = capacity.saturating_sub(used);
            result = Err(io::ErrorKind::StorageFull.into());
        }
        let data = state.segments.get_mut(&self.1).unwrap();
        let end = offset as usize + len;
        if data.len() < end {
            data.resize(end, 0);
        }
        data[offset as usize..end].copy_from_slice(&bytes[..len]);
        result
    }
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.0.state();
        state.change()?;
        state.segments.get_mut(&self.1).unwrap().truncate(len as usize);
        Ok(())
    }
    fn sync(&mut self) -> io::Result<()> {
        self.0.state().change()
    }
}

const T: Moment = Duration::from_secs(100);

fn body(sequence: u64) -> Vec<u8> {
    vec![sequence as u8; 10 + (sequence % 50) as usize]
}

fn append(spool: &mut Spool, now: Moment, sequence: u64) -> bool {
    spool.append(now, sequence, sequence as i64 * 1000, sequence % 2 == 1, &body(sequence))
}

fn drain(spool: &mut Spool) -> Vec<u64> {
    let (mut got, mut bytes) = (Vec::new(), Vec::new());
    while let Some(header) = spool.peek(&mut bytes) {
        assert_eq!(bytes, body(header.sequence));
        assert_eq!(header.sampled_at_ms, header.sequence as i64 * 1000);
        assert_eq!(header.packed, header.sequence % 2 == 1);
        got.push(header.sequence);
        spool.sent(Duration::ZERO);
    }
    assert_eq!(spool.pending(), 0);
    got
}

fn notices(spool: &mut Spool) -> Vec<String> {
    spool.take_notices().map(|n| format!("{n:?}")).collect()
}

#[test]
fn reports_outlive_the_process_in_order() {
    let disk = Disk::default();
    let mut first = disk.spool(1 << 15);
    assert!((0..100).all(|n| append(&mut first, T, n)));
    assert!(disk.state().segments.len() > 1, "several segments");
    assert_eq!(first.lowest_of_session(), Some(0));
    drop(first);
    let mut second = disk.spool(1 << 15);
    assert_eq!(notices(&mut second), ["Found { reports: 100 }"]);
    assert_eq!(second.lowest_of_session(), None, "these are of an earlier session");
    assert!(append(&mut second, T, 7));
    assert_eq!(second.lowest_of_session(), Some(7));
    assert_eq!(drain(&mut second), (0..100).chain([7]).collect::<Vec<_>>());
    second.settle(Duration::ZERO);
    assert!(disk.state().segments.is_empty(), "what has arrived is removed");
    assert_eq!(second.bytes(), 0);
}

#[test]
fn another_nodes_reports_are_not_sent_as_ours() {
    let disk = Disk::default();
    append(&mut disk.spool(1 << 16), T, 1);
    disk.state().segments.insert(99, b"something else entirely, not a segment of ours".to_vec());
    let mut other = Spool::open(Box::new(disk.clone()), "other", 1 << 16).unwrap();
    assert_eq!(notices(&mut other), ["OtherNode { segment: 1 }", "Foreign { segment: 99 }"]);
    assert_eq!(other.pending(), 0);
    assert_eq!(disk.state().segments.keys().copied().collect::<Vec<_>>(), [99]);
}

#[test]
fn a_full_disk_is_said_once_and_writing_goes_on_when_there_is_room() {
    let disk = Disk::default();
    disk.state().capacity = Some(500);
    let mut spool = disk.spool(1 << 16);
    let mut now = T;
    let kept = (0..100).take_while(|n| append(&mut spool, now, *n)).count() as u64;
    assert!(kept > 3);
    let said = notices(&mut spool);
    assert!(said.len() == 1 && said[0].contains("StorageFull"), "{said:?}");
    assert!(!append(&mut spool, now, kept), "no try before the pause is over");
    now += RETRY_AFTER;
    assert!(!append(&mut spool, now, kept));
    assert_eq!(notices(&mut spool), [""; 0], "said once");
    disk.state().capacity = None;
    now += RETRY_AFTER;
    assert!(append(&mut spool, now, kept));
    assert_eq!(notices(&mut spool), ["Works"]);
    assert_eq!(drain(&mut spool), (0..=kept).collect::<Vec<_>>());
}

#[test]
fn a_failing_fsync_begins_a_new_segment() {
    let disk = Disk::default();
    let mut spool = disk.spool(1 << 16);
    append(&mut spool, T, 0);
    assert_eq!(spool.sync_at(), Some(T + SYNC_EVERY));
    disk.state().broken = true;
    spool.sync(T + SYNC_EVERY);
    assert_eq!(notices(&mut spool), ["Failing { error: Custom { kind: Other, error: \"broken\" } }"]);
    disk.state().broken = false;
    assert!(append(&mut spool, T + SYNC_EVERY + RETRY_AFTER, 1));
    assert_eq!(disk.state().segments.len(), 2);
    assert_eq!(drain(&mut spool), [0, 1]);
}

#[test]
fn spoiled_records_cost_their_segment_and_no_other() {
    let disk = Disk::default();
    let mut spool = disk.spool(1 << 13); // segments of 1 KiB
    assert!((0..60).all(|n| append(&mut spool, T, n)));
    let segments: Vec<u64> = disk.state().segments.keys().copied().collect();
    assert!(segments.len() >= 3);
    disk.state().segments.get_mut(&segments[1]).unwrap()[300] ^= 1;
    let got = drain(&mut spool);
    let lost = spool.take_dropped();
    assert!(lost > 0);
    assert_eq!(got.len() as u64 + lost, 60);
    assert!(notices(&mut spool)[0].starts_with("Unreadable"));
    // The link breaks: what could be read goes again, all of it.
    spool.rewind();
    assert_eq!(spool.pending(), got.len() as u64);
    assert_eq!(drain(&mut spool), got);
    assert!(append(&mut spool, T, 60));
    assert_eq!(drain(&mut spool), [60]);
    assert_eq!(spool.take_dropped(), 0);
}

/// Kills the process (or the disk) at every single operation; afterwards everything that an append
/// had confirmed is there, in order, and nothing else but possibly the record being written.
#[test]
fn a_crash_at_every_operation_loses_nothing_confirmed() {
    let run = |fault_in: Option<u32>, short_write: usize| {
        let disk = Disk::default();
        (disk.state().fault_in, disk.state().short_write) = (fault_in, short_write);
        let mut spool = disk.spool(1 << 12); // segments of 512 bytes
        let mut confirmed = Vec::new();
        for n in 0..30 {
            if !append(&mut spool, T, n) {
                break;
            }
            confirmed.push(n);
            if n % 7 == 0 {
                spool.sync(T);
            }
        }
        (disk, confirmed)
    };
    let all = run(None, 0).0.state().operations;
    assert!(all > 40);
    for fault_in in 0..all {
        for short_write in [0, 1, 24, 26, 40] {
            let (disk, confirmed) = run(Some(fault_in), short_write);
            (disk.state().fault_in, disk.state().broken) = (None, false);
            let mut after = disk.spool(1 << 12);
            let got = drain(&mut after);
            let next = confirmed.len() as u64;
            assert!(
                got == confirmed || (got.split_last() == Some((&next, &confirmed[..]))),
                "fault at {fault_in}, {short_write} bytes: {got:?}, not {confirmed:?}"
            );
            assert!(append(&mut after, T, next + 1), "and it goes on");
        }
    }
}

/// Cuts the file at every byte.
#[test]
fn a_torn_tail_is_cut_off_and_said() {
    let disk = Disk::default();
    let mut spool = disk.spool(1 << 20);
    let mut ends = vec![];
    for n in 0..5 {
        append(&mut spool, T, n);
        ends.push(disk.state().segments[&1].len());
    }
    let whole = disk.state().segments[&1].clone();
    for cut in 0..whole.len() {
        disk.state().segments = BTreeMap::from([(1, whole[..cut].to_vec())]);
        let mut after = disk.spool(1 << 20);
        let expected = ends.iter().filter(|e| **e <= cut).count() as u64;
        let torn = cut > 0 && cut != SEGMENT_HEADER_BYTES && !ends.contains(&cut);
        let said = notices(&mut after);
        assert_eq!(said.iter().any(|s| s.starts_with("TornTail")), torn, "cut at {cut}: {said:?}");
        let again = notices(&mut disk.spool(1 << 20));
        assert!(!again.iter().any(|s| s.starts_with("TornTail")), "said once: {again:?}");
        assert_eq!(drain(&mut after), (0..expected).collect::<Vec<_>>(), "cut at {cut}");
    }
}

#[derive(Clone, Debug)]
enum Action {
    Append,
    Send,
    Settle,
    Break,
    Reopen,
    Fault(u32, usize),
    Repair,
}

proptest! {
    /// In step with a list: nothing is lost but what the bounds let go (and that is counted),
    /// nothing comes out of order, and the size stays within the limit.
    #[test]
    fn behaves_like_a_list(
        actions in prop::collection::vec(
            prop_oneof![
                8 => Just(Action::Append),
                8 => Just(Action::Send),
                2 => Just(Action::Settle),
                1 => Just(Action::Break),
                1 => Just(Action::Reopen),
                1 => (0u32..10, 0usize..60).prop_map(|(n, short)| Action::Fault(n, short)),
                2 => Just(Action::Repair),
            ],
            0..300,
        ),
    ) {
        let limit = 1 << 12;
        let disk = Disk::default();
        let mut spool = disk.spool(limit);
        let (mut now, mut next, mut link) = (T, 0u64, Duration::from_secs(1));
        // What waits, and what was sent and may come again.
        let (mut waits, mut sent) = (VecDeque::<u64>::new(), VecDeque::<u64>::new());
        let mut bytes = Vec::new();
        for action in actions {
            now += RETRY_AFTER;
            link += Duration::from_millis(1);
            match action {
                Action::Append => {
                    if append(&mut spool, now, next) {
                        waits.push_back(next);
                    }
                    next += 1;
                    for _ in 0..spool.take_dropped() {
                        waits.pop_front();
                    }
                }
                Action::Send => {
                    let got = spool.peek(&mut bytes).map(|h| h.sequence);
                    prop_assert_eq!(got, waits.front().copied());
                    spool.sent(link);
                    sent.extend(waits.pop_front());
                }
                Action::Settle => {
                    spool.settle(link);
                    sent.clear();
                }
                Action::Break => {
                    spool.rewind();
                    // Sent ones whose segment was let go meanwhile do not come again.
                    let again = spool.pending() as usize - waits.len();
                    prop_assert!(again <= sent.len());
                    for n in sent.drain(..).rev().take(again) {
                        waits.push_front(n);
                    }
                }
                Action::Reopen => {
                    disk.state().broken = false;
                    disk.state().fault_in = None;
                    spool = disk.spool(limit);
                    // Whole segments come again, so everything that waited is there, at the end.
                    // One whose removal failed is back, and let go again for room.
                    spool.take_dropped();
                    let mut all = VecDeque::new();
                    while let Some(header) = spool.peek(&mut bytes) {
                        all.push_back(header.sequence);
                        spool.sent(link);
                    }
                    prop_assert!(all.iter().is_sorted());
                    prop_assert!(waits.iter().all(|n| all.contains(n)), "{waits:?} in {all:?}");
                    spool.rewind();
                    (waits, sent) = (all, VecDeque::new());
                }
                Action::Fault(n, short) => {
                    disk.state().fault_in = Some(n);
                    disk.state().short_write = short;
                }
                Action::Repair => {
                    disk.state().broken = false;
                    disk.state().fault_in = None;
                }
            }
            prop_assert_eq!(spool.pending(), waits.len() as u64);
            prop_assert!(spool.bytes() <= limit, "{} bytes", spool.bytes());
            let lowest = spool.lowest_of_session();
            prop_assert!(lowest.is_none_or(|n| waits.contains(&n)), "{lowest:?}");
            spool.take_notices();
        }
    }
}
