//! What macOS and FreeBSD share: sysctl(3), `getfsstat(2)`, `statfs(2)`, the routing table.

use std::ffi::{CStr, c_char};
use std::io;
use std::mem::MaybeUninit;

use super::Mount;
use crate::statfs::FileSystemStatus;
use crate::sysinfo::route::{self, Layout};

/// The bytes of a value of sysctl(3), in `buffer`, which grows as needed and is kept for the next time.
///
/// # Errors
/// What the system said.
pub(crate) fn sysctl<'b>(name: &[libc::c_int], buffer: &'b mut Vec<u8>) -> io::Result<&'b [u8]> {
    // Tables grow between asking for their size and reading them; more often than this is no accident.
    for _ in 0..8 {
        let mut length = buffer.len();
        if call(name, buffer.as_mut_ptr(), &mut length).is_ok() && length <= buffer.len() && length > 0 {
            return Ok(&buffer[..length]);
        }
        let mut wanted = 0;
        call(name, std::ptr::null_mut(), &mut wanted)?;
        if wanted == 0 {
            return Ok(&[]);
        }
        // An eighth on top, for what comes meanwhile.
        buffer.resize(wanted + wanted / 8 + 64, 0);
    }
    Err(io::Error::other("a table that keeps growing"))
}

fn call(name: &[libc::c_int], to: *mut u8, length: &mut usize) -> io::Result<()> {
    // The call does not write to it, but says that it might.
    let mut name = name.to_vec();
    let parts = name.len() as libc::c_uint;
    // SAFETY: `name` has that many parts, and `to` is null or has room for `length` bytes.
    let result = unsafe {
        libc::sysctl(name.as_mut_ptr(), parts, to.cast(), &raw mut *length, std::ptr::null_mut(), 0)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(target_os = "macos")]
const LAYOUT: Layout = route::MACOS;
#[cfg(target_os = "freebsd")]
const LAYOUT: Layout = route::FREEBSD;

/// The number of the interface that holds the default route, of IPv4 or else of IPv6.
///
/// # Errors
/// What the system said.
pub(crate) fn default_interface() -> io::Result<Option<u32>> {
    let mut buffer = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        let name = [libc::CTL_NET, libc::PF_ROUTE, 0, family, libc::NET_RT_DUMP, 0];
        if let Some(index) = route::default_interface(sysctl(&name, &mut buffer)?, LAYOUT) {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// Flags of a mount in one width: `u32` on macOS, `u64` on FreeBSD.
fn flag(flags: impl Into<u64>, bit: impl TryInto<u64>) -> bool {
    bit.try_into().is_ok_and(|bit| flags.into() & bit != 0)
}

fn text(field: &[c_char]) -> Vec<u8> {
    field.iter().map(|c| *c as u8).take_while(|b| *b != 0).collect()
}

/// All mounts, `getfsstat(2)` without asking the file systems, so that none can hang.
///
/// # Errors
/// What the system said.
pub(crate) fn mounts() -> io::Result<Vec<Mount>> {
    let mut all: Vec<MaybeUninit<libc::statfs>> = Vec::new();
    loop {
        let bytes = all.len() * size_of::<libc::statfs>();
        let to = if all.is_empty() { std::ptr::null_mut() } else { all.as_mut_ptr().cast() };
        // SAFETY: `to` is null or has room for so many bytes.
        let count = unsafe { libc::getfsstat(to, bytes as _, libc::MNT_NOWAIT) };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        if count < all.len() {
            all.truncate(count);
            break;
        }
        // Room for one more than there are tells that none was left out.
        all.resize_with(count + 4, MaybeUninit::uninit);
    }
    // SAFETY: the call has filled those that are left.
    Ok(all.iter().map(|entry| mount(unsafe { entry.assume_init_ref() })).collect())
}

fn mount(entry: &libc::statfs) -> Mount {
    Mount {
        path: text(&entry.f_mntonname),
        device: text(&entry.f_mntfromname),
        fstype: text(&entry.f_fstypename),
        read_only: flag(entry.f_flags, libc::MNT_RDONLY),
        remote: !flag(entry.f_flags, libc::MNT_LOCAL),
        #[cfg(target_os = "macos")]
        hidden: flag(entry.f_flags, libc::MNT_DONTBROWSE),
        #[cfg(not(target_os = "macos"))]
        hidden: false,
        number: (0, 0),
    }
}

/// `statfs(2)`. Can hang for ever on a network mount.
///
/// # Errors
/// What the system said.
pub(crate) fn statfs(path: &CStr) -> io::Result<FileSystemStatus> {
    let mut status = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `path` is a C string and `status` has room for one `statfs`.
    if unsafe { libc::statfs(path.as_ptr(), status.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so it has filled `status`.
    let status = unsafe { status.assume_init() };
    #[cfg(target_os = "macos")]
    let (available, files_free) = (status.f_bavail, status.f_ffree);
    // A negative number says that users have used what is kept for root.
    #[cfg(target_os = "freebsd")]
    let (available, files_free) =
        (u64::try_from(status.f_bavail).unwrap_or(0), u64::try_from(status.f_ffree).unwrap_or(0));
    Ok(FileSystemStatus {
        block_bytes: u64::from(status.f_bsize),
        blocks: status.f_blocks,
        blocks_free: status.f_bfree,
        blocks_available: available,
        files: status.f_files,
        files_free,
        read_only: flag(status.f_flags, libc::MNT_RDONLY),
    })
}

/// The bytes of a value of sysctl(3) by its name.
///
/// # Errors
/// What the system said.
#[cfg(target_os = "freebsd")]
pub(super) fn sysctl_by_name(name: &CStr) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for _ in 0..2 {
        let mut length = bytes.len();
        let to: *mut u8 = if bytes.is_empty() { std::ptr::null_mut() } else { bytes.as_mut_ptr() };
        // SAFETY: `name` is a C string, and `to` is null or has room for `length` bytes.
        let result =
            unsafe { libc::sysctlbyname(name.as_ptr(), to.cast(), &raw mut length, std::ptr::null_mut(), 0) };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        bytes.resize(length, 0);
    }
    Ok(bytes)
}
