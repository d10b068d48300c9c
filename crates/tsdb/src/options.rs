//! How a store behaves.

use crate::error::{Error, Result};
use crate::time::DAY_MS;

/// When a commit waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Each commit survives a power cut once it is acknowledged.
    EveryCommit,
    /// Commits survive the end of the process, and a power cut when the system has written them.
    Never,
}

/// How a store behaves. `Options::default()` is made for a fleet that reports once a second.
#[derive(Clone, Debug)]
pub struct Options {
    /// Labels that say from where a sample comes rather than what it is. Series that differ in
    /// them alone share their bins on disk.
    pub source_labels: Vec<String>,
    /// Length of the window that a first segment covers, milliseconds; a part of an hour.
    pub window_ms: i64,
    /// How long after its end a window still takes samples, milliseconds.
    pub grace_ms: i64,
    /// How far ahead of the clock a sample may be, milliseconds.
    pub future_ms: i64,
    /// Bytes that all files together may take. The oldest raw samples go first, file by file: an
    /// hour each, or a day where that is less than a sixteenth of this. Once raw samples take less
    /// than half of it, the oldest rollups of a minute go, then those of an hour.
    pub max_bytes: u64,
    /// How long raw samples are kept, milliseconds, as far as `max_bytes` goes.
    pub raw_ms: i64,
    /// How long rollups of a minute are kept, milliseconds.
    pub minute_ms: i64,
    /// How long rollups of an hour are kept, milliseconds.
    pub hour_ms: i64,
    /// Bytes of samples in memory. From a third of it on, windows are written before they end;
    /// beyond it, samples are refused.
    pub head_bytes: usize,
    /// When a commit waits for the disk.
    pub sync: Sync,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            source_labels: vec!["instance".into(), "job".into()],
            window_ms: 120_000,
            grace_ms: 10_000,
            future_ms: 600_000,
            max_bytes: 10 << 30,
            raw_ms: 30 * DAY_MS,
            minute_ms: 90 * DAY_MS,
            hour_ms: 730 * DAY_MS,
            head_bytes: 1 << 30,
            sync: Sync::EveryCommit,
        }
    }
}

impl Options {
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |option, what: &str| Err(Error::Option { option, what: what.to_string() });
        if self.window_ms < 1000 || 3_600_000 % self.window_ms != 0 {
            return wrong("window_ms", "an hour must consist of whole windows of at least a second");
        }
        for (option, value) in [("grace_ms", self.grace_ms), ("future_ms", self.future_ms)] {
            if !(0..=DAY_MS).contains(&value) {
                return wrong(option, "must be between 0 and a day");
            }
        }
        for (option, value) in
            [("raw_ms", self.raw_ms), ("minute_ms", self.minute_ms), ("hour_ms", self.hour_ms)]
        {
            if value < 2 * self.window_ms {
                return wrong(option, "must be at least two windows");
            }
        }
        Ok(())
    }
}
