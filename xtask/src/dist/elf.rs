//! What a Linux program needs of the system: libraries, and the newest version of their symbols.

use std::collections::BTreeSet;

/// What it needs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// File names of libraries, sorted.
    pub(crate) libraries: BTreeSet<String>,
    /// The newest glibc version 2.N whose symbols it uses; `None` when it uses none.
    pub(crate) glibc: Option<u32>,
}

/// Reads the dynamic section of a 64-bit little-endian ELF file; `None` when it is none.
///
/// A file without a dynamic section, a static program, needs nothing.
pub(crate) fn needs(file: &[u8]) -> Option<Needs> {
    const DYNAMIC: u64 = 2;
    const LOAD: u64 = 1;
    if file.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let (table, size, count) = (number(file, 32, 8)?, number(file, 54, 2)?, number(file, 56, 2)?);
    // Of each program header: type, offset in the file, address in memory, length in the file.
    let headers: Vec<[u64; 4]> = (0..count)
        .map(|i| {
            let at = table + i * size;
            Some([
                number(file, at, 4)?,
                number(file, at + 8, 8)?,
                number(file, at + 16, 8)?,
                number(file, at + 32, 8)?,
            ])
        })
        .collect::<Option<_>>()?;
    let Some(&[_, dynamic, _, length]) = headers.iter().find(|h| h[0] == DYNAMIC) else {
        return Some(Needs::default());
    };
    let entries: Vec<(u64, u64)> = (0..length / 16)
        .map(|i| Some((number(file, dynamic + i * 16, 8)?, number(file, dynamic + i * 16 + 8, 8)?)))
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .take_while(|entry| entry.0 != 0)
        .collect();
    let entry = |tag| entries.iter().find(|e| e.0 == tag).map(|e| e.1);
    let (Some(strings), Some(length)) = (entry(5), entry(10)) else { return Some(Needs::default()) };
    // The address of the strings is one in memory.
    let place = headers.iter().find(|h| h[0] == LOAD && (h[2]..h[2] + h[3]).contains(&strings))?;
    let start = usize::try_from(strings - place[2] + place[1]).ok()?;
    let strings = file.get(start..start + usize::try_from(length).ok()?)?;
    let text = |at: u64| {
        let rest = strings.get(usize::try_from(at).ok()?..)?;
        Some(String::from_utf8_lossy(rest.split(|b| *b == 0).next()?).into_owned())
    };
    let libraries = entries.iter().filter(|e| e.0 == 1).map(|e| text(e.1)).collect::<Option<_>>()?;
    let versions = strings.split(|b| *b == 0).filter_map(|s| {
        let rest = std::str::from_utf8(s).ok()?.strip_prefix("GLIBC_2.")?;
        rest.split('.').next()?.parse().ok()
    });
    Some(Needs { libraries, glibc: versions.max() })
}

/// `width` bytes, little-endian.
fn number(file: &[u8], at: u64, width: usize) -> Option<u64> {
    let at = usize::try_from(at).ok()?;
    let bytes = file.get(at..at.checked_add(width)?)?;
    Some(bytes.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn this_very_program_needs_the_c_library() {
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let needs = needs(&file).unwrap();
        assert!(needs.libraries.contains("libc.so.6"), "{needs:?}");
        // Rust's own standard library needs 2.17.
        assert!(needs.glibc.is_some_and(|minor| (17..100).contains(&minor)), "{needs:?}");
    }

    #[test]
    fn other_files_and_cut_ones_are_no_programs() {
        assert_eq!(needs(b"MZ"), None);
        assert_eq!(needs(b"\x7fELF\x02\x01"), None);
    }
}
