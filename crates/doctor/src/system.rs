//! What the standard library does not ask the system for: free space, and whether the clock is kept right.

use std::io;
use std::path::Path;

/// Room on a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(unix), allow(dead_code, reason = "only Unix is asked"))]
pub(crate) struct Room {
    /// Its size.
    pub(crate) size_bytes: u64,
    /// What an ordinary user may still write.
    pub(crate) avail_bytes: u64,
    /// Inodes in all; 0 where there is no fixed number.
    pub(crate) files: u64,
    /// Inodes that an ordinary user may still take.
    pub(crate) files_avail: u64,
}

/// Whether something keeps the clock right.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only Linux tells"))]
pub(crate) enum ClockKeeping {
    /// The kernel has been told by a time service that the clock is right, within this error.
    Kept {
        /// The largest error that the time service grants, seconds.
        error_seconds: f64,
    },
    /// No time service says so.
    Free,
    /// This system does not tell.
    Unknown,
}

/// Room on the file system that holds `folder` (statvfs, POSIX.1-2008).
///
/// # Errors
/// What the system says; `Unsupported` where there is no such call.
#[cfg(unix)]
pub(crate) fn room(folder: &Path) -> io::Result<Room> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(folder.as_os_str().as_bytes())?;
    let mut status = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends with a zero byte, and the call writes one `statvfs`.
    if unsafe { libc::statvfs(path.as_ptr(), status.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has succeeded, so it has written all of it.
    let status = unsafe { status.assume_init() };
    // Types differ between systems; what is negative or does not fit is no number of blocks.
    let number = |n: i128| u64::try_from(n).unwrap_or(0);
    let block = number(i128::from(status.f_frsize));
    Ok(Room {
        size_bytes: number(i128::from(status.f_blocks)).saturating_mul(block),
        avail_bytes: number(i128::from(status.f_bavail)).saturating_mul(block),
        files: number(i128::from(status.f_files)),
        files_avail: number(i128::from(status.f_favail)),
    })
}

/// Other systems are not asked.
#[cfg(not(unix))]
pub(crate) fn room(_folder: &Path) -> io::Result<Room> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Asks the kernel (adjtimex(2)): a time service that runs tells it so, and it believes that for a while.
#[cfg(target_os = "linux")]
pub(crate) fn clock_keeping() -> ClockKeeping {
    // SAFETY: all zeros is a valid `timex`: plain numbers, and modes 0 changes nothing.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the call reads and writes one `timex`.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    if state < 0 {
        return ClockKeeping::Unknown;
    }
    if state == libc::TIME_ERROR || timex.status & libc::STA_UNSYNC != 0 {
        return ClockKeeping::Free;
    }
    ClockKeeping::Kept { error_seconds: timex.maxerror as f64 / 1e6 }
}

/// Other systems do not tell.
#[cfg(not(target_os = "linux"))]
pub(crate) fn clock_keeping() -> ClockKeeping {
    ClockKeeping::Unknown
}

/// The user that this process runs as; `None` where users are no numbers.
pub(crate) fn own_uid() -> Option<u32> {
    #[cfg(unix)]
    // SAFETY: takes nothing, gives a number, cannot fail (POSIX.1-2008).
    return Some(unsafe { libc::geteuid() });
    #[cfg(not(unix))]
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_system_answers() {
        let folder = tempfile::tempdir().unwrap();
        let room = room(folder.path()).unwrap();
        assert!(room.size_bytes > 0 && room.avail_bytes <= room.size_bytes, "{room:?}");
        assert!(super::room(Path::new("/no/such/folder")).is_err());
        if let ClockKeeping::Kept { error_seconds } = clock_keeping() {
            assert!((0.0..100.0).contains(&error_seconds));
        }
    }
}
