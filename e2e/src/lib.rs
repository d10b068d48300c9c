//! The harness of the end-to-end tests: whole programs, foreign peers, networks that break.
//!
//! Each test has a [`Site`]: a folder and an address of its own, so that tests may run side by side on the
//! default ports. Programs run in a [`Place`], this host or a network [`Namespace`], have their output
//! captured, and are killed when dropped; when a test fails, the output of all its programs is shown.

#![allow(clippy::print_stderr, reason = "a failing test shows what its programs said")]

pub mod clientnode;
pub mod executable;
pub mod history;
pub mod http;
pub mod ledger;
pub mod masternode;
pub mod metrics;
pub mod namespace;
pub mod peer;
pub mod place;
pub mod program;
pub mod report;
pub mod site;
pub mod subscriber;
pub mod swarm;
pub mod wait;
pub mod workspace;
pub mod zmtp;

pub use clientnode::Clientnode;
pub use executable::Executable;
pub use ledger::Ledger;
pub use masternode::Masternode;
pub use namespace::Namespace;
pub use place::Place;
pub use program::Program;
pub use site::Site;
pub use subscriber::Subscriber;
pub use wait::{until, within};
