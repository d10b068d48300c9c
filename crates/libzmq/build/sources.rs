//! Finds libzmq's sources, and copies them to where they may be patched.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The folder `vendor` of the `zeromq-src` package.
///
/// The package does not tell where it lies, and a nested `cargo metadata` would want a lock file that an
/// installed crate has not. Its code does know: a panic reports the file it came from. Its builder panics
/// before it does anything when `TARGET` is missing. The result is checked, so a surprise ends the build
/// with a clear message.
pub(crate) fn locate() -> PathBuf {
    println!("cargo:rerun-if-env-changed=CHASAR_LIBZMQ_SOURCE_DIR");
    if let Some(given) = env::var_os("CHASAR_LIBZMQ_SOURCE_DIR") {
        return checked(given.into());
    }
    let seen = Arc::new(Mutex::new(None));
    let record = Arc::clone(&seen);
    let former = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        *record.lock().expect("single thread") = info.location().map(|l| PathBuf::from(l.file()));
    }));
    let target = env::var_os("TARGET");
    // SAFETY: a build script has one thread here, so nobody reads the environment meanwhile.
    unsafe { env::remove_var("TARGET") };
    let outcome = panic::catch_unwind(|| zeromq_src::Build::new().build());
    if let Some(target) = target {
        // SAFETY: as above.
        unsafe { env::set_var("TARGET", target) };
    }
    panic::set_hook(former);
    assert!(outcome.is_err(), "zeromq-src built without TARGET; its layout changed, see build/sources.rs");
    let file = seen.lock().expect("single thread").take().expect("a panic has a location");
    checked(file.parent().and_then(Path::parent).unwrap_or(&file).join("vendor"))
}

fn checked(vendor: PathBuf) -> PathBuf {
    assert!(
        vendor.join("src/zmq.cpp").is_file() && vendor.join("include/zmq.h").is_file(),
        "no libzmq sources in {}; set CHASAR_LIBZMQ_SOURCE_DIR to a folder with libzmq 4.3.5's src and include",
        vendor.display()
    );
    vendor
}

/// Copies what the build reads into `to`, replacing what an earlier build left there.
pub(crate) fn copy(vendor: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).unwrap_or_else(|e| panic!("removing {}: {e}", to.display()));
    }
    for part in ["include", "src", "external/wepoll"] {
        copy_folder(&vendor.join(part), &to.join(part));
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap_or_else(|e| panic!("creating {}: {e}", to.display()));
    let entries = fs::read_dir(from).unwrap_or_else(|e| panic!("reading {}: {e}", from.display()));
    for entry in entries {
        let path = entry.unwrap_or_else(|e| panic!("reading {}: {e}", from.display())).path();
        if path.is_file() {
            let target = to.join(path.file_name().expect("a file has a name"));
            fs::copy(&path, &target).unwrap_or_else(|e| panic!("copying {}: {e}", path.display()));
        }
    }
}

/// Parts that need libraries or systems we do not use; each guards itself with a macro, and skipping them
/// keeps the build short.
const UNUSED: &[&str] = &[
    "devpoll",
    "gssapi_client",
    "gssapi_mechanism_base",
    "gssapi_server",
    "norm_engine",
    "pgm_receiver",
    "pgm_sender",
    "pgm_socket",
    "pollset",
    "precompiled",
    "tipc_address",
    "tipc_connecter",
    "tipc_listener",
    "vmci",
    "vmci_address",
    "vmci_connecter",
    "vmci_listener",
    "ws_address",
    "ws_connecter",
    "ws_decoder",
    "ws_encoder",
    "ws_engine",
    "ws_listener",
    "wss_address",
    "wss_engine",
];

/// All C++ files of the library, in a stable order.
pub(crate) fn cpp_files(tree: &Path) -> Vec<PathBuf> {
    let folder = tree.join("src");
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("reading {}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.extension() == Some(OsStr::new("cpp")))
        .filter(|path| !UNUSED.iter().any(|unused| path.file_stem() == Some(OsStr::new(unused))))
        .collect();
    files.sort();
    files
}

/// Windows SDK headers under the capitals some sources spell them with, for a case-sensitive file system
/// (cross-building with mingw, whose own headers are all in lower case).
pub(crate) fn forward_windows_headers(out: &Path) -> PathBuf {
    let folder = out.join("capitals");
    fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("creating {}: {e}", folder.display()));
    let case_sensitive = !folder.join("../CAPITALS").exists();
    for name in ["Windows.h", "WinSock2.h", "Ws2tcpip.h", "Mswsock.h", "Iphlpapi.h", "Mstcpip.h"] {
        let text = format!("#include <{}>\n", name.to_lowercase());
        if case_sensitive {
            let file = folder.join(name);
            fs::write(&file, text).unwrap_or_else(|e| panic!("writing {}: {e}", file.display()));
        }
    }
    folder
}
