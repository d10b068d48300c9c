//! Messages from anybody: refused with what is wrong, within bounded memory.

use chasar_remote_write::{Error, Item, Limits, Malformed, Message, Request, Sample, Version, unpack};

fn read(version: Version, bytes: &[u8], limits: &Limits) -> Result<usize, Error> {
    let mut request = Request::new(version, bytes, limits)?;
    let mut items = 0;
    while request.next_item()?.is_some() {
        items += 1;
    }
    Ok(items)
}

fn refused(version: Version, bytes: &[u8]) -> Malformed {
    match read(version, bytes, &Limits::default()) {
        Err(Error::Malformed { at, what }) if at <= bytes.len() => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_limit_is_kept() {
    let limits = Limits { series: 2, labels: 2, symbols: 6, samples: 3, ..Limits::default() };
    let count = |version, series: &[(usize, usize)]| {
        let mut message = Message::new(version);
        for (labels, samples) in series {
            let names: Vec<_> = (0..*labels).map(|i| (format!("n{i}"), format!("v{i}"))).collect();
            let samples = (0..*samples).map(|i| Sample { time_ms: i as i64, value: 1.0 });
            message.series(names.iter().map(|(n, v)| (&**n, &**v)), samples, None);
        }
        let mut bytes = Vec::new();
        message.write(&mut bytes);
        read(version, &bytes, &limits)
    };
    for version in [Version::V1, Version::V2] {
        assert_eq!(count(version, &[(2, 1), (2, 2)]), Ok(2));
        let of = |what, count, limit| Err(Error::TooMany { what, count, limit });
        assert_eq!(count(version, &[(1, 0); 3]), of("series", 3, 2));
        assert_eq!(count(version, &[(1, 2), (1, 2)]), of("samples", 4, 3));
    }
    let of = |what, count, limit| Err(Error::TooMany { what, count, limit });
    assert_eq!(count(Version::V2, &[(3, 0)]), of("symbols", 7, 6));
    assert_eq!(read(Version::V1, &[0; 10], &Limits { message_bytes: 9, ..limits }), of("bytes", 10, 9));
}

#[test]
fn a_series_with_too_many_labels_is_marked_and_the_next_one_is_read() {
    let limits = Limits { labels: 2, ..Limits::default() };
    for version in [Version::V1, Version::V2] {
        let mut message = Message::new(version);
        let sample = [Sample { time_ms: 1, value: 1.0 }];
        message.series([("a", "1"), ("b", "1"), ("c", "1")], sample, None);
        message.series([("a", "1"), ("b", "2")], sample, None);
        let mut bytes = Vec::new();
        message.write(&mut bytes);
        let mut request = Request::new(version, &bytes, &limits).unwrap();
        for (labels, total) in [(&[("a", "1"), ("b", "1")], 3), (&[("a", "1"), ("b", "2")], 2)] {
            let Some(Item::Series(series)) = request.next_item().unwrap() else { panic!("{version:?}") };
            assert_eq!((series.labels, series.labels_total), (&labels[..], total));
            assert_eq!(series.samples().count(), 1);
        }
    }
}

#[test]
fn what_is_wrong_is_said() {
    use Malformed::*;
    use Version::{V1, V2};
    assert_eq!(refused(V1, b"\x0a\x05\x0a\x03\x0a\x09a"), Short);
    assert_eq!(refused(V1, b"\x0a\x05\x0a\x03\x0a\x01\xff"), Text);
    // A series that is a number, a label that is one, a sample's value that is one.
    assert_eq!(refused(V1, b"\x08\x05"), Type);
    assert_eq!(refused(V1, b"\x0a\x02\x08\x05"), Type);
    assert_eq!(refused(V1, b"\x0a\x04\x12\x02\x08\x01"), Type);
    // Symbols: not beginning with the empty one, beyond, and half a label.
    assert_eq!(refused(V2, b"\x22\x01a"), FirstSymbol);
    assert_eq!(refused(V2, b"\x22\x00\x2a\x04\x0a\x02\x00\x01"), Reference);
    assert_eq!(refused(V2, b"\x22\x00\x2a\x04\x0a\x02\x00\x80"), Short);
    assert_eq!(refused(V2, b"\x22\x00\x2a\x03\x0a\x01\x00"), Pairs);
    assert_eq!(refused(V2, b"\x22\x00\x2a\x04\x2a\x02\x18\x05"), Reference);
    // A message of 1.0 taken for one of 2.0 is empty, and the other way round.
    assert_eq!(read(V2, b"\x0a\x02\x0a\x00", &Limits::default()), Ok(0));
    assert_eq!(read(V1, b"\x22\x00\x2a\x00", &Limits::default()), Ok(0));
}

#[test]
fn cut_anywhere_it_is_refused_or_shorter() {
    for version in [Version::V1, Version::V2] {
        let mut message = Message::new(version);
        for i in 0..3 {
            let value = format!("v{i}");
            let samples = (0..3).map(|t| Sample { time_ms: 1_700_000_000_000 + t, value: 0.5 });
            message.series([("__name__", "m"), ("l", &*value)], samples, None);
        }
        let mut bytes = Vec::new();
        message.write(&mut bytes);
        assert_eq!(read(version, &bytes, &Limits::default()), Ok(3));
        for end in 0..bytes.len() {
            match read(version, &bytes[..end], &Limits::default()) {
                Ok(items) => assert!(items < 3),
                Err(Error::Malformed { at, .. }) => assert!(at <= end),
                Err(other) => panic!("{other}"),
            }
        }
        let mut body = Vec::new();
        message.pack(&mut body);
        for end in 0..body.len() {
            assert!(unpack(&body[..end], &Limits::default(), &mut Vec::new()).is_err(), "{end}");
        }
    }
}

#[test]
fn empty_series_and_samples_take_no_memory() {
    // A million empty samples in two megabytes: none of them is kept.
    let mut series = Vec::new();
    for _ in 0..1_000_000 {
        series.extend_from_slice(&[0x12, 0x00]);
    }
    let mut bytes = vec![0x0a, 0x80, 0x89, 0x7a];
    bytes.extend_from_slice(&series);
    let limits = Limits { samples: 1_000_000, ..Limits::default() };
    let mut request = Request::new(Version::V1, &bytes, &limits).unwrap();
    let Ok(Some(chasar_remote_write::Item::Series(series))) = request.next_item() else { panic!() };
    assert_eq!((series.samples_total, series.samples().count()), (1_000_000, 1_000_000));
    let empty: Vec<u8> = [0x0a, 0x00].repeat(200_000);
    assert_eq!(read(Version::V1, &empty, &limits), Ok(200_000));
    let more: Vec<u8> = [0x0a, 0x00].repeat(200_001);
    assert!(matches!(read(Version::V1, &more, &limits), Err(Error::TooMany { what: "series", .. })));
}
