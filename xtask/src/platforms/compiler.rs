//! The compilers from Debian: rustc with the sources of std, and gcc for other platforms.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, output};

/// Names another compiler than Debian's, with its library's sources.
const VARIABLE: &str = "CHASAR_PLATFORMS_RUSTC";

/// A rustc that has the sources of its std, so that std can be built for platforms it was not shipped for.
pub(crate) fn rustc_with_sources() -> Result<PathBuf> {
    let rustc = std::env::var_os(VARIABLE).map_or_else(|| PathBuf::from("/usr/bin/rustc"), PathBuf::from);
    let needed = format!(
        "needed: a compiler with the sources of std, from which std is built for this platform (Debian: apt-get \
         install rustc-web rust-web-src; elsewhere: `rustup component add rust-src --toolchain nightly`, and \
         {VARIABLE}=$(rustup which rustc --toolchain nightly))"
    );
    let sources = sources_of_std(&rustc).map_err(|e| format!("{e}\n{needed}"))?;
    if sources.join("library/std").is_dir() {
        Ok(rustc)
    } else {
        Err(format!("no library/std in {}\n{needed}", sources.display()))
    }
}

/// Where a rustc looks for the sources of its std, be they there or not.
pub(crate) fn sources_of_std(rustc: &Path) -> Result<PathBuf> {
    let sysroot = output(Command::new(rustc).args(["--print", "sysroot"]))?;
    Ok(Path::new(sysroot.trim()).join("lib/rustlib/src/rust"))
}

/// Sees that a program is on the path.
pub(crate) fn need(program: &str, package: &str) -> Result<()> {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()));
    if found { Ok(()) } else { Err(format!("{program} is not on the path; needed: Debian's {package}")) }
}

/// The prefix for compilers that remembers their results by what was compiled, where it is installed.
pub(crate) fn ccache() -> &'static str {
    if need("ccache", "ccache").is_ok() { "ccache " } else { "" }
}
