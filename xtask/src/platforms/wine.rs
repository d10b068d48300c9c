//! Wine, and the one function that Debian's does not have.

use std::path::PathBuf;
use std::process::Command;

use super::cache::{self, Cache};
use super::compiler::need;
use crate::{Result, run};

/// Rust's standard library seeds its hash maps with `ProcessPrng`, which Windows has had since version 7 and
/// Wine since 9. For tests only: nothing of it goes to users.
const SHIM: &str = "\
#include <windows.h>
#include <ntsecapi.h>
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) { return RtlGenRandom(data, (ULONG)size); }
";

/// Prepares a Windows in the cache; gives the environment in which `wine` runs programs there.
pub(crate) fn prepare(cache: &Cache) -> Result<[(&'static str, PathBuf); 3]> {
    need("wine", "wine and wine64")?;
    let folder = cache.folder("wine")?;
    let library = folder.join("bcryptprimitives.dll");
    if !library.exists() {
        let source = folder.join("prng.c");
        cache::write(&source, SHIM)?;
        let mut compiler = Command::new("x86_64-w64-mingw32-gcc-posix");
        run(compiler.args(["-shared", "-O2", "-s", "-o"]).arg(&library).arg(&source).arg("-ladvapi32"))?;
    }
    let environment = [
        ("WINEPREFIX", folder.join("prefix")),
        ("WINEDEBUG", PathBuf::from("-all")),
        // .NET and a browser would be fetched from elsewhere.
        ("WINEDLLOVERRIDES", PathBuf::from("mscoree,mshtml=")),
    ];
    if !folder.join("prefix/system.reg").exists() {
        eprintln!("platforms: preparing a Windows in {}", folder.display());
        run(Command::new("wine").args(["cmd", "/c", "exit"]).envs(environment.clone()))?;
    }
    // Beside the system's own libraries, since a service gets nothing of our environment.
    let beside = folder.join("prefix/drive_c/windows/system32/bcryptprimitives.dll");
    std::fs::copy(&library, &beside).map_err(|e| format!("cannot write {}: {e}", beside.display()))?;
    Ok(environment)
}
