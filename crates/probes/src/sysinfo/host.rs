//! One computer that runs macOS or FreeBSD. All it tells comes from calls, so there are no roots to choose.

use std::path::Path;

/// One computer.
#[derive(Debug)]
pub struct Host {
    recorded: bool,
}

impl Host {
    /// This computer.
    pub fn live() -> Host {
        Host { recorded: false }
    }

    /// A host that shall give the same answer every time: slow sources are read on the spot. Nothing
    /// is read from the folder, since no probe of these systems reads files.
    pub fn recorded(_folder: &Path) -> Host {
        Host { recorded: true }
    }

    /// Whether slow sources are read on the spot.
    pub fn is_recorded(&self) -> bool {
        self.recorded
    }
}
