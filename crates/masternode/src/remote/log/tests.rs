//! The queue's files on a disk that fails.

use super::*;
use chasar_tsdb::storage::Sim;
use proptest::prelude::*;

fn open(sim: &Sim, max_bytes: u64) -> (Log, Opening) {
    Log::open(Arc::new(sim.clone()), 2, max_bytes).unwrap()
}

fn batch(i: u32, len: usize) -> Batch {
    Batch { lane: (i % 2) as u16, samples: i, body: vec![i as u8; len] }
}

fn rest(log: &mut Log) -> Vec<(u32, Position)> {
    let mut found = Vec::new();
    while let Some(record) = log.read_next().unwrap() {
        assert_eq!(record.batch, batch(record.batch.samples, record.batch.body.len()));
        assert_eq!(record.lanes, 2);
        found.push((record.batch.samples, record.end));
    }
    assert!(log.is_read());
    found
}

fn numbers(found: &[(u32, Position)]) -> Vec<u32> {
    found.iter().map(|(number, _)| *number).collect()
}

#[test]
fn what_was_written_is_there_after_a_start_from_the_cursor_on() {
    let sim = Sim::new(1);
    let (mut log, _) = open(&sim, 1 << 30);
    assert!(log.is_read());
    let ends: Vec<_> = (1..=5).map(|i| log.append(&batch(i, 100)).unwrap()).collect();
    assert_eq!(log.samples(), 15);
    let found = rest(&mut log);
    assert_eq!(found, (1..=5).zip(ends.clone()).collect::<Vec<_>>());
    log.append(&batch(6, 0)).unwrap();
    assert_eq!(numbers(&rest(&mut log)), [6]);
    log.done(1, 3);
    assert_eq!(log.samples(), 18);
    log.save_cursor(ends[1]).unwrap();
    log.save_cursor(ends[0]).unwrap();

    let (mut log, opening) = open(&sim, 1 << 30);
    assert!(opening.damaged.is_empty(), "{opening:?}");
    assert_eq!(log.samples(), 3 + 4 + 5 + 6);
    // A file is written once.
    assert_eq!(log.append(&batch(7, 9)).unwrap().file, 2);
    let found = rest(&mut log);
    assert_eq!(numbers(&found), [3, 4, 5, 6, 7]);
    log.save_cursor(found[3].1).unwrap();
    assert_eq!(sim.list().unwrap().len(), 2, "{:?}", sim.list());
    let (mut log, _) = open(&sim, 1 << 30);
    assert_eq!(numbers(&rest(&mut log)), [7]);
}

#[test]
fn files_are_divided_and_the_oldest_go_first() {
    let sim = Sim::new(1);
    let (mut log, _) = open(&sim, 1 << 20);
    let mut dropped = Vec::new();
    for i in 1..=100 {
        log.append(&batch(i, 30_000)).unwrap();
        while let Some(of) = log.drop_oldest().unwrap() {
            dropped.push(of);
        }
        assert!(log.bytes() <= (1 << 20) + (128 << 10), "{}", log.bytes());
    }
    let left = numbers(&rest(&mut log));
    let first = left[0];
    assert_eq!(left, (first..=100).collect::<Vec<_>>());
    let lost: u64 = dropped.iter().map(|(_, samples)| samples).sum();
    assert_eq!(lost, (1..first).map(u64::from).sum::<u64>());
    assert!(dropped.windows(2).all(|pair| pair[0].0 < pair[1].0));
    let (log, _) = open(&sim, 1 << 20);
    assert_eq!(log.samples(), (first..=100).map(u64::from).sum::<u64>());
}

#[test]
fn a_file_that_cannot_be_removed_is_part_of_the_queue() {
    let sim = Sim::new(1);
    let (mut log, _) = open(&sim, 1 << 20);
    for i in 1..=40 {
        log.append(&batch(i, 30_000)).unwrap();
    }
    let samples = log.samples();
    sim.set_read_only(true);
    log.drop_oldest().unwrap_err();
    assert_eq!(log.samples(), samples);
    sim.set_read_only(false);
    let (_, lost) = log.drop_oldest().unwrap().unwrap();
    assert_eq!(log.samples() + lost, samples);
    assert_eq!(numbers(&rest(&mut log)).iter().map(|i| u64::from(*i)).sum::<u64>(), samples - lost);
}

#[test]
fn a_torn_end_is_said_and_the_rest_is_there() {
    for cut in [1, 5, 18, 20, 60] {
        let sim = Sim::new(1);
        let mut output = sim.create("00000001.log").unwrap();
        let (mut log, _) = open(&Sim::new(2), 1 << 30);
        log.append(&batch(1, 50)).unwrap();
        log.append(&batch(2, 50)).unwrap();
        let mut bytes = vec![0; log.bytes() as usize];
        log.storage.open("00000001.log").unwrap().read_at(0, &mut bytes).unwrap();
        output.append(&bytes[..bytes.len() - cut]).unwrap();
        let (mut log, opening) = open(&sim, 1 << 30);
        assert_eq!(opening.damaged.len(), 1, "{opening:?}");
        assert!(opening.damaged[0].contains("of 00000001.log"), "{opening:?}");
        assert_eq!(numbers(&rest(&mut log)), [1]);
        // What comes then is behind it.
        log.append(&batch(3, 1)).unwrap();
        assert_eq!(numbers(&rest(&mut log)), [3]);
    }
}

#[test]
fn damage_within_a_file_costs_the_rest_of_it() {
    let sim = Sim::new(1);
    let (mut log, _) = open(&sim, 1 << 30);
    for i in 1..=3 {
        log.append(&batch(i, 50)).unwrap();
    }
    sim.flip("00000001.log", 10 + 68 + 40, 1);
    let (mut again, opening) = open(&sim, 1 << 30);
    assert!(opening.damaged[0].contains("checksum"), "{opening:?}");
    assert_eq!(numbers(&rest(&mut again)), [1]);
    // The one that was open finds it when it reads.
    assert!(log.read_next().is_ok());
    assert!(matches!(log.read_next(), Err(Unread::Damaged(wrong)) if wrong.contains("checksum")));
    // The first one was read and may be sent yet.
    assert_eq!((log.give_up_file(1), log.samples()), (5, 1));
    assert!(log.is_read());
    // What comes is not hidden behind the place.
    log.append(&batch(4, 50)).unwrap();
    assert!(!log.is_read());
    assert_eq!(numbers(&rest(&mut log)), [4]);
    log.done(1, 1);
    assert_eq!(log.samples(), 4);
}

#[test]
fn a_start_reads_the_bodies_of_the_newest_file_alone() {
    let sim = Sim::new(1);
    let (mut log, _) = open(&sim, 1 << 20);
    for i in 1..=4 {
        log.append(&batch(i, 60_000)).unwrap();
    }
    // Two are in a file.
    sim.flip("00000001.log", 60_000 + 1_000, 1);
    let (mut log, opening) = open(&sim, 1 << 20);
    assert_eq!((log.samples(), opening.damaged.len()), (10, 0), "{opening:?}");
    assert_eq!(log.read_next().unwrap().unwrap().batch.samples, 1);
    assert!(matches!(log.read_next(), Err(Unread::Damaged(_))));
    assert_eq!((log.give_up_file(1), log.samples()), (2, 8));
    assert_eq!(numbers(&rest(&mut log)), [3, 4]);
    // A head that is damaged is no number of samples.
    sim.flip("00000002.log", 10 + 6, 0x80);
    let (log, opening) = open(&sim, 1 << 20);
    assert_eq!((log.samples(), opening.damaged.len()), (3, 1), "{opening:?}");
}

#[test]
fn what_cannot_be_read_now_is_no_damage() {
    let sim = Sim::new(1);
    let (mut log, _) = open(&sim, 1 << 30);
    for i in 1..=3 {
        log.append(&batch(i, 50)).unwrap();
    }
    sim.set_reads_fail(true);
    for _ in 0..3 {
        assert!(matches!(log.read_next(), Err(Unread::Failed(_))));
    }
    assert!(Log::open(Arc::new(sim.clone()), 2, 1 << 30).is_err());
    sim.set_reads_fail(false);
    assert_eq!(numbers(&rest(&mut log)), [1, 2, 3]);
    let (mut again, opening) = open(&sim, 1 << 30);
    assert!(opening.damaged.is_empty(), "{opening:?}");
    sim.remove("00000001.log").unwrap();
    assert!(matches!(again.read_next(), Err(Unread::Damaged(_))));
}

#[test]
fn a_full_disk_refuses_and_later_takes_again() {
    let sim = Sim::new(1);
    let (mut log, _) = open(&sim, 1 << 30);
    log.append(&batch(1, 50)).unwrap();
    sim.set_capacity(Some(120));
    for _ in 0..3 {
        log.append(&batch(2, 500)).unwrap_err();
    }
    // Of those that did not fit there is nothing but the part behind the first one.
    assert_eq!(sim.list().unwrap(), [("00000001.log".to_owned(), 120)]);
    assert!(log.bytes() >= 120);
    sim.set_capacity(None);
    log.append(&batch(3, 500)).unwrap();
    assert_eq!(numbers(&rest(&mut log)), [1, 3]);
    let (mut log, _) = open(&sim, 1 << 30);
    assert_eq!(numbers(&rest(&mut log)), [1, 3]);
}

#[test]
fn what_was_sent_makes_room_on_a_full_disk() {
    let sim = Sim::new(1);
    let (mut log, _) = open(&sim, 1 << 20);
    for i in 1..=10 {
        log.append(&batch(i, 60_000)).unwrap();
    }
    let found = rest(&mut log);
    sim.set_capacity(Some(0));
    log.save_cursor(found[8].1).unwrap_err();
    let files: Vec<_> = sim.list().unwrap().into_iter().map(|(file, _)| file).collect();
    assert_eq!(files, [name(found[9].1.file).as_str(), CURSOR_NEW]);
    sim.set_capacity(None);
    log.save_cursor(found[8].1).unwrap();
    let (mut log, _) = open(&sim, 1 << 20);
    assert_eq!(numbers(&rest(&mut log)), [10]);
}

#[test]
fn a_bad_cursor_is_none() {
    let sim = Sim::new(1);
    let (mut log, _) = open(&sim, 1 << 30);
    log.append(&batch(1, 5)).unwrap();
    let damaged = cursor_text(Position { file: 1, offset: 500 }).replacen('1', "9", 1);
    for text in [
        "",
        "1",
        "1 2",
        "x y\n",
        "1 99999999999999999999999\n",
        "\u{0}\u{0}\u{0}\n",
        "9 500\n",
        &damaged,
        &format!("{} 0 00000000\n", u64::MAX),
    ] {
        let _ = sim.remove(CURSOR);
        sim.create(CURSOR).unwrap().append(text.as_bytes()).unwrap();
        let (mut log, opening) = open(&sim, 1 << 30);
        assert_eq!(numbers(&rest(&mut log)), [1], "{text:?}");
        assert!(opening.damaged[0].contains("cursor"), "{opening:?}");
    }
    // One as large as can be is one, and what has another name is no file of the queue.
    sim.remove(CURSOR).unwrap();
    let last = cursor_text(Position { file: u64::MAX, offset: 0 });
    sim.create(CURSOR).unwrap().append(last.as_bytes()).unwrap();
    for odd in ["1.log", "18446744073709551615.log", "a.log"] {
        sim.create(odd).unwrap();
    }
    let (log, opening) = open(&sim, 1 << 30);
    assert_eq!((log.samples(), opening.damaged.len()), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// The power fails at any operation: what was synced is there, in order, and from the cursor on.
    #[test]
    fn a_power_cut_takes_nothing_that_was_synced(
        seed in any::<u64>(), at in 1u64..60, lens in prop::collection::vec(0usize..40_000, 1..30),
    ) {
        let sim = Sim::new(seed);
        let (mut log, _) = open(&sim, 600_000);
        sim.fail_power_at(at);
        let (mut synced, mut sent) = (0, 0);
        for (i, len) in (1..).zip(&lens) {
            let Ok(end) = log.append(&batch(i, *len)) else { break };
            if log.sync().is_err() { break }
            synced = i;
            if i % 3 == 0 {
                log.skip_to(end);
                sent = i;
                if log.save_cursor(end).is_err() { break }
            }
        }
        let sim = sim.after_power_cut();
        let (mut log, _) = open(&sim, 600_000);
        let found = numbers(&rest(&mut log));
        prop_assert!(found.windows(2).all(|pair| pair[1] == pair[0] + 1), "{:?}", found);
        let (first, last) = (found.first().copied(), found.last().copied().unwrap_or(0));
        prop_assert!(last.max(sent) >= synced, "{:?} {} {}", found, synced, sent);
        prop_assert!(first.is_none_or(|first| first <= sent + 1), "{:?} {}", first, sent);
        // And it goes on.
        log.append(&batch(200, 9)).unwrap();
        prop_assert_eq!(numbers(&rest(&mut log)), [200]);
    }
}
