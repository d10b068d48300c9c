//! The Chasar agent: samples this computer at fixed moments and gets the reports to the masternode.

mod life;
mod outbox;
mod pacer;
mod random;
mod ring;
mod spool;
mod tick;

/// A point in time: what has passed since the host booted, sleep included.
pub(crate) type Moment = std::time::Duration;
