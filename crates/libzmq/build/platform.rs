//! The feature macros libzmq's own `configure` would find, stated per target.
//!
//! They are stated and not probed, so that cross builds work and a build is the same everywhere. What is
//! missing here fails silently at run time (no keepalive, wall-clock timers), which is why the tests look at
//! real sockets.

use crate::Target;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// True on every system we build for.
const EVERYWHERE: &[&str] = &[
    "ZMQ_HAVE_CURVE",
    "ZMQ_USE_LIBSODIUM",
    "ZMQ_HAVE_NOEXCEPT",
    "ZMQ_HAVE_SO_KEEPALIVE",
    "HAVE_STRNLEN",
    // ZMQ_LIBSODIUM_RANDOMBYTES_CLOSE stays off: closing libsodium's random source when one context ends is
    // not safe while another lives, and the system call behind it holds no descriptor.
];

const UNIX: &[&str] = &[
    "ZMQ_USE_CV_IMPL_STL11",
    "ZMQ_POLL_BASED_ON_POLL",
    "HAVE_FORK",
    "HAVE_MKDTEMP",
    "HAVE_POSIX_MEMALIGN",
    "HAVE_IF_NAMETOINDEX",
    // Monotonic timers; without it libzmq's clock is gettimeofday, and heartbeats break when the time is set.
    "HAVE_CLOCK_GETTIME",
    "ZMQ_HAVE_UIO",
    "ZMQ_HAVE_IFADDRS",
    "ZMQ_HAVE_IPC",
    "ZMQ_HAVE_STRUCT_SOCKADDR_UN",
    "ZMQ_HAVE_O_CLOEXEC",
    "ZMQ_HAVE_TCP_KEEPCNT",
    "ZMQ_HAVE_TCP_KEEPINTVL",
];

const LINUX: &[&str] = &[
    "ZMQ_HAVE_LINUX",
    "ZMQ_IOTHREAD_POLLER_USE_EPOLL",
    "ZMQ_IOTHREAD_POLLER_USE_EPOLL_CLOEXEC",
    "ZMQ_HAVE_PPOLL",
    "ZMQ_HAVE_EVENTFD",
    "ZMQ_HAVE_EVENTFD_CLOEXEC",
    "ZMQ_HAVE_SOCK_CLOEXEC",
    "HAVE_ACCEPT4",
    "ZMQ_HAVE_TCP_KEEPIDLE",
    "ZMQ_HAVE_SO_BINDTODEVICE",
    "ZMQ_HAVE_SO_PEERCRED",
    "ZMQ_HAVE_SO_PRIORITY",
    "ZMQ_HAVE_BUSY_POLL",
    "ZMQ_HAVE_PTHREAD_SETNAME_2",
    "ZMQ_HAVE_PTHREAD_SET_AFFINITY",
];

const MACOS: &[&str] = &[
    "ZMQ_HAVE_OSX",
    "ZMQ_IOTHREAD_POLLER_USE_KQUEUE",
    // macOS calls the idle time TCP_KEEPALIVE; libzmq knows both names.
    "ZMQ_HAVE_TCP_KEEPALIVE",
    "ZMQ_HAVE_PTHREAD_SETNAME_1",
    "ZMQ_HAVE_STRLCPY",
];

const FREEBSD: &[&str] = &[
    "ZMQ_HAVE_FREEBSD",
    "ZMQ_IOTHREAD_POLLER_USE_KQUEUE",
    "ZMQ_HAVE_PPOLL",
    "ZMQ_HAVE_SOCK_CLOEXEC",
    "HAVE_ACCEPT4",
    "ZMQ_HAVE_TCP_KEEPIDLE",
    "ZMQ_HAVE_PTHREAD_SET_NAME",
    "ZMQ_HAVE_STRLCPY",
];

const WINDOWS: &[&str] = &[
    "ZMQ_HAVE_WINDOWS",
    "ZMQ_USE_CV_IMPL_WIN32API",
    "ZMQ_IOTHREAD_POLLER_USE_EPOLL",
    "ZMQ_POLL_BASED_ON_SELECT",
];

/// Writes the `platform.hpp` that every source file includes first.
pub(crate) fn write_header(target: &Target, path: &Path) {
    let mut text = String::from("#ifndef CHASAR_PLATFORM_HPP\n#define CHASAR_PLATFORM_HPP\n");
    let mut define = |names: &[&str]| {
        for name in names {
            writeln!(text, "#ifndef {name}\n#define {name} 1\n#endif").expect("writing to a string");
        }
    };
    define(EVERYWHERE);
    match target.os.as_str() {
        "linux" => {
            define(UNIX);
            define(LINUX);
            if target.env != "gnu" {
                // musl has always had it.
                define(&["ZMQ_HAVE_STRLCPY"]);
            }
        }
        "macos" => {
            define(UNIX);
            define(MACOS);
        }
        "freebsd" => {
            define(UNIX);
            define(FREEBSD);
        }
        "windows" => {
            define(WINDOWS);
            if target.env == "gnu" {
                define(&["ZMQ_HAVE_MINGW32"]);
            }
        }
        other => {
            panic!("libzmq's feature macros are not stated for '{other}' yet; add them to build/platform.rs")
        }
    }
    text.push_str("#define ZMQ_CACHELINE_SIZE 64\n");
    if target.os == "linux" && target.env == "gnu" {
        // glibc has strlcpy since 2.38; asked of the headers compiled against, so a cross build is right too.
        text.push_str(
            "#include <features.h>\n#if __GLIBC_PREREQ(2, 38)\n#define ZMQ_HAVE_STRLCPY 1\n#endif\n",
        );
    }
    text.push_str("#endif\n");
    fs::write(path, text).unwrap_or_else(|e| panic!("writing {}: {e}", path.display()));
}
