//! Tests that mount things or make interfaces, in namespaces of their own (as root).
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part")]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a program that must succeed; what it printed.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs this very test once more in namespaces of its own; in there, a folder to mount things in.
///
/// The folder is made and removed out here, where nothing is mounted in it: a removal inside would
/// walk into whatever is mounted there.
pub fn inside(test: &str, namespaces: &[&str]) -> Option<PathBuf> {
    const MARK: &str = "CHASAR_TEST_IN_NAMESPACE";
    const FOLDER: &str = "CHASAR_TEST_FOLDER";
    if std::env::var_os(MARK).is_some_and(|mark| mark == test) {
        return Some(std::env::var_os(FOLDER).expect("it comes with the mark").into());
    }
    let folder = tempfile::tempdir().unwrap().keep();
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .args(namespaces)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(MARK, test)
        .env(FOLDER, &folder)
        .status()
        .expect("unshare(1) of util-linux is there");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(
        !mounts.contains(folder.to_str().unwrap()),
        "a mount got out of its namespace: {}",
        folder.display()
    );
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(status.success(), "in its namespace the test failed, or root is missing for unshare");
    None
}

/// Mounts a FUSE file system that nobody serves: every call on it waits until `File` is closed.
pub fn mount_that_hangs(place: &Path) -> File {
    let server = File::options().read(true).write(true).open("/dev/fuse").expect("/dev/fuse is there");
    let path = std::ffi::CString::new(place.to_str().unwrap()).unwrap();
    let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", server.as_raw_fd());
    let options = std::ffi::CString::new(options).unwrap();
    // SAFETY: all pointers are C strings that outlive the call.
    let result = unsafe {
        libc::mount(c"nobody".as_ptr(), path.as_ptr(), c"fuse".as_ptr(), 0, options.as_ptr().cast())
    };
    assert_eq!(result, 0, "mount: {}", std::io::Error::last_os_error());
    server
}
