//! Tells the service manager how the program is doing. To systemd go datagrams of `NAME=VALUE` lines, as sd_notify(3)
//! describes; the manager of Windows is told that the start is over.
//!
//! Without `NOTIFY_SOCKET` in the environment nothing is sent. Twenty lines of ours rather than a library: the protocol is
//! a promise of systemd and has no more to it.

use std::fmt;
use std::time::{Duration, Instant};

/// Most of a status: it is one line on a screen.
const MAX_STATUS_CHARS: usize = 200;

/// Where to tell, and how often to say that the program is alive.
#[derive(Debug)]
pub(crate) struct Notifier {
    link: Option<imp::Link>,
    /// How often to say so; `None` when nobody watches.
    every: Option<Duration>,
    last_alive: Option<Instant>,
    last_status: String,
}

impl Notifier {
    /// As the environment says.
    pub(crate) fn from_environment() -> Notifier {
        let text = |name: &str| std::env::var(name).ok();
        let for_us = |pid: Option<String>| pid.is_none_or(|pid| pid == std::process::id().to_string());
        let watchdog = text("WATCHDOG_USEC").filter(|_| for_us(text("WATCHDOG_PID")));
        let watchdog = watchdog.and_then(|usec| usec.parse().ok()).filter(|usec| *usec > 0);
        Notifier {
            link: std::env::var_os("NOTIFY_SOCKET").and_then(|name| imp::Link::to(&name)),
            // sd_watchdog_enabled(3) advises half of the time; a third bears one late moment more.
            every: watchdog.map(|usec: u64| Duration::from_micros(usec) / 3),
            last_alive: None,
            last_status: String::new(),
        }
    }

    /// How often [`Notifier::alive`] is wanted.
    pub(crate) fn every(&self) -> Option<Duration> {
        self.link.as_ref().and(self.every)
    }

    /// The start is over: the program does its work.
    pub(crate) fn ready(&self) {
        #[cfg(windows)]
        crate::windows::service::ready();
        self.tell("READY=1");
    }

    /// The end has begun.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=stopping");
    }

    /// The work goes on. Said only as often as somebody wants to hear it; whether it was.
    pub(crate) fn alive(&mut self) -> bool {
        let Some(every) = self.every() else { return false };
        let due = self.last_alive.is_none_or(|last| last.elapsed() >= every);
        if due {
            self.last_alive = Some(Instant::now());
            self.tell("WATCHDOG=1");
        }
        due
    }

    /// What the program is doing, in a line for people.
    pub(crate) fn status(&mut self, text: fmt::Arguments<'_>) {
        if self.link.is_none() {
            return;
        }
        let text = text.to_string();
        if self.last_status == text {
            return;
        }
        // A line break would begin another message of the protocol.
        let line: String =
            text.chars().take(MAX_STATUS_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.tell(&format!("STATUS={line}"));
        self.last_status = text;
    }

    fn tell(&self, message: &str) {
        if let Some(link) = &self.link
            && let Err(error) = link.send(message.as_bytes())
        {
            // The work is more important than whoever listens.
            tracing::debug!("cannot tell the service manager: {error}");
        }
    }
}

#[cfg(unix)]
mod imp {
    use std::ffi::OsStr;
    use std::io;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    #[derive(Debug)]
    pub(super) struct Link {
        socket: UnixDatagram,
        address: SocketAddr,
    }

    impl Link {
        /// `/path`, or `@name` in the abstract namespace of Linux (unix(7)).
        pub(super) fn to(name: &OsStr) -> Option<Link> {
            let address = match name.as_bytes() {
                [b'/', ..] => SocketAddr::from_pathname(name).ok()?,
                #[cfg(target_os = "linux")]
                [b'@', name @ ..] => {
                    <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name).ok()?
                }
                _ => return None,
            };
            let socket = UnixDatagram::unbound().ok()?;
            // A manager that does not read must not hold up the work.
            socket.set_nonblocking(true).ok()?;
            Some(Link { socket, address })
        }

        pub(super) fn send(&self, message: &[u8]) -> io::Result<()> {
            self.socket.send_to_addr(message, &self.address).map(drop)
        }
    }
}

#[cfg(not(unix))]
mod imp {
    use std::ffi::OsStr;
    use std::io;

    /// There is no such manager here.
    #[derive(Debug)]
    pub(super) enum Link {}

    impl Link {
        pub(super) fn to(_: &OsStr) -> Option<Link> {
            None
        }

        pub(super) fn send(&self, _: &[u8]) -> io::Result<()> {
            match *self {}
        }
    }
}
