//! What is counted of a target.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::message::Count;

/// How a target fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    /// What comes is sent.
    #[default]
    Good,
    /// It does not answer, or asks to wait; samples queue up on disk.
    Retrying,
    /// It refused samples within the last minute; these are dropped.
    Refusing,
    /// The queue is as large as it may be; the oldest samples are dropped.
    QueueFull,
    /// The queue cannot be written.
    DiskFailing,
}

impl State {
    pub(crate) const ALL: [(State, &'static str); 5] = [
        (State::Good, "good"),
        (State::Retrying, "retrying"),
        (State::Refusing, "refusing"),
        (State::QueueFull, "queue_full"),
        (State::DiskFailing, "disk_failing"),
    ];
}

/// Of one target; its threads write, any thread reads.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    /// Samples that the target took.
    pub(crate) sent: Count,
    /// Samples lost since the thread that writes the queue was too slow.
    pub(crate) dropped_behind: Count,
    /// Samples lost since the queue was full.
    pub(crate) dropped_queue: Count,
    /// Samples lost since the disk was full, or failed.
    pub(crate) dropped_disk: Count,
    /// Samples that the target refused.
    pub(crate) dropped_refused: Count,
    /// Samples whose time is too far ahead of the clock here, or too long ago.
    pub(crate) dropped_time: Count,
    /// Requests answered or not.
    pub(crate) requests: Count,
    /// Of these, those that are sent again.
    pub(crate) retries: Count,
    /// Bytes of bodies that were sent.
    pub(crate) sent_bytes: Count,
    /// Samples that wait, on disk.
    pub(crate) waiting: Gauge,
    /// Bytes of the queue's files.
    pub(crate) queue_bytes: Gauge,
    state: Mutex<(State, u8)>,
}

/// A number that goes up and down; one thread writes it.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicU64);

impl Gauge {
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Stats {
    /// How it fares, and the version of the messages it gets (0 while that is not known).
    pub(crate) fn state(&self) -> (State, u8) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_state(&self, state: State, version: u8) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = (state, version);
    }
}
