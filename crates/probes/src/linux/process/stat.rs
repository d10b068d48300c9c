//! One line of `/proc/<pid>/stat` (Linux: Documentation/filesystems/proc.rst, table 1-4).

use crate::linux::text::{number, words};

/// Longest name that is kept: the kernel shows up to 64 bytes for its own workers, 15 for programs.
pub(crate) const NAME_BYTES: usize = 64;

/// Flag of a task that forked but did not exec since (`PF_FORKNOEXEC`).
pub(crate) const FORKED_ONLY: u64 = 0x40;
/// Flag of a thread of the kernel (`PF_KTHREAD`).
pub(crate) const KERNEL_THREAD: u64 = 0x0020_0000;

/// What we need of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat<'a> {
    /// Name, as it is: any byte but NUL may be in it, `)` and line ends too.
    pub(crate) name: &'a [u8],
    /// State letter.
    pub(crate) state: u8,
    /// Kernel flags.
    pub(crate) flags: u64,
    /// Processor time of all threads, ended ones too, in ticks.
    pub(crate) cpu_ticks: u64,
    /// Threads.
    pub(crate) threads: u32,
    /// When it started, in ticks after boot.
    pub(crate) start_ticks: u64,
    /// Resident memory in pages.
    pub(crate) resident_pages: u64,
}

/// Reads the line; `None` if it has not that form.
pub(crate) fn parse(text: &[u8]) -> Option<Stat<'_>> {
    let open = text.iter().position(|b| *b == b'(')?;
    // Numbers follow the name, so the last parenthesis is the one that ends it.
    let close = text.iter().rposition(|b| *b == b')').filter(|close| *close > open)?;
    let name = &text[open + 1..close];
    let mut fields = words(text[close + 1..].trim_ascii_end());
    let state = *fields.next()?.first()?;
    // Numbered as in the documentation: state is field 3.
    let mut field = 3;
    let mut at = |number: usize| {
        let word = fields.nth(number - field - 1);
        field = number;
        word
    };
    let flags = number(at(9)?)?;
    let user = number(at(14)?)?;
    let system = number(at(15)?)?;
    let threads = number(at(20)?)?;
    let start_ticks = number(at(22)?)?;
    // Signed in the kernel; a negative count would be a moment's inaccuracy of its counters.
    let resident_pages = number(at(24)?).unwrap_or(0);
    Some(Stat {
        name: &name[..name.len().min(NAME_BYTES)],
        state,
        flags,
        cpu_ticks: user.saturating_add(system),
        threads: u32::try_from(threads).ok()?,
        start_ticks,
        resident_pages,
    })
}

/// Resident pages, the second number of `/proc/<pid>/statm`.
pub(crate) fn parse_statm(text: &[u8]) -> Option<u64> {
    words(text).nth(1).and_then(number)
}

/// The state in psutil's words.
pub(crate) fn status(state: u8) -> &'static str {
    match state {
        b'R' => "running",
        b'S' => "sleeping",
        b'D' => "disk-sleep",
        b'T' => "stopped",
        b't' => "tracing-stop",
        b'Z' => "zombie",
        b'X' | b'x' => "dead",
        b'K' => "wake-kill",
        b'W' => "waking",
        b'P' => "parked",
        b'I' => "idle",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REST: &str = "S 1 2 3 0 -1 4194560 5 6 7 8 90 10 11 12 20 0 3 0 12345 1000000 777 18446744073709551615 1 1 0 0 0\n";

    #[test]
    fn a_line_is_read() {
        let line = format!("42 (sh) {REST}");
        let expected = Stat {
            name: b"sh",
            state: b'S',
            flags: 4_194_560,
            cpu_ticks: 100,
            threads: 3,
            start_ticks: 12345,
            resident_pages: 777,
        };
        assert_eq!(parse(line.as_bytes()), Some(expected));
    }

    #[test]
    fn a_cut_line_is_none() {
        let line = format!("42 (sh) {REST}");
        let enough = line.find(" 18446744073709551615").unwrap();
        for cut in 0..enough {
            // A number cut in the middle is still a number; all that matters is that none is missing.
            let parsed = parse(&line.as_bytes()[..cut]);
            assert!(parsed.is_none() || cut > line.find("777").unwrap(), "{:?}", &line[..cut]);
        }
        assert!(parse(&line.as_bytes()[..enough]).is_some());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn any_name_comes_through(name in prop::collection::vec(1u8.., 0..64), pid in any::<u32>()) {
            let line = [format!("{pid} (").as_bytes(), &name, b") ", REST.as_bytes()].concat();
            prop_assert_eq!(parse(&line).unwrap().name, name);
        }
    }
}
