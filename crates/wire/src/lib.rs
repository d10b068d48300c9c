//! The Chasar report: what one computer says about itself, as Rust types and as JSON.
//!
//! This crate is the contract with strangers. It knows no socket, file, clock or host: bytes go in
//! and [`Report`]s come out, and the reverse. The keys of 2016 (see [`Report`]) are always written;
//! everything else that a host does not have is a missing key, never a zero.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`report`] | the report itself |
//! | [`family`] | one file for each family of numbers |
//! | [`catalog`] | which series each number is, with node_exporter's names where it has them |
//! | [`limits`] | the bounds both ends enforce, and the scan that checks them |
//! | [`mod@decode`] / [`mod@encode`] | bytes to report and back |
//! | [`pack`] | zstd with the trained dictionary, for thin links and the outbox |
//! | [`topic`] | the first frame of every message |
//! | [`event`] | what the masternode says about a node on `chasar/node/<id>/state` |

pub mod catalog;
pub mod decode;
pub mod encode;
pub mod event;
pub mod family;
pub mod json;
pub mod limits;
pub mod pack;
pub mod report;
pub mod topic;

pub use decode::{DecodeError, decode};
pub use encode::{encode, encode_end};
pub use event::{NodeEvent, StateChange};
pub use report::{Report, SCHEMA};

/// A short text: up to 24 bytes are held without an allocation.
pub type Text = compact_str::CompactString;
