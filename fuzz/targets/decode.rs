//! A report from anybody: what we read, serde reads with the same result, and what we write we read back.
#![no_main]

use chasar_wire::{DecodeError, Report};

libfuzzer_sys::fuzz_target!(|json: &[u8]| {
    let Ok(report) = chasar_wire::decode(json) else { return };
    assert_eq!(serde_json::from_slice::<Report>(json).expect("serde reads what we read"), report);
    let mut written = Vec::new();
    chasar_wire::encode(&report, &mut written);
    match chasar_wire::decode(&written) {
        Ok(again) => assert_eq!(again, report),
        // Escapes can make a text longer than the one that was read.
        Err(DecodeError::Limit(_)) => {}
        Err(e) => panic!("what we wrote is refused: {e}"),
    }
});
