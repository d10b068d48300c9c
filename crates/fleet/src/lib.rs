//! The pure heart of a Chasar masternode: which nodes there are, who is silent, what is missing.
//!
//! No thread, clock, file or socket lives here. The caller owns them and calls [`Fleet::step`] with
//! the time, what happened, and a list that takes the [`Effect`]s:
//!
//! ```
//! use std::time::Duration;
//! use chasar_fleet::{Effect, Fleet, Input, Now, Origin, Settings, State};
//! use chasar_wire::Report;
//!
//! let mut fleet = Fleet::new(Settings::default());
//! let mut effects = Vec::new();
//! let now = Now { monotonic: Duration::from_secs(100), unix_ms: 1_700_000_000_000 };
//! let report = Report { hostname: "pi".into(), ..Report::default() };
//! let origin = Origin::direct("192.0.2.7");
//! fleet.step(now, Input::Report { report: &report, origin }, &mut effects);
//! assert!(matches!(effects.last(), Some(Effect::Accepted { replayed: false, .. })));
//! assert_eq!(fleet.snapshot(now).nodes[0].state, State::Live);
//! ```
//!
//! | module | what it decides |
//! | --- | --- |
//! | `clock` | which silence is ours: stalls and sleeps of the masternode |
//! | `liveness` | when a node is late, when it is down, how often it reports |
//! | `sequence` | new, missing or duplicate; which gaps are final |
//! | `session` | one run of a clientnode; which one is running, which are replayed, which are clones |
//! | `skew` | whose clock is off |
//! | `identity` | names for nodes of 2016 and for clones |
//! | `node` | one node: all of the above together |
//! | `sender` | who sends rubbish |
//! | `snapshot` | the fleet for readers |
//! | `memory` | what survives a restart of the masternode, as bytes |

mod clock;
mod codec;
mod effect;
mod fleet;
mod identity;
mod liveness;
mod memory;
mod node;
mod sender;
mod sequence;
mod session;
mod settings;
mod skew;
mod snapshot;

pub use clock::Now;
pub use effect::{Effect, Input, Origin, Warning};
pub use fleet::Fleet;
pub use liveness::State;
pub use memory::{MEMORY_MAGIC, Restored};
pub use settings::Settings;
pub use skew::SKEW_REPORTED_MS;
pub use snapshot::{About, Counters, FleetSnapshot, NodeSnapshot, Summary, Totals};
