//! Reading a report's JSON in one pass, with the bounds enforced on the way.
//!
//! A masternode reads ten thousand reports a second, so this is its hottest code. It is several
//! times faster than a general parser because it knows what comes: keys are expected in the order
//! in which a clientnode writes them (any other order is read, too), texts are borrowed until they
//! are kept, and depth, length and number of values are counted while the text is passed anyway.
//! What it accepts is a subset of what `serde` accepts for the same types, with the same result;
//! tests and a fuzz target hold it to that.

mod number;
mod parser;
mod read;
mod text;

pub use number::Number;
pub use parser::{Fault, Parser, Problem};
pub use read::Read;
