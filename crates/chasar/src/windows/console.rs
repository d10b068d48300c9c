//! Events of the console: Ctrl-C, Ctrl-Break, its window closed, logoff, shutdown.

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, CTRL_C_EVENT, SetConsoleCtrlHandler};
use windows_sys::core::BOOL;

/// Tells whether it was the first wish to end.
type Listener = Box<dyn Fn() -> bool + Send + Sync>;

static LISTENER: OnceLock<Listener> = OnceLock::new();

/// Longer than Windows itself waits before it ends a process whose console is gone (5 s).
const UNTIL_THE_END: Duration = Duration::from_secs(30);

/// Has `listener` called on every wish to end, on a thread of the system's.
///
/// # Errors
/// When there is a listener already, or the system refuses.
pub(crate) fn listen(listener: impl Fn() -> bool + Send + Sync + 'static) -> io::Result<()> {
    LISTENER.set(Box::new(listener)).map_err(|_| io::Error::from(io::ErrorKind::AlreadyExists))?;
    // SAFETY: the handler is a function and lives as long as the program.
    match unsafe { SetConsoleCtrlHandler(Some(handler), 1) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

unsafe extern "system" fn handler(event: u32) -> BOOL {
    const HANDLED: BOOL = 1;
    /// The next handler is asked, which ends the process at once.
    const NOT_HANDLED: BOOL = 0;
    let first = LISTENER.get().is_some_and(|listener| listener());
    match event {
        CTRL_C_EVENT | CTRL_BREAK_EVENT if first => HANDLED,
        CTRL_C_EVENT | CTRL_BREAK_EVENT => NOT_HANDLED,
        // After a closed window, a logoff or a shutdown the process ends as soon as this returns.
        _ => {
            std::thread::sleep(UNTIL_THE_END);
            HANDLED
        }
    }
}
