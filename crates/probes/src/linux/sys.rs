//! The system calls that std does not offer, counted; the only `unsafe` of this crate.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::cell::Cell;
use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::address::InterfaceAddress;
use crate::statfs::FileSystemStatus;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

/// System calls made by this thread through this module: the cost of a sample that no load can blur.
pub fn calls() -> u64 {
    CALLS.get()
}

fn count() {
    CALLS.set(CALLS.get() + 1);
}

/// An open file, folder or socket.
#[derive(Debug)]
pub struct Fd(Option<OwnedFd>);

impl Fd {
    /// Takes over a descriptor.
    pub fn new(fd: OwnedFd) -> Fd {
        Fd(Some(fd))
    }

    /// The number, for system calls.
    pub fn raw(&self) -> RawFd {
        self.0.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        count();
        drop(self.0.take());
    }
}

/// `openat(2)`, read-only and closed on exec. `folder` of `None` is the working folder.
pub fn open(folder: Option<&Fd>, name: &CStr, flags: i32) -> io::Result<Fd> {
    count();
    let at = folder.map_or(libc::AT_FDCWD, Fd::raw);
    // SAFETY: `name` is a C string that outlives the call.
    let fd = unsafe { libc::openat(at, name.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC | flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just given us this descriptor and nobody else knows it.
    Ok(Fd::new(unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// `pread(2)` into `buffer`; how many bytes came.
pub fn pread(fd: &Fd, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    count();
    // SAFETY: `buffer` is writable for its length.
    let n =
        unsafe { libc::pread64(fd.raw(), buffer.as_mut_ptr().cast(), buffer.len(), offset.cast_signed()) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// `read(2)` into `buffer`; how many bytes came.
pub fn read(fd: &Fd, buffer: &mut [u8]) -> io::Result<usize> {
    count();
    // SAFETY: `buffer` is writable for its length.
    let n = unsafe { libc::read(fd.raw(), buffer.as_mut_ptr().cast(), buffer.len()) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// `lseek(2)` back to the start, before a folder is read again.
pub fn rewind(fd: &Fd) -> io::Result<()> {
    count();
    // SAFETY: no memory is involved.
    let at = unsafe { libc::lseek(fd.raw(), 0, libc::SEEK_SET) };
    if at < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// `poll(2)` without waiting: whether there is something exceptional, as files of `/proc` and `/sys`
/// whose content changes now and then signal it.
pub fn poll_priority(fd: &Fd) -> bool {
    count();
    let mut poll = libc::pollfd { fd: fd.raw(), events: libc::POLLPRI, revents: 0 };
    // SAFETY: `poll` is one `pollfd`.
    let n = unsafe { libc::poll(&raw mut poll, 1, 0) };
    // A file that cannot be polled must be read to know.
    n != 0 && poll.revents & (libc::POLLPRI | libc::POLLERR | libc::POLLNVAL) != 0 || n < 0
}

/// `getdents64(2)`; how many bytes of `struct linux_dirent64` came, 0 at the end.
pub fn getdents(fd: &Fd, buffer: &mut [u8]) -> io::Result<usize> {
    count();
    // SAFETY: `buffer` is writable for its length.
    let n = unsafe { libc::syscall(libc::SYS_getdents64, fd.raw(), buffer.as_mut_ptr(), buffer.len()) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Processor time of a whole process in nanoseconds, without opening a file.
///
/// `EINVAL` is a process that is gone, or a thread that is not the first of its process.
/// The clock's number is `clock_getcpuclockid(3)`'s (kernel: include/linux/posix-timers_types.h).
pub fn process_cpu_nanos(pid: u32) -> io::Result<u64> {
    count();
    const CPUCLOCK_SCHED: i32 = 2;
    let clock = (!pid.cast_signed() << 3) | CPUCLOCK_SCHED;
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: `time` has room for one `timespec`.
    if unsafe { libc::clock_gettime(clock, time.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so it has filled `time`.
    let time = unsafe { time.assume_init() };
    Ok(u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// What [`stat`] tells of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileStatus {
    /// Owner.
    pub uid: u32,
    /// File number.
    pub inode: u64,
    /// Last change of the content: seconds and nanoseconds.
    pub modified: (i64, i64),
    /// Size.
    pub size_bytes: u64,
}

/// `fstatat(2)`, following symbolic links.
pub fn stat(folder: &Fd, name: &CStr) -> io::Result<FileStatus> {
    count();
    let mut status = MaybeUninit::<libc::stat64>::uninit();
    // SAFETY: `name` is a C string and `status` has room for one `stat64`.
    if unsafe { libc::fstatat64(folder.raw(), name.as_ptr(), status.as_mut_ptr(), 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so it has filled `status`.
    let status = unsafe { status.assume_init() };
    Ok(FileStatus {
        uid: status.st_uid,
        inode: status.st_ino,
        modified: (status.st_mtime, status.st_mtime_nsec),
        size_bytes: u64::try_from(status.st_size).unwrap_or(0),
    })
}

/// `readlinkat(2)`; the target's bytes, cut at 255.
pub fn read_link(folder: &Fd, name: &CStr) -> io::Result<Vec<u8>> {
    count();
    let mut target = vec![0u8; 255];
    // SAFETY: `name` is a C string and `target` is writable for its length.
    let n =
        unsafe { libc::readlinkat(folder.raw(), name.as_ptr(), target.as_mut_ptr().cast(), target.len()) };
    target.truncate(usize::try_from(n).map_err(|_| io::Error::last_os_error())?);
    Ok(target)
}

/// `statvfs(3)`. Can hang for ever on a network mount.
pub(crate) fn statfs(path: &CStr) -> io::Result<FileSystemStatus> {
    count();
    let mut status = MaybeUninit::<libc::statvfs64>::uninit();
    // SAFETY: `path` is a C string and `status` has room for one `statvfs64`.
    if unsafe { libc::statvfs64(path.as_ptr(), status.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so it has filled `status`.
    let status = unsafe { status.assume_init() };
    Ok(FileSystemStatus {
        block_bytes: status.f_frsize,
        blocks: status.f_blocks,
        blocks_free: status.f_bfree,
        blocks_available: status.f_bavail,
        files: status.f_files,
        files_free: status.f_ffree,
        read_only: status.f_flag & libc::ST_RDONLY != 0,
    })
}

/// `getifaddrs(3)`: hands every IPv4 and IPv6 address to `each`.
pub(crate) fn interface_addresses(mut each: impl FnMut(InterfaceAddress<'_>)) -> io::Result<()> {
    count();
    let mut first = std::ptr::null_mut();
    // SAFETY: the call writes one pointer.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut next = first;
    while !next.is_null() {
        // SAFETY: the list that the call made is not freed before the end of this function.
        let entry = unsafe { &*next };
        next = entry.ifa_next;
        // SAFETY: its socket addresses are null or of their family's type, its name is a C string.
        let (address, mask, name) = unsafe {
            (ip_of(entry.ifa_addr), ip_of(entry.ifa_netmask), CStr::from_ptr(entry.ifa_name).to_bytes())
        };
        let Some(address) = address else { continue };
        let has_broadcast = entry.ifa_flags & libc::IFF_BROADCAST as u32 != 0;
        // SAFETY: the field is null or a socket address; with IFF_BROADCAST it is the broadcast address.
        let broadcast = if has_broadcast { unsafe { ip_of(entry.ifa_ifu) } } else { None };
        let prefix_length = match mask {
            Some(IpAddr::V4(mask)) => u32::from(mask).count_ones(),
            Some(IpAddr::V6(mask)) => u128::from(mask).count_ones(),
            None if address.is_ipv4() => 32,
            None => 128,
        };
        each(InterfaceAddress {
            name,
            address,
            prefix_length: u8::try_from(prefix_length).unwrap_or(u8::MAX),
            broadcast: match broadcast {
                Some(IpAddr::V4(broadcast)) if address.is_ipv4() => Some(broadcast),
                _ => None,
            },
        });
    }
    // SAFETY: the list comes from `getifaddrs` and nothing refers to it any more.
    unsafe { libc::freeifaddrs(first) };
    Ok(())
}

/// The IP address in a socket address.
///
/// # Safety
/// `address` is null or points to a socket address of its family's type.
unsafe fn ip_of(address: *const libc::sockaddr) -> Option<IpAddr> {
    if address.is_null() {
        return None;
    }
    // SAFETY: as the caller promises, so the family tells which type is there.
    unsafe {
        match i32::from((*address).sa_family) {
            libc::AF_INET => {
                let address = address.cast::<libc::sockaddr_in>().read_unaligned();
                Some(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)).into())
            }
            libc::AF_INET6 => {
                let address = address.cast::<libc::sockaddr_in6>().read_unaligned();
                Some(Ipv6Addr::from(address.sin6_addr.s6_addr).into())
            }
            _ => None,
        }
    }
}

/// A netlink socket to ask the kernel about sockets (`sock_diag(7)`), with a limit on waiting.
pub fn sock_diag_socket() -> io::Result<Fd> {
    count();
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: no memory is involved.
    let fd = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_SOCK_DIAG) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just given us this descriptor and nobody else knows it.
    let fd = Fd::new(unsafe { OwnedFd::from_raw_fd(fd) });
    let limit = libc::timeval { tv_sec: 5, tv_usec: 0 };
    count();
    // SAFETY: `limit` is a `timeval` and its size is given.
    let set = unsafe {
        libc::setsockopt(
            fd.raw(),
            libc::SOL_SOCKET,
            libc::SO_RCVTIMEO,
            (&raw const limit).cast(),
            size_of::<libc::timeval>() as libc::socklen_t,
        )
    };
    if set != 0 { Err(io::Error::last_os_error()) } else { Ok(fd) }
}

/// `send(2)` of a whole message.
pub fn send(fd: &Fd, message: &[u8]) -> io::Result<()> {
    count();
    // SAFETY: `message` is readable for its length.
    let n = unsafe { libc::send(fd.raw(), message.as_ptr().cast(), message.len(), 0) };
    if usize::try_from(n) == Ok(message.len()) { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What `uname(2)` tells.
#[derive(Clone, Copy, Debug)]
pub struct Uname {
    /// Node name, release, version, machine; each ends at its first zero byte.
    fields: [[u8; 65]; 4],
}

impl Uname {
    /// From texts, each cut at 64 bytes.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Uname {
        let mut fields = [[0; 65]; 4];
        for (field, text) in fields.iter_mut().zip(texts) {
            let n = text.len().min(64);
            field[..n].copy_from_slice(&text[..n]);
        }
        Uname { fields }
    }

    fn field(&self, at: usize) -> &[u8] {
        let field = &self.fields[at];
        &field[..field.iter().position(|b| *b == 0).unwrap_or(field.len())]
    }

    /// Host name.
    pub fn nodename(&self) -> &[u8] {
        self.field(0)
    }

    /// Kernel release (`uname -r`).
    pub fn release(&self) -> &[u8] {
        self.field(1)
    }

    /// Kernel build (`uname -v`).
    pub fn version(&self) -> &[u8] {
        self.field(2)
    }

    /// Machine (`uname -m`).
    pub fn machine(&self) -> &[u8] {
        self.field(3)
    }
}

/// `uname(2)`.
pub fn uname() -> io::Result<Uname> {
    count();
    let mut names = MaybeUninit::<libc::utsname>::zeroed();
    // SAFETY: `names` has room for one `utsname`.
    if unsafe { libc::uname(names.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, and zero bytes are a valid `utsname` in any case.
    let names = unsafe { names.assume_init() };
    let field = |field: [libc::c_char; 65]| field.map(|c| c as u8);
    let fields = [field(names.nodename), field(names.release), field(names.version), field(names.machine)];
    Ok(Uname { fields })
}

/// `sysconf(3)` of a value that is always there.
fn sysconf(name: i32, otherwise: u64) -> u64 {
    // SAFETY: no memory is involved.
    u64::try_from(unsafe { libc::sysconf(name) }).ok().filter(|n| *n > 0).unwrap_or(otherwise)
}

/// Bytes of a memory page.
pub fn page_bytes() -> u64 {
    sysconf(libc::_SC_PAGESIZE, 4096)
}

/// Clock ticks a second in `/proc` (`USER_HZ`).
pub fn ticks_per_second() -> u64 {
    sysconf(libc::_SC_CLK_TCK, 100)
}
