//! A report from anybody: whatever is accepted must be written and read back as the same report.
#![no_main]

libfuzzer_sys::fuzz_target!(|json: &[u8]| {
    let Ok(report) = chasar_wire::decode(json) else { return };
    let mut written = Vec::new();
    chasar_wire::encode(&report, &mut written);
    if written.len() <= chasar_wire::limits::MAX_REPORT_BYTES {
        match chasar_wire::decode(&written) {
            Ok(again) => assert_eq!(again, report),
            // Escaping can make a text longer than the one that was read.
            Err(chasar_wire::DecodeError::Limit(_)) => {}
            Err(e) => panic!("what we wrote is refused: {e}"),
        }
    }
});
