//! What survived a restart of the masternode, damaged in any way: read without a panic, and what is
//! remembered of it is remembered again.
#![no_main]

use std::time::Duration;

use chasar_fleet::{Fleet, MEMORY_MAGIC, Now, Settings};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let now = Now { monotonic: Duration::from_secs(100), unix_ms: 1_700_000_000_000 };
    // Half of the inputs begin as a memory does, so that the fuzzer need not find that first.
    let mut bytes = Vec::new();
    if input.first().is_some_and(|b| b & 1 == 0) {
        bytes.extend_from_slice(MEMORY_MAGIC);
    }
    bytes.extend_from_slice(input.get(1..).unwrap_or_default());
    let (mut fleet, restored) = Fleet::restore(Settings::default(), now, &bytes);
    let mut memory = Vec::new();
    fleet.whole_memory(now, &mut memory);
    let (_, again) = Fleet::restore(Settings::default(), now, &memory);
    assert_eq!((again.nodes, again.problem), (restored.nodes, None));
});
