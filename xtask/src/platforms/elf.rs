//! What a Linux program asks of the computer it runs on.

use std::path::Path;
use std::process::Command;

use crate::{Result, output};

/// Sees that no symbol is asked for that a glibc of this version does not have.
pub(crate) fn assert_glibc(program: &Path, most: (u32, u32)) -> Result<()> {
    let symbols = output(Command::new("objdump").arg("--dynamic-syms").arg(program))?;
    let newest = newest_glibc(&symbols).ok_or_else(|| {
        format!("{}: asks for no glibc at all, so it is not what it should be", program.display())
    })?;
    let ((major, minor), symbol) = newest;
    if (major, minor) <= most {
        eprintln!("platforms: the newest symbol is {symbol}, GLIBC_{major}.{minor}");
        return Ok(());
    }
    Err(format!(
        "{}: {symbol} wants GLIBC_{major}.{minor}, newer than {}.{}",
        program.display(),
        most.0,
        most.1
    ))
}

/// Sees that it needs no library.
pub(crate) fn assert_static(program: &Path) -> Result<()> {
    let headers = output(Command::new("objdump").arg("--private-headers").arg(program))?;
    match headers.lines().find(|line| line.contains("NEEDED") || line.contains("INTERP")) {
        None => Ok(()),
        Some(line) => Err(format!("{}: is not static: {}", program.display(), line.trim())),
    }
}

/// The newest glibc among the versions of symbols, and a symbol that asks for it.
fn newest_glibc(symbols: &str) -> Option<((u32, u32), &str)> {
    let version = |line: &str| {
        let text = line.split("GLIBC_").nth(1)?;
        let text = text.split([')', ' ']).next()?;
        let (major, rest) = text.split_once('.')?;
        Some((major.parse().ok()?, rest.split('.').next()?.parse().ok()?))
    };
    symbols
        .lines()
        .filter(|line| line.contains("*UND*"))
        .filter_map(|line| Some((version(line)?, line.split_whitespace().next_back()?)))
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYMBOLS: &str = "\
0000000000000000      DF *UND*\t0000000000000000 (GLIBC_2.2.5) memcpy
0000000000000000      DF *UND*\t0000000000000000 (GLIBC_2.16) getauxval
0000000000000000      DF *UND*\t0000000000000000 (GLIBC_2.3.4) __fprintf_chk
0000000000000000  w   D  *UND*\t0000000000000000  Base        __gmon_start__
0000000000001000 g    DF .text\t0000000000000000  GLIBC_2.99  ours
";

    #[test]
    fn the_newest_version_is_found_by_number_and_not_by_text() {
        assert_eq!(newest_glibc(SYMBOLS), Some(((2, 16), "getauxval")));
        assert_eq!(newest_glibc("no symbols"), None);
    }
}
