//! What is known of the fleet, and what the person looking at it chose. No terminal, no network,
//! no clock: updates and the present moment come from the caller.

mod filter;
mod fleet;
mod node;
mod rate;
mod screen;
mod sort;

pub use filter::{Filter, matches};
pub use fleet::{Counts, Fleet, Link, LinkState, Moment, Update};
pub use node::{HISTORY, Node, NodeState};
pub use rate::{DeviceRate, Rates};
pub use screen::{Action, Screen};
pub use sort::SortBy;
