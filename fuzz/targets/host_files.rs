//! Files of a host, as an odd kernel or container may show them: no parser may panic. The first
//! byte chooses the parser.
#![no_main]

use chasar_probes::linux::fuzzing::PARSERS;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Some((which, bytes)) = input.split_first() {
        let (_, parser) = PARSERS[usize::from(*which) % PARSERS.len()];
        parser(bytes);
    }
});
