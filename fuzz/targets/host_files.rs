//! Files of a host, as an odd kernel or container may show them: no parser may panic. Each parser
//! gets every input, so seeds are plain files and what one parser learns the others meet too.
#![no_main]

use chasar_probes::linux::fuzzing::PARSERS;

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    for (_name, parse) in PARSERS {
        parse(file);
    }
});
