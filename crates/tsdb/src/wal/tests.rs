//! Logs written, cut, damaged and read back.

use super::*;
use crate::labels::NAME;
use crate::storage::Sim;
use proptest::prelude::*;

const HEADER: WalHeader = WalHeader { id: 3, window: None };

struct TestNames(Vec<std::sync::Arc<Layout>>);

impl Names for TestNames {
    fn metric(&self, id: u32) -> (Labels, Kind) {
        (Labels::new([(NAME, format!("m{id}"))]).unwrap(), Kind::Counter)
    }
    fn source(&self, id: u32) -> Labels {
        Labels::new([("instance", format!("s{id}"))]).unwrap()
    }
}

#[derive(Clone, Debug)]
enum Entry {
    Row { source: u32, layout: u32, time: i64, values: Vec<f64> },
    Sample { source: u32, metric: u32, time: i64, value: f64 },
}

/// What a record says, with all numbers replaced by names.
fn describe(entry: &Entry, names: &TestNames) -> Vec<String> {
    match entry {
        Entry::Row { source, layout, time, values } => names.0[*layout as usize]
            .metrics
            .iter()
            .zip(values)
            .map(|(m, v)| format!("s{source} m{m} {time} {:x}", v.to_bits()))
            .collect(),
        Entry::Sample { source, metric, time, value } => {
            vec![format!("s{source} m{metric} {time} {:x}", value.to_bits())]
        }
    }
}

fn write(sim: &Sim, records: &[Vec<Entry>], names: &TestNames) -> Vec<u64> {
    let mut wal = WalWriter::create(sim, "w", &HEADER).unwrap();
    let mut sizes = Vec::new();
    for record in records {
        for entry in record {
            match entry {
                Entry::Row { source, layout, time, values } => {
                    wal.row(*source, &names.0[*layout as usize], *time, values, names);
                }
                Entry::Sample { source, metric, time, value } => {
                    wal.sample(*source, *metric, *time, *value, names);
                }
            }
        }
        wal.commit(true).unwrap();
        sizes.push(wal.size_bytes);
    }
    sizes
}

fn read(sim: &Sim) -> (Vec<Vec<String>>, Option<LostTail>) {
    let (mut metrics, mut sources, mut layouts) = (Vec::new(), Vec::new(), Vec::new());
    let mut records = vec![Vec::new()];
    let lost = replay(sim, "w", None, |told| match told {
        Told::Metric(labels, kind) => {
            assert_eq!(kind, Kind::Counter);
            metrics.push(labels.get(NAME).unwrap().to_string());
        }
        Told::Source(labels) => sources.push(labels.get("instance").unwrap().to_string()),
        Told::Layout(list) => layouts.push(list.to_vec()),
        Told::Row { source, layout, time, values } => {
            for (m, v) in layouts[layout as usize].iter().zip(values) {
                let (s, m) = (&sources[source as usize], &metrics[*m as usize]);
                records.last_mut().unwrap().push(format!("{s} {m} {time} {:x}", v.to_bits()));
            }
        }
        Told::Sample { source, metric, time, value } => {
            let (s, m) = (&sources[source as usize], &metrics[metric as usize]);
            records.last_mut().unwrap().push(format!("{s} {m} {time} {:x}", value.to_bits()));
        }
        Told::End => records.push(Vec::new()),
    })
    .unwrap();
    records.pop();
    (records, lost)
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-10_000i32..10_000).prop_map(|i| f64::from(i) / 100.0),
        2 => (0u32..1000).prop_map(f64::from),
        1 => any::<f64>(),
        1 => Just(ABSENT),
        1 => Just(9e15),
    ]
}

fn entries() -> impl Strategy<Value = Vec<Vec<Entry>>> {
    let layouts = [3usize, 9, 17];
    let row = (0u32..3, 0usize..3, MIN_TIME_MS..=MAX_TIME_MS)
        .prop_flat_map(move |(source, layout, time)| {
            (Just((source, layout, time)), prop::collection::vec(value(), layouts[layout]))
        })
        .prop_map(|((source, layout, time), values)| Entry::Row {
            source,
            layout: layout as u32,
            time,
            values,
        });
    let sample = (0u32..3, 0u32..20, MIN_TIME_MS..=MAX_TIME_MS, value())
        .prop_map(|(source, metric, time, value)| Entry::Sample { source, metric, time, value });
    prop::collection::vec(prop::collection::vec(prop_oneof![3 => row, 1 => sample], 1..5), 1..8)
}

fn names() -> TestNames {
    let mut tables = crate::index::NameTables::default();
    let lists = [(0..3).collect(), (2..11).rev().collect(), (0..17).collect()];
    TestNames(lists.map(|metrics| tables.layout(metrics)).to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_told(records in entries()) {
        let sim = Sim::new(0);
        write(&sim, &records, &names());
        let (told, lost) = read(&sim);
        prop_assert_eq!(lost, None);
        let expected: Vec<Vec<String>> =
            records.iter().map(|r| r.iter().flat_map(|e| describe(e, &names())).collect()).collect();
        prop_assert_eq!(told, expected);
        prop_assert_eq!(read_header(&sim, "w", HEADER.id).unwrap(), HEADER);
    }

    #[test]
    fn any_record_is_refused_or_told_without_panic(bytes: Vec<u8>, records in entries(), at: usize, mask: u8) {
        let mut replay = Replay { times: i64::MIN..i64::MAX, ..Replay::default() };
        let _ = replay.record(&bytes, &mut |_| {});
        // Behind a good checksum too, as a bug or an attacker would write it.
        let sim = Sim::new(0);
        write(&sim, &records, &names());
        let mut payload = vec![0; sim.list().unwrap()[0].1 as usize - HEADER_BYTES - RECORD_HEAD_BYTES];
        sim.open("w").unwrap().read_at((HEADER_BYTES + RECORD_HEAD_BYTES) as u64, &mut payload).unwrap();
        let at = at % payload.len();
        payload[at] ^= mask;
        let mut replay = Replay { times: i64::MIN..i64::MAX, ..Replay::default() };
        let _ = replay.record(&payload, &mut |_| {});
    }
}

fn steady() -> Vec<Vec<Entry>> {
    (0..20)
        .map(|i| {
            let values = vec![f64::from(i), 5.0, f64::from(i) / 100.0];
            vec![Entry::Row { source: 0, layout: 0, time: i64::from(i) * 1000, values }]
        })
        .collect()
}

#[test]
fn a_torn_tail_is_said_and_what_is_before_it_told() {
    let whole = Sim::new(0);
    let sizes = write(&whole, &steady(), &names());
    let mut bytes = vec![0; *sizes.last().unwrap() as usize];
    whole.open("w").unwrap().read_at(0, &mut bytes).unwrap();
    for len in HEADER_BYTES..bytes.len() {
        let cut = Sim::new(0);
        cut.create("w").unwrap().append(&bytes[..len]).unwrap();
        let (told, lost) = read(&cut);
        let whole_records = sizes.iter().filter(|s| **s <= len as u64).count();
        assert_eq!(told.len(), whole_records, "{len} bytes");
        let begin = sizes[..whole_records].last().copied().unwrap_or(HEADER_BYTES as u64);
        assert_eq!(
            lost.map(|l| (l.offset, l.bytes)),
            (begin < len as u64).then(|| (begin, len as u64 - begin))
        );
    }
}

#[test]
fn every_flipped_byte_ends_the_log_there() {
    let sim = Sim::new(0);
    let sizes = write(&sim, &steady(), &names());
    for at in 0..*sizes.last().unwrap() as usize {
        sim.flip("w", at, 0x40);
        if at < HEADER_BYTES {
            assert!(read_header(&sim, "w", HEADER.id).is_err(), "byte {at}");
        } else {
            let (told, lost) = read(&sim);
            assert_eq!(told.len(), sizes.iter().filter(|s| **s <= at as u64).count());
            assert!(lost.is_some(), "byte {at}");
        }
        sim.flip("w", at, 0x40);
    }
}

/// Found by review: a length that is wrong hid all records behind it, and what was lost counted as torn.
#[test]
fn a_flip_is_told_from_a_torn_record_wherever_it_is() {
    let sim = Sim::new(0);
    let sizes = write(&sim, &steady(), &names());
    for at in HEADER_BYTES..sizes[19] as usize {
        for bit in 0..8 {
            sim.flip("w", at, 1 << bit);
            let lost = read(&sim).1.unwrap();
            assert_eq!(lost.followed, (at as u64) < sizes[18], "byte {at}, bit {bit}: {lost:?}");
            sim.flip("w", at, 1 << bit);
        }
    }
}

#[test]
fn a_record_is_found_across_blocks() {
    let sim = Sim::new(0);
    let whole = Sim::new(0);
    let sizes = write(&whole, &steady(), &names());
    let mut record = vec![0; (sizes[1] - sizes[0]) as usize];
    whole.open("w").unwrap().read_at(sizes[0], &mut record).unwrap();
    let block = SEARCHED_AT_ONCE as usize;
    for (number, before) in [0, block - 9, block - 8, block - 1, block, 2 * block - 4].into_iter().enumerate()
    {
        let name = format!("w{number}");
        let mut file = sim.create(&name).unwrap();
        file.append(&vec![0; before]).unwrap();
        file.append(&record).unwrap();
        let input = sim.open(&name).unwrap();
        let size = input.size_bytes().unwrap();
        assert!(is_followed(&*input, 0, size), "{before}");
        assert!(
            !is_followed(&*input, before as u64 + 1, size) && !is_followed(&*input, 0, size - 1),
            "{before}"
        );
    }
}

#[test]
fn a_log_under_the_name_of_another_is_refused() {
    let sim = Sim::new(0);
    write(&sim, &steady(), &names());
    assert_eq!(read_header(&sim, "w", HEADER.id).unwrap(), HEADER);
    let refused = read_header(&sim, "w", HEADER.id + 1);
    assert!(matches!(refused, Err(Error::Damaged { offset: 12, .. })), "{refused:?}");
}

/// Found by fuzzing: such samples were served, and lost when the log became a segment.
#[test]
fn a_sample_outside_the_window_ends_the_log() {
    for (window, told) in [((0, 20_000), 20), ((0, 19_000), 19), ((1, 20_000), 0)] {
        let sim = Sim::new(0);
        write(&sim, &steady(), &names());
        let mut rows = 0;
        let lost = replay(&sim, "w", Some(window), |t| rows += usize::from(matches!(t, Told::Row { .. })));
        let lost = lost.unwrap().map(|l| l.what);
        assert_eq!(rows, told);
        assert_eq!(lost, (told < 20).then_some("a sample lies outside the window"));
    }
}

#[test]
fn a_window_is_part_of_an_hour() {
    let back = |window| {
        let header = WalHeader { id: 1, window };
        WalHeader::decode(header.encode().as_slice().try_into().unwrap())
    };
    let hour = 3_600_000;
    for window in [None, Some((0, hour)), Some((-1000, 0)), Some((hour - 1, hour))] {
        assert_eq!(back(window).unwrap().unwrap().window, window);
    }
    let far = i64::MAX / hour * hour;
    for window in [(0, hour + 1), (-1, 1), (5, 5), (9, 8), (i64::MAX, i64::MIN), (far, far + 5)] {
        assert!(back(Some(window)).is_err(), "{window:?}");
    }
}

#[test]
fn an_unchanged_value_costs_a_bit_and_a_small_step_a_byte() {
    let sim = Sim::new(0);
    let sizes = write(&sim, &steady(), &names());
    // Head 8, entry, source and layout 3, time 2, bitmap 1, two changed values.
    assert_eq!(sizes[19] - sizes[18], 16);
}
