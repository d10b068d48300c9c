//! A segment of the spool, spoiled: what is found is whole, and begins as it was written.
#![no_main]

use chasar_clientnode::fuzzing::{segment, write_segment};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    // As it is, …
    let (_, end) = segment(input, "node");
    assert!(end <= input.len());
    // … and as a sound segment that was cut and then scribbled over at one place.
    let Some((&[cut, at, scribble], body)) = input.split_first_chunk::<3>() else { return };
    let mut sound = Vec::new();
    write_segment("node", &[body, b"second", b"third"], &mut sound);
    assert_eq!(segment(&sound, "node"), (3, sound.len()));
    sound.truncate(sound.len() - usize::from(cut).min(sound.len()));
    let (before, whole) = segment(&sound, "node");
    assert!(before <= 3 && whole <= sound.len());
    if let Some(byte) = sound.get_mut(usize::from(at)) {
        *byte ^= scribble;
        let (after, _) = segment(&sound, "node");
        assert!(after <= before, "a spoiled record is taken for a whole one");
    }
});
