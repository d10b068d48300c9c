//! Terminal views of a fleet: a live table, a detail pane, and the same table as plain text.
//!
//! | module | what it is | knows nothing of |
//! | --- | --- | --- |
//! | [`state`] | what is known of the fleet, and what the person looking at it chose | terminal, network |
//! | [`view`] | how it looks | network, keys |
//! | [`plain`] | the table as text, for pipes and files | terminal |
//! | [`text`] | what a computer says about itself, made harmless for a terminal | all of the above |
//! | [`terminal`] | the loop that takes keys and updates and draws | network |
//!
//! Whoever feeds it turns messages into [`Update`]s; this crate opens no socket.

pub mod plain;
pub mod state;
pub mod terminal;
pub mod text;
pub mod view;

pub use state::{Fleet, Link, Update};
