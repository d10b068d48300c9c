//! Remote write from anybody: what is read is the same when it is written and read again.
#![no_main]

use chasar_remote_write::{Item, Limits, Message, Request, Version, check_labels, unpack};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let version = if first & 1 == 0 { Version::V1 } else { Version::V2 };
    let limits = Limits { message_bytes: 1 << 20, series: 10_000, ..Limits::default() };
    let mut unpacked = Vec::new();
    let message = if first & 2 == 0 {
        bytes
    } else {
        if unpack(bytes, &limits, &mut unpacked).is_err() {
            return;
        }
        &unpacked
    };
    let mut again = Message::new(version);
    let mut series_total = 0;
    let Ok(mut request) = Request::new(version, message, &limits) else { return };
    loop {
        match request.next_item() {
            Ok(Some(Item::Series(series))) => {
                let _ = check_labels(series.labels);
                assert_eq!(series.samples().count(), series.samples_total);
                again.series(series.labels.iter().copied(), series.samples(), series.metadata);
                series_total += 1;
            }
            Ok(Some(Item::Metadata(said))) => again.family(said.family, said.metadata),
            Ok(None) => break,
            Err(_) => return,
        }
    }
    assert_eq!(again.samples_total(), request.samples_total());
    let mut body = Vec::new();
    again.pack(&mut body);
    let (mut bytes, wide) = (Vec::new(), Limits::default());
    unpack(&body, &wide, &mut bytes).expect("what was packed is unpacked");
    let mut same = Request::new(version, &bytes, &wide).expect("what was written is read");
    let mut first = Request::new(version, message, &limits).expect("it was read before");
    let mut found = 0;
    // In 1.0 metadata is written behind the series.
    while let Some(item) = same.next_item().expect("what was written is read") {
        let Item::Series(series) = item else { continue };
        let wanted = loop {
            match first.next_item().expect("it was read before") {
                Some(Item::Series(series)) => break series,
                Some(Item::Metadata(_)) => {}
                None => panic!("more series than before"),
            }
        };
        assert_eq!(series.labels, wanted.labels);
        assert_eq!(series.metadata, wanted.metadata);
        assert!(series.samples().eq(wanted.samples()));
        found += 1;
    }
    assert_eq!(found, series_total);
});
