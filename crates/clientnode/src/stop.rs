//! Telling an agent to end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chasar_link::Wake;

/// Tells an agent to end, from another thread or from a signal handler. Clones are the same bell.
#[derive(Clone, Debug)]
pub struct Stop(Arc<(AtomicBool, Wake)>);

impl Stop {
    /// Not yet told.
    ///
    /// # Errors
    /// When the system has no socket pair left.
    pub fn new() -> io::Result<Stop> {
        Ok(Stop(Arc::new((AtomicBool::new(false), Wake::new()?))))
    }

    /// Ends the agent: it says goodbye and [`run`](crate::run()) returns. On Unix this is one store and one
    /// `write(2)`, so a signal handler may call it.
    pub fn trigger(&self) {
        self.0.0.store(true, Ordering::SeqCst);
        self.0.1.ring();
    }

    /// Whether the agent was told.
    pub fn is_triggered(&self) -> bool {
        self.0.0.load(Ordering::SeqCst)
    }

    pub(crate) fn wake(&self) -> &Wake {
        &self.0.1
    }
}
