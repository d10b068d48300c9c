//! What a Linux program needs of the system: libraries, and the newest version of their symbols.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::Result;

/// What it needs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// File names of libraries, sorted.
    pub(crate) libraries: BTreeSet<String>,
    /// The newest glibc version 2.N whose symbols it uses; `None` when it uses none.
    pub(crate) glibc: Option<u32>,
    /// It is started by another program, which loads its libraries.
    pub(crate) loader: bool,
}

impl Needs {
    /// Sees that it runs with glibc 2.`most`, and that it is not by chance for no glibc at all.
    pub(crate) fn assert_glibc(&self, most: u32) -> Result<()> {
        match self.glibc {
            None => Err("asks for no glibc at all, so it is not what it should be".to_owned()),
            Some(newest) if newest > most => Err(format!(
                "wants GLIBC_2.{newest}, newer than 2.{most}; for what: objdump --dynamic-syms PROGRAM"
            )),
            Some(_) => Ok(()),
        }
    }

    /// Sees that it runs on any Linux.
    pub(crate) fn assert_static(&self) -> Result<()> {
        match (self.libraries.first(), self.loader) {
            (None, false) => Ok(()),
            (Some(library), _) => Err(format!("is not static: it needs {library}")),
            (None, true) => Err("is not static: it needs a loader".to_owned()),
        }
    }
}

/// Reads what the program at `path` needs.
pub(crate) fn read(path: &Path) -> Result<Needs> {
    let file = fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    needs(&file).ok_or_else(|| format!("{} is no program for 64-bit Linux", path.display()))
}

/// Reads the dynamic section of a 64-bit little-endian ELF file; `None` when it is none.
///
/// A file without a dynamic section, a static program, needs nothing.
pub(crate) fn needs(file: &[u8]) -> Option<Needs> {
    const DYNAMIC: u64 = 2;
    const LOAD: u64 = 1;
    const INTERPRETER: u64 = 3;
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
    let loader = headers.iter().any(|h| h[0] == INTERPRETER);
    let alone = Needs { loader, ..Needs::default() };
    let Some(&[_, dynamic, _, length]) = headers.iter().find(|h| h[0] == DYNAMIC) else {
        return Some(alone);
    };
    let entries: Vec<(u64, u64)> = (0..length / 16)
        .map(|i| Some((number(file, dynamic + i * 16, 8)?, number(file, dynamic + i * 16 + 8, 8)?)))
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .take_while(|entry| entry.0 != 0)
        .collect();
    let entry = |tag| entries.iter().find(|e| e.0 == tag).map(|e| e.1);
    let (Some(strings), Some(length)) = (entry(5), entry(10)) else { return Some(alone) };
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
    Some(Needs { libraries, glibc: versions.max(), loader })
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
        let newest = needs.glibc.unwrap();
        assert!((17..100).contains(&newest), "{needs:?}");
        assert_eq!(needs.assert_glibc(newest), Ok(()));
        assert!(
            needs.assert_glibc(newest - 1).unwrap_err().contains(&format!("wants GLIBC_2.{newest}, newer"))
        );
        assert!(needs.loader && needs.assert_static().unwrap_err().contains("it needs l"), "{needs:?}");
    }

    #[test]
    fn a_program_that_needs_nothing_is_static_and_for_no_glibc() {
        let nothing = Needs::default();
        assert_eq!(nothing.assert_static(), Ok(()));
        assert!(nothing.assert_glibc(17).is_err());
        assert!(Needs { loader: true, ..nothing }.assert_static().is_err());
    }

    #[test]
    fn other_files_and_cut_ones_are_no_programs() {
        assert_eq!(needs(b"MZ"), None);
        assert_eq!(needs(b"\x7fELF\x02\x01"), None);
    }
}
