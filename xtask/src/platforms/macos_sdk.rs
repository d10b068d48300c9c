//! Names of macOS's libraries, against which a program can be linked on a computer that is no Mac.
//!
//! zig brings those of libSystem; what else the program uses is listed here. A name that is missing ends the link
//! with "undefined symbol", and is added after a look into Apple's documentation of that library.

use std::fs;
use std::path::{Path, PathBuf};

use super::cache::{self, Cache};
use crate::Result;

/// A library of macOS, with the functions and constants that the program uses.
struct Library {
    /// Below `/`, as a Mac's loader finds it.
    path: &'static str,
    symbols: &'static [&'static str],
}

const LIBRARIES: &[Library] = &[
    Library {
        path: "System/Library/Frameworks/CoreFoundation.framework/Versions/A/CoreFoundation",
        symbols: CORE_FOUNDATION,
    },
    Library { path: "System/Library/Frameworks/IOKit.framework/Versions/A/IOKit", symbols: IO_KIT },
    Library { path: "usr/lib/libobjc.A.dylib", symbols: OBJC },
];

/// What `sysinfo` and its bindings of the framework name.
const CORE_FOUNDATION: &[&str] = &[
    "CFCopyDescription",
    "CFDataGetBytePtr",
    "CFDataGetBytes",
    "CFDataGetLength",
    "CFDataGetTypeID",
    "CFGetRetainCount",
    "CFGetTypeID",
    "CFRelease",
    "CFRetain",
    "CFStringCreateWithBytes",
    "CFStringCreateWithBytesNoCopy",
    "CFStringGetBytes",
    "CFStringGetCStringPtr",
    "CFStringGetLength",
    "CFStringGetTypeID",
    "CFURLGetFileSystemRepresentation",
    "CFURLGetString",
    "kCFAllocatorDefault",
    "kCFAllocatorNull",
];

/// The same of this one.
const IO_KIT: &[&str] = &[
    "IOIteratorNext",
    "IOObjectRelease",
    "IORegistryEntryCreateCFProperty",
    "IORegistryEntryGetName",
    "IOServiceAddMatchingNotification",
    "IOServiceGetMatchingService",
    "IOServiceGetMatchingServices",
    "IOServiceMatching",
    "kIOMasterPortDefault",
];

const OBJC: &[&str] = &[];

/// Writes the names, in the form that linkers for macOS read (text-based stubs, version 4); gives their folder.
pub(crate) fn write(cache: &Cache) -> Result<PathBuf> {
    let sdk = cache.folder("macos-sdk")?;
    for library in LIBRARIES {
        let (folder, name) = place(library.path);
        let folder = sdk.join(folder);
        fs::create_dir_all(&folder).map_err(|e| format!("cannot create {}: {e}", folder.display()))?;
        cache::write(&folder.join(name), &stub(library))?;
    }
    Ok(sdk)
}

/// What tells rustc to look there.
pub(crate) fn rustflags(sdk: &Path) -> String {
    let sdk = sdk.display();
    format!("-L framework={sdk}/System/Library/Frameworks -L native={sdk}/usr/lib")
}

/// The folder and file in which the linker looks: `X.framework/X.tbd`, `libx.tbd`.
fn place(path: &str) -> (&str, String) {
    if let Some((framework, _)) = path.split_once("/Versions/") {
        let name = framework.rsplit('/').next().unwrap_or(framework).trim_end_matches(".framework");
        return (framework, format!("{name}.tbd"));
    }
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    (folder, format!("{}.tbd", file.split('.').next().unwrap_or(file)))
}

fn stub(library: &Library) -> String {
    let targets = "[ x86_64-macos, arm64-macos ]";
    // C names have an underscore in front.
    let symbols: Vec<String> = library.symbols.iter().map(|symbol| format!("_{symbol}")).collect();
    format!(
        "--- !tapi-tbd\ntbd-version: 4\ntargets: {targets}\ninstall-name: '/{}'\nexports:\n  - targets: {targets}\n    \
         symbols: [ {} ]\n...\n",
        library.path,
        symbols.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stubs_lie_where_linkers_look() {
        let paths: Vec<_> = LIBRARIES.iter().map(|l| place(l.path)).collect();
        assert_eq!(paths[1], ("System/Library/Frameworks/IOKit.framework", "IOKit.tbd".to_owned()));
        assert_eq!(paths[2], ("usr/lib", "libobjc.tbd".to_owned()));
    }
}
