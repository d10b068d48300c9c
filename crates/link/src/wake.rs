//! Ending the wait of an end from another thread or a signal handler, without ending the end.

use std::io::{self, Write};

use chasar_libzmq::BorrowedOsSocket;

#[cfg(unix)]
type Stream = std::os::unix::net::UnixStream;
#[cfg(windows)]
type Stream = std::net::TcpStream;

/// A bell that is rung once: every wait that listens to it ends at once from then on.
#[derive(Debug)]
pub struct Wake {
    ring: Stream,
    listen: Stream,
}

impl Wake {
    /// A bell not yet rung.
    ///
    /// # Errors
    /// When the system gives no socket pair.
    pub fn new() -> io::Result<Wake> {
        #[cfg(unix)]
        let (ring, listen) = Stream::pair()?;
        #[cfg(windows)]
        let (ring, listen) = {
            let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
            let ring = Stream::connect(listener.local_addr()?)?;
            let (listen, from) = listener.accept()?;
            if from != ring.local_addr()? {
                return Err(io::Error::other("another program connected to the wake socket"));
            }
            (ring, listen)
        };
        // A bell rung many times must not block the ringer.
        ring.set_nonblocking(true)?;
        Ok(Wake { ring, listen })
    }

    /// Rings. On Unix this is one `write(2)` and may be called from a signal handler.
    pub fn ring(&self) {
        // Full means rung often enough already.
        let _ = (&self.ring).write(&[1]);
    }

    pub(crate) fn socket(&self) -> BorrowedOsSocket<'_> {
        #[cfg(unix)]
        return std::os::fd::AsFd::as_fd(&self.listen);
        #[cfg(windows)]
        return std::os::windows::io::AsSocket::as_socket(&self.listen);
    }
}
