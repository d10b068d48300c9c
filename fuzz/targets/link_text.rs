//! What the link reads: addresses that people type, and the monitor's frames.
#![no_main]

use chasar_link::Endpoint;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Ok(text) = std::str::from_utf8(input)
        && let Ok(endpoint) = text.parse::<Endpoint>()
    {
        let shown = endpoint.to_string();
        assert_eq!(shown.parse::<Endpoint>().expect("what we show we read"), endpoint, "{text} → {shown}");
    }
    let (first, second) = input.split_at(input.len().min(6));
    let _ = chasar_libzmq::Event::parse(first, second);
});
