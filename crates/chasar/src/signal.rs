//! SIGINT and SIGTERM, on Windows events of the console and a stop of the service: the first asks for a clean end, the second ends at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set by the first signal.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    flag: Arc<AtomicBool>,
}

impl Stop {
    /// Begins to listen for signals; `then` runs once, on a thread of its own, when the first comes.
    ///
    /// # Errors
    /// When the system refuses a handler, a pipe or a thread.
    pub(crate) fn install(then: impl FnOnce() + Send + 'static) -> io::Result<Stop> {
        let flag = Arc::new(AtomicBool::new(false));
        imp::install(&flag, then)?;
        Ok(Stop { flag })
    }

    /// Whether a signal came.
    pub(crate) fn requested(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    /// For those who look at the flag themselves.
    pub(crate) fn flag(&self) -> &Arc<AtomicBool> {
        &self.flag
    }
}

/// The same as a first signal: the service control manager's stop.
#[cfg(windows)]
pub(crate) fn request() {
    imp::request();
}

#[cfg(unix)]
mod imp {
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread::Builder;

    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level;

    pub(super) fn install(stop: &Arc<AtomicBool>, then: impl FnOnce() + Send + 'static) -> io::Result<()> {
        // One thread takes them, one after the other: of two at a time one is the second.
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let stop = Arc::clone(stop);
        let take = move || {
            let mut signals = signals.forever();
            if signals.next().is_some() {
                stop.store(true, Ordering::Relaxed);
                let first = Builder::new().name("stop".to_owned()).spawn(then);
                // Without a thread nobody else is told, and a second signal is still an end.
                drop(first);
            }
            if let Some(signal) = signals.next() {
                low_level::exit(128 + signal);
            }
        };
        Builder::new().name("signals".to_owned()).stack_size(64 << 10).spawn(take)?;
        Ok(())
    }
}

#[cfg(windows)]
mod imp {
    use std::io;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Condvar, Mutex, PoisonError};

    use crate::windows::{console, service};

    /// Whether anybody wished for the end, and how the waiting thread hears of it.
    static REQUESTED: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

    /// Asks for a clean end; whether this was the first time.
    pub(super) fn request() -> bool {
        let mut requested = REQUESTED.0.lock().unwrap_or_else(PoisonError::into_inner);
        REQUESTED.1.notify_all();
        !std::mem::replace(&mut *requested, true)
    }

    pub(super) fn install(stop: &Arc<AtomicBool>, then: impl FnOnce() + Send + 'static) -> io::Result<()> {
        // A service is stopped by its manager; the logoff of somebody is none of its business.
        if !service::runs() {
            console::listen(request)?;
        }
        let stop = Arc::clone(stop);
        let wait = move || {
            let mut requested = REQUESTED.0.lock().unwrap_or_else(PoisonError::into_inner);
            while !*requested {
                requested = REQUESTED.1.wait(requested).unwrap_or_else(PoisonError::into_inner);
            }
            drop(requested);
            stop.store(true, Ordering::Relaxed);
            then();
        };
        std::thread::Builder::new().name("signals".to_owned()).stack_size(64 << 10).spawn(wait)?;
        Ok(())
    }
}
