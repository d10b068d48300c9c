//! What Windows answers to the probes' calls, as an odd version or a driver may fill it: no parser may
//! panic or leave the buffer. Addresses in an input are offsets from 0x10000, where it is said to lie.
#![no_main]

use chasar_probes::windows::parse::bytes::Bytes;
use chasar_probes::windows::parse::fuzzing::PARSERS;

libfuzzer_sys::fuzz_target!(|answer: &[u8]| {
    for (_name, parse) in PARSERS {
        parse(Bytes::new(answer, 0x1_0000));
    }
});
