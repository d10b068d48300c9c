//! A packed report from anybody: never more room than the limit, and packing again gives it back.
#![no_main]

use chasar_wire::limits::MAX_REPORT_BYTES;
use chasar_wire::pack::{Packer, Unpacker};

libfuzzer_sys::fuzz_target!(|packed: &[u8]| {
    let mut json = Vec::new();
    if Unpacker::new().unpack(packed, &mut json).is_ok() {
        assert!(json.capacity() <= 2 * MAX_REPORT_BYTES);
        let (mut again, mut back) = (Vec::new(), Vec::new());
        Packer::new().pack(&json, &mut again);
        if json.len() <= MAX_REPORT_BYTES {
            Unpacker::new().unpack(&again, &mut back).expect("what we packed is read");
            assert_eq!(back, json);
        }
    }
});
