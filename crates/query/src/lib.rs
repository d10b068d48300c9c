//! PromQL, as Prometheus 3 documents it, over any source of series.
//!
//! The crate reads text and series and gives values: no storage, no HTTP, no clock, no threads.

mod ast;
mod error;
mod functions;
mod labels;
mod matcher;
mod parse;
mod print;

pub use ast::ValueType;
pub use error::{Error, Kind, Result, Span};
pub use labels::{Labels, NAME, Pair};
pub use matcher::{MatchOp, Matcher};
pub use parse::{MAX_DEPTH, MAX_TEXT_BYTES, parse_selector};
