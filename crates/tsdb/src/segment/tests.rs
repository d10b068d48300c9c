//! Segments written and read back, whole and damaged.

use std::sync::Arc;

use super::*;
use crate::chunk::MAX_PAGE_VALUES;
use crate::error::Error;
use crate::labels::{Kind, Labels, NAME};
use crate::storage::{Sim, Storage};
use proptest::prelude::*;

const HEADER: Header =
    Header { tier: Tier::Raw, level: 0, from_ms: 0, to_ms: 86_400_000, order: 7, created_ms: 11 };

fn labels(name: &str, value: &str) -> Labels {
    Labels::new([(name, value)]).unwrap()
}

/// Samples by metric and source.
type Content = Vec<Vec<Option<Vec<(i64, f64)>>>>;

fn write(sim: &Sim, content: &Content) {
    let metrics: Vec<_> =
        (0..content.len()).map(|m| (labels(NAME, &format!("metric_{m:03}")), Kind::Gauge)).collect();
    let sources: Vec<_> =
        (0..content[0].len()).map(|s| labels("instance", &format!("node-{s:03}"))).collect();
    let mut writer = SegmentWriter::create(sim, "a", &HEADER).unwrap();
    for (m, row) in content.iter().enumerate() {
        writer.begin(m as u32, Column::Value).unwrap();
        for (s, samples) in row.iter().enumerate() {
            for page in samples.iter().flat_map(|s| s.chunks(MAX_PAGE_VALUES)) {
                let times: Vec<i64> = page.iter().map(|p| p.0).collect();
                let clock = writer.clock(&times).unwrap();
                writer.page(s as u32, clock, page.iter().map(|p| p.1)).unwrap();
            }
        }
    }
    writer.finish(&metrics, &sources, &Replaces { segments: vec![3], logs: vec![1, 2] }).unwrap();
}

fn read(segment: &Segment) -> Result<Content, Error> {
    let mut content = vec![vec![None; segment.sources.len()]; segment.metrics.len()];
    let mut cache = ClockCache::default();
    for (m, row) in content.iter_mut().enumerate() {
        for entry in segment.chunks_of(m as u32, Column::Value) {
            let bytes = segment.bytes(&entry.place)?;
            let mut chunk = segment.chunk(entry, &bytes)?;
            for page in chunk.pages.clone() {
                let mut values = Vec::new();
                chunk.read(&page, &mut values).unwrap();
                let clock = segment.clock(page.clock, &mut cache)?;
                row[page.source as usize].get_or_insert_with(Vec::new).extend(clock.iter().zip(values));
            }
        }
    }
    Ok(content)
}

fn samples() -> impl Strategy<Value = Vec<(i64, f64)>> {
    (0i64..80_000_000, prop::collection::vec((prop_oneof![Just(1000i64), 1i64..5000], -100i32..100), 1..60))
        .prop_map(|(start, steps)| {
            let mut time = start;
            steps
                .iter()
                .map(|(step, value)| {
                    time += step;
                    (time, f64::from(*value) / 4.0)
                })
                .collect()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn all_samples_come_back(content in (1usize..5, 1usize..5).prop_flat_map(|(m, s)| {
        prop::collection::vec(prop::collection::vec(prop::option::of(samples()), s..=s), m..=m)
    })) {
        let sim = Sim::new(0);
        write(&sim, &content);
        let segment = Segment::open(&sim, "a").unwrap();
        prop_assert_eq!(segment.header, HEADER);
        prop_assert_eq!(&segment.replaces.logs, &[1, 2]);
        prop_assert_eq!(read(&segment).unwrap(), content);
        segment.verify(|_| {}, |e| panic!("{e}"));
    }
}

fn example() -> Content {
    let steady: Vec<_> = (0..120).map(|i| (1_000_000 + i * 1000, i as f64)).collect();
    let jitter: Vec<_> = (0..120).map(|i| (1_000_000 + i * 1000 + i * 7 % 5, (i * i % 17) as f64)).collect();
    vec![vec![Some(steady), Some(jitter.clone())], vec![None, Some(jitter)]]
}

#[test]
fn long_series_take_several_pages_and_chunks() {
    let long: Vec<_> = (0..150_000).map(|i| (i * 500, (i % 1009) as f64)).collect();
    let content = vec![vec![Some(long.clone()), Some(long)]];
    let sim = Sim::new(0);
    write(&sim, &content);
    let segment = Segment::open(&sim, "a").unwrap();
    assert_eq!(segment.chunks.len(), 3);
    assert_eq!(segment.times, (0, 74_999_500));
    assert_eq!(read(&segment).unwrap(), content);
}

#[test]
fn every_flipped_byte_is_noticed() {
    let sim = Sim::new(0);
    write(&sim, &example());
    let size = sim.list().unwrap()[0].1 as usize;
    for at in 0..size {
        sim.flip("a", at, 0x10);
        match Segment::open(&sim, "a") {
            Err(Error::Damaged { .. }) => {}
            Err(Error::Version { .. }) => assert!((8..10).contains(&at)),
            Err(other) => panic!("byte {at}: {other}"),
            Ok(segment) => {
                let mut wrong = 0;
                segment.verify(
                    |_| {},
                    |e| {
                        assert!(matches!(e, Error::Damaged { .. }), "{e}");
                        wrong += 1;
                    },
                );
                assert!(wrong > 0, "byte {at} was changed and nobody saw it");
            }
        }
        sim.flip("a", at, 0x10);
    }
    assert_eq!(read(&Segment::open(&sim, "a").unwrap()).unwrap(), example());
}

#[test]
fn a_file_cut_short_is_not_a_segment() {
    let sim = Sim::new(0);
    write(&sim, &example());
    let size = sim.list().unwrap()[0].1 as usize;
    let mut bytes = vec![0; size];
    sim.open("a").unwrap().read_at(0, &mut bytes).unwrap();
    for len in 0..size {
        let short = Sim::new(0);
        short.create("a").unwrap().append(&bytes[..len]).unwrap();
        assert!(matches!(Segment::open(&short, "a"), Err(Error::Damaged { .. })), "{len} bytes");
    }
}

#[test]
fn a_newer_version_is_named() {
    let sim = Sim::new(0);
    write(&sim, &example());
    sim.flip("a", 8, 2);
    assert!(matches!(Segment::open(&sim, "a"), Err(Error::Version { version: 3, newest: 1, .. })));
}

fn open(pages: &[(u32, i64)]) -> Result<Segment, Error> {
    let sim = Sim::new(0);
    let mut writer = SegmentWriter::create(&sim, "a", &HEADER).unwrap();
    for (source, time) in pages {
        // Each of a chunk of its own, apart from what follows without a gap.
        if *source != 3 {
            writer.begin(0, Column::Value).unwrap();
        }
        let clock = writer.clock(&[*time]).unwrap();
        writer.page(*source, clock, [1.0]).unwrap();
    }
    let sources: Vec<_> = (0..4).map(|s| labels("instance", &s.to_string())).collect();
    writer.finish(&[(labels(NAME, "m"), Kind::Gauge)], &sources, &Replaces::default()).unwrap();
    Segment::open(&sim, "a")
}

/// Found by fuzzing: a merge relies on it.
#[test]
fn chunks_that_overlap_are_refused() {
    assert_eq!(open(&[(1, 5), (3, 5)]).unwrap().chunks.len(), 1);
    assert_eq!(open(&[(0, 5), (0, 6), (1, 5), (3, 5)]).unwrap().chunks.len(), 3);
    let refused = open(&[(0, 5), (3, 5), (1, 5)]);
    assert!(matches!(refused, Err(Error::Damaged { what: "its chunks are not sorted", .. })), "{refused:?}");
}

#[test]
fn samples_outside_the_window_are_refused() {
    assert!(open(&[(1, 0), (3, HEADER.to_ms - 1)]).is_ok());
    for time in [-1, HEADER.to_ms] {
        let refused = open(&[(1, time), (3, 5)]);
        assert!(
            matches!(refused, Err(Error::Damaged { what: "a sample lies outside the window", .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn headers_that_make_no_sense_are_refused() {
    let check = |header: Header| Header::decode(&header.encode()).map(|_| ());
    assert_eq!(check(HEADER), Ok(()));
    for header in [
        Header { order: u64::MAX, ..HEADER },
        Header { to_ms: 0, ..HEADER },
        Header { from_ms: -1, ..HEADER },
        Header { from_ms: i64::MAX - 10, to_ms: i64::MAX, ..HEADER },
        Header { from_ms: i64::MIN, to_ms: i64::MIN + 10, ..HEADER },
    ] {
        assert!(check(header).is_err(), "{header:?}");
    }
}

#[test]
fn clocks_are_searched_by_time() {
    for clock in [
        Clock::Regular { start: 10, step: 10, values: 5 },
        Clock::Listed(Arc::new((1..6).map(|i| i * 10).collect())),
        Clock::Paced(Arc::new(Paced::new(&[10, 20, 30, 40, 50]).unwrap())),
    ] {
        assert_eq!(clock.range(i64::MIN, i64::MAX), 0..5);
        assert_eq!(clock.range(11, 40), 1..4);
        assert_eq!(clock.range(20, 39), 1..3);
        assert_eq!(clock.range(60, 70), 5..5);
        assert_eq!(clock.range(31, 30), 3..3);
    }
}
