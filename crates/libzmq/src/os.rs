//! Two things of the operating system that belong to a server of many connections.

use std::io;

/// Raises the number of descriptors this process may open to what the system allows, and returns it.
/// Every connection takes one. Without a limit of that kind the result is `u64::MAX`.
///
/// # Errors
/// When the system refuses.
pub fn raise_open_file_limit() -> io::Result<u64> {
    #[cfg(unix)]
    {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: writes one `rlimit`.
        if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // macOS refuses more than OPEN_MAX even where the hard limit says "infinite".
        let wanted = if cfg!(target_os = "macos") { limit.rlim_max.min(10_240) } else { limit.rlim_max };
        if limit.rlim_cur < wanted {
            limit.rlim_cur = wanted;
            // SAFETY: reads one `rlimit`.
            if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        #[allow(clippy::unnecessary_cast, reason = "rlim_t is not u64 on every system")]
        Ok(limit.rlim_cur as u64)
    }
    #[cfg(not(unix))]
    Ok(u64::MAX)
}

/// Ends the connection behind descriptor `fd`, taken from a [`Message`](crate::Message), so that its peer has
/// to shake hands again; that is libzmq's only way to disconnect one peer of a bound socket.
///
/// The number may belong to another connection by now. So this looks first, and does nothing unless the
/// descriptor is a TCP connection whose own port is `local_port`; at worst a reconnected peer of the same
/// socket is cut. `Ok(false)` when it was not.
///
/// # Errors
/// When the system refuses to end it.
pub fn end_connection(fd: i64, local_port: u16) -> io::Result<bool> {
    #[cfg(unix)]
    {
        let Ok(fd) = libc::c_int::try_from(fd) else { return Ok(false) };
        if local_port_of(fd) != Some(local_port) {
            return Ok(false);
        }
        // SAFETY: takes no memory; a descriptor that is gone gives an error.
        if unsafe { libc::shutdown(fd, libc::SHUT_RDWR) } == 0 {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        if matches!(error.raw_os_error(), Some(libc::ENOTCONN | libc::EBADF)) {
            Ok(false)
        } else {
            Err(error)
        }
    }
    #[cfg(not(unix))]
    {
        let _ = (fd, local_port);
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "ending one connection is not possible on this system",
        ))
    }
}

#[cfg(unix)]
fn local_port_of(fd: libc::c_int) -> Option<u16> {
    // SAFETY: all zeroes are a valid `sockaddr_storage`.
    let mut address: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut length = libc::socklen_t::try_from(size_of::<libc::sockaddr_storage>()).ok()?;
    // SAFETY: writes at most `length` bytes to `address`.
    if unsafe { libc::getsockname(fd, (&raw mut address).cast(), &raw mut length) } != 0 {
        return None;
    }
    match libc::c_int::from(address.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says which kind it is, and the storage is large enough and aligned for it.
            let v4 = unsafe { &*(&raw const address).cast::<libc::sockaddr_in>() };
            Some(u16::from_be(v4.sin_port))
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let v6 = unsafe { &*(&raw const address).cast::<libc::sockaddr_in6>() };
            Some(u16::from_be(v6.sin6_port))
        }
        _ => None,
    }
}
