//! Chasar for programs: receive the reports of a fleet.
//!
//! A [`Subscriber`] connects to a masternode's stream and is an iterator over what comes: a
//! [`Message`] is a [`Report`] of a computer, or a [`NodeEvent`] when a computer comes or goes.
//!
//! ```no_run
//! for message in chasar::Subscriber::connect("127.0.0.1:6666")? {
//!     if let chasar::Message::Report(report) = message? {
//!         println!("{} {:?}", report.hostname, report.memory.percent_used);
//!     }
//! }
//! # Ok::<(), chasar::Error>(())
//! ```
//!
//! The link comes up by itself when there is a masternode, and again after every cut; what was
//! published meanwhile is not received. Everything in a report is what its computer says about
//! itself: treat names as hostile before they reach a terminal or a page.

mod fallback;
mod subscriber;

pub use chasar_wire::{NodeEvent, Report, StateChange};
pub use subscriber::{Error, Item, Message, Raw, Subscriber, Want};
