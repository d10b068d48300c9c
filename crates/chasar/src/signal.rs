//! SIGINT and SIGTERM: the first asks for a clean end, the second ends at once.

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

#[cfg(unix)]
mod imp {
    use std::io::{self, Read};
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::{flag, low_level};

    pub(super) fn install(stop: &Arc<AtomicBool>, then: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let (mut reader, writer) = UnixStream::pair()?;
        for signal in [SIGINT, SIGTERM] {
            // Handlers run in the order of registration: the first signal finds the flag unset.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(stop))?;
            flag::register(signal, Arc::clone(stop))?;
            low_level::pipe::register(signal, writer.try_clone()?)?;
        }
        let wait = move || {
            // The writing ends live as long as the process, so this ends with a signal only.
            let mut byte = [0];
            while matches!(reader.read(&mut byte), Err(e) if e.kind() == io::ErrorKind::Interrupted) {}
            then();
        };
        std::thread::Builder::new().name("signals".to_owned()).stack_size(64 << 10).spawn(wait)?;
        Ok(())
    }
}

#[cfg(windows)]
mod imp {
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag;

    /// How often the thread looks whether a signal came: Windows' handlers may do nothing but set a flag.
    const LOOK_EVERY: Duration = Duration::from_millis(100);

    pub(super) fn install(stop: &Arc<AtomicBool>, then: impl FnOnce() + Send + 'static) -> io::Result<()> {
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(stop))?;
            flag::register(signal, Arc::clone(stop))?;
        }
        let stop = Arc::clone(stop);
        let wait = move || {
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(LOOK_EVERY);
            }
            then();
        };
        std::thread::Builder::new().name("signals".to_owned()).stack_size(64 << 10).spawn(wait)?;
        Ok(())
    }
}
