//! What a program for macOS is: Apple's loader reads these fields first (`mach-o/loader.h`).

use std::path::Path;

use super::cache;
use crate::Result;

/// `MH_MAGIC_64`.
const MAGIC: u32 = 0xfeed_facf;
/// `CPU_TYPE_ARM64` and `CPU_TYPE_X86_64` (`mach/machine.h`).
const ARM64: u32 = 0x0100_000c;
const X86_64: u32 = 0x0100_0007;
/// `MH_EXECUTE`.
const EXECUTE: u32 = 2;
/// `LC_LOAD_DYLIB`.
const LOAD_DYLIB: u32 = 0xc;

/// Sees that it is a program for macOS on that processor, which loads nothing but the system's own libraries.
pub(crate) fn assert_program(program: &Path, arm64: bool) -> Result<()> {
    let wrong = |what: String| format!("{}: {what}", program.display());
    let libraries = libraries(&cache::read(program)?, if arm64 { ARM64 } else { X86_64 }).map_err(wrong)?;
    let foreign = |l: &&String| !l.starts_with("/usr/lib/") && !l.starts_with("/System/Library/");
    if let Some(foreign) = libraries.iter().find(foreign) {
        return Err(wrong(format!("wants {foreign}, which no Mac has")));
    }
    eprintln!("platforms: linked, not run; it loads {}", libraries.join(", "));
    Ok(())
}

/// The libraries that a program for `processor` loads.
fn libraries(bytes: &[u8], processor: u32) -> Result<Vec<String>> {
    let field = |at: usize| -> Result<u32> {
        let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
        four.map(u32::from_le_bytes).ok_or_else(|| format!("ends before byte {at}"))
    };
    let expect = |at, expected: u32, what: &str| match field(at)? {
        found if found == expected => Ok(()),
        found => Err(format!("{what} is {found:#x} instead of {expected:#x}")),
    };
    expect(0, MAGIC, "the magic number")?;
    expect(4, processor, "the processor")?;
    expect(12, EXECUTE, "the kind of file")?;
    let mut libraries = Vec::new();
    let mut at = 32;
    for _ in 0..field(16)? {
        let size = field(at + 4)? as usize;
        if field(at)? == LOAD_DYLIB {
            let name = bytes.get(at + field(at + 8)? as usize..at + size).ok_or("a name lies outside")?;
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            libraries.push(String::from_utf8_lossy(name).into_owned());
        }
        at += size;
    }
    Ok(libraries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_and_other_files_refused() {
        let name = b"/usr/lib/libSystem.B.dylib\0\0\0\0\0\0";
        let mut file = Vec::new();
        for field in [MAGIC, ARM64, 0, EXECUTE, 1, 56, 0, 0, LOAD_DYLIB, 24 + 32, 24, 0, 0, 0] {
            file.extend_from_slice(&u32::to_le_bytes(field));
        }
        file.extend_from_slice(name);
        assert_eq!(libraries(&file, ARM64).unwrap(), ["/usr/lib/libSystem.B.dylib"]);
        assert!(libraries(&file, X86_64).unwrap_err().contains("processor"));
        assert!(libraries(&file[..40], ARM64).unwrap_err().contains("ends"));
        assert!(libraries(b"\x7fELF", ARM64).unwrap_err().contains("magic"));
    }
}
