//! The Chasar agent: samples this computer at fixed moments and gets the reports to its masternodes,
//! also those sampled while the way there was broken.
//!
//! [`run()`] is one thread and one loop. All decisions are in pure parts that know no clock, file or
//! socket; the rest carries them out.
//!
//! | module | pure | what it is |
//! | --- | --- | --- |
//! | `life` | yes | the state machine: what happened → what to do |
//! | `route` | yes | the way to one masternode: its link, its replay, its counters |
//! | `tick` | yes | when to sample |
//! | `outbox` | yes, over a storage trait | what may have to be sent again; the `replay` key of reports |
//! | `agenda` | yes, over a storage trait | what of that one masternode has yet to get |
//! | `ring` | yes | memory of the outbox, shared by all masternodes |
//! | `spool` | over a storage trait | disk of the outbox, one for each masternode |
//! | `pacer` | yes | how fast a replay goes |
//! | `run` | no | the loop, the links, packing |
//! | `uplink` | yes | what the loop knows of one masternode: its name, its trouble |
//! | `say` | no | the log |
//! | `assemble` | no | one report: identity, sampler, self-report |
//! | `identity` | no | the node's id, and the lock on it |
//! | `watcher` | yes | telling whoever supervises the agent |
//! | `platform` | no | clocks, self-usage and facts of each operating system |

mod agenda;
mod assemble;
pub mod config;
#[doc(hidden)]
pub mod fuzzing;
mod identity;
mod life;
mod outbox;
mod pacer;
mod platform;
mod random;
mod ring;
mod route;
mod run;
mod say;
mod spool;
mod stop;
mod tick;
mod uplink;
mod watcher;

pub use config::{Config, Problem};
pub use identity::IdentityError;
pub use run::{RunError, run, run_watched};
pub use spool::inspect::{SpoolContent, inspect_spool, spool_folders};
pub use stop::Stop;
pub use watcher::{News, Watcher};

/// A point in time: what has passed since the host booted, sleep included.
pub(crate) type Moment = std::time::Duration;

/// Sets the allocator of this process up to stay small; for a process that is nothing but an agent.
///
/// Call it before the first thread starts.
pub fn keep_memory_small() {
    platform::keep_memory_small();
}
